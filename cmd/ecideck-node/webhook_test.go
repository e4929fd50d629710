package main

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/ecideck/ecideck/provider/burst"
	"github.com/ecideck/ecideck/provider/kubetest/fakeapi"
)

func newTestWebhook(t *testing.T, objects ...runtime.Object) *webhook {
	t.Helper()
	f := &flags{webhookListen: "127.0.0.1:0", leaseNamespace: "ecideck", nodeIP: "127.0.0.1"}
	w, err := newWebhook(f, fakeapi.New(objects...), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.listener.Close() })
	return w
}

func review(t *testing.T, w *webhook, body any) (*http.Response, *admissionv1.AdmissionResponse) {
	t.Helper()
	raw, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	recorder := httptest.NewRecorder()
	w.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", bytes.NewReader(raw)))
	var answer admissionv1.AdmissionReview
	if recorder.Code == http.StatusOK {
		if err := json.Unmarshal(recorder.Body.Bytes(), &answer); err != nil {
			t.Fatal(err)
		}
	}
	return recorder.Result(), answer.Response
}

func request(t *testing.T, change func(*admissionv1.AdmissionRequest, *corev1.Pod)) admissionv1.AdmissionReview {
	t.Helper()
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "web"}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "a", Image: "a"}}}}
	r := &admissionv1.AdmissionRequest{UID: "u", Operation: admissionv1.Create, Namespace: "shop", Resource: metav1.GroupVersionResource{Version: "v1", Resource: "pods"}}
	change(r, pod)
	raw, err := json.Marshal(pod)
	if err != nil {
		t.Fatal(err)
	}
	r.Object.Raw = raw
	return admissionv1.AdmissionReview{TypeMeta: metav1.TypeMeta{APIVersion: "admission.k8s.io/v1", Kind: "AdmissionReview"}, Request: r}
}

func TestTheWebhookAllowsEveryPodAndPatchesThoseForECI(t *testing.T) {
	w := newTestWebhook(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop"}},
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "eci", Labels: map[string]string{burst.LabelECI: "true"}}})
	for _, c := range []struct {
		name    string
		change  func(*admissionv1.AdmissionRequest, *corev1.Pod)
		patched bool
	}{
		{"unmarked", func(*admissionv1.AdmissionRequest, *corev1.Pod) {}, false},
		{"marked", func(_ *admissionv1.AdmissionRequest, p *corev1.Pod) {
			p.Labels = map[string]string{burst.LabelECI: "true"}
		}, true},
		{"marked by its namespace", func(r *admissionv1.AdmissionRequest, _ *corev1.Pod) { r.Namespace = "eci" }, true},
		{"in a namespace that nobody knows", func(r *admissionv1.AdmissionRequest, _ *corev1.Pod) { r.Namespace = "gone" }, false},
		{"an update", func(r *admissionv1.AdmissionRequest, _ *corev1.Pod) {
			r.Namespace, r.Operation = "eci", admissionv1.Update
		}, false},
		{"a subresource", func(r *admissionv1.AdmissionRequest, _ *corev1.Pod) { r.Namespace, r.SubResource = "eci", "binding" }, false},
	} {
		_, answer := review(t, w, request(t, c.change))
		if answer == nil || !answer.Allowed || answer.UID != "u" || (answer.Patch != nil) != c.patched || (answer.PatchType != nil) != c.patched {
			t.Errorf("%s: %+v", c.name, answer)
		}
	}
}

func TestTheWebhookRefusesWhatIsNoReview(t *testing.T) {
	w := newTestWebhook(t)
	for _, body := range []any{"hello", map[string]string{}, strings.Repeat("x", maxReview+1)} {
		if response, _ := review(t, w, body); response.StatusCode != http.StatusBadRequest {
			t.Errorf("status %d", response.StatusCode)
		}
	}
}

func TestBothProcessesShareACertificateThatTheServerKnows(t *testing.T) {
	configuration := &admissionregistrationv1.MutatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: webhookName}, Webhooks: []admissionregistrationv1.MutatingWebhook{{Name: "burst.ecideck.io"}}}
	w := newTestWebhook(t, configuration)
	other := &webhook{client: w.client, namespace: w.namespace, names: w.names, log: w.log}
	for _, process := range []*webhook{w, other} {
		if err := process.certify(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(w.pair.Load().Certificate[0], other.pair.Load().Certificate[0]) {
		t.Error("two certificates")
	}
	now, err := w.client.AdmissionregistrationV1().MutatingWebhookConfigurations().Get(t.Context(), webhookName, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(now.Webhooks[0].ClientConfig.CABundle) {
		t.Fatal("the configuration has no CA")
	}
	for _, name := range []string{"ecideck-node.ecideck.svc", "127.0.0.1"} {
		if _, err := w.pair.Load().Leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: pool}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	// One that ends soon is replaced, by whoever looks first.
	if _, err := w.pair.Load().Leaf.Verify(x509.VerifyOptions{Roots: pool, CurrentTime: time.Now().Add(certificateTerm + time.Hour)}); err == nil {
		t.Error("it never ends")
	}
	secret, err := w.client.CoreV1().Secrets("ecideck").Get(t.Context(), webhookName, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	before := w.pair.Load()
	secret.Data[corev1.TLSPrivateKeyKey] = []byte("broken")
	if _, err := w.client.CoreV1().Secrets("ecideck").Update(t.Context(), secret, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := w.certify(t.Context()); err != nil || w.pair.Load() == before {
		t.Errorf("a Secret that can't be used was kept: %v", err)
	}
}

func TestWithoutAConfigurationTheWebhookSaysWhatToDo(t *testing.T) {
	if err := newTestWebhook(t).certify(t.Context()); err == nil || !strings.Contains(err.Error(), "manifests --admission=webhook") {
		t.Error(err)
	}
}
