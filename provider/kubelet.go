package provider

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
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

// HealthHandler serves /healthz (the process lives), /readyz (ready gives nil) and /metrics.
// A cloud outage is neither: it is shown on the node and in the metrics.
func HealthHandler(m *Metrics, ready func() error) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if err := ready(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.Registry, promhttp.HandlerOpts{}))
	return mux
}

// Serve serves the handler on the listener until the context ends; open streams then have
// two seconds. Without certificates it serves plain HTTP.
func Serve(ctx context.Context, listener net.Listener, handler http.Handler, certificates CertificateSource) error {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	if certificates != nil {
		// A client certificate is asked for, and judged by the authenticator.
		server.TLSConfig = &tls.Config{GetCertificate: certificates, ClientAuth: tls.RequestClientCert, MinVersion: tls.VersionTLS12}
	}
	ended := make(chan error, 1)
	go func() {
		if certificates != nil {
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
