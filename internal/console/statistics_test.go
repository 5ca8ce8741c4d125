// SPDX-License-Identifier: Apache-2.0

package console_test

import (
	"encoding/csv"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"postern/internal/access"
	"postern/internal/console"
	"postern/internal/keys"
	"postern/internal/mail"
	"postern/internal/store"
)

// delivered has all that waits delivered, and the given messages opened: by a person, and by a machine.
func (w *world) delivered(opened ...int64) {
	w.t.Helper()
	ctx, now := w.t.Context(), time.Now()
	got, err := w.store.Claim(ctx, store.MainLane, "test", now.Add(time.Hour), now.Add(2*time.Hour), 100)
	ok(w.t, err)
	var done []store.Completion
	for _, c := range got {
		done = append(done, store.Completion{Claimed: c, Owner: "test", Result: store.CompletedSent, At: now, Reply: store.Reply{Code: 250}})
	}
	ok(w.t, w.store.Complete(ctx, done))
	for _, id := range opened {
		for _, machine := range []bool{false, true} {
			ok(w.t, w.store.Engage(ctx, store.Engagement{MessageID: id, Type: store.EventOpen, At: now, Doing: store.Doing{Agent: "x", Machine: machine}}))
		}
	}
}

// cells are the rows of the page's table, numbers without commas.
func (a answer) cells() (rows [][]string) {
	for _, tr := range find(a.first("#statistics-table"), "tr") {
		var row []string
		for n := range tr.ChildNodes() {
			if n.Type == html.ElementNode {
				row = append(row, strings.ReplaceAll(textOf(n), ",", ""))
			}
		}
		rows = append(rows, row)
	}
	return rows
}

func TestStatisticsPage(t *testing.T) {
	w := newWorld(t)
	shop, odd := w.subaccount("Shop").Key, w.subaccount(`A <b> & "C"`).Key
	b := w.signedIn()
	b.get("/statistics").is(http.StatusOK).says("Nothing happened in this period", "shows how to send the first")

	r := w.send(shop, mail.Draft{Subject: "One", Text: "x"}, "a@one.example", "b@two.example")
	w.send(odd, mail.Draft{Subject: "Two", Text: "x"}, "c@one.example")
	w.delivered(r.Messages[0].ID)

	all := b.get("/statistics").is(http.StatusOK).says("All API keys", "Accepted 3", "Delivered 3 100.0%", "Opened 1 33.3%", "Machine opens 1", "one.example", "hello@acme.example", "No mail of a campaign")
	if rows := all.cells(); len(rows) != 31 || rows[1][0] != w.now.UTC().Format(time.DateOnly) { // 30 days and a head
		t.Errorf("30 days have %d rows, and begin with %q", len(rows), rows[1])
	}
	// Senders of one name are told apart where several keys are counted.
	all.says(`hello@acme.exampleShop22100000`, `hello@acme.exampleA <b> & "C"11000000`)
	b.get("/statistics?key="+shop.APIKey).says("Senders SenderAccepted", "hello@acme.example22100000")
	b.get("/statistics?timing=event&key="+shop.APIKey).is(http.StatusOK).says("Accepted 2", "Delivered 2", "so without rates").lacks("100.0%")
	for _, query := range []string{"", "?period=today", "?period=7", "?period=90", "?period=month", "?timing=event&period=today", "?period=7&key=" + shop.APIKey + "&key=" + odd.APIKey} {
		page := b.get("/statistics" + query).is(http.StatusOK)
		wellFormed(t, page.body)
		file := b.get("/statistics.csv" + query).is(http.StatusOK)
		got, err := csv.NewReader(strings.NewReader(file.body)).ReadAll()
		ok(t, err)
		want := page.cells()
		slices.SortStableFunc(want[1:], func(x, y []string) int { return strings.Compare(x[0], y[0]) }) // the page begins with today
		if len(got) != len(want) {
			t.Fatalf("%s: the file has %d rows, the table %d", query, len(got), len(want))
		}
		for i := range got {
			kinds := got[i][len(got[i])-2:] // of bounces, which only the file has
			if got[i] = got[i][:len(got[i])-2]; i == 0 && kinds[0] != "Hard bounces" || i > 0 && kinds[0]+kinds[1] != "00" {
				t.Errorf("%s: bounces in row %d: %q", query, i, kinds)
			}
			if g, x := strings.Join(got[i], "|"), strings.Join(want[i], "|"); g != x {
				t.Errorf("%s: the file has %s, the table %s", query, g, x)
			}
		}
	}
	b.get("/statistics?period=7&key="+shop.APIKey+"&key="+odd.APIKey).says("Shop", `A <b> & "C"`, "API key").lacks("<b> &")
}

