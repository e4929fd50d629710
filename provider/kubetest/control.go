package kubetest

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Status is what `ecideck-lab status -o json` prints; its names are stable.
type Status struct {
	Name       string    `json:"name"`
	Ready      bool      `json:"ready"`
	Scenario   string    `json:"scenario"`
	Kubeconfig string    `json:"kubeconfig"`
	ECI        Access    `json:"eci"`
	Processes  []Process `json:"processes"`
}

// ErrNotRunning is returned where a running lab is needed.
var ErrNotRunning = errors.New("no lab is running under this name")

// StateDir is where the lab of that name keeps its state.
func StateDir(name string) (string, error) {
	if name == "" || strings.ContainsAny(name, `/\ `) || strings.HasPrefix(name, ".") {
		return "", fmt.Errorf("%q can't be a lab's name: use letters, digits and dashes", name)
	}
	base := os.Getenv("XDG_STATE_HOME")
	if base == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("finding a place for the lab's state (set XDG_STATE_HOME): %w", err)
		}
		base = filepath.Join(home, ".local", "state")
	}
	return filepath.Join(base, "ecideck", "lab", name), nil
}

// Claim takes the lab's folder for this process until release; a second lab of the same name
// is refused.
func Claim(ctx context.Context, dir string) (release func(), err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the lab's folder: %w", err)
	}
	release, err = lockFile(ctx, dir+".lock", nil)
	if err != nil {
		return nil, fmt.Errorf("a lab of the name %s is running or starting: end it with `ecideck-lab down --name %[1]s`, or choose another --name", filepath.Base(dir))
	}
	return release, nil
}

// controlFile says how a running lab is told things. It holds a secret.
type controlFile struct {
	Address string `json:"address"`
	Token   string `json:"token"`
}

// Serve answers Remote's calls until ctx ends; down is called when a lab is asked to end.
func (l *Lab) Serve(ctx context.Context, down func()) error {
	token := make([]byte, 16)
	if _, err := rand.Read(token); err != nil {
		return fmt.Errorf("making the lab's token: %w", err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listening for the lab's commands: %w", err)
	}
	control := controlFile{Address: listener.Addr().String(), Token: hex.EncodeToString(token)}
	raw, err := json.Marshal(control)
	if err != nil {
		return fmt.Errorf("encoding the lab's address: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(l.Status()) // the caller went away
	})
	act := func(do func(part string) error) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if err := do(r.PathValue("part")); err != nil {
				http.Error(w, err.Error(), http.StatusConflict)
			}
		}
	}
	mux.HandleFunc("POST /kill/{part}", act(l.Kill))
	mux.HandleFunc("POST /start/{part}", act(l.StartPart))
	mux.HandleFunc("POST /down", act(func(string) error { down(); return nil }))
	server := &http.Server{
		ReadHeaderTimeout: 5 * time.Second,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), []byte("Bearer "+control.Token)) != 1 {
				http.Error(w, "not this lab's token", http.StatusUnauthorized)
				return
			}
			mux.ServeHTTP(w, r)
		}),
	}
	if err := os.WriteFile(filepath.Join(l.Dir, "control.json"), raw, 0o600); err != nil {
		return fmt.Errorf("writing the lab's address: %w", err)
	}
	l.work.Go(func() {
		<-ctx.Done()
		// Who asked for the end must still hear that it was heard.
		last, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		_ = server.Shutdown(last) // Close would do no better
	})
	l.work.Go(func() { _ = server.Serve(listener) }) // ends with Close
	return nil
}

// Status is the lab as it is now.
func (l *Lab) Status() Status {
	return Status{
		Name: l.Name, Ready: l.Ready(), Scenario: l.Scenario.Name, Kubeconfig: l.Kubeconfig,
		ECI: l.Access, Processes: l.Processes(),
	}
}

// A Remote is a lab that another process runs.
type Remote struct {
	dir     string
	control controlFile
}

// Find returns the lab that runs under a name, or ErrNotRunning.
func Find(name string) (*Remote, error) {
	dir, err := StateDir(name)
	if err != nil {
		return nil, err
	}
	raw, err := os.ReadFile(filepath.Join(dir, "control.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w (%s): start one with `ecideck-lab up`", ErrNotRunning, name)
	}
	if err != nil {
		return nil, fmt.Errorf("finding the lab %s: %w", name, err)
	}
	r := &Remote{dir: dir}
	if err := json.Unmarshal(raw, &r.control); err != nil {
		return nil, fmt.Errorf("reading the address of lab %s: %w", name, err)
	}
	return r, nil
}

// Status asks the lab how it is.
func (r *Remote) Status(ctx context.Context) (Status, error) {
	var s Status
	raw, err := r.call(ctx, http.MethodGet, "/status")
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal(raw, &s); err != nil {
		return s, fmt.Errorf("reading the lab's status: %w", err)
	}
	return s, nil
}

// Kill ends one part at once.
func (r *Remote) Kill(ctx context.Context, part string) error {
	_, err := r.call(ctx, http.MethodPost, "/kill/"+part)
	return err
}

// StartPart starts a part that doesn't run.
func (r *Remote) StartPart(ctx context.Context, part string) error {
	_, err := r.call(ctx, http.MethodPost, "/start/"+part)
	return err
}

// Down ends the lab and returns when everything is gone.
func (r *Remote) Down(ctx context.Context) error {
	if _, err := r.call(ctx, http.MethodPost, "/down"); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	release, err := lockFile(ctx, r.dir+".lock", func() {})
	if err != nil {
		return fmt.Errorf("waiting for the lab's end: %w", err)
	}
	defer release()
	if err := os.Remove(r.dir + ".up.log"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing the lab's log: %w", err)
	}
	return nil
}

// LogFiles are the parts' logs, by part.
func (r *Remote) LogFiles() (map[string]string, error) {
	files, err := filepath.Glob(filepath.Join(r.dir, "logs", "*.log"))
	if err != nil {
		return nil, fmt.Errorf("listing the lab's logs: %w", err)
	}
	logs := map[string]string{} // part -> file
	for _, file := range files {
		logs[strings.TrimSuffix(filepath.Base(file), ".log")] = file
	}
	return logs, nil
}

func (r *Remote) call(ctx context.Context, method, path string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, "http://"+r.control.Address+path, nil)
	if err != nil {
		return nil, fmt.Errorf("calling the lab: %w", err)
	}
	request.Header.Set("Authorization", "Bearer "+r.control.Token)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		// The file of a lab that was killed: whoever starts the next one writes it anew.
		return nil, fmt.Errorf("%w: the last one ended without saying so; start one with `ecideck-lab up`", ErrNotRunning)
	}
	defer answer.Body.Close()
	raw, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, fmt.Errorf("reading the lab's answer: %w", err)
	}
	if answer.StatusCode != http.StatusOK {
		return nil, errors.New(strings.TrimSpace(string(raw)))
	}
	return raw, nil
}
