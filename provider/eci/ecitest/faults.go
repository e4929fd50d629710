package ecitest

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ecideck/ecideck/provider/eci"
)

// Kinds of faults.
const (
	FaultNoStock            = "nostock"              // a zone has no capacity: OperationDenied.NoStock, or with Async ScheduleFailed
	FaultThrottling         = "throttling"           // Throttling
	FaultError500           = "error500"             // InternalError
	FaultDenied             = "denied"               // Forbidden.RAM
	FaultEmptyList          = "emptylist"            // listings answer 200 with nothing, as for a RAM identity without rights
	FaultTimeoutAfterAccept = "timeout-after-accept" // the call takes effect and is never answered
	FaultUnavailable        = "unavailable"          // ServiceUnavailable, 503
	FaultSlow               = "slow"                 // answers take DelaySeconds longer
	FaultRepeatPage         = "repeatpage"           // a page asked for by its token is the first one again
	FaultArrears            = "arrears"              // creating: Account.Arrearage
	FaultQuota              = "quota"                // creating: QuotaExceeded
	FaultNoIPs              = "noips"                // a zone's vSwitches have no addresses left: InvalidVSwitchId.IpNotEnough
	FaultNotOnSale          = "notonsale"            // a zone sells nothing: Zone.NotOnSale
	FaultSpotReclaim        = "spotreclaim"          // spot groups get their notice, and expire three minutes later
	FaultRestart            = "restart"              // groups are restarted after a failure of their host
	FaultMaintenance        = "maintenance"          // groups get the notice SystemReboot
	FaultCacheFails         = "cachefails"           // image caches that are made or updated become Failed
	FaultSilentExec         = "silentexec"           // the socket of a command tells no exit code
	FaultCode               = "code"                 // calls are refused with Code
)

// FaultKinds are all kinds.
func FaultKinds() []string {
	return []string{FaultNoStock, FaultThrottling, FaultError500, FaultDenied, FaultEmptyList, FaultTimeoutAfterAccept,
		FaultUnavailable, FaultSlow, FaultRepeatPage, FaultArrears, FaultQuota, FaultNoIPs, FaultNotOnSale,
		FaultSpotReclaim, FaultRestart, FaultMaintenance, FaultCacheFails, FaultSilentExec, FaultCode}
}

// ofZones reports that a fault decides whether a zone takes a new group.
func (f *Fault) ofZones() bool {
	return f.Kind == FaultNoStock || f.Kind == FaultNoIPs || f.Kind == FaultNotOnSale
}

// ofGroups reports that a fault happens to groups and not to calls.
func (f *Fault) ofGroups() bool {
	return f.Kind == FaultSpotReclaim || f.Kind == FaultRestart || f.Kind == FaultMaintenance
}

// A Fault makes calls fail until it is removed, used up or over.
type Fault struct {
	ID     string `json:"id,omitempty"` // given by AddFault
	Kind   string `json:"kind"`
	Zone   string `json:"zone,omitempty"`   // of zones and of groups: this zone; "": all
	Action string `json:"action,omitempty"` // of calls: this action; "": all that the kind is about
	Group  string `json:"group,omitempty"`  // of groups: this one; "": all
	// Rate is the share of calls, or of groups, that it hits, 0 to 1; 0 is 1.
	Rate float64 `json:"rate,omitempty"`
	// Count is after how many calls or groups it is used up; 0: never.
	Count int `json:"count,omitempty"`
	// ForSeconds is how long it lasts, in emulated seconds; 0: until it is removed.
	ForSeconds float64 `json:"forSeconds,omitempty"`
	// Async lets nostock show after the group was created: it ends in ScheduleFailed.
	Async bool `json:"async,omitempty"`
	// Code is what calls are refused with, such as Forbidden.RiskControl. Status is its HTTP
	// status; 0: the documented one, or 400. Message says something, if empty, that is made up.
	Code    string `json:"code,omitempty"`
	Status  int    `json:"status,omitempty"`
	Message string `json:"message,omitempty"`
	// DelaySeconds is how much longer answers take with slow, in real seconds; 0: 5.
	DelaySeconds float64 `json:"delaySeconds,omitempty"`

	since time.Time
	until time.Time       // zero: no end
	drawn map[string]bool // ids of the groups that it has hit or spared
	left  int             // meaningful where Count > 0
}

