// SPDX-License-Identifier: Apache-2.0

package console_test

import (
	"database/sql"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"postern/internal/access"
	"postern/internal/audit"
	"postern/internal/backend"
	"postern/internal/change"
	"postern/internal/store"
	"postern/internal/store/storetest"
)

func TestTheAuditLogSaysWhoChangedWhat(t *testing.T) {
	w := newWorld(t)
	shop := w.subaccount("Shop")
	b := w.signedIn()
	b.post(keyPath(shop.Key, "rename"), url.Values{"name": {"Web shop"}}).is(http.StatusOK)
	b.get("/audit").is(http.StatusOK).reads("Key changed Web shop "+shop.Key.APIKey+" name Shop → became Web shop owner@example.com from 192.0.2.7", "Account created Acme", "Signed in")
	b.get("/audit?q=WEB+SHOP").reads("Key changed").lacks("Account created")
	b.get("/audit?action=user.").reads("Signed in").lacks("Key changed")
	b.get("/audit?action=nonsense.").reads("Key changed", "Signed in")
	b.get("/audit?q=192.0.2.7&action=key.").reads("Key changed").lacks("Key created")
	b.get("/audit?q=nothing").is(http.StatusOK).says("No entry matches.")

	today, tomorrow := time.Now().UTC().Format(time.DateOnly), time.Now().UTC().AddDate(0, 0, 1).Format(time.DateOnly)
	b.get("/audit?from=" + today + "&to=" + today).says("Key changed")
	b.get("/audit?from=" + tomorrow).says("No entry matches.")
	b.get("/audit?from=23.11.2026").is(http.StatusUnprocessableEntity).says("“23.11.2026” is no day: write it as 2026-01-31.")
	b.get("/audit?to=2026-02-30").is(http.StatusUnprocessableEntity)
	b.get("/audit?from=0001-01-01").is(http.StatusUnprocessableEntity)
	b.get("/audit.csv?to=2026-02-30").is(http.StatusUnprocessableEntity)
}

func TestTheAuditLogTellsWebhooksApart(t *testing.T) {
	w := newWorld(t)
	sub := w.subaccount("Shop")
	id, _ := w.hook(sub.Key)
	ok(t, w.Webhooks.Remove(t.Context(), operator, store.OfAccount(sub.Key.AccountID), id))
	b := w.signedIn()
	b.get("/audit?action=hook.").is(http.StatusOK).reads("Webhook added sent https://hooks.invalid", "Webhook removed sent https://hooks.invalid for key "+sub.Key.APIKey).lacks("Key created")
	b.get("/audit?action=webhook.").is(http.StatusOK).says("No entry matches.")
}

func TestTheAuditLogByPages(t *testing.T) {
	w := newWorld(t)
	b := w.signedIn()
	for i := range 130 {
		w.entry(w.signed.Account.ID, fmt.Sprintf("sender entry%03d@example.com", i))
	}
	seen := map[string]bool{}
	page := b.get("/audit?action=sender.").is(http.StatusOK)
	var back string
	for pages := 1; ; pages++ {
		for _, s := range page.all("span.log-target") {
			seen[textOf(s)] = true
		}
		w.entry(w.signed.Account.ID, "sender meanwhile@example.com") // what comes in moves nothing
		next := page.all("a[rel=next]")
		if len(next) == 0 {
			if pages != 3 {
				t.Errorf("there are %d pages", pages)
			}
			back = attr(page.first("a[rel=prev]"), "href")
			break
		}
		page = b.get(attr(next[0], "href")).is(http.StatusOK)
	}
	if len(seen) != 130 {
		t.Errorf("%d entries were seen", len(seen))
	}
	page = b.get(back).is(http.StatusOK)
	if n := len(page.all("span.log-target")); n != 50 || len(page.all("a[rel=prev]")) != 1 || len(page.all("a[rel=next]")) != 1 {
		t.Errorf("one page back are %d entries", n)
	}
}

// entry writes an entry to the audit log.
func (w *world) entry(accountID int64, target string) {
	w.t.Helper()
	ok(w.t, w.store.Update(w.t.Context(), func(tx *store.Tx) error {
		return tx.AddAudit(w.t.Context(), audit.Entry{AccountID: accountID, Actor: "user owner@example.com", Origin: "192.0.2.1", Action: "sender.add", Target: target, Detail: "for key x"})
	}))
}

