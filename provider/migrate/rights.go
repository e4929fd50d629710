package migrate

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// A right is what the API server may let somebody do.
type right struct {
	verb, group, resource, sub string
	namespace                  string // "": in all of them, or of a kind that is in none
	name                       string // "": all of them
}

// String is the right in words, without the name: "create pods/eviction in namespace shop".
func (r right) String() string {
	text := r.verb + " " + r.resource
	if r.sub != "" {
		text += "/" + r.sub
	}
	if r.namespace != "" {
		text += " in namespace " + r.namespace
	}
	return text
}

// needs are the rights that an operation takes to run, to be taken back, and to end. It is pure.
// Those on admission policies are not among them: Facts.NoPolicy chose without.
func needs(p *Plan) []right {
	var all []right
	add := func(namespace, group, resource string, verbs ...string) {
		resource, sub, _ := strings.Cut(resource, "/")
		for _, verb := range verbs {
			if r := (right{verb, group, resource, sub, namespace, ""}); !slices.Contains(all, r) {
				all = append(all, r)
			}
		}
	}
	for i := range p.Items {
		x := &p.Items[i]
		pods := func(verbs ...string) { add(x.Subject().Namespace, "", "pods", verbs...) }
		evicts := func() { add(x.Subject().Namespace, "", "pods/eviction", "create") }
		owner := func(group, resource string, verbs ...string) { add(x.Subject().Namespace, group, resource, verbs...) }
		switch x.Strategy {
		case Swap:
			pods("get", "list", "create", "patch", "delete")
			evicts()
			owner("apps", "replicasets", "get")
			if x.Workload.Kind == "Deployment" {
				owner("apps", "deployments", "get")
			}
		case Clone:
			pods("get", "create", "delete")
			evicts()
		case Place:
			pods("get", "patch")
			add(x.Pod.Namespace, "", "pods/binding", "create")
			add("", "", "nodes", "get")
		case Evict:
			pods("get")
			evicts()
		case Restart:
			if pods("get", "list", "delete"); x.Policy != "" {
				pods("create") // dryly, to see that the policy is in force
			}
			evicts()
		case Ordinals:
			pods("get", "list", "delete")
			evicts()
			owner("apps", "statefulsets", "patch")
		case Rollout:
			pods("list")
			owner("apps", "replicasets", "list")
			owner("apps", "deployments", "get", "patch")
		case Suspend:
			pods("list")
			owner("batch", "jobs", "get", "patch")
		case Template:
			owner("batch", "cronjobs", "get", "patch")
		}
		if x.Strategy == Stay {
			continue
		}
		if x.Owner.Kind == "StatefulSet" {
			owner("apps", "statefulsets", "get")
		}
		if len(x.Services) > 0 {
			owner("discovery.k8s.io", "endpointslices", "list")
		}
	}
	if p.Drain != nil || p.Open != nil {
		add("", "", "nodes", "get", "patch")
	}
	for _, target := range p.Locks {
		add(leaseHome(target), "coordination.k8s.io", "leases", "get", "create", "update", "delete")
	}
	if p.Home != "" {
		add(p.Home, "", "configmaps", "create", "get", "patch")
	}
	return all
}

// Rights asks beforehand for every right that a plan needs, and says which are missing, as
// checks: nothing of it is found out halfway. An API server that is not reached is an error.
func Rights(ctx context.Context, client kubernetes.Interface, p *Plan) ([]Check, error) {
	lacks, err := lacking(ctx, client, needs(p))
	if err != nil {
		return unasked(err)
	}
	var checks []Check
	journal := func(r right) bool { return r.resource == "configmaps" && r.group == "" }
	if at := slices.IndexFunc(lacks, func(r right) bool { return journal(r) && r.verb == "create" }); at >= 0 {
		checks = append(checks, Check{"rights", Warn, "you may not " + lacks[at].String() + ", so the operation is written down on this machine only and can't be resumed from another", "ask for the right, or stay on this machine until it has ended"})
		lacks = slices.DeleteFunc(lacks, journal) // where none are made, none are changed
	}
	for _, text := range joined(lacks) {
		checks = append(checks, missing(text))
	}
	return checks, nil
}

func missing(text string) Check {
	return Check{"rights", Block, "you may not " + text, "ask for the right, or use another context"}
}

func unasked(err error) ([]Check, error) {
	if unreached(err) {
		return nil, fmt.Errorf("asking what you may do: %w", err)
	}
	return []Check{unreadCheck(fmt.Sprintf("what you may do: %v", err))}, nil
}

