// SPDX-License-Identifier: Apache-2.0

package submit_test

import (
	"strings"
	"testing"

	"postern/internal/access"
	"postern/internal/gate"
	"postern/internal/store"
	"postern/internal/store/storetest"
	"postern/internal/submit"
)

// TestWhoMayNotSendSendsNothing closes a key in each way and sends with it as a person does, who passed no gate, and as a
// program whose principal still says that it may.
func TestWhoMayNotSendSendsNothing(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		d := newDesk(t, s)
		key, err := s.Key(t.Context(), store.OfOperator(), store.KeyFilter{ID: d.p.KeyID})
		if err != nil {
			t.Fatal(err)
		}
		for what, change := range map[string]func(*store.Key){
			"not allowed to send": func(k *store.Key) { k.Permissions = int(access.MayRead | access.MayManage) },
			"deactivated":         func(k *store.Key) { k.Own.State = store.KeyDeactivated },
			"suspended":           func(k *store.Key) { k.Own.State = store.KeySuspended },
		} {
			set := func(k store.Key) {
				t.Helper()
				if err := s.Update(t.Context(), func(tx *store.Tx) error { return tx.ChangeKey(t.Context(), k) }); err != nil {
					t.Fatal(err)
				}
				d.Forget(k.ID)
			}
			closed := key
			change(&closed)
			set(closed)
			before := d.count(t)
			program := gate.Principal{KeyID: d.p.KeyID, AccountID: d.p.AccountID, SecretID: 1, Permissions: access.AllPermissions}
			for _, p := range []gate.Principal{d.p, program} {
				d.p = p
				if _, err := d.send(t, "news@example.org", nil); code(err) != submit.KeyMayNotSend || !strings.Contains(err.Error(), what) {
					t.Errorf("%s: Accept says %v", what, err)
				}
				if _, err := d.send(t, "news@example.org", func(m *submit.Message) { m.Sandbox = true }); code(err) != submit.KeyMayNotSend {
					t.Errorf("%s: the sandbox says %v", what, err)
				}
				got := d.AcceptBatch(t.Context(), p, submit.Batch{Items: []submit.Item{{Envelope: submit.Envelope{From: "news@example.org", Recipients: []submit.Recipient{{Email: "r@example.net"}}}}}})
				if code(got[0].Err) != submit.KeyMayNotSend {
					t.Errorf("%s: AcceptBatch says %v", what, got[0].Err)
				}
				if err := d.MaySend(t.Context(), p.KeyID); code(err) != submit.KeyMayNotSend {
					t.Errorf("%s: MaySend says %v", what, err)
				}
			}
			if n := d.count(t); n != before {
				t.Errorf("%s: %d messages were kept", what, n-before)
			}
			set(key)
			if _, err := d.send(t, "news@example.org", nil); err != nil {
				t.Errorf("what is no longer %s: %v", what, err)
			}
		}
	})
}
