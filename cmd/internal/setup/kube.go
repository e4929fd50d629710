// Package setup turns flags, environment and files into clients, and errors into exit codes.
// It is shared by the commands; nothing else imports it.
package setup

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"github.com/ecideck/ecideck/collectors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	metrics "k8s.io/metrics/pkg/client/clientset/versioned"
)

// A Kube is a way to one cluster.
type Kube struct {
	Client    kubernetes.Interface
	Dynamic   dynamic.Interface // JSON: custom resources have nothing else
	Metrics   metrics.Interface
	Config    *rest.Config
	Probe     collectors.Probe
	Context   string // the kubeconfig context in force; "": in-cluster or none
	Namespace string // the flag's, else the context's, else default
	// NamespaceGiven says that a flag chose the namespace.
	NamespaceGiven bool

	named []string // see Namespaces
	same  []string // see Command
}

// NewKube reads the kubeconfig as kubectl does. It makes no call.
func NewKube(flags *genericclioptions.ConfigFlags) (*Kube, error) {
	loader := flags.ToRawKubeConfigLoader()
	config, err := flags.ToRESTConfig()
	if err == nil {
		err = chosen(flags, config)
	}
	if err != nil {
		return nil, fmt.Errorf("choosing a cluster (check --kubeconfig, KUBECONFIG and --context; `kubectl config get-contexts` lists what there is): %w", err)
	}
	config = rest.CopyConfig(config)
	// A watch lasts; a timeout would cut it, and a long list again and again.
	config.Timeout = 0
	config.ContentType = runtime.ContentTypeProtobuf
	config.AcceptContentTypes = runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON
	config.QPS, config.Burst = 50, 100
	config.UserAgent = "ecideck"
	config.WarningHandler = rest.NoWarnings{} // they would be written over the screen
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("making a client of the kubeconfig: %w", err)
	}
	plain := rest.CopyConfig(config)
	plain.ContentType, plain.AcceptContentTypes = runtime.ContentTypeJSON, runtime.ContentTypeJSON
	custom, err := dynamic.NewForConfig(plain)
	if err != nil {
		return nil, fmt.Errorf("making a client of the kubeconfig: %w", err)
	}
	measured, err := metrics.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("making a client of the kubeconfig: %w", err)
	}
	namespace, given, err := loader.Namespace()
	if err != nil {
		return nil, fmt.Errorf("reading the kubeconfig's namespace: %w", err)
	}
	k := &Kube{
		Client: client, Dynamic: custom, Metrics: measured, Config: config, Namespace: namespace,
		NamespaceGiven: given && flags.Namespace != nil && *flags.Namespace != "",
		named:          []string{namespace},
		Probe:          collectors.ProbeReady(client.Discovery().RESTClient()),
	}
	if raw, err := loader.RawConfig(); err == nil {
		k.Context = raw.CurrentContext
		if flags.Context != nil && *flags.Context != "" {
			k.Context = *flags.Context
		}
		k.named = namespacesOf(&raw, k.Context, namespace)
	}
	k.same = sameFlags(flags, k.Context)
	return k, nil
}

// Command is how kubectl or ecideck is called in any shell, whatever is current there, to mean this
// cluster and this user: with the context, and the kubeconfig where it is not the one in its usual
// place. Secrets that were given as flags are left out.
func (k *Kube) Command(program string) string {
	return strings.Join(append([]string{program}, k.same...), " ")
}

// sameFlags are the flags of Command.
func sameFlags(flags *genericclioptions.ConfigFlags, context string) []string {
	given := func(value *string) string {
		if value == nil {
			return ""
		}
		return *value
	}
	file := cmp.Or(given(flags.KubeConfig), os.Getenv(clientcmd.RecommendedConfigPathEnvVar))
	if len(filepath.SplitList(file)) > 1 {
		file = "" // the flag takes one
	}
	if path, err := filepath.Abs(file); err == nil && file != "" {
		file = path
	}
	var out []string
	for _, f := range []struct{ name, value string }{
		{"kubeconfig", file}, {"context", context}, {"cluster", given(flags.ClusterName)}, {"user", given(flags.AuthInfoName)},
		{"server", given(flags.APIServer)}, {"as", given(flags.Impersonate)},
	} {
		if f.value == "" {
			continue
		}
		if strings.ContainsFunc(f.value, func(r rune) bool {
			return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("-_./:@%+=,", r)
		}) {
			f.value = "'" + strings.ReplaceAll(f.value, "'", `'\''`) + "'"
		}
		out = append(out, "--"+f.name, f.value)
	}
	return out
}

// Namespaces are those that the user works in: the one in force, then those that other contexts
// of the same cluster and user name, by name.
func (k *Kube) Namespaces() []string { return slices.Clone(k.named) }

// namespacesOf finds what Namespaces says.
func namespacesOf(raw *clientcmdapi.Config, context, first string) []string {
	var others []string
	if at := raw.Contexts[context]; at != nil {
		for _, c := range raw.Contexts {
			if c.Cluster == at.Cluster && c.AuthInfo == at.AuthInfo && c.Namespace != "" {
				others = append(others, c.Namespace)
			}
		}
	}
	slices.Sort(others)
	return append([]string{first}, others...)
}

// chosen reports an error when nothing names a cluster: client-go then takes
// localhost:8080, where nobody listens.
func chosen(flags *genericclioptions.ConfigFlags, config *rest.Config) error {
	raw, err := flags.ToRawKubeConfigLoader().RawConfig()
	if err != nil {
		return err
	}
	named := flags.APIServer != nil && *flags.APIServer != ""
	if len(raw.Clusters) == 0 && !named && (config.Host == "" || strings.HasSuffix(config.Host, "localhost:8080")) {
		return errors.New("there is no kubeconfig")
	}
	return nil
}
