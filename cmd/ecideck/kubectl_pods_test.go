package main

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/ecideck/ecideck/provider/eci"
)

// podChecks are about what a pod can be and what is seen of it.
func podChecks() []check {
	return []check{
		{"describe tells of a pod and of the node what a kubelet would", describes},
		{"top measures pods, their containers and the node", tops},
		{"restartPolicy OnFailure starts a container again until it succeeds or fails for good", restartsOnFailure},
		{"init containers run in order before the pod, and a sidecar does not keep a Job from ending", runsInits},
	}
}

func describes(x *tenant) {
	x.apply(twoContainers)
	x.untilReady("two")
	x.eventually(20*slack*time.Second, "the pod's events are told", func() (bool, string) {
		out := x.do("describe", "pod", "two")
		for _, want := range []string{"Successfully assigned", "Pulling image", "Successfully pulled image", "Created container", "Started container"} {
			if !strings.Contains(out, want) {
				return false, "no " + want + " in\n" + out
			}
		}
		return true, ""
	})
	x.contains(x.do("describe", "pod", "two"), "Status:           Running", "Container ID:   eci://", "Ready                       True", "k8s.aliyun.com/eci-instance-id", "IP:               172.")
	x.contains(x.do("describe", "node", x.node), "type=virtual-kubelet", "virtual-kubelet.io/provider=alibabacloud:NoSchedule", "HolderIdentity:  "+x.node, "VirtualNodeReady", "CloudAPIAnswers",
		"Container Runtime Version:", "Kubelet Version:", x.namespace, "Allocated resources")
	x.contains(x.do("get", "pod", "two", "-o", "wide"), "2/2", "Running", x.node)
}

func tops(x *tenant) {
	x.apply(twoContainers)
	x.untilReady("two")
	x.eventually(60*slack*time.Second, "kubectl top knows both containers", func() (bool, string) {
		out, code := x.try("top", "pod", "two", "--containers", "--no-headers")
		return code == 0 && strings.Contains(out, "web") && strings.Contains(out, "side"), out
	})
	if out := x.do("top", "pod", "-l", "app=two", "--no-headers"); !strings.HasPrefix(out, "two ") || strings.Contains(out, " 0m ") {
		x.t.Errorf("top pod says\n%s", out)
	}
	if out := x.do("top", "node", x.node, "--no-headers"); !strings.HasPrefix(out, x.node) || strings.Contains(out, "unknown") {
		x.t.Errorf("top node says\n%s", out)
	}
}

func restartsOnFailure(x *tenant) {
	x.apply(`
apiVersion: v1
kind: Pod
metadata: {name: again, namespace: NAMESPACE}
spec: {ECI, restartPolicy: OnFailure, containers: [{name: main, image: lab/crashloop, env: [{name: SECONDS, value: "0.5"}, {name: EXIT_CODE, value: "9"}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: once, namespace: NAMESPACE}
spec: {ECI, restartPolicy: OnFailure, containers: [{name: main, image: lab/job, env: [{name: SECONDS, value: "1"}]}]}
`)
	pod := x.until("again", "was started again", func(pod *corev1.Pod) bool {
		return len(pod.Status.ContainerStatuses) == 1 && pod.Status.ContainerStatuses[0].RestartCount >= 1 && pod.Status.Phase == corev1.PodRunning
	})
	if end := pod.Status.ContainerStatuses[0].LastTerminationState.Terminated; end == nil || end.ExitCode != 9 {
		x.t.Errorf("last state %+v", pod.Status.ContainerStatuses[0].LastTerminationState)
	}
	pod = x.until("once", "succeeded", func(pod *corev1.Pod) bool { return pod.Status.Phase == corev1.PodSucceeded })
	if pod.Status.ContainerStatuses[0].RestartCount != 0 {
		x.t.Errorf("a success was started again: %+v", pod.Status.ContainerStatuses)
	}
	x.contains(x.do("get", "pod", "again"), "again")
}

