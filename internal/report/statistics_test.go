// SPDX-License-Identifier: Apache-2.0

package report_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"postern/internal/change"
	"postern/internal/report"
	"postern/internal/store"
)

// world is a store of one account with two keys, whose mail arrives at the time that now says.
type world struct {
	*report.Report
	store *store.Store
	now   time.Time
	keys  [2]store.Key
	scope store.Scope
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{now: date("2026-03-10").Add(9*time.Hour + 20*time.Minute)}
	var err error
	if w.store, err = store.Open(t.Context(), filepath.Join(t.TempDir(), "postern.db"), store.Options{Now: func() time.Time { return w.now }}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.store.Close() }) //nolint:errcheck // the test is over
	err = w.store.Update(t.Context(), func(tx *store.Tx) error {
		a, err := tx.AddAccount(t.Context(), "one")
		for i := range w.keys {
			if err == nil {
				w.keys[i], err = tx.AddKey(t.Context(), store.Key{AccountID: a.ID, APIKey: fmt.Sprintf("%032x", i), Name: fmt.Sprint("key ", i), Master: i == 0, State: store.KeyActive})
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	w.Report, w.scope = report.New(w.store), store.OfAccount(w.keys[0].AccountID)
	return w
}

// accept takes n messages of a campaign for a key.
func (w *world) accept(t *testing.T, key, n int, campaign string) {
	t.Helper()
	k := w.keys[key]
	x := &store.Submission{AccountID: k.AccountID, KeyID: k.ID, Source: "http", Campaign: campaign, Body: store.NewBody([]byte("Subject: x\r\n\r\nx")), Lifetime: time.Hour}
	for i := range n {
		x.Recipients = append(x.Recipients, store.Recipient{Email: fmt.Sprintf("r%d@example.net", i), Domain: "example.net"})
	}
	if err := w.store.Accept(t.Context(), x); err != nil {
		t.Fatal(err)
	}
}

func TestStatisticsOfAnyKind(t *testing.T) {
	w := newWorld(t)
	w.accept(t, 0, 1, "")
	w.now = w.now.AddDate(0, 0, 4)
	w.accept(t, 0, 2, "spring")
	w.accept(t, 1, 4, "spring")
	for name, c := range map[string]struct {
		q    report.Query
		rows int
		all  int64
		want string // the beginnings of some rows, as a file has them
	}{
		"30 days":          {report.Query{}, 30, 7, "2026-03-10,1 | 2026-03-14,6,"},
		"today":            {report.Query{Days: new(1)}, 10, 6, "2026-03-14 09:00,6,"},
		"of a key":         {report.Query{Keys: w.keys[:1], Days: new(7)}, 7, 3, "2026-03-14,2,"},
		"the total":        {report.Query{Days: new(7), Resolution: "total"}, 0, 7, "2026-03-08T00:00:00Z/2026-03-15T00:00:00Z,7,"},
		"by key":           {report.Query{By: report.ByKey, Limit: 9}, 2, 7, "key 1,4 | key 0,3,"},
		"the largest key":  {report.Query{By: report.ByKey, Limit: 1}, 1, 7, "key 1,4,"},
		"by key and day":   {report.Query{By: report.ByKey, Limit: 9, Days: new(2), Resolution: "day"}, 4, 6, "2026-03-13,key 1,0 | 2026-03-14,key 1,4 | 2026-03-14,key 0,2,"},
		"by key, suitable": {report.Query{By: report.ByKey, Limit: 9, Days: new(1), Resolution: "suitable"}, 20, 6, "2026-03-14 09:00,key 0,2,"},
		"by domain":        {report.Query{By: report.ByDomain, Limit: 9}, 1, 7, "example.net,7,"},
		"by campaign":      {report.Query{By: report.ByCampaign, Limit: 9}, 2, 7, "spring,key 1,4 | spring,key 0,2,"},
		"campaign of one":  {report.Query{By: report.ByCampaign, Limit: 9, Keys: w.keys[:1]}, 1, 3, "spring,2,"},
		"within days":      {report.Query{From: w.now.AddDate(0, 0, -4).Add(-time.Hour), To: w.now}, 5, 7, "2026-03-10,1 | 2026-03-14,6,"},
		"before it was on": {report.Query{From: date("2026-01-01"), To: date("2026-01-11")}, 10, 0, "2026-01-10,0,"},
	} {
		c.q.Now = w.now
		got, err := w.Statistics(t.Context(), w.scope, c.q)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var file bytes.Buffer
		if err := got.WriteCSV(&file); err != nil {
			t.Fatal(err)
		}
		if len(got.Rows) != c.rows || got.All.Total != c.all {
			t.Errorf("%s: %d rows and %d in all, want %d and %d\n%s", name, len(got.Rows), got.All.Total, c.rows, c.all, file.String())
		}
		for line := range strings.SplitSeq(c.want, " | ") {
			if !strings.Contains(file.String(), "\n"+line) {
				t.Errorf("%s: %q is not in\n%s", name, line, file.String())
			}
		}
	}
	empty, err := w.Statistics(t.Context(), w.scope, report.Query{By: report.BySender, Now: w.now})
	text, err2 := json.Marshal(empty)
	if err != nil || err2 != nil || !strings.Contains(string(text), `"Rows":[],"More":false`) {
		t.Errorf("no rows: %s, %v, %v", text, err, err2)
	}
}

func TestStatisticsThatCannotBe(t *testing.T) {
	w := newWorld(t)
	day := date("2026-03-01")
	for name, c := range map[string]struct {
		q     report.Query
		field string
	}{
		"ends first":      {report.Query{From: day, To: day}, "To"},
		"to come":         {report.Query{From: w.now.AddDate(0, 0, 1)}, "From"},
		"too many days":   {report.Query{Days: new(3661)}, "Days"},
		"negative days":   {report.Query{Days: new(-1)}, "Days"},
		"no days":         {report.Query{Days: new(0)}, "Days"},
		"hours of a year": {report.Query{Days: new(101), Resolution: "hour"}, "From"},
		"days of ages":    {report.Query{From: day.AddDate(-11, 0, 0)}, "From"},
		"within an hour":  {report.Query{From: day.Add(time.Minute), To: day.Add(time.Hour), Resolution: "total"}, "From"},
		"within a day":    {report.Query{From: day.Add(time.Hour), By: report.ByDomain}, "From"},
		"odd timing":      {report.Query{Timing: "odd"}, "Timing"},
		"odd resolution":  {report.Query{Resolution: "week"}, "Resolution"},
		"odd breakdown":   {report.Query{By: "planet"}, "By"},
		"by event":        {report.Query{By: report.BySender, Timing: "event"}, "Timing"},
		"by day":          {report.Query{By: report.ByDomain, Resolution: "day"}, "Resolution"},
	} {
		c.q.Now = w.now
		var mistake *change.Error
		if _, err := w.Statistics(t.Context(), w.scope, c.q); !errors.As(err, &mistake) || mistake.Field != c.field {
			t.Errorf("%s: %v, want an error of %s", name, err, c.field)
		}
	}
}

// TestWhatNarrowsIsServedOrRefused: an answer is never about more mail than was asked about.
func TestWhatNarrowsIsServedOrRefused(t *testing.T) {
	w := newWorld(t)
	w.accept(t, 0, 2, "spring")
	own := store.OfKey(w.keys[0].AccountID, w.keys[0].ID)
	period := report.Period{From: date("2026-03-01"), To: date("2026-04-01")}
	ask := map[string]func(report.Selection) error{
		"sum": func(s report.Selection) error { _, err := w.Sum(t.Context(), own, s); return err },
		"graph": func(s report.Selection) error {
			_, err := w.Graph(t.Context(), own, s, report.Daily, w.now)
			return err
		},
		"domains": func(s report.Selection) error {
			_, err := w.Breakdown(t.Context(), own, s, report.ByDomain)
			return err
		},
		"senders": func(s report.Selection) error {
			_, err := w.Breakdown(t.Context(), own, s, report.BySender)
			return err
		},
		"campaigns": func(s report.Selection) error {
			_, err := w.Breakdown(t.Context(), own, s, report.ByCampaign)
			return err
		},
		"providers": func(s report.Selection) error { _, err := w.Providers(t.Context(), own, s); return err },
		"programs":  func(s report.Selection) error { _, err := w.Agents(t.Context(), own, w.keys[0].ID, s); return err },
	}
	for name, c := range map[string]struct {
		s       report.Selection
		refused string
	}{
		"nothing":              {report.Selection{}, ""},
		"a period":             {report.Selection{Period: period}, ""},
		"a campaign":           {report.Selection{Campaign: 1}, "senders"},
		"a sender":             {report.Selection{Sender: 1}, "domains providers campaigns"},
		"both":                 {report.Selection{Campaign: 1, Sender: 1}, "sum graph domains senders campaigns providers"},
		"a message":            {report.Selection{Message: 1}, "sum graph domains senders campaigns providers"},
		"a recipient":          {report.Selection{Contact: 1}, "sum graph domains senders campaigns providers"},
		"a period of events":   {report.Selection{Events: period}, "domains senders campaigns providers"},
		"two kinds of periods": {report.Selection{Period: period, Events: period}, "sum graph domains senders campaigns providers"},
	} {
		for question, do := range ask {
			var mistake *change.Error
			err := do(c.s)
			if refused := strings.Contains(" "+c.refused+" ", " "+question+" "); refused != errors.As(err, &mistake) {
				t.Errorf("%s by %s: %v", question, name, err)
			}
		}
	}
	w.accept(t, 0, 1, "summer")
	for _, c := range []struct {
		s    report.Selection
		want int
	}{{report.Selection{Period: period}, 2}, {report.Selection{Events: period}, 2}, {report.Selection{Sender: 1}, 0}, {report.Selection{Campaign: 1}, 1}, {report.Selection{Period: report.Period{From: period.To}}, 0}} {
		if n, err := w.CountCampaigns(t.Context(), own, c.s); err != nil || n != c.want {
			t.Errorf("%d campaigns of %+v, %v, want %d", n, c.s, err, c.want)
		}
	}
}

func TestSelectByNames(t *testing.T) {
	w := newWorld(t)
	w.accept(t, 0, 1, "spring")
	own := store.OfKey(w.keys[0].AccountID, w.keys[0].ID)
	s, err := w.Select(t.Context(), own, report.Selection{CampaignName: "spring"}, w.now)
	if err != nil || s.None || s.Campaign == 0 || s.Period != (report.Period{}) {
		t.Errorf("%+v, %v", s, err)
	}
	for _, s := range []report.Selection{{CampaignName: "winter"}, {SenderName: "a@example.com"}} {
		if s, err = w.Select(t.Context(), own, s, w.now); err != nil || !s.None {
			t.Errorf("%+v, %v", s, err)
		}
		if sum, err := w.Sum(t.Context(), own, s); err != nil || sum.Total != 0 {
			t.Errorf("%+v, %v", sum, err)
		}
	}
	if s, err = w.Select(t.Context(), own, report.Selection{}, w.now); err != nil || !s.From.Equal(date("2026-03-10")) || !s.To.Equal(date("2026-03-11")) {
		t.Errorf("nothing is the current day: %+v, %v", s, err)
	}
}

// TestCountersHaveABound: what one question holds in memory.
func TestCountersHaveABound(t *testing.T) {
	w := newWorld(t)
	w.accept(t, 0, 1, "")
	w.accept(t, 1, 1, "")
	w.Bound(1)
	q := report.CounterQuery{Step: report.Day, From: date("2026-03-01"), IDs: []int64{w.keys[0].ID}}
	if rows, err := w.Counters(t.Context(), w.scope, w.keys[0], q, w.now); err != nil || len(rows) != 1 {
		t.Errorf("%d rows, %v", len(rows), err)
	}
	q.IDs = append(q.IDs, w.keys[1].ID)
	var mistake *change.Error
	if rows, err := w.Counters(t.Context(), w.scope, w.keys[0], q, w.now); !errors.As(err, &mistake) || mistake.Field != "From" {
		t.Errorf("%d rows, %v", len(rows), err)
	}
	// A key of another's is none of the scope's, and who asks for itself has its own.
	own := store.OfKey(w.keys[0].AccountID, w.keys[0].ID)
	if rows, err := w.Counters(t.Context(), own, w.keys[0], report.CounterQuery{Step: report.Day, From: date("2026-03-01"), IDs: []int64{w.keys[1].ID}}, w.now); err != nil || len(rows) != 0 {
		t.Errorf("another's: %d rows, %v", len(rows), err)
	}
	rows, err := w.Counters(t.Context(), w.scope, w.keys[1], report.CounterQuery{}, w.now)
	if err != nil || len(rows) != 1 || rows[0].KeyID != w.keys[1].ID || rows[0].Total != 1 {
		t.Errorf("itself: %+v, %v", rows, err)
	}
}

func TestCampaignsByIDAndName(t *testing.T) {
	w := newWorld(t)
	w.accept(t, 0, 1, "7")
	w.accept(t, 0, 1, "spring sale")
	own := store.OfKey(w.keys[0].AccountID, w.keys[0].ID)
	first, err := w.Campaign(t.Context(), own, "7")
	if err != nil || first.Name != "7" {
		t.Fatalf("%+v, %v", first, err)
	}
	for _, spellings := range [][]string{{fmt.Sprint(first.ID)}, {"nothing", "7"}} {
		if x, err := w.Campaign(t.Context(), own, spellings...); err != nil || x != first {
			t.Errorf("%v: %+v, %v", spellings, x, err)
		}
	}
	x, err := w.ChangeCampaign(t.Context(), own, new(true), nil, "spring+sale", "spring sale")
	if err != nil || !x.Starred || x.Deleted {
		t.Errorf("%+v, %v", x, err)
	}
	var mistake *change.Error
	other := store.OfKey(w.keys[1].AccountID, w.keys[1].ID)
	if _, err := w.ChangeCampaign(t.Context(), other, new(true), nil, fmt.Sprint(first.ID)); !errors.As(err, &mistake) || mistake.Kind != change.NotFound {
		t.Errorf("another key's: %v", err)
	}
}
