// SPDX-License-Identifier: Apache-2.0

package search_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"postern/internal/search"
	"postern/internal/store"
	"postern/internal/store/storetest"
)

// world is a store with one message.
func world(t *testing.T) (*store.Store, store.Scope, *store.Submission) {
	t.Helper()
	s := storetest.New(t)
	x := &store.Submission{Source: "http", MailFrom: "a@example.com", HeaderFrom: "a@example.com", Subject: "Invoice 4711", Priority: 2, Body: store.NewBody([]byte("x")), Lifetime: time.Hour, Recipients: []store.Recipient{{Email: "Anna@example.net", Domain: "example.net"}}}
	err := s.Update(t.Context(), func(tx *store.Tx) error {
		a, err := tx.AddAccount(t.Context(), "one")
		if err != nil {
			return err
		}
		k, err := tx.AddKey(t.Context(), store.Key{AccountID: a.ID, APIKey: "00000000000000000000000000000001", Name: "one", Master: true, State: store.KeyActive})
		x.AccountID, x.KeyID = a.ID, k.ID
		return err
	})
	if err == nil {
		err = s.Accept(t.Context(), x)
	}
	if err != nil {
		t.Fatal(err)
	}
	return s, store.OfKey(x.AccountID, x.KeyID), x
}

// TestTheIndexIsFilledAndThePartStops runs the part until the message is indexed.
func TestTheIndexIsFilledAndThePartStops(t *testing.T) {
	s, scope, _ := world(t)
	part := search.New(s, func() int64 { return 1_000_000 }, slog.New(slog.DiscardHandler))
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error)
	go func() { ended <- part.Run(ctx) }()
	for part.Stats().Indexed == 0 && ctx.Err() == nil {
		time.Sleep(time.Millisecond) // until it is done: nothing is guessed
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if n, err := s.Unindexed(t.Context()); n != 0 || err != nil {
		t.Errorf("%d messages are not indexed, %v", n, err)
	}
	if n, err := s.CountMessages(t.Context(), scope, store.MessageFilter{Search: "invoice"}); n != 1 || err != nil {
		t.Errorf("the index finds %d, %v", n, err)
	}
}
