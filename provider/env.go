package provider

import (
	"fmt"
	"maps"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/kubectl/pkg/util/fieldpath"
	kubectlresource "k8s.io/kubectl/pkg/util/resource"

	"github.com/ecideck/ecideck/provider/eci"
	"github.com/ecideck/ecideck/provider/eci/spec"
)

// Limits of a container's environment (CreateContainerGroup, EnvironmentVar.M).
const (
	maxVariables     = 241
	maxVariableKey   = 128
	maxVariableValue = 256
)

var variableKey = regexp.MustCompile(`^[0-9A-Za-z_]+$`)

// variable is one resolved environment variable; native is set where only ECI knows the
// value.
type variable struct {
	value  string
	native string
}

// environment resolves a container's variables as the kubelet does: services, envFrom,
// env, later ones over earlier ones, $(NAME) expanded from what came before. The returned
// function looks a variable up for command, args and subPathExpr.
func (b *builder) environment(c *corev1.Container, field string) ([]eci.EnvironmentVar, func(string) (string, bool), error) {
	vars := map[string]variable{}
	services := b.serviceVariables()
	if err := b.envFrom(c, vars); err != nil {
		return nil, nil, err
	}
	var order []string
	lookup := func(name string) (string, bool) {
		if v, ok := vars[name]; ok {
			if v.native != "" {
				b.note("AddressNotExpanded", "%s: $(%s) is the group's address, which ECI alone knows; it arrives as it is written", field, name)
			}
			return v.value, v.native == ""
		}
		v, ok := services[name]
		return v, ok
	}
	for i := range c.Env {
		v, ok, err := b.variable(&c.Env[i], c, fmt.Sprintf("%s.env[%d]", field, i), lookup)
		if err != nil {
			return nil, nil, err
		}
		if ok {
			vars[c.Env[i].Name] = v
			order = append(order, c.Env[i].Name)
		}
	}
	for name, value := range services {
		if _, ok := vars[name]; !ok {
			vars[name] = variable{value: value}
		}
	}
	rest := slices.Sorted(maps.Keys(vars))
	rest = slices.DeleteFunc(rest, func(name string) bool { return slices.Contains(order, name) })

	var out []eci.EnvironmentVar
	seen := map[string]bool{}
	for _, name := range append(rest, order...) {
		if seen[name] {
			continue
		}
		seen[name] = true
		v := vars[name]
		if err := checkVariable(name, v.value, field); err != nil {
			return nil, nil, err
		}
		if v.native != "" {
			out = append(out, eci.EnvironmentVar{Key: name, FieldRef: &eci.FieldRef{FieldPath: v.native}})
		} else {
			out = append(out, eci.EnvironmentVar{Key: name, Value: &v.value})
		}
	}
	if len(out) > maxVariables {
		return nil, nil, &Refusal{Field: field + ".env", Reason: fmt.Sprintf("%d variables, and ECI takes %d", len(out), maxVariables),
			Remedy: "set spec.enableServiceLinks to false if most of them are Services"}
	}
	return out, lookup, nil
}

func checkVariable(name, value, field string) error {
	switch {
	case len(name) > maxVariableKey || !variableKey.MatchString(name):
		return &Refusal{Field: field + ".env", Reason: fmt.Sprintf("ECI does not take the variable name %q (letters, digits and _, at most %d)", name, maxVariableKey), Remedy: "rename it"}
	case utf8.RuneCountInString(value) > maxVariableValue:
		return &Refusal{Field: field + ".env", Reason: fmt.Sprintf("the value of %s has %d characters, and ECI takes %d", name, utf8.RuneCountInString(value), maxVariableValue),
			Remedy: "put it into a file: mount the ConfigMap or Secret"}
	}
	return nil
}

// envFrom adds every key of the referenced objects; a key that is no variable name is
// skipped with an event, as the kubelet does.
func (b *builder) envFrom(c *corev1.Container, vars map[string]variable) error {
	for _, from := range c.EnvFrom {
		values := map[string]string{}
		kind, name := "", ""
		switch {
		case from.ConfigMapRef != nil:
			kind, name = "ConfigMap", from.ConfigMapRef.Name
			object, err := b.configMap(name, from.ConfigMapRef.Optional)
			if err != nil {
				return err
			}
			if object != nil {
				values = object.Data
			}
		case from.SecretRef != nil:
			kind, name = "Secret", from.SecretRef.Name
			object, err := b.secret(name, from.SecretRef.Optional)
			if err != nil {
				return err
			}
			if object != nil {
				for key, value := range object.Data {
					values[key] = string(value)
				}
			}
		}
		var invalid []string
		for _, key := range slices.Sorted(maps.Keys(values)) {
			if full := from.Prefix + key; len(validation.IsEnvVarName(full)) > 0 {
				invalid = append(invalid, full)
			} else {
				vars[full] = variable{value: values[key]}
			}
		}
		if len(invalid) > 0 {
			b.note("InvalidEnvironmentVariableNames", "keys [%s] from %s %s were skipped since they are invalid as environment variable names",
				strings.Join(invalid, ", "), kind, name)
		}
	}
	return nil
}

