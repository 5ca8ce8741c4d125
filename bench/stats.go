// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // fills the tables in bulk
	_ "modernc.org/sqlite"             // likewise

	"postern/internal/store"
	"postern/internal/store/storetest"
)

// The world of statistics: so many keys, and 30 days of mail. One key in so many has mail in each slot of five minutes, the
// most that its counters can hold; the others have mail in each hour.
const (
	statKeys  = 1000
	statDays  = 30
	busyShare = 100 // the busy key has one message of so many
	// fillsSlots is how many events fill every slot: with fewer the times still grow with them.
	fillsSlots = busyShare * statDays * 288
)

var statFrom = time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC)

// stats measures 30 days of a key, by day and by hour, at a tenth of the events and at all of them.
func (b *bench) stats() error {
	return b.within(func(s *scope) error {
		if b.database != "" {
			return b.statsOn("PostgreSQL", b.database)
		}
		if err := b.statsOn("SQLite", filepath.Join(s.TempDir(), "stats.db")); err != nil {
			return err
		}
		cluster, err := storetest.StartCluster(b.ctx)
		if errors.Is(err, storetest.ErrNotInstalled) {
			fmt.Println("PostgreSQL is not installed here: not measured.")
			return nil
		}
		if err != nil {
			return err
		}
		return errors.Join(b.statsOn("PostgreSQL", cluster.URL), cluster.Stop())
	})
}

