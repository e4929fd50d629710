// Package provider is the virtual node: it runs every pod bound to its node as an ECI
// container group, with the Virtual Kubelet library's pod and node controllers.
//
// Two pure functions hold the decisions: Build turns a pod into the request for a group
// or into a refusal in words, Status turns a group into the pod's status. Around them,
// one work queue keyed by pod UID creates and deletes groups, one loop polls ECI, and one
// client writes statuses. Names are reused in Kubernetes, so nothing here is identified
// by namespace and name alone.
//
// Who calls it: cmd/ecideck-node. What it calls: provider/eci and the Kubernetes API.
package provider
