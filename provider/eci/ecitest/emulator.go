package ecitest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"time"
)

// Options describe the account and region that an Emulator plays. The zero value is an
// account without limits in cn-hangzhou with two vSwitches.
type Options struct {
	Region                       string // "": cn-hangzhou
	AccessKeyID, AccessKeySecret string // "": DefaultAccessKeyID and DefaultAccessKeySecret
	// PlayedBy is a second access key's id, with the same secret: of a virtual node of ours
	// that plays the vendor's. It sees its groups' own tags, all others those of ACK. "": none.
	PlayedBy string
	// VSwitches maps a vSwitch id to its zone. nil: vsw-h and vsw-i, in zones h and i.
	VSwitches map[string]string
	// InstanceTypes is the catalogue of ECS types, by name. nil: every type whose name says its
	// size, at prices that are made up.
	InstanceTypes map[string]InstanceType
	// ECSInstances are the account's at the start, as SetECSInstances takes them;
	// New panics on what it would refuse.
	ECSInstances []ECSInstance
	// SecurityGroups maps a security group to its VPC, "" being the account's. nil: every id is
	// one of the account's.
	SecurityGroups map[string]string
	// IPv6VSwitches are those with IPv6 addresses. nil: all.
	IPv6VSwitches []string
	// Routes are what containers reach at the start: see SetRoutes.
	Routes []Route
	// ServiceCIDR are the ClusterIPs of the cluster that the groups belong to: a group that runs
	// a kube-proxy (a container with that command, NET_ADMIN and a kubeconfig whose server it
	// reaches) reaches them. "": a kube-proxy brings nothing.
	ServiceCIDR string
	// MaxCPU is the account's quota in vCPU; 0: 1000.
	MaxCPU float64

	Timing Timing
	// Instant makes every duration of Timing zero: a group runs as soon as it exists.
	Instant bool
	// Latency is how long every call takes, in real time.
	Latency time.Duration
	// Clock is the emulator's time. nil: real time, made faster by Speed.
	Clock func() time.Time
	// Speed is how many emulated seconds pass in a real one; 0: 1.
	Speed float64
	// Seed makes ids and chances repeatable; 0: they differ with every Emulator.
	Seed uint64
	// NoRateLimits switches the API's calls per minute off.
	NoRateLimits bool
}

// The access key of an Emulator that was given none.
const (
	DefaultAccessKeyID     = "LTAIecitest"
	DefaultAccessKeySecret = "ecitest-secret"
)

// Timing says how long the steps of a group's life take, in emulated time. A zero takes
// the default in parentheses; Options.Instant makes all zero.
type Timing struct {
	Schedule time.Duration // Scheduling, until the resources are there (1 s)
	Pull     time.Duration // pulling one image (1.5 s)
	Stop     time.Duration // Terminating, for containers that stop when told (500 ms)
	Restart  time.Duration // Restarting (1 s)
	Update   time.Duration // Updating (1 s)
	NoStock  time.Duration // Scheduling, until an asynchronous lack of stock shows (1 s)
	Sample   time.Duration // between two measurements of usage (15 s)
	Bill     time.Duration // from an hour's end until it is on the bill (24 h)
}

func (t Timing) withDefaults(instant bool) Timing {
	if instant {
		return Timing{}
	}
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&t.Schedule, time.Second},
		{&t.Pull, 1500 * time.Millisecond},
		{&t.Stop, 500 * time.Millisecond},
		{&t.Restart, time.Second},
		{&t.Update, time.Second},
		{&t.NoStock, time.Second},
		{&t.Sample, 15 * time.Second},
		{&t.Bill, 24 * time.Hour},
	} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	return t
}

