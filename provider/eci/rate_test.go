package eci_test

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ecideck/ecideck/provider/eci"
	"github.com/ecideck/ecideck/provider/eci/ecitest"
)

// createMany creates n groups from forty goroutines and says how often each code came.
func createMany(t *testing.T, e *ecitest.Emulator, n int, change ...func(*eci.Options)) map[string]int {
	t.Helper()
	var mu sync.Mutex
	codes := map[string]int{}
	observe := func(o *eci.Options) {
		o.Observe = func(_, code string, _ time.Duration) {
			mu.Lock()
			defer mu.Unlock()
			codes[code]++
		}
	}
	c := newClient(t, e, append(change, observe)...)
	work := make(chan int)
	var wg sync.WaitGroup
	for range 40 {
		wg.Go(func() {
			for i := range work {
				if _, err := c.CreateGroup(t.Context(), healthy(func(r *eci.CreateRequest) { r.ClientToken = fmt.Sprintf("uid-%d", i) })); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for i := range n {
		work <- i
	}
	close(work)
	wg.Wait()
	return codes
}

func TestMoreThanAMinutesCreatesAreNeverThrottled(t *testing.T) {
	for _, second := range []int{0, 40} { // where in the calendar minute the burst begins
		synctest.Test(t, func(t *testing.T) {
			e := ecitest.New(ecitest.Options{MaxCPU: 1e6}) // it counts calendar minutes
			time.Sleep(time.Duration(second) * time.Second)
			start := time.Now()
			codes := createMany(t, e, 1200, func(o *eci.Options) { o.Attempts = 1 }) // a refusal would fail
			if n := len(e.Groups()); n != 1200 || len(codes) != 1 || codes[""] != 1200 {
				t.Errorf("%d groups, answers %v; want 1200 and no refusal", n, codes)
			}
			if took := time.Since(start); took < time.Minute || took > time.Minute+time.Second {
				t.Errorf("1200 creates took %v; at 1000 a minute it is one minute until the last 200", took)
			}
		})
	}
}

func TestAThousandGroupsInSpiteOfThrottlingAreAThousand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := ecitest.New(ecitest.Options{MaxCPU: 1e6, Seed: 7})
		fault(t, e, ecitest.Fault{Kind: ecitest.FaultThrottling, Rate: 0.3})
		codes := createMany(t, e, 1000)
		if n := len(e.Groups()); n != 1000 || codes[""] != 1000 {
			t.Errorf("%d groups, answers %v; want 1000", n, codes)
		}
		if codes["Throttling"] < 200 {
			t.Errorf("answers %v: nearly nothing was throttled", codes)
		}
	})
}
