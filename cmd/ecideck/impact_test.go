package main

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// nodeOnce runs ecideck-node once, as somebody with the lab's kubeconfig.
func (x *tenant) nodeOnce(args ...string) (out, errs string, code int) {
	x.t.Helper()
	bin, err := programs()
	if err != nil {
		x.t.Fatal(err)
	}
	cmd := exec.CommandContext(x.t.Context(), filepath.Join(bin, "ecideck-node"), append(args, "--kubeconfig="+x.lab.Kubeconfig)...)
	cmd.Env = append(os.Environ(), x.lab.Access.Environment()...)
	var o, e strings.Builder
	cmd.Stdout, cmd.Stderr = &o, &e
	err = cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		x.t.Fatal(err)
	}
	return o.String(), e.String(), cmd.ProcessState.ExitCode()
}

// namesVictims holds that `ecideck-node impact` names each of the bystanders that would have
// suffered, and no other: as before an installation, without the policy for DaemonSets.
func namesVictims(x *tenant) {
	const binding = "mutatingadmissionpolicybinding/ecideck-daemonsets"
	saved := x.do("get", binding, "-o", "yaml")
	x.do("delete", binding)
	defer func() {
		x.do("delete", "daemonsets", "--all", "--wait=false")
		clean := regexp.MustCompile(`(?m)^  (resourceVersion|uid|creationTimestamp|generation):.*\n`).ReplaceAllString(saved, "")
		if err := x.lab.Apply(x.t.Context(), []byte(clean)); err != nil {
			x.t.Error(err)
		}
	}()
	set := strings.Split(bystanders(), "---\n")
	last := strings.ReplaceAll(set[len(set)-1], "NAMESPACE", x.namespace)
	file := filepath.Join(x.t.(*testing.T).TempDir(), "daemonset.yaml")
	if err := os.WriteFile(file, []byte(last), 0o600); err != nil {
		x.t.Fatal(err)
	}
	x.eventually(20*slack*time.Second, "the policy is gone", func() (bool, string) {
		out := x.do("create", "--dry-run=server", "-o", "yaml", "-f", file)
		return !strings.Contains(out, "virtual-kubelet"), out
	})
	x.apply(bystanders())
	out, errs, code := x.nodeOnce("impact", "-o", "json", "--hostname-label")
	if code != 1 {
		x.t.Errorf("exit code %d, %s", code, errs)
	}
	var list struct {
		Findings []struct{ Level, Object, Remedy string }
		Unread   []string
	}
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		x.t.Fatalf("%v in\n%s", err, out)
	}
	if len(list.Unread) > 0 {
		x.t.Errorf("not read: %v", list.Unread)
	}
	named := map[string]string{}
	for _, f := range list.Findings {
		if _, name, ok := strings.Cut(f.Object, " "+x.namespace+"/"); ok {
			named[name] = f.Level
		}
	}
	want := map[string]string{"w00": "harm", "w01": "harm", "w02": "harm", "w03": "would", "w04": "would", "w05": "would",
		"d00": "harm", "d01": "harm", "d02": "harm", "d03": "harm"}
	for name, level := range want {
		if named[name] != level {
			x.t.Errorf("%s is %q, want %q", name, named[name], level)
		}
		delete(named, name)
	}
	if len(named) > 0 {
		x.t.Errorf("named though nothing happens to them: %v", named)
	}
	// A remedy is a command that works.
	i := slices.IndexFunc(list.Findings, func(f struct{ Level, Object, Remedy string }) bool { return strings.HasSuffix(f.Object, "/d01") })
	if i < 0 {
		return
	}
	command, _, _ := strings.Cut(strings.TrimPrefix(list.Findings[i].Remedy, "kubectl "), " (the policy")
	flags, patch, _ := strings.Cut(command, " -p ")
	x.do(append(strings.Fields(flags), "-p", strings.Trim(patch, "'"), "--dry-run=server")...)
}