// An Emulator answers the API's calls. It is safe for concurrent use and needs no closing.
type Emulator struct {
	options Options
	timing  Timing
	schema  *Schema
	start   time.Time // real time
	epoch   time.Time // the emulator's clock at start

	mu         sync.Mutex // guards everything below
	random     *rand.Rand
	groups     map[string]*group // by id
	order      []*group          // by seq, ascending
	seq        int
	tokens     map[string]tokenUse // by action and ClientToken
	nonces     [2]map[string]bool  // this half hour's and the one before
	rotated    time.Time
	faults     []*Fault
	faultID    int
	minute     time.Time      // the calendar minute that rates counts
	rates      map[string]int // action -> calls this minute
	calls      map[string]int // action -> calls ever
	swept      time.Time
	resources  []*resource           // by seq, ascending
	ops        []*opsTask            // oldest first
	commits    []*commitTask         // oldest first
	executions map[string]*execution // by the token in their address
	disks      map[string]*disk      // by group; of those that a command ran in
	ledger     []charge              // of groups that left, about oldest first
	ecs        []ECSInstance
	routes     []Route
	loads      []setLoad // in the order they were set
	changes    uint64    // how often anything was changed
	keeper     *keeper   // nil: the state is in no file
	nextGone   time.Time // when the next deleted group leaves; zero: none
}

// New makes an Emulator. It panics when ECSInstances or Routes are wrong, or the embedded schemas are
// damaged, which the package's own tests exclude.
func New(o Options) *Emulator {
	if o.Region == "" {
		o.Region = "cn-hangzhou"
	}
	if o.AccessKeyID == "" {
		o.AccessKeyID, o.AccessKeySecret = DefaultAccessKeyID, DefaultAccessKeySecret
	}
	if o.VSwitches == nil {
		o.VSwitches = map[string]string{"vsw-h": o.Region + "-h", "vsw-i": o.Region + "-i"}
	}
	if o.MaxCPU == 0 {
		o.MaxCPU = 1000
	}
	if o.Speed == 0 {
		o.Speed = 1
	}
	if o.Seed == 0 {
		o.Seed = rand.Uint64()
	}
	schema, err := LoadSchema()
	if err != nil {
		panic(err)
	}
	now := time.Now()
	e := &Emulator{
		options: o, timing: o.Timing.withDefaults(o.Instant), schema: schema, start: now, epoch: now,
		random:     rand.New(rand.NewPCG(o.Seed, 1)),
		executions: map[string]*execution{}, disks: map[string]*disk{},
		groups: map[string]*group{}, tokens: map[string]tokenUse{},
		nonces: [2]map[string]bool{{}, {}}, rates: map[string]int{}, calls: map[string]int{},
	}
	if err := errors.Join(e.SetECSInstances(o.ECSInstances), e.SetRoutes(o.Routes)); err != nil {
		panic(err)
	}
	return e
}

// Region is the region that the emulator plays.
func (e *Emulator) Region() string { return e.options.Region }

// Zones are the region's zones, sorted.
func (e *Emulator) Zones() []string {
	return slices.Compact(slices.Sorted(maps.Values(e.options.VSwitches)))
}

// VSwitches are the region's vSwitches with their zones, as "vsw-h in cn-hangzhou-h", sorted.
func (e *Emulator) VSwitches() []string {
	var all []string
	for _, id := range sortedKeys(e.options.VSwitches) {
		all = append(all, id+" in "+e.options.VSwitches[id])
	}
	return all
}

// Now is the emulated time.
func (e *Emulator) Now() time.Time {
	if e.options.Clock != nil {
		return e.options.Clock().UTC()
	}
	elapsed := time.Duration(float64(time.Since(e.start)) * e.options.Speed)
	return e.epoch.Add(elapsed).UTC()
}

// Calls is how many calls of an action arrived with a valid signature.
func (e *Emulator) Calls(action string) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.calls[action]
}

// maxBody is the largest request that is read.
const maxBody = 4 << 20

