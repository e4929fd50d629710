package collectors

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/ecideck/ecideck/collectors/fleet"
	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
)

// pageSize is how many objects one LIST asks for; only one page of full objects is in memory
// at a time.
const pageSize = 500

// probeEvery is how often a watch's API server is asked whether it lives. A dead server says
// nothing on a watch for minutes; so do healthy ones.
const probeEvery = 3 * time.Second

// A Probe asks whether the API server answers.
type Probe func(context.Context) error

// A watcher is the Collector of a Kubernetes kind. It converts each page and each watch
// event to the compact record T before client-go's reflector sees it: a transform would
// come too late, the reflector holds a whole list of full objects first.
type watcher[T any] struct {
	kind    string // pods
	scope   Scope
	cluster bool // the kind belongs to no namespace
	client  any  // what list and watch call; says whether it can stream lists
	list    func(ctx context.Context, namespace string, o metav1.ListOptions) (runtime.Object, error)
	watch   func(ctx context.Context, namespace string, o metav1.ListOptions) (watch.Interface, error)
	convert func(runtime.Object) *T
	compare func(a, b *T) int                                // by namespace and name; the order of the part
	equal   func(a, b *T) bool                               // whether a reader could not tell them apart
	part    func(items []*T, namespaces []string) fleet.Part // of these namespaces; nil: of all
	every   time.Duration                                    // the shortest time between two reports
	probe   Probe                                            // nil: none
}

// A Scope says which namespaces are read.
type Scope struct {
	Namespace string // the only one; "": all
	// Access finds those that this user may read who may not read all; nil: none.
	Access *Access
}

// A record carries one converted object through the reflector, with the metadata that the
// reflector reads.
type record[T any] struct {
	metav1.TypeMeta
	metav1.ObjectMeta
	item *T
}

// DeepCopyObject makes a record a runtime.Object. The item is never changed, so it is shared.
func (r *record[T]) DeepCopyObject() runtime.Object {
	copied := *r
	r.DeepCopyInto(&copied.ObjectMeta)
	return &copied
}

// A stream is the reflector of one namespace, or of all, and what it has read.
type stream[T any] struct {
	*kept[T]
	end context.CancelFunc
}

// A follower is a running watcher: one stream, or one for each namespace that may be read.
type follower[T any] struct {
	*watcher[T]
	dirty   chan struct{}
	running sync.WaitGroup
	streams map[string]*stream[T] // by namespace
	narrow  reach                 // of the streams, when they are not what was asked for

	mu       sync.Mutex
	probeErr error // of the newest probe
	panicked any
}

// Collect implements Collector.
func (w *watcher[T]) Collect(ctx context.Context, report func(fleet.Part, error)) {
	ctx, cancel := context.WithCancel(ctx)
	f := &follower[T]{watcher: w, dirty: make(chan struct{}, 1), streams: map[string]*stream[T]{}}
	f.open(ctx, w.scope.Namespace)
	f.running.Go(func() { f.guard(func() { f.keepProbing(ctx) }) })
	defer f.running.Wait()
	defer cancel()

	var last fleet.Part        // reported again when the source comes back or is still alive
	var renew <-chan time.Time // when it is asked again what may be read
	for {
		renewed := false
		select {
		case <-ctx.Done():
			return
		case <-f.dirty:
		case <-renew:
			renewed = true
		}
		if denied := f.denied(); denied != nil || renewed {
			if f.widen(ctx, denied) {
				last = nil
			}
			renew = time.After(accessEvery)
		}
		items, changed, ready, err := f.take()
		if ready && (changed || last == nil) {
			last = fleet.Noted{Source: w.kind, Part: w.part(items, f.narrow.namespaces), Note: f.narrow.note, Partial: f.narrow.note != ""}
		}
		switch {
		case err != nil:
			if ready && changed {
				report(last, nil) // what was learned before the failure
			}
			report(nil, err)
		case ready:
			report(last, nil)
		}
		if !pause(ctx, w.every) {
			return
		}
	}
}

