package provider

import (
	"go/ast"
	"go/parser"
	gotoken "go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// A suite is what the tests of one folder are called: functions, and the texts in them, which
// name subtests.
type suite struct{ functions, texts map[string]bool }

// suites reads the tests of the whole repository.
func suites(t *testing.T) map[string]suite {
	t.Helper()
	all := map[string]suite{}
	err := filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && (entry.Name() == "testdata" || path != ".." && strings.HasPrefix(entry.Name(), ".")) {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(gotoken.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		s, ok := all[filepath.Dir(path)]
		if !ok {
			s = suite{map[string]bool{}, map[string]bool{}}
			all[filepath.Dir(path)] = s
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				if n.Recv == nil {
					s.functions[n.Name.Name] = true
				}
			case *ast.BasicLit:
				if text, err := strconv.Unquote(n.Value); err == nil && n.Kind == gotoken.STRING {
					s.texts[text] = true
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// missing are the tests of a line of TRAPS.md that do not exist; none: it names no test.
func missingTests(line string, all map[string]suite) (missing []string, none bool) {
	named := regexp.MustCompile("`(Test[^`]+)`").FindAllStringSubmatch(line, -1)
	for _, match := range named {
		function, text, below := strings.Cut(match[1], "/")
		found := false
		for _, s := range all {
			found = found || s.functions[function] && (!below || s.texts[text])
		}
		if !found {
			missing = append(missing, match[1])
		}
	}
	return missing, len(named) == 0
}

func TestEveryTrapIsHeldByATest(t *testing.T) {
	raw, err := os.ReadFile("TRAPS.md")
	if err != nil {
		t.Fatal(err)
	}
	all := suites(t)
	want := map[string]int{"Virtual Kubelet's traps": 17, "The provider of 2020": 29, "Bad days": 22}
	section, n := "", 0
	check := func() {
		if section != "" && n != want[section] {
			t.Errorf("%s: %d lines, want %d", section, n, want[section])
		}
	}
	for line := range strings.Lines(string(raw)) {
		if title, ok := strings.CutPrefix(strings.TrimSpace(line), "## "); ok {
			check()
			section, n = title, 0
			continue
		}
		number, _, _ := strings.Cut(strings.TrimPrefix(line, "| "), " |")
		if _, err := strconv.Atoi(number); err != nil {
			continue
		}
		if n++; number != strconv.Itoa(n) {
			t.Errorf("%s: line %d has the number %s", section, n, number)
		}
		missing, none := missingTests(line, all)
		if none {
			t.Errorf("%s, %d: no test is named", section, n)
		}
		for _, name := range missing {
			t.Errorf("%s, %d: there is no test %s", section, n, name)
		}
	}
	check()
	if section != "Bad days" {
		t.Errorf("the last list is %q", section)
	}
}

func TestATestThatDoesNotExistIsFound(t *testing.T) {
	all := map[string]suite{"a": {map[string]bool{"TestA": true}, map[string]bool{"one": true}}, "b": {map[string]bool{"TestB": true}, map[string]bool{"two": true}}}
	for line, want := range map[string]string{
		"| 1 | x | `TestA` `TestB/two` |": "",
		"| 1 | x | `TestC` |":             "TestC",
		"| 1 | x | `TestA/two` |":         "TestA/two",
		"| 1 | x | nothing |":             "none",
	} {
		missing, none := missingTests(line, all)
		got := strings.Join(missing, " ")
		if none {
			got = "none"
		}
		if got != want {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
}
