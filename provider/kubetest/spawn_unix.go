//go:build !linux

package kubetest

import "syscall"

// childAttributes keep the terminal's Ctrl-C away from a part: the lab ends its parts in
// order. Where the kernel has no death signal, parts outlive a killed lab.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}

func (s *spawner) run() {
	for {
		select {
		case r := <-s.requests:
			r.result <- r.cmd.Start()
		case <-s.done:
			return
		}
	}
}
