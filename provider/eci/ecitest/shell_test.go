package ecitest_test

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ecideck/ecideck/provider/eci/ecitest"
)

// inContainer makes a group with one container, or two, that share a directory and see config
// files, and returns who runs scripts in them.
func inContainer(t *testing.T) (w *world, run func(container, script string) string) {
	t.Helper()
	w = newWorld(t, func(o *ecitest.Options) { o.Seed = 7 })
	a := newAsker(t, w.Emulator)
	file := base64.StdEncoding.EncodeToString([]byte("colour = green\n"))
	id, _ := a.ok("CreateContainerGroup", "ContainerGroupName", "web-0",
		"Container.1.Name", "main", "Container.1.Image", "serve", "Container.1.WorkingDir", "/work",
		"Container.1.EnvironmentVar.1.Key", "COLOUR", "Container.1.EnvironmentVar.1.Value", "blue",
		"Container.1.EnvironmentVar.2.Key", "POD_IP", "Container.1.EnvironmentVar.2.FieldRef.FieldPath", "status.podIP",
		"Container.1.VolumeMount.1.Name", "shared", "Container.1.VolumeMount.1.MountPath", "/shared",
		"Container.1.VolumeMount.2.Name", "config", "Container.1.VolumeMount.2.MountPath", "/etc/app",
		"Container.1.VolumeMount.3.Name", "config", "Container.1.VolumeMount.3.MountPath", "/opt/one.conf", "Container.1.VolumeMount.3.SubPath", "app.conf",
		"Container.2.Name", "side", "Container.2.Image", "serve",
		"Container.2.VolumeMount.1.Name", "shared", "Container.2.VolumeMount.1.MountPath", "/data", "Container.2.VolumeMount.1.ReadOnly", "true",
		"Container.3.Name", "crash", "Container.3.Image", "crashloop", "Container.3.EnvironmentVar.1.Key", "SECONDS", "Container.3.EnvironmentVar.1.Value", "20",
		"Volume.1.Name", "shared", "Volume.1.Type", "EmptyDirVolume",
		"Volume.2.Name", "config", "Volume.2.Type", "ConfigFileVolume", "Volume.2.ConfigFileVolume.DefaultMode", "0440",
		"Volume.2.ConfigFileVolume.ConfigFileToPath.1.Path", "app.conf", "Volume.2.ConfigFileVolume.ConfigFileToPath.1.Content", file,
		"Volume.2.ConfigFileVolume.ConfigFileToPath.2.Path", "bin/run.sh", "Volume.2.ConfigFileVolume.ConfigFileToPath.2.Content", base64.StdEncoding.EncodeToString([]byte("#!/bin/sh\necho ran $1\nexit 4\n")),
		"Volume.2.ConfigFileVolume.ConfigFileToPath.2.Mode", "0755",
		"HostAliase.1.Ip", "10.1.2.3", "HostAliase.1.Hostname.1", "db.example.com", "DnsConfig.NameServer.1", "10.0.0.10", "DnsConfig.Search.1", "svc.cluster.local",
	)["ContainerGroupId"].(string)
	w.pass(10 * time.Second)
	return w, func(container, script string) string {
		t.Helper()
		command, err := json.Marshal([]string{"sh", "-c", script})
		if err != nil {
			t.Fatal(err)
		}
		out, _ := a.ok("ExecContainerCommand", "ContainerGroupId", id, "ContainerName", container, "Sync", "true", "Command", string(command))["SyncResponse"].(string)
		return out
	}
}

