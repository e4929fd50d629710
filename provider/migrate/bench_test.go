package migrate

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"github.com/ecideck/ecideck/provider/kubetest/fakeapi"
	"github.com/ecideck/ecideck/provider/placement"
)

// crowded is a Deployment of n pods, each of which is to be swapped: the most that one key asks
// of a plan, which is there within a second.
func crowded(n int) *Facts {
	f := healthy()
	first, replicas := f.Pods[0], int32(n)
	f.ReplicaSets["rs"].Spec.Replicas = &replicas
	d := f.Deployments["shop/web"]
	d.Spec.Replicas, d.Status.Replicas, d.Status.UpdatedReplicas = &replicas, replicas, replicas
	f.Pods, f.Siblings["rs"] = nil, nil
	for i := range n {
		pod := first.DeepCopy()
		pod.Name, pod.UID = fmt.Sprintf("web-6c-%d", i), types.UID(fmt.Sprintf("pod-%d", i))
		f.Pods = append(f.Pods, pod)
	}
	f.Siblings["rs"] = append([]*corev1.Pod(nil), f.Pods...)
	return f
}

// BenchmarkMake is a plan for so many pods.
func BenchmarkMake(b *testing.B) {
	for _, n := range []int{100, 1000, 5000} {
		b.Run(fmt.Sprintf("pods=%d", n), func(b *testing.B) {
			f := crowded(n)
			if p := Make(f, Request{To: ToECI, Soak: time.Minute}); p.Moves() != n {
				b.Fatalf("%d of %d pods move", p.Moves(), n)
			}
			b.ReportAllocs()
			for b.Loop() {
				Make(f, Request{To: ToECI, Soak: time.Minute})
			}
		})
	}
}

// BenchmarkWays is what else could be done with them, which a plan in the console says too.
func BenchmarkWays(b *testing.B) {
	f := crowded(1000)
	b.ReportAllocs()
	for b.Loop() {
		Ways(f, Request{To: ToECI, Soak: time.Minute})
	}
}

// BenchmarkWatching is one look at the operations, as each console takes every five seconds: 200
// that have ended in the cluster, each of 36 pods, with their files on this machine, and 100 that
// only files have; anew, and by who has looked before.
func BenchmarkWatching(b *testing.B) {
	const inCluster, inFiles, pods = 200, 100, 36
	audit := AuditDir(b.TempDir())
	wide, confined := fakeapi.New(), narrow("")
	keeps := func(client kubernetes.Interface, id string) {
		o := long(pods)
		o.ID = id
		j, err := Begin(b.Context(), client, audit, o)
		if err != nil {
			b.Fatal(err)
		}
		for i := range o.Plan.Items {
			x := &o.Plan.Items[i]
			for _, verb := range []string{"create", "evict", "adopt", "settle"} {
				x.begin(verb, Ref{"Pod", "shop", "web-1", "u"}, time.Now())
				x.answer(strings.Repeat("ok", 20))
			}
			x.State, x.Checks = Done, []Check{{"size", Info, strings.Repeat("a reason ", 20), ""}, {"registry", Warn, strings.Repeat("a reason ", 20), strings.Repeat("a remedy ", 10)}}
			for range 8 { // before and after each of its steps
				if err := j.note(record{Number: i, Item: x}); err != nil {
					b.Fatal(err)
				}
			}
			if !j.local {
				if err := j.Item(b.Context(), i, x, false); err != nil {
					b.Fatal(err)
				}
			}
		}
		o.State, o.Ended = Done, time.Now()
		if err := errors.Join(j.Operation(b.Context(), o), j.Close()); err != nil {
			b.Fatal(err)
		}
	}
	keeps(confined, "local-0")
	in, err := audit.of(b.Context(), confined)
	if err != nil {
		b.Fatal(err)
	}
	text, err := os.ReadFile(in.path("local-0"))
	if err != nil {
		b.Fatal(err)
	}
	for i := 1; i < inFiles; i++ {
		id := fmt.Sprint("local-", i)
		if err := os.WriteFile(in.path(id), bytes.ReplaceAll(text, []byte("local-0"), []byte(id)), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	keeps(wide, "op-0")
	first, err := journals(b.Context(), wide, "shop", "op-0")
	if err != nil {
		b.Fatal(err)
	}
	for i := 1; i < inCluster; i++ {
		id := fmt.Sprint("op-", i)
		for _, c := range first {
			c := c.DeepCopy()
			c.Name = strings.ReplaceAll(c.Name, "op-0", id)
			c.Labels[placement.LabelOperation] = id
			if text := c.Data[keyOperation]; text != "" {
				c.Data[keyOperation] = strings.ReplaceAll(text, `"op-0"`, `"`+id+`"`)
			}
			if err := wide.Tracker().Add(c); err != nil {
				b.Fatal(err)
			}
		}
		if err := os.WriteFile(in.path(id), bytes.ReplaceAll(text, []byte("local-0"), []byte(id)), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	b.Logf("a file has %d bytes, a ConfigMap %d", len(text), size(first))
	look := func(b *testing.B, r *Reader) {
		all, err := r.Load(b.Context(), "")
		if err != nil || len(all) != inCluster+inFiles {
			b.Fatalf("%d operations, %v", len(all), err)
		}
	}
	b.Run("anew", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			look(b, &Reader{Client: wide, Audit: audit})
		}
	})
	b.Run("again", func(b *testing.B) {
		b.ReportAllocs()
		r := &Reader{Client: wide, Audit: audit}
		look(b, r)
		for b.Loop() {
			look(b, r)
		}
	})
}

func size(configs []corev1.ConfigMap) (n int) {
	for i := range configs {
		for _, text := range configs[i].Data {
			n += len(text)
		}
	}
	return n
}
