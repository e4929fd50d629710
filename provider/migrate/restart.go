package migrate

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/ecideck/ecideck/provider/placement"
)

// A restart in place is break before make: the name of a StatefulSet's pod is its identity, so
// its successor can't run before it has gone. An admission policy that matches that successor
// alone sends it where it should go; the StatefulSet's own revision stays what it is, so its
// controller leaves the pod there.

const (
	// policyLife is how long a policy steers: then it is over by itself, whoever has died. It is
	// renewed before policyRest is left, as long as its pod has no successor.
	policyLife = 15 * time.Minute
	policyRest = 5 * time.Minute
	// A policy takes effect on each API server within a second or so: it is probed that often,
	// in a row, because there may be several.
	probes     = 20
	probeEvery = 150 * time.Millisecond
	// effectDeadline is how long it may take to.
	effectDeadline = 2 * time.Minute
	// successorDeadline is how long a successor may take to be Ready before it is called back.
	successorDeadline = 10 * time.Minute
)

// What a decision about a restart wants of the engine.
const (
	steer   verb = iota + 200 // make the policy, or prolong it
	probe                     // try whether it takes effect
	unsteer                   // delete the policy
	recall                    // delete the successor, which doesn't become Ready, so that it comes back unsteered
)

// A restartView is what a decision about a restart rests on: what the API server said just now.
type restartView struct {
	aborting  bool
	old       *corev1.Pod   // nil: it is gone, or another pod has its name
	policy    bool          // there is one, of this item
	left      time.Duration // how long it steers yet, by this machine's clock
	effective bool          // it was seen to take effect, by this process
	successor *corev1.Pod   // the pod that was made in its place and steered; nil: none yet
	other     *corev1.Pod   // or the one that came back unsteered
	unready   string        // why another pod must not be missing now; "": it may
	refused   string        // what the last eviction was refused with
	overdue   time.Duration // since the old pod's grace period is over, by the API server's clock
	spent     time.Duration // in the item's present state, and since the old pod is gone, as far as this process saw
}

// decideRestart says what to do next about a restart in place. It is pure.
func decideRestart(x *Item, v restartView) action {
	end := func(state State, format string, args ...any) action {
		if v.policy && state == Done { // never left behind, however it ends
			return action{verb: unsteer}
		} else if v.policy {
			return action{verb: unsteer, reason: x.Reason}
		}
		return action{verb: end, state: state, reason: fmt.Sprintf(format, args...)}
	}
	if alive(v.old) {
		why := cmpOr(v.refused, v.unready)
		switch {
		case v.aborting:
			return end(Aborted, "aborted; nothing was disrupted")
		case x.State == Removing:
			return end(Aborted, "%s; nothing was disrupted", x.Reason)
		case why != "" && v.spent > surgeDeadline:
			return action{verb: unsteer, reason: fmt.Sprintf("given up after %s: %s", surgeDeadline, why)}
		case v.refused == "" && v.unready != "":
			return action{verb: wait, reason: v.unready}
		case x.Policy != "" && (!v.policy || v.left < policyRest):
			return action{verb: steer}
		case x.Policy != "" && !v.effective && v.spent > effectDeadline:
			return action{verb: unsteer, reason: fmt.Sprintf("the admission policy %s has no effect after %s", x.Policy, effectDeadline)}
		case x.Policy != "" && !v.effective:
			return action{verb: probe}
		}
		return action{verb: evict, reason: v.refused}
	}
	short := v.policy && v.left < policyRest
	switch {
	case v.old != nil && v.policy && (v.aborting || x.State == Removing): // its successor is not to go there at all
		why := x.Reason
		if x.State != Removing {
			why = "aborted"
		}
		return action{verb: unsteer, reason: why}
	case v.old != nil && v.old.DeletionTimestamp != nil && !ending(v.old, v.overdue):
		a := end(Failed, "%s", undead(v.old))
		a.stuck = true
		return a
	case v.old != nil && short:
		return action{verb: steer}
	case v.old != nil:
		return action{verb: wait, reason: "the old pod is ending; its place is taken then"}
	}
	if len(x.Steps) == 0 && x.State == Steering {
		a := end(Aborted, "the pod is gone already")
		a.gone = true
		return a
	}
	s := v.successor
	switch {
	case s != nil && ready(s):
		return end(Done, "it runs on %s now, as %s", s.Spec.NodeName, s.Name)
	case s == nil && v.other == nil && v.spent > replaceDeadline:
		return end(Failed, "it was evicted, and after %s its controller has made no other", replaceDeadline)
	case s == nil && v.other == nil && short && !v.aborting && x.State != Removing:
		return action{verb: steer}
	case s == nil && v.other == nil:
		return action{verb: wait, reason: "its controller is to make it anew"}
	case s == nil && !ready(v.other) && v.spent > replaceDeadline:
		return end(Failed, "it came back as %s, and after %s is not Ready: %s", v.other.Name, replaceDeadline, condition(v.other))
	case s == nil && !ready(v.other):
		return action{verb: wait, reason: "it came back without being steered, and is not Ready yet: " + condition(v.other)}
	case s == nil && x.Policy == "":
		return end(Done, "it runs on %s now", v.other.Spec.NodeName)
	case s == nil:
		return end(Aborted, "%s; it was restarted, and runs on %s", cmpOr(x.Reason, "the admission policy was not applied"), v.other.Spec.NodeName)
	}
	why := ""
	switch {
	case x.Policy == "":
	case x.State == Removing:
		why = x.Reason
	case v.aborting:
		why = "aborted"
	case broken(s, v.spent > roomDeadline) != "":
		why = "its successor " + broken(s, true)
	case v.spent > successorDeadline:
		why = fmt.Sprintf("its successor is not Ready after %s: %s", successorDeadline, condition(s))
	}
	switch {
	case why != "" && v.policy:
		return action{verb: unsteer, reason: why} // first, or the next one goes there too
	case why != "" && s.DeletionTimestamp == nil:
		return action{verb: recall, reason: why}
	case why != "":
		return action{verb: wait, reason: why + "; it is called back"}
	}
	return action{verb: wait, reason: "its successor is not Ready yet: " + condition(s)}
}

