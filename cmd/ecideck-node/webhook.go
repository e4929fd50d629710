package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corev1listers "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"

	"github.com/ecideck/ecideck/provider"
	"github.com/ecideck/ecideck/provider/burst"
)

// webhookName is the MutatingWebhookConfiguration, and the Secret with the webhook's
// certificate, as the manifests have them.
const webhookName = "ecideck-burst"

// A webhook answers for new pods what the policy ecideck-burst says on newer servers. Every
// process serves it, whoever leads: a pod must not wait for an election.
type webhook struct {
	client     kubernetes.Interface
	listener   net.Listener
	namespace  string   // of the Secret
	names      []string // that the certificate is for
	addresses  []net.IP
	log        *slog.Logger
	factory    informers.SharedInformerFactory
	namespaces corev1listers.NamespaceLister
	synced     cache.InformerSynced
	pair       atomic.Pointer[tls.Certificate]
}

func newWebhook(f *flags, client kubernetes.Interface, log *slog.Logger) (*webhook, error) {
	listener, err := net.Listen("tcp", f.webhookListen)
	if err != nil {
		return nil, fmt.Errorf("opening the webhook's port (--webhook-listen): %w", err)
	}
	w := &webhook{client: client, listener: listener, namespace: f.leaseNamespace, log: log,
		names: []string{"ecideck-node." + f.leaseNamespace + ".svc", "localhost"}, factory: informers.NewSharedInformerFactory(client, 0)}
	if ip := net.ParseIP(f.nodeIP); ip != nil && ip.IsLoopback() {
		w.addresses = []net.IP{ip} // a process beside the API server, as in a lab
	}
	informer := w.factory.Core().V1().Namespaces()
	w.namespaces, w.synced = informer.Lister(), informer.Informer().HasSynced
	return w, nil
}

// certificateTerm is how long the webhook's certificate is good for, and renewal how long
// before its end it is replaced.
const (
	certificateTerm = 365 * 24 * time.Hour
	renewal         = 30 * 24 * time.Hour
)

// run serves until the context ends, and sees to the certificate.
func (w *webhook) run(ctx context.Context) error {
	w.factory.Start(ctx.Done())
	defer w.factory.Shutdown()
	if !cache.WaitForCacheSync(ctx.Done(), w.synced) {
		return w.listener.Close()
	}
	go w.keepCertificate(ctx)
	return provider.Serve(ctx, w.listener, w, func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		if pair := w.pair.Load(); pair != nil {
			return pair, nil
		}
		return nil, errors.New("the webhook has no certificate yet")
	})
}

// keepCertificate has the certificate at hand and the API server know its CA, and looks to it
// every hour; what fails is tried again soon. Without it pods are created as if there were no
// webhook (failurePolicy Ignore), and the burst controller binds them.
func (w *webhook) keepCertificate(ctx context.Context) {
	failed := false
	for {
		pause := time.Hour
		if err := w.certify(ctx); err != nil && ctx.Err() == nil {
			pause = 10 * time.Second
			if !failed {
				w.log.WarnContext(ctx, "the admission webhook does not work yet; it is tried again", "err", err)
			}
		}
		failed = pause < time.Hour
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
	}
}

