package provider

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/client-go/kubernetes"

	"github.com/ecideck/ecideck/provider/eci"
	"github.com/ecideck/ecideck/provider/placement"
)

// A Prober finds out what groups reach: for each vSwitch it starts the smallest group for a
// minute at the most, and asks from inside.
type Prober struct {
	Cloud     ProbeCloud
	Client    kubernetes.Interface
	Placement Placement
	Services  ServiceNetwork
	Namespace string // that the group's tags name
	Image     string // with sh, nc and nslookup, as busybox has them
	Registry  string // host, with or without a port; "": that of Image
}

// ProbeCloud is what a Prober asks of ECI; *eci.Client is one.
type ProbeCloud interface {
	CreateGroup(context.Context, *eci.CreateRequest) (string, error)
	DeleteGroupNow(ctx context.Context, id string) error
	Groups(context.Context, eci.GroupQuery) ([]eci.Group, error)
	Exec(context.Context, eci.ExecRequest) (eci.ExecAnswer, error)
}

// A ProbeResult is what groups reach.
type ProbeResult struct {
	At        time.Time       `json:"at"`
	Settings  string          `json:"settings"` // a hash of what was tried with
	VSwitches []ProbedVSwitch `json:"vSwitches"`
}

// A ProbedVSwitch is what a group of one vSwitch reaches; Error says why that is not known.
type ProbedVSwitch struct {
	VSwitch string        `json:"vSwitch"` // "": ECI's default
	Group   string        `json:"group,omitempty"`
	Error   string        `json:"error,omitempty"`
	Targets []ProbeTarget `json:"targets,omitempty"`
}

// A ProbeTarget is one thing that pods need to reach.
type ProbeTarget struct {
	Name    string `json:"name"`         // DNS, ClusterIP, pod, API server, registry
	To      string `json:"to,omitempty"` // an address, with its port
	State   string `json:"state"`        // ok, failed, skipped
	Detail  string `json:"detail,omitempty"`
	Remedy  string `json:"remedy,omitempty"`
	command []string
}

// The states of a target.
const (
	ProbeOK      = "ok"
	ProbeFailed  = "failed"
	ProbeSkipped = "skipped"
)

// How long a probe may take.
const (
	probeStart = 3 * time.Minute // until its group runs: an image is pulled
	probeLife  = 5 * time.Minute // of its group, whatever becomes of this process
	probeAsk   = 30 * time.Second
)

// tagProbeUntil marks a group that tries the network, and says until when it is no orphan.
const tagProbeUntil = "ProbeUntil"

// probes tells that the group tries the network and has no pod.
func probes(g *eci.Group) bool { return g.Tags[tagProbeUntil] != "" }

// probing tells that somebody still waits for the group's answers. Its time is bounded, so that
// a tag from nowhere keeps no group for ever.
func probing(g *eci.Group, now time.Time) bool {
	until, err := strconv.ParseInt(g.Tags[tagProbeUntil], 10, 64)
	left := time.Unix(until, 0).Sub(now)
	return err == nil && left > 0 && left <= probeLife
}

// Failed are the targets that are not reached, each with its vSwitch before it where there are
// several.
func (r *ProbeResult) Failed() []string {
	var failed []string
	for _, v := range r.VSwitches {
		prefix := ""
		if len(r.VSwitches) > 1 {
			prefix = "from " + v.VSwitch + " "
		}
		for _, t := range v.Targets {
			if t.State == ProbeFailed {
				failed = append(failed, strings.TrimSpace(prefix+t.Name+" "+t.To)+": "+t.Detail+"; "+t.Remedy)
			}
		}
	}
	return failed
}

// Unknown are the vSwitches about which nothing was found out, and why.
func (r *ProbeResult) Unknown() []string {
	var unknown []string
	for _, v := range r.VSwitches {
		if v.Error != "" {
			unknown = append(unknown, strings.TrimSpace(v.VSwitch+" "+v.Error))
		}
	}
	return unknown
}

