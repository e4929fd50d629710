package placement

import "testing"

func TestTheBilledSizeIsKnownBeforeTheGroupExists(t *testing.T) {
	in := func(resources string) string {
		return "spec: {containers: [{name: main, image: x, resources: {" + resources + "}}]}"
	}
	for _, c := range []struct{ name, region, pod, want string }{
		{"nothing said", "cn-hangzhou", "", "2.0-4.0Gi"},
		{"requests", "cn-hangzhou", in("requests: {cpu: 100m, memory: 128Mi}"), "0.25-0.5Gi"},
		{"limits beat requests", "cn-hangzhou", in("limits: {cpu: 1, memory: 2Gi}, requests: {cpu: 8, memory: 32Gi}"), "1.0-2.0Gi"},
		{"rounded as the vendor's example", "cn-hangzhou", in("limits: {cpu: 7, memory: 13Gi}"), "8.0-14.0Gi"},
		{"a region without the fine sizes", "eu-west-1", in("limits: {cpu: 7, memory: 13Gi}"), "8.0-16.0Gi"},
		{"only memory said", "cn-hangzhou", in("limits: {memory: 8Gi}"), "2.0-8.0Gi"},
		{"one size named", "cn-hangzhou", "metadata: {annotations: {k8s.aliyun.com/eci-use-specs: 2-4Gi}}", "2.0-4.0Gi"},
		{"one machine named", "cn-hangzhou", "metadata: {annotations: {k8s.aliyun.com/eci-use-specs: ecs.c6.large}}", "ecs.c6.large"},
		{"several, of which stock decides", "cn-hangzhou", "metadata: {annotations: {k8s.aliyun.com/eci-use-specs: '2-4Gi,4-8Gi'}}", ""},
		{"sidecars are added, init containers are not", "cn-hangzhou", "spec: {containers: [{name: main, image: x, resources: {limits: {cpu: 1, memory: 2Gi}}}]," +
			" initContainers: [{name: i, image: x, resources: {limits: {cpu: 1500m, memory: 1Gi}}}, {name: s, image: x, restartPolicy: Always, resources: {limits: {cpu: 1, memory: 2Gi}}}]}", "2.0-4.0Gi"},
		{"an ignored container", "cn-hangzhou", "spec: {containers: [{name: main, image: x, resources: {limits: {cpu: 4, memory: 8Gi}}}," +
			" {name: agent, image: x, resources: {limits: {cpu: 250m, memory: 512Mi}}, env: [{name: __ECI_RESOURCE_IGNORE__, value: 'TRUE'}]}]}", "4.0-8.0Gi"},
	} {
		t.Run(c.name, func(t *testing.T) {
			size, refusal := SizeOf(pod(t, c.pod), c.region)
			if refusal != nil || size.Spec() != c.want {
				t.Errorf("got %q of %+v, %v", size.Spec(), size, refusal)
			}
		})
	}
}
