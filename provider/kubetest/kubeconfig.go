package kubetest

import (
	"fmt"
	"os"
	"path/filepath"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// writeKubeconfig writes a kubeconfig that logs in with pki/NAME.crt. It carries the
// certificates in itself, so that it can be copied.
func writeKubeconfig(file, contextName, server, pki, name string) error {
	read := func(path string) ([]byte, error) {
		raw, err := os.ReadFile(filepath.Join(pki, path))
		if err != nil {
			return nil, fmt.Errorf("making the kubeconfig of %s: %w", name, err)
		}
		return raw, nil
	}
	ca, err := read("ca.crt")
	if err != nil {
		return err
	}
	crt, err := read(name + ".crt")
	if err != nil {
		return err
	}
	key, err := read(name + ".key")
	if err != nil {
		return err
	}
	config := clientcmdapi.NewConfig()
	config.Clusters[contextName] = &clientcmdapi.Cluster{Server: server, CertificateAuthorityData: ca}
	config.AuthInfos[name] = &clientcmdapi.AuthInfo{ClientCertificateData: crt, ClientKeyData: key}
	config.Contexts[contextName] = &clientcmdapi.Context{Cluster: contextName, AuthInfo: name, Namespace: "default"}
	config.CurrentContext = contextName
	if err := clientcmd.WriteToFile(*config, file); err != nil {
		return fmt.Errorf("writing the kubeconfig of %s: %w", name, err)
	}
	return os.Chmod(file, 0o600)
}
