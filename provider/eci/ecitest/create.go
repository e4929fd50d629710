package ecitest

import (
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ecideck/ecideck/provider/eci/spec"
)

type createAnswer struct{ RequestId, ContainerGroupId string }

func (e *Emulator) createGroup(c *call, now time.Time) (any, *refusal) {
	g, refusal := e.groupFrom(c)
	if refusal != nil {
		return nil, refusal
	}
	if refusal := e.place(c, g, now); refusal != nil {
		return nil, refusal
	}
	if used := e.usedCPU(now); used+g.CPU > e.options.MaxCPU {
		return nil, forbidden("QuotaExceeded", fmt.Sprintf("vCPU quota exceeded. %g of %g are used.", used, e.options.MaxCPU))
	}
	if refusal := e.addresses(c, g, now); refusal != nil {
		return nil, refusal
	}
	if refusal := e.matchCache(c, g, now); refusal != nil {
		return nil, refusal
	}
	if c.boolean("DryRun") {
		return nil, badRequest("DryRun.Success", "The dry run succeeded.")
	}
	e.add(g, now)
	return createAnswer{e.requestID(), g.ID}, nil
}

func forbidden(code, message string) *refusal { return &refusal{http.StatusForbidden, code, message} }

// add gives a group its identity and puts it into the account.
func (e *Emulator) add(g *group, now time.Time) {
	e.seq++
	g.Seq = e.seq
	if g.ID == "" {
		g.ID = "eci-" + digest(e.options.Seed, "/", e.seq)[:20]
	}
	if g.Created.IsZero() {
		g.Created = now
	}
	if g.IP == "" {
		// 172.16.0.0/12 has a million addresses, from the fifth on.
		n := (e.seq + 4) % (1 << 20)
		g.IP = fmt.Sprintf("172.%d.%d.%d", 16+n>>16, n>>8&0xff, n&0xff)
	}
	e.groups[g.ID] = g
	e.order = append(e.order, g)
}

