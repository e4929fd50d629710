package provider

import (
	"encoding/base64"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/yaml"

	"github.com/ecideck/ecideck/provider/eci"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func testPlacement() Placement {
	return Placement{ClusterID: testCluster, NodeName: testNode, VSwitchIDs: []string{"vsw-h", "vsw-i"}, ScheduleStrategy: "VSwitchOrdered",
		SecurityGroupID: "sg-1", ClusterDNS: []string{"172.16.0.10"}, ClusterDomain: "cluster.local"}
}

// testData holds what the test pods refer to.
func testData() Data {
	object := func(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Name: name, Namespace: "default"} }
	return Data{
		ConfigMaps: map[string]*corev1.ConfigMap{
			"kube-root-ca.crt": {ObjectMeta: object("kube-root-ca.crt"), Data: map[string]string{"ca.crt": "CA"}},
			"settings":         {ObjectMeta: object("settings"), Data: map[string]string{"MODE": "fast", "not a name": "x"}, BinaryData: map[string][]byte{"blob": {0, 1, 2, 255}}},
			"big":              {ObjectMeta: object("big"), Data: map[string]string{"a": strings.Repeat("x", 33<<10)}},
			"many":             {ObjectMeta: object("many"), Data: map[string]string{"a": strings.Repeat("x", 31<<10), "b": strings.Repeat("x", 31<<10)}},
			"absent":           nil,
		},
		Secrets: map[string]*corev1.Secret{
			"login": {ObjectMeta: object("login"), Data: map[string][]byte{"password": []byte("s3cret")}},
			"pull": {ObjectMeta: object("pull"), Type: corev1.SecretTypeDockerConfigJson, Data: map[string][]byte{corev1.DockerConfigJsonKey: []byte(
				`{"auths":{"https://registry.example.com/v1/":{"auth":"` + base64.StdEncoding.EncodeToString([]byte("user:pa:ss")) + `"}},"credHelpers":{"x":"y"}}`)}},
			"oldpull": {ObjectMeta: object("oldpull"), Type: corev1.SecretTypeDockercfg, Data: map[string][]byte{corev1.DockerConfigKey: []byte(
				`{"old.example.com:5000":{"username":"u","password":"p"}}`)}},
		},
		Services: []corev1.Service{
			{ObjectMeta: metav1.ObjectMeta{Name: "kubernetes", Namespace: "default"}, Spec: corev1.ServiceSpec{ClusterIP: "10.96.0.1", Ports: []corev1.ServicePort{{Name: "https", Port: 443}}}},
			{ObjectMeta: object("my-db"), Spec: corev1.ServiceSpec{ClusterIP: "10.96.0.9", Ports: []corev1.ServicePort{{Port: 5432}}}},
			{ObjectMeta: object("headless"), Spec: corev1.ServiceSpec{ClusterIP: "None", Ports: []corev1.ServicePort{{Port: 1}}}},
		},
		Tokens: map[tokenKey]token{{"kube-api-access-x", "token"}: {value: "jwt"}},
		Claims: testClaims(),
	}
}

func uid(pod *corev1.Pod) { pod.UID = "uid-1" }

