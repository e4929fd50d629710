package main

import (
	"context"
	"fmt"
	"io"
	"math"

	"github.com/ecideck/ecideck/ui"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"
)

// podLogs opens logs through the API server, as kubectl does; so they work for pods on real
// and on virtual nodes alike.
type podLogs struct{ client kubernetes.Interface }

// Log implements ui.Logs.
func (l podLogs) Log(ctx context.Context, r ui.LogRequest) (io.ReadCloser, error) {
	o := &corev1.PodLogOptions{Container: r.Container, Follow: r.Follow, Previous: r.Previous, Timestamps: r.Timestamps}
	if r.Tail > 0 {
		lines := int64(r.Tail)
		o.TailLines = &lines
	}
	if r.Since > 0 {
		seconds := int64(math.Ceil(r.Since.Seconds()))
		o.SinceSeconds = &seconds
	}
	stream, err := l.client.CoreV1().Pods(r.Namespace).GetLogs(r.Pod, o).Stream(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the log of %s/%s container %s: %w", r.Namespace, r.Pod, r.Container, err)
	}
	return stream, nil
}
