package migrate

import (
	"slices"
	"strings"
)

// A Way is a strategy that may be asked for instead of the one that a plan has.
type Way struct {
	How   Strategy   `json:"how"`   // of a Request; "": what suits each target
	Moves []Strategy `json:"moves"` // by which its targets are moved then; none: they stay
}

// String is the way in words: "rollout", "stay as they are".
func (w Way) String() string {
	if len(w.Moves) == 0 {
		return "leaving them as they are"
	}
	words := make([]string, len(w.Moves))
	for i, s := range w.Moves {
		words[i] = string(s)
	}
	return strings.Join(words, " and ")
}

// Ways are the other ways that there are for what is asked for: each moves something, or
// leaves something, that the others do not. It is pure.
func Ways(f *Facts, r Request) []Way {
	if f.Drained != nil {
		return nil // a drain has kubectl's rules
	}
	plan := func(how Strategy) (w Way, sign string) {
		other := r
		other.How = how
		p := Make(f, other)
		w.How = how
		var b strings.Builder
		for i := range p.Items {
			x := &p.Items[i]
			b.WriteString(x.Subject().String() + "=" + string(x.Strategy) + "\n")
			if x.Strategy != Stay && !slices.Contains(w.Moves, x.Strategy) {
				w.Moves = append(w.Moves, x.Strategy)
			}
		}
		return w, b.String()
	}
	_, now := plan(r.How)
	seen := []string{now}
	var ways []Way
	for _, how := range append([]Strategy{""}, Hows()...) {
		w, sign := plan(how)
		if how == r.How || slices.Contains(seen, sign) || len(w.Moves) == 0 && how != "" {
			continue
		}
		seen = append(seen, sign)
		ways = append(ways, w)
	}
	return ways
}