// goldenPods are the pods whose requests are kept as golden files.
func goldenPods() map[string]*corev1.Pod {
	one, no, user, mode := int64(600), false, int64(1000), int32(0o400)
	return map[string]*corev1.Pod{
		"default": healthyPod("web", uid),
		"full": healthyPod("web.full", uid, func(p *corev1.Pod) {
			p.Annotations = map[string]string{"k8s.aliyun.com/eci-vswitch": "vsw-z", "k8s.aliyun.com/eci-spot-strategy": "SpotAsPriceGo"}
			p.Spec.ActiveDeadlineSeconds, p.Spec.EnableServiceLinks = &one, &no
			p.Spec.Hostname, p.Spec.HostAliases = "web-0", []corev1.HostAlias{{IP: "1.2.3.4", Hostnames: []string{"a", "b"}}}
			p.Spec.ImagePullSecrets = []corev1.LocalObjectReference{{Name: "pull"}, {Name: "oldpull"}, {Name: "nowhere"}}
			p.Spec.SecurityContext = &corev1.PodSecurityContext{RunAsUser: &user, FSGroup: &user}
			p.Spec.InitContainers = []corev1.Container{{Name: "init", Image: "busybox", Command: []string{"sh"}, Resources: limits("4", "1Gi")}}
			c := &p.Spec.Containers[0]
			c.Command, c.Args, c.WorkingDir = []string{"/run"}, []string{"--mode=$(MODE)", "$$(MODE)", "$(UNKNOWN)", "--ip=$(POD_IP)"}, "/w"
			c.Ports = []corev1.ContainerPort{{Name: "http", ContainerPort: 8080, Protocol: corev1.ProtocolTCP}}
			c.Resources = limits("500m", "1Gi")
			c.EnvFrom = []corev1.EnvFromSource{{ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "settings"}}}}
			field := func(path string) *corev1.EnvVarSource {
				return &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{APIVersion: "v1", FieldPath: path}}
			}
			c.Env = []corev1.EnvVar{
				{Name: "PLAIN", Value: "$(MODE)er"}, {Name: "EMPTY"}, {Name: "POD_IP", ValueFrom: field("status.podIP")}, {Name: "HOST_IP", ValueFrom: field("status.hostIP")},
				{Name: "NAME", ValueFrom: field("metadata.name")}, {Name: "APP", ValueFrom: field("metadata.labels['app']")}, {Name: "NODE", ValueFrom: field("spec.nodeName")},
				{Name: "PASSWORD", ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: "login"}, Key: "password"}}},
				{Name: "CPU", ValueFrom: &corev1.EnvVarSource{ResourceFieldRef: &corev1.ResourceFieldSelector{Resource: "limits.cpu", Divisor: resource.MustParse("1m")}}},
			}
			c.ReadinessProbe = &corev1.Probe{ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/ok", Port: intstr.FromString("http"), Scheme: "HTTP"}}, PeriodSeconds: 5, SuccessThreshold: 1}
			c.LivenessProbe = &corev1.Probe{ProbeHandler: corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{"cat", "/ok"}}}}
			c.StartupProbe = &corev1.Probe{ProbeHandler: corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromInt32(8080)}}, PeriodSeconds: 10, FailureThreshold: 6}
			c.Lifecycle = &corev1.Lifecycle{PreStop: &corev1.LifecycleHandler{Exec: &corev1.ExecAction{Command: []string{"sleep", "5"}}}}
			c.SecurityContext = &corev1.SecurityContext{AllowPrivilegeEscalation: &no, Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}, Add: []corev1.Capability{"NET_ADMIN"}}}
			c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: "conf", MountPath: "/etc/conf/blob", SubPath: "blob"}, corev1.VolumeMount{Name: "tmp", MountPath: "/tmp", SubPathExpr: "$(NAME)"})
			limit := resource.MustParse("256Mi")
			p.Spec.Volumes = append(p.Spec.Volumes,
				corev1.Volume{Name: "conf", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: "settings"},
					Items: []corev1.KeyToPath{{Key: "MODE", Path: "sub/mode", Mode: &mode}, {Key: "blob", Path: "blob"}}}}},
				corev1.Volume{Name: "key", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: "login", DefaultMode: &mode}}},
				corev1.Volume{Name: "tmp", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{Medium: corev1.StorageMediumMemory, SizeLimit: &limit}}},
				corev1.Volume{Name: "share", VolumeSource: corev1.VolumeSource{NFS: &corev1.NFSVolumeSource{Server: "nas.example.com", Path: "/a", ReadOnly: true}}})
		}),
	}
}

func TestBuildGoldens(t *testing.T) {
	cases := goldenPods()
	for name, pod := range cases {
		t.Run(name, func(t *testing.T) {
			before := pod.DeepCopy()
			request, notes, err := Build(pod, testData(), testPlacement(), 1)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(before, pod); diff != "" {
				t.Errorf("Build changed the pod: %s", diff)
			}
			got, err := yaml.Marshal(map[string]any{"request": golden(t, *request), "notes": notes})
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join("testdata", "request", name+".yaml")
			if *update {
				if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(file, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("run with -update if this is meant (-want +got):\n%s", diff)
			}
		})
	}
}

// plain drops the methods by which a request hides its secrets.
type plainRequest eci.CreateRequest

func golden(t *testing.T, r eci.CreateRequest) any {
	t.Helper()
	b, err := yaml.Marshal(plainRequest(r))
	if err != nil {
		t.Fatal(err)
	}
	var tree any
	if err := yaml.Unmarshal(b, &tree); err != nil {
		t.Fatal(err)
	}
	return prune(tree)
}

// prune leaves out what is not sent.
func prune(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for key, value := range v {
			if value = prune(value); value == nil || value == "" && key != "Value" || value == false || value == 0.0 && key != "InitialDelaySeconds" {
				delete(v, key)
			} else {
				v[key] = value
			}
		}
	case []any:
		for i := range v {
			v[i] = prune(v[i])
		}
	}
	return v
}

