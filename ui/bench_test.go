package ui

import (
	"slices"
	"testing"

	"github.com/ecideck/ecideck/ui/uitest"
	"github.com/ecideck/ecideck/ui/view"
)

// bigPods is a table of 100,000 pods that was drawn once at 120x40.
func bigPods(b *testing.B) (*view.Pods, func()) {
	b.Helper()
	c := newConsole(Options{Store: nothing{}, Now: sampleNow})
	pods := view.NewPods(c.env)
	pods.Show(bigFleet(100_000))
	screen := uitest.Screen(b, 120, 40)
	p := pods.Primitive()
	p.SetRect(0, 0, 120, 40)
	draw := func() { p.Draw(screen) }
	draw()
	return pods, draw
}

func BenchmarkDraw100k(b *testing.B) {
	_, draw := bigPods(b)
	for b.Loop() {
		draw()
	}
}

// BenchmarkFilterKeystroke100k is one keystroke of a filter and the frame that shows it.
func BenchmarkFilterKeystroke100k(b *testing.B) {
	pods, draw := bigPods(b)
	filters := []string{"w", "we", "web", "web-0", "web-00", "web-0012", "web-0012 ecs-1", "team-01 !ecs-00"}
	if err := pods.SetFilter("x"); err != nil { // what the first keystroke of all prepares
		b.Fatal(err)
	}
	i := 0
	for b.Loop() {
		if err := pods.SetFilter(filters[i%len(filters)]); err != nil {
			b.Fatal(err)
		}
		draw()
		i++
	}
}

// BenchmarkFirstFilterKeystroke100k includes what the first keystroke prepares.
func BenchmarkFirstFilterKeystroke100k(b *testing.B) {
	c := newConsole(Options{Store: nothing{}, Now: sampleNow})
	s := bigFleet(100_000)
	for b.Loop() {
		b.StopTimer()
		pods := view.NewPods(c.env)
		pods.Show(s)
		b.StartTimer()
		if err := pods.SetFilter("w"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSort100k(b *testing.B) {
	for _, key := range []string{"Shift-A", "Shift-N", "Shift-O", "Shift-T", "Shift-L"} {
		b.Run(key, func(b *testing.B) {
			pods, draw := bigPods(b)
			for _, a := range pods.Actions() {
				if a.Keys[0] != key {
					continue
				}
				for b.Loop() {
					a.Run(pods.Selection())
					draw()
				}
			}
		})
	}
}

// BenchmarkSnapshot100k is a new snapshot, in which one pod changed, arriving at a table
// that is filtered and sorted.
func BenchmarkSnapshot100k(b *testing.B) {
	pods, draw := bigPods(b)
	if err := pods.SetFilter("web"); err != nil {
		b.Fatal(err)
	}
	first, second := bigFleet(100_000), bigFleet(100_000)
	copy(second.Placements, first.Placements)
	changed := *first.Placements[500]
	second.Placements[500] = &changed
	pods.Show(first)
	for i := 0; b.Loop(); i++ {
		if i%2 == 0 {
			pods.Show(second)
		} else {
			pods.Show(first)
		}
		draw()
	}
}

// BenchmarkViews100k is a new snapshot, in which one pod changed, arriving at each main view,
// and the frame that shows it.
func BenchmarkViews100k(b *testing.B) {
	first := bigFleet(100_000)
	second := *first
	second.Placements = slices.Clone(first.Placements)
	changed := *first.Placements[500]
	second.Placements[500] = &changed
	for _, name := range Views() {
		b.Run(name, func(b *testing.B) {
			c := newConsole(Options{Store: nothing{}, Now: sampleNow, View: name})
			screen := uitest.Screen(b, 120, 40)
			v := c.top()
			p := v.Primitive()
			p.SetRect(0, 0, 120, 40)
			for i := 0; b.Loop(); i++ {
				s := first
				if i%2 == 0 {
					s = &second
				}
				c.counts = count(s)
				v.Show(s)
				p.Draw(screen)
			}
		})
	}
}
