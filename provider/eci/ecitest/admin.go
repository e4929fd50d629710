package ecitest

import (
	"cmp"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/ecideck/ecideck/provider/eci"
)

// adminPrefix is where the emulator itself is looked at and changed: faults, groups.
const adminPrefix = "/_ecitest/"

// GroupInfo is a group as the emulator sees it, for tests that compare.
type GroupInfo struct {
	ID      string            `json:"id"`
	Name    string            `json:"name"`
	Status  eci.Status        `json:"status"`
	Tags    map[string]string `json:"tags"`
	Zone    string            `json:"zone"`
	CPU     float64           `json:"cpu"`    // vCPU, as billed
	Memory  float64           `json:"memory"` // GiB, as billed
	Created time.Time         `json:"created"`
}

// Groups are all groups of the account, oldest first.
func (e *Emulator) Groups() []GroupInfo {
	now := e.Now()
	e.mu.Lock()
	defer e.mu.Unlock()
	e.sweep(now)
	infos := make([]GroupInfo, 0, len(e.order))
	for _, g := range e.order {
		info := GroupInfo{ID: g.ID, Name: g.Name, Status: g.at(now, e.timing).status, Tags: map[string]string{}, Zone: g.Zone,
			CPU: g.CPU, Memory: g.Memory, Created: g.Created}
		for _, t := range g.Tags {
			info.Tags[t.Key] = t.Value
		}
		infos = append(infos, info)
	}
	return infos
}

// A SeedGroup is a group that no call made: an orphan, one of another cluster, one from
// before.
type SeedGroup struct {
	ID   string            `json:"id,omitempty"`   // "": a new one
	Name string            `json:"name,omitempty"` // "": seeded
	Tags map[string]string `json:"tags,omitempty"`
	// Status is the one it keeps; "": it lives on the clock as if it had been created
	// AgeSeconds ago.
	Status     eci.Status `json:"status,omitempty"`
	AgeSeconds float64    `json:"ageSeconds,omitempty"`
	Zone       string     `json:"zone,omitempty"`   // "": of the first vSwitch
	Image      string     `json:"image,omitempty"`  // "": serve
	CPU        float64    `json:"cpu,omitempty"`    // vCPU
	Memory     float64    `json:"memory,omitempty"` // GiB
	// RestartPolicy is Always when empty.
	RestartPolicy string            `json:"restartPolicy,omitempty"`
	Env           map[string]string `json:"env,omitempty"`
	SpotStrategy  string            `json:"spotStrategy,omitempty"` // "": NoSpot
}

