package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"
	"k8s.io/client-go/kubernetes"

	"github.com/ecideck/ecideck/provider/migrate"
)

// detach writes an operation down and leaves it to a process of its own.
func (m *mover) detach(ctx context.Context, client kubernetes.Interface, op *migrate.Operation) error {
	op, err := (&migrate.Engine{Client: client, Audit: audits(), Holder: holder()}).Enroll(ctx, op)
	if err != nil {
		return err
	}
	return m.leave(op, "resume")
}

// leave starts a process of a session of its own, which goes on after this one's has ended,
// and says what that does not outlive.
func (m *mover) leave(op *migrate.Operation, verb string) error {
	folder := audits()
	if folder == "" {
		return errors.New("--wait=false: there is no home directory, so there is nowhere to say how it goes: set XDG_STATE_HOME, or stay with --wait")
	}
	if err := os.MkdirAll(string(folder), 0o700); err != nil {
		return fmt.Errorf("making the folder of the log (XDG_STATE_HOME chooses another): %w", err)
	}
	path := filepath.Join(string(folder), op.ID+".log")
	log, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("opening the log (XDG_STATE_HOME chooses another folder): %w", err)
	}
	defer log.Close() // the process has its own
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("finding this program: %w", err)
	}
	args := m.again(op, verb)
	cmd := exec.Command(self, args...) //nolint:noctx // it is to outlive this process
	cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = log, log, ownSession()
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting a process (`ecideck ops %s %s` does it here): %w", verb, op.ID, err)
	}
	fmt.Fprintf(m.err, "process %d of this machine does the work and writes to %s; it outlives this session and not the machine: `ecideck ops show %s` shows how it goes, `ecideck ops resume %[3]s` goes on should it end, `ecideck ops abort %[3]s` goes back\n",
		cmd.Process.Pid, path, op.ID)
	if m.output != "table" {
		if err := m.object("Operation", op); err != nil {
			return err
		}
	} else if _, err := fmt.Fprintf(m.out, "operation %s is begun\n", op.ID); err != nil {
		return err
	}
	return cmd.Process.Release()
}

// again are the arguments by which a process goes on with an operation as this one would. It
// looks for it in the operation's namespace, where this user may not look in all.
func (m *mover) again(op *migrate.Operation, verb string) []string {
	args := []string{"ops", verb, op.ID, "--yes"}
	if op.Plan.Home != "" {
		args = append(args, "--namespace="+op.Plan.Home)
	}
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	m.kube.AddFlags(flags)
	flags.VisitAll(func(f *pflag.Flag) {
		// Their values are those of this process already.
		if v := f.Value.String(); v != "" && v != "[]" && v != "false" && v != "0" && f.Name != "cache-dir" && f.Name != "namespace" {
			args = append(args, "--"+f.Name+"="+strings.Trim(v, "[]"))
		}
	})
	return args
}
