package table

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ecideck/ecideck/ui/keymap"
	"github.com/ecideck/ecideck/ui/theme"
	"github.com/ecideck/ecideck/ui/uitest"
)

// A fruit is a row.
type fruit struct {
	uid, name, colour string
	weight            float64 // 0: not known
	picked            time.Time
}

func noon() time.Time { return time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC) }

func fruits() []*fruit {
	return []*fruit{
		{"1", "apple", "Red", 150, noon().Add(-time.Hour)},
		{"2", "banana", "yellow", 120, noon().Add(-time.Minute)},
		{"3", "cherry", "red", 8, noon().Add(-48 * time.Hour)},
		{"4", "damson plum", "blue", 0, noon().Add(-time.Second)},
		{"5", "elderberry", "black", 1, noon()},
	}
}

func columns() []Column[*fruit] {
	return []Column[*fruit]{
		{Title: "NAME", Aliases: []string{"fruit"}, Sort: 'N', Words: true, Middle: true, Min: 8, Max: 12,
			Cell: func(f *fruit, _ time.Time) string { return f.name }},
		{Title: "COLOUR", Sort: 'C', Words: true, Importance: 1,
			Cell: func(f *fruit, _ time.Time) string { return f.colour }},
		{Title: "WEIGHT", Sort: 'W', Largest: true, Right: true, Importance: 2,
			Cell:   func(f *fruit, _ time.Time) string { return fmt.Sprint(f.weight) },
			Number: func(f *fruit, _ time.Time) (float64, bool) { return f.weight, f.weight != 0 }},
		{Title: "AGE", Sort: 'A', Right: true, Live: true, Importance: 3,
			Cell:   func(f *fruit, now time.Time) string { return now.Sub(f.picked).String() },
			Number: func(f *fruit, now time.Time) (float64, bool) { return now.Sub(f.picked).Seconds(), true }},
	}
}

func basket() *Table[*fruit] {
	t := New(Config[*fruit]{
		Theme: theme.New(false, false), Now: noon, Key: func(f *fruit) string { return f.uid },
		Role: func(*fruit) theme.Role { return theme.Plain }, Empty: "no fruit",
	}, columns())
	t.SetRect(0, 0, 60, 6)
	t.Set(fruits())
	return t
}

// names are the shown rows in order.
func names(t *Table[*fruit]) string {
	var out []string
	for _, i := range t.shown {
		out = append(out, t.all[i].name)
	}
	return strings.Join(out, " ")
}

func press(tb testing.TB, t *Table[*fruit], keys ...string) {
	tb.Helper()
	for _, key := range keys {
		found := false
		for _, a := range t.Actions() {
			if a.Keys[0] == key {
				a.Run(keymap.Selection{})
				found = true
				break
			}
		}
		if !found {
			tb.Fatalf("no key %s", key)
		}
	}
}

func TestFilters(t *testing.T) {
	for _, c := range []struct{ name, filter, want string }{
		{"no filter shows all", "", "apple banana cherry damson plum elderberry"},
		{"a word looks at all text columns in any case", "RED", "apple cherry"},
		{"several words must all hold", "red er", "cherry"},
		{"! turns a word round", "!red", "banana damson plum elderberry"},
		{"a column looks only there", "name:b", "banana elderberry"},
		{"a column's alias and the start of its title do too", "fruit:an col:yel", "banana"},
		{":= wants the whole value", "colour:=red", "apple cherry"},
		{"numbers are compared as numbers", "weight:>8", "apple banana"},
		{"<= holds at the bound, and not for unknown values", "weight:<=8", "cherry elderberry"},
		{"times are compared with durations", "age:>30m", "apple cherry"},
		{"days are durations too", "age:<1d !age:<1m", "apple banana"},
		{"an expression sees each column on its own", "/^b/", "banana damson plum elderberry"},
		{"an expression may hold spaces", "/damson p/", "damson plum"},
		{"an expression in one column", "name:/y$/", "cherry elderberry"},
		{"quotes hold words together", `"damson plum"`, "damson plum"},
		{"a lone ! is no condition yet", "!", "apple banana cherry damson plum elderberry"},
		{"a half typed value is no condition yet", "weight:>", "apple banana cherry damson plum elderberry"},
	} {
		table := basket()
		if err := table.SetFilter(c.filter); err != nil {
			t.Errorf("%s: %q: %v", c.name, c.filter, err)
			continue
		}
		if got := names(table); got != c.want {
			t.Errorf("%s: %q shows %q, want %q", c.name, c.filter, got, c.want)
		}
	}
}

