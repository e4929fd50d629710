package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/ecideck/ecideck/cmd/internal/setup"
	"github.com/ecideck/ecideck/collectors"
	"github.com/ecideck/ecideck/collectors/fleet"
	"github.com/ecideck/ecideck/ui"
	"github.com/gdamore/tcell/v2"
	"github.com/spf13/cobra"
	"golang.org/x/term"
	"k8s.io/client-go/rest"
)

// consoleOptions are the flags of the console alone.
type consoleOptions struct {
	ascii    bool
	readOnly bool
	view     string
}

func (c *consoleOptions) addFlags(root *cobra.Command) {
	root.Flags().BoolVar(&c.ascii, "ascii", false, "draw with ASCII characters only")
	root.Flags().BoolVar(&c.readOnly, "read-only", false, "change nothing")
	root.Flags().StringVar(&c.view, "view", "overview", "the view to begin with: "+strings.Join(ui.Views(), ", "))
}

// runConsole shows the console until it is quit. What cannot be shown there is printed.
func runConsole(ctx context.Context, o *options, c consoleOptions) error {
	if !slices.Contains(ui.Views(), c.view) {
		return setup.Exit(setup.ExitUsage, fmt.Errorf("--view %s: choose one of %s", c.view, strings.Join(ui.Views(), ", ")))
	}
	if why := noScreen(o); why != "" {
		g := &getOptions{options: o, output: "table", all: true, timeout: 15 * time.Second, by: string(fleet.ByNamespace)}
		same := "ecideck get pods -A"
		if n := o.kube.Namespace; n != nil && *n != "" {
			g.all, same = false, "ecideck get pods -n "+*n
		}
		fmt.Fprintf(o.err, "ecideck: %s, so no console; this is `%s`\n", why, same)
		for _, l := range listings() {
			if l.name == "pods" {
				err := g.run(ctx, l)
				if setup.ExitCode(err) == setup.ExitPartial {
					err = nil // a person asked for a look, and got it with what is missing named
				}
				return err
			}
		}
	}
	return showConsole(ctx, o, c, nil)
}

// showConsole runs the collectors and the console on a screen; nil is the terminal.
func showConsole(ctx context.Context, o *options, c consoleOptions, screen tcell.Screen) error {
	// All clients are behind the gate, so that a key that should not work can't.
	gate := &setup.Gate{}
	o.kube.WrapConfigFn = func(config *rest.Config) *rest.Config {
		config.Wrap(gate.Wrap)
		return config
	}
	kube, err := setup.NewKube(o.kube)
	if err != nil {
		return err
	}
	production, err := setup.Production(setup.ConfigFile(), kube.Context)
	if err != nil {
		return err
	}
	c.readOnly = c.readOnly || production
	gate.Close(c.readOnly)
	scope := ""
	if kube.NamespaceGiven {
		scope = kube.Namespace
	}
	sources := o.sources(kube, scope)
	store := collectors.NewStore()
	sources.Latest = store.Latest
	all := collectors.All(sources)
	store.Expect(all)

	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		collectors.Run(ctx, store, all, nil)
		close(done)
	}()
	defer func() { cancel(); <-done }()
	read := objects{kube: o.kube, noECI: sources.NoECI}
	if sources.ECI != nil {
		read.eci = sources.ECI
	}
	// A terminal that goes away may say so more than once, also while what runs is stopped in
	// order below: the second time must not cut that off.
	again := make(chan os.Signal, 1)
	signal.Notify(again, syscall.SIGHUP, syscall.SIGTERM, os.Interrupt)
	defer signal.Stop(again)
	acts := &operator{kube: kube, production: production, latest: store.Latest}
	defer acts.wait(o.err)
	return ui.Run(ctx, ui.Options{
		Store: store, Objects: read, Logs: podLogs{kube.Client}, Operator: acts, SetReadOnly: gate.Close, Production: production,
		Adviser: burstAdviser{kube.Client}, View: c.view, Title: kube.Context, Namespace: scope, ASCII: c.ascii, NoColor: os.Getenv("NO_COLOR") != "", ReadOnly: c.readOnly, Screen: screen,
	})
}

// noScreen says why there can be no console; "" when there can.
func noScreen(o *options) string {
	out, ok := o.out.(*os.File)
	switch {
	case !ok || !term.IsTerminal(int(out.Fd())):
		return "stdout is not a terminal"
	case os.Getenv("TERM") == "dumb" || os.Getenv("TERM") == "":
		return "the terminal (TERM=" + os.Getenv("TERM") + ") cannot move its cursor"
	}
	return ""
}
