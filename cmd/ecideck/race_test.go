//go:build race

package main

// raceEnabled says that this test watches for data races, so its processes shall too.
const raceEnabled = true
