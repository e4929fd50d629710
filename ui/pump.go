package ui

import (
	"context"
	"time"
)

const (
	// drawPause is the shortest time between two redraws that nobody asked for by a key.
	drawPause = 100 * time.Millisecond
	// drawPauseMax bounds how far a slow screen or a huge fleet stretches that.
	drawPauseMax = 2 * time.Second
	// drawShare: a redraw may use one part of so many of the UI goroutine's time, so that
	// keys are answered while the world changes all the time.
	drawShare = 5
)

// pump brings changes to the screen until ctx ends. It is the only caller of tview's
// QueueUpdate, which never returns once the application has stopped.
func (c *console) pump(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	timer := time.NewTimer(0)
	defer timer.Stop()
	changed := c.o.Store.Changed()
	var last time.Time
	pause := drawPause
	scheduled := true // the first draw
	schedule := func() {
		if !scheduled {
			scheduled = true
			timer.Reset(max(0, pause-time.Since(last)))
		}
	}
	for {
		select {
		case <-ctx.Done():
			return
		case _, open := <-changed:
			if !open {
				changed = nil
				continue
			}
			schedule()
		case <-c.wake:
			schedule()
		case <-timer.C:
			scheduled = false
			start := time.Now()
			c.app.QueueUpdateDraw(c.refresh)
			last = time.Now()
			pause = min(drawPauseMax, max(drawPause, drawShare*last.Sub(start)))
		case <-tick.C:
			// Ages grow without any event. Nothing is drawn while no visible one changed.
			c.app.QueueUpdate(func() {
				if c.aged() {
					c.app.ForceDraw()
				}
			})
		}
	}
}

// refresh takes the newest snapshot and shows it. It runs on the UI goroutine.
func (c *console) refresh() {
	if s := c.o.Store.Latest(); s != c.snapshot {
		c.snapshot = s
		c.counts = count(s)
		c.listen(s.Sources)
		c.greet()
	}
	for _, f := range c.later.take() {
		f()
	}
	c.top().Show(c.snapshot)
}

// listen writes what the sources say into the log of messages.
func (c *console) listen(sources []source) {
	for _, s := range sources {
		switch before := c.failing[s.Name]; {
		case s.Error != "" && before == "":
			c.say(s.Name+": "+s.Error, true)
		case s.Error != "" && before != s.Error:
			c.say(s.Name+": "+s.Error, false) // the first one is unread already
		case s.Error == "" && before != "":
			c.say(s.Name+": read again", false)
		}
		c.failing[s.Name] = s.Error
	}
}
