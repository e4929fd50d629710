package placement

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
)

// A row is what the table knows of one field.
type row struct {
	// path is the field's JSON path; [] stands for each element of a list of objects, and
	// /** at the end for the field and everything below it.
	path  string
	runs  string // what the field becomes; "": the rules decide for every value
	rules []rule // the first that matches counts
}

// A rule is what happens to some values of a field.
type rule struct {
	verdict Verdict
	// match finds the values that the rule is for; nil: every one. suffix is added to the
	// field's path and detail takes the place of %s in the reason.
	match  func(at) (suffix, detail string, ok bool)
	values string // which values, for the list in words; "": every one
	event  string
	reason string
	remedy string
}

// at is a set field of a pod.
type at struct {
	pod       *corev1.Pod
	container *corev1.Container // that the field belongs to, or nil
	init      bool              // container runs to its end before the others start
	value     any               // never a pointer
}

// runs is a row for a field that arrives, whatever its value.
func runs(path, becomes string) row { return row{path: path, runs: becomes} }

// refuses is a row for a field that no pod on ECI can have.
func refuses(path, reason, remedy string) row {
	return row{path: path, rules: []rule{{verdict: Refuses, reason: reason, remedy: remedy}}}
}

// warns is a row for a field that ECI has nothing for and that the pod can do without.
func warns(path, event, reason string) row {
	return row{path: path, rules: []rule{{verdict: Warns, event: event, reason: reason}}}
}

// except adds a rule for some values to a field that runs otherwise.
func (r row) except(values string, match func(at) (string, string, bool), verdict Verdict, words ...string) row {
	x := rule{verdict: verdict, match: match, values: values}
	if verdict == Warns {
		x.event, x.reason = words[0], words[1]
	} else {
		x.reason, x.remedy = words[0], words[1]
	}
	r.rules = append(slices.Clone(r.rules), x)
	return r
}

// when matches values that a function is true of.
func when[T any](ok func(T) bool) func(at) (string, string, bool) {
	return func(a at) (string, string, bool) {
		v := a.value.(T)
		return "", fmt.Sprint(v), ok(v)
	}
}

// A node is a field of the pod's types, with what the table knows of it.
type node struct {
	row    *row
	fields []edge // of a struct, those with rules below
	active bool   // it or something below has rules
}

type edge struct {
	index int    // of the struct's field
	name  string // "": the field is inline
	node  *node
}

// compiled is the table on the types of k8s.io/api.
type compiled struct {
	rows    []row
	root    *node
	unknown []string // fields that no row knows
	unused  []string // rows that no field has
}

func compile(rows []row) *compiled {
	c := &compiled{rows: rows}
	byPath := map[string]*row{}
	for i := range rows {
		byPath[rows[i].path] = &rows[i]
	}
	used := map[string]bool{}
	var build func(typ reflect.Type, path string, inline bool) *node
	build = func(typ reflect.Type, path string, inline bool) *node {
		n := &node{}
		if !inline {
			n.row = byPath[path]
		}
		used[path] = true
		if all := byPath[path+"/**"]; all != nil {
			n.row, n.active = all, len(all.rules) > 0
			used[path+"/**"] = true
			return n
		}
		typ, list := element(typ)
		if typ.Kind() != reflect.Struct || typ.PkgPath() != "k8s.io/api/core/v1" {
			if n.row == nil {
				c.unknown = append(c.unknown, path)
			} else {
				n.active = len(n.row.rules) > 0
			}
			return n
		}
		if list {
			path += "[]"
		}
		n.active = n.row != nil && len(n.row.rules) > 0
		for i := range typ.NumField() {
			f := typ.Field(i)
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			below := path
			if name != "" {
				below += "." + name
			}
			child := build(f.Type, below, name == "")
			if child.active {
				n.active = true
				n.fields = append(n.fields, edge{i, name, child})
			}
		}
		return n
	}
	c.root = build(reflect.TypeFor[corev1.PodSpec](), "spec", false)
	for i := range rows {
		if !used[rows[i].path] {
			c.unused = append(c.unused, rows[i].path)
		}
	}
	return c
}

