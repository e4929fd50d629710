//go:build !unix

package main

import "syscall"

// ownSession is what this system has for it: nothing.
func ownSession() *syscall.SysProcAttr { return nil }
