// SPDX-License-Identifier: Apache-2.0

package browser_test

import (
	"context"
	"database/sql"
	"testing"
	"time"
)

// sums are what the counters of one day hold.
type sums struct{ total, sent, hard, soft, blocked, opened, clicked, spam, unsub, machine int64 }

// ofDay makes up a day of about so many messages: fewer at weekends, and one day on which a receiver was away.
func ofDay(day time.Time, usual, i int64) sums {
	n := usual + usual*(i*37%23)/60 + usual*(29-i)/80
	if d := day.Weekday(); d == time.Saturday || d == time.Sunday {
		n /= 3
	}
	s := sums{total: n, hard: n/90 + i%3, soft: n / 200, blocked: n / 150, spam: n / 900, machine: n / 9}
	if i == 9 {
		s.soft += n / 5
	}
	s.sent = s.total - s.hard - s.soft - s.blocked
	s.opened, s.clicked, s.unsub = s.sent*(38+i%7)/100, s.sent*(6+i%3)/100, s.sent/300
	return s
}

// month gives keys thirty days of counters, of mail that is no more.
func (p *place) month() {
	p.t.Helper()
	ctx := p.t.Context()
	db, err := sql.Open("sqlite", p.file+"?_pragma=busy_timeout(5000)")
	ok(p.t, err)
	defer db.Close() //nolint:errcheck // written
	today := time.Now().UTC().Truncate(24 * time.Hour)
	for _, k := range []struct {
		name      string
		usual     int64
		campaigns []string
	}{{"Shop", 900, nil}, {"Newsletter", 1500, []string{"autumn reading", "the sea in books"}}, {"Billing", 240, nil}} {
		key := p.keys[k.name]
		for i := range int64(30) {
			day := today.AddDate(0, 0, -int(i))
			s := ofDay(day, k.usual, i)
			p.count(ctx, db, key.ID, 0, key.ID, day, s)
			for j, name := range k.campaigns {
				p.count(ctx, db, key.ID, 1, p.campaign(ctx, db, key.ID, name), day, s.part(int64(len(k.campaigns)+j)))
			}
			for j, domain := range []string{"post.example", "webmail.example", "large-customer.example"} {
				x := s.part(int64(2 + 2*j))
				_, err := db.ExecContext(ctx, `INSERT INTO domain_counter (key_id, campaign_id, domain, day, total, sent, hard, soft, blocked, opened, clicked, spam, unsub) VALUES ($1, 0, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
					key.ID, domain, day.Unix(), x.total, x.sent, x.hard, x.soft, x.blocked, x.opened, x.clicked, x.spam, x.unsub)
				ok(p.t, err)
			}
		}
	}
}

func (s sums) part(of int64) sums {
	return sums{s.total / of, s.sent / of, s.hard / of, s.soft / of, s.blocked / of, s.opened / of, s.clicked / of, s.spam / of, s.unsub / of, s.machine / of}
}

// count adds a day's counters of a source, by both timings.
func (p *place) count(ctx context.Context, db *sql.DB, key int64, source int, of int64, day time.Time, s sums) {
	p.t.Helper()
	_, err := db.ExecContext(ctx, `INSERT INTO counter (key_id, source, source_id, timing, grain, slot, total, sent, hard, soft, blocked, opened, clicked, spam, unsub, machine_opens)
 SELECT $1, $2, $3, t.timing, 1, $4, $5 * (1 - t.timing), $6, $7, $8, $9, $10, $11, $12, $13, $14 FROM (SELECT 0 AS timing UNION ALL SELECT 1) t`,
		key, source, of, day.Unix(), s.total, s.sent, s.hard, s.soft, s.blocked, s.opened, s.clicked, s.spam, s.unsub, s.machine)
	ok(p.t, err)
}

func (p *place) campaign(ctx context.Context, db *sql.DB, key int64, name string) (id int64) {
	p.t.Helper()
	err := db.QueryRowContext(ctx, `INSERT INTO campaign (account_id, key_id, name, subject, created_at, last_at) VALUES ($1, $2, $3, $3, $4, $4) ON CONFLICT (key_id, name) DO UPDATE SET last_at = excluded.last_at RETURNING id`,
		p.signed.Account.ID, key, name, time.Now().UnixMicro()).Scan(&id)
	ok(p.t, err)
	return id
}

func TestATourOfStatistics(t *testing.T) {
	ctx := tab(t)
	p := newPlace(t)
	tour := &tour{t, ctx, screenshots()}
	load(t, ctx, p.link(), 200)
	press(t, ctx, click("button"))
	load(t, ctx, p.base+"/statistics", 200)
	tour.look("statistics-empty")
	for _, name := range []string{"Billing", "Newsletter", "Shop"} {
		p.key(name)
	}
	p.month()
	for name, query := range map[string]string{"statistics": "", "statistics-side-by-side": "?period=30&key=" + p.keys["Shop"].APIKey + "&key=" + p.keys["Newsletter"].APIKey} {
		load(t, ctx, p.base+"/statistics"+query, 200)
		tour.look(name)
	}
}
