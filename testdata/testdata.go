// Package testdata embeds the data that programs need: the lab's objects and its scenarios.
package testdata

import "embed"

// LabBase are the objects of every lab. METRICS_SERVER_PORT stands for a port.
//
//go:embed lab/base.yaml
var LabBase []byte

// LabKwok is what the lab adds to kwok's own stages. LOG_FILE stands for a path.
//
//go:embed lab/kwok.yaml
var LabKwok []byte

// LabKwokLog is what `kubectl logs` shows of a pod on a simulated ECS node.
//
//go:embed lab/kwok-pod.log
var LabKwokLog []byte

// Scenarios are the scenarios, NAME.txtar in the folder scenarios.
//
//go:embed scenarios/*.txtar
var Scenarios embed.FS