func TestFilterThatCannotBeUnderstoodSaysHowAndChangesNothing(t *testing.T) {
	for filter, want := range map[string]string{
		"taste:sour":  "no column is called taste: use name colour weight age",
		"/[/":         "is no regular expression",
		"weight:>abc": `"abc" is no number`,
		"colour:>3":   "colour holds text",
	} {
		table := basket()
		if err := table.SetFilter("red"); err != nil {
			t.Fatal(err)
		}
		err := table.SetFilter(filter)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the filter %q gives the error %v, want one with %q", filter, err, want)
		}
		if got := names(table); got != "apple cherry" || table.Filter() != "red" {
			t.Errorf("after the bad filter %q the table shows %q with %q", filter, got, table.Filter())
		}
	}
}

func TestSorting(t *testing.T) {
	for _, c := range []struct {
		name string
		keys []string
		want string
	}{
		{"text sorts smallest first", []string{"Shift-C"}, "apple elderberry damson plum cherry banana"},
		{"the same key turns the direction", []string{"Shift-N", "Shift-N"}, "elderberry damson plum cherry banana apple"},
		{"a weight sorts largest first, unknown last", []string{"Shift-W"}, "apple banana cherry elderberry damson plum"},
		{"unknown stays last the other way round", []string{"Shift-W", "Shift-W"}, "elderberry cherry banana apple damson plum"},
		{"ages sort youngest first", []string{"Shift-A"}, "elderberry damson plum banana apple cherry"},
		{"arrows choose any column", []string{"Shift-Right", "Shift-Right", "Shift-Down"}, "banana cherry damson plum elderberry apple"},
		{"left of the first is the last", []string{"Shift-Left", "Shift-Down"}, "cherry apple banana damson plum elderberry"},
	} {
		table := basket()
		press(t, table, c.keys...)
		if got := names(table); got != c.want {
			t.Errorf("%s: the order is %q, want %q", c.name, got, c.want)
		}
	}
}

func TestCursorStaysOnItsRow(t *testing.T) {
	table := basket()
	press(t, table, "j", "j") // cherry
	for _, c := range []struct {
		name   string
		change func()
		want   string
	}{
		{"sorting", func() { press(t, table, "Shift-A") }, "cherry"},
		{"a row above goes", func() { table.Set(fruits()[1:]) }, "cherry"},
		{"a row above comes", func() { table.Set(fruits()) }, "cherry"},
		{"a filter that shows it", func() { _ = table.SetFilter("red") }, "cherry"},
		{"a filter that hides it goes to the best match", func() { _ = table.SetFilter("yellow") }, "banana"},
	} {
		c.change()
		if row, ok := table.Current(); !ok || row.name != c.want {
			t.Errorf("%s: the cursor is on %v, want %s", c.name, row, c.want)
		}
	}
	table = basket()
	press(t, table, "j")
	table.Set(append(fruits()[:1:1], fruits()[2:]...)) // banana is gone
	if row, _ := table.Current(); row.name != "cherry" {
		t.Errorf("when its row goes the cursor is on %s, want cherry, which took the place", row.name)
	}
	table = basket()
	table.Set(append([]*fruit{{uid: "0", name: "aaa"}}, fruits()...))
	if row, _ := table.Current(); row.name != "aaa" {
		t.Errorf("a cursor nobody moved is on %s, want the top row", row.name)
	}
	table.Set(nil)
	if row, ok := table.Current(); ok {
		t.Errorf("the cursor of an empty table is on %v", row)
	}
	press(t, table, "j", "Shift-G", "Ctrl-F", "k", "Space", "Ctrl-Space")
}

