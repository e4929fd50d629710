package kubetest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/ecideck/ecideck/provider/kubetest/scenario"
)

// A Cloud is the settings of the emulator as a process (`ecideck-lab eci --config FILE`).
// The file holds the access key: it must not be readable by others.
type Cloud struct {
	AccessKeyID     string            `json:"accessKeyId"`
	AccessKeySecret string            `json:"accessKeySecret"`
	PlayedBy        string            `json:"playedBy,omitempty"` // see ecitest.Options
	Region          string            `json:"region"`
	VSwitches       map[string]string `json:"vSwitches"` // id -> zone
	Scheduling      time.Duration     `json:"scheduling"`
	Starting        time.Duration     `json:"starting"`
	Latency         time.Duration     `json:"latency"`
	Sampling        time.Duration     `json:"sampling"`
	Routes          []Route           `json:"routes"`
	ServiceCIDR     string            `json:"serviceCIDR"` // of the cluster: what a kube-proxy in a group brings
}

// A Route is one of the emulator's: what groups reach.
type Route struct {
	VSwitch   string `json:"vSwitch,omitempty"`
	To        string `json:"to"`
	Reachable bool   `json:"reachable"`
}

// How fast groups start in a lab whose scenario says nothing.
const (
	defaultScheduling = time.Second
	defaultStarting   = 2 * time.Second
)

// APIServerAddress stands for the lab's API server, host:port, in what a scenario's groups reach
// and in the flags of its virtual nodes.
const APIServerAddress = "APISERVER"

func cloudOf(s *scenario.Scenario, access Access, apiServer string) Cloud {
	c := Cloud{
		AccessKeyID: access.AccessKeyID, AccessKeySecret: access.AccessKeySecret, Region: s.Region,
		VSwitches: map[string]string{}, Scheduling: defaultScheduling, Starting: defaultStarting, ServiceCIDR: serviceCIDR,
	}
	for _, reach := range s.Reaches {
		c.Routes = append(c.Routes, Route{VSwitch: reach.VSwitch, To: strings.ReplaceAll(reach.To, APIServerAddress, apiServer), Reachable: !reach.Not})
	}
	if s.Identity != "" {
		c.PlayedBy = access.player().AccessKeyID
	}
	for _, zone := range s.Zones {
		c.VSwitches[zone.VSwitch] = zone.ID
	}
	set := func(target *time.Duration, d *metav1.Duration) {
		if d != nil {
			*target = d.Duration
		}
	}
	set(&c.Scheduling, s.ECI.Scheduling)
	set(&c.Starting, s.ECI.Starting)
	set(&c.Latency, s.ECI.Latency)
	set(&c.Sampling, s.ECI.Sampling)
	return c
}

// Admin calls the emulator's own administration: faults and hand-made groups, which the real
// cloud has no word for. A nil body sends none; the answer is decoded into out unless nil.
func (a Access) Admin(ctx context.Context, method, path string, body, out any) error {
	var reader io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return fmt.Errorf("encoding a request to the emulator: %w", err)
		}
		reader = bytes.NewReader(raw)
	}
	r, err := http.NewRequestWithContext(ctx, method, a.Scheme+"://"+a.Endpoint+path, reader)
	if err != nil {
		return fmt.Errorf("calling the emulator: %w", err)
	}
	r.Header.Set("Authorization", "Bearer "+a.AccessKeySecret)
	r.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return fmt.Errorf("calling the emulator: %w", err)
	}
	defer answer.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(answer.Body, 16<<20))
	if err != nil {
		return fmt.Errorf("reading the emulator's answer: %w", err)
	}
	if answer.StatusCode/100 != 2 {
		return errors.New("the emulator refused: " + strings.TrimSpace(string(raw)))
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(raw, out); err != nil {
		return fmt.Errorf("reading the emulator's answer: %w", err)
	}
	return nil
}