func runsInits(x *tenant) {
	x.apply(`
apiVersion: batch/v1
kind: Job
metadata: {name: work, namespace: NAMESPACE}
spec:
  template:
    spec:
      restartPolicy: Never
      nodeSelector: {type: virtual-kubelet}
      tolerations: [{key: virtual-kubelet.io/provider, operator: Exists}]
      initContainers:
      - {name: first, image: lab/job, env: [{name: SECONDS, value: "2"}]}
      - {name: second, image: lab/job, env: [{name: SECONDS, value: "10"}]} # kubectl has to see it run
      - {name: helper, image: lab/chatter, restartPolicy: Always}
      containers:
      - {name: main, image: lab/job, env: [{name: SECONDS, value: "3"}]}
`)
	var name string
	x.eventually(20*slack*time.Second, "the Job has its pod", func() (bool, string) {
		pods := x.list("job-name=work")
		if len(pods) > 0 {
			name = pods[0].Name
		}
		return len(pods) == 1, fmt.Sprint(len(pods))
	})
	pod := x.until(name, "works on its second init container", func(pod *corev1.Pod) bool {
		return len(pod.Status.InitContainerStatuses) == 3 && pod.Status.InitContainerStatuses[1].State.Running != nil
	})
	if first := pod.Status.InitContainerStatuses[0].State.Terminated; first == nil || first.ExitCode != 0 {
		x.t.Errorf("the first init container is %+v", pod.Status.InitContainerStatuses[0].State)
	}
	if w := pod.Status.ContainerStatuses[0].State.Waiting; w == nil || w.Reason != "PodInitializing" || pod.Status.Phase != corev1.PodPending {
		x.t.Errorf("the pod is %s, its container waits for %+v", pod.Status.Phase, w)
	}
	x.contains(x.do("get", "pod", name), "Init:1/3")
	x.do("wait", "--for=condition=Complete", "job/work", fmt.Sprintf("--timeout=%ds", 60*slack))
	pod = x.get(name)
	if end := pod.Status.InitContainerStatuses[2].State.Terminated; end == nil || pod.Status.Phase != corev1.PodSucceeded {
		x.t.Errorf("the pod is %s, its sidecar %+v", pod.Status.Phase, pod.Status.InitContainerStatuses[2].State)
	}
	x.contains(x.do("logs", name, "-c", "first"), "done, exit code 0")
	x.contains(x.do("logs", name, "-c", "helper", "--tail=1"), "done, exit code 0")
}

// survivesTheAPIServer needs the lab for itself.
func survivesTheAPIServer(x *tenant) {
	x.apply(`
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: NAMESPACE}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {ECI, containers: [{name: web, image: lab/serve}]}
---
apiVersion: v1
kind: Pod
metadata: {name: job, namespace: NAMESPACE}
spec: {ECI, restartPolicy: Never, containers: [{name: main, image: lab/job, env: [{name: SECONDS, value: "4"}]}]}
`)
	x.do("rollout", "status", "deployment/web", fmt.Sprintf("--timeout=%ds", 60*slack))
	before := map[string]string{}
	for _, pod := range x.list("app=web") {
		before[pod.Name] = pod.Annotations[eci.AnnotationInstanceID]
	}
	if err := x.lab.Kill("apiserver"); err != nil {
		x.t.Fatal(err)
	}
	// While nobody can be told, the job ends.
	x.eventually(30*slack*time.Second, "the job's group ends", func() (bool, string) {
		return len(x.groups()) == 3, fmt.Sprint(len(x.groups()))
	})
	if err := x.lab.StartPart("apiserver"); err != nil {
		x.t.Fatal(err)
	}
	x.eventually(60*slack*time.Second, "the API server answers", func() (bool, string) {
		out, code := x.try("get", "--raw=/readyz")
		return code == 0, out
	})
	x.until("job", "succeeded", func(pod *corev1.Pod) bool { return pod.Status.Phase == corev1.PodSucceeded })
	x.do("scale", "deployment/web", "--replicas=4")
	x.do("rollout", "status", "deployment/web", fmt.Sprintf("--timeout=%ds", 60*slack))
	for _, pod := range x.list("app=web") {
		if group, old := before[pod.Name]; old && pod.Annotations[eci.AnnotationInstanceID] != group {
			x.t.Errorf("pod %s had the group %s and has %s", pod.Name, group, pod.Annotations[eci.AnnotationInstanceID])
		}
		delete(before, pod.Name)
	}
	if len(before) > 0 || len(x.groups()) != 4 {
		x.t.Errorf("pods %v are gone, %d groups run", before, len(x.groups()))
	}
}