func TestMarks(t *testing.T) {
	table := basket()
	press(t, table, "Space", "j", "j", "Ctrl-Space") // apple; then from apple to damson plum
	marked, hidden := table.Marked()
	if len(marked) != 4 || len(hidden) != 0 {
		t.Errorf("%d rows are marked, %d hidden; want 4 and none", len(marked), len(hidden))
	}
	if err := table.SetFilter("red"); err != nil {
		t.Fatal(err)
	}
	if marked, hidden = table.Marked(); len(marked) != 4 || len(hidden) != 2 {
		t.Errorf("with a filter %d rows are marked, %d hidden; want 4 and 2", len(marked), len(hidden))
	}
	table.Set(fruits()[1:])
	if marked, _ = table.Marked(); len(marked) != 3 {
		t.Errorf("after a marked row went, %d are marked, want 3", len(marked))
	}
	press(t, table, "Ctrl-\\")
	if marked, _ = table.Marked(); marked != nil {
		t.Errorf("%v are marked after all marks were taken away", marked)
	}
}

// drawn is the table on a screen of this width.
func drawn(t *testing.T, table *Table[*fruit], width, height int) string {
	t.Helper()
	s := uitest.Screen(t, width, height)
	defer s.Fini()
	s.Clear()
	table.SetRect(0, 0, width, height)
	table.Draw(s)
	s.Show()
	return uitest.Contents(s)
}

func TestColumnsGoByImportance(t *testing.T) {
	for _, c := range []struct {
		width int
		want  string
	}{
		{60, "   NAME        COLOUR WEIGHT     AGE"},
		{34, "   NAME        COLOUR WEIGHT"},
		{25, "   NAME        COLOUR"},
		{14, "   NAME"},
	} {
		line, _, _ := strings.Cut(drawn(t, basket(), c.width, 4), "\n")
		if line != c.want {
			t.Errorf("at width %d the header is %q, want %q", c.width, line, c.want)
		}
	}
}

func TestColumnsWithoutRoomCanBeReached(t *testing.T) {
	table := basket()
	drawn(t, table, 34, 4)
	if !strings.Contains(table.Summary(), "+1 →") {
		t.Errorf("the summary %q does not say that a column is missing", table.Summary())
	}
	press(t, table, "Right", "Right")
	if got := drawn(t, table, 34, 4); !strings.Contains(got, "AGE") || !strings.Contains(got, "NAME") {
		t.Errorf("scrolled to the right the table has no AGE or no NAME:\n%s", got)
	}
	press(t, table, "Left", "Left", "Shift-Left") // sorts by the last column
	if got := drawn(t, table, 34, 4); !strings.Contains(got, "AGE↑") {
		t.Errorf("the sort column is not shown:\n%s", got)
	}
}

