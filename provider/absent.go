package provider

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/ecideck/ecideck/provider/eci"
)

// regionEvery is how often the whole region is listed for a witness, at the most.
const regionEvery = time.Minute

// A region remembers a group that is not ours and can be a witness.
type region struct {
	mu      sync.Mutex
	witness string
	asked   time.Time
}

func (r *region) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.witness = ""
}

// witness is a group that ECI should show and that is not one of ids; "": there is none.
func (p *Provider) witness(ctx context.Context, ids []string) (string, error) {
	if own := p.ownWitness(ids); own != "" {
		return own, nil
	}
	p.region.mu.Lock()
	defer p.region.mu.Unlock()
	if w := p.region.witness; w != "" && !slices.Contains(ids, w) {
		return w, nil
	}
	if time.Since(p.region.asked) < regionEvery {
		return "", nil
	}
	groups, err := p.Cloud.Groups(ctx, eci.GroupQuery{})
	if err != nil {
		return "", fmt.Errorf("looking for a group that shows what the credentials may see: %w", err)
	}
	p.region.asked, p.region.witness = time.Now(), ""
	ours := p.vswitches()
	for i := range groups {
		g := &groups[i]
		if g.Status == eci.Terminating || slices.Contains(ids, g.ID) || !slices.Contains(ours, g.VSwitchID) {
			continue
		}
		if p.region.witness = g.ID; g.Status == eci.Running {
			break
		}
	}
	return p.region.witness, nil
}

// ownWitness is a group of ours that was seen lately and is not one of ids.
func (p *Provider) ownWitness(ids []string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	best := ""
	for _, e := range p.entries {
		if e.groupID == "" || e.gone || !e.unseen.IsZero() || e.deleting || e.group.VSwitchID == "" || slices.Contains(ids, e.groupID) {
			continue
		}
		if e.group.Status == eci.Running {
			return e.groupID
		}
		best = e.groupID
	}
	return best
}

// vswitches are those that groups of this node are created in or were seen in.
func (p *Provider) vswitches() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	ids := slices.Clone(p.Placement.VSwitchIDs)
	for _, e := range p.entries {
		if e.group != nil && e.group.VSwitchID != "" {
			ids = append(ids, e.group.VSwitchID)
		}
	}
	return ids
}

// seesOthers tells that ECI shows a group now, so that an empty answer means something.
func (p *Provider) seesOthers(ctx context.Context) (bool, error) {
	witness, err := p.witness(ctx, nil)
	if witness == "" {
		return false, err
	}
	groups, err := p.Cloud.Groups(ctx, eci.GroupQuery{IDs: []string{witness}})
	if err != nil {
		return false, fmt.Errorf("asking for a group by id: %w", err)
	}
	if len(groups) == 0 {
		p.region.forget()
	}
	return len(groups) > 0, nil
}

// missed notes that an answer lacks the entry's group.
func (p *Provider) missed(e *entry) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.doubt(e)
}

// missedFor is how long ECI's answers have lacked the entry's group.
func (p *Provider) missedFor(e *entry) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return time.Since(e.unseen)
}

// doubt needs p.mu. After a while the pod says that its group is not seen.
func (p *Provider) doubt(e *entry) {
	if e.unseen.IsZero() {
		e.unseen = time.Now()
	}
	if !e.doubted && !e.deleting && time.Since(e.unseen) >= unseenAfter {
		e.doubted = true
		p.outbox.Add(e.uid)
	}
}

// unseenNote says what is known of a group that no answer shows, and what to do.
func unseenNote(pod *corev1.Pod) Note {
	id := pod.Annotations[eci.AnnotationInstanceID]
	return Note{"GroupNotVisible", fmt.Sprintf("ECI's answers do not show the container group %s, and no other group of its vSwitch is seen that would prove it gone: "+
		"either it was deleted outside of Kubernetes, or the credentials may not see it. Grant eci:DescribeContainerGroups; if the group is gone, run "+
		"kubectl delete pod -n %s %s, and its controller starts a new one", id, pod.Namespace, pod.Name)}
}

// visible sets the condition that tells whether ECI shows the pod's group.
func visible(status *corev1.PodStatus, value corev1.ConditionStatus, reason, message string, generation int64) {
	setCondition(status, corev1.PodCondition{Type: ConditionGroupVisible, Status: value, Reason: reason, Message: message,
		ObservedGeneration: generation, LastTransitionTime: metav1.NewTime(time.Now().Truncate(time.Second))})
}
