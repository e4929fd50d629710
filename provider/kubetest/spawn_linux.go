package kubetest

import (
	"runtime"
	"syscall"
)

// childAttributes make the kernel kill a part when the thread that started it ends, and
// keep the terminal's Ctrl-C away from it: the lab ends its parts in order.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

func (s *spawner) run() {
	// Never unlocked: the thread ends with the goroutine, which is what kills the children.
	runtime.LockOSThread()
	for {
		select {
		case r := <-s.requests:
			r.result <- r.cmd.Start()
		case <-s.done:
			return
		}
	}
}
