package lastwords

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	k8stesting "k8s.io/client-go/testing"
)

func record(uid string, at time.Time, log string) Record {
	return Record{Namespace: "shop", Pod: "web-" + uid, UID: uid, Group: "eci-" + uid, At: at, Why: Ended, Phase: "Failed",
		Containers: []Container{{Name: "main", State: "Terminated", ExitCode: 1, Log: log}}}
}

// noise is a log that can't be compressed.
func noise(lines int) string {
	var b strings.Builder
	random := rand.New(rand.NewPCG(1, 2))
	for i := range lines {
		fmt.Fprintf(&b, "2026-01-01T00:00:%02dZ %x%x\n", i%60, random.Uint64(), random.Uint64())
	}
	return b.String()
}

func TestWhatIsKeptIsRead(t *testing.T) {
	s := NewStore(fake.NewClientset().CoreV1())
	want := record("1", time.Now().UTC().Truncate(time.Second), "2026-01-01T00:00:00Z hello\n")
	if err := s.Keep(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	got, err := s.Of(t.Context(), "shop", "1")
	if err != nil || got == nil || got.Containers[0] != want.Containers[0] || !got.At.Equal(want.At) {
		t.Fatalf("got %+v, %v", got, err)
	}
	if none, err := s.Of(t.Context(), "pay", "1"); none != nil || err != nil {
		t.Errorf("a namespace without any: %+v, %v", none, err)
	}
}

func TestAFullStoreDropsTheOldest(t *testing.T) {
	client := fake.NewClientset()
	s := NewStore(client.CoreV1())
	begin := time.Now().UTC().Truncate(time.Second)
	log := noise(600)
	const many = 60
	for i := range many {
		if err := s.Keep(t.Context(), record(fmt.Sprint("u", i), begin.Add(time.Duration(i)*time.Second), log)); err != nil {
			t.Fatal(err)
		}
	}
	secret, err := client.CoreV1().Secrets("shop").Get(t.Context(), SecretName, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	total := 0
	for key, raw := range secret.Data {
		if total += len(raw); len(raw) > maxRecord {
			t.Errorf("%s has %d bytes", key, len(raw))
		}
	}
	if total > maxStored || len(secret.Data) > maxRecords || total < maxStored/2 {
		t.Errorf("%d records, %d bytes", len(secret.Data), total)
	}
	all, err := s.All(t.Context(), "shop")
	if err != nil {
		t.Fatal(err)
	}
	if all[0].UID != fmt.Sprint("u", many-1) || all[0].Containers[0].Log == "" || !all[0].Containers[0].Cut {
		t.Errorf("the newest is %s, %d bytes of log, cut %v", all[0].UID, len(all[0].Containers[0].Log), all[0].Containers[0].Cut)
	}
	for i := 1; i < len(all); i++ {
		if all[i].At.After(all[i-1].At) {
			t.Fatal("not the newest first")
		}
	}
	data, err := add(secret.Data, []Record{record("late", begin.Add(maxAge+time.Hour), "")}, begin.Add(maxAge+time.Hour))
	if err != nil || len(data) != 1 {
		t.Errorf("%d records after a week, %v", len(data), err)
	}
}

func TestTooManySmallRecordsDropTheOldest(t *testing.T) {
	begin := time.Now().UTC().Truncate(time.Second)
	var records []Record
	for i := range maxRecords + 20 {
		records = append(records, record(fmt.Sprint("u", i), begin.Add(time.Duration(i)*time.Second), ""))
	}
	data, err := add(nil, records, begin)
	if err != nil || len(data) != maxRecords || data[keyOf(records[19])] != nil || data[keyOf(records[20])] == nil {
		t.Errorf("%d records, %v", len(data), err)
	}
}

func TestARecordOfManyContainersFits(t *testing.T) {
	r := record("1", time.Now(), "")
	r.Message = strings.Repeat("x", 100_000)
	for i := range 20 {
		r.Containers = append(r.Containers, Container{Name: fmt.Sprint("c", i), Log: noise(2000), Previous: noise(2000), Message: noise(100)})
	}
	for range 100 {
		r.Events = append(r.Events, Event{Reason: "BackOff", Message: noise(5)})
	}
	before := r.Containers[3].Log
	raw, err := encode(r)
	if err != nil || len(raw) > 2*maxRecord {
		t.Errorf("%d bytes, %v", len(raw), err)
	}
	if got, err := decode(raw); err != nil || len(got.Containers) != 21 {
		t.Errorf("%d containers, %v", len(got.Containers), err)
	}
	if r.Containers[3].Log != before {
		t.Error("encode changed the caller's record")
	}
}

func TestALaterRecordKeepsWhatAnEarlierOneRead(t *testing.T) {
	s := NewStore(fake.NewClientset().CoreV1())
	now := time.Now().UTC().Truncate(time.Second)
	first, second := record("1", now, "2026-01-01T00:00:00Z hello\n"), record("1", now.Add(time.Second), "")
	second.Containers[0].ExitCode = 137
	for _, r := range []Record{first, second} {
		if err := s.Keep(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	all, err := s.All(t.Context(), "shop")
	if err != nil || len(all) != 1 {
		t.Fatalf("%d records of one pod, %v", len(all), err)
	}
	if c := all[0].Containers[0]; c.ExitCode != 137 || c.Log != first.Containers[0].Log {
		t.Errorf("%+v", c)
	}
}

func TestManyAtOnceAreFewWrites(t *testing.T) {
	client := fake.NewClientset()
	writes := 0
	var mu sync.Mutex
	client.PrependReactor("*", "secrets", func(a k8stesting.Action) (bool, runtime.Object, error) {
		if v := a.GetVerb(); v == "create" || v == "update" {
			mu.Lock()
			writes++
			mu.Unlock()
			time.Sleep(10 * time.Millisecond) // as the API server takes
		}
		return false, nil, nil
	})
	s := NewStore(client.CoreV1())
	var wg sync.WaitGroup
	for i := range 60 {
		wg.Go(func() {
			if err := s.Keep(t.Context(), record(fmt.Sprint("u", i), time.Now(), "x")); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if all, err := s.All(t.Context(), "shop"); err != nil || len(all) != 60 {
		t.Errorf("%d of 60 kept, %v", len(all), err)
	}
	if writes > 20 {
		t.Errorf("%d writes for 60 records", writes)
	}
}

func TestARefusalSaysWhatToDo(t *testing.T) {
	forbidden := func(text string) error {
		return apierrors.NewForbidden(corev1.Resource("secrets"), SecretName, errors.New(text))
	}
	terminating := apierrors.NewForbidden(corev1.Resource("secrets"), SecretName, errors.New("being terminated"))
	terminating.ErrStatus.Details.Causes = []metav1.StatusCause{{Type: corev1.NamespaceTerminatingCause}}
	for _, c := range []struct {
		name, verb string
		err        error
		want       string // "": no error
	}{
		{"no rights", "create", forbidden("no"), "ecideck-node manifests"},
		{"no rights to read", "get", forbidden("no"), "ecideck-node manifests"},
		{"a quota", "create", forbidden("exceeded quota: few"), "ResourceQuota"},
		{"a namespace that goes", "create", terminating, ""},
		{"an API server that is away", "create", errors.New("connection refused"), "connection refused"},
		{"others are always faster", "create", apierrors.NewAlreadyExists(corev1.Resource("secrets"), SecretName), "already exists"},
	} {
		t.Run(c.name, func(t *testing.T) {
			client := fake.NewClientset()
			client.PrependReactor(c.verb, "secrets", func(k8stesting.Action) (bool, runtime.Object, error) { return true, nil, c.err })
			err := NewStore(client.CoreV1()).Keep(t.Context(), record("1", time.Now(), ""))
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
	others := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: SecretName, Namespace: "shop"}, Type: corev1.SecretTypeOpaque, Data: map[string][]byte{"a": []byte("b")}}
	s := NewStore(fake.NewClientset(others).CoreV1())
	if err := s.Keep(t.Context(), record("1", time.Now(), "")); err == nil || !strings.Contains(err.Error(), "somebody else's") {
		t.Errorf("a Secret of somebody else: %v", err)
	}
	if all, err := s.All(t.Context(), "shop"); err != nil || all != nil {
		t.Errorf("a Secret of somebody else is read: %v, %v", all, err)
	}
}

func TestSelectGivesTheLinesThatAreWanted(t *testing.T) {
	c := Container{Cut: true, Previous: "2026-01-01T00:00:00Z before\n", Log: "2026-01-01T00:00:01Z a\n2026-01-01T00:00:02Z b\n  more of b\n2026-01-01T00:00:03Z c\n"}
	at := func(s int) time.Time { return time.Date(2026, 1, 1, 0, 0, s, 0, time.UTC) }
	for _, test := range []struct {
		name string
		s    Selection
		want string
		cut  bool
	}{
		{"all", Selection{Tail: -1}, "a\nb\n  more of b\nc\n", true},
		{"with times", Selection{Tail: 1, Timestamps: true}, "2026-01-01T00:00:03Z c\n", false},
		{"none", Selection{Tail: 0}, "", false},
		{"more than there are", Selection{Tail: 9}, "a\nb\n  more of b\nc\n", true},
		{"as many as there are", Selection{Tail: 4}, "a\nb\n  more of b\nc\n", false},
		{"since", Selection{Tail: -1, Since: at(2)}, "b\n  more of b\nc\n", false},
		{"since before all", Selection{Tail: -1, Since: at(0)}, "a\nb\n  more of b\nc\n", true},
		{"the run before", Selection{Tail: -1, Previous: true}, "before\n", false},
	} {
		if got, cut := c.Select(test.s); got != test.want || cut != test.cut {
			t.Errorf("%s: %q, %v", test.name, got, cut)
		}
	}
}

func FuzzDecode(f *testing.F) {
	raw, err := encode(record("1", time.Unix(0, 0), noise(10)))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Fuzz(func(t *testing.T, raw []byte) {
		if r, err := decode(raw); err == nil {
			if _, err := encode(r); err != nil {
				t.Errorf("what was read can't be written: %v", err)
			}
		}
	})
}
