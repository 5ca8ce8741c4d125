// SPDX-License-Identifier: Apache-2.0

package browser_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"postern/internal/mail"
	"postern/internal/store"
	"postern/internal/track"
	"postern/internal/tracking"
)

// TestUnsubscribeTour: the link of a mail, as its reader meets it.
func TestUnsubscribeTour(t *testing.T) {
	ctx := tab(t)
	p := newPlace(t)
	p.key("Shop")
	p.sender("Shop", "*@harbour-books.example")
	id := p.send("Shop", mail.Draft{From: mail.Address{Email: "news@harbour-books.example"}, To: []mail.Address{{Email: "reader@example.net"}}, Subject: "News", Text: "News"})
	p.outcome(time.Now(), func(store.Claimed) store.Completion {
		return store.Completion{Result: store.CompletedSent, Reply: store.Reply{Code: 250, Line: "250 OK"}}
	})
	signer, err := track.NewSigner([]byte("0123456789abcdefghijklmnopqrstuv"))
	ok(t, err)
	server := httptest.NewServer(tracking.New(tracking.Config{
		Store: p.store, Suppress: p.suppress, Signer: signer, Log: slog.New(slog.DiscardHandler),
		Client: func(*http.Request) (netip.Addr, bool) { return netip.MustParseAddr("198.51.100.7"), true },
	}))
	t.Cleanup(server.Close)
	token := track.Token{Kind: track.Unsub, MessageID: id, Link: p.keys["Shop"].ID, At: time.Now()}
	address := signer.SealAddress(token, "reader@example.net")
	link := server.URL + "/u/" + signer.Sign(token, "", address) + "/" + address
	l := &tour{t, ctx, screenshots()}
	load(t, ctx, link, 200)
	l.look("unsubscribe")
	if status := press(t, ctx, click("button")); status != 200 {
		t.Fatalf("the button: %d", status)
	}
	l.look("unsubscribed")
	m, err := p.store.Message(ctx, store.OfOperator(), store.MessageFilter{ID: id})
	ok(t, err)
	if m.Status != store.StatusUnsub {
		t.Errorf("the message is %v", m.Status)
	}
	load(t, ctx, link+"x", 404)
	l.look("unsubscribe-bad-link")
}