// variable resolves one entry of env; false means that it is optional and missing.
func (b *builder) variable(e *corev1.EnvVar, c *corev1.Container, field string, lookup func(string) (string, bool)) (variable, bool, error) {
	from := e.ValueFrom
	switch {
	case from == nil:
		return variable{value: expand(e.Value, lookup)}, true, nil
	case from.ConfigMapKeyRef != nil:
		ref := from.ConfigMapKeyRef
		object, err := b.configMap(ref.Name, ref.Optional)
		if err != nil || object == nil {
			return variable{}, false, err
		}
		value, ok := object.Data[ref.Key]
		if !ok {
			return variable{}, false, b.missingKey("ConfigMap", ref.Name, ref.Key, ref.Optional)
		}
		return variable{value: value}, true, nil
	case from.SecretKeyRef != nil:
		ref := from.SecretKeyRef
		object, err := b.secret(ref.Name, ref.Optional)
		if err != nil || object == nil {
			return variable{}, false, err
		}
		value, ok := object.Data[ref.Key]
		if !ok {
			return variable{}, false, b.missingKey("Secret", ref.Name, ref.Key, ref.Optional)
		}
		return variable{value: string(value)}, true, nil
	case from.FieldRef != nil:
		switch path := from.FieldRef.FieldPath; path {
		case "status.podIP", "status.podIPs", "status.hostIP", "status.hostIPs":
			// A group is its own host: both addresses are its own, and only ECI knows it.
			return variable{native: "status.podIP"}, true, nil
		default:
			value, err := b.podField(path, field)
			return variable{value: value}, err == nil, err
		}
	case from.ResourceFieldRef != nil:
		value, err := b.resourceField(from.ResourceFieldRef, c, field)
		return variable{value: value}, err == nil, err
	}
	return variable{}, false, &Refusal{Field: field + ".valueFrom", Reason: "this source of a value is not available on this virtual node", Remedy: "use a ConfigMap, a Secret or a field"}
}

// podField reads a field of the pod for the downward API.
func (b *builder) podField(path, field string) (string, error) {
	switch path {
	case "spec.nodeName":
		return b.pod.Spec.NodeName, nil
	case "spec.serviceAccountName":
		return b.pod.Spec.ServiceAccountName, nil
	}
	value, err := fieldpath.ExtractFieldPathAsString(b.pod, path)
	if err != nil {
		return "", &Refusal{Field: field + ".fieldRef", Reason: fmt.Sprintf("the field %q has no value before the group exists", path), Remedy: "use metadata.*, spec.nodeName, spec.serviceAccountName or status.podIP"}
	}
	return value, nil
}

// resourceField reads a request or limit of a container; c is the one that asks, or nil. On
// a real node a limit that is not set is what the container can use of the node; a group is
// its pod's node, so it is the size that is billed.
func (b *builder) resourceField(ref *corev1.ResourceFieldSelector, c *corev1.Container, field string) (string, error) {
	refuse := func(reason, remedy string) error {
		return &Refusal{Field: field + ".resourceFieldRef", Reason: reason, Remedy: remedy}
	}
	if ref.ContainerName != "" {
		c = nil
		for _, list := range [][]corev1.Container{b.pod.Spec.Containers, b.pod.Spec.InitContainers} {
			for i := range list {
				if list[i].Name == ref.ContainerName {
					c = &list[i]
				}
			}
		}
	}
	if c == nil {
		return "", refuse(fmt.Sprintf("the pod has no container %q", ref.ContainerName), "name one of its containers")
	}
	selector := *ref
	if selector.Divisor.IsZero() {
		selector.Divisor = resource.MustParse("1")
	}
	if name, ok := strings.CutPrefix(ref.Resource, "limits."); ok {
		name := corev1.ResourceName(name)
		if _, set := c.Resources.Limits[name]; !set {
			whole, ok := b.whole(name)
			if !ok {
				return "", refuse("there is no limit, and the size of the group is known when ECI has chosen one", "set a limit")
			}
			c = c.DeepCopy()
			if c.Resources.Limits == nil {
				c.Resources.Limits = corev1.ResourceList{}
			}
			c.Resources.Limits[name] = whole
		}
	}
	value, err := kubectlresource.ExtractContainerResourceValue(&selector, c)
	if err != nil {
		return "", refuse(err.Error(), "use limits or requests of cpu, memory or ephemeral-storage")
	}
	return value, nil
}

