// SPDX-License-Identifier: Apache-2.0

// Package report answers questions about what became of mail: over a period, in slots, by recipient domain, mailbox
// provider, campaign and sender. It reads the counters, which the events made in their own transaction; only what counters do not
// hold (links, programs) is counted from a key's opens and clicks.
package report

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"postern/internal/store"
)

// Report reads statistics from a store.
type Report struct {
	store *store.Store
}

// New makes a Report.
func New(s *store.Store) *Report { return &Report{store: s} }

// most is how many rows of a breakdown are read where all are wanted.
const most = 100_000

// By is what a breakdown is by.
type By string

// What statistics can be broken down by.
const (
	ByDomain   By = "domain"
	ByCampaign By = "campaign"
	BySender   By = "sender"
)

// Breakdown reads a breakdown whole, the largest first.
func (r *Report) Breakdown(ctx context.Context, scope store.Scope, by By, q store.BreakdownQuery) ([]store.BreakdownRow, error) {
	q.Most = most
	return r.Top(ctx, scope, by, q)
}

// Top reads one page of a breakdown, the largest first.
func (r *Report) Top(ctx context.Context, scope store.Scope, by By, q store.BreakdownQuery) ([]store.BreakdownRow, error) {
	switch by {
	case ByCampaign:
		return r.store.CampaignCounts(ctx, scope, q)
	case BySender:
		return r.store.SenderCounts(ctx, scope, q)
	case ByDomain:
	}
	return r.store.DomainCounts(ctx, scope, q)
}

// ProviderRow is what became of the messages to one mailbox provider.
type ProviderRow struct {
	Name string
	store.Counts
}

// Providers sums the recipient domains by mailbox provider, the largest first.
func (r *Report) Providers(ctx context.Context, scope store.Scope, q store.BreakdownQuery) ([]ProviderRow, error) {
	domains, err := r.Breakdown(ctx, scope, ByDomain, q)
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

// ErrTooMany says that more would have to be held in memory than was allowed.
var ErrTooMany = errors.New("these are too many")

// Agents sums opens and clicks by the program, the most used first. Which recipients used which is counted in memory: of
// more than most it is ErrTooMany.
func (r *Report) Agents(ctx context.Context, scope store.Scope, f store.HappeningFilter, most int) ([]AgentRow, error) {
	counts, err := r.store.AgentCounts(ctx, scope, f, most+1)
	if err != nil {
		return nil, err
	}
	if len(counts) > most {
		return nil, ErrTooMany
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
		return cmp.Or(cmp.Compare(b.Events, a.Events), cmp.Compare(a.Agent.Name, b.Agent.Name), cmp.Compare(a.Agent.Platform, b.Agent.Platform))
	})
	return out, nil
}

// Total sums rows of a series.
func Total(rows []store.SeriesRow) store.SeriesRow {
	var out store.SeriesRow
	for _, r := range rows {
		out.Add(r.Counts)
		out.Waiting += r.Waiting
	}
	return out
}
