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

// TestWhatIsTypedIsUnderstood types IDs, addresses, domains and words.
func TestWhatIsTypedIsUnderstood(t *testing.T) {
	s, scope, x := world(t)
	for typed, want := range map[string]store.MessageFilter{
		"":                                     {},
		" invoice ":                            {Search: "invoice"},
		"anna@EXAMPLE.net":                     {Recipient: "anna@EXAMPLE.net"},
		"nobody@example.net":                   {Search: "nobody@example.net"},
		"@example.net":                         {Domain: "example.net"},
		"@example.org":                         {Search: "@example.org"},
		"4711":                                 {Search: "4711"},
		"1":                                    {ID: 1},
		x.Recipients[0].UUID.String():          {UUID: x.Recipients[0].UUID},
		"99999999999999999999":                 {Search: "99999999999999999999"},
		"00000000-0000-0000-0000-000000000000": {Search: "00000000-0000-0000-0000-000000000000"},
	} {
		if typed == "1" && x.Recipients[0].ID != 1 {
			continue
		}
		got, err := search.Narrow(t.Context(), s, scope, store.MessageFilter{}, typed)
		if err != nil || got != want {
			t.Errorf("%q is %+v, %v; want %+v", typed, got, err, want)
		}
	}
}
