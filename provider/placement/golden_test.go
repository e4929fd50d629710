package placement

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
)

// goldens are what the pods of ../testdata/wire are told: refusals and events, their fields
// as the table writes them.
func goldens(t *testing.T) string {
	t.Helper()
	paths, err := filepath.Glob("../testdata/wire/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no goldens: %v", err)
	}
	position := regexp.MustCompile(`\[[0-9]+\]`)
	var said strings.Builder
	for _, path := range paths {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range archive.Files {
			if f.Name == "refused" || f.Name == "events" {
				said.WriteString(position.ReplaceAllString(string(f.Data), "[]"))
			}
		}
	}
	return said.String()
}

// shows tells that a golden says the reason of the field. An event may name more fields, and
// a field may end with which of its values is meant.
func shows(said, field, reason string) bool {
	words := strings.ReplaceAll(regexp.QuoteMeta(reason), "%s", ".*")
	return regexp.MustCompile(`(?m)(^|[ ])` + regexp.QuoteMeta(field) + `(\[[^],]*\])?(, [^:]*)?: ` + words).MatchString(said)
}

// TestEveryRuleHasAGolden holds that all that the table warns of or refuses is said of a pod
// of ../testdata/wire, so that nobody changes a rule without seeing what its users read.
func TestEveryRuleHasAGolden(t *testing.T) {
	said, ofContainers := goldens(t), map[string]bool{}
	for _, row := range theTable().rows {
		field := strings.TrimSuffix(row.path, "/**")
		below, init := strings.CutPrefix(field, "spec.initContainers[].")
		for _, rule := range row.rules {
			if name, ok := strings.CutPrefix(field, "spec.containers[]."); ok {
				ofContainers[name+" "+rule.reason] = true
			}
			// A refusal that containers have in the same words is shown with one of them.
			if init && rule.verdict == Refuses && ofContainers[below+" "+rule.reason] {
				continue
			}
			if !shows(said, field, rule.reason) {
				t.Errorf("no golden %s %s (%s): %s", rule.verdict, field, rule.values, rule.reason)
			}
		}
	}
	for _, row := range annotations() {
		if (row.idle != nil || row.refuse != nil) && !shows(said, "metadata.annotations["+row.key+"]", row.does) {
			t.Errorf("no golden shows %s: %s", row.key, row.does)
		}
	}
}

func TestARuleWithoutAGoldenIsFound(t *testing.T) {
	const said = "Ignored: spec.containers[].a, spec.containers[].b: no way\nspec.containers[].limits[x/y]: no x/y here; remove it\n"
	for _, c := range []struct {
		field, reason string
		want          bool
	}{
		{"spec.containers[].a", "no way", true}, {"spec.containers[].b", "no way", true}, {"spec.containers[].limits", "no %s here", true},
		{"spec.containers[].c", "no way", false}, {"spec.containers[].a", "another", false}, {"containers[].a", "no way", false},
	} {
		if got := shows(said, c.field, c.reason); got != c.want {
			t.Errorf("%s: %s: %v", c.field, c.reason, got)
		}
	}
}

// TestEveryAnnotationRefusesWhatItDoesNotTake holds that a mistyped value is never sent, nor
// left out without a word.
func TestEveryAnnotationRefusesWhatItDoesNotTake(t *testing.T) {
	free := map[string]bool{} // any text is a value
	for _, key := range []string{"eci-ram-role-name", "eci-resource-group-id", "eci-imc-id", "plain-http-registry", "insecure-registry", "eci-data-cache-bucket",
		"eci-ntp-server", "eci-eip-instanceid", "eip-common-bandwidth-package-id"} {
		free[prefix+key] = true
	}
	for _, row := range annotations() {
		if row.apply == nil || free[row.key] {
			continue
		}
		if findings := Check(pod(t, "metadata: {annotations: {"+row.key+": '='}}"), "cn-hangzhou"); First(findings) == nil {
			t.Errorf("%s: '=' is not refused: %+v", row.key, findings)
		}
	}
	for _, c := range []struct{ key, value string }{
		{"eci-vswitch", strings.Repeat("vsw-1,", 10) + "vsw-1"}, {"eci-vswitch", "subnet-1"}, {"eci-security-group", "sg-1,sg-2,sg-3,sg-4,sg-5,sg-6"}, {"eci-use-specs", strings.Repeat("1-2Gi,", 5) + "1-2Gi"}, {"eci-use-specs", "ecs"},
		{"eci-private-ip-address", "fe80::1"}, {"eci-extra-ephemeral-storage", "6000Gi"}, {"eci-custom-tags", "a:1,b:2,c:3,d:4"}, {"eci-custom-tags", "a"},
		{"eci-custom-hosts", `[{"host":"a","ip":"b"}]`}, {"eci-custom-hosts", `[{"host":"","ip":"1.2.3.4"}]`}, {"eci-host-sysctls", `[{"name":"a"}]`}, {"eci-host-sysctls", "[]"},
		{"eci-custom-dnsconfig", `{"nameservers":"1.1.1.1,1.1.1.2,1.1.1.3"}`}, {"eci-custom-dnsconfig", `{"nameservers":"a"}`}, {"eci-custom-dnsconfig", `{"searches":"a"}`},
		{"eci-max-pending-minute", "9"}, {"eci-max-pending-minute", "1441"}, {"eci-spot-duration", "2"}, {"eci-spot-price-limit", "0.1234"}, {"eci-cpu-option-ht", "3"},
		{"eci-compute-category", "economy,cheap"}, {"acr-instance-ids", "cri-1,x"}, {"acr-service-arns", "acs:ram::1:role/a"}, {"eci-core-pattern", "core"},
	} {
		if First(Check(pod(t, "metadata: {annotations: {"+prefix+c.key+": '"+c.value+"'}}"), "cn-hangzhou")) == nil {
			t.Errorf("%s%s: %s is not refused", prefix, c.key, c.value)
		}
	}
}
