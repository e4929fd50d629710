package kubetest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/ecideck/ecideck/provider/kubetest/scenario"
)

// Options say what lab to start.
type Options struct {
	Name     string // part of the kubeconfig's context; "": default
	Dir      string // the lab's state; emptied first, and removed by Stop
	Bin      string // the folder of ecideck-lab and ecideck-node
	Scenario *scenario.Scenario
	// Progress is told, in lines, what is being done until Start returns; nil: nobody.
	Progress io.Writer
}

// A Lab is a running cluster and cloud. Its methods may be called by many goroutines.
type Lab struct {
	Name       string
	Dir        string
	Scenario   *scenario.Scenario
	Kubeconfig string // of a cluster admin
	Access     Access // to the emulated cloud

	layout   layout
	spawn    *spawner
	parts    map[string]*part
	progress io.Writer
	end      context.CancelFunc // ends the spawner and the traffic
	work     sync.WaitGroup
	config   *rest.Config
	client   kubernetes.Interface

	mu    sync.Mutex
	ready bool
}

// A Process is one line of Status.
type Process struct {
	Name   string `json:"name"`
	PID    int    `json:"pid"` // 0: none
	State  State  `json:"state"`
	Reason string `json:"reason,omitempty"` // of an unasked end
}

// Start brings the lab up and returns when all of it is ready: every part answers, the nodes
// are Ready, the scenario's objects exist. When it fails, or ctx ends first, nothing is left
// running; the logs stay in Dir.
func Start(ctx context.Context, o Options) (_ *Lab, err error) {
	if o.Name == "" {
		o.Name = "default"
	}
	if o.Progress == nil {
		o.Progress = io.Discard
	}
	controlPlane, err := ControlPlane(ctx, o.Progress)
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"ecideck-lab", "ecideck-node"} {
		if _, err := exec.LookPath(filepath.Join(o.Bin, name)); err != nil {
			return nil, fmt.Errorf("%s is not in %s: run make build (%w)", name, o.Bin, err)
		}
	}
	l := &Lab{Name: o.Name, Dir: o.Dir, Scenario: o.Scenario, progress: o.Progress, parts: map[string]*part{}}
	background, end := context.WithCancel(context.Background())
	l.end = end
	defer func() {
		if err != nil {
			l.halt()
		}
	}()
	if err := l.prepare(controlPlane, o.Bin); err != nil {
		return nil, err
	}
	l.spawn = newSpawner(background)
	if err := l.startParts(ctx); err != nil {
		return nil, err
	}
	l.mu.Lock()
	l.ready = true
	l.mu.Unlock()
	l.drive(background)
	return l, nil
}

// prepare writes everything the parts read.
func (l *Lab) prepare(controlPlane, bin string) error {
	if err := os.MkdirAll(l.Dir, 0o700); err != nil {
		return fmt.Errorf("making the lab's folder: %w", err)
	}
	if err := enoughSpace(l.Dir, 512<<20, "a lab"); err != nil {
		return err
	}
	for _, dir := range []string{"eci", "etcd", "pki", "kubeconfigs", "logs", "apiserver", "controllers", "scheduler", "metrics-server"} {
		if err := os.RemoveAll(filepath.Join(l.Dir, dir)); err != nil {
			return fmt.Errorf("removing what an earlier lab left: %w", err)
		}
		if err := os.MkdirAll(filepath.Join(l.Dir, dir), 0o700); err != nil {
			return fmt.Errorf("making the lab's folder: %w", err)
		}
	}
	var err error
	if l.layout, err = newLayout(l.Dir, l.Name, controlPlane, bin); err != nil {
		return err
	}
	if err := writePKI(l.layout.path("pki")); err != nil {
		return err
	}
	if err := l.layout.writeKubeconfigs(); err != nil {
		return err
	}
	l.Kubeconfig = l.layout.path("kubeconfig")
	key := make([]byte, 16)
	if _, err := rand.Read(key); err != nil {
		return fmt.Errorf("making the lab's access key: %w", err)
	}
	l.Access = Access{
		Endpoint: l.layout.eciEndpoint(), Scheme: "http", Region: l.Scenario.Region,
		AccessKeyID: "LAB" + hex.EncodeToString(key[:6]), AccessKeySecret: hex.EncodeToString(key),
	}
	cloud, err := json.Marshal(cloudOf(l.Scenario, l.Access, loopback(l.layout.apiPort)))
	if err != nil {
		return fmt.Errorf("encoding the emulator's settings: %w", err)
	}
	if err := os.WriteFile(l.layout.path("eci.json"), cloud, 0o600); err != nil {
		return fmt.Errorf("writing the emulator's settings: %w", err)
	}
	return l.writeKwokConfig()
}