// element is what a field holds, without pointers, and whether it holds a list of objects.
func element(typ reflect.Type) (reflect.Type, bool) {
	for typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	if typ.Kind() == reflect.Slice && typ.Elem().Kind() == reflect.Struct {
		return typ.Elem(), true
	}
	return typ, false
}

// theTable is built once: compiling it walks all of the pod's types.
var theTable = sync.OnceValue(func() *compiled {
	return compile(slices.Concat(podRows(), containerRows("spec.containers[]", false), containerRows("spec.initContainers[]", true), volumeRows()))
})

// A walk collects what the table says about one pod.
type walk struct {
	pod      *corev1.Pod
	path     []string
	findings []Finding
}

// fields judges a value and everything below it.
func (w *walk) fields(v reflect.Value, n *node, a at) {
	for v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return
		}
		v = v.Elem()
	}
	if n.row != nil && !empty(v) {
		a.value = v.Interface()
		w.judge(n.row, a)
	}
	if len(n.fields) == 0 {
		return
	}
	if v.Kind() == reflect.Slice {
		for i := range v.Len() {
			w.path = append(w.path, "["+strconv.Itoa(i)+"]")
			w.object(v.Index(i), n, a)
			w.path = w.path[:len(w.path)-1]
		}
		return
	}
	w.object(v, n, a)
}

func (w *walk) object(v reflect.Value, n *node, a at) {
	if c, ok := v.Addr().Interface().(*corev1.Container); ok {
		a.container = c
		a.init = strings.HasPrefix(w.path[1], ".initContainers") && !isSidecar(c)
	}
	for _, e := range n.fields {
		f := v.Field(e.index)
		if f.Kind() != reflect.Pointer && f.Kind() != reflect.Struct && f.IsZero() {
			continue // not set; a pointer to zero is
		}
		if e.name != "" {
			w.path = append(w.path, "."+e.name)
		}
		w.fields(f, e.node, a)
		if e.name != "" {
			w.path = w.path[:len(w.path)-1]
		}
	}
}

// empty tells that an object or a list says nothing.
func empty(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Slice, reflect.Map:
		return v.Len() == 0
	}
	return false
}

func (w *walk) judge(r *row, a at) {
	for _, rule := range r.rules {
		suffix, detail, ok := "", "", true
		if rule.match != nil {
			suffix, detail, ok = rule.match(a)
		}
		if !ok {
			continue
		}
		w.findings = append(w.findings, Finding{Field: strings.Join(w.path, "") + suffix, Verdict: rule.verdict, Event: rule.event,
			Reason: strings.ReplaceAll(rule.reason, "%s", detail), Remedy: rule.remedy})
		return
	}
}

// Check says what of the pod ECI can't do: warnings and refusals, in the pod's order; none
// means that the pod runs as it is. region decides which sizes are sold. The pod is not
// changed. What depends on other objects (the size of ConfigMaps, the kind of a claim's
// volume) is found when the request is built.
func Check(pod *corev1.Pod, region string) []Finding {
	findings := shape(pod)
	w := &walk{pod: pod, path: []string{"spec"}}
	w.fields(reflect.ValueOf(&pod.Spec), theTable().root, at{pod: pod})
	findings = append(findings, w.findings...)
	settings := Settings{}
	findings = append(findings, settings.annotations(pod)...)
	if First(findings) == nil {
		if _, refusal := SizeOf(pod, region); refusal != nil {
			findings = append(findings, Finding{Field: refusal.Field, Verdict: Refuses, Reason: refusal.Reason, Remedy: refusal.Remedy})
		}
	}
	return findings
}

// isSidecar tells that an init container runs beside the others to the pod's end.
// https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/
func isSidecar(c *corev1.Container) bool {
	return c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways
}

// Fields are the JSON paths of the pod's fields as the table has them: [] stands for each
// element of a list of objects, /** at the end for everything below.
func Fields() []string {
	var paths []string
	for _, r := range theTable().rows {
		paths = append(paths, r.path)
	}
	return paths
}