var groupName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,126}[a-z0-9]$`)

// groupFrom builds a group from a CreateContainerGroup, or says what the API would refuse.
func (e *Emulator) groupFrom(c *call) (*group, *refusal) {
	g := &group{
		Name: c.params["ContainerGroupName"], SecurityGroup: c.params["SecurityGroupId"], ResourceGroup: c.params["ResourceGroupId"],
		RamRole: c.params["RamRoleName"], RestartPolicy: c.params["RestartPolicy"], InstanceType: c.params["InstanceType"],
		SpotStrategy: c.params["SpotStrategy"], DnsPolicy: c.params["DnsPolicy"], Tags: c.tags(),
		Grace:    30 * time.Second,
		Deadline: time.Duration(c.number("ActiveDeadlineSeconds") * float64(time.Second)),
	}
	if _, ok := c.params["TerminationGracePeriodSeconds"]; ok {
		g.Grace = time.Duration(c.number("TerminationGracePeriodSeconds") * float64(time.Second))
	}
	if _, ok := c.params["MaxPendingMinute"]; ok {
		minutes := c.number("MaxPendingMinute")
		if minutes < 10 || minutes > 1440 {
			return nil, badRequest("InvalidParameter.ValueExceeded", "The parameter MaxPendingMinute must be 10 to 1440.")
		}
		g.MaxPending = time.Duration(minutes) * time.Minute
	}
	if disk := c.number("EphemeralStorage"); disk < 0 || disk > 5000 {
		return nil, badRequest("InvalidParameter.ValueExceeded", "The parameter EphemeralStorage must be 0 to 5000.")
	}
	g.Given = c.given("", "DnsConfig.", "HostAliase.", "SecurityContext.")
	g.Disk = c.integer("EphemeralStorage")
	if g.Name == "" {
		return nil, missing("ContainerGroupName")
	}
	if !groupName.MatchString(g.Name) {
		return nil, badRequest("InvalidParameter", "The parameter ContainerGroupName must have 2 to 128 characters of a-z, 0-9 and -, and neither begin nor end with -.")
	}
	switch g.RestartPolicy {
	case "":
		g.RestartPolicy = "Always"
	case "Always", "OnFailure", "Never":
	default:
		return nil, badRequest("InvalidParameter", "The parameter RestartPolicy must be Always, OnFailure or Never.")
	}
	switch g.DnsPolicy {
	case "", "None", "Default":
	default:
		return nil, badRequest("InvalidParameter", "The parameter DnsPolicy must be None or Default.")
	}
	for _, build := range []func(*call, *group) *refusal{checkTags, readSpot, readContainers, readVolumes, e.size, e.checkFeatures} {
		if refusal := build(c, g); refusal != nil {
			return nil, refusal
		}
	}
	return g, nil
}

func missing(name string) *refusal {
	return badRequest("MissingParameter", "The input parameter "+name+" that is mandatory for processing this request is not supplied.")
}

func checkTags(_ *call, g *group) *refusal {
	if len(g.Tags) > 20 {
		return badRequest("InvalidParameter", fmt.Sprintf("A container group has at most 20 tags, %d are given.", len(g.Tags)))
	}
	for _, t := range g.Tags {
		reserved := slices.ContainsFunc([]string{"aliyun", "acs:", "http://", "https://"}, func(p string) bool { return strings.HasPrefix(t.Key, p) })
		if t.Key == "" || len(t.Key) > 64 || reserved {
			return badRequest("InvalidParameter", fmt.Sprintf("The tag key %q must have 1 to 64 characters and not begin with aliyun, acs:, http:// or https://.", t.Key))
		}
		if len(t.Value) > 128 {
			return badRequest("InvalidParameter", fmt.Sprintf("The value of the tag %s has more than 128 characters.", t.Key))
		}
	}
	return nil
}

const maxContainers = 20

func readContainers(c *call, g *group) *refusal {
	names := map[string]bool{}
	for _, list := range []string{"InitContainer", "Container"} {
		n := c.count(list)
		if n > maxContainers {
			return badRequest("InvalidParameter", fmt.Sprintf("A container group has at most %d containers, %d are given.", maxContainers, n))
		}
		for i := range n {
			x, refusal := readContainer(c, list+"."+strconv.Itoa(i+1)+".")
			if refusal != nil {
				return refusal
			}
			if names[x.Name] {
				return badRequest("InvalidParameter.DuplicatedName", "The specified parameter Container.Name is duplicated: "+x.Name+".")
			}
			names[x.Name] = true
			if x.Init = list == "InitContainer"; x.Init {
				g.Inits = append(g.Inits, x)
			} else {
				g.Containers = append(g.Containers, x)
			}
		}
	}
	if len(g.Containers) == 0 {
		return missing("Container")
	}
	return nil
}

func readContainer(c *call, prefix string) (container, *refusal) {
	x := container{
		Name: c.params[prefix+"Name"], Image: c.params[prefix+"Image"], CPU: c.number(prefix + "Cpu"), Memory: c.number(prefix + "Memory"),
		Command: c.list(prefix + "Command"), Args: c.list(prefix + "Arg"),
		WorkingDir: c.params[prefix+"WorkingDir"], PullPolicy: c.params[prefix+"ImagePullPolicy"],
		Stdin: c.boolean(prefix + "Stdin"), Once: c.boolean(prefix + "StdinOnce"), Tty: c.boolean(prefix + "Tty"),
		Readiness:      c.hasPrefix(prefix + "ReadinessProbe."),
		ReadinessDelay: time.Duration(c.number(prefix+"ReadinessProbe.InitialDelaySeconds") * float64(time.Second)),
		PreStop:        c.hasPrefix(prefix + "LifecyclePreStopHandler"),
	}
	x.Given = c.given(prefix, "ReadinessProbe.", "LivenessProbe.", "SecurityContext.")
	if x.Name == "" {
		return x, missing(prefix + "Name")
	}
	if x.Image == "" || len(x.Image) > 255 {
		return x, badRequest("InvalidParameter", "The parameter "+prefix+"Image must have 1 to 255 characters.")
	}
	for i := range c.count(prefix + "EnvironmentVar") {
		p := fmt.Sprintf("%sEnvironmentVar.%d.", prefix, i+1)
		v := variable{Key: c.params[p+"Key"], Value: c.params[p+"Value"], FieldPath: c.params[p+"FieldRef.FieldPath"]}
		if v.Key == "" || len(v.Key) > 128 {
			return x, badRequest("InvalidParameter", "The parameter "+p+"Key must have 1 to 128 characters.")
		}
		if utf8.RuneCountInString(v.Value) > 256 {
			return x, badRequest("InvalidParameter.LengthExceeded", "The parameter "+p+"Value has more than 256 characters.")
		}
		if v.FieldPath != "" && v.FieldPath != "status.podIP" {
			return x, badRequest("InvalidParameter", "The parameter "+p+"FieldRef.FieldPath can only be status.podIP.")
		}
		x.Env = append(x.Env, v)
	}
	for i := range c.count(prefix + "Port") {
		p := fmt.Sprintf("%sPort.%d.", prefix, i+1)
		x.Ports = append(x.Ports, port{c.integer(p + "Port"), c.params[p+"Protocol"]})
	}
	for i := range c.count(prefix + "VolumeMount") {
		p := fmt.Sprintf("%sVolumeMount.%d.", prefix, i+1)
		x.Mounts = append(x.Mounts, mount{Name: c.params[p+"Name"], MountPath: c.params[p+"MountPath"], SubPath: c.params[p+"SubPath"],
			MountPropagation: c.params[p+"MountPropagation"], ReadOnly: c.boolean(p + "ReadOnly")})
	}
	return x, nil
}

// under are the parameters whose names begin with prefix, named without it.
func (c *call) under(prefix string) map[string]string {
	params := map[string]string{}
	for name, value := range c.params {
		if rest, ok := strings.CutPrefix(name, prefix); ok {
			params[rest] = value
		}
	}
	return params
}

func (c *call) hasPrefix(prefix string) bool {
	for name := range c.params {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// The API's limits for config files.
const (
	maxFile  = 32 << 10
	maxFiles = 60 << 10
)

func readVolumes(c *call, g *group) *refusal {
	total := 0
	for i := range c.count("Volume") {
		prefix := fmt.Sprintf("Volume.%d.", i+1)
		v := volume{c.params[prefix+"Name"], c.params[prefix+"Type"], c.integer(prefix + "DiskVolume.DiskSize"), c.under(prefix)}
		if slices.ContainsFunc(g.Volumes, func(o volume) bool { return o.Name == v.Name }) {
			return badRequest("InvalidParameter.DuplicatedVolumeName", "The specified parameter Volume.Name is duplicated: "+v.Name+".")
		}
		switch v.Type {
		case "EmptyDirVolume", "NFSVolume", "ConfigFileVolume", "FlexVolume", "DiskVolume":
		case "HostPathVolume":
			return badRequest("InvalidParameter", "The volume type HostPathVolume is for whitelisted accounts only.")
		default:
			return badRequest("InvalidParameter", fmt.Sprintf("The parameter %sType has no value %q.", prefix, v.Type))
		}
		for j := range c.count(prefix + "ConfigFileVolume.ConfigFileToPath") {
			content, err := base64.StdEncoding.DecodeString(c.params[fmt.Sprintf("%sConfigFileVolume.ConfigFileToPath.%d.Content", prefix, j+1)])
			if err != nil || len(content) > maxFile {
				return badRequest("InvalidParameter", "A file of the volume "+v.Name+" is not base64 or has more than 32 KB.")
			}
			total += len(content)
		}
		g.Volumes = append(g.Volumes, v)
	}
	if len(g.Volumes) > 20 {
		return badRequest("InvalidParameter", "A container group has at most 20 volumes.")
	}
	if total > maxFiles {
		return badRequest("InvalidParameter.ValueExceeded", "The config files of a container group have at most 60 KB.")
	}
	for _, list := range [][]container{g.Inits, g.Containers} {
		for _, x := range list {
			for _, m := range x.Mounts {
				if !slices.ContainsFunc(g.Volumes, func(v volume) bool { return v.Name == m.Name }) {
					return badRequest("InvalidParameter", "The container "+x.Name+" mounts the volume "+m.Name+", which the group doesn't have.")
				}
			}
		}
	}
	return nil
}

// size rounds what was asked for up to what is sold, and billed.
func (e *Emulator) size(c *call, g *group) *refusal {
	cpu, memory := c.number("Cpu"), c.number("Memory")
	if cpu == 0 && memory == 0 {
		for _, x := range g.Containers {
			cpu, memory = cpu+x.CPU, memory+x.Memory
		}
	}
	first := firstType(g.InstanceType)
	if given, ok := parseSpec(first); ok {
		cpu, memory = given.CPU, given.Memory
	} else if first != "" {
		ecs, _, ok := e.ecsType(first)
		if !ok {
			return badRequest("InvalidParameter", "The instance type "+first+" is not known.")
		}
		g.CPU, g.Memory = ecs.CPU, ecs.Memory
		return nil
	}
	spot := g.SpotStrategy != "NoSpot"
	if spot && cpu < 2 && (cpu > 0 || memory > 0) {
		return badRequest("InvalidSpotCpuMemorySpec", "The specified cpu and memory are not allowed for spot instances: they have at least 2 vCPU.")
	}
	billed, err := spec.Round(cpu, memory, e.options.Region, spot)
	if err != nil {
		if spot {
			return badRequest("InvalidSpotCpuMemorySpec", "The specified cpu and memory are not allowed for spot instances: "+err.Error()+".")
		}
		return badRequest("InvalidParameter.CPU.Memory", "The specified cpu and memory are not allowed: "+err.Error()+".")
	}
	g.CPU, g.Memory = billed.CPU, billed.Memory
	return nil
}

// firstType is the first of the types that are given.
func firstType(list string) string {
	first, _, _ := strings.Cut(list, ",")
	return first
}

// parseSpec reads 2-4Gi.
func parseSpec(s string) (spec.Spec, bool) {
	cpu, memory, ok := strings.Cut(s, "-")
	memory, gi := strings.CutSuffix(memory, "Gi")
	if !ok || !gi {
		return spec.Spec{}, false
	}
	c, err1 := strconv.ParseFloat(cpu, 64)
	m, err2 := strconv.ParseFloat(memory, 64)
	return spec.Spec{CPU: c, Memory: m}, err1 == nil && err2 == nil
}

// ecsSize is the size of an ECS type by its name: the families c, g and r have 2, 4 and 8
// GiB a vCPU, and large, xlarge, 2xlarge … have 2, 4, 8 … vCPU.
func ecsSize(name string) (spec.Spec, bool) {
	parts := strings.Split(name, ".")
	if len(parts) != 3 || parts[0] != "ecs" || parts[1] == "" {
		return spec.Spec{}, false
	}
	ratio := map[byte]float64{'c': 2, 'g': 4, 'r': 8}[parts[1][0]]
	if ratio == 0 {
		ratio = 4
	}
	cpu := 0.0
	switch {
	case parts[2] == "large":
		cpu = 2
	case parts[2] == "xlarge":
		cpu = 4
	case strings.HasSuffix(parts[2], "xlarge"):
		n, err := strconv.Atoi(strings.TrimSuffix(parts[2], "xlarge"))
		if err != nil || n < 2 {
			return spec.Spec{}, false
		}
		cpu = float64(4 * n)
	default:
		return spec.Spec{}, false
	}
	return spec.Spec{CPU: cpu, Memory: cpu * ratio}, true
}

// place picks the zone: the first of the vSwitches that has stock, in the order given, or
// in any order with VSwitchRandom.
func (e *Emulator) place(c *call, g *group, now time.Time) *refusal {
	var ids []string
	for id := range strings.SplitSeq(c.params["VSwitchId"], ",") {
		if id = strings.TrimSpace(id); id != "" {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		ids = slices.Sorted(maps.Keys(e.options.VSwitches))[:1]
	}
	if len(ids) > 10 {
		return badRequest("InvalidParameter", "At most 10 vSwitches can be given.")
	}
	switch c.params["ScheduleStrategy"] {
	case "", "VSwitchOrdered":
	case "VSwitchRandom":
		e.random.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
	default:
		return badRequest("InvalidParameter", "The parameter ScheduleStrategy must be VSwitchOrdered or VSwitchRandom.")
	}
	for _, id := range ids {
		zone, ok := e.options.VSwitches[id]
		if !ok {
			return &refusal{http.StatusNotFound, "InvalidVSwitchId.NotFound", "The vSwitch " + id + " does not exist."}
		}
		if want := c.params["ZoneId"]; want != "" && want != zone {
			return forbidden("OperationDenied.VswZoneMisMatch", "The vSwitch "+id+" is not in the zone "+want+".")
		}
	}
	var why lack
	for _, id := range ids {
		zone := e.options.VSwitches[id]
		if g.SpotLimit > 0 && e.market(g, zone, now) > g.SpotLimit {
			why = lackBid
			continue
		}
		lacks, later := e.stock(now, zone)
		if lacks != "" {
			why = lacks
			continue
		}
		g.VSwitch, g.Zone, g.NoStock = id, zone, later
		return nil
	}
	if why == lackBid {
		return g.noBid()
	}
	return why.refusal()
}

// usedCPU is the vCPU of all groups that are not over.
func (e *Emulator) usedCPU(now time.Time) float64 {
	used := 0.0
	for _, g := range e.order {
		if !g.at(now, e.timing).status.Ended() {
			used += g.CPU
		}
	}
	return used
}
