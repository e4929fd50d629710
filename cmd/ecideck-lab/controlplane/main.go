// Controlplane is a whole Kubernetes control plane in one executable: etcd, API server,
// controllers, scheduler, metrics-server, kwok (simulated nodes) and kubectl. Its first
// argument, or the name it is called by, chooses the part:
//
//	controlplane kube-apiserver --etcd-servers …
//
// Each part is meant to run as a process of its own: their global flags and loggers
// collide in one process, and tests stop them one by one.
//
// It is a module of its own because k8s.io/kubernetes needs some thirty replace lines.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	_ "time/tzdata" // time zones in CronJobs on machines without a zone database

	"github.com/spf13/pflag"
	"go.etcd.io/etcd/server/v3/etcdmain"
	genericapiserver "k8s.io/apiserver/pkg/server"
	_ "k8s.io/client-go/plugin/pkg/client/auth" // what a user's kubeconfig may name
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	kubectlcmd "k8s.io/kubectl/pkg/cmd"
	cmdutil "k8s.io/kubectl/pkg/cmd/util"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllers "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	"sigs.k8s.io/kwok/kustomize/metrics/resource"
	nodestages "sigs.k8s.io/kwok/kustomize/stage/node/fast"
	heartbeat "sigs.k8s.io/kwok/kustomize/stage/node/heartbeat-with-lease"
	podstages "sigs.k8s.io/kwok/kustomize/stage/pod/fast"
	kwokconfig "sigs.k8s.io/kwok/pkg/config"
	kwokcmd "sigs.k8s.io/kwok/pkg/kwok/cmd"
	kwoklog "sigs.k8s.io/kwok/pkg/log"
	metricsserver "sigs.k8s.io/metrics-server/cmd/metrics-server/app"
)

var applets = map[string]func() int{
	"etcd":                    etcd,
	"kube-apiserver":          func() int { return cli.Run(apiserver.NewAPIServerCommand()) },
	"kube-controller-manager": func() int { return cli.Run(controllers.NewControllerManagerCommand()) },
	"kube-scheduler":          func() int { return cli.Run(scheduler.NewSchedulerCommand()) },
	"metrics-server": func() int {
		return cli.Run(metricsserver.NewMetricsServerCommand(genericapiserver.SetupSignalHandler()))
	},
	"kwok":        kwok,
	"kwok-config": kwokConfig,
	"kubectl":     kubectl,
}

func main() {
	name := filepath.Base(os.Args[0])
	run := applets[name]
	if run == nil && len(os.Args) > 1 {
		name = os.Args[1]
		if run = applets[name]; run != nil {
			os.Args = append([]string{name}, os.Args[2:]...)
		}
	}
	if run == nil {
		fmt.Fprintln(os.Stderr, "usage: controlplane etcd|kube-apiserver|kube-controller-manager|kube-scheduler|metrics-server|kwok|kwok-config|kubectl [flags]")
		os.Exit(2)
	}
	os.Exit(run())
}

func etcd() int {
	etcdmain.Main(os.Args)
	return 0
}

func kubectl() int {
	command := kubectlcmd.NewDefaultKubectlCommand()
	if err := cli.RunNoErrOutput(command); err != nil {
		cmdutil.CheckErr(err)
		return 1
	}
	return 0
}

func kwok() int {
	// Cobra adds the process-wide flags to every command, and the other parts' packages put a
	// "version" there that is not kwok's.
	pflag.CommandLine = pflag.NewFlagSet("kwok", pflag.ContinueOnError)
	flags := pflag.NewFlagSet("global", pflag.ContinueOnError)
	flags.ParseErrorsAllowlist.UnknownFlags = true
	flags.Usage = func() {}
	var ctx context.Context = genericapiserver.SetupSignalContext()
	ctx, _ = kwoklog.InitFlags(ctx, flags)
	ctx, err := kwokconfig.InitFlags(ctx, flags)
	if err != nil {
		fmt.Fprintln(os.Stderr, "kwok:", err)
		return 1
	}
	command := kwokcmd.NewCommand(ctx)
	command.PersistentFlags().AddFlagSet(flags)
	if err := command.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "kwok:", err)
		return 1
	}
	return 0
}

// kwokConfig prints the stages and metrics that come with kwok: without stages kwok does
// nothing, and its release carries them as files of its repository only.
func kwokConfig() int {
	for _, document := range []string{
		nodestages.DefaultNodeInit, heartbeat.DefaultNodeHeartbeatWithLease,
		podstages.DefaultPodReady, podstages.DefaultPodComplete, podstages.DefaultPodDelete,
		resource.DefaultMetricsResource,
	} {
		fmt.Println("---")
		fmt.Println(document)
	}
	return 0
}
