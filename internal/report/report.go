// SPDX-License-Identifier: Apache-2.0

// Package report answers questions about what became of mail: over a period, in slots, by recipient domain, mailbox
// provider, campaign and sender. It reads the counters, which the events made in their own transaction; only what counters do not
// hold (links, programs) is counted from a key's opens and clicks.
package report

import (
	"cmp"
	"context"
	"slices"

	"postern/internal/change"
	"postern/internal/store"
)

// Report reads statistics from a store.
type Report struct {
	store *store.Store
	most  int // mostCounters
}

// New makes a Report.
func New(s *store.Store) *Report { return &Report{store: s, most: mostCounters} }

// most is how many rows of a breakdown are read where all are wanted.
const most = 100_000

// By is what statistics are by.
type By string

// What statistics can be broken down by.
const (
	ByDomain   By = "domain"
	ByCampaign By = "campaign"
	BySender   By = "sender"
)

// largest reads a breakdown, or a page of it, the largest first.
func (r *Report) largest(ctx context.Context, scope store.Scope, by By, q store.BreakdownQuery) ([]store.BreakdownRow, error) {
	switch by {
	case ByCampaign:
		return r.store.CampaignCounts(ctx, scope, q)
	case BySender:
		return r.store.SenderCounts(ctx, scope, q)
	case ByDomain, ByKey:
	}
	return r.store.DomainCounts(ctx, scope, q)
}

// ProviderRow is what became of the messages to one mailbox provider.
type ProviderRow struct {
	Name string
	store.Counts
}

// Providers sums the recipient domains of the selected mail by mailbox provider, the largest first.
func (r *Report) Providers(ctx context.Context, scope store.Scope, s Selection) ([]ProviderRow, error) {
	domains, err := r.Breakdown(ctx, scope, s, ByDomain)
	if err != nil {
		return nil, err
	}
	at := map[string]int{}
	var out []ProviderRow
	for _, d := range domains {
		name := Provider(d.Name)
		i, known := at[name]
		if !known {
			i = len(out)
			at[name] = i
			out = append(out, ProviderRow{Name: name})
		}
		out[i].Add(d.Counts)
	}
	slices.SortStableFunc(out, func(a, b ProviderRow) int {
		return cmp.Or(cmp.Compare(b.Total, a.Total), cmp.Compare(a.Name, b.Name))
	})
	return out, nil
}

// AgentRow is how often recipients opened and clicked with one program.
type AgentRow struct {
	Agent    Agent
	Events   int64
	Contacts int64 // different recipients
}

// Agents sums opens and clicks of the selected mail of a key by the program, the most used first. Which recipients used
// which is counted in memory, which bounds how many there may be.
func (r *Report) Agents(ctx context.Context, scope store.Scope, keyID int64, s Selection) ([]AgentRow, error) {
	if s.None {
		return nil, nil
	}
	counts, err := r.store.AgentCounts(ctx, scope, s.Happenings(keyID, store.EventOpen, store.EventClick), r.most+1)
	if err != nil {
		return nil, err
	}
	if len(counts) > r.most {
		return nil, change.Errorf(change.Invalid, "From",
			"more than %d programs of recipients opened and clicked in this period: ask for a shorter one", r.most)
	}
	sums := map[Agent]*AgentRow{}
	contacts := map[Agent]map[int64]bool{}
	for _, c := range counts {
		a := ParseAgent(c.Agent)
		if sums[a] == nil {
			sums[a], contacts[a] = &AgentRow{Agent: a}, map[int64]bool{}
		}
		sums[a].Events += c.Events
		contacts[a][c.Contact] = true
	}
	var out []AgentRow
	for a, row := range sums {
		row.Contacts = int64(len(contacts[a]))
		out = append(out, *row)
	}
	slices.SortFunc(out, func(a, b AgentRow) int {
		return cmp.Or(cmp.Compare(b.Events, a.Events), cmp.Compare(a.Agent.Name, b.Agent.Name),
			cmp.Compare(a.Agent.Platform, b.Agent.Platform))
	})
	return out, nil
}