// AddFault switches a fault on and returns its id.
func (e *Emulator) AddFault(f Fault) (string, error) {
	if !slices.Contains(FaultKinds(), f.Kind) {
		return "", fmt.Errorf("unknown fault kind %q: there are %s", f.Kind, strings.Join(FaultKinds(), ", "))
	}
	if !(f.Rate >= 0 && f.Rate <= 1) || f.Count < 0 || !(f.ForSeconds >= 0) || !(f.DelaySeconds >= 0 && f.DelaySeconds <= 3600) {
		return "", fmt.Errorf("fault %s: rate must be 0 to 1, delaySeconds 0 to 3600, count and forSeconds not negative", f.Kind)
	}
	if (f.Kind == FaultCode) != (f.Code != "") || f.Status != 0 && (f.Status < 400 || f.Status > 599) {
		return "", fmt.Errorf("fault %s: the kind code needs a code, no other takes one; a status is 400 to 599", f.Kind)
	}
	if f.Zone != "" && !slices.Contains(e.Zones(), f.Zone) {
		return "", fmt.Errorf("fault %s: no zone %q here: there are %s", f.Kind, f.Zone, strings.Join(e.Zones(), ", "))
	}
	now := e.Now()
	e.mu.Lock()
	defer e.mu.Unlock()
	if f.Rate == 0 {
		f.Rate = 1
	}
	if f.DelaySeconds == 0 {
		f.DelaySeconds = 5
	}
	if f.Kind != FaultSlow {
		f.DelaySeconds = 0
	}
	f.since, f.drawn = now, map[string]bool{}
	if f.ForSeconds > 0 {
		f.until = now.Add(time.Duration(f.ForSeconds * float64(time.Second)))
	}
	e.faultID++
	f.ID, f.left = "fault-"+strconv.Itoa(e.faultID), f.Count
	e.faults = append(e.faults, &f)
	e.changed()
	e.strike(now)
	return f.ID, nil
}

// Faults are those that are on.
func (e *Emulator) Faults() []Fault {
	now := e.Now()
	e.mu.Lock()
	defer e.mu.Unlock()
	e.dropFaults(now)
	faults := make([]Fault, 0, len(e.faults))
	for _, f := range e.faults {
		faults = append(faults, *f)
	}
	return faults
}

// ClearFaults switches all faults off, or those with the given ids.
func (e *Emulator) ClearFaults(ids ...string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.changed()
	e.faults = slices.DeleteFunc(e.faults, func(f *Fault) bool { return len(ids) == 0 || slices.Contains(ids, f.ID) })
}

func (e *Emulator) dropFaults(now time.Time) {
	e.faults = slices.DeleteFunc(e.faults, func(f *Fault) bool {
		return f.Count > 0 && f.left == 0 || !f.until.IsZero() && !now.Before(f.until)
	})
}

// fires decides by chance whether a fault hits now, and counts it if so.
func (e *Emulator) fires(f *Fault) bool {
	if f.Rate < 1 && e.random.Float64() >= f.Rate {
		return false
	}
	if f.Count > 0 {
		f.left--
		e.changed()
	}
	return true
}

// firing are the faults that hit a call, those of zones and groups left out.
func (e *Emulator) firing(now time.Time, c *call) []*Fault {
	e.dropFaults(now)
	var hit []*Fault
	for _, f := range e.faults {
		if f.ofZones() || f.ofGroups() || f.Kind == FaultCacheFails || f.Action != "" && f.Action != c.action {
			continue
		}
		switch f.Kind {
		case FaultEmptyList:
			if emptyAnswer(c.action, "") == nil {
				continue
			}
		case FaultRepeatPage:
			if c.params["NextToken"] == "" {
				continue
			}
		case FaultSilentExec:
			if c.action != "ExecContainerCommand" {
				continue
			}
		case FaultArrears, FaultQuota:
			if c.action != "CreateContainerGroup" {
				continue
			}
		}
		if e.fires(f) {
			hit = append(hit, f)
		}
	}
	return hit
}

// A lack says why a zone takes no new group; "": it does.
type lack string

// lackBid: the market is above the bid.
const lackBid lack = "bid"

// stock says how creating in a zone goes now; later: it seems to go well and then there
// is no stock.
func (e *Emulator) stock(now time.Time, zone string) (why lack, later bool) {
	e.dropFaults(now)
	for _, f := range e.faults {
		if f.ofZones() && (f.Zone == "" || f.Zone == zone) && e.fires(f) {
			if f.Kind != FaultNoStock || !f.Async {
				return lack(f.Kind), false
			}
			later = true
		}
	}
	return "", later
}

// refusal is what creating is refused with when the last zone lacks something.
func (l lack) refusal() *refusal {
	switch l {
	case FaultNoIPs:
		return forbidden("InvalidVSwitchId.IpNotEnough", "The specified VSwitch has not enough IP addresses.")
	case FaultNotOnSale:
		return forbidden("Zone.NotOnSale", "The specified zone is not on sale.")
	}
	return forbidden("OperationDenied.NoStock", "Sales of this resource are temporarily suspended in the specified zone. We recommend that you use the multi-zone creation function to avoid the risk of insufficient resource.")
}

