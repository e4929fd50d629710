package provider

import "github.com/ecideck/ecideck/provider/eci"

// tagProbeUntil marks a group that tries the network, and says until when it is no orphan.
const tagProbeUntil = "ProbeUntil"

// probes tells that the group tries the network and has no pod.
func probes(g *eci.Group) bool { return g.Tags[tagProbeUntil] != "" }