func TestAContainersShellDoesWhatPeopleTypeInOne(t *testing.T) {
	_, run := inContainer(t)
	for _, test := range []struct{ script, want string }{
		{"pwd; ls", "/work\n"},
		{"echo $COLOUR; hostname; whoami", "blue\nweb-0\nroot\n"},
		{`test "$POD_IP" = "$(grep web-0 /etc/hosts | cut -f1)" && echo same`, "same\n"},
		{"cat /etc/app/app.conf /opt/one.conf", "colour = green\ncolour = green\n"},
		{"stat -c '%a %n' /etc/app/app.conf", "440 /etc/app/app.conf\n"},
		{"echo x > /etc/app/app.conf; echo $?", "sh: can't open /etc/app/app.conf: read-only file system\n1\n"},
		{"/etc/app/bin/run.sh there; echo $?", "ran there\n4\n"},
		{"/etc/app/app.conf; echo $?", "sh: /etc/app/app.conf: Permission denied\n126\n"},
		{"/etc; vim; echo $?", "sh: /etc: Permission denied\nsh: vim: not found\n127\n"},
		{"cat /none; echo $?", "cat: /none: No such file or directory\n1\n"},
		{"for i in 1 2 3; do x=$x$i; done; echo $x", "123\n"},
		{"f() { echo in $1; return 3; }; f a; echo $?", "in a\n3\n"},
		{"x=$(false); echo $?; x=1; echo $?", "1\n0\n"},
		{"case blue in g*) echo no;; b*) echo yes;; esac", "yes\n"},
		{"if [ -d /tmp -a ! -e /nowhere ]; then echo dir; fi", "dir\n"},
		{"mkdir -p /tmp/a/b && echo one > /tmp/a/b/f && cp -r /tmp/a /tmp/c && mv /tmp/c /tmp/d && find /tmp/d -type f && rm -r /tmp/d && ls /tmp", "/tmp/d/b/f\na\n"},
		{"printf 'b\\na\\nb\\n' | sort | uniq -c", "      1 a\n      2 b\n"},
		{"cat <<X | tr a-z A-Z\nhere\nX", "HERE\n"},
		{"echo $((6*7)) {a,b}", "42 {a,b}\n"},
		{"tail -n +2 /etc/resolv.conf; head -n1 /etc/resolv.conf", "search svc.cluster.local\nnameserver 10.0.0.10\n"},
		{"grep db /etc/hosts", "10.1.2.3\tdb.example.com\n"},
		{"echo a > /tmp/f; ln -s f /tmp/l; cat /tmp/l; readlink /tmp/l; ls -l /tmp | wc -l", "a\nf\n3\n"},
		{"mkdir /tmp/t; echo deep > /tmp/t/x; tar cf - /tmp/t | tar xf - -C /opt; cat /opt/tmp/t/x", "deep\n"},
		{"tar czf /tmp/z.tgz -C /tmp/t . && tar tf /tmp/none; tar tzf /tmp/z.tgz", "tar: /tmp/none: No such file or directory\n./\n./x\n"},
		{"set -e; false; echo not", ""},
		{"echo to stderr >&2; echo more > /dev/stderr", "to stderr\nmore\n"},
		{"command -v ls; command -v none; echo $?", "/bin/ls\n127\n"},
		{"sh -c 'echo $1' zero one", "one\n"},
		{"stty size", "stty: standard input: Not a tty\n"},
		{"cd /tmp && pwd && cd /none; echo $?", "/tmp\ncd: no such file or directory: \"/none\"\n1\n"},
		{"sleep 0.01 && echo slept", "slept\n"},
		{"if", "sh: syntax error: sh:1:1: `if` must be followed by a statement list\n"},
	} {
		if got := run("main", test.script); got != test.want {
			t.Errorf("%s:\n got %q\nwant %q", test.script, got, test.want)
		}
	}
}

func TestContainersShareVolumesAndNothingElse(t *testing.T) {
	w, run := inContainer(t)
	run("main", "echo hello > /shared/f; echo own > /tmp/own")
	same(t, "the other container", run("side", "cat /data/f; cat /tmp/own; echo x > /data/g; ls /data"), "hello\ncat: /tmp/own: No such file or directory\nsh: can't open /data/g: read-only file system\nf\n")
	same(t, "its own files", run("crash", "echo here > /tmp/f; cat /tmp/f"), "here\n")
	w.pass(20 * time.Second)
	same(t, "after it was started again", run("crash", "cat /tmp/f"), "cat: /tmp/f: No such file or directory\n")
	same(t, "the others", run("main", "cat /tmp/own /shared/f"), "own\nhello\n")
}

