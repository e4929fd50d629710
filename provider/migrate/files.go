package migrate

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// AuditDir is a folder below which operations keep their files, each in a folder of its cluster,
// or "" for none. What one cluster's operations have begun is nothing to another cluster.
type AuditDir string

// What is kept of files of operations that are over. Those of others are kept whatever their age.
const (
	filesKeptFor = 90 * 24 * time.Hour
	filesKeptAt  = 200
)

// A folder has the files of one cluster; "" is none.
type folder string

func (d folder) path(id string) string { return filepath.Join(string(d), id+".jsonl") }

// of is the folder of a client's cluster.
func (d AuditDir) of(ctx context.Context, client kubernetes.Interface) (folder, error) {
	if d == "" {
		return "", nil
	}
	name, err := clusterOf(ctx, client)
	return folder(filepath.Join(string(d), name)), err
}

// unfit is what a cluster's name must not have to become a folder's.
var unfit = regexp.MustCompile(`[^A-Za-z0-9.-]+`)

// clusterOf names a cluster: by the UID of its namespace kube-system, as its container groups
// and the history of its costs are, and for who may not read that by the API server's address.
// Behind one address of a tunnel may be several; who may read the UID is never mistaken.
func clusterOf(ctx context.Context, client kubernetes.Interface) (string, error) {
	call, cancel := context.WithTimeout(ctx, perCall)
	defer cancel()
	system, err := client.CoreV1().Namespaces().Get(call, metav1.NamespaceSystem, metav1.GetOptions{})
	switch {
	case err == nil && system.UID != "":
		return unfit.ReplaceAllString(string(system.UID), "_"), nil
	case err != nil && !apierrors.IsForbidden(err) && !apierrors.IsNotFound(err):
		return "", fmt.Errorf("reading which cluster this is (the UID of namespace kube-system), for the local journal: %w", err)
	}
	address := "unknown"
	if c, ok := client.CoreV1().RESTClient().(*rest.RESTClient); ok && c != nil {
		url := c.Get().URL()
		address = url.Host + strings.TrimSuffix(url.Path, "/api/v1")
	}
	return "server-" + unfit.ReplaceAllString(address, "_"), nil
}

// open makes or continues an operation's file. A disk that can't be written is an error: what
// is done in production has to be on record. Old files make room for a new one.
func (d AuditDir) open(ctx context.Context, client kubernetes.Interface, id string) (*os.File, error) {
	if d == "" {
		return nil, nil
	}
	var in folder
	if err := Persist(ctx, client, func(string) {}, func(ctx context.Context) (err error) { in, err = d.of(ctx, client); return err }); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(string(in), 0o700); err != nil {
		return nil, fmt.Errorf("making the folder of the local journal (XDG_STATE_HOME chooses another): %w", err)
	}
	in.prune(time.Now())
	f, err := os.OpenFile(in.path(id), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the local journal (XDG_STATE_HOME chooses another folder): %w", err)
	}
	return f, nil
}

// list are the folder's files by their operations' ids, the newest first.
func (d folder) list() (ids []string, files map[string]fs.FileInfo, err error) {
	entries, err := os.ReadDir(string(d))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("reading the local journals: %w", err)
	}
	files = map[string]fs.FileInfo{}
	for _, entry := range entries {
		id, ok := strings.CutSuffix(entry.Name(), ".jsonl")
		if info, err := entry.Info(); ok && err == nil { // or it was removed meanwhile
			ids, files[id] = append(ids, id), info
		}
	}
	slices.SortFunc(ids, func(a, b string) int {
		return cmp.Or(files[b].ModTime().Compare(files[a].ModTime()), cmp.Compare(a, b))
	})
	return ids, files, nil
}

// prune removes old files of operations that are over, and the logs of their processes. That one
// can't be removed keeps nobody from beginning another.
func (d folder) prune(now time.Time) {
	ids, files, err := d.list()
	if err != nil {
		return
	}
	for i, id := range ids {
		if i < filesKeptAt && now.Sub(files[id].ModTime()) < filesKeptFor {
			continue
		}
		if o, err := d.read(id); err == nil && o != nil && o.State.Ended() && os.Remove(d.path(id)) == nil {
			_ = os.Remove(filepath.Join(filepath.Dir(string(d)), id+".log")) // most have none
		}
	}
}

// read is an operation as its local file has it. A last line that was cut off, by a power
// failure, does not count.
func (d folder) read(id string) (*Operation, error) {
	f, err := os.Open(d.path(id))
	if err != nil {
		return nil, fmt.Errorf("reading the local journal: %w", err)
	}
	defer f.Close() // it was only read
	var o *Operation
	items := map[int]Item{}
	count := 0
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 4<<20)
	for lines.Scan() {
		var r record
		if json.Unmarshal(lines.Bytes(), &r) != nil {
			continue
		}
		if r.Operation != nil {
			o, count = r.Operation, r.Items
		}
		if r.Item != nil {
			items[r.Number] = *r.Item
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("reading the local journal %s: %w", f.Name(), err)
	}
	if o == nil {
		return nil, nil
	}
	for i := range max(count, len(items)) {
		x, ok := items[i]
		if !ok && o.Local {
			return nil, fmt.Errorf("reading the local journal %s: item %d of operation %s is missing: look at its workloads, and delete the file", f.Name(), i+1, id)
		}
		o.Plan.Items = append(o.Plan.Items, x)
	}
	return o, nil
}
