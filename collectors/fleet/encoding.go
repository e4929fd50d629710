package fleet

import (
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	jsonv1 "github.com/go-json-experiment/json/v1"
)

// encodingVersion is what Encode writes. A field may be added without a new version: what
// a reader doesn't know it leaves out, what it misses is zero. Anything else needs a new
// version, and Decode goes on reading the older ones.
const encodingVersion = 1

// A document is a Snapshot as it is kept: what was seen, and the little that Build knew from
// before. Reading it builds the Snapshot again, so everything that was derived is there
// without being written, and equal.
type document struct {
	Kind    string // ecideck-snapshot
	Version int
	Built   time.Time
	Inputs  Inputs
	// Strikes are the groups whose pod is missing, with the sweep that missed it first, and
	// Orphans those that count as orphans already.
	Strikes map[string]int
	Orphans []string
	History History
	Past    bool // History begins with Inputs.Past
}

const documentKind = "ecideck-snapshot"

// Encode writes a Snapshot: JSON on one line, or that compressed with gzip. Nothing secret
// is in it, as there is nothing secret in a Snapshot.
func (s *Snapshot) Encode(w io.Writer, compress bool) error {
	k := &s.built
	doc := document{Kind: documentKind, Version: encodingVersion, Built: s.Built, Inputs: k.in, Strikes: k.strikes, History: s.History, Past: k.past}
	for _, id := range slices.Sorted(maps.Keys(k.strikes)) {
		if g := k.groups.byID[id]; s.Groups[k.groups.position[g]].Relation == Orphan {
			doc.Orphans = append(doc.Orphans, id)
		}
	}
	buffered := bufio.NewWriter(w)
	out, finish := io.Writer(buffered), func() error { return nil }
	if compress {
		zipped := gzip.NewWriter(buffered)
		out, finish = zipped, zipped.Close
	}
	err := json.MarshalWrite(out, &doc, json.OmitZeroStructFields(true), json.Deterministic(true), jsonv1.FormatDurationAsNano(true))
	if err == nil {
		_, err = out.Write([]byte("\n"))
	}
	err = errors.Join(err, finish(), buffered.Flush())
	if err != nil {
		return fmt.Errorf("writing a snapshot: %w", err)
	}
	return nil
}

// Decode reads what Encode wrote, compressed or not, of this version or an older one. The
// Snapshot equals the one that was written and may be Build's previous.
func Decode(r io.Reader) (*Snapshot, error) {
	s, err := decode(r)
	if err != nil {
		return nil, fmt.Errorf("reading a snapshot: %w", err)
	}
	return s, nil
}

func decode(r io.Reader) (*Snapshot, error) {
	buffered := bufio.NewReader(r)
	in := io.Reader(buffered)
	if magic, _ := buffered.Peek(2); len(magic) == 2 && magic[0] == 0x1f && magic[1] == 0x8b {
		zipped, err := gzip.NewReader(buffered)
		if err != nil {
			return nil, err
		}
		in = zipped
	}
	var doc document
	if err := json.UnmarshalRead(in, &doc, jsonv1.FormatDurationAsNano(true)); err != nil {
		return nil, err
	}
	switch {
	case doc.Kind != documentKind:
		return nil, errors.New("this is not a snapshot of ecideck")
	case doc.Version > encodingVersion:
		return nil, fmt.Errorf("it was written by a newer ecideck (version %d of the encoding, this one reads up to %d)", doc.Version, encodingVersion)
	case doc.Version < 1:
		return nil, fmt.Errorf("its version %d does not exist", doc.Version)
	}
	doc.Inputs.sort()
	return Build(doc.Inputs, doc.Built, doc.before()), nil
}

// before is what Build must know from before: the orphans and the history.
func (d *document) before() *Snapshot {
	old := &Snapshot{History: d.History}
	old.built.strikes, old.built.past = d.Strikes, d.Past
	var orphans []*Group
	for _, g := range d.Inputs.Groups.Items {
		if slices.Contains(d.Orphans, g.ID) {
			orphaned := *g
			orphaned.Relation = Orphan
			orphans = append(orphans, &orphaned)
		}
	}
	old.built.groups, old.Groups = indexGroups(orphans), orphans
	return old
}

// sort restores the orders that parts promise: a file may have been edited.
func (in *Inputs) sort() {
	in.Pods.Sorted, in.Nodes.Sorted, in.Events.Sorted, in.Groups.Sorted, in.Budgets.Sorted, in.Services.Sorted = false, false, false, false, false, false
	in.Pods.apply(in)
	in.Nodes.apply(in)
	in.Events.apply(in)
	every := in.Groups.Every
	in.Groups.Every = 0 // its source has the interval already
	in.Groups.apply(in)
	in.Groups.Every = every
	in.Budgets.apply(in)
	in.Services.apply(in)
	for i := range in.Controllers {
		in.Controllers[i].Items = sorted(in.Controllers[i].Items, CompareControllers)
	}
	for i := range in.Autoscalers {
		in.Autoscalers[i].Items = sorted(in.Autoscalers[i].Items, CompareAutoscalers)
	}
}

// MarshalText writes a PodName as a key: namespace/name.
func (p PodName) MarshalText() ([]byte, error) { return []byte(p.Namespace + "/" + p.Name), nil }

// UnmarshalText reads what MarshalText writes.
func (p *PodName) UnmarshalText(text []byte) error {
	var ok bool
	if p.Namespace, p.Name, ok = strings.Cut(string(text), "/"); !ok {
		return fmt.Errorf("%q is not namespace/name", text)
	}
	return nil
}

// MarshalText writes a PriceKey as a key: its fields in order, with | between them.
func (k PriceKey) MarshalText() ([]byte, error) {
	return []byte(strings.Join([]string{
		strconv.FormatFloat(k.CPU, 'g', -1, 64), strconv.FormatFloat(k.Memory, 'g', -1, 64), k.InstanceType, k.Zone, k.Category,
		strconv.FormatBool(k.Spot), strconv.Itoa(k.Disk)}, "|")), nil
}

// UnmarshalText reads what MarshalText writes.
func (k *PriceKey) UnmarshalText(text []byte) (err error) {
	fields := strings.Split(string(text), "|")
	if len(fields) != 7 {
		return fmt.Errorf("%q is not the key of a price", text)
	}
	var errs [4]error
	k.CPU, errs[0] = strconv.ParseFloat(fields[0], 64)
	k.Memory, errs[1] = strconv.ParseFloat(fields[1], 64)
	k.InstanceType, k.Zone, k.Category = fields[2], fields[3], fields[4]
	k.Spot, errs[2] = strconv.ParseBool(fields[5])
	k.Disk, errs[3] = strconv.Atoi(fields[6])
	return errors.Join(errs[:]...)
}
