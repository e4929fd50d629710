package ecitest

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ecideck/ecideck/provider/eci"
)

// updateGroup changes what a group runs: with RenewUpdate, the default, each list that is
// given replaces the group's; with IncrementalUpdate the elements that are given are
// changed by their names, and tags and volumes are added. The containers start anew when
// more than tags and resource group change.
func (e *Emulator) updateGroup(c *call, now time.Time) (any, *refusal) {
	g, refused := e.find(c)
	if refused != nil {
		return nil, refused
	}
	if s := g.at(now, e.timing).status; s != eci.Pending && s != eci.Running {
		return nil, badRequest("IncorrectStatus", "The container group is "+string(s)+"; only one that is Pending or Running can be updated.")
	}
	incremental := false
	switch c.params["UpdateType"] {
	case "", "RenewUpdate":
	case "IncrementalUpdate":
		incremental = true
	default:
		return nil, badRequest("InvalidParameter", "The parameter UpdateType must be RenewUpdate or IncrementalUpdate.")
	}
	n := *g // changed only as a whole, when nothing is refused
	labels := c.count("Tag") > 0 || c.params["ResourceGroupId"] != ""
	runs := c.count("Container") > 0 || c.count("InitContainer") > 0 || c.count("Volume") > 0 || c.hasPrefix("DnsConfig.") ||
		c.count("ImageRegistryCredential") > 0 || c.count("AcrRegistryInfo") > 0 ||
		c.params["Cpu"] != "" || c.params["Memory"] != "" || c.params["RestartPolicy"] != ""
	if !labels && !runs {
		return nil, badRequest("NoNeedUpdate", "Nothing of the container group is to be updated.")
	}
	if n.ResourceGroup = c.params["ResourceGroupId"]; n.ResourceGroup == "" {
		n.ResourceGroup = g.ResourceGroup
	}
	n.updateTags(c, incremental)
	if c.hasPrefix("DnsConfig.") {
		n.Given = map[string]string{}
		maps.Copy(n.Given, g.Given)
		maps.DeleteFunc(n.Given, func(name, _ string) bool { return strings.HasPrefix(name, "DnsConfig.") })
		maps.Copy(n.Given, c.given("", "DnsConfig."))
	}
	switch policy := c.params["RestartPolicy"]; policy {
	case "":
	case "Always", "OnFailure", "Never":
		n.RestartPolicy = policy
	default:
		return nil, badRequest("InvalidParameter", "The parameter RestartPolicy must be Always, OnFailure or Never.")
	}
	for _, update := range []func(*call, *group, bool) *refusal{updateContainers, updateVolumes, e.updateSize} {
		if refusal := update(c, &n, incremental); refusal != nil {
			return nil, refusal
		}
	}
	if refusal := checkTags(c, &n); refusal != nil {
		return nil, refusal
	}
	if n.CPU != g.CPU || n.Memory != g.Memory {
		n.Past, n.Resized = g.charges(now, e.timing), now
	}
	*g = n
	if g.touch(); runs {
		g.restart(now, true)
	}
	return plainAnswer{e.requestID()}, nil
}

func (g *group) updateTags(c *call, incremental bool) {
	given := c.tags()
	switch {
	case len(given) == 0:
	case incremental:
		g.Tags = mergeTags(g.Tags, given)
	default:
		g.Tags = given
	}
}

// mergeTags sets tags among others, which keep their order.
func mergeTags(tags, set []tag) []tag {
	merged := slices.Clone(tags)
	for _, s := range set {
		if i := slices.IndexFunc(merged, func(t tag) bool { return t.Key == s.Key }); i >= 0 {
			merged[i] = s
		} else {
			merged = append(merged, s)
		}
	}
	return merged
}

