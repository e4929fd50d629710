package migrate

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/client-go/kubernetes"

	"github.com/ecideck/ecideck/provider/placement"
)

// Manager is the field manager of everything that operations write.
const Manager = "ecideck"

const (
	configPrefix = "ecideck-op-"
	// labelJournal marks the ConfigMaps of operations, so that they are found.
	labelJournal = "ecideck.io/journal"
	// labelEnded marks those of operations that have ended: who watches the others need not read them.
	labelEnded = "ecideck.io/ended"

	keyOperation = "operation" // of the first ConfigMap: all but the items
	keyCount     = "items"     // of the first ConfigMap: how many items there are in all
	keyItems     = "item."     // and the item's number
	keyAbort     = "abort"     // who wants it aborted

	// A ConfigMap holds 1 MiB. itemRoom is what an item may grow by: maxSteps of them, and
	// manifestRoom what more one may whose pod is copied, which keeps its manifest. headerRoom is
	// what the rest may grow by: what is left, and steps on the node.
	shardSize    = 900 << 10
	itemRoom     = maxSteps * 600
	manifestRoom = 256 << 10
	headerRoom   = 64 << 10
)

// ErrTaken says that another process goes on with the operation: this one must stop.
var ErrTaken = errors.New("another process has taken the operation over")

// A Journal is where an operation is written down: in ConfigMaps, so that it can be resumed
// from anywhere, and in a local file, which is the audit. Both have the same records. It is
// safe for concurrent use.
type Journal struct {
	client kubernetes.Interface
	file   *os.File
	home   string // namespace
	id     string
	runner string

	mu     sync.Mutex
	shards []shard
	of     []int // item → shard
	local  bool  // no ConfigMaps
	ended  bool
	abort  string
}

type shard struct {
	name    string
	version string
	late    map[string]string // what could not be written yet
}

// A record is a line of the local file.
type record struct {
	At        time.Time  `json:"at"`
	Operation *Operation `json:"operation,omitempty"` // without its items
	Items     int        `json:"items,omitempty"`     // of the operation: how many there are
	Number    int        `json:"number,omitempty"`    // of the item
	Item      *Item      `json:"item,omitempty"`
}

// make makes a ConfigMap of a new operation, or finds the one of which the answer was lost.
func (j *Journal) make(ctx context.Context, n int, data map[string]string) (made *corev1.ConfigMap, err error) {
	wanted := map[string]string{labelJournal: "true", placement.LabelOperation: j.id}
	err = Persist(ctx, j.client, func(string) {}, func(ctx context.Context) (err error) {
		made, err = j.client.CoreV1().ConfigMaps(j.home).Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{
			Name: j.name(n), Namespace: j.home, Labels: wanted}, Data: data}, metav1.CreateOptions{FieldManager: Manager})
		if !apierrors.IsAlreadyExists(err) {
			return err
		}
		exists := err
		if made, err = j.client.CoreV1().ConfigMaps(j.home).Get(ctx, j.name(n), metav1.GetOptions{}); err != nil {
			return err
		}
		if !maps.Equal(made.Labels, wanted) || !maps.Equal(made.Data, data) {
			return exists
		}
		return nil
	})
	return made, err
}