// open begins to read a namespace; "" is all of them.
func (f *follower[T]) open(ctx context.Context, namespace string) {
	ctx, cancel := context.WithCancel(ctx)
	k := &kept[T]{namespace: namespace, compare: f.compare, equal: f.equal, dirty: f.dirty}
	silent := logr.Discard()
	reflector := cache.NewReflectorWithOptions(f.listerWatcher(k), &record[T]{}, k, cache.ReflectorOptions{
		Name: f.kind, Logger: &silent,
		Backoff: &wait.Backoff{Duration: 500 * time.Millisecond, Factor: 2, Cap: 5 * time.Second, Steps: 5, Jitter: 0.5},
	})
	reflector.WatchListPageSize = pageSize
	f.streams[namespace] = &stream[T]{k, cancel}
	f.running.Go(func() { f.guard(func() { reflector.RunWithContext(ctx) }) })
}

// denied is the API server's refusal to have all namespaces read, if it came since the last
// time.
func (f *follower[T]) denied() error {
	s := f.streams[""]
	if s == nil || f.cluster || f.scope.Access == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.refused
	s.refused = nil
	return err
}

// widen reads what may be read, where that is not everything, and reports whether something
// was altered. The refusal is what the first question was answered with; nil: it is asked
// again because time has passed.
func (f *follower[T]) widen(ctx context.Context, refusal error) bool {
	if refusal == nil {
		refusal = f.narrow.refusal
	}
	found, err := f.scope.Access.find(ctx, refusal, "list", "watch")
	switch {
	case err != nil: // the stream's own error says it, or, with the namespaces from before, the next time does
		return false
	case found.whole:
		found.namespaces = []string{""}
	}
	altered := false
	for namespace, s := range f.streams {
		if !slices.Contains(found.namespaces, namespace) {
			s.end()
			delete(f.streams, namespace)
			altered = true
		}
	}
	for _, namespace := range found.namespaces {
		if f.streams[namespace] == nil {
			f.open(ctx, namespace)
			altered = true
		}
	}
	if found.whole {
		found.namespaces = nil
	}
	found.refusal = refusal
	altered = altered || f.narrow.note != found.note
	f.narrow = found
	return altered
}

// take joins what the streams have: items in order, whether they are others than taken
// before, and whether each stream has answered. A panic of one of them is the watcher's.
func (f *follower[T]) take() (items []*T, changed, ready bool, err error) {
	f.mu.Lock()
	panicked, probe := f.panicked, f.probeErr
	f.mu.Unlock()
	if panicked != nil {
		panic(panicked) // Run makes it this source's error and starts the collector again
	}
	ready = true
	synced := false
	for _, namespace := range slices.Sorted(maps.Keys(f.streams)) {
		some, other, read, failed := f.streams[namespace].take()
		if len(f.streams) == 1 {
			items = some
		} else {
			items = append(items, some...)
		}
		changed, synced, ready = changed || other, synced || read, ready && (read || failed != nil)
		if failed != nil {
			err = failed
		}
	}
	if probe != nil {
		err = probe
	}
	return items, changed, ready && synced, err
}

// guard hands a panic of one of the collector's goroutines to Collect.
func (f *follower[T]) guard(run func()) {
	defer func() {
		if r := recover(); r != nil {
			f.mu.Lock()
			f.panicked = r
			f.mu.Unlock()
			notify(f.dirty)
		}
	}()
	run()
}

// keepProbing notes whether the API server answers, and by that how fresh the part is.
func (f *follower[T]) keepProbing(ctx context.Context) {
	if f.probe == nil {
		return
	}
	for pause(ctx, probeEvery) {
		err := f.probe(ctx)
		if ctx.Err() != nil {
			return
		}
		f.mu.Lock()
		f.probeErr = err
		f.mu.Unlock()
		notify(f.dirty)
	}
}

