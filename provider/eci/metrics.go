package eci

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// Metrics is one measurement of a group. Network, disk and CPU-second values count from the
// group's start.
type Metrics struct {
	At          time.Time
	CPU         CPUMetrics
	Memory      MemoryMetrics
	Interfaces  []InterfaceMetrics
	Disks       []DiskMetrics
	Filesystems []FilesystemMetrics
	Containers  []ContainerMetrics
}

// CPUMetrics are a group's or a container's.
type CPUMetrics struct {
	NanoCores       int64 // used now, in billionths of a vCPU
	CoreNanoseconds int64 // used since the start
	Load            int64
	Limit           int64 // thousandths of a vCPU
}

// MemoryMetrics are a group's or a container's, in bytes.
type MemoryMetrics struct{ Usage, WorkingSet, Available, RSS, Cache int64 }

// InterfaceMetrics count a network interface's traffic.
type InterfaceMetrics struct {
	Name                                  string
	RxBytes, RxPackets, RxErrors, RxDrops int64
	TxBytes, TxPackets, TxErrors, TxDrops int64
}

// DiskMetrics count a disk's reads and writes.
type DiskMetrics struct {
	Device                                       string
	ReadBytes, WriteBytes, ReadCalls, WriteCalls int64
}

// FilesystemMetrics are a filesystem's size, in bytes.
type FilesystemMetrics struct {
	Name                       string
	Category                   string
	Capacity, Available, Usage int64
}

// ContainerMetrics are one container's.
type ContainerMetrics struct {
	Name   string
	CPU    CPUMetrics
	Memory MemoryMetrics
}

// A MetricQuery selects the history of one group.
type MetricQuery struct {
	GroupID    string
	Start, End time.Time     // zero: the newest records
	Period     time.Duration // between records: 15, 30, 60 or 600 seconds; 0: the API's default
}

type historyRequest struct{ ContainerGroupId, StartTime, EndTime, Period string }

func (*historyRequest) action() string { return "DescribeContainerGroupMetric" }

type historyAnswer struct {
	head
	Records list[wireMetrics]
}

type latestRequest struct{ ContainerGroupIds, MetricType string }

func (*latestRequest) action() string { return "DescribeMultiContainerGroupMetric" }

type latestAnswer struct {
	head
	MonitorDatas list[struct {
		ContainerGroupId text
		Records          list[wireMetrics]
	}]
}

type wireCPU struct{ UsageNanoCores, UsageCoreNanoSeconds, Load, Limit integer }

type wireMemory struct{ UsageBytes, WorkingSet, AvailableBytes, Rss, Cache integer }

type wireMetrics struct {
	Timestamp instant
	CPU       object[wireCPU]
	Memory    object[wireMemory]
	Network   object[struct {
		Interfaces list[struct {
			Name                                                                         text
			RxBytes, RxPackets, RxErrors, RxDrops, TxBytes, TxPackets, TxErrors, TxDrops integer
		}]
	}]
	Disk list[struct {
		Device                                 text
		ReadBytes, WriteBytes, ReadIO, WriteIO integer
	}]
	Filesystem list[struct {
		FsName, Category           text
		Capacity, Available, Usage integer
	}]
	Containers list[struct {
		Name   text
		CPU    object[wireCPU]
		Memory object[wireMemory]
	}]
}

func (w *wireCPU) metrics() CPUMetrics {
	return CPUMetrics{NanoCores: int64(w.UsageNanoCores), CoreNanoseconds: int64(w.UsageCoreNanoSeconds), Load: int64(w.Load), Limit: int64(w.Limit)}
}

func (w *wireMemory) metrics() MemoryMetrics {
	return MemoryMetrics{Usage: int64(w.UsageBytes), WorkingSet: int64(w.WorkingSet), Available: int64(w.AvailableBytes), RSS: int64(w.Rss), Cache: int64(w.Cache)}
}

