package migrate

import (
	"testing"
	"time"
)

func TestAnUndoIsNamedAfterWhatItTakesBack(t *testing.T) {
	began := time.Now()
	drain := &Operation{ID: "a", Began: began, Plan: Plan{Targets: []string{"node/ecs-01"}, Drain: &Drained{}}}
	undo := &Operation{ID: "b", Began: began.Add(time.Minute), Undoes: "a", Plan: Plan{Targets: []string{"pod/x in shop", "pod/y in shop"}}}
	again := &Operation{ID: "c", Began: began.Add(time.Hour), Undoes: "b", Plan: Plan{Targets: []string{"pod/x in shop"}}}
	mad := &Operation{ID: "d", Began: began, Undoes: "d", Plan: Plan{Targets: []string{"pod/z in shop"}}}
	all := []*Operation{again, undo, drain, mad}
	for o, want := range map[*Operation]string{
		drain: "node/ecs-01", undo: "drain node/ecs-01", again: "undo drain node/ecs-01", mad: "pod/z in shop",
	} {
		if got := o.Subject(all); got != want {
			t.Errorf("%s is about %q, want %q", o.ID, got, want)
		}
	}
	if got := undo.Subject(nil); got != "pod/x in shop, pod/y in shop" {
		t.Errorf("where the other is gone it is about %q", got)
	}
}

func TestAnOperationIsDoneThoughPodsWereGone(t *testing.T) {
	item := func(s State, gone bool) Item { return Item{State: s, Gone: gone} }
	for _, c := range []struct {
		name  string
		state State
		drain bool
		items []Item
		want  State
		says  string
	}{
		{"moved, and gone", Running, false, []Item{item(Done, false), item(Aborted, true)}, Done, "1 moved, 1 gone already"},
		{"gone alone", Running, false, []Item{item(Aborted, true)}, Aborted, "0 moved, 1 gone already"},
		{"gone from a drained node", Running, true, []Item{item(Aborted, true)}, Done, "0 moved, 1 gone already"},
		{"gone from a drained node, then aborted", Aborting, true, []Item{item(Aborted, true)}, Aborted, "0 moved, 1 gone already"},
		{"moved, and not", Running, false, []Item{item(Done, false), item(Aborted, false), item(Aborted, true)}, Failed, "1 moved, 1 gone already, 1 as before"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := &Operation{State: c.state, Plan: Plan{Items: c.items}}
			if c.drain {
				o.Plan.Drain = &Drained{}
			}
			if got, says := o.conclude(); got != c.want || says != c.says {
				t.Errorf("%s: %q, want %s: %q", got, says, c.want, c.says)
			}
		})
	}
}

// TestAllThatIsDangerousIsConfirmed: one word for it, which is no part's name where there are more.
func TestAllThatIsDangerousIsConfirmed(t *testing.T) {
	item := func(kind, name, pod, danger string) Item {
		return Item{Strategy: Restart, Danger: danger, Pod: Ref{Kind: "Pod", Namespace: "shop", Name: pod}, Workload: Ref{Kind: kind, Namespace: "shop", Name: name}}
	}
	ends := "it ends before its successor starts"
	db := []Item{item("StatefulSet", "db", "db-0", ends), item("StatefulSet", "db", "db-1", ends)}
	queue := item("StatefulSet", "queue", "queue-0", ends)
	lone := item("Pod", "lone", "lone", "its name changes")
	stays := item("StatefulSet", "cache", "cache-0", ends)
	stays.Strategy = Stay
	node := &Drained{Node: Ref{Kind: "Node", Name: "ecs-07"}}
	for _, c := range []struct {
		name      string
		plan      Plan
		why, word string
	}{
		{"nothing", Plan{Items: []Item{stays, item("Deployment", "web", "web-1", "")}, Targets: []string{"pod/web-1 in shop"}}, "", ""},
		{"a workload", Plan{Items: []Item{db[0], db[1], stays}}, "pod/db-0 in shop, pod/db-1 in shop: " + ends, "db"},
		{"two workloads", Plan{Items: []Item{db[0], db[1], queue}}, "pod/db-0 in shop, pod/db-1 in shop, pod/queue-0 in shop: " + ends, "2 workloads"},
		{"many pods for two reasons", Plan{Items: []Item{db[0], lone, db[1], db[0], db[0]}},
			"pod/db-0 in shop, pod/db-1 in shop, pod/db-0 in shop and 1 more: " + ends + "; pod/lone in shop: its name changes", "2 workloads"},
		{"a node", Plan{Drain: node}, "it empties node ecs-07", "ecs-07"},
		{"a node with a workload that is restarted", Plan{Drain: node, Items: []Item{db[0]}}, "it empties node ecs-07; pod/db-0 in shop: " + ends, "ecs-07"},
		{"a namespace", Plan{Targets: []string{"namespace/shop"}}, "it is about all pods without a node in shop", "shop"},
		{"two namespaces", Plan{Targets: []string{"namespace/shop", "namespace/pay"}}, "it is about all pods without a node in shop, pay", "2 namespaces"},
	} {
		if why, word := c.plan.Danger(); why != c.why || word != c.word {
			t.Errorf("%s: %q by typing %q, want %q by %q", c.name, why, word, c.why, c.word)
		}
	}
}
