package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/record"

	"github.com/ecideck/ecideck/cmd/internal/setup"
	"github.com/ecideck/ecideck/provider"
	"github.com/ecideck/ecideck/provider/burst"
	"github.com/ecideck/ecideck/provider/eci"
	"github.com/ecideck/ecideck/provider/eci/spec"
	"github.com/ecideck/ecideck/provider/lastwords"
	"github.com/ecideck/ecideck/provider/migrate"
)

// run serves the node until the context ends.
func run(ctx context.Context, f *flags) error {
	logger, err := newLogger(f.logLevel, f.logFormat)
	if err != nil {
		return err
	}
	ctx = provider.WithLogger(ctx, logger)
	metrics := provider.NewMetrics()
	cloud, err := setup.Cloud(f.region, f.endpoint, logger, func(o *eci.Options) { o.Observe = metrics.Observe })
	if err != nil {
		return err
	}
	client, events, err := kubernetesClient(f.kubeconfig)
	if err != nil {
		return err
	}
	if f.clusterID == "" {
		namespace, err := client.CoreV1().Namespaces().Get(ctx, metav1.NamespaceSystem, metav1.GetOptions{})
		if err != nil {
			return fmt.Errorf("reading the cluster's id (the UID of namespace kube-system; or give --cluster-id): %w", err)
		}
		f.clusterID = string(namespace.UID)
	}
	if err := f.checkAddresses(ctx, client, logger); err != nil {
		return err
	}
	each, err := f.each()
	if err != nil {
		return err
	}
	// Bursting has its own pace: the calls that start three hundred pods would be in the way of
	// those that let them go.
	spill, _, err := kubernetesClient(f.kubeconfig)
	if err != nil {
		return err
	}
	broadcaster := record.NewBroadcaster(record.WithContext(ctx))
	broadcaster.StartRecordingToSink(&frankSink{EventSink: &corev1client.EventSinkImpl{Interface: events.Events("")}, log: logger})
	defer broadcaster.Shutdown()
	var nodes []*served
	for _, n := range each {
		kubelet, err := net.Listen("tcp", n.listen)
		if err != nil {
			return fmt.Errorf("opening the kubelet port of node %s (--listen): %w", n.nodeName, err)
		}
		defer kubelet.Close() // a second time does no harm
		nodes = append(nodes, &served{flags: n, kubelet: kubelet, config: provider.Config{
			Cloud: cloud, Client: client, Logger: logger.With("node", n.nodeName), Metrics: metrics,
			Recorder:  broadcaster.NewRecorder(scheme.Scheme, corev1.EventSource{Component: n.nodeName, Host: n.nodeName}),
			Placement: n.placement(),
			PollMin:   n.pollMin, PollMax: n.pollMax, Meter: cloud, Shells: cloud, Quota: cloud, Prices: cloud,
			LastWords: lastwords.NewStore(client.CoreV1()), Network: n.networkWatch(cloud, client),
		}})
	}
	return serve(ctx, f, client, spill, logger, metrics, nodes)
}

// served is a node of this process.
type served struct {
	*flags
	config  provider.Config
	kubelet net.Listener
	port    standby
	ready   atomic.Bool
}

// serves answers at the kubelet port from when the node's pods are known until the context ends.
func (n *served) serves(ctx context.Context, handler http.Handler, known <-chan struct{}) {
	select {
	case <-known:
	case <-ctx.Done():
		return
	}
	n.port.serves(handler)
	<-ctx.Done()
	n.port.serves(nil)
}

