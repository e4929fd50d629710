package eci_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/ecideck/ecideck/provider/eci"
	"github.com/ecideck/ecideck/provider/eci/ecitest"
)

// newClient is a client of an emulator in the same process.
func newClient(t *testing.T, e *ecitest.Emulator, change ...func(*eci.Options)) *eci.Client {
	t.Helper()
	o := eci.Options{Region: e.Region(), Endpoint: "http://ecitest", AccessKeyID: ecitest.DefaultAccessKeyID,
		AccessKeySecret: ecitest.DefaultAccessKeySecret, Transport: e.Transport()}
	for _, f := range change {
		f(&o)
	}
	c, err := eci.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// healthy is a request that every test may change one thing of.
func healthy(change ...func(*eci.CreateRequest)) *eci.CreateRequest {
	r := &eci.CreateRequest{
		ContainerGroupName: "default-web-0", VSwitchId: "vsw-h,vsw-i", ScheduleStrategy: "VSwitchOrdered", RestartPolicy: "Always",
		Cpu: 1, Memory: 2,
		Container: []eci.ContainerRequest{{Name: "web", Image: "registry.example.com/lab/serve:1"}},
		Tag:       []eci.Tag{{Key: eci.TagManagedBy, Value: eci.ManagedBy}, {Key: eci.TagPodName, Value: "web-0"}},
	}
	for _, f := range change {
		f(r)
	}
	return r
}

func one(t *testing.T, c *eci.Client, id string) eci.Group {
	t.Helper()
	groups, err := c.Groups(t.Context(), eci.GroupQuery{IDs: []string{id}, WithEvents: true})
	if err != nil || len(groups) != 1 {
		t.Fatalf("Groups(%s) = %d groups, %v; want one", id, len(groups), err)
	}
	return groups[0]
}

func TestAGroupLivesOnTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t, ecitest.New(ecitest.Options{}))
		id, err := c.CreateGroup(t.Context(), healthy())
		if err != nil {
			t.Fatal(err)
		}
		for _, step := range []struct {
			wait time.Duration
			want eci.Status
		}{{0, eci.Scheduling}, {time.Second, eci.Pending}, {1500 * time.Millisecond, eci.Running}, {24 * time.Hour, eci.Running}} {
			time.Sleep(step.wait)
			if got := one(t, c, id).Status; got != step.want {
				t.Fatalf("after %v more: %s, want %s", step.wait, got, step.want)
			}
		}
		if err := c.DeleteGroup(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		if got := one(t, c, id).Status; got != eci.Terminating {
			t.Fatalf("right after the delete: %s, want Terminating", got)
		}
		time.Sleep(time.Second)
		if groups, err := c.Groups(t.Context(), eci.GroupQuery{}); err != nil || len(groups) != 0 {
			t.Fatalf("a second after the delete: %v, %v; want none", groups, err)
		}
		if err := c.DeleteGroup(t.Context(), id); !eci.IsNotFound(err) {
			t.Fatalf("deleting again: %v, want not found", err)
		}
	})
}
