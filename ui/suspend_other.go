//go:build !unix

package ui

// suspendProcess does nothing: there is no job control here.
func suspendProcess() {}