func TestTheAuditLogIsExported(t *testing.T) {
	w := newWorld(t)
	other := w.signUp("Lighthouse", "keeper@lighthouse.example")
	b := w.signedIn()
	for i := range 1203 {
		w.entry(w.signed.Account.ID, fmt.Sprintf("sender entry%04d@example.com", i))
	}
	for _, formula := range []string{"=HYPERLINK(\"http://evil.example\")", "+1", "-1", "@SUM(A1)", "\tx", "a,\"b\"\nc"} {
		w.entry(w.signed.Account.ID, formula)
	}
	w.entry(other.Account.ID, "sender foreign@example.com")

	a := b.get("/audit.csv?action=sender.").is(http.StatusOK)
	if a.header.Get("Content-Type") != "text/csv; charset=utf-8" || !strings.Contains(a.header.Get("Content-Disposition"), "audit-log.csv") || a.header.Get("Cache-Control") != "no-store" {
		t.Errorf("the headers are %v", a.header)
	}
	rows, err := csv.NewReader(strings.NewReader(a.body)).ReadAll()
	ok(t, err)
	if len(rows) != 1+1203+6 || rows[0][0] != "number" {
		t.Fatalf("%d rows are exported, the first is %v", len(rows), rows[0])
	}
	for i, want := range []string{"a,\"b\"\nc", "'\tx", "'@SUM(A1)", "'-1", "'+1", "'=HYPERLINK(\"http://evil.example\")", "sender entry1202@example.com"} {
		if rows[i+1][6] != want {
			t.Errorf("row %d has %q, want %q", i+1, rows[i+1][6], want)
		}
	}
	if last := rows[len(rows)-1]; last[6] != "sender entry0000@example.com" || len(last[8]) != 64 {
		t.Errorf("the last row is %v", last)
	}
	a.lacks("foreign@example.com", "lighthouse")

	var list []struct {
		Number int64
		Time   time.Time
		Actor  string
		Target string
		Hash   string
	}
	a = b.get("/audit.json?q=entry12").is(http.StatusOK)
	ok(t, json.Unmarshal([]byte(a.body), &list))
	if len(list) != 3 || list[0].Target != "sender entry1202@example.com" || list[0].Time.IsZero() || len(list[0].Hash) != 64 {
		t.Errorf("exported are %+v", list)
	}
	ok(t, json.Unmarshal([]byte(b.get("/audit.json?q=nothing").is(http.StatusOK).body), &list))
	if len(list) != 0 {
		t.Errorf("exported are %+v", list)
	}

	op := w.operates()
	if all := op.get("/operator/audit.csv?action=sender.").is(http.StatusOK); !strings.Contains(all.body, "foreign@example.com") || !strings.Contains(all.body, "entry0000") {
		t.Error("the operator's export does not have all accounts")
	}
}

func TestTheAuditLogOfAnAccountIsItsOwn(t *testing.T) {
	w := newWorld(t)
	other := w.signUp("Lighthouse", "keeper@lighthouse.example")
	w.makeOperator(other.User)
	w.subaccount("Shop")
	w.signedIn().get("/audit").says("Shop").lacks("Lighthouse", "lighthouse.example")
	op := w.as(other.User)
	op.get("/audit").says("Lighthouse").lacks("Shop")
	op.get("/operator/audit").reads("Key created Shop", "Acme", "Lighthouse", "Operator changed")
}

func TestTheAuditLogIsVerified(t *testing.T) {
	w := newWorld(t)
	b := w.signedIn()
	for i := range 1100 {
		w.entry(w.signed.Account.ID, fmt.Sprintf("sender entry%04d@example.com", i))
	}
	last, hash, err := w.store.AuditHead(t.Context())
	ok(t, err)
	b.post("/audit/verify", nil).is(http.StatusOK).says("The log is intact", fmt.Sprintf("All %s entries of this server", "1,10"+fmt.Sprint(last%10)), fmt.Sprintf("%x", hash))
	w.operates().post("/operator/audit/verify", nil).is(http.StatusOK).says("The log is intact")
	b.get("/audit/verify").is(http.StatusMethodNotAllowed)
}

func TestAnEmptyAuditLog(t *testing.T) {
	w := newWorld(t)
	u := w.user("admin@example.com", "")
	var a store.Account
	ok(t, w.store.Update(t.Context(), func(tx *store.Tx) (err error) {
		if a, err = tx.AddAccount(t.Context(), "Fresh"); err != nil {
			return err
		}
		return tx.PutAccess(t.Context(), u.ID, a.ID, 0, access.Owner)
	}))
	w.as(u).get("/audit").is(http.StatusOK).says("Nothing was changed yet")
}

func TestOperatorsAreNamedInTheLog(t *testing.T) {
	w := newWorld(t)
	b := w.operates()
	b.post(fmt.Sprintf("/operator/keys/%d/suspend", w.signed.Key.ID), url.Values{"reason": {"Bought lists; again"}}).is(http.StatusOK)
	b.get("/audit").reads("Key suspended Acme", "state active → became suspended reason: Bought lists", "Operator owner@example.com")
	_, err := w.Keys.Restore(t.Context(), change.Actor{Kind: change.Key, Name: w.signed.Key.APIKey}, store.KeyFilter{ID: w.signed.Key.ID})
	ok(t, err)
	b.get("/audit").reads("Key restored Acme", "API key "+w.signed.Key.APIKey)
}

func TestABrokenAuditLogIsFound(t *testing.T) {
	file := filepath.Join(t.TempDir(), "postern.db")
	w := newWorldOf(t, func(c *backend.Config) { c.Store = storetest.Open(t, file) })
	b := w.signedIn()
	b.post("/audit/verify", nil).is(http.StatusOK).says("The log is intact")

	db, err := sql.Open("sqlite", file+"?_pragma=busy_timeout(5000)")
	ok(t, err)
	defer db.Close() //nolint:errcheck // written
	_, err = db.ExecContext(t.Context(), "UPDATE audit SET actor = 'user nobody@example.com' WHERE id = 2")
	ok(t, err)
	b.post("/audit/verify", nil).is(http.StatusOK).says("The log is not as it was written", "entry 2 was changed.", "Up to entry 1 the log is intact")
	_, err = db.ExecContext(t.Context(), "DELETE FROM audit WHERE id = 1")
	ok(t, err)
	b.post("/audit/verify", nil).is(http.StatusOK).says("entry 1 is missing.")
}