// MayPatch asks beforehand for the right to patch each of some objects, which are Nodes and
// workloads of apps, and says which are missing, as Rights does. The right to one object alone
// counts, too.
func MayPatch(ctx context.Context, client kubernetes.Interface, objects []Ref) ([]Check, error) {
	var kinds, single []right
	for _, o := range objects {
		r := right{"patch", "apps", strings.ToLower(o.Kind) + "s", "", o.Namespace, ""}
		if o.Kind == "Node" {
			r.group = ""
		}
		if !slices.Contains(kinds, r) {
			kinds = append(kinds, r)
		}
		r.name = o.Name
		single = append(single, r)
	}
	all := func(r right) right { r.name = ""; return r }
	lacks, err := lacking(ctx, client, kinds)
	if err != nil {
		return unasked(err)
	}
	if lacks, err = lacking(ctx, client, slices.DeleteFunc(single, func(r right) bool { return !slices.Contains(lacks, all(r)) })); err != nil {
		return unasked(err)
	}
	names := map[right][]string{}
	for _, r := range lacks {
		names[all(r)] = append(names[all(r)], r.name)
	}
	var checks []Check
	for _, r := range kinds {
		if names[r] != nil {
			checks = append(checks, missing(r.String()+": "+few(names[r], 3)))
		}
	}
	return checks, nil
}

// lacking are those of some rights that the caller hasn't, in their order. What is needed in
// several namespaces is asked for in all of them at once first.
func lacking(ctx context.Context, client kubernetes.Interface, all []right) ([]right, error) {
	everywhere := func(r right) right { r.namespace = ""; return r }
	spaces := map[right]int{}
	for _, r := range all {
		spaces[everywhere(r)]++
	}
	var wide []right
	for _, r := range all {
		if r = everywhere(r); spaces[r] > 1 && !slices.Contains(wide, r) {
			wide = append(wide, r)
		}
	}
	may, err := allowed(ctx, client, wide)
	if err != nil {
		return nil, err
	}
	var rest []right
	for _, r := range all {
		if at := slices.Index(wide, everywhere(r)); at < 0 || !may[at] {
			rest = append(rest, r)
		}
	}
	if may, err = allowed(ctx, client, rest); err != nil {
		return nil, err
	}
	var lacks []right
	for i, r := range rest {
		if !may[i] {
			lacks = append(lacks, r)
		}
	}
	return lacks, nil
}

// allowed asks the API server, several at a time, which rights the caller has.
func allowed(ctx context.Context, client kubernetes.Interface, all []right) ([]bool, error) {
	may := make([]bool, len(all))
	calls, ctx := errgroup.WithContext(ctx)
	calls.SetLimit(16)
	for i, r := range all {
		calls.Go(func() error {
			review, err := client.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
				ResourceAttributes: &authorizationv1.ResourceAttributes{Namespace: r.namespace, Verb: r.verb, Group: r.group, Resource: r.resource, Subresource: r.sub, Name: r.name}}}, metav1.CreateOptions{})
			if err == nil {
				may[i] = review.Status.Allowed
			}
			return err
		})
	}
	return may, calls.Wait()
}

// joined are rights in words, with the verbs for one thing together: "create and patch
// configmaps in namespace shop".
func joined(lacks []right) (out []string) {
	verbs := map[right][]string{}
	var order []right
	for _, r := range lacks {
		verb := r.verb
		if r.verb = ""; verbs[r] == nil {
			order = append(order, r)
		}
		verbs[r] = append(verbs[r], verb)
	}
	for _, r := range order {
		list := verbs[r]
		text := list[len(list)-1]
		if n := len(list); n > 1 {
			text = strings.Join(list[:n-1], ", ") + " and " + text
		}
		out = append(out, text+r.String())
	}
	return out
}

// steering says why no admission policy can be made, or "": policies that steer a successor are
// made, prolonged and deleted.
func (f *Facts) steering(ctx context.Context, client kubernetes.Interface) string {
	if why := f.policies(client); why != "" {
		return why
	}
	const group = "admissionregistration.k8s.io"
	var all []right
	for _, verb := range []string{"get", "create", "patch", "delete"} {
		all = append(all, right{verb, group, "mutatingadmissionpolicies", "", "", ""})
		if verb != "patch" {
			all = append(all, right{verb, group, "mutatingadmissionpolicybindings", "", "", ""})
		}
	}
	lacks, err := lacking(ctx, client, all)
	if f.unread("what you may do", err) || len(lacks) == 0 {
		return ""
	}
	return "you may not " + joined(lacks)[0] + ", so no admission policy can steer its successor"
}