func (l *Lab) startParts(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, 2*time.Minute, errors.New("the lab was not ready within 2 minutes"))
	defer cancel()
	p := l.layout
	for _, part := range []*part{p.eci(), p.etcd(), p.apiServer(l.Scenario), p.controllers(), p.scheduler(), p.kwok(), p.metricsServer(),
		p.node(l.Scenario, l.nodeAccess()),
	} {
		l.parts[part.name] = part
	}
	names := []string{Controllers, Scheduler, Kwok, MetricsServer, Node}
	if l.Scenario.VirtualNodes[0].Standby {
		l.parts[Standby] = p.standby(l.Scenario, l.nodeAccess())
		names = append(names, Standby)
	}
	begin := time.Now()
	for _, name := range []string{ECI, Etcd, APIServer} {
		if err := l.parts[name].start(l.spawn); err != nil {
			return err
		}
	}
	var err error
	if l.config, err = clientcmd.BuildConfigFromFlags("", l.Kubeconfig); err != nil {
		return fmt.Errorf("reading the lab's kubeconfig: %w", err)
	}
	l.config.QPS, l.config.Burst = 200, 400
	if l.client, err = kubernetes.NewForConfig(l.config); err != nil {
		return fmt.Errorf("making a client of the lab: %w", err)
	}
	if err := l.wait(ctx, "the API server", l.apiServerReady); err != nil {
		return err
	}
	l.tell("API server ready", begin)
	if err := l.applyBase(ctx); err != nil {
		return err
	}
	for _, name := range names {
		if err := l.parts[name].start(l.spawn); err != nil {
			return err
		}
	}
	if err := l.wait(ctx, "the emulated ECI", l.cloudReady); err != nil {
		return err
	}
	if err := l.seedGroups(ctx); err != nil {
		return err
	}
	if err := l.wait(ctx, "the nodes", l.nodesReady); err != nil {
		return err
	}
	if err := l.dressNodes(ctx); err != nil {
		return err
	}
	l.tell("nodes ready", begin)
	if err := l.applyScenario(ctx); err != nil {
		return err
	}
	if err := l.wait(ctx, "metrics-server", l.metricsReady); err != nil {
		return err
	}
	l.tell("scenario "+l.Scenario.Name+" running", begin)
	return nil
}

func (l *Lab) tell(what string, since time.Time) {
	fmt.Fprintf(l.progress, "  %5.1fs  %s\n", time.Since(since).Seconds(), what)
}

// wait asks until ready says so, a part dies, or ctx ends; the error says what was missing.
func (l *Lab) wait(ctx context.Context, what string, ready func(context.Context) error) error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ready(ctx)
		if err == nil {
			return nil
		}
		for _, name := range partOrder {
			if part := l.parts[name]; part != nil {
				if dead := part.exited(); dead != nil {
					return dead
				}
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w (last: %w)", what, context.Cause(ctx), err)
		case <-tick.C:
		}
	}
}

func (l *Lab) apiServerReady(ctx context.Context) error {
	_, err := l.client.Discovery().RESTClient().Get().AbsPath("/readyz").DoRaw(ctx)
	return err
}

// rightsReady asks what the controllers ask first. An API server that says it is ready may not
// have read yet who may do what, and they end where they are refused.
func (l *Lab) rightsReady(ctx context.Context) error {
	config, err := clientcmd.BuildConfigFromFlags("", l.layout.kubeconfig(Controllers))
	if err != nil {
		return fmt.Errorf("reading the controllers' kubeconfig: %w", err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("making a client of the controllers: %w", err)
	}
	_, err = client.CoreV1().ConfigMaps(metav1.NamespaceSystem).Get(ctx, "extension-apiserver-authentication", metav1.GetOptions{})
	return err
}

func (l *Lab) cloudReady(ctx context.Context) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, l.Access.Scheme+"://"+l.Access.Endpoint+"/", nil)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	return answer.Body.Close() // any answer will do: it listens
}

// Kill ends a part at once, as a crash would (SIGKILL).
func (l *Lab) Kill(name string) error {
	part, err := l.part(name)
	if err != nil {
		return err
	}
	part.stop(0)
	return nil
}

