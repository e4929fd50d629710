// Package ecitest is an emulator of the ECI API at its wire protocol: an http.Handler with
// its own state and clock, which checks what the real gateway checks and fails on demand.
//
// A group's life is never driven by timers. What a group is at a moment is computed from
// its request and the clock when somebody asks, so an Emulator has no goroutines, costs
// nothing while nobody asks, and runs at any speed. Only Keep, which saves the state to a file,
// works while nobody asks, in its caller's goroutine.
//
// Who calls it: tests, and the lab, which serves it on a socket.
package ecitest