// Begin writes a new operation down. Where ConfigMaps are forbidden, the local file alone has
// it, and o.Local says so; without one that is an error. What says that there is an operation
// is written last, after its items: a process that dies in between has begun none.
func Begin(ctx context.Context, client kubernetes.Interface, audit AuditDir, o *Operation) (*Journal, error) {
	j := &Journal{client: client, home: o.Plan.Home, id: o.ID, runner: o.Runner}
	var err error
	if j.file, err = audit.open(ctx, client, o.ID); err != nil {
		return nil, err
	}
	datas := []map[string]string{{}}
	size := len(header(o)) + headerRoom
	for i := range o.Plan.Items {
		text := mustJSON(&o.Plan.Items[i])
		room := len(text) + itemRoom
		if o.Plan.Items[i].Strategy == Clone {
			room += manifestRoom
		}
		if size += room; size > shardSize && len(datas[len(datas)-1]) > 0 {
			datas, size = append(datas, map[string]string{}), room
		}
		datas[len(datas)-1][keyItems+strconv.Itoa(i)] = text
		j.of = append(j.of, len(datas)-1)
	}
	datas[0][keyOperation], datas[0][keyCount] = header(o), strconv.Itoa(len(o.Plan.Items))
	j.shards = make([]shard, len(datas))
	for n, data := range slices.Backward(datas) {
		made, err := j.make(ctx, n, data)
		if n == len(datas)-1 && j.file != nil && (apierrors.IsForbidden(err) || apierrors.IsNotFound(err)) {
			j.local, o.Local = true, true
			break
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("writing the operation's ConfigMap %s/%s: %w", j.home, j.name(n), err), j.Close())
		}
		j.shards[n] = shard{name: made.Name, version: made.ResourceVersion}
	}
	for i := range o.Plan.Items {
		if err := j.note(record{Number: i, Item: &o.Plan.Items[i]}); err != nil {
			return nil, errors.Join(err, j.Close())
		}
	}
	if err := j.note(record{Operation: bare(o), Items: len(o.Plan.Items)}); err != nil {
		return nil, errors.Join(err, j.Close())
	}
	return j, nil
}

// Resume takes over an operation that was loaded: from now on the process that had it can't
// write to it any more. o gets the new runner.
func Resume(ctx context.Context, client kubernetes.Interface, audit AuditDir, o *Operation, runner string) (*Journal, error) {
	o.Runner = runner
	j := &Journal{client: client, home: o.Plan.Home, id: o.ID, runner: runner, local: o.Local}
	var err error
	if j.file, err = audit.open(ctx, client, o.ID); err != nil {
		return nil, err
	}
	if err := j.note(record{Operation: bare(o), Items: len(o.Plan.Items)}); err != nil {
		return nil, errors.Join(err, j.Close())
	}
	if o.Local {
		return j, nil
	}
	configs, err := journals(ctx, client, o.Plan.Home, o.ID)
	if err != nil {
		return nil, errors.Join(err, j.Close())
	}
	j.of = make([]int, len(o.Plan.Items))
	for n := range configs {
		j.shards = append(j.shards, shard{name: configs[n].Name, version: configs[n].ResourceVersion})
		for key := range configs[n].Data {
			if i, err := strconv.Atoi(strings.TrimPrefix(key, keyItems)); err == nil && i < len(j.of) {
				j.of[i] = n
			}
		}
	}
	if err := j.write(ctx, 0, map[string]string{keyOperation: header(o)}, true); err != nil {
		return nil, errors.Join(fmt.Errorf("taking the operation over: %w", err), j.Close())
	}
	return j, nil
}

func (j *Journal) name(n int) string {
	if n == 0 {
		return configPrefix + j.id
	}
	return configPrefix + j.id + "-" + strconv.Itoa(n+1)
}

// Close closes the local file.
func (j *Journal) Close() error {
	if j.file == nil {
		return nil
	}
	return j.file.Close()
}

// Item writes an item. The local file is written and synced first. late: a ConfigMap that
// can't be written now is no error, and is written with the next record.
func (j *Journal) Item(ctx context.Context, i int, x *Item, late bool) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.note(record{Number: i, Item: x}); err != nil || j.local {
		return err
	}
	n := j.of[i]
	err := j.write(ctx, n, map[string]string{keyItems + strconv.Itoa(i): mustJSON(x)}, false)
	if err != nil && late && !errors.Is(err, ErrTaken) {
		return nil // kept by write
	}
	return err
}

