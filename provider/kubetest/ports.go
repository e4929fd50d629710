package kubetest

import (
	"fmt"
	"net"
)

// freePorts finds n ports that are free on loopback now. They are found together, so that
// they differ; a stranger may still take one before its part listens, which then says so.
func freePorts(n int) ([]int, error) {
	ports := make([]int, 0, n)
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("finding a free port on loopback: %w", err)
		}
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}
