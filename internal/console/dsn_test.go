// SPDX-License-Identifier: Apache-2.0

package console_test

import (
	"testing"
	"time"

	"postern/internal/gate"
	"postern/internal/mail"
	"postern/internal/store"
	"postern/internal/submit"
)

// A message's history says which delivery status notifications were asked for, which wait, and which were not sent.
func TestTheHistoryHasNotifications(t *testing.T) {
	w := newWorld(t)
	b := w.signedIn()
	w.send(w.signed.Key, mailOf("Hi"), "plain@example.org") // which makes the sender
	env := submit.Envelope{From: "hello@acme.example", Recipients: []submit.Recipient{{Email: "full@example.org", Notify: mail.NotifyFailure | mail.NotifyDelay}}}
	k := w.signed.Key
	r, err := w.submit.Accept(t.Context(), gate.Principal{KeyID: k.ID, AccountID: k.AccountID, APIKey: k.APIKey, Master: k.Master}, env, submit.Message{
		Raw: []byte("From: hello@acme.example\r\n\r\nx\r\n"), From: mail.Address{Email: "hello@acme.example"}, Priority: 2, Source: "smtp",
	})
	ok(t, err)
	id := r.Messages[0].ID
	b.get(messagePath(id)).says("Delivery status notifications requested: FAILURE,DELAY").lacks("waiting to be sent")
	now := time.Now()
	claimed, err := w.store.Claim(t.Context(), store.MainLane, "w1", now.Add(time.Minute), now.Add(2*time.Minute), 10)
	ok(t, err)
	for _, c := range claimed {
		ok(t, w.store.Complete(t.Context(), []store.Completion{{
			Claimed: c, Owner: "w1", At: now, StateID: int(mail.StateQuotaExceeded), Result: store.CompletedBounced, Reply: store.Reply{Code: 552, Enhanced: "5.2.2", Line: "552 5.2.2 full"},
		}}))
	}
	b.get(messagePath(id)).says("Bounced", "quota exceeded", "Delivery status notification (failed) waiting to be sent to hello@acme.example").lacks("Given up")
	ok(t, w.store.Update(t.Context(), func(tx *store.Tx) error {
		return tx.DropNotices(t.Context(), []store.SenderNotice{{MessageID: id, Kind: store.NoticeFailed}})
	}))
	b.get(messagePath(id)).says("Delivery status notification (failed) not sent").lacks("waiting to be sent")
	b.get("/messages?state=softbounced").says("full@example.org")
}
