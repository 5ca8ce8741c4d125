// SPDX-License-Identifier: Apache-2.0

package suppress_test

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"testing"

	"postern/internal/change"
	"postern/internal/store"
	"postern/internal/store/storetest"
	"postern/internal/suppress"
)

// TestAnEntryIsNamedByItsIDOrItsAddress, and is nobody else's.
func TestAnEntryIsNamedByItsIDOrItsAddress(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		w := newWorld(t, s)
		made, err := w.Add(t.Context(), by, w.scope(), store.KeyFilter{ID: w.key.ID}, []suppress.Entry{{Email: "Anna@Example.net", Reason: "complaint", Note: "by phone"}})
		if err != nil || len(made) != 1 || made[0].KeyName != "key" || made[0].APIKey != w.key.APIKey || made[0].Reason != "complaint" {
			t.Fatalf("%+v, %v", made, err)
		}
		id := strconv.FormatInt(made[0].ID, 10)
		for _, which := range []string{id, "anna@example.net", "Anna@EXAMPLE.net"} {
			if x, err := w.Find(t.Context(), w.scope(), which); err != nil || x != made[0] {
				t.Errorf("%s: %+v, %v", which, x, err)
			}
		}
		alt := store.OfKey(w.alt.AccountID, w.alt.ID)
		reason := "manual"
		for _, which := range []string{id, "anna@example.net", "b@example.net", "0", "-1", "99999999999999999999", "", strings.Repeat("x", 5000)} {
			_, err1 := w.Find(t.Context(), alt, which)
			_, err2 := w.Change(t.Context(), by, alt, which, &reason, nil)
			_, err3 := w.Remove(t.Context(), by, alt, which)
			for _, err := range []error{err1, err2, err3} {
				var mistake *change.Error
				if !errors.As(err, &mistake) || mistake.Kind != change.NotFound || len(mistake.Reason) > 200 {
					t.Errorf("%.20s: %v", which, err)
				}
			}
		}
		note := "asked again"
		if x, err := w.Change(t.Context(), by, w.scope(), "anna@example.net", nil, &note); err != nil || x.Reason != "complaint" || x.Note != note || x.KeyName != "key" {
			t.Errorf("changed: %+v, %v", x, err)
		}
		if x, err := w.Change(t.Context(), by, w.scope(), id, nil, nil); err != nil || x.Note != note || len(w.audited(t)) != 2 {
			t.Errorf("nothing to change: %+v, %v; %q", x, err, w.audited(t))
		}
		if x, err := w.Remove(t.Context(), by, w.scope(), id); err != nil || x.Email != "anna@example.net" || x.Reason != "complaint" {
			t.Errorf("removed: %+v, %v", x, err)
		}
		if has, err := w.Has(t.Context(), w.key.ID, "anna@example.net"); err != nil || has {
			t.Errorf("it is still there: %v", err)
		}
	})
}

// TestEntriesOfAReason: the words for reasons are the same for all who ask, and another is refused.
func TestEntriesOfAReason(t *testing.T) {
	w := newWorld(t, storetest.New(t))
	for _, r := range suppress.Reasons() {
		if _, err := w.Add(t.Context(), by, w.scope(), store.KeyFilter{ID: w.key.ID}, []suppress.Entry{{Email: r + "@example.net", Reason: r}}); err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range suppress.Reasons() {
		list, err := w.Entries(t.Context(), w.scope(), suppress.Filter{Reason: strings.ToUpper(r)}, store.Page{})
		n, err2 := w.Count(t.Context(), w.scope(), suppress.Filter{Reason: r})
		if err != nil || err2 != nil || len(list) != 1 || n != 1 || list[0].Reason != r || list[0].KeyName != "key" {
			t.Errorf("%s: %+v of %d, %v, %v", r, list, n, err, err2)
		}
	}
	var mistake *change.Error
	if _, err := w.Count(t.Context(), w.scope(), suppress.Filter{Reason: "tired"}); !errors.As(err, &mistake) || mistake.Field != "Reason" {
		t.Errorf("%v", err)
	}
	text, err := json.Marshal(suppress.Suppression{ID: 1, Email: "a@example.net", Reason: "manual", APIKey: "k", KeyName: "n", KeyID: 7})
	if want := `{"ID":1,"Email":"a@example.net","Reason":"manual","APIKey":"k","KeyName":"n"}`; err != nil || string(text) != want {
		t.Errorf("%s, %v; want %s", text, err, want)
	}
}

// TestUnsubscribeWithoutItsMessage: the link of a mail that is not kept any more does what it says, and of a key that is
// gone nothing.
func TestUnsubscribeWithoutItsMessage(t *testing.T) {
	w := newWorld(t, storetest.New(t))
	for _, key := range []int64{w.key.ID, 4711} {
		if err := w.Unsubscribe(t.Context(), key, "Anna@example.net", 12); err != nil {
			t.Errorf("key %d: %v", key, err)
		}
	}
	has, err := w.Has(t.Context(), w.key.ID, "anna@example.net")
	if got := strings.Join(w.list(t), ", "); err != nil || !has || got != "anna@example.net unsubscribe" {
		t.Errorf("%v, %v: %s", has, err, got)
	}
}
