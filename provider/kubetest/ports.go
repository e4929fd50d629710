package kubetest

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
)

// Ports below the range from which Linux takes the local ends of connections (32768 and up): a
// port found free there is not taken by a connection before its process listens on it.
const firstPort, lastPort = 20000, 32000

// reservations hold ports against other labs, which look for their own at the same time.
type reservations []io.Closer

// Close gives the ports back.
func (r reservations) Close() error {
	var failed []error
	for _, c := range r {
		failed = append(failed, c.Close())
	}
	return errors.Join(failed...)
}

// freePorts finds n different ports that nobody listens on, on loopback. UDP sockets of the
// same numbers reserve them, also for processes that start later, until the caller closes them
// or this process ends.
func freePorts(n int) ([]int, reservations, error) {
	var ports []int
	var held reservations
	for tries := 0; len(ports) < n; tries++ {
		port := firstPort + rand.IntN(lastPort-firstPort)
		address := fmt.Sprintf("127.0.0.1:%d", port)
		reserved, err := net.ListenPacket("udp", address)
		if err == nil {
			var l net.Listener
			if l, err = net.Listen("tcp", address); err == nil {
				ports, held = append(ports, port), append(held, reserved)
				err = l.Close()
			} else {
				_ = reserved.Close() // somebody else's port: there is nothing to lose
			}
		}
		if err != nil && tries > 100*n {
			_ = held.Close()
			return nil, nil, fmt.Errorf("finding a free port between %d and %d: %w", firstPort, lastPort, err)
		}
	}
	return ports, held, nil
}