// StartPart starts a part that was killed or ended, with the same command line.
//
// With the API server come its clients: in a real cluster the controllers and the scheduler
// lose their leader leases in an outage and are started anew. Here they have none, and after
// an outage of 20 s client-go's back-off would keep them blind for up to a minute more.
func (l *Lab) StartPart(name string) error {
	started, err := l.part(name)
	if err != nil {
		return err
	}
	if err := started.start(l.spawn); err != nil || name != APIServer {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(context.Background(), time.Minute, errors.New("it did not answer within a minute"))
	defer cancel()
	var clients []*part
	for _, name := range []string{Controllers, Scheduler, Kwok} {
		// One that ended by itself was refused by an API server that had just started.
		client := l.parts[name]
		if state, _, _ := client.status(); state == Stopped {
			continue // somebody wants it away
		}
		client.stop(0)
		clients = append(clients, client)
	}
	if err := l.wait(ctx, "the API server", l.apiServerReady); err != nil {
		return err
	}
	if err := l.wait(ctx, "the controllers' rights", l.rightsReady); err != nil {
		return err
	}
	for _, client := range clients {
		if client.name == Kwok {
			if err := l.freeNodes(ctx); err != nil {
				return err
			}
		}
		if err := client.start(l.spawn); err != nil {
			return err
		}
	}
	return nil
}

// freeNodes removes the simulated nodes' leases: a kwok that is started anew would leave nodes
// alone until the leases of its predecessor run out, which takes 40 s.
func (l *Lab) freeNodes(ctx context.Context) error {
	leases := l.client.CoordinationV1().Leases(corev1.NamespaceNodeLease)
	for _, group := range l.Scenario.Nodes {
		for i := range group.Count {
			if err := leases.Delete(ctx, nodeName(group, i), metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
				return fmt.Errorf("freeing a simulated node: %w", err)
			}
		}
	}
	return nil
}

func (l *Lab) part(name string) (*part, error) {
	if part := l.parts[name]; part != nil {
		return part, nil
	}
	return nil, fmt.Errorf("there is no part %q; the parts are %v", name, partOrder)
}

// Ready reports whether the lab has come up whole and every part still runs.
func (l *Lab) Ready() bool {
	l.mu.Lock()
	ready := l.ready
	l.mu.Unlock()
	return ready && !slices.ContainsFunc(l.Processes(), func(p Process) bool { return p.State != Running })
}

// Processes are the lab's parts in the order they start.
func (l *Lab) Processes() []Process {
	var processes []Process
	for _, name := range partOrder {
		if part := l.parts[name]; part != nil {
			state, pid, reason := part.status()
			processes = append(processes, Process{Name: name, PID: pid, State: state, Reason: reason})
		}
	}
	return processes
}

// Command is the control plane's executable with an applet and its arguments, as for the
// lab's own kubectl: Command("kubectl", "get", "pods").
func (l *Lab) Command(ctx context.Context, applet string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, l.layout.controlPlane, append([]string{applet}, args...)...)
	cmd.Env = append(baseEnv(), "KUBECONFIG="+l.Kubeconfig)
	return cmd
}

// Config is a client configuration of a cluster admin; the caller gets its own copy.
func (l *Lab) Config() *rest.Config { return rest.CopyConfig(l.config) }

// WebhookURL is where the virtual node's first process serves its admission webhook, in a
// scenario that has one.
func (l *Lab) WebhookURL() string { return loopbackURL(l.layout.webhookPort) + "/" }

// LogFile is where a part's output goes.
func (l *Lab) LogFile(part string) string { return l.layout.path("logs", part+".log") }

// Stop ends the lab and removes its folder.
func (l *Lab) Stop() error {
	l.halt()
	if err := os.RemoveAll(l.Dir); err != nil {
		return fmt.Errorf("removing the lab's folder: %w", err)
	}
	return nil
}

// halt ends every process, the virtual node first and in order, since it is the one that has
// something to finish; what the others knew is thrown away.
func (l *Lab) halt() {
	for _, name := range []string{Standby, Node} {
		if node := l.parts[name]; node != nil {
			node.stop(3 * time.Second)
		}
	}
	for _, name := range slices.Backward(partOrder) {
		if part := l.parts[name]; part != nil {
			part.stop(0)
		}
	}
	l.end()
	l.work.Wait()
	_ = l.layout.reserved.Close() // the processes that used the ports have ended
}

// nodeAccess is how the virtual node reaches the cloud.
func (l *Lab) nodeAccess() Access {
	if l.Scenario.Identity != "" {
		return l.Access.player()
	}
	return l.Access
}
