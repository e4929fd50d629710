package main

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/ecideck/ecideck/collectors/fleet"
	"k8s.io/apimachinery/pkg/util/duration"
	"sigs.k8s.io/yaml"
)

var formats = []string{"table", "wide", "json", "yaml", "csv"}

// A table is what a listing prints: for programs each row's item, for people its cells.
type table struct {
	kind       string
	sources    []sourceItem
	namespaced bool // the kind belongs to namespaces
	namespaces bool // more than one namespace is in it: a column says which
	columns    []column
	rows       []row
	none       string   // what a table without rows says; "": No resources found.
	extra      []field  // further fields of the object, after sources
	footer     []string // lines below a table that people read
}

// A field is one field of a JSON object.
type field struct {
	name  string
	value any
}

// A column is in wide and csv always, in table unless it is wide.
type column struct {
	title string
	wide  bool
}

type row struct {
	item      any      // the JSON object
	namespace string   // "": the kind has none
	cells     []string // one a column; "" is unknown or none
	// exact are the cells that csv has instead, by column: a person reads "¥0.441".
	exact map[int]string
}

// A sourceItem is how fresh one source is. An age that is null was never read.
type sourceItem struct {
	Name       string   `json:"name"`
	AgeSeconds *float64 `json:"ageSeconds"`
	Error      *string  `json:"error"`
	Note       *string  `json:"note"` // what of it is missing or doubtful, although it was read
}

func sourcesOf(s *fleet.Snapshot, now time.Time) []sourceItem {
	items := []sourceItem{}
	for _, source := range s.Sources {
		item := sourceItem{Name: source.Name, Error: known(source.Error), Note: known(source.Note)}
		if !source.Read.IsZero() {
			age := math.Round(max(0, now.Sub(source.Read).Seconds())*1000) / 1000
			item.AgeSeconds = &age
		}
		items = append(items, item)
	}
	return items
}

// known is nil for a zero value: what is not known is null in the output.
func known[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

// knownTime is nil for no time, and in UTC otherwise.
func knownTime(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// age is a time as kubectl writes ages; "" for no time.
func age(t, now time.Time) string {
	if t.IsZero() {
		return ""
	}
	return duration.HumanDuration(now.Sub(t))
}

// write prints the table. Where nothing is known, items is null and not an empty list.
func (t *table) write(w io.Writer, format string, known bool) error {
	switch format {
	case "json", "yaml":
		return t.writeObject(w, format, known)
	case "csv":
		return t.writeCSV(w)
	}
	if known {
		return t.writeTable(w, format == "wide")
	}
	return nil
}

func (t *table) writeObject(w io.Writer, format string, known bool) error {
	var items []any
	if known {
		items = make([]any, len(t.rows))
	}
	for i, r := range t.rows {
		items[i] = r.item
	}
	fields := append([]field{{"kind", t.kind}, {"items", items}, {"sources", t.sources}}, t.extra...)
	var b bytes.Buffer
	b.WriteString("{\n")
	for i, f := range fields {
		value, err := json.MarshalIndent(f.value, "  ", "  ")
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "  %q: %s", f.name, value)
		if i < len(fields)-1 {
			b.WriteByte(',')
		}
		b.WriteByte('\n')
	}
	b.WriteString("}\n")
	data := b.Bytes()
	if format == "yaml" {
		var err error
		if data, err = yaml.JSONToYAML(data); err != nil {
			return err
		}
	}
	_, err := w.Write(data)
	return err
}

func (t *table) writeCSV(w io.Writer) error {
	out := csv.NewWriter(w)
	var head []string
	if t.namespaced {
		head = append(head, "namespace")
	}
	for _, c := range t.columns {
		head = append(head, strings.ToLower(c.title))
	}
	if err := out.Write(head); err != nil {
		return err
	}
	for _, r := range t.rows {
		cells := slices.Clone(r.cells)
		for i, text := range r.exact {
			cells[i] = text
		}
		if t.namespaced {
			cells = append([]string{r.namespace}, cells...)
		}
		if err := out.Write(cells); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

func (t *table) writeTable(w io.Writer, wide bool) error {
	out := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	line := func(namespace string, cell func(int) string) {
		var cells []string
		if t.namespaced && t.namespaces {
			cells = append(cells, namespace)
		}
		for i, c := range t.columns {
			if wide || !c.wide {
				cells = append(cells, cell(i))
			}
		}
		fmt.Fprintln(out, strings.Join(cells, "\t"))
	}
	if len(t.rows) == 0 {
		fmt.Fprintln(out, cmp.Or(t.none, "No resources found."))
	} else {
		line("NAMESPACE", func(i int) string { return t.columns[i].title })
	}
	for _, r := range t.rows {
		line(r.namespace, func(i int) string {
			if r.cells[i] == "" {
				return "<none>"
			}
			return printable(r.cells[i])
		})
	}
	if err := out.Flush(); err != nil {
		return err
	}
	for _, text := range t.footer {
		if _, err := fmt.Fprintln(w, text); err != nil {
			return err
		}
	}
	return nil
}

// printable keeps a message from moving the cursor or breaking a line: it may hold whatever
// a container wrote.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return ' '
		}
		return r
	}, s)
}
