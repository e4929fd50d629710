package collectors

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ecideck/ecideck/collectors/fleet"
	"github.com/ecideck/ecideck/provider/money"
)

// watched is a snapshot whose history has been going on for some minutes.
func watched(since time.Time, minutes int) *fleet.Snapshot {
	in := fleet.Inputs{Sources: []fleet.Source{{Name: "pods", Every: time.Hour, Read: since.Add(24 * time.Hour)}}}
	in.Apply(fleet.Cluster{UID: "c1"})
	in.Apply(fleet.PriceBook{Nodes: []fleet.NodePrice{{Name: "n", Rate: money.PerHour(60_000_000, money.CNY)}}})
	in.Apply(fleet.Nodes{Items: []*fleet.Node{{Name: "n", Place: fleet.PlaceECS}}})
	var s *fleet.Snapshot
	for i := range minutes + 1 {
		s = fleet.Build(in, since.Add(time.Duration(i)*time.Minute), s)
	}
	return s
}

func TestTheMonthSurvivesARestart(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		life := func(from time.Time, minutes int) (past fleet.History) {
			store := atomic.Pointer[fleet.Snapshot]{}
			store.Store(&fleet.Snapshot{Cluster: "c1"})
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan struct{})
			go func() {
				defer close(done)
				History(dir, store.Load).Collect(ctx, func(part fleet.Part, err error) {
					if err != nil {
						t.Error(err)
					}
					past = part.(fleet.Past).History
				})
			}()
			synctest.Wait()
			store.Store(watched(from, minutes))
			time.Sleep(6 * time.Minute)
			cancel()
			<-done
			return past
		}
		life(began, 10)
		if past := life(began.Add(30*time.Minute), 5); len(past.Minutes) != 11 || len(past.Hours) != 1 || past.Hours[0].Seen != 10*time.Minute {
			t.Fatalf("the second process reads %d minutes, %+v", len(past.Minutes), past.Hours)
		} else if spent := past.Hours[0].Spent; len(spent) != 1 || spent[0].Amount != money.Of(10_000_000, money.CNY) {
			t.Errorf("ten minutes of 60 CNY/h are %+v", spent)
		}
	})
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) != 1 || filepath.Base(files[0]) != "c1.json" {
		t.Errorf("files %v, %v", files, err)
	}
}

func TestAHistoryThatCanNotBeKeptIsSaid(t *testing.T) {
	tests := []struct {
		name    string
		prepare func(t *testing.T, dir string)
		want    string
	}{
		{"a file that is none", func(t *testing.T, dir string) {
			if err := os.WriteFile(filepath.Join(dir, "c1.json"), []byte(`{"Kind":"something"}`), 0o600); err != nil {
				t.Fatal(err)
			}
		}, "move the file away"},
		{"a folder that is a file", func(t *testing.T, dir string) {
			if err := os.Remove(dir); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(dir, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}, "history of costs"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "history")
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			test.prepare(t, dir)
			before, _ := os.ReadFile(filepath.Join(dir, "c1.json"))
			synctest.Test(t, func(t *testing.T) {
				s := watched(time.Now(), 3)
				ctx, cancel := context.WithCancel(t.Context())
				var last error
				done := make(chan struct{})
				go func() {
					defer close(done)
					History(dir, func() *fleet.Snapshot { return s }).Collect(ctx, func(_ fleet.Part, err error) { last = err })
				}()
				time.Sleep(6 * time.Minute)
				cancel()
				<-done
				if last == nil || !strings.Contains(last.Error(), test.want) {
					t.Errorf("it says %v", last)
				}
			})
			if after, _ := os.ReadFile(filepath.Join(dir, "c1.json")); string(after) != string(before) {
				t.Error("the file was written over")
			}
		})
	}
}
