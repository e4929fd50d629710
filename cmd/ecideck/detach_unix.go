//go:build unix

package main

import "syscall"

// ownSession keeps a process from the signals of this one's terminal.
func ownSession() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }
