package provider

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"sigs.k8s.io/yaml"

	"github.com/ecideck/ecideck/provider/eci"
	"github.com/ecideck/ecideck/provider/eci/ecitest"
	"github.com/ecideck/ecideck/provider/placement"
)

// plainPod is a healthy pod without a token and without Services' variables, so that a case
// shows what it is about.
func plainPod() *corev1.Pod {
	return healthyPod("web", uid, func(p *corev1.Pod) {
		no := false
		p.Spec.EnableServiceLinks, p.Spec.Volumes, p.Spec.Containers[0].VolumeMounts = &no, nil, nil
	})
}

func plainData() Data {
	data := testData()
	data.Services = data.Services[1:] // without the API server's
	return data
}

// patched is the plain pod with a strategic merge patch, as kubectl patch would do it.
func patched(t *testing.T, change []byte) *corev1.Pod {
	t.Helper()
	patch, err := yaml.YAMLToJSONStrict(change)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.UnmarshalStrict(change, &corev1.Pod{}); err != nil {
		t.Fatalf("it names a field that pods do not have: %v", err)
	}
	original, err := json.Marshal(plainPod())
	if err != nil {
		t.Fatal(err)
	}
	merged, err := strategicpatch.StrategicMergePatch(original, patch, corev1.Pod{})
	if err != nil {
		t.Fatal(err)
	}
	pod := &corev1.Pod{}
	if err := json.Unmarshal(merged, pod); err != nil {
		t.Fatal(err)
	}
	return pod
}

// capture answers every call and keeps its parameters.
type capture struct{ params url.Values }

func (c *capture) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	if c.params, err = url.ParseQuery(string(body)); err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Request: r,
		Body: io.NopCloser(strings.NewReader(`{"RequestId":"r","ContainerGroupId":"eci-1"}`))}, nil
}

// wire is what the client sends for a request, without what it adds to every call.
func wire(t *testing.T, request *eci.CreateRequest) map[string]string {
	t.Helper()
	seen := &capture{}
	client, err := eci.New(eci.Options{Region: "cn-hangzhou", Endpoint: "http://eci.test", AccessKeyID: "id", AccessKeySecret: "secret", Transport: seen, Attempts: 1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.CreateGroup(t.Context(), request); err != nil {
		t.Fatal(err)
	}
	params := map[string]string{}
	for name, values := range seen.params {
		params[name] = values[0]
	}
	return params
}

// outcome is what becomes of a pod: the parameters that differ from the plain pod's, what
// is said, or why it does not run.
func outcome(t *testing.T, plain map[string]string, pod *corev1.Pod) []txtar.File {
	t.Helper()
	return outcomeOf(t, plain, pod, plainData(), func(p *Placement) { p.Region = "cn-hangzhou" })
}

// must is the request of a pod that is known to run.
func must(request *eci.CreateRequest, _ []Note, err error) *eci.CreateRequest {
	if err != nil {
		panic(err)
	}
	return request
}

func outcomeOf(t *testing.T, plain map[string]string, pod *corev1.Pod, data Data, change func(*Placement)) []txtar.File {
	t.Helper()
	before := pod.DeepCopy()
	where := testPlacement()
	change(&where)
	request, notes, err := Build(pod, data, where, 1)
	if diff := cmp.Diff(before, pod); diff != "" {
		t.Errorf("Build changed the pod: %s", diff)
	}
	var files []txtar.File
	var refusal *Refusal
	var missing *Missing
	switch {
	case errors.As(err, &refusal):
		files = append(files, txtar.File{Name: "refused", Data: []byte(refusal.Error() + "\n")})
	case errors.As(err, &missing):
		files = append(files, txtar.File{Name: "waits", Data: []byte(missing.EventReason + ": " + missing.Message + "\n")})
	case err != nil:
		t.Fatal(err)
	default:
		params := wire(t, request)
		for name, value := range params {
			if _, common := plain[name]; !common {
				if err := schema(t).Check("CreateContainerGroup", name, value); err != nil {
					t.Error(err)
				}
			}
		}
		var lines bytes.Buffer
		for _, name := range slices.Sorted(maps.Keys(params)) {
			if was, ok := plain[name]; !ok || was != params[name] {
				fmt.Fprintf(&lines, "%s=%s\n", name, params[name])
			}
		}
		for _, name := range slices.Sorted(maps.Keys(plain)) {
			if _, ok := params[name]; !ok {
				fmt.Fprintf(&lines, "without %s\n", name)
			}
		}
		files = append(files, txtar.File{Name: "wire", Data: lines.Bytes()})
	}
	if len(notes) > 0 {
		var lines bytes.Buffer
		for _, n := range notes {
			fmt.Fprintf(&lines, "%s: %s\n", n.Reason, n.Message)
		}
		files = append(files, txtar.File{Name: "events", Data: lines.Bytes()})
	}
	return files
}

func schema(t *testing.T) *ecitest.Schema {
	t.Helper()
	s, err := ecitest.LoadSchema()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// cases are the files of testdata/wire: a pod as a patch of the plain one, and what
// becomes of it.
func cases(t *testing.T) map[string]*txtar.Archive {
	t.Helper()
	paths, err := filepath.Glob("testdata/wire/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	all := map[string]*txtar.Archive{}
	for _, path := range paths {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if len(archive.Files) == 0 || archive.Files[0].Name != "pod.yaml" {
			t.Fatalf("%s does not begin with pod.yaml", path)
		}
		all[path] = archive
	}
	return all
}

func TestAPodBecomesTheseParameters(t *testing.T) {
	request, _, err := Build(plainPod(), plainData(), testPlacement(), 1)
	if err != nil {
		t.Fatal(err)
	}
	base := wire(t, request)
	for path, archive := range cases(t) {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			got := &txtar.Archive{Comment: archive.Comment, Files: append(archive.Files[:1:1], outcome(t, base, patched(t, archive.Files[0].Data))...)}
			if *update {
				if err := os.WriteFile(path, txtar.Format(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(txtar.Format(archive)), string(txtar.Format(got))); diff != "" {
				t.Errorf("run with -update if this is meant (-want +got):\n%s", diff)
			}
		})
	}
}

// paths are the fields that a document sets, lists of objects as [].
func paths(v any, at string, set map[string]bool) {
	switch v := v.(type) {
	case map[string]any:
		set[at] = true
		for key, value := range v {
			paths(value, at+"."+key, set)
		}
	case []any:
		set[at] = true
		for _, value := range v {
			if _, object := value.(map[string]any); object {
				paths(value, at+"[]", set)
			}
		}
	default:
		set[at] = true
	}
}

func TestEveryFieldAndEveryAnnotationHasAGolden(t *testing.T) {
	fields, annotations := map[string]bool{}, map[string]bool{}
	for path, archive := range cases(t) {
		var pod struct {
			Metadata struct{ Annotations map[string]string }
			Spec     any
		}
		if err := yaml.Unmarshal(archive.Files[0].Data, &pod); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		paths(pod.Spec, "spec", fields)
		for key := range pod.Metadata.Annotations {
			annotations[key] = true
		}
	}
	for _, key := range placement.Annotations() {
		if !annotations[key] {
			t.Errorf("no pod has the annotation %s", key)
		}
	}
	for _, field := range placement.Fields() {
		field = strings.TrimSuffix(field, "/**")
		if fields[field] {
			continue
		}
		// A field that kills the pod of a container kills that of an init container, and is
		// shown with the container.
		if name, ok := strings.CutPrefix(field, "spec.initContainers[]."); ok && kills[name] {
			continue
		}
		t.Errorf("no pod sets %s", field)
	}
}

// kills are fields of containers that no pod on ECI can have.
var kills = map[string]bool{"ports[].hostPort": true, "env[].valueFrom.fileKeyRef": true, "resources.claims": true, "restartPolicyRules": true, "volumeDevices": true,
	"livenessProbe.httpGet.host": true, "livenessProbe.httpGet.httpHeaders": true, "livenessProbe.tcpSocket.host": true, "livenessProbe.grpc": true,
	"readinessProbe.httpGet.host": true, "readinessProbe.httpGet.httpHeaders": true, "readinessProbe.tcpSocket.host": true, "readinessProbe.grpc": true,
	"startupProbe.httpGet.host": true, "startupProbe.httpGet.httpHeaders": true, "startupProbe.tcpSocket.host": true, "startupProbe.grpc": true,
	"lifecycle.postStart.sleep.seconds": true}

// testClaims are claims in every state and of every kind.
func testClaims() map[string]Claim {
	claims := map[string]Claim{"absent": {}}
	add := func(name string, spec corev1.PersistentVolumeSpec) {
		claims[name] = Claim{
			Claim: &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default"},
				Spec: corev1.PersistentVolumeClaimSpec{VolumeName: "pv-" + name}, Status: corev1.PersistentVolumeClaimStatus{Phase: corev1.ClaimBound}},
			Volume: &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: "pv-" + name}, Spec: spec},
		}
	}
	csi := func(driver, handle string, attributes map[string]string) corev1.PersistentVolumeSpec {
		return corev1.PersistentVolumeSpec{PersistentVolumeSource: corev1.PersistentVolumeSource{CSI: &corev1.CSIPersistentVolumeSource{Driver: driver, VolumeHandle: handle, VolumeAttributes: attributes}}}
	}
	add("disk", csi(placement.DiskDriver, "d-1", map[string]string{"type": "cloud_essd", "storage.kubernetes.io/csiProvisionerIdentity": "x"}))
	nas := csi(placement.NASDriver, "nas-1", map[string]string{"server": "nas.example.com", "path": "/a", "volumeAs": "subpath"})
	nas.MountOptions = []string{"nolock,tcp,noresvport", "vers=3"}
	add("nas", nas)
	add("cnfs", csi(placement.NASDriver, "nas-2", map[string]string{"containerNetworkFileSystem": "x"}))
	oss := csi(placement.OSSDriver, "oss-1", map[string]string{"bucket": "b", "url": "oss-cn-hangzhou-internal.aliyuncs.com", "path": "/p", "otherOpts": "-o allow_other"})
	oss.CSI.NodePublishSecretRef, oss.CSI.ReadOnly = &corev1.SecretReference{Namespace: "storage", Name: "oss"}, true
	add("oss", oss)
	c := claims["oss"]
	c.Secret = &corev1.Secret{Data: map[string][]byte{"akId": []byte("id"), "akSecret": []byte("secret")}}
	claims["oss"] = c
	add("oss-no-secret", oss)
	add("rbd", csi("rbd.csi.ceph.com", "x", nil))
	add("flex", corev1.PersistentVolumeSpec{PersistentVolumeSource: corev1.PersistentVolumeSource{FlexVolume: &corev1.FlexPersistentVolumeSource{
		Driver: placement.FlexDisk, FSType: "xfs", Options: map[string]string{"volumeId": "d-2"}}}})
	add("nfs", corev1.PersistentVolumeSpec{PersistentVolumeSource: corev1.PersistentVolumeSource{NFS: &corev1.NFSVolumeSource{Server: "nfs.example.com", Path: "/b"}}})
	raw := csi(placement.DiskDriver, "d-3", nil)
	block := corev1.PersistentVolumeBlock
	raw.VolumeMode = &block
	add("raw", raw)
	add("web-scratch", csi(placement.DiskDriver, "d-4", nil))
	yes := true
	claims["web-scratch"].Claim.OwnerReferences = []metav1.OwnerReference{{Kind: "Pod", Name: "web", UID: "uid-1", Controller: &yes}}
	add("web-taken", csi(placement.DiskDriver, "d-5", nil))
	claims["unbound"] = Claim{Claim: &corev1.PersistentVolumeClaim{Status: corev1.PersistentVolumeClaimStatus{Phase: corev1.ClaimPending}}}
	return claims
}
