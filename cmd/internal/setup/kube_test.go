package setup

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"k8s.io/cli-runtime/pkg/genericclioptions"
)

// TestACommandMeansThisClusterInAnyShell: whatever is current there.
func TestACommandMeansThisClusterInAnyShell(t *testing.T) {
	folder := t.TempDir()
	write := func(name string) string {
		path := filepath.Join(folder, name)
		text := `{"apiVersion":"v1","kind":"Config","current-context":"one","clusters":[{"name":"c","cluster":{"server":"http://localhost:1"}}],"contexts":[{"name":"one","context":{"cluster":"c"}},{"name":"the other's","context":{"cluster":"c"}}]}`
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	plain, spaced := write("config"), write("my config")
	for _, c := range []struct {
		name, env string
		set       func(*genericclioptions.ConfigFlags)
		want      string
	}{
		{"the current context", plain, func(*genericclioptions.ConfigFlags) {}, "kubectl --kubeconfig " + plain + " --context one"},
		{"flags", "", func(f *genericclioptions.ConfigFlags) {
			*f.KubeConfig, *f.Context, *f.Impersonate, *f.BearerToken = spaced, "the other's", "eve", "secret"
		},
			"kubectl --kubeconfig '" + spaced + `' --context 'the other'\''s' --as eve`},
		{"several files", plain + string(filepath.ListSeparator) + spaced, func(*genericclioptions.ConfigFlags) {}, "kubectl --context one"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv("KUBECONFIG", c.env)
			flags := genericclioptions.NewConfigFlags(true)
			c.set(flags)
			kube, err := NewKube(flags)
			if err != nil {
				t.Fatal(err)
			}
			if got := kube.Command("kubectl"); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
	t.Run("a relative file", func(t *testing.T) {
		t.Chdir(folder)
		t.Setenv("KUBECONFIG", "config")
		kube, err := NewKube(genericclioptions.NewConfigFlags(true))
		if err != nil {
			t.Fatal(err)
		}
		here, err := os.Getwd()
		if err != nil {
			t.Fatal(err)
		}
		if got, want := kube.Command("ecideck"), fmt.Sprintf("ecideck --kubeconfig %s/config --context one", here); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	})
}
