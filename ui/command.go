package ui

import (
	"fmt"
	"slices"
	"strings"
)

// commandNames are what can be typed first after ":".
func (c *console) commandNames() []string {
	names := make([]string, 0, len(c.mains)+4)
	for _, m := range c.mains {
		names = append(names, m.name)
	}
	return append(names, "help", "messages", "readonly", "quit")
}

// canonical is the command behind an alias.
func canonical(name string) string {
	switch strings.ToLower(name) {
	case "po", "pod":
		return "pods"
	case "no", "node":
		return "nodes"
	case "ev", "event":
		return "events"
	case "ov", "home":
		return "overview"
	case "wl", "workload", "deploy", "deployments", "sts", "statefulsets", "jobs":
		return "workloads"
	case "hpa", "hpas", "scale":
		return "scaling"
	case "costs", "money", "$":
		return "cost"
	case "ops", "op", "operation", "plans":
		return "operations"
	case "ro", "read-only":
		return "readonly"
	case "gr", "group", "eci", "cg":
		return "groups"
	case "q", "q!", "exit":
		return "quit"
	case "h", "?":
		return "help"
	case "msg", "!":
		return "messages"
	}
	return strings.ToLower(name)
}

// namespaces are all that occur in the snapshot, sorted.
func (c *console) namespaces() []string {
	var out []string
	last := ""
	for _, p := range c.snapshot.Placements { // sorted by namespace
		if p.Pod != nil && p.Pod.Namespace != last {
			last = p.Pod.Namespace
			out = append(out, last)
		}
	}
	return out
}

// complete is what Tab adds to a command: the rest of the first name that starts like the
// last word.
func complete(line string, commands, namespaces []string) string {
	name, argument, spaced := strings.Cut(line, " ")
	candidates, word := commands, name
	if spaced {
		if !namespaced(canonical(name)) || strings.ContainsAny(argument, " /") {
			return ""
		}
		candidates, word = append([]string{"all"}, namespaces...), argument
	}
	if word == "" {
		return ""
	}
	for _, c := range candidates {
		if rest, ok := strings.CutPrefix(c, word); ok {
			return rest
		}
	}
	return ""
}

// namespaced reports whether a view's command takes a namespace.
func namespaced(name string) bool {
	switch name {
	case "pods", "groups", "workloads", "scaling", "cost":
		return true
	}
	return false
}

// command runs what was typed after ":": a view's name, where its rows have one a namespace
// ("all" for none), then a filter that starts with "/".
func (c *console) command(line string) error {
	name, rest, _ := strings.Cut(line, " ")
	rest = strings.TrimSpace(rest)
	name = canonical(name)
	switch name {
	case "quit":
		c.leave()
		return nil
	case "readonly":
		c.turnReadOnly()
		return nil
	case "help":
		c.help()
		return nil
	case "messages":
		c.press("!")
		return nil
	}
	i := slices.IndexFunc(c.mains, func(m main) bool { return m.name == name })
	if i < 0 {
		return fmt.Errorf("no command %q: %s", name, strings.Join(c.commandNames(), ", "))
	}
	v := c.mains[i].view
	if rest != "" {
		filter, err := commandFilter(name, rest)
		if err != nil {
			return err
		}
		if err := v.(searchable).SetFilter(filter); err != nil {
			return err
		}
	}
	c.main(v)
	return nil
}

// commandFilter turns a command's arguments into a filter.
func commandFilter(name, rest string) (string, error) {
	if strings.HasPrefix(rest, "/") {
		return strings.TrimSpace(rest[1:]), nil
	}
	namespace, filter, _ := strings.Cut(rest, " ")
	filter = strings.TrimPrefix(strings.TrimSpace(filter), "/")
	if namespace == "all" {
		return filter, nil
	}
	switch name {
	case "cost":
		return strings.TrimSpace(namespace + " " + filter), nil // its rows have a namespace in their names
	case "pods", "workloads", "scaling":
		return strings.TrimSpace("namespace:=" + namespace + " " + filter), nil
	case "groups":
		return strings.TrimSpace("pod:" + namespace + "/ " + filter), nil
	}
	return "", fmt.Errorf("%s have no namespace; `%s /text` filters", name, name)
}
