package placement

import (
	"strings"
)

// Document is the table as Markdown, for people: what ECI can't do, and what happens then.
func Document() string {
	var out strings.Builder
	out.WriteString(`# What a pod can say, and what becomes of it on ECI

Generated from the table of this package by ` + "`go test ./provider/placement -update`" + `; do not edit.

A field **runs** (it arrives at ECI, or Kubernetes acts on it), **warns** (ECI has nothing for
it; the pod runs, and one event on it says so) or **refuses** (the pod can't run on ECI: bare
pods and pods of Jobs and DaemonSets fail at once with the reason, pods of other controllers
stay Pending with a condition, a waiting reason and an event).

`)
	t := theTable()
	out.WriteString("## What ECI can't do\n\n| field | values | what happens | why | instead |\n|---|---|---|---|---|\n")
	all := append(shapeWords(), distinct(t.rows)...)
	for _, verdict := range []Verdict{Refuses, Warns} {
		for i := range all {
			for _, rule := range all[i].rules {
				if rule.verdict == verdict {
					line(&out, code(all[i].path), rule.values, rule.verdict.String(), strings.ReplaceAll(rule.reason, "%s", "…"), rule.remedy)
				}
			}
		}
	}
	out.WriteString("\nWhat is said of spec.containers[] is true of spec.initContainers[] too, unless they are listed themselves.\n")
	out.WriteString("\n## What runs\n\n| field | becomes |\n|---|---|\n")
	for i := range all {
		if all[i].runs != "" {
			line(&out, code(all[i].path), all[i].runs)
		}
	}
	out.WriteString("\n## Annotations\n\nNames and meanings are ACK's. An unknown one that begins with `" + prefixECI + "` warns.\n\n| annotation | takes | what happens |\n|---|---|---|\n")
	for _, a := range annotations() {
		name := code(a.key)
		for _, older := range a.older {
			name += ", formerly " + code(older)
		}
		does := a.does
		switch {
		case a.refuse != nil && a.apply != nil, a.refuse != nil && a.takes != "":
			does = "refuses other values: " + does + "; " + a.remedy
		case a.refuse != nil:
			does = "refuses: " + does + "; " + a.remedy
		case a.idle != nil && a.takes != "" && !a.idle(a.takes):
			does = "warns of other values: " + does
		case a.idle != nil:
			does = "warns: " + does
		}
		line(&out, name, a.takes, does)
	}
	return out.String()
}

// distinct leaves out an init container's row that says what a container's does.
func distinct(rows []row) []row {
	words := func(r row) string {
		w := r.runs
		for _, rule := range r.rules {
			w += "|" + rule.values + "|" + rule.reason
		}
		return w
	}
	ofContainers := map[string]string{}
	var out []row
	for _, r := range rows {
		if below, ok := strings.CutPrefix(r.path, "spec.containers[]"); ok {
			ofContainers[below] = words(r)
		}
		if below, ok := strings.CutPrefix(r.path, "spec.initContainers[]"); !ok || ofContainers[below] != words(r) {
			out = append(out, r)
		}
	}
	return out
}

func code(s string) string { return "`" + s + "`" }

func line(out *strings.Builder, cells ...string) {
	for _, c := range cells {
		out.WriteString("| " + strings.ReplaceAll(c, "|", `\|`) + " ")
	}
	out.WriteString("|\n")
}
