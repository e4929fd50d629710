package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/ecideck/ecideck/provider/kubetest"
	"github.com/ecideck/ecideck/provider/kubetest/scenario"
	"github.com/ecideck/ecideck/testdata"
)

func upCommand(l *lab) *cobra.Command {
	var name string
	var detach bool
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Start the lab and keep it until Ctrl-C, or with --detach until `down`",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if detach {
				return l.upDetached(cmd.Context(), name)
			}
			return l.withLab(cmd.Context(), name, l.out, func(ctx context.Context, running *kubetest.Lab) error {
				fmt.Fprintf(l.out, "\nKUBECONFIG=%s\n", running.Kubeconfig)
				fmt.Fprintf(l.out, "In another shell: eval \"$(%s env%s)\" and then kubectl, k9s or ecideck. Ctrl-C here ends the lab.\n", l.self(), l.nameFlag())
				<-ctx.Done()
				fmt.Fprintln(l.out, "\nending the lab")
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&name, "scenario", "self-built", "what the lab runs; `ecideck-lab scenario list` names them")
	cmd.Flags().BoolVar(&detach, "detach", false, "return when the lab is ready and leave it running")
	return cmd
}

// withLab starts the lab, serves its commands and calls use; the lab ends with it, with a
// signal, or when `ecideck-lab down` asks. The context that use gets ends in the latter two.
func (l *lab) withLab(ctx context.Context, scenarioName string, progress io.Writer, use func(context.Context, *kubetest.Lab) error) error {
	chosen, err := loadScenario(scenarioName)
	if err != nil {
		return err
	}
	dir, err := kubetest.StateDir(l.name)
	if err != nil {
		return usageError{err}
	}
	release, err := kubetest.Claim(ctx, dir)
	if err != nil {
		return err
	}
	defer release()
	bin, err := binaries()
	if err != nil {
		return err
	}
	fmt.Fprintf(progress, "starting lab %s, scenario %s: %s\n", l.name, chosen.Name, chosen.Description)
	running, err := kubetest.Start(ctx, kubetest.Options{Name: l.name, Dir: dir, Bin: bin, Scenario: chosen, Progress: progress})
	if err != nil {
		return fmt.Errorf("starting lab %s: %w", l.name, err)
	}
	ctx, end := context.WithCancel(ctx)
	err = running.Serve(ctx, end)
	if err == nil {
		err = use(ctx, running)
	}
	end()
	if stopErr := running.Stop(); err == nil {
		err = stopErr
	}
	return err
}

// upDetached runs `up` in a session of its own and waits until it is ready or has ended.
func (l *lab) upDetached(ctx context.Context, scenarioName string) error {
	if _, err := loadScenario(scenarioName); err != nil {
		return err
	}
	// Built here, where progress can be seen, and found ready there.
	if _, err := kubetest.ControlPlane(ctx, l.errOut); err != nil {
		return err
	}
	dir, err := kubetest.StateDir(l.name)
	if err != nil {
		return usageError{err}
	}
	release, err := kubetest.Claim(ctx, dir)
	if err != nil {
		return err
	}
	release() // the other process takes it
	exe, err := os.Executable()
	if err != nil {
		return fmt.Errorf("finding this program: %w", err)
	}
	logFile := dir + ".up.log"
	out, err := os.OpenFile(logFile, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("making the lab's log: %w", err)
	}
	defer out.Close()
	begin := time.Now()
	cmd := exec.Command(exe, "up", "--name", l.name, "--scenario", scenarioName)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting the lab in the background: %w", err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // how it ended stands in its log
		close(ended)
	}()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ended:
			raw, err := os.ReadFile(logFile)
			if err != nil {
				return fmt.Errorf("the lab ended at once, and its log can't be read: %w", err)
			}
			return fmt.Errorf("the lab did not come up:\n%s", strings.TrimSpace(string(raw)))
		case <-ctx.Done():
			_ = cmd.Process.Signal(syscall.SIGTERM)
			<-ended
			return fmt.Errorf("starting the lab: %w", ctx.Err())
		case <-tick.C:
			remote, err := kubetest.Find(l.name)
			if err != nil {
				continue
			}
			status, err := remote.Status(ctx)
			if err != nil || !status.Ready {
				continue
			}
			fmt.Fprintf(l.out, "lab %s is ready (%.1f s): scenario %s, KUBECONFIG=%s\n", l.name, time.Since(begin).Seconds(), status.Scenario, status.Kubeconfig)
			fmt.Fprintf(l.out, "eval \"$(%s env%s)\" points kubectl and ecideck at it; %[1]s down%[2]s ends it\n", l.self(), l.nameFlag())
			return nil
		}
	}
}

// self is how the user called this program.
func (l *lab) self() string { return os.Args[0] }

func (l *lab) nameFlag() string {
	if l.name == "default" {
		return ""
	}
	return " --name " + l.name
}

// binaries is the folder of this program, where ecideck-node is too.
func binaries() (string, error) {
	exe, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("finding this program: %w", err)
	}
	return filepath.Dir(exe), nil
}

func loadScenario(name string) (*scenario.Scenario, error) {
	raw, err := testdata.Scenarios.ReadFile("scenarios/" + name + ".txtar")
	if err != nil {
		return nil, usageError{fmt.Errorf("there is no scenario %q: `ecideck-lab scenario list` names them", name)}
	}
	return scenario.Parse(name, raw)
}
