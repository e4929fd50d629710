package ui

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gdamore/tcell/v2"

	"github.com/ecideck/ecideck/ui/uitest"
)

// A meter counts how often a screen is written.
type meter struct {
	tcell.SimulationScreen
	shown atomic.Int64
}

func (m *meter) Show() { m.shown.Add(1); m.SimulationScreen.Show() }

// metered runs a console in a synctest bubble and hands over its store and meter.
func metered(t *testing.T, now func() time.Time, f func(*memory, *meter)) {
	synctest.Test(t, func(t *testing.T) {
		store := newMemory(sample())
		screen := &meter{SimulationScreen: uitest.Screen(t, 80, 24)}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- newConsole(Options{Store: store, Now: now}).run(ctx, screen) }()
		synctest.Wait()
		f(store, screen)
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the console ended with %v", err)
		}
	})
}

func TestUnchangedWorldWritesNothing(t *testing.T) {
	metered(t, sampleNow, func(_ *memory, m *meter) {
		before := m.shown.Load()
		time.Sleep(time.Hour)
		if n := m.shown.Load() - before; n != 0 {
			t.Errorf("the screen was written %d times in an hour in which nothing changed", n)
		}
	})
}

func TestBusyWorldIsDrawnAtMostTenTimesASecond(t *testing.T) {
	metered(t, sampleNow, func(s *memory, m *meter) {
		before := m.shown.Load()
		one, other := sample(), sample()
		for range 10_000 { // ten seconds of a thousand changes each
			one, other = other, one
			s.put(one)
			time.Sleep(time.Millisecond)
		}
		if n := m.shown.Load() - before; n < 50 || n > 101 {
			t.Errorf("the screen was written %d times in ten seconds of constant change, want about 100", n)
		}
	})
}

func TestAgesAreDrawnOnceASecond(t *testing.T) {
	start := time.Time{}
	var once atomic.Bool
	clock := func() time.Time {
		if once.CompareAndSwap(false, true) {
			start = time.Now()
		}
		return sampleNow().Add(time.Since(start))
	}
	metered(t, clock, func(_ *memory, m *meter) {
		time.Sleep(time.Second / 2)
		before := m.shown.Load()
		time.Sleep(10 * time.Second)
		if n := m.shown.Load() - before; n != 10 {
			t.Errorf("the screen was written %d times in ten seconds in which only ages grew, want 10", n)
		}
	})
}

func TestPanicRestoresTheTerminal(t *testing.T) {
	screen := uitest.Screen(t, 80, 24)
	c := newConsole(Options{Store: newMemory(sample()), Now: sampleNow})
	c.screen = screen
	func() {
		defer func() {
			if p := recover(); p != "lost my way" {
				t.Errorf("the panic became %v; it must go on", p)
			}
		}()
		defer c.guard()
		panic("lost my way")
	}()
	if ev := screen.PollEvent(); ev != nil {
		t.Errorf("the screen still gives %T: it was not finished", ev)
	}
}

func TestSnapshotOfAClosedStoreStays(t *testing.T) {
	metered(t, sampleNow, func(s *memory, m *meter) {
		close(s.changed)
		synctest.Wait()
		before := m.shown.Load()
		time.Sleep(time.Minute)
		if n := m.shown.Load() - before; n != 0 {
			t.Errorf("a closed store made %d redraws", n)
		}
	})
}

var _ Store = (*memory)(nil)
