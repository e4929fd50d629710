package collectors

import (
	"context"
	"time"

	"github.com/ecideck/ecideck/collectors/fleet"
	"github.com/ecideck/ecideck/provider/billing"
	"github.com/ecideck/ecideck/provider/migrate"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	metrics "k8s.io/metrics/pkg/client/clientset/versioned"
)

// A Named is a collector with its source's name and how often it reports when all is well.
type Named struct {
	Name  string
	Every time.Duration
	Quiet bool // see fleet.Source
	Collector
}

// A Cloud is what the sources beside the groups need of the ECI client; *eci.Client is one.
// Each collector declares its own part.
type Cloud interface {
	groupMeter
	priceAsker
	quotaReader
	subnetReader
	regionReader
	billing.Caller
}

// Sources are what the collectors read from.
type Sources struct {
	Kubernetes kubernetes.Interface
	// Dynamic reads kinds that not every cluster has, and Metrics what metrics-server
	// measured; nil: they are not read.
	Dynamic dynamic.Interface
	Metrics metrics.Interface
	// Namespace limits what belongs to a namespace; "" is all of them. Named are those that
	// the user works in, the first the one in force: where not all may be read, these are, and
	// every other one that may.
	Namespace string
	Named     []string
	// Probe tells whether the API server lives; nil: only the watches' own errors do.
	Probe Probe
	// ECI lists container groups. When it is nil, NoECI says why and what to do; the
	// source groups then carries that error, and all else works.
	ECI   groupLister
	NoECI error
	// Cloud is read for usage, prices, quota, addresses, stock and bills; nil: none of them is.
	Cloud Cloud
	// Book reads what the config file says about prices; it is called now and then, so that a
	// changed file is seen. nil: there is none.
	Book func() (fleet.PriceBook, error)
	// State is the folder in which the history is kept; "": it lasts as long as the process.
	State string
	// Audit is the folder of the local journals of operations; "": only the cluster's are read.
	Audit string
	// SweepPause is the time between two listings of the groups of a small fleet; 0: 5 s.
	SweepPause time.Duration
	// Latest is the Store's newest Snapshot.
	Latest func() *fleet.Snapshot
}

// All is every collector: one line a source.
func All(s Sources) []Named {
	k, scope, probe, live := s.Kubernetes, Scope{s.Namespace, NewAccess(s.Kubernetes, s.Named)}, s.Probe, 2*probeEvery
	all := []Named{
		{"cluster", 5 * time.Minute, true, Cluster(k, 5*time.Minute)},
		{"pods", live, false, Pods(k, scope, probe)},
		{"nodes", live, false, Nodes(k, probe)},
		{"events", live, false, Events(k, scope, probe)},
		{"groups", sweepPause, false, s.groups()},
		{"namespaces", live, true, Namespaces(k, probe)},
		{"deployments", live, true, Deployments(k, scope, probe)},
		{"replicasets", live, true, ReplicaSets(k, scope, probe)},
		{"statefulsets", live, true, StatefulSets(k, scope, probe)},
		{"daemonsets", live, true, DaemonSets(k, scope, probe)},
		{"jobs", live, true, Jobs(k, scope, probe)},
		{"cronjobs", live, true, CronJobs(k, scope, probe)},
		{"hpas", live, true, HPAs(k, scope, probe)},
		{"budgets", live, true, Budgets(k, scope, probe)},
		{"services", live, true, Services(k, scope, probe)},
		{"endpoints", live, true, Endpoints(k, scope, probe)},
		{"node-groups", absentEvery, true, NodeGroups(k)},
		{"operations", operationsEvery, true, Operations(k, migrate.AuditDir(s.Audit), scope)},
		{"bursts", burstsEvery, true, Bursts(k)},
	}
	if s.Book != nil {
		all = append(all, Named{"price-book", bookEvery, true, Poll(bookEvery, func(context.Context) (fleet.Part, error) { return s.book() })})
	}
	if s.State != "" {
		all = append(all, Named{"history", historyEvery, true, History(s.State, s.Latest)})
	}
	if s.Dynamic != nil {
		all = append(all,
			Named{"keda", absentEvery, true, KEDA(s.Dynamic, scope)},
			Named{"cronhpa", absentEvery, true, CronHPA(s.Dynamic, scope)},
			Named{"policies", absentEvery, true, Policies(s.Dynamic, scope)})
	}
	if s.Metrics != nil {
		all = append(all,
			Named{"pod-metrics", metricsEvery, true, PodMetrics(s.Metrics, scope)},
			Named{"node-metrics", metricsEvery, true, NodeMetrics(s.Metrics, scope)})
	}
	if s.Cloud != nil {
		all = append(all,
			Named{"group-metrics", groupMetricsEvery, true, GroupMetrics(s.Cloud, s.Latest)},
			Named{"prices", pricesEvery, true, Prices(s.Cloud, s.Latest)},
			Named{"node-prices", pricesEvery, true, NodePrices(s.Cloud, s.Cloud.Region(), s.Latest)},
			Named{"account", accountEvery, true, Account(s.Cloud)},
			Named{"subnets", accountEvery, true, Subnets(s.Cloud, s.Latest)},
			Named{"zones", zonesEvery, true, Zones(s.Cloud, s.Latest)},
			Named{"bills", billsEvery, true, Bills(s.Cloud, s.site)})
	}
	return all
}

// bookEvery is how often the config file's prices are read: who changes them wants to see it.
const bookEvery = 10 * time.Second

// book is the price book as a part.
func (s Sources) book() (fleet.Part, error) {
	book, err := s.Book()
	if err != nil {
		return nil, err
	}
	return book, nil
}

// site is where the account was opened: the China site where the config file says nothing.
func (s Sources) site() billing.Site {
	if s.Book != nil {
		if book, err := s.Book(); err == nil && book.Site != "" {
			return billing.Site(book.Site)
		}
	}
	return billing.ChinaSite
}

func (s Sources) groups() Collector {
	if s.ECI == nil {
		return Poll(time.Minute, func(context.Context) (fleet.Part, error) { return nil, s.NoECI })
	}
	return Groups(s.ECI, s.Latest, s.SweepPause)
}
