// Package ui shows: the terminal console's screens, keys and themes. It knows snapshots
// (package fleet), never a client. What is not in a snapshot (logs, YAML, a description)
// comes through the small interfaces in app.go, which cmd fulfils. Who calls it: cmd/ecideck.
//
// Goroutines. Everything on screen belongs to tview's goroutine. The pump brings changes of
// the world to it, at most ten times a second, and is the only one that queues updates: a
// queued update never returns once tview has stopped. So quitting is: cancel, wait for the
// pump, then stop tview. Whatever may block runs through console.Go and ends with Wake.
//
// A new screen is a file in ui/view with the four methods of view.View, and a line in
// newConsole when a digit is to open it. A new key is a keymap.Action in the view's Actions;
// bar, help and README's table follow from it. A new column is a table.Column literal.
package ui
