package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/ecideck/ecideck/provider/eci"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/client-go/dynamic"
	"k8s.io/kubectl/pkg/describe"
	"sigs.k8s.io/yaml"
)

// kindGroup is the kind of ECI's container groups where a Kubernetes kind is expected.
const kindGroup = "ContainerGroup"

// readTimeout bounds what a person waits for one object.
const readTimeout = 30 * time.Second

// A groupReader is what objects needs of the ECI client.
type groupReader interface {
	Groups(context.Context, eci.GroupQuery) ([]eci.Group, error)
}

// objects reads single objects, whole, when a person opens them.
type objects struct {
	kube  *genericclioptions.ConfigFlags
	eci   groupReader // nil: there is none
	noECI error       // why
}

// Describe implements ui.Objects.
func (o objects) Describe(ctx context.Context, kind, namespace, name string) (string, error) {
	if kind == kindGroup {
		g, err := o.group(ctx, name)
		if err != nil {
			return "", err
		}
		return describeGroup(g, time.Now()), nil
	}
	return cancellable(ctx, func() (string, error) {
		mapping, err := o.mapping(kind)
		if err != nil {
			return "", err
		}
		describer, err := describe.Describer(o.kube, mapping)
		if err != nil {
			return "", fmt.Errorf("describing %s %s: %w", kind, name, err)
		}
		text, err := describer.Describe(namespace, name, describe.DescriberSettings{ShowEvents: true, ChunkSize: 500})
		if err != nil {
			return "", fmt.Errorf("describing %s %s: %w", kind, name, err)
		}
		return text, nil
	})
}

// YAML implements ui.Objects.
func (o objects) YAML(ctx context.Context, kind, namespace, name string) (string, error) {
	if kind == kindGroup {
		g, err := o.group(ctx, name)
		if err != nil {
			return "", err
		}
		text, err := yaml.Marshal(g)
		return string(text), err
	}
	return cancellable(ctx, func() (string, error) {
		mapping, err := o.mapping(kind)
		if err != nil {
			return "", err
		}
		config, err := o.kube.ToRESTConfig()
		if err != nil {
			return "", fmt.Errorf("reading the kubeconfig: %w", err)
		}
		client, err := dynamic.NewForConfig(config)
		if err != nil {
			return "", fmt.Errorf("making a client: %w", err)
		}
		var resource dynamic.ResourceInterface = client.Resource(mapping.Resource)
		if mapping.Scope.Name() == meta.RESTScopeNameNamespace {
			resource = client.Resource(mapping.Resource).Namespace(namespace)
		}
		object, err := resource.Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return "", fmt.Errorf("reading %s %s: %w", kind, name, err)
		}
		return objectYAML(object)
	})
}

// objectYAML leaves out the managed fields: nobody reads them, and they are half the object.
func objectYAML(object *unstructured.Unstructured) (string, error) {
	object.SetManagedFields(nil)
	text, err := yaml.Marshal(object)
	return string(text), err
}

func coreMapping(kind, resource string, scope meta.RESTScope) *meta.RESTMapping {
	v1 := schema.GroupVersion{Version: "v1"}
	return &meta.RESTMapping{Resource: v1.WithResource(resource), GroupVersionKind: v1.WithKind(kind), Scope: scope}
}

// mapping finds a kind's resource by its name alone: ours come from owner references, whose
// kinds are unique among workloads.
func (o objects) mapping(kind string) (*meta.RESTMapping, error) {
	switch kind { // these need no discovery, which is many calls on a cold cache
	case "Pod":
		return coreMapping(kind, "pods", meta.RESTScopeNamespace), nil
	case "Node":
		return coreMapping(kind, "nodes", meta.RESTScopeRoot), nil
	}
	mapper, err := o.kube.ToRESTMapper()
	if err != nil {
		return nil, fmt.Errorf("asking the API server for its kinds: %w", err)
	}
	gvk, err := mapper.KindFor(schema.GroupVersionResource{Resource: strings.ToLower(kind)})
	if err != nil {
		return nil, fmt.Errorf("the API server does not know the kind %s: %w", kind, err)
	}
	return mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
}

