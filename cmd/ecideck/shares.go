package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/ecideck/ecideck/cmd/internal/setup"
	"github.com/ecideck/ecideck/collectors/fleet"
	"github.com/ecideck/ecideck/provider/money"
)

// pricesWithin is how long a plan waits for the prices of nodes: they are beside the point
// when something has to be moved.
const pricesWithin = 3 * time.Second

// shares says what a request takes of a real node's price, as migrate.Request has it: from the
// newest snapshot that latest gives.
func shares(latest func() *fleet.Snapshot) func(node string, milliCPU, bytes int64) (money.Rate, string) {
	return func(name string, milliCPU, bytes int64) (money.Rate, string) {
		s := latest()
		at := slices.IndexFunc(s.Nodes, func(n *fleet.Node) bool { return n.Name == name })
		if at < 0 {
			return money.Rate{}, "node " + name + " is not read: " + unreadWhy(s, "nodes")
		}
		n := s.Nodes[at]
		if rate := n.Share(milliCPU, bytes); rate.Known() {
			return rate, ""
		}
		const remedy = "; prices.nodes in the config file names one"
		switch {
		case n.Place != fleet.PlaceECS:
			return money.Rate{}, "node " + name + " is no ECS instance, so no price of it is known" + remedy
		case n.InstanceType == "":
			return money.Rate{}, "node " + name + " does not say of which instance type it is" + remedy
		}
		return money.Rate{}, fmt.Sprintf("the price of node %s (%s) is not known: %s%s", name, n.InstanceType, unreadWhy(s, "node-prices"), remedy)
	}
}

// unreadWhy is why a source has not said something.
func unreadWhy(s *fleet.Snapshot, name string) string {
	for _, source := range s.Sources {
		switch {
		case source.Name != name:
		case source.Error != "":
			return source.Error
		case source.Read.IsZero():
			return "no answer yet"
		case source.Note != "":
			return source.Note
		default:
			return "there is none"
		}
	}
	return "nobody was asked"
}

// nodeShares is shares for a command: the nodes and their prices are read meanwhile, and
// waited for when they are asked for.
func (o *options) nodeShares(ctx context.Context, kube *setup.Kube) func(node string, milliCPU, bytes int64) (money.Rate, string) {
	from := o.sources(kube, "")
	done := make(chan struct{})
	var s *fleet.Snapshot
	go func() {
		defer close(done)
		s = read(ctx, from, []string{"nodes", "price-book", "node-prices"}, false, pricesWithin, func(string) {})
		if from.Cloud == nil && from.NoECI != nil {
			c := *s
			c.Sources = append(slices.Clone(s.Sources), fleet.Source{Name: "node-prices", Error: from.NoECI.Error()})
			s = &c
		}
	}()
	return shares(sync.OnceValue(func() *fleet.Snapshot { <-done; return s }))
}
