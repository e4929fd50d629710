package main

import (
	"bytes"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/ecideck/ecideck/testdata"
)

// objects decodes YAML documents strictly: an unknown or a double field is an error.
func objects(t *testing.T, yaml []byte) []runtime.Object {
	t.Helper()
	decoder := serializer.NewCodecFactory(scheme.Scheme, serializer.EnableStrict).UniversalDeserializer()
	var out []runtime.Object
	for _, document := range bytes.Split(yaml, []byte("\n---\n")) {
		object, _, err := decoder.Decode(document, nil, nil)
		if runtime.IsNotRegisteredError(err) {
			continue // the lab's APIService
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, document)
		}
		out = append(out, object)
	}
	return out
}

func first[T runtime.Object](t *testing.T, all []runtime.Object, match func(T) bool) T {
	t.Helper()
	for _, object := range all {
		if o, ok := object.(T); ok && match(o) {
			return o
		}
	}
	t.Fatalf("no %s", reflect.TypeFor[T]())
	panic("unreachable")
}

func printed(t *testing.T, args ...string) []byte {
	t.Helper()
	var out bytes.Buffer
	c := command()
	c.SetArgs(append([]string{"manifests", "--image=registry.example.com/ecideck-node:1", "--region=cn-hangzhou", "--vswitch-ids=vsw-a,vsw-b", "--security-group-id=sg-1"}, args...))
	c.SetOut(&out)
	if err := c.ExecuteContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestTheManifestsAreWhatTheAPIServerTakes(t *testing.T) {
	all := objects(t, printed(t, "--cluster-dns=10.0.0.2", "--namespace=ops"))
	deployment := first(t, all, func(*appsv1.Deployment) bool { return true })
	if deployment.Namespace != "ops" || *deployment.Spec.Replicas != 2 || deployment.Spec.Template.Spec.Containers[0].Image != "registry.example.com/ecideck-node:1" {
		t.Errorf("deployment %+v", deployment)
	}
	settings := first(t, all, func(*corev1.ConfigMap) bool { return true }).Data
	want := map[string]string{"ECIDECK_REGION": "cn-hangzhou", "VSWITCH_IDS": "vsw-a,vsw-b", "SECURITY_GROUP_ID": "sg-1",
		"NODE_NAME": "virtual-kubelet-cn-hangzhou", "CLUSTER_DNS": "10.0.0.2", "APISERVER_ADDRESS": "",
		"SERVICE_NETWORK": "none", "KUBE_PROXY_IMAGE": "", "NETWORK_PROBE_IMAGE": "",
		"BURST": "marked", "BURST_MAX_PODS": "-1", "BURST_MAX_RATE": ""}
	if diff := cmp.Diff(want, settings); diff != "" {
		t.Error(diff)
	}
}

// What the Deployment passes must be flags of this program, and every variable in them a
// key of the ConfigMap.
func TestTheDeploymentsFlagsExist(t *testing.T) {
	all := objects(t, printed(t))
	settings := first(t, all, func(*corev1.ConfigMap) bool { return true }).Data
	container := first(t, all, func(*appsv1.Deployment) bool { return true }).Spec.Template.Spec.Containers[0]
	var args []string
	for _, arg := range container.Args {
		for key, value := range settings {
			arg = strings.ReplaceAll(arg, "$("+key+")", value)
		}
		if strings.Contains(arg, "$(") {
			t.Errorf("%s names a variable that is not there", arg)
		}
		args = append(args, arg)
	}
	c := command()
	if err := c.ParseFlags(args); err != nil {
		t.Error(err)
	}
}

// The lab's node has the rights of these manifests and no others, so that every test in the
// lab shows whether they suffice.
func TestTheLabsNodeHasTheRightsOfTheManifests(t *testing.T) {
	node := func(r *rbacv1.ClusterRole) bool { return r.Name == "ecideck-node" }
	manifest := first(t, objects(t, printed(t)), node)
	lab := first(t, objects(t, bytes.ReplaceAll(testdata.LabBase, []byte("METRICS_SERVER_PORT"), []byte("443"))), node)
	if diff := cmp.Diff(manifest.Rules, lab.Rules); diff != "" {
		t.Errorf("testdata/lab/base.yaml (+) and the manifests (-) differ:\n%s", diff)
	}
	for _, rule := range manifest.Rules {
		if slices.Contains(rule.Verbs, "*") || slices.Contains(rule.Resources, "*") || slices.Contains(rule.Verbs, "approve") {
			t.Errorf("too much: %+v", rule)
		}
	}
}

// The policies are printed by default, the webhook with its rights and its flag when asked for.
func TestTheManifestsDecideAtAdmission(t *testing.T) {
	count := func(args ...string) (policies, webhooks int, container corev1.Container) {
		all := objects(t, printed(t, args...))
		for _, o := range all {
			switch o.(type) {
			case *admissionregistrationv1.MutatingAdmissionPolicy, *admissionregistrationv1.MutatingAdmissionPolicyBinding:
				policies++
			case *admissionregistrationv1.MutatingWebhookConfiguration:
				webhooks++
			}
		}
		return policies, webhooks, first(t, all, func(*appsv1.Deployment) bool { return true }).Spec.Template.Spec.Containers[0]
	}
	for _, c := range []struct {
		args               []string
		policies, webhooks int
	}{{nil, 4, 0}, {[]string{"--admission=webhook"}, 0, 1}, {[]string{"--admission=none"}, 0, 0}} {
		policies, webhooks, container := count(c.args...)
		if policies != c.policies || webhooks != c.webhooks || slices.Contains(container.Args, "--webhook-listen=:9443") != (webhooks > 0) {
			t.Errorf("%v: %d policies, %d webhooks, %v", c.args, policies, webhooks, container.Args)
		}
	}
	webhook := first(t, objects(t, printed(t, "--admission=webhook", "--namespace=ops")), func(*admissionregistrationv1.MutatingWebhookConfiguration) bool { return true })
	if webhook.Name != webhookName || webhook.Webhooks[0].ClientConfig.Service.Namespace != "ops" || *webhook.Webhooks[0].FailurePolicy != admissionregistrationv1.Ignore {
		t.Errorf("%+v", webhook.Webhooks[0])
	}
	first(t, objects(t, printed(t, "--admission=webhook")), func(r *rbacv1.Role) bool { return r.Name == "ecideck-node-webhook" })
}

func TestManifestsSayWhatIsMissing(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"manifests", "--image"},
		{"manifests --image=x", "--region"},
		{"manifests --image=x --region=r --vswitch-ids=v --security-group-id=s --namespace=A_B", "--namespace"},
		{"manifests --image=x --region=r --vswitch-ids=v --security-group-id=s --admission=yes", "--admission"},
		{"manifests --image=x --region=r --vswitch-ids=v --security-group-id=s --burst=some", "--burst"},
		{"manifests --image=x --region=r --vswitch-ids=v --security-group-id=s --burst-max-rate=cheap", "--burst-max-rate"},
		{"manifests --image=x --region=r --vswitch-ids=v --security-group-id=s --node-name=A_B", "--node-name"},
	} {
		c1 := command()
		c1.SetArgs(strings.Fields(c.args))
		c1.SetOut(io.Discard)
		c1.SetErr(io.Discard)
		if err := c1.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.args, err)
		}
	}
}
