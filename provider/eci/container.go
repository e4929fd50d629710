package eci

// A Probe is a readiness or liveness probe; exactly one of HttpGet, TcpSocket and Exec is
// set. ECI has no startup probe.
type Probe struct {
	InitialDelaySeconds *int32
	PeriodSeconds       int32
	TimeoutSeconds      int32
	SuccessThreshold    int32
	FailureThreshold    int32
	HttpGet             *HTTPGet
	TcpSocket           *TCPSocket
	Exec                *Exec
}

// An HTTPGet probe asks the group's own address; it has neither a host nor headers.
type HTTPGet struct {
	Path   string
	Port   int32
	Scheme string
}

// A TCPSocket probe succeeds when the port accepts a connection.
type TCPSocket struct{ Port int32 }

// An Exec probe succeeds when the command exits with 0.
type Exec struct{ Command []string }

// A SecurityContext is what a container may do. ECI has no parameter for dropped
// capabilities, seccomp or AppArmor.
type SecurityContext struct {
	Capability             *Capability
	RunAsUser              *int64
	ReadOnlyRootFilesystem *bool
}

// Capability lists the Linux capabilities added to the default set.
type Capability struct{ Add []string }
