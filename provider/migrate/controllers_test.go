package migrate

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// What a world has besides one ReplicaSet: the controllers of the other kinds of workloads,
// as far as the strategies depend on what they do.

var (
	deploymentsResource = appsv1.SchemeGroupVersion.WithResource("deployments")
	setsResource        = appsv1.SchemeGroupVersion.WithResource("replicasets")
	statefulResource    = appsv1.SchemeGroupVersion.WithResource("statefulsets")
	jobsResource        = batchv1.SchemeGroupVersion.WithResource("jobs")
	cronJobsResource    = batchv1.SchemeGroupVersion.WithResource("cronjobs")
	policiesResource    = admissionv1.SchemeGroupVersion.WithResource("mutatingadmissionpolicies")
	bindingsResource    = admissionv1.SchemeGroupVersion.WithResource("mutatingadmissionpolicybindings")
)

func podTemplate(app string) corev1.PodTemplateSpec {
	return corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": app}}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: app, Image: "r.example.com/" + app + ":1",
		Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{"cpu": resource.MustParse("1"), "memory": resource.MustParse("2Gi")}}}}}}
}

func hashOf(v any) string {
	raw, _ := json.Marshal(v)
	h := fnv.New32a()
	_, _ = h.Write(raw) // never fails
	return fmt.Sprint(h.Sum32())
}

// stored is an object of the tracker, to be changed and put back.
func stored[T runtime.Object](w *world, r schema.GroupVersionResource, name string) T {
	o, err := w.api.Tracker().Get(r, "shop", name)
	if err != nil {
		var none T
		return none
	}
	return o.DeepCopyObject().(T)
}

func (w *world) update2(r schema.GroupVersionResource, o runtime.Object, m metav1.Object) {
	old, err := w.api.Tracker().Get(r, "shop", m.GetName())
	if err == nil && equality.Semantic.DeepEqual(old, o) {
		return
	}
	m.SetResourceVersion(w.next())
	if err := w.api.Tracker().Update(r, o, "shop"); err != nil {
		w.t.Error(err)
	}
}

func (w *world) add(r schema.GroupVersionResource, o runtime.Object) {
	if err := w.api.Tracker().Create(r, o, "shop"); err != nil {
		w.t.Error(err)
	}
}

// make creates a pod, as a controller does: admission has its say.
func (w *world) make(name string, t *corev1.PodTemplateSpec, owner metav1.Object, kind schema.GroupVersionKind, labels ...string) {
	pod := &corev1.Pod{ObjectMeta: *t.ObjectMeta.DeepCopy(), Spec: *t.Spec.DeepCopy()}
	pod.Namespace, pod.Name, pod.UID = "shop", name, types.UID("p-"+w.next())
	pod.CreationTimestamp, pod.Status.Phase = metav1.Now().Rfc3339Copy(), corev1.PodPending
	pod.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(owner, kind)}
	if pod.Labels == nil {
		pod.Labels = map[string]string{}
	}
	for i := 0; i < len(labels); i += 2 {
		pod.Labels[labels[i]] = labels[i+1]
	}
	w.admit(pod)
	pod.ResourceVersion = w.next()
	w.add(podsResource, pod)
}

// admit applies the steering policies. It does not read their CEL, which only the real API
// server does: the lab's tests are for that. A policy takes effect a second late, and is over
// when it says so.
func (w *world) admit(pod *corev1.Pod) {
	all, err := w.api.Tracker().List(policiesResource, admissionv1.SchemeGroupVersion.WithKind("MutatingAdmissionPolicy"), "")
	if err != nil {
		return
	}
	for i := range all.(*admissionv1.MutatingAdmissionPolicyList).Items {
		p := &all.(*admissionv1.MutatingAdmissionPolicyList).Items[i]
		_, err := w.api.Tracker().Get(bindingsResource, "", p.Name)
		until, _ := time.Parse(time.RFC3339, p.Annotations[annotationUntil])
		who, mutation := p.Spec.MatchConditions[0].Expression, p.Spec.Mutations[0].JSONPatch.Expression
		matches := strings.Contains(who, "'"+pod.Name+"'")
		if c := metav1.GetControllerOf(pod); c != nil {
			matches = matches || strings.Contains(who, "'"+string(c.UID)+"'")
		}
		if err != nil || !matches || time.Since(p.CreationTimestamp.Time) < time.Second || time.Now().After(until) || pod.Labels[labelOp] != "" {
			continue
		}
		metav1.SetMetaDataLabel(&pod.ObjectMeta, labelOp, p.Labels[labelOp])
		metav1.SetMetaDataAnnotation(&pod.ObjectMeta, AnnotationItem, strings.TrimPrefix(p.Name, "ecideck-op-"+p.Labels[labelOp]+"-"))
		if strings.Contains(mutation, "nodeSelector") {
			pod.Spec.NodeSelector = map[string]string{"type": "virtual-kubelet"}
		}
	}
}

