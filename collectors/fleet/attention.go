package fleet

import "time"

// A Topic is the kind of thing that needs a person.
type Topic string

// The topics, in the order in which they are shown among equals.
const (
	TopicLost      Topic = "lost"      // pods whose group is gone
	TopicNotice    Topic = "notice"    // the cloud will take a group at a time it told
	TopicOrphans   Topic = "orphans"   // groups without a pod
	TopicDisagree  Topic = "disagree"  // Kubernetes and ECI say different things
	TopicStuck     Topic = "stuck"     // a workload does not get its pods
	TopicBroken    Topic = "broken"    // pods that crash or fail
	TopicNode      Topic = "node"      // a node that isn't ready
	TopicMaximum   Topic = "maximum"   // an autoscaler at its maximum that wants more
	TopicBudget    Topic = "budget"    // a disruption budget that allows nothing
	TopicQuota     Topic = "quota"     // little of the account's vCPU quota is left
	TopicAddresses Topic = "addresses" // few free addresses in a vSwitch
	TopicBurst     Topic = "burst"     // pods that a guardrail holds back, bursts that last, or are stopped
	TopicOperation Topic = "operation" // a migration or drain that has not ended
	TopicRollout   Topic = "rollout"   // a rollout over its deadline
	TopicSource    Topic = "source"    // a source that can't be read
	TopicPrice     Topic = "price"     // things without a price
)

// An Attention is one thing that needs a person, with what can be done. They are sorted:
// Broken before Degraded, what has a deadline first, then by what it costs for nothing, then
// by how long it lasts.
type Attention struct {
	Topic    Topic
	Severity Severity
	Subject  string    // what it is about: shop/checkout, 3 orphan groups, vsw-b
	Text     string    // what is the matter, a sentence without the subject
	Remedy   string    // what helps, a sentence
	Target   Ref       // what Enter opens
	Count    int       // how many things are meant
	Since    time.Time // since when; zero: not known
	Due      time.Time // when it gets worse by itself, as a spot group's release; zero: never
	Waste    Tally     // what it costs for nothing
}
