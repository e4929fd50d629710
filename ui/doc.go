// Package ui shows: the terminal console's screens, keys and themes. It knows snapshots
// (package fleet) and, later, plans; never a client. What is not in a snapshot (logs, YAML,
// a description) comes through the small interfaces below, which cmd fulfils.
package ui