const labelOp = "ecideck.io/op"

// changes is what the API server does to a change: it counts generations, and refuses what a
// Job must not have.
func (w *world) changes(before, after runtime.Object, m metav1.Object) error {
	var a, b any
	switch o := after.(type) {
	case *appsv1.Deployment:
		a, b = before.(*appsv1.Deployment).Spec, o.Spec
	case *appsv1.StatefulSet:
		a, b = before.(*appsv1.StatefulSet).Spec, o.Spec
	case *batchv1.Job:
		old := before.(*batchv1.Job)
		a, b = old.Spec, o.Spec
		said := slices.ContainsFunc(old.Status.Conditions, func(c batchv1.JobCondition) bool {
			return c.Type == batchv1.JobSuspended && c.Status == corev1.ConditionTrue
		})
		if hashOf(old.Spec.Template) != hashOf(o.Spec.Template) && !said {
			return apierrors.NewInvalid(batchv1.SchemeGroupVersion.WithKind("Job").GroupKind(), o.Name, nil)
		}
	default:
		return nil
	}
	if hashOf(a) != hashOf(b) {
		m.SetGeneration(m.GetGeneration() + 1)
	}
	return nil
}

// mine are the living pods of a controller, by name.
func (w *world) mine(uid types.UID) []*corev1.Pod {
	var pods []*corev1.Pod
	for _, p := range w.list() {
		if c := metav1.GetControllerOf(p); c != nil && c.UID == uid && p.Status.Phase != corev1.PodSucceeded {
			pods = append(pods, p)
		}
	}
	return pods
}

// withDeployment adds the Deployment api, and a controller that rolls it out.
func (w *world) withDeployment(n int32) {
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "api", UID: "d-api", Generation: 1, ResourceVersion: w.next(), Annotations: map[string]string{}},
		Spec: appsv1.DeploymentSpec{Replicas: &n, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "api"}}, Template: podTemplate("api"),
			Strategy: appsv1.DeploymentStrategy{Type: appsv1.RollingUpdateDeploymentStrategyType, RollingUpdate: &appsv1.RollingUpdateDeployment{MaxUnavailable: intOf(1), MaxSurge: intOf(1)}}}}
	w.add(deploymentsResource, d)
	w.also = append(w.also, w.rollOut)
}

