package collectors

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes"
)

// A user who may not read all namespaces may read some. Each costs a watch of each kind, and
// finding them a question each, so both are bounded; what is left out is said.
const (
	accessEvery      = 5 * time.Minute // how often it is asked again what may be read
	accessTimeout    = 20 * time.Second
	namespacesAsked  = 200
	namespacesWalked = 32
	accessAtOnce     = 8
)

// An Access finds out which namespaces a user may read who may not read all of them: of those
// that are named (by the kubeconfig), and of all where the namespaces may be listed. It is
// shared by the collectors, so each namespace is asked about once. A nil Access finds none.
type Access struct {
	client kubernetes.Interface
	named  []string

	mu     sync.Mutex // held while asking: who waits for the same answer gets it
	asked  time.Time
	spaces []namespaceRules
	more   bool // there may be others: the namespaces can't be listed, or there are too many
}

// NewAccess makes an Access. named are the namespaces that the user works in, the first is
// the one in force.
func NewAccess(client kubernetes.Interface, named []string) *Access {
	var distinct []string
	for _, n := range named {
		if n != "" && !slices.Contains(distinct, n) {
			distinct = append(distinct, n)
		}
	}
	return &Access{client: client, named: distinct}
}

// namespaceRules are what a user may do in a namespace, as the authorizers list it; open says
// that they may allow more than they list.
type namespaceRules struct {
	name  string
	rules []authorizationv1.ResourceRule
	open  bool
}

// A reach is the namespaces of one kind that may be read.
type reach struct {
	whole      bool     // all of them after all
	namespaces []string // sorted
	note       string   // what is missing, a sentence; "" with whole
	refusal    error    // that it was looked for after
}

// kindOf is the API group and resource that a server's refusal names.
func kindOf(err error) (group, resource string) {
	var status apierrors.APIStatus
	if errors.As(err, &status) && status.Status().Details != nil {
		return status.Status().Details.Group, status.Status().Details.Kind
	}
	return "", ""
}

// find says where a kind may be read with the verbs, after the API server refused it for all
// namespaces with denied.
func (a *Access) find(ctx context.Context, denied error, verbs ...string) (reach, error) {
	if a == nil {
		return reach{}, denied
	}
	ctx, cancel := context.WithTimeout(ctx, accessTimeout)
	defer cancel()
	a.mu.Lock()
	defer a.mu.Unlock()
	group, resource := kindOf(denied)
	if a.asked.IsZero() || time.Since(a.asked) > accessEvery-time.Second {
		if err := a.ask(ctx); err != nil {
			return reach{}, err
		}
		a.asked = time.Now()
	}
	if a.may(ctx, "", group, resource, verbs) {
		return reach{whole: true}, nil
	}
	r := reach{}
	left := 0
	for _, s := range a.spaces {
		switch allowed := covers(s.rules, group, resource, verbs) || s.open && a.may(ctx, s.name, group, resource, verbs); {
		case !allowed:
		case len(r.namespaces) == namespacesWalked:
			left++
		default:
			r.namespaces = append(r.namespaces, s.name)
		}
	}
	if len(r.namespaces) == 0 && len(a.named) > 0 {
		r.namespaces = a.named[:1] // the server itself says whether it may be read
	}
	if len(r.namespaces) == 0 {
		return reach{}, denied
	}
	slices.Sort(r.namespaces)
	r.note = fmt.Sprintf("only those of %s: this user may not read all namespaces", spelled(r.namespaces))
	switch {
	case left > 0:
		r.note += fmt.Sprintf("; %d more may be read, -n chooses one", left)
	case a.more:
		r.note += "; -n chooses another"
	}
	r.note += " (ask for a role with this right)"
	return r, nil
}

// spelled names namespaces: all of a few, else how many.
func spelled(names []string) string {
	switch n := len(names); {
	case n == 1:
		return "namespace " + names[0]
	case n <= 4:
		return "namespaces " + strings.Join(names[:n-1], ", ") + " and " + names[n-1]
	default:
		return fmt.Sprintf("%d namespaces (%s, …)", n, strings.Join(names[:3], ", "))
	}
}

