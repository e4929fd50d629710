package kubetest

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clienttesting "k8s.io/client-go/testing"

	"github.com/ecideck/ecideck/provider/kubetest/fakeapi"
	"github.com/ecideck/ecideck/provider/kubetest/scenario"
)

func TestTrafficFollowsItsCurveUntilSomebodyElseScales(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "logs"), 0o700); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		var replicas atomic.Int32
		replicas.Store(2)
		client := fakeapi.New()
		client.PrependReactor("get", "deployments", func(clienttesting.Action) (bool, runtime.Object, error) {
			return true, &autoscalingv1.Scale{Spec: autoscalingv1.ScaleSpec{Replicas: replicas.Load()}}, nil
		})
		client.PrependReactor("update", "deployments", func(a clienttesting.Action) (bool, runtime.Object, error) {
			scale := a.(clienttesting.UpdateAction).GetObject().(*autoscalingv1.Scale)
			replicas.Store(scale.Spec.Replicas)
			return true, scale, nil
		})
		var terminal strings.Builder
		l := &Lab{Dir: dir, client: client, progress: &terminal, layout: layout{dir: dir}}
		traffic := scenario.Traffic{Namespace: "shop", Kind: "Deployment", Name: "web", Every: metav1.Duration{Duration: 10 * time.Second}, Replicas: []int32{4, 6}}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		done := make(chan struct{})
		go func() { l.runTraffic(ctx, traffic); close(done) }()
		for i, want := range []int32{4, 6, 4} {
			time.Sleep(10 * time.Second)
			synctest.Wait()
			if got := replicas.Load(); got != want {
				t.Errorf("after step %d: %d replicas, want %d", i+1, got, want)
			}
		}
		replicas.Store(30)
		time.Sleep(10 * time.Second)
		<-done
		if got := replicas.Load(); got != 30 {
			t.Errorf("the curve set %d over the 30 that somebody asked for", got)
		}
		if terminal.Len() > 0 {
			t.Errorf("it wrote over the console: %q", terminal.String())
		}
		if raw, err := os.ReadFile(l.LogFile("lab")); err != nil || !strings.Contains(string(raw), "scaled to 30 by someone else") {
			t.Errorf("the lab's log says %q (%v)", raw, err)
		}
	})
}
