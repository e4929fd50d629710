package provider

import (
	"testing"
	"time"
)

func TestWhatHappensToAGroupIsToldOnItsPodOnceASight(t *testing.T) {
	inBed(t, func(b *bed) {
		b.untilReady(b.create(healthyPod("web")))
		for _, reason := range []string{"Pulling", "Pulled", "Created", "Started"} {
			if n := b.events.count("web " + reason + ": "); n != 1 {
				t.Errorf("%s is told %d times, want once", reason, n)
			}
		}
		time.Sleep(10 * time.Minute)
		b.stop()
		b.start()
		time.Sleep(10 * time.Minute)
		if n := b.events.count("web Started: "); n != 1 {
			t.Errorf("after a restart of the node Started is told %d times, want once", n)
		}
	})
}

func TestWhatHappensAgainToAGroupIsToldAgain(t *testing.T) {
	inBed(t, func(b *bed) {
		b.create(healthyPod("loop", image("crashloop")))
		b.until("three back-offs", 5*time.Minute, func() bool { return b.events.count("loop BackOff: ") >= 3 })
		told := b.events.count("loop BackOff: ")
		b.until("and another", 10*time.Minute, func() bool { return b.events.count("loop BackOff: ") > told })
	})
}