func (w *wireMetrics) metrics() Metrics {
	m := Metrics{At: w.Timestamp.Time, CPU: w.CPU.V.metrics(), Memory: w.Memory.V.metrics()}
	for _, i := range w.Network.V.Interfaces {
		m.Interfaces = append(m.Interfaces, InterfaceMetrics{
			Name: string(i.Name), RxBytes: int64(i.RxBytes), RxPackets: int64(i.RxPackets), RxErrors: int64(i.RxErrors), RxDrops: int64(i.RxDrops),
			TxBytes: int64(i.TxBytes), TxPackets: int64(i.TxPackets), TxErrors: int64(i.TxErrors), TxDrops: int64(i.TxDrops),
		})
	}
	for _, d := range w.Disk {
		m.Disks = append(m.Disks, DiskMetrics{string(d.Device), int64(d.ReadBytes), int64(d.WriteBytes), int64(d.ReadIO), int64(d.WriteIO)})
	}
	for _, f := range w.Filesystem {
		m.Filesystems = append(m.Filesystems, FilesystemMetrics{Name: string(f.FsName), Category: string(f.Category),
			Capacity: int64(f.Capacity), Available: int64(f.Available), Usage: int64(f.Usage)})
	}
	for i := range w.Containers {
		c := &w.Containers[i]
		m.Containers = append(m.Containers, ContainerMetrics{string(c.Name), c.CPU.V.metrics(), c.Memory.V.metrics()})
	}
	return m
}

// LatestMetrics returns the newest measurement of each group, by id, with one call for
// every twenty. A group that isn't running, or that isn't known, is not in it.
func (c *Client) LatestMetrics(ctx context.Context, ids []string) (map[string]Metrics, error) {
	out := make(map[string]Metrics, len(ids))
	for chunk := range slices.Chunk(ids, maxIDs) {
		list, err := idList(chunk)
		if err != nil {
			return nil, fmt.Errorf("reading metrics: %w", err)
		}
		var answer latestAnswer
		if err := c.do(ctx, &latestRequest{ContainerGroupIds: list, MetricType: "summary"}, true, &answer); err != nil {
			return nil, fmt.Errorf("reading metrics: %w", err)
		}
		for _, data := range answer.MonitorDatas {
			for i := range data.Records {
				m, id := data.Records[i].metrics(), string(data.ContainerGroupId)
				if have, ok := out[id]; !ok || m.At.After(have.At) {
					out[id] = m
				}
			}
		}
	}
	return out, nil
}

// MetricHistory returns a group's measurements, oldest first: at most 50, of the last 30
// days.
func (c *Client) MetricHistory(ctx context.Context, q MetricQuery) ([]Metrics, error) {
	r := &historyRequest{ContainerGroupId: q.GroupID}
	switch q.Period {
	case 0:
	case 15 * time.Second, 30 * time.Second, 60 * time.Second, 600 * time.Second:
		r.Period = strconv.Itoa(int(q.Period / time.Second))
	default:
		return nil, fmt.Errorf("reading the metrics of group %s: a period of %v: the API has 15, 30, 60 and 600 seconds", q.GroupID, q.Period)
	}
	if !q.Start.IsZero() && !q.End.IsZero() && q.End.Before(q.Start) {
		return nil, fmt.Errorf("reading the metrics of group %s: %w", q.GroupID, errors.New("the end is before the start"))
	}
	for _, bound := range []struct {
		to *string
		at time.Time
	}{{&r.StartTime, q.Start}, {&r.EndTime, q.End}} {
		if !bound.at.IsZero() {
			*bound.to = bound.at.UTC().Format(time.RFC3339)
		}
	}
	var answer historyAnswer
	if err := c.do(ctx, r, true, &answer); err != nil {
		return nil, fmt.Errorf("reading the metrics of group %s: %w", q.GroupID, err)
	}
	var out []Metrics
	for i := range answer.Records {
		out = append(out, answer.Records[i].metrics())
	}
	slices.SortStableFunc(out, func(a, b Metrics) int { return a.At.Compare(b.At) })
	return out, nil
}
