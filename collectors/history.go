package collectors

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"github.com/ecideck/ecideck/collectors/fleet"
)

// historyEvery is how often the history is written; a process that is killed loses as much
// of it. Its file is bounded by the history's rings, to less than a megabyte.
const historyEvery = 5 * time.Minute

// History keeps the fleet's history in a folder, one file for each cluster, so that the month
// survives this process: it reports what was kept, once, and then writes what is new every
// five minutes and at the end. A folder that can't be written is the source's error; the
// history then lasts as long as the process. Two consoles may keep the same file: of each
// hour stays what was looked at longer.
func History(dir string, latest func() *fleet.Snapshot) Collector {
	return &historyFile{dir: dir, latest: latest}
}

type historyFile struct {
	dir    string
	latest func() *fleet.Snapshot
}

// clusterName is what a cluster's id may look like to become a file's name.
var clusterName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9-]{0,62}$`)

// Collect implements Collector.
func (h *historyFile) Collect(ctx context.Context, report func(fleet.Part, error)) {
	path := ""
	for path == "" { // which cluster this is comes from another source
		s := h.latest()
		if clusterName.MatchString(s.Cluster) {
			path = filepath.Join(h.dir, s.Cluster+".json")
			break
		}
		for _, source := range s.Sources {
			if source.Name == "cluster" && source.Error != "" {
				report(nil, errors.New(source.Error)) // whose history it is is not known: one cause for both
			}
		}
		if !pause(ctx, time.Second) {
			return
		}
	}
	kept, err := readHistory(path)
	if err != nil {
		report(nil, err) // a file that can't be read is not written over
		<-ctx.Done()
		return
	}
	part := fleet.Past{History: kept}
	report(part, nil)
	for alive := true; alive; {
		alive = pause(ctx, historyEvery)
		now := h.latest().History
		if !now.Last().After(kept.Last()) {
			if alive {
				report(part, nil)
			}
			continue
		}
		disk, err := readHistory(path)
		if err == nil {
			err = writeHistory(path, now.Joined(disk))
		}
		if err != nil {
			report(nil, err)
			continue
		}
		kept = now
		if alive {
			report(part, nil)
		}
	}
}

func readHistory(path string) (fleet.History, error) {
	data, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fleet.History{}, nil
	case err != nil:
		return fleet.History{}, fmt.Errorf("reading the history of costs (check the file's rights; without it the month begins now): %w", err)
	}
	history, err := fleet.DecodeHistory(bytes.NewReader(data))
	if err != nil {
		return fleet.History{}, fmt.Errorf("reading the history of costs from %s (move the file away to begin anew): %w", path, err)
	}
	return history, nil
}

// writeHistory replaces the file as a whole: a full disk or a killed process leaves the old one.
func writeHistory(path string, history fleet.History) error {
	explain := func(err error) error {
		return fmt.Errorf("keeping the history of costs (free some space or set XDG_STATE_HOME to a folder that can be written; until then it lasts as long as this process): %w", err)
	}
	var text bytes.Buffer
	if err := fleet.EncodeHistory(&text, history); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return explain(err)
	}
	file, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return explain(err)
	}
	_, err = file.Write(text.Bytes())
	err = errors.Join(err, file.Sync(), file.Close())
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return explain(errors.Join(err, os.Remove(file.Name())))
	}
	return nil
}