// settings is a hash of all that the answers depend on here.
func (p *Prober) settings() string {
	w := p.Placement
	proxy := ""
	if w.Proxy != nil {
		proxy = w.Proxy.Image
	}
	sum := sha256.Sum256(fmt.Append(nil, w.VSwitchIDs, w.SecurityGroupID, w.ClusterDNS, w.ClusterDomain, w.APIServerHost, w.APIServerPort, proxy, p.Services, p.Image, p.Registry))
	return hex.EncodeToString(sum[:6])
}

// Run probes every vSwitch, one after the other. What could not be found out is in the result;
// the error says that not even the targets are known. Its groups are deleted, also when ctx
// ends; those of a process that is killed are orphans after probeLife.
func (p *Prober) Run(ctx context.Context) (ProbeResult, error) {
	result := ProbeResult{At: time.Now().UTC().Truncate(time.Second), Settings: p.settings()}
	targets, services, err := p.targets(ctx)
	if err != nil {
		return result, err
	}
	vswitches := p.Placement.VSwitchIDs
	if len(vswitches) == 0 {
		vswitches = []string{""}
	}
	for _, id := range vswitches {
		v := ProbedVSwitch{VSwitch: id}
		if err := p.probe(ctx, &v, targets, services); err != nil {
			v.Error, v.Targets = words(err), nil
		}
		result.VSwitches = append(result.VSwitches, v)
		if ctx.Err() != nil {
			return result, fmt.Errorf("probing the network: %w", context.Cause(ctx))
		}
	}
	return result, nil
}

// targets are what is to be tried, and the Services that the group's variables name.
func (p *Prober) targets(ctx context.Context) ([]ProbeTarget, []corev1.Service, error) {
	api, err := p.Client.CoreV1().Services(metav1.NamespaceDefault).Get(ctx, "kubernetes", metav1.GetOptions{})
	if err != nil {
		return nil, nil, fmt.Errorf("reading the Service default/kubernetes, whose ClusterIP is tried: %w", err)
	}
	where := p.Placement
	var targets []ProbeTarget
	domain := cmp.Or(where.ClusterDomain, "cluster.local")
	for _, server := range where.ClusterDNS {
		targets = append(targets, ProbeTarget{Name: "DNS", To: net.JoinHostPort(server, "53"), command: []string{"nslookup", "kubernetes.default.svc." + domain, server},
			Remedy: "open UDP and TCP 53 from the vSwitch to it in the security groups and routes, or give other servers with --cluster-dns"})
	}
	if len(where.ClusterDNS) == 0 {
		targets = append(targets, ProbeTarget{Name: "DNS", State: ProbeFailed, Detail: "pods get the VPC's DNS, which knows no Service",
			Remedy: "give --cluster-dns: addresses of the cluster's DNS that the vSwitch reaches"})
	}
	connect := func(name, address, remedy string) {
		host, port, err := net.SplitHostPort(address)
		if err != nil {
			return
		}
		targets = append(targets, ProbeTarget{Name: name, To: address, Remedy: remedy, command: []string{"nc", "-z", "-w", "3", host, port}})
	}
	if ip := api.Spec.ClusterIP; ip != "" && len(api.Spec.Ports) > 0 {
		remedy := "start ecideck-node with --service-network=sidecar, or route the Services' addresses to nodes and say --service-network=routes"
		switch p.Services {
		case ServicesSidecar:
			remedy = "see that the group's kube-proxy reaches the API server (kubectl logs can't: look at --apiserver-address) and that its service account exists (ecideck-node manifests)"
		case ServicesRoutes:
			remedy = "the VPC does not route the Services' addresses to nodes: add the route, or use --service-network=sidecar"
		}
		connect("ClusterIP", net.JoinHostPort(ip, strconv.Itoa(int(api.Spec.Ports[0].Port))), remedy)
	}
	overlay, why := p.overlay(ctx)
	if overlay != "" {
		connect("pod", overlay, "pods on real nodes have addresses that the VPC does not route: use a CNI with VPC addresses (Terway), or add routes for the pods' CIDR to the nodes")
	} else {
		targets = append(targets, ProbeTarget{Name: "pod", State: ProbeSkipped, Detail: why})
	}
	if where.APIServerHost != "" {
		connect("API server", net.JoinHostPort(where.APIServerHost, where.APIServerPort), "open its port from the vSwitch in the security groups and routes, or give another --apiserver-address")
	} else {
		targets = append(targets, ProbeTarget{Name: "API server", State: ProbeFailed, Detail: "pods look for it at its ClusterIP",
			Remedy: "give --apiserver-address: host:port of the API server as the vSwitch reaches it"})
	}
	registry := cmp.Or(p.Registry, hostOf(p.Image))
	if _, _, err := net.SplitHostPort(registry); err != nil {
		registry = net.JoinHostPort(registry, "443")
	}
	connect("registry", registry, "give the vSwitch a way to it: a NAT gateway, an elastic IP, or the registry's address in the VPC")
	return targets, []corev1.Service{*api}, nil
}

