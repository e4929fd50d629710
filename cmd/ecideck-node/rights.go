package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	authorizationclient "k8s.io/client-go/kubernetes/typed/authorization/v1"
	"k8s.io/client-go/tools/record"
	"sigs.k8s.io/yaml"
)

// grantMore is the remedy for every right that is lacking.
const grantMore = "apply what `ecideck-node manifests` prints"

// neededRights are the rules that `ecideck-node manifests` grants in the whole cluster: what
// is granted and what is asked for can't drift apart.
func neededRights(webhook bool) ([]rbacv1.PolicyRule, error) {
	m := manifests{Image: "x", Namespace: "x", NodeName: "x", Region: "x", VSwitches: "x", SecurityGroup: "x", ServiceNetwork: "none", Admission: "none", Burst: "marked"}
	names := []string{"ecideck-node"}
	if webhook {
		m.Admission = "webhook"
		names = append(names, "ecideck-node-webhook")
	}
	var text bytes.Buffer
	if err := m.print(&text); err != nil {
		return nil, err
	}
	var rules []rbacv1.PolicyRule
	for document := range strings.SplitSeq(text.String(), "\n---\n") {
		var role rbacv1.ClusterRole
		if err := yaml.Unmarshal([]byte(document), &role); err != nil {
			continue // of another kind
		}
		if role.Kind == "ClusterRole" && slices.Contains(names, role.Name) {
			rules = append(rules, role.Rules...)
		}
	}
	return rules, nil
}

// missingRights asks the API server which of the rules this process lacks, as "patch pods".
func missingRights(ctx context.Context, client authorizationclient.SelfSubjectAccessReviewInterface, rules []rbacv1.PolicyRule) ([]string, error) {
	var mu sync.Mutex // guards missing
	var missing []string
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(4)
	ask := func(verb, apiGroup, resource, name string) {
		group.Go(func() error {
			of, sub, _ := strings.Cut(resource, "/")
			review, err := client.Create(ctx, &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
				ResourceAttributes: &authorizationv1.ResourceAttributes{Verb: verb, Group: apiGroup, Resource: of, Subresource: sub, Name: name}}}, metav1.CreateOptions{})
			if err != nil {
				return fmt.Errorf("asking whether this process may %s %s: %w", verb, resource, err)
			}
			if !review.Status.Allowed {
				mu.Lock()
				defer mu.Unlock()
				what := verb + " " + resource
				if apiGroup != "" {
					what += "." + apiGroup
				}
				missing = append(missing, strings.TrimSpace(what+" "+name))
			}
			return nil
		})
	}
	for _, rule := range rules {
		names := rule.ResourceNames
		if len(names) == 0 {
			names = []string{""}
		}
		for _, apiGroup := range rule.APIGroups {
			for _, resource := range rule.Resources {
				for _, verb := range rule.Verbs {
					for _, name := range names {
						ask(verb, apiGroup, resource, name)
					}
				}
			}
		}
	}
	err := group.Wait()
	slices.Sort(missing)
	return missing, err
}

// sayMissingRights says at the start of a term what will fail, and what helps. What is granted
// later is found out by whoever needs it.
func sayMissingRights(ctx context.Context, client authorizationclient.AuthorizationV1Interface, webhook bool, log *slog.Logger) {
	rules, err := neededRights(webhook)
	var missing []string
	if err == nil {
		missing, err = missingRights(ctx, client.SelfSubjectAccessReviews(), rules)
	}
	switch {
	case ctx.Err() != nil:
	case err != nil:
		log.WarnContext(ctx, "it is not known whether this process has the rights that it needs", "err", err)
	case len(missing) > 0:
		log.ErrorContext(ctx, "this process lacks rights, and what needs them fails: "+grantMore, "missing", strings.Join(missing, ", "))
	}
}

// A frankSink is an event sink that says once when events may not be written: whoever misses
// them looks into the log.
type frankSink struct {
	record.EventSink
	log  *slog.Logger
	once sync.Once
}

// Create implements record.EventSink.
func (s *frankSink) Create(e *corev1.Event) (*corev1.Event, error) {
	out, err := s.EventSink.Create(e)
	s.look(err)
	return out, err
}

// Patch implements record.EventSink.
func (s *frankSink) Patch(e *corev1.Event, data []byte) (*corev1.Event, error) {
	out, err := s.EventSink.Patch(e, data)
	s.look(err)
	return out, err
}

func (s *frankSink) look(err error) {
	// In a namespace that is being deleted nobody may write.
	if apierrors.IsForbidden(err) && !apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) {
		s.once.Do(func() {
			s.log.Error("events can't be written, so pods don't say what becomes of them: "+grantMore, "err", err)
		})
	}
}