func cmpOr(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// restart makes one step of a restart in place.
func (e *Engine) restart(ctx context.Context, i int, m *memory) error {
	x := e.get(i)
	v, policy, err := e.lookAtRestart(ctx, &x, m)
	if err != nil {
		return err
	}
	a := decideRestart(&x, v)
	if m.hurry && a.verb != end {
		return errInterrupted
	}
	if s := cmpPod(v.successor, v.other); s != nil && x.Surge.UID != s.UID {
		e.change(i, func(x *Item) { x.Surge = Ref{"Pod", s.Namespace, s.Name, s.UID} })
	}
	switch a.verb {
	case end:
		return e.ends(ctx, i, a)
	case steer:
		if !alive(v.old) { // it steers already, and is to steer yet when the old pod is gone
			m.next = 5 * glance
			return e.steer(ctx, i, x.State, policy)
		}
		m.hits = 0
		return e.steer(ctx, i, Steering, policy)
	case probe:
		return e.probe(ctx, i, policy, v.old, m)
	case unsteer:
		return e.unsteer(ctx, i, policy, a.reason)
	case recall:
		return e.removePod(ctx, i, Ref{"Pod", v.successor.Namespace, v.successor.Name, v.successor.UID}, a.reason)
	case evict:
		return e.evictPod(ctx, i, m)
	}
	m.next = glance
	return e.waiting(ctx, i, a.reason)
}

func cmpPod(a, b *corev1.Pod) *corev1.Pod {
	if a != nil {
		return a
	}
	return b
}

func (e *Engine) lookAtRestart(ctx context.Context, x *Item, m *memory) (v restartView, policy *admissionv1.MutatingAdmissionPolicy, err error) {
	e.mu.Lock()
	v.aborting, v.refused, v.spent = e.aborting, m.refused, time.Since(m.since)
	id := e.op.ID
	e.mu.Unlock()
	if v.old, err = e.pod(ctx, x.Pod); err != nil {
		return v, nil, err
	}
	if v.old != nil && v.old.DeletionTimestamp == nil && !alive(v.old) {
		v.old = nil // it has ended, and whoever keeps what is left of it makes another one
	}
	if v.old != nil && !alive(v.old) {
		v.overdue, m.since = e.overdue(ctx, v.old), time.Now() // its grace period is nobody's delay
	}
	if x.Policy != "" {
		call, cancel := context.WithTimeout(ctx, perCall)
		policy, err = e.Client.AdmissionregistrationV1().MutatingAdmissionPolicies().Get(call, x.Policy, metav1.GetOptions{})
		cancel()
		switch {
		case apierrors.IsNotFound(err):
			policy = nil
		case err != nil:
			return v, nil, fmt.Errorf("reading the admission policy %s: %w", x.Policy, err)
		case policy.Labels[placement.LabelOperation] != id:
			return v, nil, fmt.Errorf("the admission policy %s belongs to another operation", x.Policy)
		default:
			until, _ := time.Parse(time.RFC3339, policy.Annotations[annotationUntil]) // none: it is renewed
			v.policy, v.left = true, time.Until(until)
			// Without its binding a policy matches nothing, and is made whole before it is probed.
			if m.hits == 0 && v.old != nil {
				call, cancel := context.WithTimeout(ctx, perCall)
				_, err := e.Client.AdmissionregistrationV1().MutatingAdmissionPolicyBindings().Get(call, x.Policy, metav1.GetOptions{})
				cancel()
				if apierrors.IsNotFound(err) {
					v.left = 0
				} else if err != nil {
					return v, nil, fmt.Errorf("reading the binding of the admission policy %s: %w", x.Policy, err)
				}
			}
		}
		v.effective = m.hits >= probes
	}
	if alive(v.old) {
		v.unready, err = e.siblings(ctx, x)
		return v, policy, err
	}
	if v.old != nil {
		return v, policy, nil
	}
	call, cancel := context.WithTimeout(ctx, perCall)
	defer cancel()
	steered, err := e.Client.CoreV1().Pods(x.Pod.Namespace).List(call, metav1.ListOptions{LabelSelector: placement.LabelOperation + "=" + id})
	if err != nil {
		return v, nil, fmt.Errorf("looking for the successor of pod %s: %w", x.Pod.Name, err)
	}
	for i := range steered.Items {
		if p := &steered.Items[i]; p.Annotations[AnnotationItem] == x.ID {
			v.successor = p
		}
	}
	if v.successor == nil && x.Owner.Kind == "StatefulSet" {
		v.other, err = e.pod(ctx, Ref{"Pod", x.Pod.Namespace, x.Pod.Name, ""})
	} else if v.successor == nil {
		v.other, err = e.madeSince(ctx, x)
	}
	return v, policy, err
}

// madeSince is the newest pod of an item's controller that is younger than the item's
// beginning, or nil.
func (e *Engine) madeSince(ctx context.Context, x *Item) (*corev1.Pod, error) {
	call, cancel := context.WithTimeout(ctx, perCall)
	defer cancel()
	all, err := e.Client.CoreV1().Pods(x.Pod.Namespace).List(call, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("looking for the successor of pod %s: %w", x.Pod.Name, err)
	}
	var newest *corev1.Pod
	for i := range all.Items {
		p := &all.Items[i]
		if c := metav1.GetControllerOf(p); c == nil || c.UID != x.Owner.UID || !alive(p) || x.Made.IsZero() || !p.CreationTimestamp.After(x.Made) {
			continue
		}
		if newest == nil || p.CreationTimestamp.After(newest.CreationTimestamp.Time) {
			newest = p
		}
	}
	return newest, nil
}

// siblings says why no other pod of a controller may be missing now, or "". Only the number of
// a StatefulSet's pods is known; for other controllers the budget decides.
func (e *Engine) siblings(ctx context.Context, x *Item) (string, error) {
	if x.Owner.Kind != "StatefulSet" {
		return "", nil
	}
	set, err := e.statefulSet(ctx, x.Owner)
	if err != nil || set == nil {
		return "", err
	}
	return unready(set), nil
}

// unready says that not all pods of a StatefulSet are Ready, or "".
func unready(set *appsv1.StatefulSet) string {
	want := int32(1)
	if set.Spec.Replicas != nil {
		want = *set.Spec.Replicas
	}
	if set.Status.ReadyReplicas < want {
		return fmt.Sprintf("%d of %d pods of StatefulSet %s are Ready", set.Status.ReadyReplicas, want, set.Name)
	}
	return ""
}

// statefulSet reads one; nil where it is gone or another one has its name.
func (e *Engine) statefulSet(ctx context.Context, r Ref) (*appsv1.StatefulSet, error) {
	call, cancel := context.WithTimeout(ctx, perCall)
	defer cancel()
	set, err := e.Client.AppsV1().StatefulSets(r.Namespace).Get(call, r.Name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err) || err == nil && r.UID != "" && set.UID != r.UID:
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("reading StatefulSet %s: %w", r.Name, err)
	}
	return set, nil
}