// Operation writes all but the items.
func (j *Journal) Operation(ctx context.Context, o *Operation) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.note(record{Operation: bare(o), Items: len(o.Plan.Items)}); err != nil || j.local {
		return err
	}
	j.ended = o.State.Ended()
	for n := range j.shards {
		if (len(j.shards[n].late) > 0 || j.ended) && n > 0 {
			if err := j.write(ctx, n, nil, false); err != nil {
				return err
			}
		}
	}
	return j.write(ctx, 0, map[string]string{keyOperation: header(o)}, false)
}

func (j *Journal) note(r record) error {
	if j.file == nil {
		return nil
	}
	r.At = time.Now()
	raw, err := json.Marshal(r)
	if err == nil {
		_, err = j.file.Write(append(raw, '\n'))
	}
	if err == nil {
		err = j.file.Sync()
	}
	if err != nil {
		return fmt.Errorf("writing the local journal %s: %w", j.file.Name(), err)
	}
	return nil
}

// write changes keys of one ConfigMap, with its resourceVersion: of two processes one can go
// on. A version that is not known (an answer was lost, somebody asks to abort) is looked up.
func (j *Journal) write(ctx context.Context, n int, data map[string]string, take bool) error {
	s := &j.shards[n]
	if s.late == nil {
		s.late = map[string]string{}
	}
	maps.Copy(s.late, data)
	for range 5 {
		about := map[string]any{"resourceVersion": s.version}
		if j.ended {
			about["labels"] = map[string]string{labelEnded: "true"}
		}
		patch := mustJSON(map[string]any{"metadata": about, "data": s.late})
		config, err := j.client.CoreV1().ConfigMaps(j.home).Patch(ctx, s.name, types.MergePatchType, []byte(patch), metav1.PatchOptions{FieldManager: Manager})
		if err == nil {
			s.version, s.late = config.ResourceVersion, nil
			j.abort = cmp.Or(config.Data[keyAbort], j.abort)
			return nil
		}
		if !apierrors.IsConflict(err) {
			return fmt.Errorf("writing the ConfigMap %s/%s: %w", j.home, s.name, err)
		}
		if err := j.look(ctx, take); err != nil {
			return err
		}
		if config, err = j.client.CoreV1().ConfigMaps(j.home).Get(ctx, s.name, metav1.GetOptions{}); err != nil {
			return fmt.Errorf("reading the ConfigMap %s/%s: %w", j.home, s.name, err)
		}
		s.version = config.ResourceVersion
	}
	return fmt.Errorf("writing the ConfigMap %s/%s: it changes all the time", j.home, s.name)
}

// look reads who has the operation, and whether somebody wants it aborted.
func (j *Journal) look(ctx context.Context, take bool) error {
	config, err := j.client.CoreV1().ConfigMaps(j.home).Get(ctx, j.name(0), metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("reading the ConfigMap %s/%s: %w", j.home, j.name(0), err)
	}
	var o Operation
	if err := json.Unmarshal([]byte(config.Data[keyOperation]), &o); err != nil {
		return fmt.Errorf("reading the ConfigMap %s/%s: %w", j.home, j.name(0), err)
	}
	if o.Runner != j.runner && !take {
		return fmt.Errorf("%w: %s", ErrTaken, o.Runner)
	}
	j.abort = cmp.Or(config.Data[keyAbort], j.abort)
	return nil
}

// Wanted is who wants the operation aborted, from another process; "": nobody. An error may
// be ErrTaken.
func (j *Journal) Wanted(ctx context.Context) (string, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.local {
		return "", nil
	}
	err := j.look(ctx, false)
	return j.abort, err
}

// AskAbort asks the process that runs an operation to abort it.
func AskAbort(ctx context.Context, client kubernetes.Interface, o *Operation, by string) error {
	patch := mustJSON(map[string]any{"data": map[string]string{keyAbort: by}})
	_, err := client.CoreV1().ConfigMaps(o.Plan.Home).Patch(ctx, configPrefix+o.ID, types.MergePatchType, []byte(patch), metav1.PatchOptions{FieldManager: Manager})
	if err != nil {
		return fmt.Errorf("asking for the abort in the ConfigMap %s/%s: %w", o.Plan.Home, configPrefix+o.ID, err)
	}
	return nil
}

