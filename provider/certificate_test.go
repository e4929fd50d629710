package provider

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/ecideck/ecideck/provider/kubetest/fakeapi"
)

// sign plays the approver and the cluster's signer for one request.
func sign(t *testing.T, client *fakeapi.API, csr *certificatesv1.CertificateSigningRequest) {
	t.Helper()
	block, _ := pem.Decode(csr.Spec.Request)
	request, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if csr.Spec.SignerName != certificatesv1.KubeletServingSignerName || request.Subject.CommonName != "system:node:vk" ||
		len(request.Subject.Organization) != 1 || request.Subject.Organization[0] != "system:nodes" ||
		len(request.IPAddresses) != 1 || request.IPAddresses[0].String() != "10.0.0.9" || len(request.DNSNames) != 1 {
		t.Errorf("the signer refuses %q for %+v", csr.Spec.SignerName, request)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(7), Subject: request.Subject, DNSNames: request.DNSNames, IPAddresses: request.IPAddresses,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(0, 1, 0), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, request.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	csr.Status.Conditions = []certificatesv1.CertificateSigningRequestCondition{{Type: certificatesv1.CertificateApproved, Status: corev1.ConditionTrue}}
	csr.Status.Certificate = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if _, err := client.CertificatesV1().CertificateSigningRequests().UpdateStatus(t.Context(), csr, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
}

func serialOf(t *testing.T, source CertificateSource) string {
	t.Helper()
	cert, err := source(&tls.ClientHelloInfo{})
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(cert.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	return leaf.SerialNumber.String()
}

func TestACertificateIsTheClustersOnceTheRequestIsApproved(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	client := fakeapi.New()
	own, err := SelfSignedCertificate("vk", "10.0.0.9")
	if err != nil {
		t.Fatal(err)
	}
	source, err := CertificateBySigning(ctx, client, "vk", "10.0.0.9", own)
	if err != nil {
		t.Fatal(err)
	}
	if serialOf(t, source) != serialOf(t, own) {
		t.Error("there is another certificate before anybody approved")
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	signed := false
	for serialOf(t, source) != "7" {
		select {
		case <-ctx.Done():
			t.Fatal("the signed certificate is not served")
		case <-tick.C:
		}
		list, err := client.CertificatesV1().CertificateSigningRequests().List(ctx, metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if len(list.Items) == 1 && !signed {
			signed = true
			sign(t, client, &list.Items[0])
		}
	}
	if _, err := CertificateBySigning(ctx, client, "vk", "", own); err == nil {
		t.Error("a certificate without an address is of no use")
	}
}

func TestACertificateFromFilesIsReadAgainWhenItChanges(t *testing.T) {
	certFile, keyFile := filepath.Join(t.TempDir(), "tls.crt"), filepath.Join(t.TempDir(), "tls.key")
	write := func() string {
		own, err := SelfSignedCertificate("vk", "")
		if err != nil {
			t.Fatal(err)
		}
		cert, err := own(nil)
		if err != nil {
			t.Fatal(err)
		}
		key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range []struct {
			name, kind string
			der        []byte
		}{{keyFile, "PRIVATE KEY", key}, {certFile, "CERTIFICATE", cert.Certificate[0]}} {
			if err := os.WriteFile(f.name, pem.EncodeToMemory(&pem.Block{Type: f.kind, Bytes: f.der}), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		return serialOf(t, own)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := CertificateFromFiles(ctx, certFile, keyFile); err == nil {
		t.Error("files that are not there make a certificate")
	}
	first := write()
	source, err := CertificateFromFiles(ctx, certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	if serialOf(t, source) != first {
		t.Error("another certificate than the files'")
	}
	second := write()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for serialOf(t, source) != second {
		select {
		case <-ctx.Done():
			t.Fatal("the new certificate is not served")
		case <-tick.C:
		}
	}
}