// annotationUntil says until when a policy steers, for people and for whoever renews it.
const annotationUntil = "ecideck.io/until"

// probeSuffix is of the names under which a policy is probed.
const probeSuffix = "-ecideck-probe"

// steeringPolicy is the policy of an item: it puts the item's marks on the pod that takes its
// place, and sends it to the virtual node, if there is one to go to. It fails open, and is
// over by itself: managedFields are the only time that a pod being created has.
func steeringPolicy(name, operation string, x *Item, node *corev1.Node, until time.Time) *admissionv1.MutatingAdmissionPolicy {
	ignore := admissionv1.Ignore
	who := fmt.Sprintf("object.metadata.?name.orValue('') in ['%s', '%[1]s%s']", x.Pod.Name, probeSuffix)
	if x.Owner.Kind != "StatefulSet" {
		who = fmt.Sprintf("object.metadata.?ownerReferences.orValue([]).exists(o, o.uid == '%s')", x.Owner.UID)
	}
	marks := func(field string, pairs ...string) string {
		var adds, whole []string
		for i := 0; i < len(pairs); i += 2 {
			adds = append(adds, fmt.Sprintf(`JSONPatch{op: "add", path: "/metadata/%s/%s", value: "%s"}`, field, strings.ReplaceAll(pairs[i], "/", "~1"), pairs[i+1]))
			whole = append(whole, fmt.Sprintf(`"%s": "%s"`, pairs[i], pairs[i+1]))
		}
		return fmt.Sprintf(`(has(object.metadata.%s) ? [%s] : [JSONPatch{op: "add", path: "/metadata/%[1]s", value: {%[3]s}}])`, field, strings.Join(adds, ", "), strings.Join(whole, ", "))
	}
	annotations := []string{AnnotationItem, x.ID}
	var parts []string
	if node != nil {
		annotations = append(annotations, annotationFailStrategy, "fail-fast", annotationMaxPending, "10")
		parts = append(parts, `(has(object.spec.nodeSelector) ? [JSONPatch{op: "add", path: "/spec/nodeSelector/`+placement.NodeTypeLabel+`", value: "`+placement.NodeType+`"}] : [JSONPatch{op: "add", path: "/spec/nodeSelector", value: {"`+
			placement.NodeTypeLabel+`": "`+placement.NodeType+`"}}])`)
		spec := &corev1.PodSpec{}
		open(spec, node)
		var missing []string
		for _, t := range spec.Tolerations {
			missing = append(missing, fmt.Sprintf(`Object.spec.tolerations{key: "%s", operator: "%s", value: "%s", effect: "%s"}`, t.Key, t.Operator, t.Value, t.Effect))
		}
		if len(missing) > 0 {
			adds := make([]string, len(missing))
			for i, t := range missing {
				adds[i] = `JSONPatch{op: "add", path: "/spec/tolerations/-", value: ` + t + `}`
			}
			parts = append(parts, fmt.Sprintf(`(has(object.spec.tolerations) ? [%s] : [JSONPatch{op: "add", path: "/spec/tolerations", value: [%s]}])`, strings.Join(adds, ", "), strings.Join(missing, ", ")))
		}
	}
	parts = append(parts, marks("labels", placement.LabelOperation, operation), marks("annotations", annotations...))
	return &admissionv1.MutatingAdmissionPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{placement.LabelOperation: operation}, Annotations: map[string]string{annotationUntil: until.UTC().Format(time.RFC3339)}},
		Spec: admissionv1.MutatingAdmissionPolicySpec{
			FailurePolicy: &ignore, ReinvocationPolicy: admissionv1.NeverReinvocationPolicy,
			MatchConstraints: &admissionv1.MatchResources{
				NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: x.Pod.Namespace}},
				ResourceRules: []admissionv1.NamedRuleWithOperations{{RuleWithOperations: admissionv1.RuleWithOperations{Operations: []admissionv1.OperationType{admissionv1.Create},
					Rule: admissionv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"pods"}}}}}},
			MatchConditions: []admissionv1.MatchCondition{
				{Name: "takes-its-place", Expression: who},
				// Also what keeps a second invocation from doing it all again.
				{Name: "unmarked", Expression: "!('" + placement.LabelOperation + "' in object.metadata.?labels.orValue({}))"},
				{Name: "not-over", Expression: fmt.Sprintf("has(object.metadata.managedFields) && object.metadata.managedFields.all(m, timestamp(m.time) < timestamp('%s'))", until.UTC().Format(time.RFC3339))}},
			Mutations: []admissionv1.Mutation{{PatchType: admissionv1.PatchTypeJSONPatch, JSONPatch: &admissionv1.JSONPatch{Expression: strings.Join(parts, " + ")}}},
		}}
}