// whole is how much of a resource the group has; false: that is not known before it exists.
func (b *builder) whole(name corev1.ResourceName) (resource.Quantity, bool) {
	billed := b.size.Billed
	switch {
	case name == corev1.ResourceEphemeralStorage:
		return *resource.NewQuantity(int64(spec.FreeDisk+b.size.Disk)<<30, resource.BinarySI), true
	case billed == spec.Spec{}:
		return resource.Quantity{}, false
	case name == corev1.ResourceCPU:
		return *resource.NewMilliQuantity(int64(billed.CPU*1000), resource.DecimalSI), true
	case name == corev1.ResourceMemory:
		return *resource.NewQuantity(int64(billed.Memory*(1<<30)), resource.BinarySI), true
	}
	return resource.Quantity{}, true
}

// serviceVariables are the variables that announce Services: always the API server's, the
// namespace's own unless enableServiceLinks is false.
func (b *builder) serviceVariables() map[string]string {
	out := map[string]string{}
	links := b.pod.Spec.EnableServiceLinks == nil || *b.pod.Spec.EnableServiceLinks
	for i := range b.data.Services {
		s := &b.data.Services[i]
		api := s.Namespace == "default" && s.Name == "kubernetes"
		if s.Spec.ClusterIP == "" || s.Spec.ClusterIP == corev1.ClusterIPNone || len(s.Spec.Ports) == 0 {
			continue
		}
		if api || links && s.Namespace == b.pod.Namespace {
			announce(out, s)
		}
	}
	if b.where.APIServerHost != "" {
		out["KUBERNETES_SERVICE_HOST"] = b.where.APIServerHost
		out["KUBERNETES_SERVICE_PORT"] = b.where.APIServerPort
		out["KUBERNETES_SERVICE_PORT_HTTPS"] = b.where.APIServerPort
	}
	return out
}

// announce writes a Service's variables in the kubelet's form, docker's links included.
func announce(out map[string]string, s *corev1.Service) {
	upper := func(name string) string { return strings.ToUpper(strings.ReplaceAll(name, "-", "_")) }
	name, host := upper(s.Name), s.Spec.ClusterIP
	for i := range s.Spec.Ports {
		p := &s.Spec.Ports[i]
		number, protocol := strconv.Itoa(int(p.Port)), p.Protocol
		if protocol == "" {
			protocol = corev1.ProtocolTCP
		}
		url := strings.ToLower(string(protocol)) + "://" + net.JoinHostPort(host, number)
		if i == 0 {
			out[name+"_SERVICE_HOST"], out[name+"_SERVICE_PORT"], out[name+"_PORT"] = host, number, url
		}
		if p.Name != "" {
			out[name+"_SERVICE_PORT_"+upper(p.Name)] = number
		}
		prefix := name + "_PORT_" + number + "_" + string(protocol)
		out[prefix], out[prefix+"_PROTO"], out[prefix+"_PORT"], out[prefix+"_ADDR"] = url, strings.ToLower(string(protocol)), number, host
	}
}

// expand replaces $(NAME) by its value and $$ by $; what lookup does not know stays as it
// is. https://kubernetes.io/docs/tasks/inject-data-application/define-interdependent-environment-variables/
func expand(s string, lookup func(string) (string, bool)) string {
	var out strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '$' || i+1 == len(s) {
			out.WriteByte(s[i])
			continue
		}
		switch s[i+1] {
		case '$':
			out.WriteByte('$')
			i++
		case '(':
			end := strings.IndexByte(s[i:], ')')
			if end < 0 {
				out.WriteByte('$')
				continue
			}
			reference := s[i : i+end+1]
			if value, ok := lookup(reference[2 : len(reference)-1]); ok {
				out.WriteString(value)
			} else {
				out.WriteString(reference)
			}
			i += end
		default:
			out.WriteByte('$')
		}
	}
	return out.String()
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