// cancellable runs what knows no context, and stops waiting for it when ctx ends.
func cancellable(ctx context.Context, read func() (string, error)) (string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, readTimeout, fmt.Errorf("no answer within %s", readTimeout))
	defer cancel()
	type result struct {
		text string
		err  error
	}
	done := make(chan result, 1)
	go func() {
		text, err := read()
		done <- result{text, err}
	}()
	select {
	case r := <-done:
		return r.text, r.err
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

func (o objects) group(ctx context.Context, id string) (*eci.Group, error) {
	if o.eci == nil {
		return nil, o.noECI
	}
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	found, err := o.eci.Groups(ctx, eci.GroupQuery{IDs: []string{id}, WithEvents: true})
	if err != nil {
		return nil, fmt.Errorf("reading container group %s: %w", id, err)
	}
	for i := range found {
		if found[i].ID == id {
			return &found[i], nil
		}
	}
	return nil, fmt.Errorf("ECI does not show container group %s: it is gone, or the RAM identity may not see it", id)
}

// describeGroup writes a group in the manner of kubectl describe.
func describeGroup(g *eci.Group, now time.Time) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	field := func(name, value string) {
		if value != "" {
			fmt.Fprintf(w, "%s:\t%s\n", name, printable(value))
		}
	}
	at := func(name string, t time.Time) {
		if !t.IsZero() {
			field(name, fmt.Sprintf("%s (%s ago)", t.UTC().Format(time.RFC3339), age(t, now)))
		}
	}
	field("ID", g.ID)
	field("Name", g.Name)
	field("Status", string(g.Status))
	field("Region", g.RegionID)
	field("Zone", g.ZoneID)
	field("VSwitch", g.VSwitchID)
	field("Security group", g.SecurityGroupID)
	field("IP", g.IP)
	field("Restart policy", g.RestartPolicy)
	if g.CPU > 0 {
		field("Billed", fmt.Sprintf("%g vCPU, %g GiB", g.CPU, g.Memory))
	}
	field("Instance type", g.InstanceType)
	field("Spot", g.SpotStrategy)
	at("Created", g.Created)
	at("Succeeded", g.Succeeded)
	at("Failed", g.Failed)
	at("Expired", g.Expired)
	keys := make([]string, 0, len(g.Tags))
	for key := range g.Tags {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for i, key := range keys {
		name := ""
		if i == 0 {
			name = "Tags:"
		}
		fmt.Fprintf(w, "%s\t%s=%s\n", name, printable(key), printable(g.Tags[key]))
	}
	for _, list := range []struct {
		title      string
		containers []eci.Container
	}{{"Init containers", g.InitContainers}, {"Containers", g.Containers}} {
		if len(list.containers) == 0 {
			continue
		}
		fmt.Fprintf(w, "%s:\n", list.title)
		for _, c := range list.containers {
			fmt.Fprintf(w, "  %s:\n", printable(c.Name))
			field("    Image", c.Image)
			field("    Ready", fmt.Sprint(c.Ready))
			field("    Restarts", fmt.Sprint(c.RestartCount))
			field("    State", stateText(c.Current))
			field("    Last state", stateText(c.Previous))
		}
	}
	_ = w.Flush() // into memory
	if len(g.Events) > 0 {
		fmt.Fprintln(w, "Events:\n  Type\tReason\tAge\tCount\tMessage")
		for _, e := range g.Events {
			fmt.Fprintf(w, "  %s\t%s\t%s\t%d\t%s\n", printable(e.Type), printable(e.Reason), age(e.Last, now), e.Count, printable(e.Message))
		}
		_ = w.Flush() // into memory
	}
	return b.String()
}

func stateText(s eci.ContainerState) string {
	if s.State == "" {
		return ""
	}
	parts := []string{s.State}
	for _, part := range []string{s.DetailStatus, s.Reason, s.Message} {
		if part != "" && !slices.Contains(parts, part) {
			parts = append(parts, part)
		}
	}
	if s.State == "Terminated" {
		parts = append(parts, fmt.Sprintf("exit code %d", s.ExitCode))
	}
	return strings.Join(parts, ", ")
}