// steer makes the policy and its binding, or prolongs it. state is what the item is in then.
func (e *Engine) steer(ctx context.Context, i int, state State, has *admissionv1.MutatingAdmissionPolicy) error {
	x := e.get(i)
	o := e.copy()
	virtual, err := virtualNodes(ctx, e.Client)
	if err != nil {
		return err
	}
	var node *corev1.Node
	for _, n := range virtual {
		if n.Name == x.Node {
			node = n
		}
	}
	ref := Ref{Kind: "MutatingAdmissionPolicy", Name: x.Policy}
	switch {
	case x.Node != "" && node == nil && has != nil:
		return e.unsteer(ctx, i, has, "node "+x.Node+" is gone")
	case x.Node != "" && node == nil:
		return e.end(ctx, i, Aborted, "node "+x.Node+" is gone; nothing was disrupted")
	}
	if err := e.before(ctx, i, state, "", "steer", ref); err != nil {
		return err
	}
	until := time.Now().Add(policyLife)
	policy := steeringPolicy(x.Policy, o.ID, &x, node, until)
	call, cancel := context.WithTimeout(ctx, perCall)
	defer cancel()
	api := e.Client.AdmissionregistrationV1()
	var made *admissionv1.MutatingAdmissionPolicy
	if has == nil {
		made, err = api.MutatingAdmissionPolicies().Create(call, policy, metav1.CreateOptions{FieldManager: Manager})
	} else {
		patch := mustJSON(map[string]any{"metadata": map[string]any{"uid": has.UID, "resourceVersion": has.ResourceVersion, "annotations": policy.Annotations},
			"spec": map[string]any{"matchConditions": policy.Spec.MatchConditions}})
		made, err = api.MutatingAdmissionPolicies().Patch(call, x.Policy, types.MergePatchType, []byte(patch), metav1.PatchOptions{FieldManager: Manager})
	}
	if err == nil {
		binding := &admissionv1.MutatingAdmissionPolicyBinding{ObjectMeta: metav1.ObjectMeta{Name: x.Policy, Labels: policy.Labels,
			// Whoever deletes the policy deletes its binding, too.
			OwnerReferences: []metav1.OwnerReference{{APIVersion: admissionv1.SchemeGroupVersion.String(), Kind: "MutatingAdmissionPolicy", Name: made.Name, UID: made.UID}}},
			Spec: admissionv1.MutatingAdmissionPolicyBindingSpec{PolicyName: x.Policy}}
		if _, err = api.MutatingAdmissionPolicyBindings().Create(call, binding, metav1.CreateOptions{FieldManager: Manager}); apierrors.IsAlreadyExists(err) {
			err = nil
		}
	}
	if lost(err) || apierrors.IsAlreadyExists(err) {
		return e.after(ctx, i, err, nil) // look again
	}
	// Beyond the eviction what steers already must not be left behind, nor the item.
	switch prolongs := state != Steering; {
	case prolongs && starting(err): // who may not do it at all has what is left of it
		return e.after(ctx, i, err, nil)
	case prolongs && err != nil && !transient(err):
		return errors.Join(e.after(ctx, i, err, nil), e.unsteer(ctx, i, has, "the admission policy could not be prolonged"))
	}
	return e.refusedOr(ctx, i, err, func(x *Item) {
		if x.Made.IsZero() {
			x.Made = made.CreationTimestamp.Time
		}
	})
}

