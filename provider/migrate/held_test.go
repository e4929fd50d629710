package migrate

import (
	"errors"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	k8stesting "k8s.io/client-go/testing"
)

// TestAPlanSaysWhoHasItsTargetsWithoutAllNamespaces: to whom may read the ConfigMaps of one
// namespace, and to whom may read none, as far as the leases tell.
func TestAPlanSaysWhoHasItsTargetsWithoutAllNamespaces(t *testing.T) {
	for _, c := range []struct {
		name  string
		mayIn string // the namespace whose ConfigMaps may be read
		rests bool   // nobody is at work on the other operation
		want  string
	}{
		{"in the target's namespace", "shop", true, "has stopped halfway on deployment/web in shop"},
		{"in the target's namespace, at work", "shop", false, "of bob@bastion/1 is at work on deployment/web in shop"},
		{"nowhere, at work", "none", false, "of bob@bastion/1 is at work on deployment/web in shop"},
		{"nowhere, and it may have ended", "none", true, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, 3, func(t *testing.T, w *world) {
				if _, err := (&Engine{Client: w.api, Holder: "bob@bastion/1"}).Enroll(t.Context(), w.plan(ToECI, w.names()[0])); err != nil {
					t.Fatal(err)
				}
				if !c.rests {
					leases := w.api.CoordinationV1().Leases("shop")
					all, err := leases.List(t.Context(), metav1.ListOptions{})
					if err != nil || len(all.Items) != 1 {
						t.Fatal(all, err)
					}
					at := metav1.NewMicroTime(time.Now())
					all.Items[0].Spec.RenewTime = &at
					if _, err := leases.Update(t.Context(), &all.Items[0], metav1.UpdateOptions{}); err != nil {
						t.Fatal(err)
					}
				}
				w.api.PrependReactor("list", "configmaps", func(a k8stesting.Action) (bool, runtime.Object, error) {
					if a.GetNamespace() == c.mayIn {
						return false, nil, nil
					}
					return true, nil, apierrors.NewForbidden(a.GetResource().GroupResource(), "", errors.New("not yours"))
				})
				o, err := Propose(t.Context(), w.api, nil, "alice", Request{To: ToECI, Targets: []Ref{{Kind: "Pod", Namespace: "shop", Name: w.names()[1]}}}, time.Now())
				if err != nil {
					t.Fatal(err)
				}
				if got := o.Plan.Blocked(); !strings.Contains(got, c.want) || (got == "") != (c.want == "") {
					t.Errorf("blocked: %q, want %q", got, c.want)
				}
			})
		})
	}
}