// ask reads what may be done in each namespace that is known.
func (a *Access) ask(ctx context.Context) error {
	names := slices.Clone(a.named)
	a.more = true
	list, err := a.client.CoreV1().Namespaces().List(ctx, metav1.ListOptions{Limit: namespacesAsked})
	switch {
	case err == nil:
		a.more = list.Continue != ""
		for i := range list.Items {
			if name := list.Items[i].Name; !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	case !apierrors.IsForbidden(err):
		return explainKubernetes("looking which namespaces may be read", err)
	}
	spaces := make([]namespaceRules, len(names))
	var wait sync.WaitGroup
	places := make(chan struct{}, accessAtOnce)
	for i, name := range names {
		places <- struct{}{}
		wait.Go(func() {
			defer func() { <-places }()
			review, err := a.client.AuthorizationV1().SelfSubjectRulesReviews().Create(ctx,
				&authorizationv1.SelfSubjectRulesReview{Spec: authorizationv1.SelfSubjectRulesReviewSpec{Namespace: name}}, metav1.CreateOptions{})
			spaces[i] = namespaceRules{name: name, open: true}
			if err == nil {
				spaces[i].rules, spaces[i].open = review.Status.ResourceRules, review.Status.Incomplete
			}
		})
	}
	wait.Wait()
	a.spaces = spaces
	return ctx.Err()
}

// may asks about one kind in one namespace; "" is all of them.
func (a *Access) may(ctx context.Context, namespace, group, resource string, verbs []string) bool {
	for _, verb := range verbs {
		review, err := a.client.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, &authorizationv1.SelfSubjectAccessReview{
			Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &authorizationv1.ResourceAttributes{
				Namespace: namespace, Verb: verb, Group: group, Resource: resource}}}, metav1.CreateOptions{})
		if err != nil || !review.Status.Allowed {
			return false
		}
	}
	return len(verbs) > 0
}

// installed reports whether the API server has a kind at all: a user without rights is refused
// what does not exist, too. Where that can't be found out, it is.
func (a *Access) installed(gv schema.GroupVersion, resource string) bool {
	if a == nil {
		return true
	}
	list, err := a.client.Discovery().ServerResourcesForGroupVersion(gv.String())
	if err != nil {
		return !apierrors.IsNotFound(err)
	}
	return slices.ContainsFunc(list.APIResources, func(r metav1.APIResource) bool { return r.Name == resource })
}

// covers reports whether rules allow all verbs on every object of a kind.
func covers(rules []authorizationv1.ResourceRule, group, resource string, verbs []string) bool {
	has := func(list []string, item string) bool {
		return slices.Contains(list, item) || slices.Contains(list, "*")
	}
	for _, verb := range verbs {
		if !slices.ContainsFunc(rules, func(r authorizationv1.ResourceRule) bool {
			return len(r.ResourceNames) == 0 && has(r.Verbs, verb) && has(r.APIGroups, group) && has(r.Resources, resource)
		}) {
			return false
		}
	}
	return true
}

// A roamer lists a kind that has no watch in all namespaces, or in those that may be read.
type roamer struct {
	scope  Scope
	narrow reach
	until  time.Time // when it is asked again what may be read
}

// each calls list with "" for all namespaces, or once for each that may be read, and says
// what is missing then.
func (r *roamer) each(ctx context.Context, list func(namespace string) error) (note string, err error) {
	if r.scope.Namespace != "" {
		return "", list(r.scope.Namespace)
	}
	if time.Now().After(r.until) {
		err := list("")
		if !apierrors.IsForbidden(err) {
			return "", err
		}
		found, findErr := r.scope.Access.find(ctx, err, "list")
		if findErr != nil || found.whole {
			return "", err
		}
		r.narrow, r.until = found, time.Now().Add(accessEvery)
	}
	for _, namespace := range r.narrow.namespaces {
		if err := list(namespace); err != nil {
			r.until = time.Time{}
			return "", err
		}
	}
	return r.narrow.note, nil
}