// spotNotice is how long before the release of a spot group its notice comes.
const spotNotice = 3 * time.Minute

// strike lets the faults of groups happen to those that run. Each group is drawn once for
// each fault, at the time when both were there, whenever that is noticed.
func (e *Emulator) strike(now time.Time) {
	for _, f := range e.faults {
		if !f.ofGroups() {
			continue
		}
		for _, g := range e.order {
			if f.Count > 0 && f.left == 0 {
				break
			}
			v := g.at(now, e.timing)
			if f.drawn[g.ID] || v.status != eci.Running || f.Zone != "" && f.Zone != g.Zone || f.Group != "" && f.Group != g.ID ||
				f.Kind == FaultSpotReclaim && (g.SpotStrategy == "NoSpot" || !g.Reclaimed.IsZero()) {
				continue
			}
			at := f.since
			if v.started.After(at) {
				at = v.started
			}
			if !f.until.IsZero() && !at.Before(f.until) {
				continue
			}
			f.drawn[g.ID] = true
			e.changed()
			if e.fires(f) {
				g.struck(f.Kind, at, now)
			}
		}
	}
}

// struck lets a fault happen to the group: at when both were there, now being when it is
// noticed.
func (g *group) struck(kind string, at, now time.Time) {
	switch kind {
	case FaultSpotReclaim:
		g.Reclaimed = at.Add(spotNotice)
		g.Notices = append(slices.Clone(g.Notices), event{"Warning", "SpotToBeReleased", "Spot ECI will be released in 3 minutes", 1, at, at})
	case FaultRestart:
		g.restart(now, false)
		g.Notices = append(slices.Clone(g.Notices), event{"Warning", "SystemFailureReboot", "The Specified ContainerGroup is rebooting", 1, now, now})
	case FaultMaintenance:
		g.Notices = append(slices.Clone(g.Notices), event{"Warning", "SystemReboot", "It is strongly recommended that you re-create this instance within 48 hours because of maintenance of its host, otherwise, the pod will be forced to restart.", 1, at, at})
	}
	g.touch()
}

// buildFails reports that a fault makes what is built now fail.
func (e *Emulator) buildFails(now time.Time, k *resourceKind) bool {
	e.dropFaults(now)
	return k.tagType == "ImageCache" && slices.ContainsFunc(e.faults, func(f *Fault) bool { return f.Kind == FaultCacheFails && e.fires(f) })
}

// refusal is what the kind code refuses with.
func (f *Fault) refusal() *refusal {
	message := f.Message
	if message == "" {
		message = "The request is refused with " + f.Code + ", as a fault of the emulator says."
	}
	status := f.Status
	if status == 0 {
		status = statusOf(f.Code)
	}
	return &refusal{status, f.Code, message}
}

// statusOf is the HTTP status that the vendor documents for a code of CreateContainerGroup
// and of its gateway; 400 for every other.
func statusOf(code string) int {
	switch code {
	case "QuotaExceeded", "Throttling.Vcpu.PerDay", "Zone.NotOnSale", "InvalidVSwitchId.IpNotEnough", "Spot.NotMatched",
		"InvalidUser.PassRoleForbidden", "InvalidParameter.KMS.KeyId.Forbidden", "InvalidOperation.ResourceManagedByCloudProduct",
		"SecurityRisk.3DVerification", "CreateServiceLinkedRole.Denied", "FeatureAccessRestricted", "IdempotentParameterMismatch",
		"InvalidAction", "InvalidVolumeType", "IncorrectStatusDetail", "RISK.RISK_CONTROL_REJECTION":
		return http.StatusForbidden
	case "ImageSnapshot.NotFound", "InvalidDiskId.NotFound", "InvalidParameter.KMS.KeyId.NotFound", "InvalidParameter.NotFound",
		"InvalidAccessKeyId.NotFound", "InvalidAction.NotFound", "InvalidApi.NotFound", "InvalidVSwitchId.NotFound", "InvalidRegionId.NotFound":
		return http.StatusNotFound
	case "InternalError":
		return http.StatusInternalServerError
	case "ServiceUnavailable", "containerRepositoryAuthorizationFailed":
		return http.StatusServiceUnavailable
	}
	if strings.HasPrefix(code, "Forbidden") || strings.HasPrefix(code, "OperationDenied.") {
		return http.StatusForbidden
	}
	return http.StatusBadRequest
}