// hostOf is the registry of an image's name.
func hostOf(image string) string {
	first, _, found := strings.Cut(image, "/")
	if !found || !strings.ContainsAny(first, ".:") && first != "localhost" {
		return "registry-1.docker.io"
	}
	return first
}

// overlay is the address and port of a pod that runs on a real node, or why there is none.
func (p *Prober) overlay(ctx context.Context) (address, why string) {
	nodes, err := p.Client.CoreV1().Nodes().List(ctx, metav1.ListOptions{ResourceVersion: "0"})
	if err != nil {
		return "", "nodes can't be listed: " + err.Error()
	}
	real := map[string]bool{}
	for i := range nodes.Items {
		if !placement.IsVirtual(&nodes.Items[i]) {
			real[nodes.Items[i].Name] = true
		}
	}
	// The cluster's own pods first: among them is its DNS.
	for _, namespace := range []string{metav1.NamespaceSystem, metav1.NamespaceAll} {
		pods, err := p.Client.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{Limit: 500, FieldSelector: "status.phase=Running"})
		if err != nil {
			return "", "pods can't be listed: " + err.Error()
		}
		for i := range pods.Items {
			pod := &pods.Items[i]
			if pod.Status.PodIP == "" || pod.Spec.HostNetwork || !real[pod.Spec.NodeName] || pod.DeletionTimestamp != nil {
				continue
			}
			if c := condition(&pod.Status, corev1.PodReady); c == nil || c.Status != corev1.ConditionTrue {
				continue
			}
			for _, c := range pod.Spec.Containers {
				for _, port := range c.Ports {
					if port.Protocol == corev1.ProtocolTCP || port.Protocol == "" {
						return net.JoinHostPort(pod.Status.PodIP, strconv.Itoa(int(port.ContainerPort))), ""
					}
				}
			}
		}
	}
	return "", "no ready pod with a TCP port runs on a real node"
}

// pod is the one that the group would have, if it had one.
func (p *Prober) pod(vswitch string) *corev1.Pod {
	no, life := false, int64(probeLife/time.Second)
	grace := int64(0)
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: p.Namespace, Name: strings.Trim("ecideck-probe-"+vswitch, "-"), UID: uuid.NewUUID()},
		Spec: corev1.PodSpec{RestartPolicy: corev1.RestartPolicyNever, ActiveDeadlineSeconds: &life, TerminationGracePeriodSeconds: &grace, EnableServiceLinks: &no,
			DNSPolicy: corev1.DNSClusterFirst,
			Containers: []corev1.Container{{Name: "probe", Image: p.Image, ImagePullPolicy: corev1.PullIfNotPresent, Command: []string{"sleep", strconv.FormatInt(life, 10)},
				Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{
					corev1.ResourceCPU: resource.MustParse("250m"), corev1.ResourceMemory: resource.MustParse("512Mi")}}}}},
	}
}

