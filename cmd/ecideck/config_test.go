package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestConfigSaysWhatIsInForceAndWhereFrom(t *testing.T) {
	newLab(t)
	folder := t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", folder)
	file := filepath.Join(folder, "ecideck", "config.yaml")
	settings := func(args ...string) (map[string]settingItem, int, string) {
		t.Helper()
		code, out, errs := ecideck(t, append([]string{"config", "-o", "json"}, args...)...)
		var list struct{ Items []settingItem }
		if err := json.Unmarshal([]byte(out), &list); err != nil {
			t.Fatalf("%v in %s", err, out)
		}
		found := map[string]settingItem{}
		for _, s := range list.Items {
			found[s.Name] = s
		}
		return found, code, errs
	}
	is := func(found map[string]settingItem, name, value, from string) {
		t.Helper()
		s := found[name]
		if got := ""; s.Value != nil {
			got = *s.Value
			if got != value || !strings.Contains(s.From, from) {
				t.Errorf("%s is %q from %q, want %q from %q", name, got, s.From, value, from)
			}
		} else if value != "" {
			t.Errorf("%s is null from %q, want %q", name, s.From, value)
		}
	}

	found, code, _ := settings()
	if code != 0 {
		t.Errorf("exit code %d", code)
	}
	is(found, "region", "cn-hangzhou", "ECIDECK_REGION")
	is(found, "context", "lab", "kubeconfig")
	is(found, "namespace", "shop", "kubeconfig")
	is(found, "credentials", "access key of the environment", "chain")
	is(found, "config file", file, "there is none")
	is(found, "prices.site", "china", "default")
	is(found, "prices.perVCPU", "", "default")

	found, _, _ = settings("--region", "cn-shanghai", "-n", "batch")
	is(found, "region", "cn-shanghai", "--region")
	is(found, "namespace", "batch", "--namespace")

	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("prices: {site: international, discount: 0.85, nodes: [{name: 'rack-*', perHour: 0.25 EUR}]}\n")
	found, _, _ = settings()
	is(found, "prices.site", "international", "config file")
	is(found, "prices.discount", "0.85", "config file")
	is(found, "prices.nodes rack-*", "0.25 EUR/h", "config file")

	write("prices: {discount: 7}\n")
	found, code, errs := settings()
	if code != 1 || !strings.Contains(errs, "discount: 7") {
		t.Errorf("a wrong file: exit code %d, %s", code, errs)
	}
	is(found, "region", "cn-hangzhou", "ECIDECK_REGION") // what is known without it

	for _, secret := range []string{"ALIBABA_CLOUD_ACCESS_KEY_SECRET", "ALIBABA_CLOUD_ACCESS_KEY_ID"} {
		if _, out, _ := ecideck(t, "config"); strings.Contains(out, os.Getenv(secret)) {
			t.Errorf("it prints %s", secret)
		}
	}
}
