// SPDX-License-Identifier: Apache-2.0

package report_test

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"postern/internal/report"
	"postern/internal/store"
)

// TestTotalsOfAnyPeriod: whatever a period is cut into, its total is the sum of its pieces of five minutes.
func TestTotalsOfAnyPeriod(t *testing.T) {
	first := date("2026-03-01")
	now := first
	s, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "postern.db"), store.Options{Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() }) //nolint:errcheck // the test is over
	var keys [2]store.Key
	if err := s.Update(t.Context(), func(tx *store.Tx) error {
		a, err := tx.AddAccount(t.Context(), "one")
		for i := range keys {
			if err == nil {
				keys[i], err = tx.AddKey(t.Context(), store.Key{AccountID: a.ID, APIKey: fmt.Sprintf("%032x", i), Name: fmt.Sprint("key ", i), Master: i == 0, State: store.KeyActive})
			}
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	const days = 4
	dice := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same each time
	for ; now.Before(first.AddDate(0, 0, days)); now = now.Add(time.Duration(1+dice.IntN(60)) * time.Minute) {
		k := keys[dice.IntN(2)]
		x := &store.Submission{AccountID: k.AccountID, KeyID: k.ID, Source: "http", Body: store.NewBody([]byte("Subject: x\r\n\r\nx")), Recipients: []store.Recipient{{Email: "a@example.net", Domain: "example.net"}}, Lifetime: time.Hour}
		if err := s.Accept(t.Context(), x); err != nil {
			t.Fatal(err)
		}
	}
	scope := store.OfAccount(keys[0].AccountID)
	at := func() time.Time { // within five minutes, on them, on the hour, on the day, or no bound
		d := time.Duration(dice.Int64N(int64(days * 24 * time.Hour)))
		step := []time.Duration{time.Second, 5 * time.Minute, time.Hour, 24 * time.Hour}[dice.IntN(4)]
		if dice.IntN(8) == 0 {
			return time.Time{}
		}
		return first.Add(d.Truncate(step))
	}
	for range 400 {
		q := store.SeriesQuery{Source: store.OfKeyItself, From: at(), To: at(), Together: true}
		if !q.From.IsZero() && !q.To.IsZero() && q.To.Before(q.From) {
			q.From, q.To = q.To, q.From
		}
		small := q
		small.Step = store.FiveMinutes.Length()
		rows, err := s.Series(t.Context(), scope, small)
		if err != nil {
			t.Fatal(err)
		}
		want := sum(rows)
		got, err := report.New(s).Totals(t.Context(), scope, q)
		if err != nil || got != want {
			t.Errorf("from %v to %v: %d, %v, want %d", q.From, q.To, got.Total, err, want.Total)
		}
		byKey, err := report.New(s).KeyTotals(t.Context(), scope, q)
		if got := sum(byKey); err != nil || got != want || len(byKey) > 2 {
			t.Errorf("from %v to %v, by key: %d rows, %d, %v, want %d", q.From, q.To, len(byKey), got.Total, err, want.Total)
		}
	}
}

func sum(rows []store.SeriesRow) (out store.SeriesRow) {
	for _, r := range rows {
		out.Add(r.Counts)
		out.Waiting += r.Waiting
	}
	return out
}
