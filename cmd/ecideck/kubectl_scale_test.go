package main

import (
	"fmt"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// scaleChecks are about autoscaling.
func scaleChecks() []check {
	return []check{{"a HorizontalPodAutoscaler follows the load up and down", autoscales}}
}

func autoscales(x *tenant) {
	x.apply(`
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: NAMESPACE}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {ECI, containers: [{name: web, image: lab/serve, env: [{name: LOAD, value: "0.3"}], resources: {requests: {cpu: "1", memory: 2Gi}}}]}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web, namespace: NAMESPACE}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  minReplicas: 1
  maxReplicas: 3
  metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 30}}}]
  behavior: {scaleDown: {stabilizationWindowSeconds: 0}}
`)
	x.do("rollout", "status", "deployment/web")
	begin := time.Now()
	replicas := func(what string, want int) {
		x.t.Helper()
		x.eventually(75*slack*time.Second, what, func() (bool, string) {
			hpa, err := x.client.AutoscalingV2().HorizontalPodAutoscalers(x.namespace).Get(x.t.Context(), "web", metav1.GetOptions{})
			if err != nil {
				return false, err.Error()
			}
			return len(x.groups()) == want && int(hpa.Status.CurrentReplicas) == want, fmt.Sprintf("%d groups, %s", len(x.groups()), said(hpa))
		})
	}
	x.load("0.95")
	replicas("three pods under load", 3)
	x.load("0.05")
	replicas("one pod without load", 1)
	x.t.Logf("up and down took %.1f s", time.Since(begin).Seconds())
	x.tells("hpa", "web", "SuccessfulRescale", "cpu resource utilization (percentage of request) above target", "All metrics below target")
}

// load changes what the tenant's pods use of their CPU.
func (x *tenant) load(share string) {
	x.t.Helper()
	if err := x.lab.Access.SetLoad(x.t.Context(), x.namespace, "web-*", share); err != nil {
		x.t.Fatal(err)
	}
}

// said is what an autoscaler says of itself.
func said(hpa *autoscalingv2.HorizontalPodAutoscaler) string {
	text := ""
	for _, c := range hpa.Status.Conditions {
		text += fmt.Sprintf("%s=%s %s; ", c.Type, c.Status, c.Message)
	}
	return text
}