func limits(cpu, memory string) corev1.ResourceRequirements {
	return corev1.ResourceRequirements{Limits: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse(memory)}}
}

func volume(source corev1.VolumeSource) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Spec.Volumes = append(p.Spec.Volumes, corev1.Volume{Name: "v", VolumeSource: source})
	}
}

func TestBuildRefusesWithTheFieldAndARemedy(t *testing.T) {
	yes, always := true, corev1.ContainerRestartPolicyAlways
	main := func(change func(*corev1.Container)) func(*corev1.Pod) {
		return func(p *corev1.Pod) { change(&p.Spec.Containers[0]) }
	}
	configMap := func(name string) func(*corev1.Pod) {
		return volume(corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: name}}})
	}
	for field, change := range map[string]func(*corev1.Pod){
		"spec.hostNetwork": func(p *corev1.Pod) { p.Spec.HostNetwork = true },
		"spec.securityContext.sysctls[0].name": func(p *corev1.Pod) {
			p.Spec.SecurityContext = &corev1.PodSecurityContext{Sysctls: []corev1.Sysctl{{Name: "vm.max_map_count", Value: "1024"}}}
		},
		"spec.hostPID":             func(p *corev1.Pod) { p.Spec.HostPID = true },
		"spec.hostIPC":             func(p *corev1.Pod) { p.Spec.HostIPC = true },
		"metadata.ownerReferences": ownedBy("DaemonSet"),
		"spec.containers":          func(p *corev1.Pod) { p.Spec.Containers = make([]corev1.Container, 21) },
		"spec.volumes":             func(p *corev1.Pod) { p.Spec.Volumes = make([]corev1.Volume, 21) },
		"spec.initContainers[1]": func(p *corev1.Pod) {
			p.Spec.InitContainers = []corev1.Container{{Name: "s", RestartPolicy: &always}, {Name: "i"}}
		},
		"spec.volumes[1].hostPath":              volume(corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/"}}),
		"spec.volumes[1].persistentVolumeClaim": volume(corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "rbd"}}),
		"spec.volumes[1]: the file a has 33792": configMap("big"),
		"spec.volumes[1]: with the file b":      configMap("many"),
		"spec.containers[0].ports[0].hostPort":  main(func(c *corev1.Container) { c.Ports = []corev1.ContainerPort{{HostPort: 80}} }),
		"the value of LONG has 257":             env("LONG", strings.Repeat("x", 257)),
		`the variable name "a-b"`:               env("a-b", ""),
		"spec.initContainers[0].securityContext.privileged": func(p *corev1.Pod) {
			p.Spec.InitContainers = []corev1.Container{{Name: "i", Image: "x", SecurityContext: &corev1.SecurityContext{Privileged: &yes}}}
		},
		"spec.containers[0].resources.limits[nvidia.com/gpu]": main(func(c *corev1.Container) {
			c.Resources.Limits = corev1.ResourceList{"nvidia.com/gpu": resource.MustParse("1")}
		}),
		"spec.containers[0].livenessProbe.grpc": main(func(c *corev1.Container) {
			c.LivenessProbe = &corev1.Probe{ProbeHandler: corev1.ProbeHandler{GRPC: &corev1.GRPCAction{}}}
		}),
	} {
		t.Run(field, func(t *testing.T) {
			_, _, err := Build(healthyPod("web", uid, change), testData(), testPlacement(), 1)
			var refusal *Refusal
			if !errors.As(err, &refusal) || !strings.Contains(err.Error(), field) || refusal.Reason == "" || refusal.Remedy == "" {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestAMissingObjectIsWaitedForUnlessItIsOptional(t *testing.T) {
	yes := true
	from := func(optional *bool) func(*corev1.Pod) {
		return volume(corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: "absent"}, Optional: optional}})
	}
	_, _, err := Build(healthyPod("web", uid, from(nil)), testData(), testPlacement(), 1)
	var missing *Missing
	if !errors.As(err, &missing) || missing.EventReason != "MandatoryConfigMapNotFound" {
		t.Errorf("got %v", err)
	}
	request, notes, err := Build(healthyPod("web", uid, from(&yes)), testData(), testPlacement(), 1)
	if err != nil || len(notes) != 1 || notes[0].Reason != "OptionalConfigMapNotFound" || request.Volume[1].EmptyDirVolume == nil {
		t.Errorf("request %v, notes %v, error %v", request, notes, err)
	}
}

func TestSizeIsTheSumOfLimitsElseRequests(t *testing.T) {
	requests := func(cpu, memory string) corev1.ResourceRequirements {
		return corev1.ResourceRequirements{Requests: limits(cpu, memory).Limits}
	}
	for _, c := range []struct {
		name        string
		containers  []corev1.ResourceRequirements
		init        corev1.ResourceRequirements
		annotation  string
		cpu, memory float64
		instance    string
	}{
		{name: "nothing said is ECI's default", containers: []corev1.ResourceRequirements{{}}},
		{name: "limits", containers: []corev1.ResourceRequirements{limits("1", "2Gi"), limits("500m", "1Gi")}, cpu: 1.5, memory: 3},
		{name: "requests", containers: []corev1.ResourceRequirements{requests("100m", "128Mi")}, cpu: 0.1, memory: 0.125},
		{name: "limits beat requests", containers: []corev1.ResourceRequirements{{Limits: limits("1", "2Gi").Limits, Requests: limits("4", "4Gi").Limits}}, cpu: 1, memory: 2},
		{name: "the largest init container counts", containers: []corev1.ResourceRequirements{limits("1", "2Gi")}, init: limits("4", "1Gi"), cpu: 4, memory: 2},
		{name: "only memory said", containers: []corev1.ResourceRequirements{{Limits: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("8Gi")}}}, cpu: 2, memory: 8},
		{name: "the annotation beats all", containers: []corev1.ResourceRequirements{limits("1", "2Gi")}, annotation: "2-4Gi, ecs.c6.large", instance: "2-4Gi,ecs.c6.large"},
	} {
		t.Run(c.name, func(t *testing.T) {
			pod := healthyPod("web", uid)
			for i, r := range c.containers {
				if i > 0 {
					pod.Spec.Containers = append(pod.Spec.Containers, corev1.Container{Name: "more", Image: "x"})
				}
				pod.Spec.Containers[i].Resources = r
			}
			pod.Spec.InitContainers = []corev1.Container{{Name: "i", Image: "x", Resources: c.init}}
			if c.annotation != "" {
				pod.Annotations = map[string]string{"k8s.aliyun.com/eci-use-specs": c.annotation}
			}
			request, _, err := Build(pod, testData(), testPlacement(), 1)
			if err != nil {
				t.Fatal(err)
			}
			if request.Cpu != c.cpu || request.Memory != c.memory || request.InstanceType != c.instance {
				t.Errorf("got %v vCPU, %v GiB, %q", request.Cpu, request.Memory, request.InstanceType)
			}
		})
	}
}

func TestNamesAndTokensFitECI(t *testing.T) {
	for _, name := range []string{groupName("ns", "a.b"), groupName("n", strings.Repeat("x.", 126)), groupName("a", "b")} {
		if len(name) < 2 || len(name) > maxGroupName || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" || strings.HasSuffix(name, "-") {
			t.Errorf("group name %q", name)
		}
	}
	pod := healthyPod("web", uid)
	if a, b := clientToken(pod, 1), clientToken(pod, 2); a == b || len(a) > 64 || a != clientToken(pod, 1) {
		t.Errorf("tokens %q and %q", a, b)
	}
}

func TestATokenThatCanNotBeRenewedIsSaid(t *testing.T) {
	data := testData()
	data.Tokens[tokenKey{"kube-api-access-x", "token"}] = token{value: "jwt", fixed: true, expires: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	_, notes, err := Build(healthyPod("web", uid), data, testPlacement(), 1)
	if err != nil || len(notes) != 1 || !strings.Contains(notes[0].Message, "2026-01-02T03:04:05Z") {
		t.Errorf("notes %v, error %v", notes, err)
	}
}
