package provider

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/virtual-kubelet/virtual-kubelet/node/api"
	"github.com/virtual-kubelet/virtual-kubelet/node/nodeutil"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apiserver/pkg/server/dynamiccertificates"
	"k8s.io/client-go/kubernetes"
)

// streamTimeout is for idle and for creation alike: the library passes the two swapped.
const streamTimeout = 30 * time.Second

// OpenKubeletHandler serves the kubelet's API to everyone.
func (v *VirtualNode) OpenKubeletHandler() http.Handler {
	p := v.Provider
	handler := api.PodHandler(api.PodHandlerConfig{
		RunInContainer:    p.RunInContainer,
		AttachToContainer: p.AttachToContainer,
		PortForward:       p.PortForward,
		GetContainerLogs:  p.GetContainerLogs,
		GetPods:           p.GetPods,
		GetPodsFromKubernetes: func(context.Context) ([]*corev1.Pod, error) {
			return v.Pods().List(labels.Everything())
		},
		GetStatsSummary:       p.GetStatsSummary,
		GetMetricsResource:    p.GetMetricsResource,
		StreamIdleTimeout:     streamTimeout,
		StreamCreationTimeout: streamTimeout,
	}, true)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/containerLogs/") && r.URL.Query().Get("tailLines") == "0" {
			r = r.WithContext(withTailZero(r.Context()))
		}
		handler.ServeHTTP(w, r)
	})
}

// KubeletHandler serves the kubelet's API to whom the API server allows nodes/proxy, log,
// stats or metrics (TokenReview and SubjectAccessReview). clientCA verifies client
// certificates, such as the API server's own; nil: bearer tokens only.
func (v *VirtualNode) KubeletHandler(clientCA []byte) (http.Handler, error) {
	auth, err := nodeutil.WebhookAuth(v.client, v.spec.Name, func(c *nodeutil.WebhookAuthConfig) error {
		if len(clientCA) == 0 {
			return nil
		}
		ca, err := dynamiccertificates.NewStaticCAContent("client-ca", clientCA)
		if err != nil {
			return fmt.Errorf("reading the client CA: %w", err)
		}
		c.AuthnConfig.ClientCertificateCAContentProvider = ca
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("wiring the kubelet port's authorization: %w", err)
	}
	return nodeutil.WithAuth(auth, v.OpenKubeletHandler()), nil
}

// ClientCA is the CA of client certificates: the file, or else what the cluster publishes
// for servers like this one.
func ClientCA(ctx context.Context, client kubernetes.Interface, file string) ([]byte, error) {
	if file != "" {
		pem, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("reading --client-ca-file: %w", err)
		}
		return pem, nil
	}
	config, err := client.CoreV1().ConfigMaps(metav1.NamespaceSystem).Get(ctx, "extension-apiserver-authentication", metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("reading the cluster's client CA (give --client-ca-file, or the role extension-apiserver-authentication-reader): %w", err)
	}
	return []byte(config.Data["client-ca-file"]), nil
}

// ServingCertificate loads the kubelet port's certificate, or makes a self-signed one for a
// year when no files are named; then `kubectl logs` works where the API server does not
// verify kubelets, which is Kubernetes' default.
func ServingCertificate(certFile, keyFile, name, address string) (tls.Certificate, error) {
	if certFile != "" || keyFile != "" {
		cert, err := tls.LoadX509KeyPair(certFile, keyFile)
		if err != nil {
			return tls.Certificate{}, fmt.Errorf("reading --tls-cert-file and --tls-private-key-file: %w", err)
		}
		return cert, nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("making a serving key: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("making a serving certificate: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "system:node:" + name, Organization: []string{"system:nodes"}},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, DNSNames: []string{name},
	}
	if ip := net.ParseIP(address); ip != nil {
		template.IPAddresses = []net.IP{ip}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("making a serving certificate: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

// HealthHandler serves /healthz (the process lives), /readyz (the node is registered) and
// /metrics. A cloud outage is neither: it is shown on the node and in the metrics.
func (v *VirtualNode) HealthHandler(m *Metrics) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		select {
		case <-v.ready:
			fmt.Fprintln(w, "ok")
		default:
			http.Error(w, "the node is not registered yet", http.StatusServiceUnavailable)
		}
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.Registry, promhttp.HandlerOpts{}))
	return mux
}

// Serve serves the handler on the listener until the context ends; open streams then have
// two seconds. A nil certificate means plain HTTP.
func Serve(ctx context.Context, listener net.Listener, handler http.Handler, cert *tls.Certificate) error {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	if cert != nil {
		// A client certificate is asked for, and judged by the authenticator.
		server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{*cert}, ClientAuth: tls.RequestClientCert, MinVersion: tls.VersionTLS12}
	}
	ended := make(chan error, 1)
	go func() {
		if cert != nil {
			ended <- server.ServeTLS(listener, "", "")
		} else {
			ended <- server.Serve(listener)
		}
	}()
	select {
	case err := <-ended:
		return fmt.Errorf("serving on %s: %w", listener.Addr(), err)
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if err := server.Shutdown(stop); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("closing %s: %w", listener.Addr(), err)
	}
	return server.Close()
}
