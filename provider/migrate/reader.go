package migrate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// allEvery is how often a Reader reads what has ended again: some of it may have been removed,
// or have begun and ended between two looks.
const allEvery = time.Minute

// A Reader reads operations again and again, and of what has ended only what is new: a journal
// that has ended does not change, nor does a local file of the same size and time. It is for one
// goroutine at a time, and nobody writes to what it gives.
type Reader struct {
	Client kubernetes.Interface
	Audit  AuditDir

	shelves map[string]*shelf // by namespace
	kept    folder
	files   map[string]seen // by the operation's id
}

// A shelf is what was read of a namespace's journals.
type shelf struct {
	at     time.Time             // when all were read
	over   map[string]*Operation // those that had ended then
	broken map[string]bool       // those that could not be read then
	open   map[string]bool       // those that had not ended when they were looked at last
}

// seen is what was read of a local file, as long as it is the same.
type seen struct {
	size int64
	at   time.Time
	op   *Operation // nil: the cluster has it, or it was never begun
}

// Load is the function Load.
func (r *Reader) Load(ctx context.Context, namespace string) ([]*Operation, error) {
	all, broken, err := r.load(ctx, namespace)
	errs := []error{err}
	for _, id := range slices.Sorted(maps.Keys(broken)) {
		errs = append(errs, broken[id])
	}
	return all, errors.Join(errs...)
}

// load is Load with the operations that can't be read by their ids.
func (r *Reader) load(ctx context.Context, namespace string) (all []*Operation, broken map[string]error, err error) {
	var errs []error
	found, broken, err := r.journals(ctx, namespace)
	if err != nil {
		errs = append(errs, err)
	}
	locals, err := r.locals(ctx, func(id string) bool { return found[id] != nil || broken[id] != nil })
	if err != nil {
		errs = append(errs, err)
	}
	for _, o := range locals {
		if namespace == "" || namespace == o.Plan.Home {
			found[o.ID] = o
		}
	}
	all = slices.Collect(maps.Values(found))
	slices.SortFunc(all, func(a, b *Operation) int { return cmp.Or(b.Began.Compare(a.Began), cmp.Compare(a.ID, b.ID)) })
	return all, broken, errors.Join(errs...)
}

// journals are the operations that ConfigMaps of a namespace have, by id.
func (r *Reader) journals(ctx context.Context, namespace string) (found map[string]*Operation, broken map[string]error, err error) {
	if s := r.shelves[namespace]; s != nil && time.Since(s.at) < allEvery {
		found, broken, err := r.list(ctx, namespace, labelJournal+",!"+labelEnded)
		if err != nil {
			return found, broken, err
		}
		// Of one whose process is just ending it, or died at that, a part may be in the list.
		maps.DeleteFunc(broken, func(id string, _ error) bool { return s.over[id] != nil })
		if s.still(found, broken) {
			s.looks(found)
			for id, o := range s.over {
				if found[id] == nil {
					found[id] = o
				}
			}
			return found, broken, nil
		}
	}
	found, broken, err = r.list(ctx, namespace, labelJournal)
	if err != nil {
		return found, broken, err
	}
	s := &shelf{at: time.Now(), over: map[string]*Operation{}, broken: map[string]bool{}}
	for id, o := range found {
		if o.State.Ended() {
			s.over[id] = o
		}
	}
	for id := range broken {
		s.broken[id] = true
	}
	s.looks(found)
	if r.shelves == nil {
		r.shelves = map[string]*shelf{}
	}
	r.shelves[namespace] = s
	return found, broken, nil
}

// still tells that what was read without what has ended leaves no question: none of those that
// were open is missing, and none can't be read that could be.
func (s *shelf) still(found map[string]*Operation, broken map[string]error) bool {
	for id := range s.open {
		if found[id] == nil && broken[id] == nil {
			return false
		}
	}
	for id := range broken {
		if !s.broken[id] {
			return false
		}
	}
	return true
}

func (s *shelf) looks(found map[string]*Operation) {
	s.open = map[string]bool{}
	for id, o := range found {
		if !o.State.Ended() {
			s.open[id] = true
		}
	}
}

// list reads the operations of the ConfigMaps that a selector chooses.
func (r *Reader) list(ctx context.Context, namespace, selector string) (found map[string]*Operation, broken map[string]error, err error) {
	found, broken = map[string]*Operation{}, map[string]error{}
	list, err := r.Client.CoreV1().ConfigMaps(namespace).List(ctx, metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		return found, broken, fmt.Errorf("looking for ConfigMaps of operations: %w", err)
	}
	for id, configs := range byOperation(list.Items) {
		o, err := assemble(id, configs)
		if err != nil {
			broken[id] = fmt.Errorf("reading the operation %s: %w", id, err)
		} else if o != nil {
			found[id] = o
		}
	}
	return found, broken, nil
}

// locals are the operations that only local files have, but for those that are known.
func (r *Reader) locals(ctx context.Context, known func(id string) bool) ([]*Operation, error) {
	if r.kept == "" {
		var err error
		if r.kept, err = r.Audit.of(ctx, r.Client); err != nil || r.kept == "" {
			return nil, err
		}
	}
	ids, files, err := r.kept.list()
	if err != nil {
		return nil, err
	}
	var all []*Operation
	var errs []error
	read := map[string]seen{}
	for _, id := range ids {
		now := seen{size: files[id].Size(), at: files[id].ModTime()}
		was, is := r.files[id]
		switch {
		case known(id):
			if is {
				read[id] = was
			}
			continue
		case is && was.size == now.size && was.at.Equal(now.at):
			now.op = was.op
		default:
			o, err := r.kept.read(id)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			if o != nil && o.Local {
				now.op = o
			}
		}
		if read[id] = now; now.op != nil {
			all = append(all, now.op)
		}
	}
	r.files = read
	return all, errors.Join(errs...)
}
