package ecitest_test

import (
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ecideck/ecideck/provider/eci/ecitest"
)

func TestWhatAGroupReachesFollowsTheRoutes(t *testing.T) {
	w := newWorld(t, func(o *ecitest.Options) {
		o.Routes = []ecitest.Route{{To: "10.0.0.0/16", Reachable: true}, {To: "10.0.0.1:6443"}, {To: "registry.example.com", Reachable: true}, {VSwitch: "vsw-i", To: "10.0.0.0/16"}}
	})
	a := newAsker(t, w.Emulator)
	create := func(vswitch string) string {
		id, _ := a.ok("CreateContainerGroup", "ContainerGroupName", "web", "Container.1.Name", "main", "Container.1.Image", "serve", "VSwitchId", vswitch,
			"DnsPolicy", "None", "DnsConfig.NameServer.1", "10.0.0.10")["ContainerGroupId"].(string)
		return id
	}
	h, i := create("vsw-h"), create("vsw-i")
	w.pass(time.Minute)
	run := func(id, line string) string {
		out, _ := a.ok("ExecContainerCommand", "ContainerGroupId", id, "ContainerName", "main", "Sync", "true",
			"Command", `["sh","-c","`+line+`"]`)["SyncResponse"].(string)
		return out
	}
	for _, test := range []struct{ id, line, want string }{
		{h, "nc -z 10.0.0.1 443 && echo yes", "10.0.0.1 (10.0.0.1:443) open\nyes\n"},
		{h, "nc -z 10.0.0.1 6443 || echo code $?", "nc: connect to 10.0.0.1 port 6443: Connection timed out\ncode 1\n"},
		{i, "nc -z 10.0.0.1 443; echo $?", "timed out\n1\n"},
		{h, "nslookup kubernetes.default; echo $?", "Address: 10.96.0."},
		{i, "nslookup kubernetes.default; echo $?", ";; connection timed out; no servers could be reached\n1\n"},
		{i, "nslookup example.com 100.100.2.136; echo $?", "Server:\t\t100.100.2.136"},
		{h, "curl -sS https://registry.example.com/v2/; echo $?", "ok\n0\n"},
		{h, "curl -sS http://172.21.0.1; echo $?", "ok\n0\n"},
		{h, "wget -qO- http://10.96.0.1/; echo $?", "wget: download timed out\n1\n"},
		{h, "nosuch; echo $?", "sh: nosuch: not found\n127\n"},
		{h, "false || true && echo both", "both\n"},
	} {
		if got := run(test.id, test.line); !strings.Contains(got, test.want) {
			t.Errorf("%s: %q, want %q", test.line, got, test.want)
		}
	}
	if err := w.SetRoutes([]ecitest.Route{{To: "172.21.0.0/20"}}); err != nil {
		t.Fatal(err)
	}
	same(t, "a ClusterIP that a route takes away", run(h, "curl http://172.21.0.1"), "curl: (28) Failed to connect to 172.21.0.1 port 80: Connection timed out\n")
	for _, bad := range []ecitest.Route{{To: "10.0.0.0/99"}, {To: ""}, {To: "a", VSwitch: "vsw-none"}} {
		if w.SetRoutes([]ecitest.Route{bad}) == nil {
			t.Errorf("route %+v is taken", bad)
		}
	}
}

func TestAKubeProxyBringsClusterIPsIfItCanWork(t *testing.T) {
	w := newWorld(t, func(o *ecitest.Options) {
		o.ServiceCIDR = "10.96.0.0/16"
		o.Routes = []ecitest.Route{{To: "10.0.0.5:6443", Reachable: true}}
	})
	a := newAsker(t, w.Emulator)
	create := func(server, capability string) string {
		id, _ := a.ok("CreateContainerGroup", "ContainerGroupName", "web", "Container.1.Name", "main", "Container.1.Image", "serve", "VSwitchId", "vsw-h",
			"Container.2.Name", "proxy", "Container.2.Image", "kube-proxy", "Container.2.Command.1", "kube-proxy", "Container.2.Command.2", "--kubeconfig=/p/kubeconfig",
			"Container.2.SecurityContext.Capability.Add.1", capability, "Container.2.VolumeMount.1.Name", "v", "Container.2.VolumeMount.1.MountPath", "/p",
			"Volume.1.Name", "v", "Volume.1.Type", "ConfigFileVolume", "Volume.1.ConfigFileVolume.ConfigFileToPath.1.Path", "kubeconfig",
			"Volume.1.ConfigFileVolume.ConfigFileToPath.1.Content", base64.StdEncoding.EncodeToString([]byte(`{"server":"`+server+`"}`)))["ContainerGroupId"].(string)
		return id
	}
	works, blind, weak := create("https://10.0.0.5:6443", "NET_ADMIN"), create("https://10.96.0.1", "NET_ADMIN"), create("https://10.0.0.5:6443", "NET_RAW")
	w.pass(time.Minute)
	for id, want := range map[string]string{works: "open\n0\n", blind: "timed out\n1\n", weak: "timed out\n1\n"} {
		out, _ := a.ok("ExecContainerCommand", "ContainerGroupId", id, "ContainerName", "main", "Sync", "true", "Command", `["sh","-c","nc -z 10.96.0.9 80; echo $?"]`)["SyncResponse"].(string)
		if !strings.Contains(out, want) {
			t.Errorf("%s: %q, want %q", id, out, want)
		}
	}
}

func TestExecHasATerminalForBrowsers(t *testing.T) {
	e := ecitest.New(ecitest.Options{Instant: true})
	server := httptest.NewServer(e)
	defer server.Close()
	a := newAsker(t, e)
	id, _ := a.ok("CreateContainerGroup", "ContainerGroupName", "web", "Container.1.Name", "main", "Container.1.Image", "serve")["ContainerGroupId"].(string)
	address, _ := a.ok("ExecContainerCommand", "ContainerGroupId", id, "ContainerName", "main", "Command", `["sh"]`)["HttpUrl"].(string)
	_, path, _ := strings.Cut(address, ".com")
	answer, err := http.Get(server.URL + path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	page, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != 200 || !strings.Contains(string(page), "new WebSocket") {
		t.Errorf("HTTP %d %s, %v", answer.StatusCode, page, err)
	}
}