// wellFormed checks that each drawing of a page is XML.
func wellFormed(t *testing.T, page string) {
	t.Helper()
	n := 0
	for {
		_, rest, found := strings.Cut(page, `<svg xmlns="http://www.w3.org/2000/svg" class="chart"`)
		if !found {
			break
		}
		drawing, after, _ := strings.Cut(rest, "</svg>")
		page = after
		n++
		for d := xml.NewDecoder(strings.NewReader("<svg" + drawing + "</svg>")); ; {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%v: %s", err, drawing)
			}
		}
	}
	if n != 9 {
		t.Errorf("%d drawings, want 9", n)
	}
}

func TestStatisticsRefuse(t *testing.T) {
	w := newWorld(t)
	other, err := w.Keys.SignUp(t.Context(), operator, "Elsewhere", "else@example.com")
	ok(t, err)
	mine, theirs := w.subaccount("Mine").Key, w.subaccount("Theirs").Key
	for _, k := range []store.Key{other.Key, mine, theirs} {
		w.send(k, mail.Draft{Subject: "x", Text: "x", From: mail.Address{Email: strings.ToLower(k.Name) + "@" + k.APIKey[:6] + ".example"}}, "reader@"+k.APIKey[:8]+".example")
	}
	b := w.signedIn()
	b.get("/statistics").is(http.StatusOK).says("Accepted 2", mine.APIKey[:8]).lacks(other.Key.APIKey[:8])
	many := ""
	for i := range 7 {
		k, err := w.Keys.CreateSubaccount(t.Context(), operator, w.signed.Account.ID, keys.NewKey{Name: fmt.Sprint("Many", i)})
		ok(t, err)
		many += "&key=" + k.Key.APIKey
	}
	for query, says := range map[string]string{
		"key=" + other.Key.APIKey: "There is no such API key", "period=3": "There is no such period", "from=x": "is no day", "from=2026-02-02&to=2026-02-01": "before the first",
		"from=2999-01-01&to=2999-01-02": "has not begun yet", "from=2999-01-01": "has not begun yet", "from=2001-01-01": "more than 366 days", many: "at most 6",
	} {
		b.get("/statistics?" + query).is(http.StatusUnprocessableEntity).says(says).lacks(other.Key.APIKey)
		b.get("/statistics.csv?" + query).is(http.StatusUnprocessableEntity).says(says)
	}
	analyst := w.browser()
	analyst.signInAs(w.user("analyst@example.com", access.Analyst, mine))
	analyst.get("/statistics").is(http.StatusOK).says("Accepted 1", mine.APIKey[:8]).lacks(theirs.APIKey, theirs.APIKey[:8], "Theirs")
	analyst.get("/statistics?key="+theirs.APIKey).is(http.StatusUnprocessableEntity).lacks(theirs.APIKey, "Theirs")
}

func TestStatisticsAxis(t *testing.T) {
	for most, want := range map[int64]int64{0: 1, 4: 1, 5: 2, 9: 5, 21: 10, 1_000: 500, 1<<63 - 1: 0} {
		if got := console.NiceStep(most); want != 0 && got != want || got <= 0 {
			t.Errorf("up to %d by %d, want %d", most, got, want)
		}
	}
}
