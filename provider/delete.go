package provider

import (
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/ecideck/ecideck/provider/eci"
)

// syncDelete deletes the pod's group, waits until its containers have ended, then removes
// the pod's object. The poll loop calls it again whenever the group changes.
func (p *Provider) syncDelete(ctx context.Context, e *entry) error {
	if err := p.findUnknown(ctx, e); err != nil {
		p.say(e, Note{"DeleteFailed", "the pod may have a container group, which can't be looked for; it is tried again: " + words(err)})
		return err
	}
	p.mu.Lock()
	id, accepted, hurried, gone := e.groupID, e.accepted, e.hurried, e.gone || e.groupID == "" && e.dead == ""
	ranNothing := id == ""
	if ranNothing {
		id = e.dead // could not be scheduled; its next attempt is never made
	}
	late := accepted && !gone && !time.Now().Before(e.overdue())
	ended := e.group != nil && (e.group.Status.Ended() || len(e.group.Containers) > 0 && allEnded(e.group))
	p.mu.Unlock()

	if !gone && !ranNothing {
		p.wordsBefore(ctx, e, ended)
	}
	var failed error
	if late {
		p.say(e, Note{"DeleteNotCarriedOut", fmt.Sprintf("ECI accepted the deletion of container group %s, still lists it %s after its grace period, and may bill it; it is deleted again", id, deleteAgain)})
	}
	if !gone && (!accepted || late) {
		remove := p.Cloud.DeleteGroup
		if hurried {
			remove = p.Cloud.DeleteGroupNow
		}
		err := remove(ctx, id)
		switch {
		case err == nil && ranNothing:
			gone = true // no container has to end, and nothing is paid
		case err == nil:
			p.mu.Lock()
			e.accepted = e.hurried == hurried // by force meanwhile: that is another call, which is queued
			e.acceptedAt = time.Now()
			again := time.Until(e.overdue())
			p.mu.Unlock()
			p.queue.AddAfter(e.uid, again)
			p.look()
		case eci.IsNotFound(err):
			gone = true
		default:
			failed = fmt.Errorf("deleting group %s: %w", id, err)
			p.say(e, Note{"DeleteFailed", "the container group " + id + " can't be deleted and may cost money, it is tried again: " + words(err)})
		}
	}
	p.mu.Lock()
	if gone {
		e.gone = true // and not e.gone = gone: the poll loop may have found it gone meanwhile
		if ranNothing {
			e.dead = ""
		}
	}
	p.mu.Unlock()
	if gone || ended {
		if err := p.finish(ctx, e); err != nil {
			return err
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if e.gone && e.removed && p.entries[e.uid] == e {
		delete(p.entries, e.uid)
		if p.Metrics != nil && !ranNothing {
			p.Metrics.ended.Observe(time.Since(e.deleteSince).Seconds())
		}
	}
	return failed
}

// deleteAgain is how long after its time a group may be listed whose delete was accepted,
// before it is deleted once more, which does no harm.
const deleteAgain = 2 * time.Minute

// overdue is when a delete that was accepted is to be sent again. It needs p.mu.
func (e *entry) overdue() time.Time {
	from := e.deleteBy
	if e.acceptedAt.After(from) {
		from = e.acceptedAt
	}
	return from.Add(deleteAgain)
}

// findUnknown looks for the group of a create whose fate is unknown. What turns up later
// is collected as an orphan.
func (p *Provider) findUnknown(ctx context.Context, e *entry) error {
	p.mu.Lock()
	needed := e.unknown()
	p.mu.Unlock()
	if !needed {
		return nil
	}
	groups, err := p.Cloud.Groups(ctx, eci.GroupQuery{Tags: p.podTags(e.uid)})
	if err != nil {
		return fmt.Errorf("looking for the group of a deleted pod: %w", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	e.request, e.ours, e.mismatched = nil, true, time.Time{}
	for i := range groups {
		if p.owns(&groups[i]) && groups[i].Tags[eci.TagPodUID] == string(e.uid) {
			e.groupID, e.group = groups[i].ID, &groups[i]
		}
	}
	return nil
}

// finish writes how the pod ended and removes its object: what waits for the pod (a
// StatefulSet, kubectl delete) goes on now, not when the grace period is over.
func (p *Provider) finish(ctx context.Context, e *entry) error {
	p.mu.Lock()
	removed, group := e.removed, e.group
	p.mu.Unlock()
	pod := p.current(e)
	if removed || pod == nil {
		p.mu.Lock()
		e.removed = true
		p.mu.Unlock()
		return nil
	}
	if pod.DeletionTimestamp == nil {
		return nil // deleted by name while the informer still shows it; it comes again
	}
	client := p.Client.CoreV1().Pods(pod.Namespace)
	if group != nil && !finished(pod.Status.Phase) {
		last := *group
		last.Status = eci.Failed
		if len(last.Containers) > 0 && allEnded(&last) && endPhase(&last) == corev1.PodSucceeded {
			last.Status = eci.Succeeded
		}
		status := Status(pod, &last, time.Now())
		status.Reason, status.Message = "", ""
		if _, err := patchStatus(ctx, client, pod, status, nil, ""); err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("writing how the pod ended: %w", err)
		}
	}
	if err := removePod(ctx, client, pod); err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
		return fmt.Errorf("removing the pod's object: %w", err)
	}
	p.mu.Lock()
	e.removed = true
	p.mu.Unlock()
	return nil
}

// orphanAge is how long a group must have been without a pod, seen in two listings at
// least, before it is deleted.
const orphanAge = 30 * time.Second

// collectOrphans deletes groups of this cluster and node whose pods are gone. It never acts
// on one sight alone, and asks the API server itself, not the cache.
func (p *Provider) collectOrphans(ctx context.Context, groups []eci.Group) {
	now := time.Now()
	seen := map[string]bool{}
	for i := range groups {
		g := &groups[i]
		if !p.owns(g) || g.Status == eci.Terminating || probing(g, now) || !p.orphaned(g) {
			continue
		}
		seen[g.ID] = true
		p.mu.Lock()
		first, known := p.orphans[g.ID]
		if !known {
			p.orphans[g.ID] = now
		}
		p.mu.Unlock()
		if !known || now.Sub(first) < orphanAge {
			continue
		}
		id := eci.IdentityOf(g.Tags)
		if claimed, err := p.claimed(ctx, g); claimed || err != nil {
			if err != nil {
				p.log.WarnContext(ctx, "a group without a pod is kept", "group", g.ID, "err", err)
			}
			continue
		}
		p.wordsOfOrphan(ctx, g)
		p.log.WarnContext(ctx, "deleting a group whose pod is gone", "group", g.ID, "pod", id.Namespace+"/"+id.PodName, "uid", id.PodUID)
		if err := p.Cloud.DeleteGroup(ctx, g.ID); err != nil && !eci.IsNotFound(err) {
			p.log.WarnContext(ctx, "deleting an orphan", "group", g.ID, "err", err)
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for id := range p.orphans {
		if !seen[id] {
			delete(p.orphans, id)
		}
	}
}

// orphaned tells that no pod claims the group, or another group runs its pod already.
func (p *Provider) orphaned(g *eci.Group) bool {
	id := eci.IdentityOf(g.Tags)
	if id.PodUID == "" || id.Namespace == "" || id.PodName == "" {
		return false // without a name it can't be proven that the pod is gone
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for uid, e := range p.entries {
		if string(uid) == id.PodUID {
			return e.groupID != "" && e.groupID != g.ID && e.dead != g.ID && !e.busy
		}
	}
	// By UID and not by name: the tag of a long name is its hash.
	pods, _ := p.Pods.Pods(id.Namespace).List(labels.Everything()) // a lister's List has no error of its own
	return !slices.ContainsFunc(pods, func(pod *corev1.Pod) bool { return string(pod.UID) == id.PodUID })
}

// claimed asks the API server whether the group's pod exists and names no other group.
func (p *Provider) claimed(ctx context.Context, g *eci.Group) (bool, error) {
	id := eci.IdentityOf(g.Tags)
	pods, err := p.Client.CoreV1().Pods(id.Namespace).List(ctx, metav1.ListOptions{
		FieldSelector: fields.OneTermEqualSelector("spec.nodeName", p.Placement.NodeName).String()})
	if err != nil {
		return false, fmt.Errorf("listing the pods of namespace %s: %w", id.Namespace, err)
	}
	return slices.ContainsFunc(pods.Items, func(pod corev1.Pod) bool {
		named := pod.Annotations[eci.AnnotationInstanceID]
		return string(pod.UID) == id.PodUID && (named == "" || named == g.ID)
	}), nil
}
