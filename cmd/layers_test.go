// Package cmd holds no code of its own, only the test that imports point one way.
package cmd

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/ecideck/ecideck/"

// rooms are in order: a room imports itself and the rooms after it.
var rooms = []string{"cmd", "ui", "collectors", "provider"}

// forbidden says what a folder must not import besides the rooms above it.
var forbidden = []struct {
	from   string   // folders that start with this
	except string   // but not those that start with this
	to     []string // import paths that start with this
	why    string
}{
	{"ui", "", []string{module + "provider", "k8s.io/client-go/kubernetes", "k8s.io/client-go/dynamic", "k8s.io/client-go/rest", "github.com/aliyun/"},
		"a screen knows snapshots and plans, never a client"},
	{"", "provider/eci", []string{"github.com/aliyun/"}, "provider/eci is the only room that knows the Alibaba SDK"},
	{"", "provider/eci/ecitest", []string{"mvdan.cc/sh"}, "only emulated containers need a shell, which is shut off from the host there"},
	// It may match label selectors, which apimachinery does without an object or a client.
	{"collectors/fleet", "", []string{"k8s.io/client-go", "k8s.io/api/", "k8s.io/metrics", "k8s.io/kubectl", "k8s.io/cli-runtime",
		"k8s.io/apimachinery/pkg/apis", "k8s.io/apimachinery/pkg/runtime", "k8s.io/apimachinery/pkg/watch", "net/http"}, "the join is pure"},
	{"collectors", "", []string{"github.com/rivo/", "github.com/gdamore/"}, "what reads does not draw"},
	{"provider", "", []string{"github.com/rivo/", "github.com/gdamore/"}, "what acts does not draw"},
}

// allowed are the exceptions to forbidden: what ui sees of provider is its plain data.
var allowed = map[string][]string{
	"ui": {module + "provider/migrate", module + "provider/eci", module + "provider/money"},
}

// clientCalls are the names of provider/eci that reach the network; ui may use its words
// (Status, Identity), never these.
var clientCalls = []string{"eci.New(", "eci.Client", "eci.GroupQuery", "eci.CreateRequest", "eci.LogRequest"}

// TestImportsPointOneWay reads the files itself: a test that runs `go list` is served from
// the test cache after an import was added, because it opened no file.
func TestImportsPointOneWay(t *testing.T) {
	files := 0
	for _, room := range rooms {
		err := filepath.WalkDir("../"+room, func(path string, entry fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if entry.IsDir() && (entry.Name() == "testdata" || entry.Name() == "controlplane") {
				return filepath.SkipDir // no Go of ours, or a module of its own
			}
			if entry.IsDir() || !strings.HasSuffix(path, ".go") {
				return nil
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
			if err != nil {
				return err
			}
			files++
			folder := strings.TrimPrefix(filepath.ToSlash(filepath.Dir(path)), "../")
			for _, spec := range file.Imports {
				to, err := strconv.Unquote(spec.Path.Value)
				if err != nil {
					return err
				}
				if why := wrong(folder, to, strings.HasSuffix(path, "_test.go")); why != "" {
					t.Errorf("%s imports %s: %s", path, to, why)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if files < 20 {
		t.Errorf("looked at %d files: is this the repository?", files)
	}
}

// wrong says why a folder must not import a path; "" when it may.
func wrong(folder, to string, test bool) string {
	from := slices.Index(rooms, strings.SplitN(folder, "/", 2)[0])
	if inside, ok := strings.CutPrefix(to, module); ok {
		target := slices.Index(rooms, strings.SplitN(inside, "/", 2)[0])
		if target >= 0 && target < from {
			return "imports point cmd → ui → collectors → provider"
		}
		if strings.HasPrefix(inside, "cmd/") && !strings.HasPrefix(inside, "cmd/internal/") {
			return "a command is nobody's library"
		}
		if !test && (strings.HasSuffix(to, "/ecitest") || strings.Contains(to, "/kubetest") || strings.HasSuffix(to, "/uitest")) &&
			!strings.HasPrefix(folder, "cmd/ecideck-lab") && !strings.HasPrefix(folder, "provider/kubetest") {
			return "it is for tests and the lab"
		}
	}
	for _, rule := range forbidden {
		if !strings.HasPrefix(folder+"/", rule.from) || rule.except != "" && strings.HasPrefix(folder+"/", rule.except+"/") {
			continue
		}
		if slices.ContainsFunc(allowed[rule.from], func(ok string) bool { return to == ok }) {
			continue
		}
		if slices.ContainsFunc(rule.to, func(bad string) bool { return strings.HasPrefix(to, bad) }) {
			return rule.why
		}
	}
	return ""
}

func TestWrong(t *testing.T) {
	tests := []struct {
		folder, to string
		test, ok   bool
	}{
		{"cmd/ecideck", module + "ui", false, true},
		{"ui/view", module + "collectors/fleet", false, true},
		{"collectors", module + "provider/eci", false, true},
		{"provider", module + "collectors", false, false},
		{"collectors", module + "ui", false, false},
		{"ui", module + "cmd/internal/setup", false, false},
		{"ui", module + "provider", false, false},
		{"ui", module + "provider/eci", false, true},
		{"ui/view", "k8s.io/client-go/kubernetes", false, false},
		{"collectors", "github.com/aliyun/alibaba-cloud-sdk-go/sdk", false, false},
		{"provider/eci", "github.com/aliyun/alibaba-cloud-sdk-go/sdk", false, true},
		{"collectors/fleet", "k8s.io/api/core/v1", false, false},
		{"collectors", module + "provider/eci/ecitest", false, false},
		{"collectors", module + "provider/eci/ecitest", true, true},
		{"cmd/ecideck-lab", module + "provider/eci/ecitest", false, true},
	}
	for _, test := range tests {
		if why := wrong(test.folder, test.to, test.test); (why == "") != test.ok {
			t.Errorf("%s imports %s: %q", test.folder, test.to, why)
		}
	}
}

// TestScreensCallNoCloud holds what imports cannot: ui may name a group's status, which is
// provider/eci's, but nothing of it that reaches the network.
func TestScreensCallNoCloud(t *testing.T) {
	err := filepath.WalkDir("../ui", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, call := range clientCalls {
			if strings.Contains(string(data), call) {
				t.Errorf("%s uses %s", path, strings.TrimSuffix(call, "("))
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