// probe starts a group in a vSwitch, asks and deletes it.
func (p *Prober) probe(ctx context.Context, v *ProbedVSwitch, targets []ProbeTarget, services []corev1.Service) error {
	where := p.Placement
	where.VSwitchIDs = nil
	if v.VSwitch != "" {
		where.VSwitchIDs = []string{v.VSwitch}
	}
	pod := p.pod(v.VSwitch)
	data := Data{Secrets: map[string]*corev1.Secret{}, Services: services}
	if err := newResolver(p.Client).withProxyFiles(ctx, pod, where, &data); err != nil {
		return err
	}
	request, _, err := Build(pod, data, where, 1)
	if err != nil {
		return fmt.Errorf("building the group that probes: %w", err)
	}
	request.Tag = append(request.Tag, eci.Tag{Key: tagProbeUntil, Value: strconv.FormatInt(time.Now().Add(probeLife-time.Second).Unix(), 10)})
	id, err := p.Cloud.CreateGroup(ctx, request)
	if err != nil {
		return fmt.Errorf("creating the group that probes: %w", err)
	}
	v.Group = id
	defer p.remove(ctx, id)
	if err := p.wait(ctx, id); err != nil {
		return err
	}
	for _, t := range targets {
		if t.command != nil {
			if err := p.ask(ctx, id, &t); err != nil {
				return err
			}
		}
		if t.State != ProbeFailed {
			t.Remedy = ""
		}
		v.Targets = append(v.Targets, t)
	}
	return nil
}

// remove deletes the group, whatever became of ctx.
func (p *Prober) remove(ctx context.Context, id string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
	defer cancel()
	for pause := 200 * time.Millisecond; ; pause *= 2 {
		err := p.Cloud.DeleteGroupNow(ctx, id)
		if err == nil || eci.IsNotFound(err) || !pauseFor(ctx, pause) {
			return // what is left ends by its deadline, and is collected as an orphan
		}
	}
}

// wait returns when the group's containers run, its kube-proxy's readiness included.
func (p *Prober) wait(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, probeStart, fmt.Errorf("the group %s did not run within %s", id, probeStart))
	defer cancel()
	last := "ECI does not show it"
	for {
		groups, err := p.Cloud.Groups(ctx, eci.GroupQuery{IDs: []string{id}, WithEvents: true})
		if err == nil && len(groups) == 1 {
			g := &groups[0]
			last = string(g.Status)
			if _, message := lastWarning(g); message != "" {
				last += ": " + message
			}
			if g.Status.Ended() {
				return fmt.Errorf("the group %s is %s", id, last)
			}
			if g.Status == eci.Running && !slices.ContainsFunc(g.Containers, func(c eci.Container) bool { return !c.Ready }) {
				return nil
			}
		}
		if err != nil && ctx.Err() == nil {
			last = words(err)
		}
		if !pauseFor(ctx, time.Second) {
			return fmt.Errorf("%w (%s)", context.Cause(ctx), last)
		}
	}
}

// ask runs a target's command in the group.
func (p *Prober) ask(ctx context.Context, id string, t *ProbeTarget) error {
	ctx, cancel := context.WithTimeout(ctx, probeAsk)
	defer cancel()
	answer, err := p.Cloud.Exec(ctx, eci.ExecRequest{GroupID: id, Container: "probe", Sync: true,
		Command: []string{"sh", "-c", strings.Join(t.command, " ") + " 2>&1; echo code=$?"}})
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("asking from inside the group %s (the right eci:ExecContainerCommand is needed): %w", id, err)
	}
	said, code, found := strings.Cut(answer.Output, "code=")
	t.State = ProbeFailed
	if found && strings.TrimSpace(code) == "0" {
		t.State = ProbeOK
		return nil
	}
	lines := strings.Fields(said)
	t.Detail = strings.Join(lines, " ")
	if t.Detail = cut(t.Detail, 200); t.Detail == "" {
		t.Detail = "no answer"
	}
	return nil
}

func cut(text string, n int) string {
	if len(text) <= n {
		return text
	}
	return strings.ToValidUTF8(text[:n], "") + "…"
}

// AnnotationProbe is where a virtual node keeps its newest ProbeResult, as JSON.
const AnnotationProbe = "ecideck.io/network-probe"

// ProbeOf reads a node's newest result; nil: it has none that can be read.
func ProbeOf(node *corev1.Node) *ProbeResult {
	var r ProbeResult
	if json.Unmarshal([]byte(node.Annotations[AnnotationProbe]), &r) != nil || r.At.IsZero() {
		return nil
	}
	return &r
}