// ServeHTTP answers one call, of the API or of the admin path.
func (e *Emulator) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != execPath { // whose connection is taken over
		w = settledWriter{w, e, r.Context()}
	}
	if strings.HasPrefix(r.URL.Path, adminPrefix) {
		e.serveAdmin(w, r)
		return
	}
	if r.URL.Path == browserPath {
		serveBrowser(w)
		return
	}
	if strings.HasPrefix(r.URL.Path, opsPath) {
		serveOps(w, r)
		return
	}
	if r.URL.Path == execPath {
		e.serveTerminal(w, r)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		e.refuse(w, badRequest("InvalidParameter", "The request body can't be read: "+err.Error()))
		return
	}
	// Only after the body was read does the server notice that a client hung up.
	if e.options.Latency > 0 && !pause(r.Context(), e.options.Latency) {
		return
	}
	call, refusal := e.parse(r, body)
	if refusal != nil {
		e.refuse(w, refusal)
		return
	}
	call.socket = "ws://" + r.Host
	if r.TLS != nil {
		call.socket = "wss://" + r.Host
	}
	answer, after, refusal := e.answer(call)
	if after.delay > 0 && !pause(r.Context(), after.delay) {
		return
	}
	switch {
	case after.never:
		// What a client sees when the gateway accepted a call and died: nothing, until one
		// of the two gives up.
		pause(r.Context(), time.Minute)
		panic(http.ErrAbortHandler)
	case refusal != nil:
		e.refuse(w, refusal)
	default:
		if later, ok := answer.(deferred); ok {
			answer = later(r.Context())
		}
		writeJSON(w, http.StatusOK, answer)
	}
}

// aftermath is what faults do to an answer that is ready.
type aftermath struct {
	never bool          // nobody ever gets it
	delay time.Duration // in real time
}

// answer runs a verified call under the lock.
func (e *Emulator) answer(c *call) (answer any, after aftermath, refused *refusal) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.calls[c.action]++
	now := e.Now()
	e.sweep(now)
	if r := e.countRate(c.action); r != nil {
		return nil, after, r
	}
	handler := e.handler(c.action)
	if handler == nil || c.version != versionOf(c.action) {
		return nil, after, &refusal{http.StatusNotFound, "InvalidAction.NotFound", "Specified api is not found, please check your url and method."}
	}
	if r := e.checkParams(c); r != nil {
		return nil, after, r
	}
	empty := false
	for _, f := range e.firing(now, c) {
		switch f.Kind {
		case FaultThrottling:
			return nil, after, badRequest("Throttling", "You have made too many requests within a short time; your request is denied due to request throttling.")
		case FaultError500:
			return nil, after, &refusal{http.StatusInternalServerError, "InternalError", "The request processing has failed due to some unknown error, exception or failure."}
		case FaultDenied:
			return nil, after, &refusal{http.StatusForbidden, "Forbidden.RAM", "User not authorized to operate on the specified resource, or this API doesn't support RAM."}
		case FaultUnavailable:
			return nil, after, &refusal{http.StatusServiceUnavailable, "ServiceUnavailable", "The request has failed due to a temporary failure of the server."}
		case FaultCode:
			return nil, after, f.refusal()
		case FaultArrears:
			return nil, after, badRequest("Account.Arrearage", "Your account has an outstanding payment.")
		case FaultQuota:
			return nil, after, forbidden("QuotaExceeded", "vCPU quota exceeded.")
		case FaultSlow:
			after.delay = max(after.delay, time.Duration(f.DelaySeconds*float64(time.Second)))
		case FaultRepeatPage:
			delete(c.params, "NextToken")
		case FaultSilentExec:
			c.silent = true
		case FaultEmptyList:
			empty = true
		case FaultTimeoutAfterAccept:
			e.run(handler, c, now)
			return nil, aftermath{never: true}, nil
		}
	}
	if empty {
		if list := emptyAnswer(c.action, e.requestID()); list != nil {
			return list, after, nil
		}
	}
	answer, refused = e.run(handler, c, now)
	return answer, after, refused
}

type handler func(c *call, now time.Time) (any, *refusal)

