package collectors

import (
	"context"
	"fmt"
	"time"

	"github.com/ecideck/ecideck/collectors/fleet"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
)

// Kinds that not every cluster has are listed now and then: they are few, and change seldom.
// Where a kind is not installed it is asked for again rarely.
const (
	installedEvery = 15 * time.Second
	absentEvery    = 5 * time.Minute
)

// installed polls a kind that may not be installed. part gets all objects, or absent.
func installed(client dynamic.Interface, scope Scope, resource schema.GroupVersionResource, source, what string,
	part func(items []unstructured.Unstructured, absent bool) fleet.Part,
) Collector {
	absent := false
	roam := &roamer{scope: scope}
	return poll{
		every: func() time.Duration {
			if absent {
				return absentEvery
			}
			return installedEvery
		},
		fetch: func(ctx context.Context) (fleet.Part, error) {
			var items []unstructured.Unstructured
			note, err := roam.each(ctx, func(namespace string) error {
				some, err := listAll(ctx, client, resource, namespace)
				items = append(items, some...)
				return err
			})
			absent = apierrors.IsNotFound(err) || meta.IsNoMatchError(err) || apierrors.IsForbidden(err) && !scope.Access.installed(resource.GroupVersion(), resource.Resource)
			switch {
			case absent:
				return part(nil, true), nil
			case apierrors.IsForbidden(err):
				return nil, fmt.Errorf("this user may not list %s (ask for a role with this right): %w", what, err)
			case err != nil:
				return nil, explainKubernetes("reading "+what, err)
			}
			return fleet.Noted{Source: source, Part: part(items, false), Note: note, Partial: note != ""}, nil
		},
	}
}

func listAll(ctx context.Context, client dynamic.Interface, resource schema.GroupVersionResource, namespace string) ([]unstructured.Unstructured, error) {
	var out []unstructured.Unstructured
	o := metav1.ListOptions{Limit: pageSize}
	for {
		list, err := client.Resource(resource).Namespace(namespace).List(ctx, o)
		if err != nil {
			return nil, err
		}
		out = append(out, list.Items...)
		if o.Continue = list.GetContinue(); o.Continue == "" {
			return out, nil
		}
	}
}

// The nested readers take a field that is missing, or of another type than documented, as
// its zero value: other people's objects are read, and a new version of them may differ.
func nestedString(o map[string]any, path ...string) string {
	s, _, _ := unstructured.NestedString(o, path...)
	return s
}

func nestedInt(o map[string]any, path ...string) int {
	value, found, err := unstructured.NestedFieldNoCopy(o, path...)
	if !found || err != nil {
		return 0
	}
	switch n := value.(type) {
	case int64:
		return int(n)
	case float64:
		return int(n)
	}
	return 0
}

func nestedTime(o map[string]any, path ...string) time.Time {
	t, err := time.Parse(time.RFC3339, nestedString(o, path...))
	if err != nil {
		return time.Time{}
	}
	return t
}

// nestedMaps is a list of objects.
func nestedMaps(o map[string]any, path ...string) []map[string]any {
	list, _, _ := unstructured.NestedSlice(o, path...)
	var out []map[string]any
	for _, item := range list {
		if m, ok := item.(map[string]any); ok {
			out = append(out, m)
		}
	}
	return out
}
