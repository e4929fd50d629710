// Package kubetest starts and stops the lab: a whole Kubernetes cluster and an emulated
// Alibaba Cloud on this machine's loopback. The API server, scheduler, controllers,
// metrics-server and the virtual node are the real programs, each a process of its own;
// ECS nodes are simulated by kwok, the cloud by package ecitest.
//
// Who calls it: cmd/ecideck-lab and tests. It starts only processes it also ends: they die
// with the process that called Start, also when that is killed (on Linux; elsewhere an
// orderly end is needed).
package kubetest