func TestDrawKeepsTheCursorInSight(t *testing.T) {
	table := basket()
	press(t, table, "Shift-G")
	want := strings.Join([]string{
		"   NAME        COLOUR WEIGHT     AGE",
		"   damson plum blue        0      1s",
		"   elderberry  black       1      0s",
	}, "\n")
	if diff := cmp.Diff(want, drawn(t, table, 60, 3)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	press(t, table, "g")
	if got := drawn(t, table, 60, 3); !strings.Contains(got, "apple") {
		t.Errorf("at the top the first row is missing:\n%s", got)
	}
	for _, size := range [][2]int{{1, 1}, {3, 2}, {60, 1}} {
		drawn(t, table, size[0], size[1]) // must not panic
	}
}

func TestOnlyVisibleRowsAreComputed(t *testing.T) {
	calls := 0
	cols := columns()
	cell := cols[0].Cell
	cols[0].Cell = func(f *fruit, now time.Time) string { calls++; return cell(f, now) }
	table := New(Config[*fruit]{Theme: theme.New(false, false), Now: noon, Key: func(f *fruit) string { return f.uid },
		Role: func(*fruit) theme.Role { return theme.Plain }}, cols)
	var many []*fruit
	for i := range 10_000 {
		many = append(many, &fruit{uid: fmt.Sprint(i), name: fmt.Sprint("fruit ", i)})
	}
	table.Set(many)
	calls = 0
	drawn(t, table, 60, 11)
	if calls > 30 {
		t.Errorf("drawing 10 rows computed %d cells of one column", calls)
	}
}

func TestAgedOnlyWhenAVisibleTextChanged(t *testing.T) {
	now := noon()
	table := basket()
	table.now = func() time.Time { return now }
	drawn(t, table, 60, 4)
	if table.Aged() {
		t.Error("aged though no time passed")
	}
	now = now.Add(time.Second)
	if !table.Aged() {
		t.Error("not aged though a second passed and ages are visible")
	}
	drawn(t, table, 25, 4) // without the column AGE
	now = now.Add(time.Second)
	if table.Aged() {
		t.Error("aged though no age is visible")
	}
}

// TestHaystacksFollowTheRows checks re-use against building all anew, through changes,
// removals and additions.
func TestHaystacksFollowTheRows(t *testing.T) {
	table := basket()
	if err := table.SetFilter("e"); err != nil {
		t.Fatal(err)
	}
	rows := fruits()
	for _, change := range []func(){
		func() { rows[2] = &fruit{uid: "3", name: "sour cherry", colour: "red"} },
		func() { rows = rows[2:] },
		func() { rows = append([]*fruit{{uid: "9", name: "Äpfel", colour: "GRÜN"}}, rows...) },
		func() { rows = append(rows, &fruit{uid: "8", name: "zest"}) },
		func() { rows = nil },
	} {
		rows = append([]*fruit(nil), rows...)
		change()
		table.Set(rows)
		for i, row := range rows {
			want := strings.ToLower(row.name + "\n" + row.colour)
			if got := table.hays.hay[i]; got != want {
				t.Errorf("the haystack of %s is %q, want %q", row.name, got, want)
			}
		}
	}
}

func TestStatusSortsByHowBadItIs(t *testing.T) {
	table := basket()
	table.columns[1].Rank = func(f *fruit) int {
		if f.colour == "yellow" {
			return -1
		}
		return 0
	}
	press(t, table, "Shift-C")
	if got := names(table); got != "banana apple elderberry damson plum cherry" {
		t.Errorf("the order is %q", got)
	}
	press(t, table, "Shift-C")
	if got := names(table); got != "cherry damson plum elderberry apple banana" {
		t.Errorf("the other way round it is %q", got)
	}
}

func TestAColumnThatIsToBeWholeGoesBeforeLessImportantOnes(t *testing.T) {
	rows := append(fruits(), &fruit{uid: "6", name: "a very long name of a fruit", colour: "red", weight: 2, picked: noon()})
	for _, c := range []struct {
		whole, width int
		want         string
	}{
		{0, 42, "   NAME             COLOUR WEIGHT     AGE"},
		{2, 42, "   NAME                     COLOUR WEIGHT"},
		{2, 80, "   NAME                        COLOUR WEIGHT     AGE"},
	} {
		table := basket()
		table.columns[0].Whole = c.whole
		table.Set(rows)
		line, _, _ := strings.Cut(drawn(t, table, c.width, 9), "\n")
		if line != c.want {
			t.Errorf("whole from %d at width %d: the header is %q, want %q", c.whole, c.width, line, c.want)
		}
	}
}

func TestWidthsAreGivenBackWhenThePersonChangesTheScreen(t *testing.T) {
	table := basket()
	head := func() string {
		line, _, _ := strings.Cut(drawn(t, table, 60, 9), "\n")
		return line
	}
	table.Set(append(fruits(), &fruit{uid: "6", name: "fig", colour: "a colour with a name"}))
	wide := head()
	table.Set(fruits())
	if got := head(); got != wide {
		t.Errorf("a column jumped by itself: %q, was %q", got, wide)
	}
	press(t, table, "Shift-N")
	if got := head(); got != "   NAME↑       COLOUR WEIGHT     AGE" {
		t.Errorf("after sorting the header is %q", got)
	}
}

func TestWholeSaysWhetherACellIsCut(t *testing.T) {
	table := basket()
	press(t, table, "j", "j", "j") // damson plum
	for _, c := range []struct {
		width  int
		name   bool
		colour bool
	}{{60, true, true}, {16, true, false}} {
		drawn(t, table, c.width, 9)
		if got := table.Whole("NAME"); got != c.name {
			t.Errorf("at width %d NAME is whole: %v", c.width, got)
		}
		if got := table.Whole("COLOUR"); got != c.colour {
			t.Errorf("at width %d COLOUR is whole: %v", c.width, got)
		}
	}
}
