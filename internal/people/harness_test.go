// SPDX-License-Identifier: Apache-2.0

package people_test

import (
	"bytes"
	"errors"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"postern/internal/backend"
	"postern/internal/backend/backendtest"
	"postern/internal/change"
	"postern/internal/keys"
	"postern/internal/notice"
	"postern/internal/people"
	"postern/internal/store"
)

var (
	operator = change.Actor{Kind: change.Operator, Origin: "command line"}
	here     = netip.MustParseAddr("127.0.0.1")
	browser  = people.Browser{Address: here, Client: "test"}
)

// ring is people over a fresh store, with a primary account.
type ring struct {
	*people.People
	*backend.Backend
	store   *store.Store
	notices *notice.Outbox
	up      keys.SignedUp
	scope   store.Scope
	log     *bytes.Buffer
	now     time.Time // of people's sign-ins
}

func newRing(t *testing.T, s *store.Store) *ring {
	t.Helper()
	r := &ring{store: s, log: &bytes.Buffer{}, now: time.Now()}
	r.Backend = backendtest.New(t, backend.Config{
		Store: s, Now: func() time.Time { return r.now }, Log: slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug})), Hosts: []string{"mail.lighthouse.example"},
	})
	r.People, r.notices = r.Backend.People, r.Notices
	var err error
	if r.up, err = r.Keys.SignUp(t.Context(), operator, "Harbour", "Owner@Example.com"); err != nil {
		t.Fatal(err)
	}
	r.scope = store.OfAccount(r.up.Account.ID)
	return r
}

// wants checks that err is a change.Error of a kind about a field.
func wants(t *testing.T, err error, kind change.ErrorKind, field string) {
	t.Helper()
	var e *change.Error
	if !errors.As(err, &e) || e.Kind != kind || e.Field != field {
		t.Errorf("error %v, want kind %d on %q", err, kind, field)
	}
}

// lastNotice is the newest of the notices that wait.
func (r *ring) lastNotice(t *testing.T) notice.Notice {
	t.Helper()
	kept, err := r.store.DueNotices(t.Context(), time.Now().Add(time.Hour), 1000)
	if err != nil || len(kept) == 0 {
		t.Fatalf("%d notices, %v", len(kept), err)
	}
	n, err := r.notices.Open(kept[len(kept)-1])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func says(t *testing.T, err error, words ...string) {
	t.Helper()
	for _, w := range words {
		if err == nil || !strings.Contains(err.Error(), w) {
			t.Errorf("the error does not say %q: %v", w, err)
		}
	}
}