// probe creates the successor as a dry run, under another name, and sees whether it is steered.
func (e *Engine) probe(ctx context.Context, i int, policy *admissionv1.MutatingAdmissionPolicy, old *corev1.Pod, m *memory) error {
	x := e.get(i)
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: old.Namespace, Name: x.Pod.Name + probeSuffix}, Spec: corev1.PodSpec{Containers: old.Spec.Containers}}
	for k, v := range old.Labels {
		if k != placement.LabelOperation {
			metav1.SetMetaDataLabel(&pod.ObjectMeta, k, v)
		}
	}
	for _, o := range old.OwnerReferences {
		o.BlockOwnerDeletion = nil
		pod.OwnerReferences = append(pod.OwnerReferences, o)
	}
	pod.Spec.InitContainers, pod.Spec.Volumes = old.Spec.InitContainers, old.Spec.Volumes
	pod.Spec.SecurityContext, pod.Spec.ServiceAccountName = old.Spec.SecurityContext, old.Spec.ServiceAccountName
	call, cancel := context.WithTimeout(ctx, perCall)
	defer cancel()
	made, err := e.Client.CoreV1().Pods(pod.Namespace).Create(call, pod, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}, FieldManager: Manager})
	m.next = probeEvery
	switch {
	case apierrors.IsForbidden(err) && strings.Contains(err.Error(), "exceeded quota"):
		// One pod more has no room, and one in the old one's place has: it is not seen, but waited for.
		m.hits++
		return nil
	case err != nil && transient(err):
		return fmt.Errorf("probing the admission policy %s: %w", x.Policy, err)
	case err != nil:
		return e.unsteer(ctx, i, policy, "its successor would be refused: "+err.Error())
	}
	if m.hits++; made.Annotations[AnnotationItem] != x.ID {
		m.hits = 0
		return nil
	}
	if m.hits >= probes {
		m.next = 0
	}
	return nil
}

