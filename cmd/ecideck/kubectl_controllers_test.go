package main

import (
	"fmt"
	"strconv"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/ecideck/ecideck/provider/eci"
)

// controllerChecks are about Kubernetes' own controllers on the virtual node.
func controllerChecks() []check {
	return []check{
		{"a rolling update without a gap, and its undo", rollsOut},
		{"a StatefulSet starts and ends in order, and a pod of the same name is a new group", ordersAStatefulSet},
		{"Jobs complete in parallel", completesJobs},
		{"a Job that fails gives up after its limit with the exit code seen", failsJobs},
		{"a CronJob is started by hand", startsACronJob},
		{"ten pods of a Deployment that can't run stay ten and say why", refusesADeployment},
		{"pods and Jobs that can't run fail with a reason", refusesPods},
	}
}

func rollsOut(x *tenant) {
	x.apply(`
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: NAMESPACE}
spec:
  replicas: 3
  strategy: {rollingUpdate: {maxUnavailable: 0, maxSurge: 1}}
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {ECI, containers: [{name: web, image: "lab/serve:1"}]}
`)
	limit := "--timeout=" + strconv.Itoa(60*slack) + "s"
	x.do("rollout", "status", "deployment/web", limit)
	// Every state that the API server ever had comes through a watch.
	watcher, err := x.client.AppsV1().Deployments(x.namespace).Watch(x.t.Context(), metav1.ListOptions{})
	if err != nil {
		x.t.Fatal(err)
	}
	least := make(chan int32, 1)
	go func() {
		lowest := int32(3)
		for event := range watcher.ResultChan() {
			if d, ok := event.Object.(*appsv1.Deployment); ok && event.Type == watch.Modified {
				lowest = min(lowest, d.Status.AvailableReplicas)
			}
		}
		least <- lowest
	}()
	image := func() string {
		return x.do("get", "pods", "-l", "app=web", "--field-selector=status.phase=Running", "-o", "jsonpath={.items[*].spec.containers[0].image}")
	}
	x.do("set", "image", "deployment/web", "web=lab/serve:2")
	x.do("rollout", "status", "deployment/web", limit)
	settled := func(want string) {
		x.eventually(20*slack*time.Second, "only "+want+" runs", func() (bool, string) {
			got := image()
			return got == want+" "+want+" "+want, got
		})
	}
	settled("lab/serve:2")
	x.do("rollout", "undo", "deployment/web")
	x.do("rollout", "status", "deployment/web", limit)
	settled("lab/serve:1")
	watcher.Stop()
	if lowest := <-least; lowest < 3 {
		x.t.Errorf("only %d pods were available for a while, want 3 always", lowest)
	}
	x.eventually(20*slack*time.Second, "three groups are left", func() (bool, string) {
		return len(x.groups()) == 3, fmt.Sprint(x.groups())
	})
}

func ordersAStatefulSet(x *tenant) {
	x.apply(`
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db, namespace: NAMESPACE}
spec:
  serviceName: db
  replicas: 3
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {ECI, containers: [{name: db, image: lab/serve}]}
`)
	x.do("rollout", "status", "statefulset/db", "--timeout="+strconv.Itoa(60*slack)+"s")
	var before *corev1.Pod
	for i, pod := range x.list("app=db") {
		if want := "db-" + strconv.Itoa(i); pod.Name != want {
			x.t.Errorf("pod %d is %s, want %s", i, pod.Name, want)
		}
		ready := readySince(&pod)
		if before != nil && pod.CreationTimestamp.Time.Before(readySince(before).Truncate(time.Second)) {
			x.t.Errorf("%s was made before %s was ready", pod.Name, before.Name)
		}
		if ready.IsZero() {
			x.t.Errorf("%s is not ready", pod.Name)
		}
		before = &pod
	}
	first := x.get("db-1")
	x.do("delete", "pod", "db-1")
	second := x.until("db-1", "is another and ready", func(pod *corev1.Pod) bool { return pod.UID != first.UID && isReady(pod) })
	if a, b := first.Annotations[eci.AnnotationInstanceID], second.Annotations[eci.AnnotationInstanceID]; a == "" || b == "" || a == b {
		x.t.Errorf("groups %q and %q, want two", a, b)
	}
	x.do("scale", "statefulset/db", "--replicas=1")
	x.eventually(30*slack*time.Second, "db-0 is left, and one group", func() (bool, string) {
		pods := x.list("app=db")
		if len(pods) == 2 && pods[1].Name == "db-2" && pods[1].DeletionTimestamp == nil && x.get("db-1") == nil {
			x.t.Error("db-1 went before db-2")
		}
		return len(pods) == 1 && pods[0].Name == "db-0" && len(x.groups()) == 1, fmt.Sprint(len(pods), x.groups())
	})
}

func readySince(pod *corev1.Pod) time.Time {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue {
			return c.LastTransitionTime.Time
		}
	}
	return time.Time{}
}

// job is a manifest of a Job with further fields of its spec and its container's environment.
func job(name, spec, env string) string {
	return `
apiVersion: batch/v1
kind: Job
metadata: {name: ` + name + `, namespace: NAMESPACE}
spec:
  ` + spec + `
  template:
    spec: {ECI, restartPolicy: Never, containers: [{name: main, image: lab/job, env: [` + env + `]}]}
`
}

func (x *tenant) job(name string) *batchv1.Job {
	x.t.Helper()
	j, err := x.client.BatchV1().Jobs(x.namespace).Get(x.t.Context(), name, metav1.GetOptions{})
	if err != nil {
		x.t.Fatal(err)
	}
	return j
}