// statsOn measures one store, which it fills.
func (b *bench) statsOn(name, dsn string) (err error) {
	s, err := store.Open(b.ctx, dsn, store.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	account, first, err := addStatKeys(b.ctx, s)
	if err != nil {
		return err
	}
	db, err := rawDatabase(dsn)
	if err != nil {
		return err
	}
	defer db.Close() //nolint:errcheck // it was only filled
	w := &statWorld{db: db, s: s, account: account, first: first}
	sizes := []int{b.events / 10, b.events}
	var took [2]map[string]time.Duration
	for i, n := range sizes {
		began := time.Now()
		if err := w.fill(b.ctx, n); err != nil {
			return fmt.Errorf("fill: %w", err)
		}
		fmt.Fprintf(os.Stderr, "%s: %d events and their counters in %v\n", name, n, time.Since(began).Round(time.Second))
		if took[i], err = w.measure(b.ctx, b.each); err != nil {
			return err
		}
	}
	fmt.Printf("Statistics on %s: %d keys, %d days\n", name, statKeys, statDays)
	var rows [][]string
	for _, q := range statQueries {
		few, many := took[0][q.name], took[1][q.name]
		rows = append(rows, []string{q.name, few.Round(10 * time.Microsecond).String(), many.Round(10 * time.Microsecond).String(), fmt.Sprintf("%.2f", float64(many)/float64(few))})
	}
	table(fmt.Sprintf("median time for %d days|%d events|%d events|ratio", statDays, sizes[0], sizes[1]), rows)
	return nil
}

func addStatKeys(ctx context.Context, s *store.Store) (account, first int64, err error) {
	err = s.Update(ctx, func(tx *store.Tx) error {
		a, err := tx.AddAccount(ctx, "statistics")
		if err != nil {
			return err
		}
		account = a.ID
		for i := range int64(statKeys) {
			k, err := tx.AddKey(ctx, store.Key{AccountID: a.ID, APIKey: fmt.Sprintf("%032x", i), Name: fmt.Sprint("key ", i), Master: i == 0, State: store.KeyActive})
			if err != nil {
				return err
			}
			if i == 0 {
				first = k.ID
			} else if k.ID != first+i {
				return fmt.Errorf("key %d has the ID %d: not one after the other", i, k.ID)
			}
		}
		return nil
	})
	return account, first, err
}

func rawDatabase(dsn string) (*sql.DB, error) {
	if strings.HasPrefix(dsn, "postgres") {
		return sql.Open("pgx", dsn)
	}
	return sql.Open("sqlite", "file:"+dsn+"?_pragma=busy_timeout(60000)&_pragma=journal_mode(WAL)&_pragma=synchronous(OFF)")
}

// statWorld is a store with events that came without mail: statistics do not read the mail.
type statWorld struct {
	db             *sql.DB
	s              *store.Store
	account, first int64
	filled         int
}

// fillEvents makes the events $1 to $2 of the key $3 and those after it, all delivered, from Unix second $4 on.
const fillEvents = `WITH RECURSIVE n(i) AS (SELECT CAST($1 AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i < $2)
 INSERT INTO event (id, message_id, key_id, type, at, attempt, code, enhanced, line, host, tls, state_id, permanent)
 SELECT i, i, $3 + CASE WHEN i % %busy% = 0 THEN 0 ELSE 1 + i % (%keys% - 1) END, 1,
  ($4 + CASE WHEN i % %busy% = 0 THEN i / %busy% % (%days% * 288) * 300 ELSE i / (%keys% - 1) % (%days% * 24) * 3600 END) * 1000000,
  1, 250, '', '', '', '', 0, FALSE FROM n`

// countEvents adds the events from ID $1 on to the counters, as recording them does: by both timings, each message done in
// the slot in which it arrived.
const countEvents = `INSERT INTO counter (key_id, source, source_id, timing, grain, slot, total, sent)
 SELECT f.key_id, 0, f.key_id, t.timing, f.grain, f.slot, CASE t.timing WHEN 0 THEN f.n ELSE 0 END, f.n
  FROM (SELECT key_id, 0 AS grain, at / 300000000 * 300 AS slot, count(*) AS n FROM event WHERE id >= $1 GROUP BY 1, 2, 3
   UNION ALL SELECT key_id, 1, at / 86400000000 * 86400, count(*) FROM event WHERE id >= $1 GROUP BY 1, 2, 3
   UNION ALL SELECT key_id, 2, at / 3600000000 * 3600, count(*) FROM event WHERE id >= $1 GROUP BY 1, 2, 3) f
  CROSS JOIN (SELECT 0 AS timing UNION ALL SELECT 1) t WHERE TRUE
 ON CONFLICT (key_id, source, source_id, timing, grain, slot) DO UPDATE SET total = counter.total + excluded.total, sent = counter.sent + excluded.sent`

// fill makes it n events in all.
func (w *statWorld) fill(ctx context.Context, n int) error {
	names := strings.NewReplacer("%busy%", fmt.Sprint(busyShare), "%keys%", fmt.Sprint(statKeys), "%days%", fmt.Sprint(statDays))
	const piece = 1_000_000
	conn, err := w.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close() //nolint:errcheck // back to the pool
	if w.s.Engine() == "postgres" {
		if _, err := conn.ExecContext(ctx, "SET session_replication_role = replica"); err != nil { // without the foreign key
			return err
		}
	}
	for w.filled < n {
		from, to := w.filled+1, min(w.filled+piece, n)
		if _, err := conn.ExecContext(ctx, names.Replace(fillEvents), from, to, w.first, statFrom.Unix()); err != nil {
			return err
		}
		if _, err := conn.ExecContext(ctx, countEvents, from); err != nil {
			return err
		}
		w.filled = to
	}
	if w.s.Engine() != "postgres" {
		return nil
	}
	_, err = conn.ExecContext(ctx, "VACUUM ANALYZE counter") // what autovacuum does by itself, in a while
	return err
}

// statQueries are the questions that are measured.
var statQueries = []struct {
	name string
	busy bool
	store.SeriesQuery
}{
	{"key with mail in every slot, by day", true, store.SeriesQuery{Timing: store.ByMessage, Step: store.Daily.Length()}},
	{"key with mail in every slot, by hour", true, store.SeriesQuery{Timing: store.ByMessage, Step: time.Hour}},
	{"the same, by the events' time", true, store.SeriesQuery{Timing: store.ByEvent, Step: time.Hour}},
	{"the same, by five minutes", true, store.SeriesQuery{Timing: store.ByMessage, Step: store.FiveMinutes.Length()}},
	{"key with mail every hour, by day", false, store.SeriesQuery{Timing: store.ByMessage, Step: store.Daily.Length()}},
	{"key with mail every hour, by hour", false, store.SeriesQuery{Timing: store.ByMessage, Step: time.Hour}},
}

// measure asks each question for a while and returns the medians.
func (w *statWorld) measure(ctx context.Context, each time.Duration) (map[string]time.Duration, error) {
	out := map[string]time.Duration{}
	for _, q := range statQueries {
		q.From, q.To = statFrom, statFrom.AddDate(0, 0, statDays)
		want := statDays
		switch q.Step {
		case time.Hour:
			want *= 24
		case store.FiveMinutes.Length():
			want *= 288
		}
		var all []float64
		for began := time.Now(); len(all) < 5 || time.Since(began) < each; {
			key := w.first
			if !q.busy {
				key += 1 + int64(len(all)*7%(statKeys-1))
			}
			asked := time.Now()
			rows, err := w.s.Series(ctx, store.OfKey(w.account, key), q.SeriesQuery)
			if err != nil {
				return nil, err
			}
			if len(rows) < want*9/10 && w.filled >= fillsSlots {
				return nil, fmt.Errorf("%s: %d slots, want about %d", q.name, len(rows), want)
			}
			all = append(all, float64(time.Since(asked)))
		}
		out[q.name] = time.Duration(median(all))
	}
	return out, nil
}