// journals are an operation's ConfigMaps in order.
func journals(ctx context.Context, client kubernetes.Interface, namespace, id string) ([]corev1.ConfigMap, error) {
	list, err := client.CoreV1().ConfigMaps(namespace).List(ctx, metav1.ListOptions{LabelSelector: placement.LabelOperation + "=" + id + "," + labelJournal})
	if err != nil {
		return nil, fmt.Errorf("looking for the ConfigMaps of operation %s: %w", id, err)
	}
	slices.SortFunc(list.Items, func(a, b corev1.ConfigMap) int {
		return cmp.Or(cmp.Compare(len(a.Name), len(b.Name)), cmp.Compare(a.Name, b.Name))
	})
	return list.Items, nil
}

// Find reads the operation with an id, which is in a namespace, or in any: "". nil: there is
// none. It reads no others.
func Find(ctx context.Context, client kubernetes.Interface, audit AuditDir, namespace, id string) (*Operation, error) {
	if id == "" || len(validation.IsValidLabelValue(id)) > 0 {
		return nil, nil
	}
	configs, err := journals(ctx, client, namespace, id)
	if err == nil && len(configs) > 0 {
		o, err := assemble(id, pointers(configs))
		if err != nil {
			return nil, fmt.Errorf("reading the operation %s: %w", id, err)
		}
		return o, nil
	}
	kept, failed := audit.of(ctx, client)
	if failed != nil || kept == "" {
		return nil, errors.Join(err, failed)
	}
	switch o, failed := kept.read(id); {
	case failed != nil && !errors.Is(failed, fs.ErrNotExist):
		return nil, errors.Join(err, failed)
	case failed == nil && o != nil && o.Local && (namespace == "" || namespace == o.Plan.Home):
		return o, nil
	}
	return nil, err
}

// Load reads all operations that the cluster's ConfigMaps and the local files know, the
// newest first; namespace "" is all. An operation that can't be read is an error beside the
// others.
func Load(ctx context.Context, client kubernetes.Interface, audit AuditDir, namespace string) ([]*Operation, error) {
	return (&Reader{Client: client, Audit: audit}).Load(ctx, namespace)
}

func byOperation(configs []corev1.ConfigMap) map[string][]*corev1.ConfigMap {
	all := map[string][]*corev1.ConfigMap{}
	for i := range configs {
		id := configs[i].Labels[placement.LabelOperation]
		all[id] = append(all[id], &configs[i])
	}
	return all
}

// assemble is the operation that some ConfigMaps are of; nil: it was never begun, because its
// process died, or is still at it, before the first one of them was written, which is the last.
func assemble(id string, configs []*corev1.ConfigMap) (*Operation, error) {
	o := &Operation{}
	items := map[int]Item{}
	count, begun := 0, false
	for _, config := range configs {
		for key, text := range config.Data {
			var err error
			if number, ok := strings.CutPrefix(key, keyItems); ok {
				var i int
				var x Item
				if i, err = strconv.Atoi(number); err == nil {
					err = json.Unmarshal([]byte(text), &x)
				}
				items[i] = x
				begun = begun || !x.Began.IsZero() || len(x.Steps) > 0
			} else if key == keyOperation {
				err = json.Unmarshal([]byte(text), o)
			} else if key == keyCount {
				count, err = strconv.Atoi(text)
			}
			if err != nil {
				return nil, fmt.Errorf("%s: %w", key, err)
			}
		}
	}
	remedy := fmt.Sprintf("look at its workloads, and delete the others (kubectl delete configmap -n %s -l %s=%s)", configs[0].Namespace, placement.LabelOperation, id)
	if o.ID != id && !begun {
		return nil, nil
	} else if o.ID != id {
		return nil, errors.New("its first ConfigMap was deleted: " + remedy)
	}
	for i := range max(count, len(items)) {
		x, ok := items[i]
		if !ok && o.State.Ended() {
			break // it is about to be removed, by Prune
		} else if !ok {
			return nil, fmt.Errorf("its item %d is missing, since one of its ConfigMaps was deleted: %s", i+1, remedy)
		}
		o.Plan.Items = append(o.Plan.Items, x)
	}
	return o, nil
}

