package main

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	k8stesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/record"

	"github.com/ecideck/ecideck/provider/kubetest/fakeapi"
)

// asked plays an API server that grants everything but what lacks says.
func asked(t *testing.T, lacks func(*authorizationv1.ResourceAttributes) (bool, error), webhook bool) (log string, questions int) {
	t.Helper()
	api := fakeapi.New()
	api.PrependReactor("create", "selfsubjectaccessreviews", func(a k8stesting.Action) (bool, runtime.Object, error) {
		review := a.(k8stesting.CreateAction).GetObject().(*authorizationv1.SelfSubjectAccessReview).DeepCopy()
		questions++ // the fake's reactors are called one after the other
		lacking, err := lacks(review.Spec.ResourceAttributes)
		review.Status.Allowed = !lacking
		return true, review, err
	})
	var text bytes.Buffer
	sayMissingRights(t.Context(), api.AuthorizationV1(), webhook, slog.New(slog.NewTextHandler(&text, nil)))
	return text.String(), questions
}

func TestMissingRightsAreNamedAtTheStart(t *testing.T) {
	log, questions := asked(t, func(r *authorizationv1.ResourceAttributes) (bool, error) {
		return r.Resource == "pods" && (r.Verb == "patch" && r.Subresource == "" || r.Subresource == "binding") || r.Group == "apps" && r.Resource == "deployments", nil
	}, false)
	for _, want := range []string{"create pods/binding, get deployments.apps, patch pods\"", "ecideck-node manifests", "level=ERROR"} {
		if !strings.Contains(log, want) {
			t.Errorf("no %q in %s", want, log)
		}
	}
	if questions < 40 {
		t.Errorf("only %d rights were asked for", questions)
	}
}

func TestWhoHasAllRightsIsToldNothing(t *testing.T) {
	var webhook bool
	none := func(r *authorizationv1.ResourceAttributes) (bool, error) {
		webhook = webhook || r.Resource == "mutatingwebhookconfigurations" && r.Name == "ecideck-burst"
		return false, nil
	}
	if log, _ := asked(t, none, false); log != "" || webhook {
		t.Errorf("the webhook's rights are asked for without it (%v), or: %s", webhook, log)
	}
	if log, _ := asked(t, none, true); log != "" || !webhook {
		t.Errorf("the webhook's rights are not asked for with it (%v), or: %s", webhook, log)
	}
}

func TestRightsThatCannotBeAskedForAreSaid(t *testing.T) {
	log, _ := asked(t, func(*authorizationv1.ResourceAttributes) (bool, error) { return false, errors.New("no such kind") }, false)
	if !strings.Contains(log, "it is not known whether") || !strings.Contains(log, "no such kind") {
		t.Errorf("%s", log)
	}
}

// refusingSink is an API server that takes no events.
type refusingSink struct {
	record.EventSink
	err error
}

func (s refusingSink) Create(*corev1.Event) (*corev1.Event, error)        { return nil, s.err }
func (s refusingSink) Patch(*corev1.Event, []byte) (*corev1.Event, error) { return nil, s.err }

func TestRefusedEventsAreSaidOnce(t *testing.T) {
	forbidden := apierrors.NewForbidden(corev1.Resource("events"), "", errors.New(`User "x" cannot create resource "events"`))
	ending := &apierrors.StatusError{ErrStatus: *forbidden.ErrStatus.DeepCopy()}
	ending.ErrStatus.Details = &metav1.StatusDetails{Causes: []metav1.StatusCause{{Type: corev1.NamespaceTerminatingCause}}}
	for _, test := range []struct {
		name string
		err  error
		says int
	}{{"no right", forbidden, 1}, {"a namespace that goes", ending, 0}, {"a server in trouble", errors.New("EOF"), 0}, {"nothing", nil, 0}} {
		var text bytes.Buffer
		s := &frankSink{EventSink: refusingSink{err: test.err}, log: slog.New(slog.NewTextHandler(&text, nil))}
		for range 3 {
			if _, err := s.Create(&corev1.Event{}); !errors.Is(err, test.err) {
				t.Errorf("%s: %v", test.name, err)
			}
			if _, err := s.Patch(&corev1.Event{}, nil); !errors.Is(err, test.err) {
				t.Errorf("%s: %v", test.name, err)
			}
		}
		if n := strings.Count(text.String(), "ecideck-node manifests"); n != test.says {
			t.Errorf("%s: said %d times, want %d", test.name, n, test.says)
		}
	}
}