func updateContainers(c *call, g *group, incremental bool) *refusal {
	if !incremental {
		n := group{Containers: nil}
		given := &call{params: maps.Clone(c.params)}
		apps := c.count("Container") > 0
		if !apps {
			// Only to satisfy the check that a group has a container.
			given.params["Container.1.Name"], given.params["Container.1.Image"] = g.Containers[0].Name, g.Containers[0].Image
		}
		if refusal := readContainers(given, &n); refusal != nil {
			return refusal
		}
		if apps {
			g.Containers = n.Containers
		}
		if c.count("InitContainer") > 0 {
			g.Inits = n.Inits
		}
		return uniqueNames(g)
	}
	for _, l := range []struct {
		list string
		of   *[]container
	}{{"Container", &g.Containers}, {"InitContainer", &g.Inits}} {
		*l.of = slices.Clone(*l.of)
		for i := range c.count(l.list) {
			prefix := l.list + "." + strconv.Itoa(i+1) + "."
			at := slices.IndexFunc(*l.of, func(x container) bool { return x.Name == c.params[prefix+"Name"] })
			if at < 0 {
				return badRequest("InvalidParameter", "The container group has no "+l.list+" "+strconv.Quote(c.params[prefix+"Name"])+".")
			}
			x, refusal := (*l.of)[at].updated(c, prefix)
			if refusal != nil {
				return refusal
			}
			(*l.of)[at] = x
		}
	}
	return nil
}

func uniqueNames(g *group) *refusal {
	names := map[string]bool{}
	for _, x := range slices.Concat(g.Inits, g.Containers) {
		if names[x.Name] {
			return badRequest("InvalidParameter.DuplicatedName", "The specified parameter Container.Name is duplicated: "+x.Name+".")
		}
		names[x.Name] = true
	}
	return nil
}

// updated is the container with what a call says of it changed.
func (x container) updated(c *call, prefix string) (container, *refusal) {
	given := &call{params: maps.Clone(c.params)}
	if given.params[prefix+"Image"] == "" {
		given.params[prefix+"Image"] = x.Image
	}
	n, refusal := readContainer(given, prefix)
	if refusal != nil {
		return x, refusal
	}
	n.Init = x.Init
	answered := map[string]string{}
	maps.Copy(answered, x.Given)
	maps.Copy(answered, n.Given)
	n.Given = answered
	for _, keep := range []struct {
		param string
		old   func()
	}{
		{"Cpu", func() { n.CPU = x.CPU }}, {"Memory", func() { n.Memory = x.Memory }},
		{"Command.", func() { n.Command = x.Command }}, {"Arg.", func() { n.Args = x.Args }},
		{"EnvironmentVar.", func() { n.Env = x.Env }}, {"Port.", func() { n.Ports = x.Ports }},
		{"VolumeMount.", func() { n.Mounts = x.Mounts }}, {"WorkingDir", func() { n.WorkingDir = x.WorkingDir }},
		{"ImagePullPolicy", func() { n.PullPolicy = x.PullPolicy }},
		{"ReadinessProbe.", func() { n.Readiness, n.ReadinessDelay = x.Readiness, x.ReadinessDelay }},
		{"LifecyclePreStopHandler", func() { n.PreStop = x.PreStop }},
		{"Stdin", func() { n.Stdin, n.Once = x.Stdin, x.Once }}, {"Tty", func() { n.Tty = x.Tty }},
	} {
		if !c.hasPrefix(prefix + keep.param) {
			keep.old()
		}
	}
	return n, nil
}

func updateVolumes(c *call, g *group, incremental bool) *refusal {
	given := c.count("Volume")
	names := map[string]bool{}
	for i := range given {
		prefix := "Volume." + strconv.Itoa(i+1) + "."
		if c.params[prefix+"Type"] == "DiskVolume" {
			return badRequest("InvalidParameter", "Volumes of the type DiskVolume can't be updated.")
		}
		names[c.params[prefix+"Name"]] = true
	}
	if given > 0 {
		g.Volumes = slices.DeleteFunc(slices.Clone(g.Volumes), func(v volume) bool { return !incremental || names[v.Name] })
	}
	return readVolumes(c, g)
}

// updateSize rounds a new size, given for the group or by its containers.
func (e *Emulator) updateSize(c *call, g *group, _ bool) *refusal {
	given := &call{params: map[string]string{}}
	switch cpu, memory := g.CPU, g.Memory; {
	case c.params["Cpu"] != "" || c.params["Memory"] != "":
		if c.params["Cpu"] != "" {
			cpu = c.number("Cpu")
		}
		if c.params["Memory"] != "" {
			memory = c.number("Memory")
		}
		given.params["Cpu"], given.params["Memory"] = strconv.FormatFloat(cpu, 'g', -1, 64), strconv.FormatFloat(memory, 'g', -1, 64)
	case c.count("Container") > 0 && slices.ContainsFunc(g.Containers, func(x container) bool { return x.CPU > 0 }):
	default:
		return nil
	}
	return e.size(given, g)
}
