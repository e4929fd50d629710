package lastwords

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
)

// SecretName is the Secret of a namespace with its pods' last words, and SecretType its type.
const (
	SecretName                   = "ecideck-last-words"
	SecretType corev1.SecretType = "ecideck.io/last-words"
)

// A Store writes and reads last words. It may be used by many goroutines, and by several
// processes at once: a write that another one overtook is made again on what that one wrote.
type Store struct {
	client corev1client.SecretsGetter

	mu      sync.Mutex
	writing map[string]*batch // by namespace: the one that waits for its turn
	turns   map[string]*sync.Mutex
}

// A batch is written at once: three hundred pods that end together are few writes.
type batch struct {
	records []Record
	done    chan struct{}
	err     error
}

// NewStore makes a Store; it makes no call.
func NewStore(client corev1client.SecretsGetter) *Store {
	return &Store{client: client, writing: map[string]*batch{}, turns: map[string]*sync.Mutex{}}
}

// Keep writes a record over the one of the same pod, and returns when it is written. The
// error says why it is not, with the remedy where there is one; a namespace that is being
// deleted takes none, which is no error: its last words go with it.
func (s *Store) Keep(ctx context.Context, r Record) error {
	s.mu.Lock()
	b := s.writing[r.Namespace]
	first := b == nil
	if first {
		b = &batch{done: make(chan struct{})}
		s.writing[r.Namespace] = b
		if s.turns[r.Namespace] == nil {
			s.turns[r.Namespace] = &sync.Mutex{}
		}
	}
	b.records = append(b.records, r)
	turn := s.turns[r.Namespace]
	s.mu.Unlock()
	if !first {
		select {
		case <-b.done:
			return b.err
		case <-ctx.Done():
			return fmt.Errorf("keeping the last words of %s/%s: %w", r.Namespace, r.Pod, context.Cause(ctx))
		}
	}
	turn.Lock()
	defer turn.Unlock()
	s.mu.Lock()
	delete(s.writing, r.Namespace) // who comes now waits for the next
	s.mu.Unlock()
	// It is for the others too, whatever becomes of this caller.
	writing, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	b.err = s.write(writing, r.Namespace, b.records)
	close(b.done)
	return b.err
}

// patience is how long one write may take.
const patience = 5 * time.Second

// tries is how often a write is made again that others overtook.
const tries = 5

func (s *Store) write(ctx context.Context, namespace string, records []Record) error {
	secrets := s.client.Secrets(namespace)
	var err error
	for range tries {
		var secret *corev1.Secret
		secret, err = secrets.Get(ctx, SecretName, metav1.GetOptions{})
		fresh := apierrors.IsNotFound(err)
		switch {
		case fresh:
			secret = &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: SecretName, Namespace: namespace,
				Labels:      map[string]string{"app.kubernetes.io/managed-by": "ecideck-node"},
				Annotations: map[string]string{"ecideck.io/about": "How pods on ECI ended. Read it with: ecideck logs POD. It is bounded, and may be deleted."}},
				Type: SecretType}
		case err != nil:
			return refused(namespace, err)
		case secret.Type != SecretType:
			return fmt.Errorf("the Secret %s/%s is somebody else's (of type %s): rename it, and last words are kept there again", namespace, SecretName, secret.Type)
		}
		secret = secret.DeepCopy()
		if secret.Data, err = add(secret.Data, records, time.Now()); err != nil {
			return err
		}
		if fresh {
			_, err = secrets.Create(ctx, secret, metav1.CreateOptions{})
		} else {
			_, err = secrets.Update(ctx, secret, metav1.UpdateOptions{})
		}
		switch {
		case err == nil:
			return nil
		case apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause), apierrors.IsNotFound(err) && fresh:
			return nil // it goes, and all that is in it
		case apierrors.IsConflict(err), apierrors.IsAlreadyExists(err), apierrors.IsNotFound(err):
			continue
		}
		return refused(namespace, err)
	}
	return refused(namespace, err)
}

func refused(namespace string, err error) error {
	switch {
	case apierrors.IsForbidden(err) && strings.Contains(err.Error(), "exceeded quota"):
		return fmt.Errorf("keeping last words in namespace %s: its ResourceQuota has no room for the Secret %s; allow one more: %w", namespace, SecretName, err)
	case apierrors.IsForbidden(err):
		return fmt.Errorf("keeping last words in namespace %s: ecideck-node may not write the Secret %s; apply what `ecideck-node manifests` prints: %w", namespace, SecretName, err)
	}
	return fmt.Errorf("keeping last words in namespace %s: %w", namespace, err)
}

// keyOf orders records by their time; the UID makes them one a pod.
func keyOf(r Record) string { return r.At.UTC().Format("20060102T150405Z") + "." + r.UID }

// add is the Secret's data with the records, within all bounds. What can't be read any more is
// dropped.
func add(data map[string][]byte, records []Record, now time.Time) (map[string][]byte, error) {
	data = maps.Clone(data)
	if data == nil {
		data = map[string][]byte{}
	}
	for _, r := range records {
		for key, raw := range data {
			if !strings.HasSuffix(key, "."+r.UID) {
				continue
			}
			if old, err := decode(raw); err == nil {
				r = merge(old, r)
			}
			delete(data, key)
		}
		raw, err := encode(r)
		if err != nil {
			return nil, err
		}
		data[keyOf(r)] = raw
	}
	oldest := now.Add(-maxAge).UTC().Format("20060102T150405Z")
	total := 0
	keys := slices.Sorted(maps.Keys(data))
	slices.Reverse(keys)
	for i, key := range keys {
		if total += len(data[key]); i >= maxRecords || total > maxStored || key < oldest {
			delete(data, key)
		}
	}
	return data, nil
}

// All are a namespace's records, the newest first. A namespace without any is no error.
func (s *Store) All(ctx context.Context, namespace string) ([]Record, error) {
	secret, err := s.client.Secrets(namespace).Get(ctx, SecretName, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("reading the last words of namespace %s (Secret %s): %w", namespace, SecretName, err)
	case secret.Type != SecretType:
		return nil, nil
	}
	keys := slices.Sorted(maps.Keys(secret.Data))
	slices.Reverse(keys)
	var records []Record
	var broken error
	for _, key := range keys {
		r, err := decode(secret.Data[key])
		if err != nil {
			broken = err
			continue
		}
		records = append(records, r)
	}
	if len(records) == 0 && broken != nil {
		return nil, errors.Join(fmt.Errorf("the Secret %s/%s can't be read: delete it", namespace, SecretName), broken)
	}
	return records, nil
}

// Of is the record of a pod by its UID; nil: there is none.
func (s *Store) Of(ctx context.Context, namespace, uid string) (*Record, error) {
	all, err := s.All(ctx, namespace)
	if err != nil {
		return nil, err
	}
	for i := range all {
		if all[i].UID == uid {
			return &all[i], nil
		}
	}
	return nil, nil
}
