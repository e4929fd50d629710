//go:build unix

package ui

import (
	"os"
	"os/signal"
	"syscall"
	"time"
)

// suspendProcess stops the process group, as Ctrl-Z does for programs that leave it to the
// terminal, and returns when the shell continues it. Without a job-controlling shell the
// kernel ignores the signal; then it returns soon.
func suspendProcess() {
	continued := make(chan os.Signal, 1)
	signal.Notify(continued, syscall.SIGCONT)
	defer signal.Stop(continued)
	if err := syscall.Kill(0, syscall.SIGTSTP); err != nil {
		return
	}
	ignored := time.NewTimer(200 * time.Millisecond)
	defer ignored.Stop()
	select {
	case <-continued:
	case <-ignored.C:
	}
}
