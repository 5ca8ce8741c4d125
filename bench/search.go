// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"postern/internal/mail"
	"postern/internal/store"
	"postern/test/program"
)

// Sizes of the world in which messages are looked for.
const (
	searchMessages = 1_000_000
	searchKeys     = 100
	searchBatch    = 4000
)

// pile is a store with a million messages.
type pile struct {
	*store.Store
	account int64
	keys    []store.Key
	r       *rand.Rand
}

// search measures how long the first page of a search takes among a million messages, for one key and for the account,
// and how long retention holds the writer there.
func (b *bench) search() error {
	return b.within(func(s *scope) error {
		p, err := b.pile(program.New(s, b.database))
		if err != nil {
			return err
		}
		defer p.Close() //nolint:errcheck // all is committed
		if err := b.searches(p); err != nil {
			return err
		}
		return b.forget(p)
	})
}

// pile makes the messages: a tenth bounces or is blocked, one in a hundred thousand is reported as spam.
func (b *bench) pile(prog *program.Server) (*pile, error) {
	dsn := b.database
	if dsn == "" {
		dsn = filepath.Join(prog.Data, "postern.db")
	}
	st, err := store.Open(b.ctx, dsn, store.Options{Exclusive: true})
	if err != nil {
		return nil, err
	}
	p := &pile{Store: st, r: rand.New(rand.NewPCG(1, 2))} //nolint:gosec // repeatable on purpose
	err = st.Update(b.ctx, func(tx *store.Tx) error {
		a, err := tx.AddAccount(b.ctx, "A million")
		p.account = a.ID
		for i := 0; i < searchKeys && err == nil; i++ {
			var k store.Key
			k, err = tx.AddKey(b.ctx, store.Key{AccountID: a.ID, APIKey: fmt.Sprintf("%032x", i), Name: fmt.Sprint("Customer ", i), State: store.KeyActive, Master: i == 0})
			p.keys = append(p.keys, k)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(os.Stderr, "making %d messages …\n", searchMessages)
	began := time.Now()
	for n := 0; n < searchMessages; n += searchBatch {
		if err := p.batch(b.ctx, n); err != nil {
			return nil, err
		}
	}
	accepted := time.Since(began)
	for began = time.Now(); ; {
		n, err := st.IndexMessages(b.ctx, 200)
		if err != nil {
			return nil, err
		}
		if n == 0 {
			break
		}
	}
	size, err := st.Size(b.ctx)
	fmt.Printf("Made %d messages of %d keys in %v, indexed them in %v (%d a second); the database has %d MiB\n\n",
		searchMessages, searchKeys, accepted.Round(time.Second), time.Since(began).Round(time.Second), int(searchMessages/time.Since(began).Seconds()), size>>20)
	return p, err
}

// batch accepts some messages and says what came of them.
func (p *pile) batch(ctx context.Context, n int) error {
	words := strings.Fields("your order invoice receipt welcome password reset newsletter november shipping update confirm account team weekly")
	var in store.Batch
	for i := n; i < n+searchBatch; i++ {
		k := p.keys[1+p.r.IntN(searchKeys-1)]
		if i%2 == 0 {
			k = p.keys[0] // has half of all
		}
		domain := fmt.Sprintf("mail%d.example", p.r.IntN(5))
		if p.r.IntN(4) == 0 {
			domain = fmt.Sprintf("company%d.example", p.r.IntN(20_000))
		}
		x := &store.Submission{
			AccountID: p.account, KeyID: k.ID, SenderID: k.ID, Source: "http", Client: "192.0.2.1 bench", MailFrom: "shop@example.com", HeaderFrom: "shop@example.com", FromName: "Shop",
			Subject: fmt.Sprintf("%s %s %s %d", words[p.r.IntN(len(words))], words[p.r.IntN(len(words))], words[p.r.IntN(len(words))], i), MessageID: fmt.Sprint(i, "@example.com"),
			CustomID: fmt.Sprintf("order-%d", i), Priority: 2, Body: store.NewBody([]byte("x")), Lifetime: time.Hour,
			Recipients: []store.Recipient{{Email: fmt.Sprintf("customer%d@%s", p.r.IntN(400_000), domain), Domain: domain}},
		}
		if i%10 == 3 {
			x.CustomID = "welcome" // as a tag
		}
		if i%20 == 0 {
			x.Campaign = fmt.Sprint("campaign ", i/100_000)
		}
		in.Submissions = append(in.Submissions, x)
	}
	if err := p.AcceptBatch(ctx, &in); err != nil {
		return err
	}
	now := time.Now()
	got, err := p.Claim(ctx, store.MainLane, "bench", now.Add(time.Second), now.Add(time.Hour), searchBatch)
	if err != nil {
		return err
	}
	var done []store.Completion
	for i, c := range got {
		x := store.Completion{Claimed: c, Owner: "bench", Result: store.CompletedSent, At: now, Reply: store.Reply{Code: 250, Line: "250 2.0.0 OK"}}
		if i%20 == 0 {
			x.Result, x.StateID = store.CompletedBounced, int(mail.StateQuotaExceeded)
		}
		if i%20 == 1 {
			x.Result, x.Blocked, x.StateID = store.CompletedBounced, true, int(mail.StatePolicyIssue)
		}
		done = append(done, x)
	}
	if err := p.Complete(ctx, done); err != nil || n%(25*searchBatch) != 0 {
		return err
	}
	return p.Engage(ctx, store.Engagement{MessageID: in.Submissions[7].Recipients[0].ID, Type: store.EventSpam, At: now})
}

// searches prints how long first pages take: the median of 15, each of 51 messages as on the page, newest first.
func (b *bench) searches(p *pile) error {
	newest, err := p.Messages(b.ctx, store.OfOperator(), store.MessageFilter{}, store.Page{Limit: 1000, Desc: true})
	if err != nil {
		return err
	}
	old, err := p.Messages(b.ctx, store.OfOperator(), store.MessageFilter{}, store.Page{Limit: 1})
	if err != nil {
		return err
	}
	m, begin := newest[500], old[0].ArrivedAt
	third := newest[0].ArrivedAt.Sub(begin) / 3
	status := func(s store.Status) *store.Status { return &s }
	var rows [][]string
	for _, c := range []struct {
		name string
		f    store.MessageFilter
	}{
		{"nothing asked", store.MessageFilter{}},
		{"ID", store.MessageFilter{ID: m.ID}},
		{"UUID", store.MessageFilter{UUID: m.UUID}},
		{"recipient, exact", store.MessageFilter{Recipient: m.Recipient}},
		{"a common word (invoice)", store.MessageFilter{Search: "invoice"}},
		{"three common words", store.MessageFilter{Search: "invoice newsletter team"}},
		{"a rare word (a number)", store.MessageFilter{Search: fmt.Sprint(777_777)}},
		{"a beginning of 3 (inv)", store.MessageFilter{Search: "inv"}},
		{"a beginning of 6 (newsle)", store.MessageFilter{Search: "newsle"}},
		{"a beginning of 8 (customer)", store.MessageFilter{Search: "customer"}},
		{"a beginning, rare (customer1234)", store.MessageFilter{Search: "customer1234"}},
		{"words that nothing has", store.MessageFilter{Search: "invoice nobody"}},
		{"CustomID, one", store.MessageFilter{CustomID: m.CustomID}},
		{"CustomID, of 100,000", store.MessageFilter{CustomID: "welcome"}},
		{"state: sent", store.MessageFilter{Status: status(store.StatusSent)}},
		{"state: blocked (5 %)", store.MessageFilter{Status: status(store.StatusBlocked)}},
		{"state: spam (10 of all)", store.MessageFilter{Status: status(store.StatusSpam)}},
		{"state: queued (none)", store.MessageFilter{Status: status(store.StatusQueued)}},
		{"reason: quota exceeded (5 %)", store.MessageFilter{StateID: int(mail.StateQuotaExceeded)}},
		{"domain, large", store.MessageFilter{Domain: "mail3.example"}},
		{"domain, small", store.MessageFilter{Domain: "company77.example"}},
		{"campaign", store.MessageFilter{Campaign: "campaign 3"}},
		{"period, a third", store.MessageFilter{From: begin.Add(third), To: begin.Add(2 * third)}},
		{"period and a word", store.MessageFilter{From: begin.Add(third), To: begin.Add(2 * third), Search: "invoice"}},
		{"blocked and a word", store.MessageFilter{Status: status(store.StatusBlocked), Search: "invoice"}},
		{"spam and a word", store.MessageFilter{Status: status(store.StatusSpam), Search: "order"}},
		{"domain and a word", store.MessageFilter{Domain: "mail3.example", Search: "receipt"}},
		{"campaign and blocked", store.MessageFilter{Campaign: "campaign 3", Status: status(store.StatusBlocked)}},
	} {
		row := []string{c.name}
		for _, scope := range []store.Scope{store.OfKey(p.account, p.keys[0].ID), store.OfKey(p.account, p.keys[42].ID), store.OfAccount(p.account)} {
			took, n, err := b.page(p, scope, c.f)
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			row = append(row, fmt.Sprintf("%.1f ms (%d)", float64(took.Microseconds())/1000, n))
		}
		rows = append(rows, row)
	}
	fmt.Println("First page of a search over a million messages: median, and how many it shows")
	table("|key with half of them|key with 5,000|account", rows)
	return nil
}

func (b *bench) page(p *pile, scope store.Scope, f store.MessageFilter) (time.Duration, int, error) {
	var took []time.Duration
	n := 0
	for range 15 {
		began := time.Now()
		list, err := p.Messages(b.ctx, scope, f, store.Page{Limit: 51, Desc: true})
		if err != nil {
			return 0, 0, err
		}
		took, n = append(took, time.Since(began)), len(list)
	}
	slices.Sort(took)
	return took[len(took)/2], n, nil
}

// forget deletes for some seconds as retention does, and prints how long a batch holds the writer.
func (b *bench) forget(p *pile) error {
	var held []time.Duration
	deleted := 0
	began := time.Now()
	for after, more := int64(0), true; more && time.Since(began) < 4*b.each; more = after != 0 {
		f, err := p.Forget(b.ctx, p.account, time.Now().Add(time.Hour), after, 500, 20*time.Millisecond)
		if err != nil {
			return err
		}
		deleted, after, held = deleted+f.Messages, f.Last, append(held, f.Held)
	}
	slices.Sort(held)
	fmt.Printf("Retention among a million messages: %d deleted in %d batches; the writer was held for %v (median), %v (longest)\n\n",
		deleted, len(held), held[len(held)/2].Round(100*time.Microsecond), held[len(held)-1].Round(100*time.Microsecond))
	return nil
}