func completesJobs(x *tenant) {
	x.apply(job("many", "completions: 4\n  parallelism: 2", `{name: SECONDS, value: "1"}`))
	x.eventually(60*slack*time.Second, "four are done", func() (bool, string) {
		if running := len(x.groups()); running > 2 {
			x.t.Errorf("%d groups at once, want two", running)
		}
		j := x.job("many")
		return j.Status.Succeeded == 4, fmt.Sprintf("%+v", j.Status)
	})
	x.do("wait", "--for=condition=Complete", "job/many")
	for _, pod := range x.list("job-name=many") {
		if end := pod.Status.ContainerStatuses[0].State.Terminated; end == nil || end.ExitCode != 0 || end.Reason != "Completed" || pod.Status.Phase != corev1.PodSucceeded {
			x.t.Errorf("%s ended as %s %+v", pod.Name, pod.Status.Phase, end)
		}
	}
}

func failsJobs(x *tenant) {
	x.apply(job("fails", "backoffLimit: 1", `{name: SECONDS, value: "1"}, {name: EXIT_CODE, value: "42"}`))
	x.do("wait", "--for=condition=Failed", "job/fails", "--timeout="+strconv.Itoa(60*slack)+"s")
	x.tells("job", "fails", "BackoffLimitExceeded")
	pods := x.list("job-name=fails")
	if len(pods) != 2 {
		x.t.Errorf("%d pods, want the first and one more", len(pods))
	}
	for _, pod := range pods {
		if end := pod.Status.ContainerStatuses[0].State.Terminated; pod.Status.Phase != corev1.PodFailed || end == nil || end.ExitCode != 42 {
			x.t.Errorf("%s ended as %s %+v, want exit code 42", pod.Name, pod.Status.Phase, end)
		}
	}
}

func startsACronJob(x *tenant) {
	x.apply(`
apiVersion: batch/v1
kind: CronJob
metadata: {name: report, namespace: NAMESPACE}
spec:
  schedule: "0 0 1 1 *"
  jobTemplate:
    spec:
      template:
        spec: {ECI, restartPolicy: Never, containers: [{name: main, image: lab/job, env: [{name: SECONDS, value: "1"}]}]}
`)
	x.do("create", "job", "now", "--from=cronjob/report")
	x.do("wait", "--for=condition=Complete", "job/now", "--timeout="+strconv.Itoa(60*slack)+"s")
	x.contains(x.do("logs", "job/now"), "done, exit code 0")
}

func refusesADeployment(x *tenant) {
	x.apply(`
apiVersion: apps/v1
kind: Deployment
metadata: {name: cant, namespace: NAMESPACE}
spec:
  replicas: 10
  selector: {matchLabels: {app: cant}}
  template:
    metadata: {labels: {app: cant}}
    spec: {ECI, hostNetwork: true, containers: [{name: main, image: lab/serve}]}
`)
	made := map[string]bool{}
	watcher, err := x.client.CoreV1().Pods(x.namespace).Watch(x.t.Context(), metav1.ListOptions{})
	if err != nil {
		x.t.Fatal(err)
	}
	defer watcher.Stop()
	over := time.NewTimer(15 * time.Second)
	defer over.Stop()
	for watching := true; watching; {
		select {
		case event := <-watcher.ResultChan():
			if pod, ok := event.Object.(*corev1.Pod); ok {
				made[string(pod.UID)] = true
			}
		case <-over.C:
			watching = false
		}
	}
	if len(made) != 10 {
		x.t.Errorf("%d pods were made in 15s, want 10", len(made))
	}
	for _, pod := range x.list("app=cant") {
		if pod.Status.Phase != corev1.PodPending || pod.Status.Reason != "NotSupported" {
			x.t.Errorf("%s is %s for %q, want Pending for NotSupported", pod.Name, pod.Status.Phase, pod.Status.Reason)
		}
		if w := pod.Status.ContainerStatuses[0].State.Waiting; w == nil || w.Reason != "NotSupported" {
			x.t.Errorf("%s waits for %+v", pod.Name, w)
		}
	}
	x.contains(x.do("get", "events"), "NotSupported", "spec.hostNetwork")
	if len(x.groups()) != 0 {
		x.t.Errorf("groups %v", x.groups())
	}
}

func refusesPods(x *tenant) {
	x.apply(`
apiVersion: v1
kind: Pod
metadata: {name: bare, namespace: NAMESPACE}
spec: {ECI, hostNetwork: true, containers: [{name: main, image: lab/job}]}
---
apiVersion: batch/v1
kind: Job
metadata: {name: work, namespace: NAMESPACE}
spec:
  backoffLimit: 0
  template:
    spec: {ECI, restartPolicy: Never, hostNetwork: true, containers: [{name: main, image: lab/job}]}
`)
	pod := x.until("bare", "is Failed", func(pod *corev1.Pod) bool { return pod.Status.Phase == corev1.PodFailed })
	if pod.Status.Reason != "NotSupported" || pod.Status.Message == "" {
		x.t.Errorf("reason %q, message %q", pod.Status.Reason, pod.Status.Message)
	}
	x.tells("pod", "bare", "Status:           Failed", "NotSupported", "spec.hostNetwork", "keep the pod on real nodes")
	x.do("wait", "--for=condition=Failed", "job/work", "--timeout="+strconv.Itoa(30*slack)+"s")
}