// TestNothingInAContainerReachesTheHost holds the shell's library to the container: what it
// would do on the machine by itself must not happen.
func TestNothingInAContainerReachesTheHost(t *testing.T) {
	_, run := inContainer(t)
	dir := t.TempDir()
	secret := filepath.Join(dir, "secret")
	if err := os.WriteFile(secret, []byte("of the host"), 0o700); err != nil { //nolint:gosec // to be found if anything looks
		t.Fatal(err)
	}
	t.Setenv("OF_THE_HOST", "secret")
	for _, script := range []string{
		"cat " + secret, ". " + secret, "source " + secret, secret, "cat < " + secret, "echo $(<" + secret + ")", "ls " + dir, "echo " + dir + "/*",
		"test -e " + secret + " && echo of the host", "[[ -f " + secret + " ]] && echo of the host", "cd " + dir + " && echo of the host",
		"command -v " + secret, "type " + secret, "eval 'cat " + secret + "'", "env | grep OF_THE", "echo $OF_THE_HOST", "exec " + secret,
		"command cat " + secret, "builtin source " + secret, "trap 'cat " + secret + "' EXIT", "mapfile x < " + secret + "; echo ${x[@]}",
		"cp " + secret + " /tmp/x && cat /tmp/x", "ln -s " + secret + " /tmp/l; cat /tmp/l", "tar cf - " + secret, "cat ../../../../../../.." + secret,
		"pushd " + dir + " && echo of the host", "sh " + secret, "PATH=" + dir + " secret", "read x < " + secret + "; echo $x", "hash secret && pwd -P",
	} {
		if out := run("main", script); strings.Contains(out, "of the host") || strings.Contains(out, "\nsecret") || out == secret+"\n" || strings.HasPrefix(out, "secret") {
			t.Errorf("%s tells of the host: %q", script, out)
		}
	}
	for _, script := range []string{
		"echo x > " + filepath.Join(dir, "made"), "mkdir -p " + filepath.Join(dir, "made"), "touch " + filepath.Join(dir, "made"),
		"cat <(echo x)", "echo x > >(cat)", "TMPDIR=" + dir + "; cat <(echo x)", "echo x > /tmp/sh-interp-1", "echo x > " + filepath.Join(dir, "sh-interp-1"),
		"export TMPDIR=" + dir + "; sh -c 'echo x > " + filepath.Join(dir, "sh-interp-1") + "'", "rm -rf " + dir,
	} {
		run("main", script)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("the host's directory has %v, %v", entries, err)
	}
	for _, name := range []string{"sh-interp-1"} {
		if _, err := os.Lstat(filepath.Join(os.TempDir(), name)); err == nil {
			t.Errorf("%s was made on the host", name)
		}
	}
	same(t, "what the host is asked for otherwise", run("main", "echo $$ $PPID $UID ~root ~nobody"), "7 7 0 /root ~nobody\n")
	_, again := inContainer(t) // of the same seed
	_, first := inContainer(t)
	same(t, "chance", first("main", "echo $RANDOM $RANDOM"), again("main", "echo $RANDOM $RANDOM"))
}

func TestAContainersShellIsBounded(t *testing.T) {
	_, run := inContainer(t)
	for _, test := range []struct{ script, want string }{
		{"while true; do :; done", "Killed\n"},
		{"while true; do x=1; done", "Killed\n"},
		{"x=abcdefgh; for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30; do x=$x$x; done", "Killed\n"},
		{"f() { f; }; f", "Killed\n"},
		{"while ((1)); do ((x++)); done", "Killed\n"},
		{"for ((;;)); do let x=x+1; done", "Killed\n"},
		{"yes", "Killed\n"},
		{"x=$(yes)", "Killed\n"},
		{"yes > /tmp/big", "yes: write error: No space left on device\n"},
		{"cat /tmp/big > /tmp/more; rm /tmp/big; df | tail -n1", "cat: write error: No space left on device\nemulated                16384         0     16384   0% /\n"},
		{"echo {1..1000000000}", "{1..1000000000}\n"},
		{"seq 1000 8499 | tr 0-9 '(' | tr -d '\\n' > /tmp/deep; sh /tmp/deep 2>&1 | head -c 17", "sh: syntax error:"},
		{"(for i in $(seq 1500); do echo '{'; done; echo true; for i in $(seq 1500); do echo '}'; done) > /tmp/deep; sh /tmp/deep; echo $?", "0\n"},
		{"x=$(seq 1000 99999 | tr 0-9 '(' | tr -d '\\n'); echo $((x))", "Killed\n"},
		{"seq 1000 9999 > /tmp/long; sh /tmp/long", "sh: can't run /tmp/long: the script is too long for an emulated container\n"},
		{"printf 'sh /tmp/again' > /tmp/again; sh /tmp/again 2>&1 | tail -n1", "sh: too many shells within each other\n"},
	} {
		begin := time.Now()
		if got := run("main", test.script); !strings.HasSuffix(got, test.want) || len(got) > 100_000_000 {
			t.Errorf("%s ended with %.200q, want %q", test.script, got, test.want)
		}
		if took := time.Since(begin); took > 30*time.Second {
			t.Errorf("%s took %v", test.script, took)
		}
	}
}
