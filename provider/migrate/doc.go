// Package migrate moves running pods between real nodes and ECI, and drains nodes, without
// losing a replica that a budget protects.
//
// Read asks the API server for the Facts of what is to move, Make (pure) turns them into a
// Plan: who moves by which strategy, who stays and why, what it costs, what speaks against it.
// An Engine runs the plan as an Operation. Each of its steps is decided by a pure function of
// what the API server says at that moment, never of what was remembered: so a process that is
// killed after any step can be followed by another one (Load, then Run), from any machine, to
// the end or, with Abort, back. Every step is written to the Journal before and after.
//
// The engine knows no screen: it reports copies of the Operation to one function.
//
// Who calls it: the commands and the console. It calls the API server, and no cloud.
package migrate