func (w *world) rollOut() {
	d := stored[*appsv1.Deployment](w, deploymentsResource, "api")
	n := *d.Spec.Replicas
	hash := hashOf(d.Spec.Template)
	all, _ := w.api.Tracker().List(setsResource, appsv1.SchemeGroupVersion.WithKind("ReplicaSet"), "shop")
	var sets []*appsv1.ReplicaSet
	var newest *appsv1.ReplicaSet
	last := 0
	for i := range all.(*appsv1.ReplicaSetList).Items {
		rs := all.(*appsv1.ReplicaSetList).Items[i].DeepCopy()
		if !metav1.IsControlledBy(rs, d) {
			continue
		}
		sets = append(sets, rs)
		number := 0
		_, _ = fmt.Sscan(rs.Annotations[revision], &number) // it is ours
		last = max(last, number)
		if rs.Labels["pod-template-hash"] == hash {
			newest = rs
		}
	}
	if newest == nil {
		newest = &appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "api-" + hash, UID: types.UID("rs-" + hash), Labels: map[string]string{"app": "api", "pod-template-hash": hash},
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(d, appsv1.SchemeGroupVersion.WithKind("Deployment"))}, Annotations: map[string]string{}},
			Spec: appsv1.ReplicaSetSpec{Replicas: ptr(int32(0)), Template: *d.Spec.Template.DeepCopy(), Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "api", "pod-template-hash": hash}}}}
		newest.Spec.Template.Labels = map[string]string{"app": "api", "pod-template-hash": hash}
		w.add(setsResource, newest.DeepCopy())
		sets = append(sets, newest)
	}
	if newest.Annotations[revision] != fmt.Sprint(last) || last == 0 {
		newest.Annotations[revision] = fmt.Sprint(last + 1)
	}
	d.Annotations[revision] = newest.Annotations[revision]
	surge, away := n, int32(0)
	if s := d.Spec.Strategy.RollingUpdate; s != nil {
		surge, away = s.MaxSurge.IntVal, s.MaxUnavailable.IntVal
	}
	total, available, old := int32(0), int32(0), int32(0)
	for _, rs := range sets {
		total += *rs.Spec.Replicas
		for _, p := range w.mine(rs.UID) {
			if ready(p) {
				available++
			}
		}
		if rs != newest {
			old += *rs.Spec.Replicas
		}
	}
	// One that is paused counts, and does nothing.
	if want := min(n, *newest.Spec.Replicas+max(0, n+surge-total)); !d.Spec.Paused && (want > *newest.Spec.Replicas || old == 0) {
		newest.Spec.Replicas = ptr(want)
	}
	for _, rs := range sets {
		// Pods that aren't Ready go first, then as many as may be missing.
		for rs != newest && *rs.Spec.Replicas > 0 && !d.Spec.Paused {
			sick := slices.IndexFunc(w.mine(rs.UID), func(p *corev1.Pod) bool { return alive(p) && !ready(p) }) >= 0
			if !sick && available <= n-away {
				break
			}
			if !sick {
				available--
			}
			rs.Spec.Replicas = ptr(*rs.Spec.Replicas - 1)
			w.scale(rs)
		}
		w.scale(rs)
		w.update2(setsResource, rs, rs)
	}
	s := appsv1.DeploymentStatus{ObservedGeneration: d.Generation}
	for _, rs := range sets {
		for _, p := range w.mine(rs.UID) {
			if !alive(p) {
				continue
			}
			s.Replicas++
			if rs == newest {
				s.UpdatedReplicas++
			}
			if ready(p) {
				s.AvailableReplicas, s.ReadyReplicas = s.AvailableReplicas+1, s.ReadyReplicas+1
			}
		}
	}
	d.Status = s
	w.update2(deploymentsResource, d, d)
}

// scale gives a ReplicaSet the pods that it should have.
func (w *world) scale(rs *appsv1.ReplicaSet) {
	pods := slices.DeleteFunc(w.mine(rs.UID), func(p *corev1.Pod) bool { return !alive(p) })
	for n := len(pods); n < int(*rs.Spec.Replicas); n++ {
		w.make(rs.Name+"-"+w.next(), &rs.Spec.Template, rs, appsv1.SchemeGroupVersion.WithKind("ReplicaSet"))
	}
	for len(pods) > int(*rs.Spec.Replicas) {
		first := victim(pods)
		w.kill("rollout", first)
		pods = slices.DeleteFunc(pods, func(p *corev1.Pod) bool { return p.UID == first.UID })
	}
}

// withStatefulSet adds the StatefulSet db, and a controller that keeps its order.
func (w *world) withStatefulSet(n int32, strategy appsv1.StatefulSetUpdateStrategyType) {
	set := &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "db", UID: "s-db", Generation: 1, ResourceVersion: w.next()},
		Spec: appsv1.StatefulSetSpec{Replicas: &n, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "db"}}, Template: podTemplate("db"),
			UpdateStrategy: appsv1.StatefulSetUpdateStrategy{Type: strategy}}}
	if strategy == appsv1.RollingUpdateStatefulSetStrategyType {
		set.Spec.UpdateStrategy.RollingUpdate = &appsv1.RollingUpdateStatefulSetStrategy{Partition: ptr(int32(0))}
	}
	w.add(statefulResource, set)
	templates := map[string]corev1.PodTemplateSpec{}
	w.also = append(w.also, func() { w.keepOrder(templates) })
}

