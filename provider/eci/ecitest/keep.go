package ecitest

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// A keeper says how much of the state is in a file.
type keeper struct {
	wake  chan struct{} // something was changed
	saved uint64        // how many changes are in the file
	next  chan struct{} // closed with the next save
	fails bool          // the last save did: nobody is helped by waiting
}

// LoadFile is Load from a file. One that doesn't exist is an account without anything.
func (e *Emulator) LoadFile(path string) error {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("loading the emulator's state: %w", err)
	}
	defer func() { _ = f.Close() }()
	if err := e.Load(bufio.NewReader(f)); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// The pauses between two saves: at least the first, and four times as long as the last one
// took, so that a large account is not saved all the time; the second after a failure.
const (
	savePause = 20 * time.Millisecond
	failPause = time.Second
)

// patience is how long an answer waits for its change to be saved.
const patience = time.Second

// Keep saves the state to a file whenever it was changed, until ctx ends, and once more
// then. From when it is called, an answer is given only when the change that it reports is
// in the file, or a second later: a process that is killed has forgotten nothing that a
// caller knows of. A save that fails goes to report, once for each new error, and is tried
// again; calls are answered meanwhile. The file is replaced as a whole.
func (e *Emulator) Keep(ctx context.Context, path string, report func(error)) {
	k := &keeper{wake: make(chan struct{}, 1), next: make(chan struct{})}
	e.mu.Lock()
	e.keeper = k
	e.mu.Unlock()
	if left, err := filepath.Glob(path + ".new-*"); err == nil {
		for _, file := range left {
			_ = os.Remove(file) // of a process that was killed while it wrote
		}
	}
	told := ""
	save := func() (took time.Duration) {
		begin := time.Now()
		s, changes := e.snapshot()
		err := replace(path, s, ctx.Err() != nil)
		e.mu.Lock()
		k.saved, k.fails = changes, err != nil
		close(k.next)
		k.next = make(chan struct{})
		e.mu.Unlock()
		text := cause(err)
		switch {
		case err != nil && text != told:
			report(fmt.Errorf("the state can't be saved and would be lost with this process; calls are answered as before: %w", err))
		case err == nil && told != "":
			report(errors.New("the state is saved again"))
		}
		told = text
		return time.Since(begin)
	}
	for {
		took := save()
		wait := max(savePause, 4*took)
		if told != "" {
			wait = failPause
		}
		if !pause(ctx, wait) {
			break
		}
		if told == "" {
			select {
			case <-k.wake:
			case <-ctx.Done():
			}
		}
		if ctx.Err() != nil {
			break
		}
	}
	save()
}

// cause is what an error is about, without the name of the file, which differs each time.
func cause(err error) string {
	var path *fs.PathError
	switch {
	case err == nil:
		return ""
	case errors.As(err, &path):
		return path.Op + ": " + path.Err.Error()
	}
	return err.Error()
}

// replace writes a state beside the file and puts it in its place; sync: a machine that
// crashes right afterwards still has it.
func replace(path string, s *savedState, sync bool) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".new-*")
	if err != nil {
		return err //nolint:wrapcheck // names the file and what was done to it
	}
	w := bufio.NewWriter(f)
	err = json.NewEncoder(w).Encode(s)
	if err == nil {
		err = w.Flush()
	}
	if err == nil && sync {
		err = f.Sync()
	}
	if failed := f.Close(); err == nil {
		err = failed
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name()) // what is half written helps nobody
	}
	return err
}

// changed counts a change of what Save writes. The caller holds the lock.
func (e *Emulator) changed() {
	e.changes++
	if e.keeper == nil {
		return
	}
	select {
	case e.keeper.wake <- struct{}{}:
	default: // it was woken already
	}
}

// settled waits until everything that was changed by now is in the file, if there is one.
func (e *Emulator) settled(ctx context.Context) {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	e.mu.Lock()
	change := e.changes
	for e.keeper != nil && e.keeper.saved < change && !e.keeper.fails {
		next := e.keeper.next
		e.mu.Unlock()
		select {
		case <-next:
		case <-ctx.Done():
			return
		case <-timer.C:
			return
		}
		e.mu.Lock()
	}
	e.mu.Unlock()
}

// A settledWriter lets nobody know of a change before it is saved.
type settledWriter struct {
	http.ResponseWriter
	e   *Emulator
	ctx context.Context
}

func (w settledWriter) WriteHeader(status int) {
	w.e.settled(w.ctx)
	w.ResponseWriter.WriteHeader(status)
}
