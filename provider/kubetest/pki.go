package kubetest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"k8s.io/client-go/util/cert"
	"k8s.io/client-go/util/keyutil"
)

// An authority signs the certificates of one lab. Nothing outside the lab trusts it.
type authority struct {
	dir  string // where pairs are written
	cert *x509.Certificate
	key  crypto.Signer
}

// newAuthority makes a CA and writes NAME.crt and NAME.key under dir.
func newAuthority(dir, name string) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making the key of CA %s: %w", name, err)
	}
	ca, err := cert.NewSelfSignedCACert(cert.Config{CommonName: name}, key)
	if err != nil {
		return nil, fmt.Errorf("making CA %s: %w", name, err)
	}
	a := &authority{dir: dir, cert: ca, key: key}
	return a, a.write(name, ca.Raw, key)
}

// issue signs a certificate for both ends of TLS and writes NAME.crt and NAME.key.
// It is valid for loopback, by address and by the name localhost.
func (a *authority) issue(name, commonName string, organizations ...string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("making the key of %s: %w", name, err)
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		return fmt.Errorf("making the serial of %s: %w", name, err)
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: commonName, Organization: organizations},
		NotBefore:    now.Add(-time.Hour),
		NotAfter:     now.AddDate(1, 0, 0),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
		DNSNames:     []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"},
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		return fmt.Errorf("signing the certificate of %s: %w", name, err)
	}
	return a.write(name, raw, key)
}

func (a *authority) write(name string, raw []byte, key crypto.Signer) error {
	parsed, err := x509.ParseCertificate(raw)
	if err != nil {
		return fmt.Errorf("reading back the certificate of %s: %w", name, err)
	}
	certs, err := cert.EncodeCertificates(parsed)
	if err != nil {
		return fmt.Errorf("encoding the certificate of %s: %w", name, err)
	}
	pem, err := keyutil.MarshalPrivateKeyToPEM(key)
	if err != nil {
		return fmt.Errorf("encoding the key of %s: %w", name, err)
	}
	if err := os.WriteFile(filepath.Join(a.dir, name+".crt"), certs, 0o600); err != nil {
		return fmt.Errorf("writing the certificate of %s: %w", name, err)
	}
	if err := os.WriteFile(filepath.Join(a.dir, name+".key"), pem, 0o600); err != nil {
		return fmt.Errorf("writing the key of %s: %w", name, err)
	}
	return nil
}

// writePKI makes everything the lab's parts authenticate with, under dir.
func writePKI(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("making the folder of the lab's certificates: %w", err)
	}
	ca, err := newAuthority(dir, "ca")
	if err != nil {
		return err
	}
	frontProxy, err := newAuthority(dir, "front-proxy-ca")
	if err != nil {
		return err
	}
	for _, pair := range []struct {
		name, commonName string
		groups           []string
	}{
		{"etcd", "etcd", nil},
		{"apiserver", "kube-apiserver", nil},
		{"apiserver-kubelet-client", "kube-apiserver-kubelet-client", []string{"system:masters"}},
		{"admin", "lab-admin", []string{"system:masters"}},
		{"controllers", "system:kube-controller-manager", nil},
		{"scheduler", "system:kube-scheduler", nil},
		{"metrics-server", "system:metrics-server", nil},
		{"kwok", "kwok", []string{"system:masters"}},
		{"node", "ecideck-node", nil},
		// The node's serving certificate, from a file as a user would mount one.
		{"node-serving", "system:node:virtual-kubelet", []string{"system:nodes"}},
	} {
		if err := ca.issue(pair.name, pair.commonName, pair.groups...); err != nil {
			return err
		}
	}
	if err := frontProxy.issue("front-proxy-client", "front-proxy-client"); err != nil {
		return err
	}
	return writeServiceAccountKey(filepath.Join(dir, "service-account.key"))
}

// writeServiceAccountKey makes the key that signs service account tokens.
func writeServiceAccountKey(file string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("making the service account key: %w", err)
	}
	pem, err := keyutil.MarshalPrivateKeyToPEM(key)
	if err != nil {
		return fmt.Errorf("encoding the service account key: %w", err)
	}
	if err := os.WriteFile(file, pem, 0o600); err != nil {
		return fmt.Errorf("writing the service account key: %w", err)
	}
	return nil
}