// serve opens the ports and serves the nodes while this process leads; the first to fail ends
// all.
func serve(ctx context.Context, f *flags, client, spill kubernetes.Interface, logger *slog.Logger, metrics *provider.Metrics, nodes []*served) error {
	group, ctx := errgroup.WithContext(ctx)
	var ca []byte
	var err error
	if !f.anonymous {
		if ca, err = provider.ClientCA(ctx, client, f.clientCA); err != nil {
			logger.Warn("kubectl logs may be refused: client certificates can't be verified", "err", err)
		}
	}
	lead := newElection(client, f, logger)
	for _, n := range nodes {
		certificates, err := n.certificates(ctx, client)
		if err != nil {
			return err
		}
		group.Go(func() error { return provider.Serve(ctx, n.kubelet, &n.port, certificates) })
	}
	if f.webhookListen != "" {
		webhook, err := newWebhook(f, client, logger)
		if err != nil {
			return err
		}
		group.Go(func() error { return webhook.run(ctx) })
	}
	if f.healthListen != "" {
		health, err := net.Listen("tcp", f.healthListen)
		if err != nil {
			return fmt.Errorf("opening the health port (--health-listen): %w", err)
		}
		ready := func() error {
			for _, n := range nodes {
				if !n.ready.Load() && !lead.standingBy.Load() {
					return fmt.Errorf("the node %s is not registered yet", n.nodeName)
				}
			}
			return nil
		}
		group.Go(func() error { return provider.Serve(ctx, health, provider.HealthHandler(metrics, ready), nil) })
	}
	group.Go(func() error {
		term := func(ctx context.Context) error { return serveTerm(ctx, f, spill, ca, nodes) }
		if f.leaderElect {
			return lead.run(ctx, term)
		}
		return lead.serve(ctx, ctx, term)
	})
	err = group.Wait()
	logger.Info("stopped; container groups keep running")
	return err
}

// serveTerm runs the nodes and what lets pods spill to them; the first to end ends all.
func serveTerm(ctx context.Context, f *flags, client kubernetes.Interface, ca []byte, nodes []*served) error {
	group, ctx := errgroup.WithContext(ctx)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	settings, _ := f.bursts() // complete has refused what can't be
	first := nodes[0].config
	var lacks stocks
	returns, _ := f.returnPolicy() // the same
	var informers []cache.SharedIndexInformer
	var sized func(*corev1.Pod) *corev1.Pod
	spill := burst.Config{Client: client, Recorder: first.Recorder, Region: f.region, Settings: settings, Groups: client.Discovery(), Logger: first.Logger}
	for _, n := range nodes {
		v := provider.NewVirtualNode(n.config, n.nodeSpec(n.kubelet.Addr()))
		handler := v.OpenKubeletHandler()
		if !f.anonymous {
			var err error
			if handler, err = v.KubeletHandler(ca); err != nil {
				return err
			}
		}
		lacks = append(lacks, v.Provider)
		if sized == nil {
			sized = v.Provider.Sized // the nodes differ in zones and vSwitches only
		}
		spill.Nodes = append(spill.Nodes, burst.Node{Name: n.nodeName, Pods: v.PodInformer()})
		informers = append(informers, v.PodInformer())
		defer n.ready.Store(false)
		group.Go(func() error { n.serves(ctx, handler, v.Recovered()); return nil })
		go func() {
			select {
			case <-v.Ready():
				n.ready.Store(true)
				n.config.Logger.Info("the node is registered", "cluster", f.clusterID)
			case <-ctx.Done():
			}
		}()
		group.Go(func() error { defer cancel(); return v.Run(ctx) })
	}
	group.Go(func() error {
		sayMissingRights(ctx, client.AuthorizationV1(), f.webhookListen != "", first.Logger)
		return nil
	})
	spill.Stock, spill.Sized = lacks, sized
	group.Go(func() error { return burst.New(spill).Run(ctx) })
	keeper := &migrate.Keeper{Client: client, Pods: func() []*corev1.Pod { return podsOf(informers) }, Holder: runner(), Return: returns, Sized: sized, Logger: first.Logger}
	if returns.MinSaving.Currency == "USD" {
		keeper.Site = spec.InternationalSite // savings are compared in the currency that was asked for
	}
	group.Go(func() error { return keeper.Run(ctx) })
	return group.Wait()
}

// podsOf are the pods that informers know.
func podsOf(informers []cache.SharedIndexInformer) []*corev1.Pod {
	var pods []*corev1.Pod
	for _, i := range informers {
		for _, object := range i.GetStore().List() {
			if pod, ok := object.(*corev1.Pod); ok {
				pods = append(pods, pod)
			}
		}
	}
	return pods
}

// runner is this process, for the leases of operations.
func runner() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("ecideck-node@%s/%d", host, os.Getpid())
}

// stocks are those of several nodes: a pod lacks something when every one of them lacks it.
type stocks []burst.Stock

// OutOfStock implements burst.Stock.
func (s stocks) OutOfStock(pod *corev1.Pod) string {
	var all []string
	for _, one := range s {
		why := one.OutOfStock(pod)
		if why == "" {
			return ""
		}
		if !slices.Contains(all, why) {
			all = append(all, why)
		}
	}
	return strings.Join(all, "; ")
}

