package placement

import (
	"flag"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "rewrite ECI.md")

func TestTheTableKnowsEveryFieldOfAPod(t *testing.T) {
	table := theTable()
	for _, path := range table.unknown {
		t.Errorf("no row says what becomes of %s", path)
	}
	for _, path := range table.unused {
		t.Errorf("a pod has no field %s", path)
	}
	seen := map[string]bool{}
	for _, row := range table.rows {
		if seen[row.path] {
			t.Errorf("two rows for %s", row.path)
		}
		seen[row.path] = true
	}
	if len(table.rows) < 300 {
		t.Errorf("only %d rows", len(table.rows))
	}
}

func TestARowThatIsMissingIsFound(t *testing.T) {
	rows := podRows()
	for i := range rows {
		if rows[i].path == "spec.hostNetwork" {
			rows[i].path = "spec.hostNetworks"
		}
	}
	c := compile(rows)
	if !strings.Contains(strings.Join(c.unknown, " "), "spec.hostNetwork") || !strings.Contains(strings.Join(c.unused, " "), "spec.hostNetworks") {
		t.Errorf("unknown %v, unused %v", c.unknown, c.unused)
	}
}

func TestEveryRuleSaysWhyAndWhatToDo(t *testing.T) {
	for _, row := range append(theTable().rows, shapeWords()...) {
		if row.runs == "" && len(row.rules) == 0 {
			t.Errorf("%s says nothing", row.path)
		}
		for _, rule := range row.rules {
			if rule.reason == "" || (rule.verdict == Refuses) != (rule.remedy != "") || (rule.verdict == Warns) != (rule.event != "") || rule.verdict == Runs {
				t.Errorf("%s: %+v", row.path, rule)
			}
		}
	}
	for _, a := range annotations() {
		if a.does == "" || a.apply == nil && a.idle == nil && a.refuse == nil || a.apply != nil && a.takes == "" || (a.refuse != nil) != (a.remedy != "") {
			t.Errorf("%s is incomplete", a.key)
		}
	}
}

func TestTheListInWordsIsCurrent(t *testing.T) {
	got := Document()
	if *update {
		if err := os.WriteFile("ECI.md", []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("ECI.md")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("run with -update:\n%s", diff)
	}
}

// pod is a healthy pod with a change written as YAML over its spec.
func pod(t *testing.T, change string) *corev1.Pod {
	t.Helper()
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "default"}}
	p.Spec.RestartPolicy = corev1.RestartPolicyAlways
	p.Spec.Containers = []corev1.Container{{Name: "main", Image: "x"}}
	if err := yaml.UnmarshalStrict([]byte(change), p); err != nil {
		t.Fatal(err)
	}
	return p
}

// said is findings as lines.
func said(findings []Finding) string {
	var lines []string
	for _, f := range findings {
		lines = append(lines, fmt.Sprintf("%s %s", f.Verdict, f.Field))
	}
	return strings.Join(lines, "\n")
}

func TestAHealthyPodHasNoFindings(t *testing.T) {
	if findings := Check(pod(t, ""), "cn-hangzhou"); len(findings) > 0 {
		t.Errorf("%+v", findings)
	}
}