// handler is the emulator's method for an action; nil: none.
func (e *Emulator) handler(action string) handler {
	switch action {
	case "CreateContainerGroup":
		return e.createGroup
	case "DescribeContainerGroups":
		return e.describeGroups
	case "DescribeContainerGroupStatus":
		return e.describeStatus
	case "DescribeContainerGroupEvents":
		return e.describeEvents
	case "UpdateContainerGroup":
		return e.updateGroup
	case "DeleteContainerGroup":
		return e.deleteGroup
	case "RestartContainerGroup":
		return e.restartGroup
	case "ExecContainerCommand":
		return e.execCommand
	case "DescribeContainerLog":
		return e.describeLog
	case "DescribeContainerGroupMetric":
		return e.describeMetric
	case "DescribeMultiContainerGroupMetric":
		return e.describeMetrics
	case "DescribeContainerGroupPrice":
		return e.describePrice
	case "CreateImageCache":
		return e.createResource(imageCaches())
	case "DescribeImageCaches":
		return e.describeResources(imageCaches(), "ImageCaches")
	case "UpdateImageCache":
		return e.updateResource(imageCaches())
	case "DeleteImageCache":
		return e.deleteResource(imageCaches())
	case "CreateDataCache":
		return e.createResource(dataCaches())
	case "DescribeDataCaches":
		return e.describeResources(dataCaches(), "DataCaches")
	case "UpdateDataCache":
		return e.updateResource(dataCaches())
	case "CopyDataCache":
		return e.copyDataCache
	case "DeleteDataCache":
		return e.deleteResource(dataCaches())
	case "CreateVirtualNode":
		return e.createResource(virtualNodes())
	case "DescribeVirtualNodes":
		return e.describeResources(virtualNodes(), "VirtualNodes")
	case "UpdateVirtualNode":
		return e.updateResource(virtualNodes())
	case "DeleteVirtualNode":
		return e.deleteResource(virtualNodes())
	case "TagResources":
		return e.tagResources
	case "UntagResources":
		return e.untagResources
	case "ListTagResources":
		return e.listTagResources
	case "CreateInstanceOpsTask":
		return e.createOpsTask
	case "DescribeInstanceOpsRecords":
		return e.describeOpsRecords
	case "CommitContainer":
		return e.commitContainer
	case "DescribeCommitContainerTask":
		return e.describeCommits
	case "ResizeContainerGroupVolume":
		return e.resizeVolume
	case "DescribeAvailableResource":
		return e.describeAvailable
	case "DescribeInstanceBill":
		return e.describeBill
	case "DescribePrice":
		return e.ecsPrice
	case "DescribeInstances":
		return e.describeInstances
	case "DescribeSpotPriceHistory":
		return e.spotHistory
	case "DescribeVSwitches":
		return e.describeVSwitches
	case "GetCallerIdentity":
		return e.callerIdentity
	case "DescribeRegions":
		return e.describeRegions
	case "ListUsage":
		return e.listUsage
	}
	return nil
}

// requestID is a new id of an answer. The caller holds the lock.
func (e *Emulator) requestID() string {
	return fmt.Sprintf("%08X-%04X-%04X-%04X-%012X", e.random.Uint32(), e.random.Uint32()&0xffff,
		e.random.Uint32()&0xffff, e.random.Uint32()&0xffff, e.random.Uint64()&0xffffffffffff)
}

// pause waits in real time; false: ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// digest is a short name made of parts.
func digest(parts ...any) string {
	sum := sha256.Sum256(fmt.Append(nil, parts...))
	return hex.EncodeToString(sum[:])
}

// Transport is a round tripper that calls the emulator without a socket, for clients in
// the same process and in synctest bubbles. A request whose context ends gets its error at
// once, as over a network.
func (e *Emulator) Transport() http.RoundTripper { return transport{e} }

type transport struct{ handler http.Handler }

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	type outcome struct {
		recorder *httptest.ResponseRecorder
		aborted  bool
	}
	done := make(chan outcome, 1)
	go func() {
		o := outcome{recorder: httptest.NewRecorder(), aborted: true}
		defer func() {
			if cause := recover(); cause != nil && cause != http.ErrAbortHandler { //nolint:errorlint // a panic value, never wrapped
				panic(cause)
			}
			done <- o
		}()
		server := r.Clone(r.Context())
		if server.Body == nil {
			server.Body = http.NoBody
		}
		if server.Host == "" {
			server.Host = server.URL.Host
		}
		t.handler.ServeHTTP(o.recorder, server)
		o.aborted = false
	}()
	select {
	case o := <-done:
		if o.aborted {
			return nil, io.ErrUnexpectedEOF
		}
		response := o.recorder.Result()
		response.Request = r
		return response, nil
	case <-r.Context().Done():
		return nil, context.Cause(r.Context())
	}
}