// certify reads the certificate that all processes share, makes one where there is none or
// where it ends soon, and writes its CA into the webhook's configuration.
func (w *webhook) certify(ctx context.Context) error {
	secrets := w.client.CoreV1().Secrets(w.namespace)
	secret, err := secrets.Get(ctx, webhookName, metav1.GetOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("reading the webhook's certificate (Secret %s/%s): %w", w.namespace, webhookName, err)
	}
	pair, good := readPair(secret)
	if err != nil || !good {
		made, failure := makePair(w.names, w.addresses)
		if failure != nil {
			return failure
		}
		made.Name, made.Namespace = webhookName, w.namespace
		if err != nil {
			secret, err = secrets.Create(ctx, made, metav1.CreateOptions{})
		} else {
			made.ResourceVersion = secret.ResourceVersion // another process may be faster
			secret, err = secrets.Update(ctx, made, metav1.UpdateOptions{})
		}
		if apierrors.IsAlreadyExists(err) || apierrors.IsConflict(err) {
			secret, err = secrets.Get(ctx, webhookName, metav1.GetOptions{})
		}
		if err != nil {
			return fmt.Errorf("keeping the webhook's certificate (Secret %s/%s): %w", w.namespace, webhookName, err)
		}
		if pair, good = readPair(secret); !good {
			return fmt.Errorf("the Secret %s/%s holds no certificate that is good: delete it", w.namespace, webhookName)
		}
	}
	w.pair.Store(pair)
	configurations := w.client.AdmissionregistrationV1().MutatingWebhookConfigurations()
	configuration, err := configurations.Get(ctx, webhookName, metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("reading the MutatingWebhookConfiguration %s (print it with `ecideck-node manifests --admission=webhook`): %w", webhookName, err)
	}
	var patch []map[string]any
	for i := range configuration.Webhooks {
		if !bytes.Equal(configuration.Webhooks[i].ClientConfig.CABundle, secret.Data[corev1.TLSCertKey]) {
			patch = append(patch, map[string]any{"op": "add", "path": fmt.Sprintf("/webhooks/%d/clientConfig/caBundle", i), "value": secret.Data[corev1.TLSCertKey]})
		}
	}
	if patch == nil {
		return nil
	}
	raw, err := json.Marshal(patch)
	if err != nil {
		return fmt.Errorf("encoding the webhook's CA: %w", err)
	}
	if _, err := configurations.Patch(ctx, webhookName, types.JSONPatchType, raw, metav1.PatchOptions{}); err != nil {
		return fmt.Errorf("writing the webhook's CA: %w", err)
	}
	return nil
}

// readPair reads the Secret; false says that it can't be used, or not for much longer.
func readPair(secret *corev1.Secret) (*tls.Certificate, bool) {
	if secret == nil {
		return nil, false
	}
	pair, err := tls.X509KeyPair(secret.Data[corev1.TLSCertKey], secret.Data[corev1.TLSPrivateKeyKey])
	if err != nil || pair.Leaf == nil || time.Until(pair.Leaf.NotAfter) < renewal {
		return nil, false
	}
	return &pair, true
}

// makePair makes a certificate that is its own CA.
func makePair(names []string, addresses []net.IP) (*corev1.Secret, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making the webhook's key: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, fmt.Errorf("making the webhook's certificate: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "ecideck-node webhook"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(certificateTerm),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true, IsCA: true, DNSNames: names, IPAddresses: addresses,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("making the webhook's certificate: %w", err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encoding the webhook's key: %w", err)
	}
	return &corev1.Secret{Type: corev1.SecretTypeTLS, Data: map[string][]byte{
		corev1.TLSCertKey:       pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		corev1.TLSPrivateKeyKey: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}),
	}}, nil
}

// maxReview is the largest request that is read: a pod's limit in etcd is 1.5 MiB.
const maxReview = 4 << 20

// ServeHTTP answers an AdmissionReview. It allows every pod: what it can't judge, the
// controller judges later.
func (w *webhook) ServeHTTP(out http.ResponseWriter, r *http.Request) {
	var review admissionv1.AdmissionReview
	raw, err := io.ReadAll(http.MaxBytesReader(out, r.Body, maxReview))
	if err == nil {
		err = json.Unmarshal(raw, &review)
	}
	if err != nil || review.Request == nil {
		http.Error(out, "this is the admission webhook of ecideck-node: it takes an AdmissionReview", http.StatusBadRequest)
		return
	}
	answer := &admissionv1.AdmissionResponse{UID: review.Request.UID, Allowed: true}
	if patch := w.admit(r.Context(), review.Request); patch != nil {
		kind := admissionv1.PatchTypeJSONPatch
		answer.PatchType, answer.Patch = &kind, patch
	}
	review.Request, review.Response = nil, answer
	out.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(out).Encode(review) // the caller went away
}

func (w *webhook) admit(ctx context.Context, request *admissionv1.AdmissionRequest) []byte {
	var pod corev1.Pod
	if request.Operation != admissionv1.Create || request.Resource.Resource != "pods" || request.SubResource != "" || json.Unmarshal(request.Object.Raw, &pod) != nil {
		return nil
	}
	namespace, err := w.namespaces.Get(request.Namespace)
	if err != nil { // it was created this moment
		if namespace, err = w.client.CoreV1().Namespaces().Get(ctx, request.Namespace, metav1.GetOptions{}); err != nil {
			w.log.WarnContext(ctx, "a pod was admitted without its namespace's marks", "namespace", request.Namespace, "err", err)
			namespace = nil
		}
	}
	patch, err := burst.Admit(&pod, namespace)
	if err != nil {
		w.log.WarnContext(ctx, "a pod was admitted without its marks", "namespace", request.Namespace, "err", err)
	}
	return patch
}
