package migrate

import (
	"cmp"
	"encoding/json"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	"github.com/ecideck/ecideck/provider/placement"
)

// Fields are all that strategies ever change of a workload. Those that a kind of workload
// hasn't are empty.
type Fields struct {
	Tolerations  []corev1.Toleration               `json:"tolerations,omitempty"` // of the template
	NodeSelector map[string]string                 `json:"nodeSelector,omitempty"`
	Affinity     *corev1.Affinity                  `json:"affinity,omitempty"`
	Deployment   *appsv1.DeploymentStrategy        `json:"deploymentStrategy,omitempty"`
	StatefulSet  *appsv1.StatefulSetUpdateStrategy `json:"statefulSetStrategy,omitempty"`
	Suspend      *bool                             `json:"suspend,omitempty"` // of a Job
}

// A Change is what a strategy does to a workload's fields. A plan has it before anything is
// done, so that it can be read, and an undo is the same with Before and After exchanged.
type Change struct {
	Before Fields `json:"before"`
	During Fields `json:"during"` // After, and what has to hold only on the way
	After  Fields `json:"after"`
}

// placedAs tells that both put pods in the same place.
func (f Fields) placedAs(o Fields) bool {
	return same(f.Tolerations, o.Tolerations) && same(f.NodeSelector, o.NodeSelector) && same(f.Affinity, o.Affinity)
}

// equal tells that no field differs.
func (f Fields) equal(o Fields) bool {
	return f.placedAs(o) && same(f.Deployment, o.Deployment) && same(f.StatefulSet, o.StatefulSet) && same(f.Suspend, o.Suspend)
}

// same takes what is empty and what isn't there for the same.
func same(a, b any) bool { return equality.Semantic.DeepEqual(a, b) }

// placed are the fields with the placement of others.
func (f Fields) placed(as Fields) Fields {
	f.Tolerations, f.NodeSelector, f.Affinity = as.Tolerations, as.NodeSelector, as.Affinity
	return f
}

func templateFields(spec *corev1.PodSpec) Fields {
	return Fields{Tolerations: spec.Tolerations, NodeSelector: spec.NodeSelector, Affinity: spec.Affinity}
}

// onto is a template's placement that sends its pods to virtual nodes: the tolerations of
// their taints, and their label in each term of the required node affinity.
func onto(spec *corev1.PodSpec, node *corev1.Node) Fields {
	spec = spec.DeepCopy()
	open(spec, node)
	if spec.NodeSelector[placement.NodeTypeLabel] != placement.NodeType {
		require(spec, []corev1.NodeSelectorRequirement{{Key: placement.NodeTypeLabel, Operator: corev1.NodeSelectorOpIn, Values: []string{placement.NodeType}}}, nil)
	}
	return templateFields(spec)
}

// off is a template's placement without all that lets its pods onto virtual nodes.
func off(spec *corev1.PodSpec) Fields {
	spec = spec.DeepCopy()
	spec.Tolerations = slices.DeleteFunc(spec.Tolerations, func(t corev1.Toleration) bool { return virtualTaint(t.Key) })
	if spec.NodeSelector[placement.NodeTypeLabel] == placement.NodeType {
		delete(spec.NodeSelector, placement.NodeTypeLabel)
	}
	if a := spec.Affinity; a != nil && a.NodeAffinity != nil && a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution != nil {
		s := a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution
		free := false // a term without any condition left takes every node
		for i := range s.NodeSelectorTerms {
			t := &s.NodeSelectorTerms[i]
			t.MatchExpressions = slices.DeleteFunc(t.MatchExpressions, toVirtual)
			free = free || len(t.MatchExpressions) == 0 && len(t.MatchFields) == 0
		}
		if free {
			spec.Affinity = unrequired(a)
		}
	}
	return templateFields(spec)
}

// virtualOnly tells that a pod's placement takes no real node.
func virtualOnly(spec *corev1.PodSpec) bool {
	if spec.NodeSelector[placement.NodeTypeLabel] == placement.NodeType {
		return true
	}
	a := spec.Affinity
	if a == nil || a.NodeAffinity == nil || a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution == nil {
		return false
	}
	// Terms are alternatives.
	return !slices.ContainsFunc(a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms, func(t corev1.NodeSelectorTerm) bool {
		return !slices.ContainsFunc(t.MatchExpressions, toVirtual)
	})
}

// toVirtual is the requirement that sends pods to virtual nodes only.
func toVirtual(r corev1.NodeSelectorRequirement) bool {
	return r.Key == placement.NodeTypeLabel && r.Operator == corev1.NodeSelectorOpIn && slices.Equal(r.Values, []string{placement.NodeType})
}

// unrequired is an affinity without required nodes, and nil where nothing is left of it.
func unrequired(a *corev1.Affinity) *corev1.Affinity {
	a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution = nil
	if same(a.NodeAffinity, &corev1.NodeAffinity{}) {
		a.NodeAffinity = nil
	}
	if same(a, &corev1.Affinity{}) {
		return nil
	}
	return a
}

func virtualTaint(key string) bool {
	return key == placement.TaintProvider || key == "k8s.aliyun.com/vnode"
}

// A patchOp is an operation of a JSON patch.
type patchOp struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value,omitempty"`
}

// jsonPatch takes fields from what they are to what they should be. template is the path of
// the pod template's spec. Every field that is changed is tested first; UID and version make
// another object, or one that changed meanwhile, a conflict. Not a merge patch: tolerations
// and affinity terms have no keys to merge by.
func jsonPatch(uid types.UID, version, template string, now, want Fields) []byte {
	ops := []patchOp{{"replace", "/metadata/uid", uid}, {"replace", "/metadata/resourceVersion", version}}
	field := func(path string, now, want any, has, wants bool) {
		switch {
		case same(now, want):
		case !has:
			ops = append(ops, patchOp{"add", path, want})
		case !wants:
			ops = append(ops, patchOp{"test", path, now}, patchOp{Op: "remove", Path: path})
		default:
			ops = append(ops, patchOp{"test", path, now}, patchOp{"replace", path, want})
		}
	}
	field(template+"/tolerations", now.Tolerations, want.Tolerations, len(now.Tolerations) > 0, len(want.Tolerations) > 0)
	field(template+"/nodeSelector", now.NodeSelector, want.NodeSelector, len(now.NodeSelector) > 0, len(want.NodeSelector) > 0)
	field(template+"/affinity", now.Affinity, want.Affinity, now.Affinity != nil, want.Affinity != nil)
	field("/spec/strategy", now.Deployment, want.Deployment, now.Deployment != nil, want.Deployment != nil)
	field("/spec/updateStrategy", now.StatefulSet, want.StatefulSet, now.StatefulSet != nil, want.StatefulSet != nil)
	if !same(now.Suspend, want.Suspend) && want.Suspend != nil {
		ops = append(ops, patchOp{"add", "/spec/suspend", *want.Suspend})
	}
	raw, err := json.Marshal(ops)
	if err != nil {
		panic(err) // only for types that JSON doesn't have
	}
	return raw
}

// lost tells of a patch's error that the object is another one or has changed: look again.
func lost(err error) bool { return apierrors.IsConflict(err) || apierrors.IsNotFound(err) }

// Subject is what an item is about: its pod, or its workload where the strategy is about all
// of it.
func (i *Item) Subject() Ref {
	if i.Change != nil || i.Pod.Name == "" {
		return i.Workload
	}
	return i.Pod
}

// Count is how many pods an item moves.
func (i *Item) Count() int { return cmp.Or(i.Pods, 1) }