// certificates are the kubelet port's: from files, signed by the cluster, or self-signed.
func (f *flags) certificates(ctx context.Context, client kubernetes.Interface) (provider.CertificateSource, error) {
	if f.certFile != "" {
		return provider.CertificateFromFiles(ctx, f.certFile, f.keyFile)
	}
	own, err := provider.SelfSignedCertificate(f.nodeName, f.nodeIP)
	if err != nil || f.servingCertificate == "self-signed" {
		return own, err
	}
	return provider.CertificateBySigning(ctx, client, f.nodeName, f.nodeIP, own)
}

func (f *flags) placement() provider.Placement {
	p := provider.Placement{
		ClusterID: f.clusterID, NodeName: f.nodeName, VSwitchIDs: f.vswitches, ScheduleStrategy: f.strategy,
		SecurityGroupID: f.securityGroup, Region: f.region, ClusterDNS: f.clusterDNS, ClusterDomain: f.clusterDomain,
	}
	p.Profile.Namespace, p.Profile.Name, _ = strings.Cut(f.profile, "/")
	if host, port, err := net.SplitHostPort(f.apiserver); err == nil {
		p.APIServerHost, p.APIServerPort = host, port
	}
	p.Proxy = f.proxy()
	return p
}

func (f *flags) nodeSpec(kubelet net.Addr) provider.NodeSpec {
	_, port, _ := net.SplitHostPort(kubelet.String()) // a listener's address has a port
	number, _ := strconv.Atoi(port)
	size := func(value string) resource.Quantity {
		q, _ := quantity(value) // complete has refused what is none
		return q
	}
	where := f.placement()
	return provider.NodeSpec{
		Name: f.nodeName, Region: f.region, Zone: f.zone, Address: f.nodeIP, Port: int32(number), Version: version(),
		HostnameLabel: f.hostnameLabel, NoTaints: f.noTaints, ServiceNetwork: provider.ServiceNetwork(f.serviceNetwork),
		CPU: size(f.cpu), Memory: size(f.memory), Pods: size(f.pods), MemoryPerCPU: size(f.memoryPerCPU), VSwitches: f.vswitches,
		Adds: where.Adds(), ClusterID: where.ClusterID,
	}
}

// version is shown where a kubelet's is: the Kubernetes version of the libraries, then ours.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "v0.0.0-ecideck"
	}
	for _, m := range info.Deps {
		if m.Path == "k8s.io/client-go" && len(m.Version) > 2 {
			return "v1" + m.Version[2:] + "-ecideck"
		}
	}
	return "v0.0.0-ecideck"
}

// kubernetesClient raises client-go's limit of five calls a second, which would be the
// node's pace: every pod costs a token, three patches and a few events. What the node asks at
// once is bounded by its workers, and the API server has its own fairness.
//
// Events have a client of their own, with twice a kubelet's own rate: a burst of pods is
// served before it is told of.
func kubernetesClient(file string) (client kubernetes.Interface, events corev1client.EventsGetter, err error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = file
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, nil).ClientConfig()
	if err != nil {
		return nil, nil, fmt.Errorf("finding the cluster (give --kubeconfig, set KUBECONFIG, or run in a pod): %w", err)
	}
	config.QPS, config.Burst = 2000, 4000
	config.ContentType = runtime.ContentTypeProtobuf
	config.AcceptContentTypes = runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON
	config.UserAgent = rest.DefaultKubernetesUserAgent()
	config.Wrap(setup.PatientWatches)
	if client, err = kubernetes.NewForConfig(config); err != nil {
		return nil, nil, fmt.Errorf("connecting to the cluster: %w", err)
	}
	config = rest.CopyConfig(config)
	config.QPS, config.Burst = 100, 200
	if events, err = corev1client.NewForConfig(config); err != nil {
		return nil, nil, fmt.Errorf("connecting to the cluster: %w", err)
	}
	return client, events, nil
}

func newLogger(level, format string) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, fmt.Errorf("--log-level %q: use debug, info, warn or error", level)
	}
	options := &slog.HandlerOptions{Level: l}
	switch format {
	case "text":
		return slog.New(slog.NewTextHandler(os.Stderr, options)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(os.Stderr, options)), nil
	}
	return nil, fmt.Errorf("--log-format %q: use text or json", format)
}