// Seed adds a group and returns its id.
func (e *Emulator) Seed(s SeedGroup) (string, error) {
	g := &group{ID: s.ID, Name: s.Name, RestartPolicy: s.RestartPolicy, CPU: s.CPU, Memory: s.Memory, Pinned: s.Status, SpotStrategy: cmp.Or(s.SpotStrategy, "NoSpot"), Grace: 30 * time.Second}
	switch {
	case s.Status != "" && !slices.Contains(statuses(), s.Status):
		return "", fmt.Errorf("seeding group %q: no status %q", s.Name, s.Status)
	case s.AgeSeconds < 0 || s.CPU < 0 || s.Memory < 0:
		return "", fmt.Errorf("seeding group %q: age and size can't be negative", s.Name)
	}
	if g.Name == "" {
		g.Name = "seeded"
	}
	if g.RestartPolicy == "" {
		g.RestartPolicy = "Always"
	}
	if g.CPU == 0 || g.Memory == 0 {
		g.CPU, g.Memory = 2, 4
	}
	c := container{Name: "main", Image: s.Image, CPU: g.CPU, Memory: g.Memory}
	if c.Image == "" {
		c.Image = "serve"
	}
	for _, key := range sortedKeys(s.Env) {
		c.Env = append(c.Env, variable{Key: key, Value: s.Env[key]})
	}
	g.Containers = []container{c}
	for _, key := range sortedKeys(s.Tags) {
		g.Tags = append(g.Tags, tag{key, s.Tags[key]})
	}
	for _, id := range sortedKeys(e.options.VSwitches) {
		if zone := e.options.VSwitches[id]; g.Zone == "" && (s.Zone == "" || s.Zone == zone) {
			g.VSwitch, g.Zone = id, zone
		}
	}
	if g.Zone == "" {
		return "", fmt.Errorf("seeding group %q: no zone %q here: there are %s", s.Name, s.Zone, strings.Join(e.Zones(), ", "))
	}
	now := e.Now()
	g.Created = now.Add(-time.Duration(s.AgeSeconds * float64(time.Second)))
	g.PinnedSince = g.Created
	if s.Status.Ended() {
		g.PinnedSince = now
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.groups[g.ID] != nil {
		return "", fmt.Errorf("seeding group %q: the id %s is taken", s.Name, g.ID)
	}
	e.add(g, now)
	e.changed()
	return g.ID, nil
}

// Remove makes a group vanish, as when somebody deletes it in the vendor's console. It
// reports whether there was one.
func (e *Emulator) Remove(id string) bool {
	now := e.Now()
	e.mu.Lock()
	defer e.mu.Unlock()
	found := e.groups[id] != nil
	e.remove(now, func(g *group) bool { return g.ID == id })
	return found
}

func statuses() []eci.Status {
	return []eci.Status{eci.Scheduling, eci.ScheduleFailed, eci.Pending, eci.Running, eci.Succeeded, eci.Failed,
		eci.Restarting, eci.Updating, eci.Terminating, eci.Expired}
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// serveAdmin answers /_ecitest/faults and /_ecitest/groups, each with GET, POST and DELETE
// (?id=…), /_ecitest/ecs and /_ecitest/routes with GET and PUT, and /_ecitest/loads with GET
// and POST. Callers prove that they know the access key's secret.
func (e *Emulator) serveAdmin(w http.ResponseWriter, r *http.Request) {
	secret, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok || subtle.ConstantTimeCompare([]byte(secret), []byte(e.options.AccessKeySecret)) != 1 {
		adminError(w, http.StatusUnauthorized, fmt.Errorf("send Authorization: Bearer and the access key's secret"))
		return
	}
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	decoder.DisallowUnknownFields()
	switch r.Method + " " + strings.TrimPrefix(r.URL.Path, adminPrefix) {
	case "GET faults":
		writeJSON(w, http.StatusOK, e.Faults())
	case "POST faults":
		add(w, decoder, e.AddFault)
	case "DELETE faults":
		e.ClearFaults(r.URL.Query()["id"]...)
		writeJSON(w, http.StatusOK, e.Faults())
	case "GET ecs":
		writeJSON(w, http.StatusOK, e.ECSInstances())
	case "PUT ecs":
		set(w, decoder, e.SetECSInstances)
	case "GET routes":
		writeJSON(w, http.StatusOK, e.Routes())
	case "PUT routes":
		set(w, decoder, e.SetRoutes)
	case "GET loads":
		writeJSON(w, http.StatusOK, e.Loads())
	case "POST loads":
		var l Load
		err := decoder.Decode(&l)
		if err == nil {
			err = e.SetLoad(l)
		}
		if err != nil {
			adminError(w, http.StatusBadRequest, err)
			return
		}
		writeJSON(w, http.StatusOK, l)
	case "GET groups":
		writeJSON(w, http.StatusOK, e.Groups())
	case "POST groups":
		add(w, decoder, e.Seed)
	case "DELETE groups":
		id := r.URL.Query().Get("id")
		if !e.Remove(id) {
			adminError(w, http.StatusNotFound, fmt.Errorf("no group %q", id))
			return
		}
		writeJSON(w, http.StatusOK, map[string]string{"id": id})
	default:
		adminError(w, http.StatusNotFound, fmt.Errorf("no %s %s: there are GET, POST and DELETE of %sfaults and %[3]sgroups, GET and PUT of %[3]secs and %[3]sroutes, GET and POST of %[3]sloads", r.Method, r.URL.Path, adminPrefix))
	}
}

// add decodes what a POST sends, adds it and answers its id.
func add[T any](w http.ResponseWriter, decoder *json.Decoder, to func(T) (string, error)) {
	var v T
	if err := decoder.Decode(&v); err != nil {
		adminError(w, http.StatusBadRequest, fmt.Errorf("reading the body: %w", err))
		return
	}
	id, err := to(v)
	if err != nil {
		adminError(w, http.StatusBadRequest, err)
		return
	}
	writeJSON(w, http.StatusCreated, map[string]string{"id": id})
}

// set decodes the list that a PUT sends and puts it in the place of the old one.
func set[T any](w http.ResponseWriter, decoder *json.Decoder, to func([]T) error) {
	var list []T
	err := decoder.Decode(&list)
	if err == nil {
		err = to(list)
	}
	if err != nil {
		adminError(w, http.StatusBadRequest, err)
		return
	}
	writeJSON(w, http.StatusOK, list)
}

func adminError(w http.ResponseWriter, status int, err error) {
	writeJSON(w, status, map[string]string{"error": err.Error()})
}
