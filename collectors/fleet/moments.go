package fleet

import (
	"slices"
	"time"
)

// A momentKey is what events of one Moment share.
type momentKey struct {
	source, reason, kind, namespace string
	subject                         Owner
}

// groupEvents makes the grouped timeline. Events of one reason about the pods of one
// workload are one line; so are a group's, which is its pod's.
func (b *builder) groupEvents() {
	k, old := &b.s.built, &b.old.built
	if same(b.s.Events, b.old.Events) && k.groups == old.groups && b.sameOwners && b.old.Timeline != nil {
		b.s.Timeline = b.old.Timeline
		return
	}
	index := make(map[momentKey]int, len(b.s.Events)/4)
	var out []*Moment
	for _, e := range b.s.Events { // newest first
		key := momentKey{source: e.Source, reason: e.Reason, kind: e.Kind, namespace: e.Namespace, subject: Owner{e.Kind, e.Name}}
		switch e.Kind {
		case KindGroup:
			if g := k.groups.byID[e.Name]; g != nil && g.Identity.PodName != "" {
				key.namespace = g.Identity.Namespace
				key.subject = b.ownerByName(g.Identity.Namespace, g.Identity.PodName)
			}
		case kindPod:
			key.subject = b.ownerByName(e.Namespace, e.Name)
		}
		at, found := index[key]
		if !found {
			index[key] = len(out)
			out = append(out, &Moment{Event: *e, First: firstSeen(e), Total: e.Count, Objects: 1, Subject: key.subject, Events: []*Event{e}})
			out[len(out)-1].Namespace = key.namespace
			continue
		}
		m := out[at]
		m.Total += e.Count
		if first := firstSeen(e); first.Before(m.First) {
			m.First = first
		}
		if !slices.ContainsFunc(m.Events, func(o *Event) bool { return o.Name == e.Name && o.Kind == e.Kind }) {
			m.Objects++
		}
		m.Events = append(m.Events, e)
	}
	b.s.Timeline = out
}

// ownerByName is the workload of a pod that an event names; the pod itself when it is gone.
func (b *builder) ownerByName(namespace, name string) Owner {
	pods := b.in.Pods.Items
	at, _ := slices.BinarySearchFunc(pods, &Pod{Namespace: namespace, Name: name}, ComparePods)
	if at < len(pods) && pods[at].Namespace == namespace && pods[at].Name == name {
		key := b.in.ownerOf(pods[at])
		return Owner{key.kind, key.name}
	}
	return Owner{kindPod, name}
}

func firstSeen(e *Event) time.Time { return firstTime(e.First, e.Time) }