// unsteer deletes the policy and its binding.
func (e *Engine) unsteer(ctx context.Context, i int, policy *admissionv1.MutatingAdmissionPolicy, reason string) error {
	x := e.get(i)
	state := x.State
	if reason != "" {
		state = Removing
	}
	ref := Ref{Kind: "MutatingAdmissionPolicy", Name: x.Policy}
	if policy != nil {
		ref.UID = policy.UID
	}
	if err := e.before(ctx, i, state, reason, "unsteer", ref); err != nil {
		return err
	}
	err := deletePolicy(ctx, e, ref)
	return errors.Join(e.after(ctx, i, err, nil), err)
}

// deletePolicy deletes a policy, by UID, and its binding. Without the policy the binding does
// nothing, and is garbage collected where this fails.
func deletePolicy(ctx context.Context, e *Engine, policy Ref) error {
	call, cancel := context.WithTimeout(ctx, perCall)
	defer cancel()
	api := e.Client.AdmissionregistrationV1()
	binding, err := api.MutatingAdmissionPolicyBindings().Get(call, policy.Name, metav1.GetOptions{})
	if err == nil {
		err = api.MutatingAdmissionPolicyBindings().Delete(call, policy.Name, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &binding.UID}})
	}
	if err != nil && !lost(err) {
		return fmt.Errorf("deleting the binding of the admission policy %s: %w", policy.Name, err)
	}
	options := metav1.DeleteOptions{}
	if policy.UID != "" {
		options.Preconditions = &metav1.Preconditions{UID: &policy.UID}
	}
	if err = api.MutatingAdmissionPolicies().Delete(call, policy.Name, options); err != nil && !lost(err) {
		return fmt.Errorf("deleting the admission policy %s: %w", policy.Name, err)
	}
	return nil
}