func TestFindings(t *testing.T) {
	in := func(container string) string {
		return "spec: {containers: [{name: main, image: x, " + container + "}]}"
	}
	init := func(container string) string {
		return "spec: {initContainers: [{name: i, image: x, " + container + "}]}"
	}
	for _, c := range []struct{ name, change, want string }{
		{"a host's network", "spec: {hostNetwork: true}", "refuses spec.hostNetwork"},
		{"a host's path", "spec: {volumes: [{name: v, emptyDir: {}}, {name: h, hostPath: {path: /}}]}", "refuses spec.volumes[1].hostPath"},
		{"a host's port", in("ports: [{containerPort: 80, hostPort: 80}]"), "refuses spec.containers[0].ports[0].hostPort"},
		{"a port of ECI's own", in("ports: [{containerPort: 10250}]"), "refuses spec.containers[0].ports[0].containerPort"},
		{"SCTP", in("ports: [{containerPort: 80, protocol: SCTP}]"), "refuses spec.containers[0].ports[0].protocol"},
		{"no privileges", in("securityContext: {privileged: false}"), ""},
		{"privileges", in("securityContext: {privileged: true}"), "warns spec.containers[0].securityContext.privileged"},
		{"privileges of a sidecar", init("restartPolicy: Always, securityContext: {privileged: true}"), "warns spec.initContainers[0].restartPolicy\nwarns spec.initContainers[0].securityContext.privileged"},
		{"privileges of an init container", init("securityContext: {privileged: true}"), "refuses spec.initContainers[0].securityContext.privileged"},
		{"a restricted namespace's pod", in("securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}, seccompProfile: {type: RuntimeDefault}}"),
			"warns spec.containers[0].securityContext.capabilities.drop\nwarns spec.containers[0].securityContext.allowPrivilegeEscalation\nwarns spec.containers[0].securityContext.seccompProfile"},
		{"a capability that ECI grants", in("securityContext: {capabilities: {add: [NET_ADMIN, CAP_CHOWN]}}"), ""},
		{"one that it does not", in("securityContext: {capabilities: {add: [NET_ADMIN, SYS_ADMIN]}}"), "refuses spec.containers[0].securityContext.capabilities.add[1]"},
		{"a namespaced kernel parameter", "spec: {securityContext: {sysctls: [{name: net.core.somaxconn, value: '1'}]}}", ""},
		{"the host's kernel parameter", "spec: {securityContext: {sysctls: [{name: vm.max_map_count, value: '1'}]}}", "refuses spec.securityContext.sysctls[0].name"},
		{"a headless Service's name", "spec: {subdomain: db}", "warns spec.subdomain"},
		{"the full name as host name", "spec: {subdomain: db, setHostnameAsFQDN: true}", ""},
		{"a full name too long for Linux", "{metadata: {name: " + strings.Repeat("x", 40) + "}, spec: {subdomain: db, setHostnameAsFQDN: true}}", "refuses spec.setHostnameAsFQDN"},
		{"a probe's own grace period", in("livenessProbe: {exec: {command: [x]}, terminationGracePeriodSeconds: 5}"), "warns spec.containers[0].livenessProbe.terminationGracePeriodSeconds"},
		{"a gRPC probe", in("livenessProbe: {grpc: {port: 80}}"), "refuses spec.containers[0].livenessProbe.grpc"},
		{"headers", in("livenessProbe: {httpGet: {port: 80, httpHeaders: [{name: a, value: b}]}}"), "refuses spec.containers[0].livenessProbe.httpGet.httpHeaders"},
		{"a startup probe", in("startupProbe: {tcpSocket: {port: 80}}"), "warns spec.containers[0].startupProbe"},
		{"SIGTERM", in("lifecycle: {stopSignal: SIGTERM}"), ""},
		{"another signal", in("lifecycle: {stopSignal: SIGQUIT}"), "refuses spec.containers[0].lifecycle.stopSignal"},
		{"a sleep before the end", in("lifecycle: {preStop: {sleep: {seconds: 5}}}"), "warns spec.containers[0].lifecycle.preStop.sleep.seconds"},
		{"a sleep after the start", in("lifecycle: {postStart: {sleep: {seconds: 5}}}"), "refuses spec.containers[0].lifecycle.postStart.sleep.seconds"},
		{"a GPU without a machine", in("resources: {limits: {nvidia.com/gpu: 1}}"), "refuses spec.containers[0].resources.limits[nvidia.com/gpu]"},
		{"a GPU with one", "{metadata: {annotations: {k8s.aliyun.com/eci-use-specs: ecs.gn6i-c4g1.xlarge}}, " + in("resources: {limits: {nvidia.com/gpu: 1}}") + "}", ""},
		{"a foreign device", in("resources: {limits: {example.com/fpga: 1}}"), "refuses spec.containers[0].resources.limits[example.com/fpga]"},
		{"a foreign device of an init container", init("resources: {limits: {example.com/fpga: 1}}"), "refuses spec.initContainers[0].resources.limits[example.com/fpga]"},
		{"none of a foreign device", in("resources: {limits: {example.com/fpga: 0}}"), ""},
		{"a sidecar", init("restartPolicy: Always"), "warns spec.initContainers[0].restartPolicy"},
		{"an init container after a sidecar", "spec: {initContainers: [{name: s, restartPolicy: Always}, {name: i}]}", "refuses spec.initContainers[1]\nwarns spec.initContainers[0].restartPolicy"},
		{"a container that ends otherwise than the pod", in("restartPolicy: Never"), "refuses spec.containers[0].restartPolicy"},
		{"a container that ends like the pod", in("restartPolicy: Always"), ""},
		{"a terminal of an init container", init("tty: true, stdin: true"), "warns spec.initContainers[0].stdin\nwarns spec.initContainers[0].tty"},
		{"a terminal of a sidecar", init("tty: true, restartPolicy: Always"), "warns spec.initContainers[0].restartPolicy"},
		{"variables from a file", in("env: [{name: A, valueFrom: {fileKeyRef: {volumeName: v, path: p, key: k}}}]"), "refuses spec.containers[0].env[0].valueFrom.fileKeyRef"},
		{"a raw device", in("volumeDevices: [{name: v, devicePath: /dev/x}]"), "refuses spec.containers[0].volumeDevices"},
		{"huge pages", "spec: {volumes: [{name: v, emptyDir: {medium: HugePages-2Mi}}]}", "refuses spec.volumes[0].emptyDir.medium"},
		{"a trust bundle", "spec: {volumes: [{name: v, projected: {sources: [{clusterTrustBundle: {path: p}}]}}]}", "refuses spec.volumes[0].projected.sources[0].clusterTrustBundle"},
		{"a pod certificate", "spec: {volumes: [{name: v, projected: {sources: [{podCertificate: {signerName: s, keyType: k}}]}}]}", "refuses spec.volumes[0].projected.sources[0].podCertificate"},
		{"another cloud's disk", "spec: {volumes: [{name: v, gcePersistentDisk: {pdName: p}}]}", "refuses spec.volumes[0].gcePersistentDisk"},
		{"a file of another user", "spec: {volumes: [{name: v, secret: {secretName: s, defaultUser: 1000}}]}", "refuses spec.volumes[0].secret.defaultUser"},
		{"NAS inline", "spec: {volumes: [{name: v, csi: {driver: nasplugin.csi.alibabacloud.com}}]}", ""},
		{"a foreign driver inline", "spec: {volumes: [{name: v, csi: {driver: secrets-store.csi.k8s.io}}]}", "refuses spec.volumes[0].csi.driver"},
		{"a DaemonSet's pod", "metadata: {ownerReferences: [{kind: DaemonSet, controller: true}]}", "refuses metadata.ownerReferences"},
		{"too large", in("resources: {limits: {cpu: 65}}"), "refuses spec.containers"},
		{"too much disk", in("resources: {limits: {ephemeral-storage: 6000Gi}}"), "refuses resources.ephemeral-storage"},
		{"devices by claim", "spec: {resourceClaims: [{name: c}]}", "refuses spec.resourceClaims"},
		{"Windows", "spec: {os: {name: windows}}", "refuses spec.os.name"},
		{"a bad annotation", "metadata: {annotations: {k8s.aliyun.com/eci-vswitch: subnet-1}}", "refuses metadata.annotations[k8s.aliyun.com/eci-vswitch]"},
		{"a quantity that takes hours to parse", "metadata: {annotations: {kubernetes.io/ingress-bandwidth: '1e-2147483647', k8s.aliyun.com/eci-extra-ephemeral-storage: '1e-2147483647'}}",
			"refuses metadata.annotations[k8s.aliyun.com/eci-extra-ephemeral-storage]\nrefuses metadata.annotations[kubernetes.io/ingress-bandwidth]"},
		{"an unknown annotation", "metadata: {annotations: {k8s.aliyun.com/eci-new: x}}", "warns metadata.annotations[k8s.aliyun.com/eci-new]"},
		{"one that a virtual node wrote", "metadata: {annotations: {k8s.aliyun.com/eci-instance-id: eci-1}}", ""},
		{"an older name", "metadata: {annotations: {k8s.aliyun.com/eci-image-cache: maybe}}", "refuses metadata.annotations[k8s.aliyun.com/eci-image-cache]"},
		{"spot with a category", "metadata: {annotations: {k8s.aliyun.com/eci-compute-category: economy, k8s.aliyun.com/eci-spot-strategy: SpotAsPriceGo}}",
			"refuses metadata.annotations[k8s.aliyun.com/eci-compute-category]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := pod(t, c.change)
			before := p.DeepCopy()
			got := Check(p, "cn-hangzhou")
			if diff := cmp.Diff(c.want, said(got)); diff != "" {
				t.Errorf("(-want +got) %s\n%+v", diff, got)
			}
			if !reflect.DeepEqual(before, p) {
				t.Error("the pod was changed")
			}
		})
	}
}

func TestWarningsOfOneKindMakeOneEvent(t *testing.T) {
	notes := Notes(Check(pod(t, `spec: {containers: [{name: a, image: x, securityContext: {capabilities: {drop: [ALL]}}}, {name: b, image: x, securityContext: {capabilities: {drop: [ALL]}}}]}`), ""))
	if len(notes) != 1 || notes[0].Reason != "SecurityContextIgnored" || !strings.Contains(notes[0].Message, "containers[0]") || !strings.Contains(notes[0].Message, "containers[1]") {
		t.Errorf("%+v", notes)
	}
}

func BenchmarkCheck(b *testing.B) {
	p := &corev1.Pod{}
	p.Spec.Containers = []corev1.Container{{Name: "main", Image: "x"}}
	for b.Loop() {
		Check(p, "cn-hangzhou")
	}
}