func (w *watcher[T]) listerWatcher(k *kept[T]) cache.ListerWatcher {
	return cache.ToListWatcherWithWatchListSemantics(&cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			if o.ResourceVersion == "0" {
				o.ResourceVersion = "" // at "0" the server ignores the limit and sends all at once
			}
			if o.Limit == 0 && o.Continue == "" && o.ResourceVersion == "" {
				o.Limit = pageSize
			}
			page, err := w.list(ctx, k.namespace, o)
			if err != nil {
				k.note(func() { k.failed(w, err) })
				return nil, err
			}
			return w.convertPage(page)
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			o.AllowWatchBookmarks = true
			source, err := w.watch(ctx, k.namespace, o)
			if err != nil {
				if streaming := o.SendInitialEvents != nil && apierrors.IsInvalid(err); !streaming {
					k.note(func() { k.failed(w, err) }) // else the reflector lists in pages instead
				}
				return nil, err
			}
			k.note(func() { k.streamErr = nil })
			return watch.Filter(source, func(e watch.Event) (watch.Event, bool) {
				if e.Type == watch.Error {
					if err := apierrors.FromObject(e.Object); !apierrors.IsResourceExpired(err) && !apierrors.IsGone(err) {
						k.note(func() { k.failed(w, err) })
					}
					return e, true
				}
				r, err := w.convertOne(e.Object, e.Type == watch.Bookmark)
				if err != nil {
					k.note(func() { k.failed(w, err) })
					return e, false
				}
				e.Object = r
				return e, true
			}), nil
		},
	}, w.client)
}

func (w *watcher[T]) convertPage(page runtime.Object) (runtime.Object, error) {
	about, err := meta.ListAccessor(page)
	if err != nil {
		return nil, fmt.Errorf("reading a page of %s: %w", w.kind, err)
	}
	out := &internalversion.List{ListMeta: metav1.ListMeta{
		ResourceVersion: about.GetResourceVersion(), Continue: about.GetContinue(), RemainingItemCount: about.GetRemainingItemCount(),
	}}
	err = meta.EachListItem(page, func(o runtime.Object) error {
		r, err := w.convertOne(o, false)
		if err == nil {
			out.Items = append(out.Items, r)
		}
		return err
	})
	return out, err
}

// convertOne makes the record of an object. A bookmark's object holds a version only.
func (w *watcher[T]) convertOne(o runtime.Object, bookmark bool) (*record[T], error) {
	about, err := meta.Accessor(o)
	if err != nil {
		return nil, fmt.Errorf("reading one of %s: %w", w.kind, err)
	}
	r := &record[T]{ObjectMeta: metav1.ObjectMeta{
		Namespace: about.GetNamespace(), Name: about.GetName(), UID: about.GetUID(), ResourceVersion: about.GetResourceVersion(),
	}}
	if bookmark {
		r.Annotations = about.GetAnnotations() // says where the initial events end
		return r, nil
	}
	r.item = w.convert(o)
	return r, nil
}

// explain makes an error say what to do about it.
func (w *watcher[T]) explain(namespace string, err error) error {
	what := w.kind
	switch {
	case namespace != "":
		what += " in namespace " + namespace
	case !w.cluster:
		what += " in all namespaces"
	}
	if apierrors.IsForbidden(err) {
		remedy := "ask for a role with these rights"
		if namespace == "" && !w.cluster {
			remedy += ", or choose a namespace with -n"
		}
		return fmt.Errorf("this user may not list and watch %s (%s): %w", what, remedy, err)
	}
	return explainKubernetes("reading "+what, err)
}