func (w *world) keepOrder(templates map[string]corev1.PodTemplateSpec) {
	set := stored[*appsv1.StatefulSet](w, statefulResource, "db")
	update := "db-" + hashOf(set.Spec.Template)
	templates[update] = *set.Spec.Template.DeepCopy()
	s := &set.Status
	s.ObservedGeneration, s.UpdateRevision = set.Generation, update
	if s.CurrentRevision == "" {
		s.CurrentRevision = update
	}
	pods := map[string]*corev1.Pod{}
	for _, p := range w.mine(set.UID) {
		pods[p.Name] = p
	}
	n := int(*set.Spec.Replicas)
	partition := 0
	if r := set.Spec.UpdateStrategy.RollingUpdate; r != nil && r.Partition != nil {
		partition = int(*r.Partition)
	}
	manual := set.Spec.UpdateStrategy.Type == appsv1.OnDeleteStatefulSetStrategyType
	s.Replicas, s.ReadyReplicas, s.UpdatedReplicas = 0, 0, 0
	blocked := false // a pod that isn't Ready holds up all behind it
	for i := range n {
		name := fmt.Sprintf("db-%d", i)
		p := pods[name]
		if p == nil && !blocked {
			rev := update
			if !manual && i < partition {
				rev = s.CurrentRevision
			}
			t := templates[rev]
			w.make(name, &t, set, appsv1.SchemeGroupVersion.WithKind("StatefulSet"), appsv1.ControllerRevisionHashLabelKey, rev)
			blocked = true
			continue
		}
		if p == nil || !ready(p) {
			blocked = true
		}
		if p != nil {
			s.Replicas++
			if ready(p) {
				s.ReadyReplicas++
			}
			if p.Labels[appsv1.ControllerRevisionHashLabelKey] == update {
				s.UpdatedReplicas++
			}
		}
	}
	if !blocked && !manual {
		for i := n - 1; i >= partition; i-- {
			if p := pods[fmt.Sprintf("db-%d", i)]; p.Labels[appsv1.ControllerRevisionHashLabelKey] != update {
				w.kill("rollout", p)
				break
			}
		}
		if int(s.UpdatedReplicas) == n && int(s.ReadyReplicas) == n {
			s.CurrentRevision = update
		}
	}
	w.update2(statefulResource, set, set)
}

// withJob adds the Job work, and a controller that suspends and resumes it.
func (w *world) withJob() {
	two := int32(2)
	t := podTemplate("work")
	t.Spec.RestartPolicy = corev1.RestartPolicyNever
	w.add(jobsResource, &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "work", UID: "j-work", Generation: 1, ResourceVersion: w.next()},
		Spec: batchv1.JobSpec{Parallelism: &two, Completions: &two, Template: t, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "work"}}}})
	w.also = append(w.also, func() {
		job := stored[*batchv1.Job](w, jobsResource, "work")
		pods := w.mine(job.UID)
		suspended := job.Spec.Suspend != nil && *job.Spec.Suspend
		for _, p := range pods {
			if suspended {
				w.kill("job", p)
			}
		}
		for n := len(pods); n < int(two) && !suspended; n++ {
			w.make("work-"+w.next(), &job.Spec.Template, job, batchv1.SchemeGroupVersion.WithKind("Job"))
		}
		job.Status = batchv1.JobStatus{Conditions: []batchv1.JobCondition{}}
		for _, p := range w.mine(job.UID) {
			if alive(p) {
				job.Status.Active++
			}
		}
		if suspended && job.Status.Active == 0 {
			job.Status.Conditions = []batchv1.JobCondition{{Type: batchv1.JobSuspended, Status: corev1.ConditionTrue}}
		}
		w.update2(jobsResource, job, job)
	})
}

func (w *world) withCronJob() {
	w.add(cronJobsResource, &batchv1.CronJob{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "report", UID: "c-report", ResourceVersion: w.next()},
		Spec: batchv1.CronJobSpec{Schedule: "0 0 * * *", JobTemplate: batchv1.JobTemplateSpec{Spec: batchv1.JobSpec{Template: podTemplate("report")}}}})
}

// withBarePod adds a pod of nobody's.
func (w *world) withBarePod() {
	t := podTemplate("lone")
	pod := &corev1.Pod{ObjectMeta: t.ObjectMeta, Spec: t.Spec}
	pod.Namespace, pod.Name, pod.UID, pod.ResourceVersion = "shop", "lone", "p-lone", w.next()
	pod.CreationTimestamp, pod.Status.Phase = metav1.Now().Rfc3339Copy(), corev1.PodPending
	w.add(podsResource, pod)
}

// withPolicies says that the API server has admission policies.
func (w *world) withPolicies() {
	w.api.Resources = []*metav1.APIResourceList{{GroupVersion: admissionv1.SchemeGroupVersion.String(), APIResources: []metav1.APIResource{{Name: "mutatingadmissionpolicies"}}}}
}

// where says on which node each living pod of an app is, and whether it is Ready.
func (w *world) where(app string) map[string]string {
	w.mu.Lock()
	defer w.mu.Unlock()
	at := map[string]string{}
	for _, p := range w.list() {
		if p.Labels["app"] == app && alive(p) {
			at[p.Name] = p.Spec.NodeName
			if !ready(p) {
				at[p.Name] += " (not Ready)"
			}
		}
	}
	return at
}

func intOf(n int) *intstr.IntOrString { return ptr(intstr.FromInt(n)) }
