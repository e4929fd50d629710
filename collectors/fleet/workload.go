package fleet

import (
	"time"
)

// An Owner is what owns a pod: the topmost owner that is known (Deployment rather than its
// ReplicaSet). Kind "" is a bare pod.
type Owner struct{ Kind, Name string }

// A Ref points at an object. Kind is Kubernetes' (Pod, Node, Deployment …), or
// ContainerGroup, VSwitch, Source, Account or Operation; those have only a name, and an Operation
// the namespace of its journal.
type Ref struct{ Kind, Namespace, Name, UID string }

// The kinds of Ref that are no Kubernetes kinds.
const (
	KindGroup   = "ContainerGroup"
	KindVSwitch = "VSwitch"
	KindSource  = "Source"
	KindAccount = "Account"
	// KindOperation is a migration or a drain, by its id.
	KindOperation = "Operation"
)

// A Controller is the compact record of a Deployment, ReplicaSet, StatefulSet, DaemonSet,
// Job or CronJob, as its collector saw it. Counts that its kind does not have are zero.
type Controller struct {
	Kind, Namespace, Name, UID string
	ResourceVersion            string
	Owner                      Owner  // a ReplicaSet's Deployment, a Job's CronJob
	Labels                     string // of the pod template, as label selectors write them, sorted: a=b,c=d
	Created                    time.Time
	Desired                    int // replicas wanted; of a Job its parallelism, of a DaemonSet the nodes
	Current, Updated           int
	Ready, Available           int
	Terminating                int
	Failed, Succeeded          int  // a Job's pods
	Completions, BackoffLimit  int  // a Job's
	Active                     int  // a CronJob's running Jobs
	Paused, Suspended          bool // a Deployment's rollout; a Job or CronJob
	Observed                   bool // the status is of the newest generation
	OrderedReady               bool // a StatefulSet that starts its pods one after another
	Partition                  int  // a StatefulSet's rolling update stops at this ordinal
	Schedule                   string
	LastSchedule               time.Time // a CronJob's newest run
	// The conditions that say why it does not get on: a Deployment's Progressing and
	// ReplicaFailure, a Job's Failed and Suspended. Their Status is empty when they are not there.
	Progressing, Failure Condition
}

// A Condition is one condition of an object.
type Condition struct {
	Status, Reason, Message string    // Status: True, False, Unknown; "": the object has no such condition
	Since                   time.Time // its last transition; zero: not said
}

// An Autoscaler is what changes a workload's replicas by itself: a HorizontalPodAutoscaler, a
// KEDA ScaledObject or a CronHorizontalPodAutoscaler.
type Autoscaler struct {
	Kind, Namespace, Name, UID string
	ResourceVersion            string
	Target                     Owner
	Min, Max                   int // Max 0: it has none, as a CronHorizontalPodAutoscaler
	Current, Desired           int
	Metrics                    string // current against target: "cpu 92%/60%, rps 1200/1000"; "": none known
	LastScale                  time.Time
	// A HorizontalPodAutoscaler's AbleToScale, ScalingActive and ScalingLimited; a
	// ScaledObject's Ready, Active and Fallback.
	Able, Active, Limited Condition
	Paused                bool        // a ScaledObject that was told to do nothing
	HPA                   string      // the HorizontalPodAutoscaler that a ScaledObject works through
	Schedules             []Scheduled // a CronHorizontalPodAutoscaler's jobs
}

// A Scheduled is one job of a CronHorizontalPodAutoscaler.
type Scheduled struct {
	Name, Schedule string
	Size           int
	State, Message string    // Succeed, Failed, Submitted
	Last           time.Time // when it was last looked at
}

// A Budget is the compact record of a PodDisruptionBudget.
type Budget struct {
	Namespace, Name, UID string
	ResourceVersion      string
	Selector             string // as label selectors are written; "": selects nothing
	All                  bool   // selects every pod of the namespace
	Allowed              int    // disruptions that it allows now
	Current, Desired     int    // healthy pods
	Expected             int
	Failure              Condition // its DisruptionAllowed condition, when that says that it could not be computed
}

// PlaceCounts count pods that have not ended, by place.
type PlaceCounts struct {
	ECS, ECI, ACS, Other int
	None                 int // not bound to a node yet
	Unknown              int // bound, but where is not known
}