// What is kept of operations that have ended, and how long what belongs to none.
const (
	keptFor = 30 * 24 * time.Hour
	keptAt  = 200
	straySo = time.Hour
)

// Prune removes the ConfigMaps of operations that ended more than 30 days ago, and of all but
// the newest 200; those that have not ended are kept whatever their age. It tells how many it
// removed. With them go what killed processes have left of operations that had not begun, or
// had ended: ConfigMaps and Leases that nobody has written to for an hour. The local files
// stay: they are the audit.
func Prune(ctx context.Context, client kubernetes.Interface, now time.Time) (int, error) {
	all, broken, err := (&Reader{Client: client}).load(ctx, metav1.NamespaceAll)
	if err != nil {
		return 0, err
	}
	var errs []error
	for _, err := range broken {
		errs = append(errs, err)
	}
	kept, gone := 0, 0
	unended := map[string]bool{}
	for id := range broken {
		unended[id] = true // nobody can say
	}
	for _, o := range all { // the newest first
		if !o.State.Ended() {
			unended[o.ID] = true
			continue
		}
		if kept < keptAt && now.Sub(o.Ended) < keptFor {
			kept++
			continue
		}
		configs, err := journals(ctx, client, o.Plan.Home, o.ID)
		if err == nil {
			err = discard(ctx, client, configs)
		}
		if err != nil {
			return gone, errors.Join(append(errs, fmt.Errorf("removing the journal of operation %s: %w", o.ID, err))...)
		}
		gone++
	}
	errs = append(errs, pruneUnbegun(ctx, client, now), pruneLeases(ctx, client, unended, now))
	return gone, errors.Join(errs...)
}

// discard deletes the ConfigMaps of an operation, in order, the first one last: without it the
// others are not known to belong to one that has ended.
func discard(ctx context.Context, client kubernetes.Interface, configs []corev1.ConfigMap) error {
	for i := range slices.Backward(configs) {
		if err := discardOne(ctx, client, &configs[i]); err != nil {
			return err
		}
	}
	return nil
}

// discardOne deletes that ConfigMap, and no other of its name.
func discardOne(ctx context.Context, client kubernetes.Interface, c *corev1.ConfigMap) error {
	err := client.CoreV1().ConfigMaps(c.Namespace).Delete(ctx, c.Name, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &c.UID}})
	if lost(err) {
		return nil
	}
	return err
}

// pruneUnbegun removes ConfigMaps of operations that were never begun.
func pruneUnbegun(ctx context.Context, client kubernetes.Interface, now time.Time) error {
	list, err := client.CoreV1().ConfigMaps(metav1.NamespaceAll).List(ctx, metav1.ListOptions{LabelSelector: labelJournal})
	if err != nil {
		return fmt.Errorf("looking for ConfigMaps of operations that were never begun: %w", err)
	}
	for id, configs := range byOperation(list.Items) {
		fresh := slices.ContainsFunc(configs, func(c *corev1.ConfigMap) bool { return now.Sub(c.CreationTimestamp.Time) < straySo })
		if o, err := assemble(id, configs); err != nil || o != nil || fresh {
			continue
		}
		for _, c := range configs {
			if err := discardOne(ctx, client, c); err != nil {
				return fmt.Errorf("removing the ConfigMap %s/%s of an operation that was never begun: %w", c.Namespace, c.Name, err)
			}
		}
	}
	return nil
}

// bare is an operation without its items, which are written apart.
func bare(o *Operation) *Operation {
	c := *o
	c.Plan.Items = nil
	return &c
}

func header(o *Operation) string { return mustJSON(bare(o)) }

func mustJSON(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err) // only for types that JSON doesn't have
	}
	return string(raw)
}
