package placement

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const aProfile = `[
 {"name":"cache","objectSelector":{"matchLabels":{"app":"x"}},"effect":{"annotations":{"k8s.aliyun.com/eci-auto-imc":"true","k8s.aliyun.com/eci-ntp-server":"1.2.3.4"},"labels":{"created-by-eci":"true"}}},
 {"name":"namespace","namespaceSelector":{"matchLabels":{"eci":"true","team":"a"}},"effect":{"annotations":{"k8s.aliyun.com/eci-ntp-server":"5.6.7.8"}}},
 {"name":"placed","objectSelector":{"matchExpressions":[{"key":"app","operator":"In","values":["z"]}]}}]`

func TestAProfileAddsWhatThePodDoesNotSay(t *testing.T) {
	profile, err := ParseProfile(map[string]string{"vSwitchIds": "vsw-a, vsw-b", "securityGroupId": "sg-1", "resourceGroupId": "", "vpcId": "vpc-1",
		"enableClusterIp": "true", "enableHybridMode": "false", "featureGates": "WaitForFirstConsumer=false", "selectors": aProfile})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"vsw-a", "vsw-b"}, profile.VSwitchIDs); diff != "" || profile.SecurityGroupID != "sg-1" || !profile.ByNamespace() {
		t.Errorf("%s %+v", diff, profile)
	}
	if diff := cmp.Diff([]string{"enableClusterIp=true", "featureGates=WaitForFirstConsumer=false"}, profile.Ignored); diff != "" {
		t.Error(diff)
	}
	both := map[string]string{"eci": "true", "team": "a"}
	for _, c := range []struct {
		name, pod   string
		namespace   map[string]string
		selectors   []string
		annotations map[string]string
		labels      map[string]string
	}{
		{name: "a pod that nothing matches stays as it is", pod: "", namespace: map[string]string{"eci": "true"}},
		{name: "by the pod's label", pod: "metadata: {labels: {app: x}}", selectors: []string{"cache"},
			annotations: map[string]string{"k8s.aliyun.com/eci-auto-imc": "true", "k8s.aliyun.com/eci-ntp-server": "1.2.3.4"}, labels: map[string]string{"app": "x", "created-by-eci": "true"}},
		{name: "the pod's own value wins, an empty one too", pod: "metadata: {labels: {app: x, created-by-eci: me}, annotations: {k8s.aliyun.com/eci-auto-imc: ''}}", selectors: []string{"cache"},
			annotations: map[string]string{"k8s.aliyun.com/eci-auto-imc": "", "k8s.aliyun.com/eci-ntp-server": "1.2.3.4"}, labels: map[string]string{"app": "x", "created-by-eci": "me"}},
		{name: "all labels of the namespace", pod: "", namespace: both, selectors: []string{"namespace"}, annotations: map[string]string{"k8s.aliyun.com/eci-ntp-server": "5.6.7.8"}},
		{name: "the first selector wins", pod: "metadata: {labels: {app: x}}", namespace: both, selectors: []string{"cache", "namespace"},
			annotations: map[string]string{"k8s.aliyun.com/eci-auto-imc": "true", "k8s.aliyun.com/eci-ntp-server": "1.2.3.4"}, labels: map[string]string{"app": "x", "created-by-eci": "true"}},
		{name: "one without an effect only places", pod: "metadata: {labels: {app: z}}", selectors: []string{"placed"}, labels: map[string]string{"app": "z"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := pod(t, c.pod)
			before := p.DeepCopy()
			got := profile.Apply(p, c.namespace)
			for _, diff := range []string{cmp.Diff(before, p), cmp.Diff(c.annotations, got.Annotations), cmp.Diff(c.labels, got.Labels), cmp.Diff(c.selectors, profile.Selectors(p, c.namespace))} {
				if diff != "" {
					t.Error(diff)
				}
			}
		})
	}
}

func TestABrokenProfileSaysWhatIsBroken(t *testing.T) {
	for _, c := range []struct{ key, value, want string }{
		{"vSwitchIds", "subnet-1", `"subnet-1" is no vSwitch`},
		{"vSwitchIds", strings.Repeat("vsw-1,", 10) + "vsw-1", "these are 11"},
		{"securityGroupId", "1", "no security group"},
		{"enableClusterIp", "yes", "neither true nor false"},
		{"vswitchIds", "vsw-1", "no such setting"},
		{"selectors", `{"name":"x"}`, "not a JSON list"},
		{"selectors", `[{"name":"x","objectSelectors":{}}]`, "objectSelectors"},
		{"selectors", `[{"name":"x","objectSelector":{}}] []`, "follows"},
		{"selectors", `[{"objectSelector":{}}]`, "position 1 has no name"},
		{"selectors", `[{"name":"x","objectSelector":{}},{"name":"x","objectSelector":{}}]`, "two selectors"},
		{"selectors", `[{"name":"x"}]`, "selects nothing"},
		{"selectors", `[{"name":"x","objectSelector":{"matchExpressions":[{"key":"a","operator":"Like"}]}}]`, "Like"},
		{"selectors", `[{"name":"x","objectSelector":{},"effect":{"annotations":{"k8s.aliyun.com/eci-spot-strategy":"Cheap"}}}]`, "SpotAsPriceGo"},
	} {
		t.Run(c.want, func(t *testing.T) {
			if _, err := ParseProfile(map[string]string{c.key: c.value}); err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), c.key) {
				t.Errorf("got %v", err)
			}
		})
	}
}