// All is their sum.
func (c PlaceCounts) All() int { return c.ECS + c.ECI + c.ACS + c.Other + c.None + c.Unknown }

// Add counts n pods of a place.
func (c *PlaceCounts) Add(p Place, n int) {
	switch p {
	case PlaceECS:
		c.ECS += n
	case PlaceECI:
		c.ECI += n
	case PlaceACS:
		c.ACS += n
	case PlaceOther:
		c.Other += n
	case PlaceNone:
		c.None += n
	default:
		c.Unknown += n
	}
}

// A Workload is one row of the workloads and of the scaling view: what owns pods, where they
// run, what they cost, and why it is or isn't getting what it wants. Bare pods are workloads
// of kind Pod.
type Workload struct {
	Owner
	Namespace string
	UID       string // "": its own object is not known
	// Object is the workload's own object, nil while it has not been read or may not be:
	// then only what its pods tell is known, and Desired is not.
	Object *Controller

	Pods       PlaceCounts // of this workload, those that have not ended
	ReadyPods  int         // of Pods, those whose containers are all ready
	Ended      int         // pods that have ended and are still there
	Desired    int         // replicas wanted; -1: not known
	Autoscaler *Autoscaler // nil: none, or none known
	Budget     *Budget     // the one that allows least of those that select its pods; nil: none
	Rollout    Rollout
	Cost       Tally
	Usage      UsageSum
	BurstPods  int       // of Pods, those on ECI because real nodes were full
	BurstSince time.Time // since when the oldest of them; zero: none

	Trouble Severity
	Scaling Scaling
	members []*Placement
	// reclaimed is when the newest of its pods whose spot group was taken ended; zero: none.
	reclaimed time.Time
	controls  []*Controller // its ReplicaSets or Jobs that say something
	recheck   time.Time     // when the same inputs will say something else; zero: never
}

// Rollout says how far a change of the pod template has come, in kubectl's words.
type Rollout struct {
	State   RolloutState
	Message string // a sentence; "" when State is RolloutNone
	Since   time.Time
}

// RolloutState is how a rollout stands.
type RolloutState string

// The states. RolloutNone is a kind that has no rollouts, or a workload whose object is not
// known.
const (
	RolloutNone     RolloutState = ""
	RolloutComplete RolloutState = "complete"
	RolloutRunning  RolloutState = "running"
	RolloutStuck    RolloutState = "stuck" // over its progress deadline
	RolloutPaused   RolloutState = "paused"
)

// Scaling says in one line why a workload is or isn't scaling. It is built from the top:
// who wants how many, whether the pods exist, are scheduled, get a place from the cloud, and
// become ready. The first layer that does not get on gives the reason.
type Scaling struct {
	State ScalingState
	// By is who decides the number: hpa, keda, cron, burst, or person.
	By    string
	Layer Layer // the layer that does not get on; "": none
	// Line is the whole of it: "12→30 hpa cpu 92%/60% | 12 ready, 18 pending: 18 × NoStock cn-hangzhou-h".
	Line   string
	Reason string // the sentence of the layer that does not get on
	Remedy string // what helps; "": nothing is wrong, or nothing is known
	// Since is since when it has not got on; zero: it has, or that is not known. Views sort by it.
	Since time.Time
}

// ScalingState orders what a person should look at first.
type ScalingState string

// The states. Steady has what it wants, Moving is on its way, Limited has what its autoscaler
// may give it but wants more, Stuck does not get on.
const (
	ScalingSteady  ScalingState = "steady"
	ScalingMoving  ScalingState = "moving"
	ScalingLimited ScalingState = "limited"
	ScalingStuck   ScalingState = "stuck"
	ScalingUnknown ScalingState = "unknown"
)

// A Layer is a place where scaling can fail, from the top.
type Layer string

// The layers.
const (
	LayerWants    Layer = "wants"    // the autoscaler can't tell how many
	LayerCreate   Layer = "create"   // the pods are refused: quota, webhook, policy
	LayerSchedule Layer = "schedule" // no node fits
	LayerProvider Layer = "provider" // the cloud refuses: stock, quota, addresses, image
	LayerReady    Layer = "ready"    // they run and do not become ready
)
