package ecitest

import (
	_ "embed" // the schemas are files
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
)

//go:embed schema/eci-20180808.json
var vendorSchema []byte

//go:embed schema/overlay.json
var overlaySchema []byte

// A Schema knows every parameter of every action: what the vendor's newest SDK has, and an
// overlay of what the vendor documents and that SDK lacks.
type Schema struct {
	actions map[string]map[string]any // action -> parameter tree
}

// LoadSchema parses the embedded schemas, once in a process. Nobody may change what it gives.
func LoadSchema() (*Schema, error) { return loadSchema() }

// Many tests start many emulators, and each parsed sixty kilobytes of JSON otherwise.
var loadSchema = sync.OnceValues(func() (*Schema, error) {
	var vendor map[string]struct {
		Request map[string]any `json:"request"`
	}
	if err := json.Unmarshal(vendorSchema, &vendor); err != nil {
		return nil, fmt.Errorf("parsing the vendor's schema: %w", err)
	}
	var overlay map[string]map[string]struct {
		Type   any    `json:"type"`
		Source string `json:"source"`
	}
	if err := json.Unmarshal(overlaySchema, &overlay); err != nil {
		return nil, fmt.Errorf("parsing the schema's overlay: %w", err)
	}
	s := &Schema{actions: map[string]map[string]any{}}
	for action, v := range vendor {
		s.actions[action] = v.Request
	}
	for action, params := range overlay {
		for name, p := range params {
			if p.Source == "" {
				return nil, fmt.Errorf("the schema's overlay gives no source for %s of %s", name, action)
			}
			if err := s.add(action, strings.Split(name, "."), p.Type); err != nil {
				return nil, fmt.Errorf("the schema's overlay: %s of %s: %w", name, action, err)
			}
		}
	}
	return s, nil
})

// add puts a parameter into an action's tree; N in a path is any position of a list.
func (s *Schema) add(action string, path []string, typ any) error {
	if s.actions[action] == nil {
		s.actions[action] = map[string]any{} // one that the vendor documents and its SDK lacks
	}
	var node any = s.actions[action]
	for _, part := range path[:len(path)-1] {
		switch n := node.(type) {
		case map[string]any:
			node = n[part]
		case []any:
			if part != "N" || len(n) == 0 {
				return fmt.Errorf("%q is no list position", part)
			}
			node = n[0]
		}
	}
	object, ok := node.(map[string]any)
	if !ok {
		return fmt.Errorf("its parent is not in the vendor's schema")
	}
	object[path[len(path)-1]] = typ
	return nil
}

// maxPosition is above the longest list that any action takes, 241 variables.
const maxPosition = 1000

// Check reports why an action can't have a parameter of that name and value, or nil. List
// positions in the name are numbers from 1.
func (s *Schema) Check(action, name, value string) error {
	node := any(s.actions[action])
	if s.actions[action] == nil {
		return fmt.Errorf("action %s is not in the schema", action)
	}
	for part := range strings.SplitSeq(name, ".") {
		switch n := node.(type) {
		case map[string]any:
			next, ok := n[part]
			if _, free := n["map"]; !ok && free {
				return nil // the caller names the keys
			}
			if !ok {
				return fmt.Errorf("%s has no parameter %s", action, name)
			}
			node = next
		case []any:
			if i, err := strconv.Atoi(part); err != nil || i < 1 || i > maxPosition || part[0] == '+' || len(n) == 0 {
				return fmt.Errorf("%s has no parameter %s: %q is no list position", action, name, part)
			}
			node = n[0]
		default:
			return fmt.Errorf("%s has no parameter %s", action, name)
		}
	}
	switch node {
	case "string", "any":
		return nil
	case "number":
		if _, err := strconv.ParseFloat(value, 64); err != nil {
			return fmt.Errorf("parameter %s: want a number", name)
		}
		return nil
	case "boolean":
		if value != "true" && value != "false" {
			return fmt.Errorf("parameter %s: want true or false", name)
		}
		return nil
	}
	return fmt.Errorf("%s has no parameter %s: it is a list or a structure", action, name)
}

// Has reports that the schema knows an action.
func (s *Schema) Has(action string) bool { return s.actions[action] != nil }

// Actions are the names of all actions that the schema knows, sorted.
func (s *Schema) Actions() []string { return slices.Sorted(maps.Keys(s.actions)) }
