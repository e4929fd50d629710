package main

import (
	"strings"
	"testing"

	"github.com/ecideck/ecideck/collectors/fleet"
)

func TestWhy(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*lab)
		args   []string
		code   int
		out    []string
		errors string
	}{
		{"a workload", nil, []string{"deploy", "web"}, 0, []string{"deployment shop/web has 1 ready of 1 pod", "its pods: 1 on ECI", "cost: ¥0.441/h now"}, ""},
		{"with a slash", nil, []string{"deployment/web"}, 0, []string{"deployment shop/web"}, ""},
		{"a node", nil, []string{"node", "virtual-1"}, 0, []string{"virtual node virtual-1 is Ready."}, ""},
		{"a group, seen twice", nil, []string{"group", "eci-orphan"}, 0, []string{"it is an orphan", "make sure that nothing needs it"}, ""},
		{"what there is not", nil, []string{"deploy", "nope"}, 1, nil, "there is no deploy nope in namespace shop (-n chooses another)"},
		{"in another namespace", nil, []string{"deploy", "web", "-n", "elsewhere"}, 1, nil, "in namespace elsewhere"},
		{"what could not be read", func(l *lab) { l.denied["/api/v1/nodes"] = true }, []string{"node", "virtual-1"}, 1, nil, "or it could not be read"},
		{"though a source failed", func(l *lab) { l.denied["/apis/apps/v1/namespaces/shop/deployments"] = true }, []string{"deploy", "web"}, 3, []string{"deployment shop/web"}, "deployments: "},
		{"an unknown kind", nil, []string{"shoe", "x"}, 2, nil, "ask about pod, deploy"},
		{"no name", nil, []string{"pod"}, 2, nil, "which pod?"},
		{"nothing", nil, nil, 2, nil, "ecideck why --help"},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := newLab(t)
			if test.change != nil {
				test.change(l)
			}
			code, out, errors := ecideck(t, append([]string{"why"}, test.args...)...)
			if code != test.code {
				t.Errorf("exit code %d, want %d", code, test.code)
			}
			for _, text := range test.out {
				if !strings.Contains(out, text) {
					t.Errorf("stdout does not say %q:\n%s", text, out)
				}
			}
			if !strings.Contains(errors, test.errors) || test.errors == "" && errors != "" {
				t.Errorf("stderr does not say %q:\n%s", test.errors, errors)
			}
		})
	}
}

// TestWhyAppendsWhatAdvisersKnow holds that the virtual node's word about a pod stands below
// the Snapshot's, and that the answer is not withheld where it can't be had.
func TestWhyAppendsWhatAdvisersKnow(t *testing.T) {
	l := newLab(t)
	code, out, errors := ecideck(t, "why", "pod", "new")
	if code != 3 || !strings.Contains(out, "pod shop/new is Pending") || !strings.Contains(errors, "reading pod shop/new") {
		t.Errorf("exit code %d, stdout:\n%s\nstderr:\n%s", code, out, errors)
	}
	pod := podList[strings.Index(podList, ` {"metadata":{"name":"new"`):strings.LastIndex(podList, "]}")]
	l.lists["/api/v1/namespaces/shop/pods/new"] = `{"kind":"Pod","apiVersion":"v1",` + strings.TrimPrefix(strings.TrimSpace(pod), "{")
	_, out, _ = ecideck(t, "why", "pod", "new")
	if begin, burst := strings.Index(out, "pod shop/new is Pending"), strings.Index(out, "Burst to ECI:\n"); begin < 0 || burst < begin {
		t.Errorf("the answer is\n%s", out)
	}
}

func TestWhyAcceptsTheWordsOfKubectl(t *testing.T) {
	for _, c := range []struct{ args, kind, name string }{
		{"po web-0", "Pod", "web-0"}, {"pods web-0", "Pod", "web-0"}, {"pod/web-0", "Pod", "web-0"}, {"Deployment web", "Deployment", "web"},
		{"sts/db", "StatefulSet", "db"}, {"hpa web", fleet.KindHPA, "web"}, {"pod pod/web-0", "Pod", "web-0"}, {"cj/report", "CronJob", "report"},
	} {
		kind, name, err := named(strings.Fields(c.args))
		if err != nil || kind.kind != c.kind || name != c.name {
			t.Errorf("%q is %s %s (%v), want %s %s", c.args, kind.kind, name, err, c.kind, c.name)
		}
	}
}
