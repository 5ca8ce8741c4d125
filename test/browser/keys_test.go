// SPDX-License-Identifier: Apache-2.0

package browser_test

import (
	"database/sql"
	"time"

	"postern/internal/gate"
	"postern/internal/keys"
	"postern/internal/store"
)

// used notes that a secret was used, the last time that long ago.
func (p *place) used(secretID int64, protocol, address, client string, ago time.Duration, count int64) {
	p.t.Helper()
	last := time.Now().Add(-ago)
	ok(p.t, p.Keys.NoteUses(p.t.Context(), []gate.Use{{SecretID: secretID, Protocol: protocol, Address: address, Client: client, First: last.AddDate(0, 0, -20), Last: last, Count: count}}))
}

// volume gives a key a past of 30 days.
func (p *place) volume(name string, days func(i int) int64) {
	p.t.Helper()
	db, err := sql.Open("sqlite", p.file+"?_pragma=busy_timeout(5000)")
	ok(p.t, err)
	defer db.Close() //nolint:errcheck // written
	today := time.Now().UTC().Truncate(24 * time.Hour)
	for i := range 29 {
		if n := days(i); n > 0 {
			_, err = db.ExecContext(p.t.Context(), "INSERT INTO usage (key_id, account_id, hour, messages) VALUES ($1, $2, $3, $4)", p.keys[name].ID, p.signed.Account.ID, today.AddDate(0, 0, i-29).Add(9*time.Hour).Unix(), n)
			ok(p.t, err)
		}
	}
}

// live are the live secrets of a key, the newest first.
func (p *place) live(name string) []store.Secret {
	p.t.Helper()
	k, err := p.store.Key(p.t.Context(), store.OfAccount(p.signed.Account.ID), store.KeyFilter{ID: p.keys[name].ID})
	ok(p.t, err)
	return k.Secrets
}

// rotation is in the middle: Billing has two live secrets, of which the old one is used by two programs.
func (p *place) rotation() {
	p.t.Helper()
	p.used(p.live("Billing")[0].ID, "smtp", "192.0.2.7", "postfix/3.7", 2*time.Minute, 1204)
	p.used(p.live("Billing")[0].ID, "http", "198.51.100.21", "mailjet-apiv3-nodejs/6.0.8", 3*time.Hour, 88)
	p.used(p.live("Billing")[0].ID, "smtp", "203.0.113.80", "[10.0.0.4] PLAIN", 9*24*time.Hour, 12)
	p.used(p.live("Shop")[0].ID, "http", "198.51.100.30", "mailjet-apiv3-go/4.0.7", 20*time.Second, 48_211)
	p.used(p.live("Shop")[0].ID, "smtp", "198.51.100.31", "shop.harbour-books.example PLAIN", 11*time.Minute, 903)
	scope := store.OfAccount(p.signed.Account.ID)
	_, err := p.Keys.Reset(p.t.Context(), operator, scope, store.KeyFilter{ID: p.keys["Billing"].ID}, keys.Reset{Overlap: 7 * 24 * time.Hour})
	ok(p.t, err)
	p.used(p.live("Billing")[0].ID, "http", "198.51.100.21", "mailjet-apiv3-nodejs/6.0.8", time.Minute, 3)
	_, err = p.Keys.Change(p.t.Context(), operator, scope, store.KeyFilter{ID: p.keys["Billing"].ID}, keys.KeyChange{Reference: new("erp-invoices"), HourLimit: new(int64(2000)), MonthLimit: new(int64(30_000))}, 0)
	ok(p.t, err)
	_, err = p.Keys.Suspend(p.t.Context(), operator, store.KeyFilter{ID: p.keys["Newsletter"].ID}, "Complaints about a list that was bought, ticket 4711")
	ok(p.t, err)
	p.age("Support desk", 84, 35*time.Minute)
	p.age("Warehouse and returns, Rotterdam", 95, 6*24*time.Hour)
	p.volume("Harbour Books", func(i int) int64 { return int64(40 + i*i%37) })
	p.volume("Billing", func(i int) int64 { return int64((i*7919)%600 + i*20) })
	p.volume("Shop", func(i int) int64 { return int64((i%7)*(i%7)) * 300 })
	p.volume("Newsletter", func(i int) int64 { return map[int]int64{3: 12000, 10: 12400, 17: 12900}[i] })
}