// explainKubernetes says what to do about an API server's error. A refused connection loses
// its URL, which for a watch is long and says nothing, and what was being done: no other
// request would fare better, and so all sources have the same error.
func explainKubernetes(doing string, err error) error {
	var transport *url.Error
	switch {
	case apierrors.IsUnauthorized(err):
		return fmt.Errorf("%s: the API server does not accept the kubeconfig's credentials; log in again: %w", doing, err)
	case errors.As(err, &transport):
		where := transport.URL
		if u, parseErr := url.Parse(where); parseErr == nil {
			where = u.Host
		}
		return fmt.Errorf("the API server %s is not reachable: %w (check the network, a VPN, and the kubeconfig's context)", where, transport.Err)
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// kept is the reflector's store: records in order, and what changed since they were taken.
type kept[T any] struct {
	compare func(a, b *T) int
	equal   func(a, b *T) bool
	dirty   chan struct{}

	namespace string // that is read; "": all

	mu        sync.Mutex
	items     []*T // sorted; never changed, only replaced
	taken     []*T // what take returned last
	pending   map[string]change[T]
	synced    bool  // a whole list has been read
	streamErr error // of the newest list or watch; nil: one is open
	refused   error // the API server's word that this user may not read it
}

// failed notes an error of the stream. It is called within note.
func (k *kept[T]) failed(w *watcher[T], err error) {
	k.streamErr = w.explain(k.namespace, err)
	if apierrors.IsForbidden(err) {
		k.refused = err
	}
}

// A change is one record that is new or gone.
type change[T any] struct {
	item *T
	gone bool
}

var errNotARecord = errors.New("collectors: the reflector passed something that is not a record")

func (k *kept[T]) note(change func()) {
	k.mu.Lock()
	change()
	k.mu.Unlock()
	notify(k.dirty)
}

func (k *kept[T]) put(obj any, gone bool) error {
	r, ok := obj.(*record[T])
	if !ok {
		return errNotARecord
	}
	k.note(func() {
		if k.pending == nil {
			k.pending = map[string]change[T]{}
		}
		k.pending[r.Namespace+"/"+r.Name] = change[T]{r.item, gone}
	})
	return nil
}

// Add, Update, Delete, Replace and Resync are called by the reflector.
func (k *kept[T]) Add(obj any) error    { return k.put(obj, false) }
func (k *kept[T]) Update(obj any) error { return k.put(obj, false) }
func (k *kept[T]) Delete(obj any) error { return k.put(obj, true) }
func (k *kept[T]) Resync() error        { return nil }

// Replace takes a whole list. Records that say the same as before stay the same pointers.
func (k *kept[T]) Replace(list []any, _ string) error {
	items := make([]*T, 0, len(list))
	for _, obj := range list {
		r, ok := obj.(*record[T])
		if !ok {
			return errNotARecord
		}
		items = append(items, r.item)
	}
	slices.SortFunc(items, k.compare)
	k.note(func() {
		k.fold()
		for i, item := range items {
			if at, found := slices.BinarySearchFunc(k.items, item, k.compare); found && k.equal(k.items[at], item) {
				items[i] = k.items[at]
			}
		}
		k.items, k.synced = items, true
	})
	return nil
}

// fold puts the pending changes into a new slice of items. Between them whole runs are
// copied, so its cost is a copy of pointers and a search per change.
func (k *kept[T]) fold() {
	if len(k.pending) == 0 {
		return
	}
	changes := make([]change[T], 0, len(k.pending))
	for _, c := range k.pending {
		changes = append(changes, c)
	}
	k.pending = nil
	slices.SortFunc(changes, func(a, b change[T]) int { return k.compare(a.item, b.item) })
	out := make([]*T, 0, len(k.items)+len(changes))
	rest, altered := k.items, false
	for _, c := range changes {
		at, found := slices.BinarySearchFunc(rest, c.item, k.compare)
		out = append(out, rest[:at]...)
		rest = rest[at:]
		switch {
		case found && !c.gone && k.equal(rest[0], c.item):
			out, rest = append(out, rest[0]), rest[1:]
		case found:
			rest, altered = rest[1:], true
			fallthrough
		default:
			if !c.gone {
				out, altered = append(out, c.item), true
			}
		}
	}
	if altered {
		k.items = append(out, rest...)
	}
}

// take returns the items in order and whether they are another slice than taken before.
func (k *kept[T]) take() (items []*T, changed, synced bool, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	before := k.taken
	k.fold()
	k.taken = k.items
	changed = len(before) != len(k.items) || len(before) > 0 && &before[0] != &k.items[0]
	return k.items, changed, k.synced, k.streamErr
}
