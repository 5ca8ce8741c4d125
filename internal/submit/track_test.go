// SPDX-License-Identifier: Apache-2.0

package submit_test

import (
	"testing"
	"time"

	"postern/internal/store"
	"postern/internal/store/storetest"
	"postern/internal/submit"
	"postern/internal/track"
)

// What is tracked is decided at acceptance: by the mail, else by its account.
func TestTracking(t *testing.T) {
	d := newDesk(t, storetest.New(t))
	const html, text = "From: a\r\nContent-Type: text/html\r\n\r\n<a href=\"https://example.com\">x</a>", "From: a\r\n\r\nx"
	on := store.Tracking{Opens: true, Clicks: true, Unsubscribe: store.UnsubscribeAll}
	for name, c := range map[string]struct {
		account store.Tracking
		m       submit.Message
		ways    track.Ways
	}{
		"nothing":                       {store.Tracking{}, submit.Message{Raw: []byte(html), HasHTML: true}, 0},
		"as the account says":           {on, submit.Message{Raw: []byte(html), HasHTML: true}, track.Opens | track.Clicks | track.UnsubHead},
		"not as the account says":       {on, submit.Message{Raw: []byte(html), HasHTML: true, TrackOpens: store.TrackOff, TrackClicks: store.TrackOff}, track.UnsubHead},
		"as the mail says":              {store.Tracking{}, submit.Message{Raw: []byte(html), HasHTML: true, TrackOpens: store.TrackOn}, track.Opens},
		"without HTML":                  {on, submit.Message{Raw: []byte(text), TrackOpens: store.TrackOn, URLTags: "a=b"}, track.UnsubHead},
		"tags":                          {store.Tracking{}, submit.Message{Raw: []byte(html), HasHTML: true, URLTags: "a=b"}, track.Tags},
		"a campaign":                    {store.Tracking{Unsubscribe: store.UnsubscribeCampaigns}, submit.Message{Raw: []byte(text), Campaign: "spring"}, track.UnsubHead},
		"no campaign":                   {store.Tracking{Unsubscribe: store.UnsubscribeCampaigns}, submit.Message{Raw: []byte(text)}, 0},
		"a List-Unsubscribe of its own": {on, submit.Message{Raw: []byte("list-unsubscribe: <mailto:a@example.org>\r\n" + text)}, 0},
		"a place in its text":           {store.Tracking{}, submit.Message{Raw: []byte(text + "[[UNSUB_LINK]]")}, track.UnsubText},
	} {
		err := d.store.Update(t.Context(), func(tx *store.Tx) error {
			a, err := tx.Account(t.Context(), d.p.AccountID)
			if a.Tracking = c.account; err == nil {
				err = tx.ChangeAccount(t.Context(), a)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		d.Forget(0)
		r, err := d.send(t, "news@example.org", func(m *submit.Message) {
			c.m.From, c.m.Source, c.m.Priority = m.From, m.Source, m.Priority
			*m = c.m
		})
		if err != nil {
			t.Fatal(err)
		}
		m, err := d.store.Message(t.Context(), store.OfOperator(), store.MessageFilter{ID: r.Messages[0].ID})
		if err != nil || track.Ways(m.Ways) != c.ways || (m.TrackOpens == store.TrackOn) != (c.ways&track.Opens != 0) || (m.TrackClicks == store.TrackOn) != (c.ways&track.Clicks != 0) {
			t.Errorf("%s: ways %b, opens %d, clicks %d, %v", name, m.Ways, m.TrackOpens, m.TrackClicks, err)
		}
		now := time.Now()
		got, err := d.store.Claim(t.Context(), store.MainLane, "x", now, now.Add(time.Minute), 10)
		if err != nil || len(got) != 1 || got[0].Ways != int(c.ways) {
			t.Errorf("%s: claimed %+v, %v", name, got, err)
		}
		if err := d.store.Complete(t.Context(), []store.Completion{{Claimed: got[0], Owner: "x", Result: store.CompletedSent, At: now}}); err != nil {
			t.Fatal(err)
		}
	}
}
