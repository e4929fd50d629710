package provider

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"sync"
	"time"

	certificatesv1 "k8s.io/api/certificates/v1"
	"k8s.io/apiserver/pkg/server/dynamiccertificates"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/util/certificate"
)

// A CertificateSource gives the kubelet port's certificate of the moment; it fits
// tls.Config.GetCertificate. It may be called by many goroutines.
type CertificateSource func(*tls.ClientHelloInfo) (*tls.Certificate, error)

// CertificateFromFiles serves a certificate from files, and a new one as soon as they have
// changed, until the context ends.
func CertificateFromFiles(ctx context.Context, certFile, keyFile string) (CertificateSource, error) {
	files, err := dynamiccertificates.NewDynamicServingContentFromFiles("kubelet-port", certFile, keyFile)
	if err != nil {
		return nil, fmt.Errorf("reading --tls-cert-file and --tls-private-key-file: %w", err)
	}
	go files.Run(ctx, 1)
	var mu sync.Mutex
	var from []byte
	var parsed *tls.Certificate
	return func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		mu.Lock()
		defer mu.Unlock()
		cert, key := files.CurrentCertKeyContent()
		if parsed == nil || !bytes.Equal(from, cert) {
			pair, err := tls.X509KeyPair(cert, key)
			if err != nil {
				return nil, fmt.Errorf("reading the kubelet port's certificate: %w", err)
			}
			from, parsed = cert, &pair
		}
		return parsed, nil
	}, nil
}

// SelfSignedCertificate makes a certificate for a year. With it `kubectl logs` works where
// the API server does not verify kubelets, which is Kubernetes' default.
func SelfSignedCertificate(nodeName, address string) (CertificateSource, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making a serving key: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, fmt.Errorf("making a serving certificate: %w", err)
	}
	subject, names, addresses := servingNames(nodeName, address)
	template := &x509.Certificate{
		SerialNumber: serial, Subject: subject, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames: names, IPAddresses: addresses,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("making a serving certificate: %w", err)
	}
	cert := &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	return func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return cert, nil }, nil
}

// servingNames are what the signer kubernetes.io/kubelet-serving demands of a subject.
func servingNames(nodeName, address string) (subject pkix.Name, names []string, addresses []net.IP) {
	if ip := net.ParseIP(address); ip != nil {
		addresses = []net.IP{ip}
	}
	return pkix.Name{CommonName: "system:node:" + nodeName, Organization: []string{"system:nodes"}}, []string{nodeName}, addresses
}

// CertificateBySigning asks the cluster's signer kubernetes.io/kubelet-serving for a
// certificate and renews it in time. Somebody else has to approve the request: who asks must
// not be who approves. Until a certificate is there, fallback answers. The key lives in
// memory only, so every process asks for a certificate of its own; it asks until the context
// ends.
func CertificateBySigning(ctx context.Context, client kubernetes.Interface, nodeName, address string, fallback CertificateSource) (CertificateSource, error) {
	subject, names, addresses := servingNames(nodeName, address)
	if len(addresses) == 0 {
		return nil, errors.New("a certificate signed by the cluster names the node's address: give --node-ip, or set POD_IP")
	}
	manager, err := certificate.NewManager(&certificate.Config{
		ClientsetFn:      func(*tls.Certificate) (kubernetes.Interface, error) { return client, nil },
		Template:         &x509.CertificateRequest{Subject: subject, DNSNames: names, IPAddresses: addresses},
		SignerName:       certificatesv1.KubeletServingSignerName,
		GetUsages:        certificate.DefaultKubeletServingGetUsages,
		CertificateStore: &certificateMemory{},
		Name:             "kubelet-port",
		Ctx:              &ctx,
	})
	if err != nil {
		return nil, fmt.Errorf("preparing a certificate request: %w", err)
	}
	manager.Start()
	return func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		if cert := manager.Current(); cert != nil {
			return cert, nil
		}
		return fallback(hello)
	}, nil
}

// certificateMemory keeps the signed certificate; it is a certificate.Store.
type certificateMemory struct {
	mu   sync.Mutex
	cert *tls.Certificate
}

// Current is the certificate that was signed last.
func (m *certificateMemory) Current() (*tls.Certificate, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.cert == nil {
		return nil, new(certificate.NoCertKeyError)
	}
	return m.cert, nil
}

// Update takes a certificate and its key in PEM.
func (m *certificateMemory) Update(cert, key []byte) (*tls.Certificate, error) {
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("reading the signed certificate: %w", err)
	}
	if block, _ := pem.Decode(cert); block != nil && pair.Leaf == nil {
		if pair.Leaf, err = x509.ParseCertificate(block.Bytes); err != nil {
			return nil, fmt.Errorf("reading the signed certificate: %w", err)
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.cert = &pair
	return m.cert, nil
}
