// SPDX-License-Identifier: Apache-2.0

// Package store keeps everything that Postern must not lose: accounts, credentials, senders, mail, the queue,
// events, counters and the audit log, in SQLite or PostgreSQL.
//
// It is one concrete type over database/sql and the only place with SQL. One portable text serves both engines: $1
// upwards in order of first use (SQLite numbers its parameters so), RETURNING, ON CONFLICT; what truly differs is a
// dialect of a few fields in sqlite.go and postgres.go. There is one file per record, with its type and its queries.
//
// Times are stored as Unix microseconds and are UTC in Go. A transaction carries one now. Queries that a caller's
// answer is made from take a [Scope], so that no handler can forget to bound them.
//
// Mail is accepted and completed by group commit: callers queue what they have and wait, a writer makes one durable
// transaction of all that wait and then answers them all (see group.go).
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Errors that callers tell apart. They are wrapped; use errors.Is.
var (
	// ErrNotFound says that no such row is in the caller's scope.
	ErrNotFound = errors.New("not found")
	// ErrExists says that a unique property is taken.
	ErrExists = errors.New("already exists")
	// ErrBusy says that another server has this store open.
	ErrBusy = errors.New("the store is in use by a running server")
	// ErrLost says that the database file was removed or replaced under the running server: what is written goes nowhere.
	ErrLost = errors.New("the database file was removed or replaced while the server ran")
	// ErrClosed says that the store was closed while the caller waited.
	ErrClosed = errors.New("the store is closed")
)

// Store is an open database. Its methods may be called from many goroutines.
type Store struct {
	w, r *sql.DB // one writer; readers. The same pool on PostgreSQL.
	d    *dialect

	now   func() time.Time
	stmts sync.Map // SQL text → *sql.Stmt of the writer, where the driver does not keep them itself
	reads readStatements

	suppressing suppressing

	ids              idBlocks
	accepts          *group[*Batch]
	outcomes         *group[[]Completion]
	engagements      *group[*Engagement]
	attempts         *group[*AttemptResult]
	webhookKeys      webhookKeys
	logged           attemptCounts
	onDeliveries     atomic.Pointer[func([]int64)]
	unlock           func() error
	watch            func(context.Context) error // whether the database and its lock are still ours
	there            func() error                // ErrLost when what was committed is not where the next start looks; nil: always there
	closed           atomic.Bool
	fiveMinutesSince atomic.Int64 // FiveMinutesSince, in Unix seconds
	forgotTo         atomic.Int64 // up to where ForgetFiveMinutes has come

	file         string   // of SQLite
	reserve      *reserve // of room on the disk
	writesFailed atomic.Int64
	lastFailed   atomic.Pointer[failedWrite]
}

// Options of Open.
type Options struct {
	// Exclusive makes Open fail with ErrBusy when another process holds the store the same way: one server a store.
	Exclusive bool
	// Now is the clock of the transactions; nil: the machine's.
	Now func() time.Time
}

// Open opens the database that dsn names, "postgres://…" or a path of a SQLite file, and brings its schema up to
// date. A schema newer than this program is refused.
func Open(ctx context.Context, dsn string, opt Options) (*Store, error) {
	open := openSQLite
	if strings.HasPrefix(dsn, "postgres://") || strings.HasPrefix(dsn, "postgresql://") {
		open = openPostgres
	}
	s, err := open(ctx, dsn, opt)
	if err != nil {
		return nil, err
	}
	if s.now = opt.Now; s.now == nil {
		s.now = time.Now
	}
	if err := s.migrate(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if err := errors.Join(s.loadSuppressing(ctx), s.loadFiveMinutes(ctx)); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.accepts = newGroup(s.d.writers, maxGroup, s.commitSubmissions)
	s.outcomes = newGroup(1, maxGroup, s.commitCompletions)
	s.engagements = newGroup(1, maxGroup, s.commitEngagements)
	s.logged = attemptCounts{}
	s.attempts = newGroup(1, maxGroup, s.commitAttempts)
	if err := s.loadWebhookKeys(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Engine names the database engine: "sqlite" or "postgres".
func (s *Store) Engine() string { return s.d.name }

// ErrLockLost says that this process may no longer be the only one to have the store.
var ErrLockLost = errors.New("the lock on the database is lost: another server may have it now")

// watchEvery is how often Watch looks.
const watchEvery = time.Second

// Watch returns ErrLockLost when a store opened exclusively is no longer this process's alone, as when PostgreSQL was
// restarted, ErrLost when the file of a SQLite store is gone, and nil when ctx ends. Who lets callers in by what the
// store says must stop then.
func (s *Store) Watch(ctx context.Context) error {
	if s.watch == nil {
		<-ctx.Done()
		return nil
	}
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		switch err := s.watch(ctx); {
		case err == nil || ctx.Err() != nil:
		case errors.Is(err, ErrLost):
			return err
		default:
			return fmt.Errorf("%w: %w", ErrLockLost, err)
		}
	}
}

// Close ends what is in flight and closes the database. It may be called twice.
func (s *Store) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	s.accepts.close()
	s.outcomes.close()
	s.engagements.close()
	s.attempts.close()
	err := s.w.Close()
	if s.r != s.w {
		err = errors.Join(err, s.r.Close())
	}
	if s.unlock != nil {
		err = errors.Join(err, s.unlock())
	}
	return err
}

// Tx is a write transaction with one time for all that happens in it.
type Tx struct {
	s   *Store
	tx  *sql.Tx
	Now time.Time // UTC, to the microsecond

	adds   bool     // it only adds, and needs room
	wanted []string // queries to keep prepared, once the writer's connection is free
	after  []func()
}

// AfterCommit has fn called once the transaction is committed, and not at all when it is not.
func (tx *Tx) AfterCommit(fn func()) { tx.after = append(tx.after, fn) }

// Update runs fn in one write transaction and commits when fn returns nil. fn may be run again when the database
// asks for a retry, so it has no effects but those on tx.
//
// On a full disk the reserve is given up for it, unless it is a change that asks for room (Tx.NeedRoom).
func (s *Store) Update(ctx context.Context, fn func(tx *Tx) error) error {
	again := false // for the reserve was given up
	for attempt := 0; ; attempt++ {
		t := &Tx{s: s}
		err := s.update(ctx, t, fn)
		if !again && !t.adds && err != nil && s.d.full(err) && s.reserve.giveUp(ctx) {
			again = true
			continue
		}
		s.noteWrite(err)
		if err == nil || attempt >= 5 || !s.d.retry(err) {
			return err
		}
	}
}

func (s *Store) update(ctx context.Context, t *Tx, fn func(tx *Tx) error) error {
	tx, err := s.w.BeginTx(ctx, nil)
	if err != nil {
		return s.wrap(err)
	}
	defer tx.Rollback() //nolint:errcheck // after Commit it does nothing, before it the first error is the one to tell
	t.tx, t.Now = tx, s.now().UTC().Truncate(time.Microsecond)
	if err := fn(t); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return s.wrap(err)
	}
	if s.there != nil {
		if err := s.there(); err != nil {
			return err // it is committed to a file that nobody finds again
		}
	}
	for _, query := range t.wanted {
		s.keep(ctx, query)
	}
	for _, fn := range t.after {
		fn()
	}
	return nil
}

// wrap turns the driver's errors into ours.
func (s *Store) wrap(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, sql.ErrNoRows):
		return ErrNotFound
	case s.d.unique(err):
		return fmt.Errorf("%w: %w", ErrExists, err)
	}
	return err
}

func (tx *Tx) exec(ctx context.Context, query string, args ...any) (int64, error) {
	var res sql.Result
	var err error
	if stmt := tx.prepared(ctx, query); stmt != nil {
		res, err = stmt.ExecContext(ctx, args...)
	} else {
		res, err = tx.tx.ExecContext(ctx, query, args...)
	}
	if err != nil {
		return 0, tx.s.wrap(err)
	}
	return res.RowsAffected()
}

// one is exec for a statement that must change one row: none is ErrNotFound.
func (tx *Tx) one(ctx context.Context, query string, args ...any) error {
	n, err := tx.exec(ctx, query, args...)
	if err == nil && n == 0 {
		return ErrNotFound
	}
	return err
}

func (tx *Tx) row(ctx context.Context, query string, args ...any) row {
	if stmt := tx.prepared(ctx, query); stmt != nil {
		return row{tx.s, stmt.QueryRowContext(ctx, args...)}
	}
	return row{tx.s, tx.tx.QueryRowContext(ctx, query, args...)}
}

func (tx *Tx) rows(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if stmt := tx.prepared(ctx, query); stmt != nil {
		return stmt.QueryContext(ctx, args...)
	}
	return tx.tx.QueryContext(ctx, query, args...)
}

// prepared gives the statement kept for query, or nil where there is none yet or the driver keeps its own. Parsing
// SQL costs SQLite about as much as a small insert.
func (tx *Tx) prepared(ctx context.Context, query string) *sql.Stmt {
	if !tx.s.d.keepStatements {
		return nil
	}
	kept, ok := tx.s.stmts.Load(query)
	if !ok {
		tx.wanted = append(tx.wanted, query)
		return nil
	}
	return tx.tx.StmtContext(ctx, kept.(*sql.Stmt))
}

// keep prepares query on the writer for the transactions to come.
func (s *Store) keep(ctx context.Context, query string) {
	if _, ok := s.stmts.Load(query); ok {
		return
	}
	stmt, err := s.w.PrepareContext(ctx, query)
	if err != nil {
		return // the plain call goes on working
	}
	if _, twice := s.stmts.LoadOrStore(query, stmt); twice {
		stmt.Close() //nolint:errcheck,gosec // a second copy
	}
}

// row scans one row, with ErrNotFound where there is none.
type row struct {
	s *Store
	r *sql.Row
}

func (r row) scan(dest ...any) error { return r.s.wrap(r.r.Scan(dest...)) }

func (s *Store) row(ctx context.Context, query string, args ...any) row {
	if stmt := s.reads.kept(ctx, s, query, len(args)); stmt != nil {
		return row{s, stmt.QueryRowContext(ctx, args...)}
	}
	return row{s, s.r.QueryRowContext(ctx, query, args...)}
}

// queryable is where a read runs: the readers, or a transaction.
type queryable interface {
	row(ctx context.Context, query string, args ...any) row
	rows(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

func (s *Store) rows(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if stmt := s.reads.kept(ctx, s, query, len(args)); stmt != nil {
		return stmt.QueryContext(ctx, args...)
	}
	return s.r.QueryContext(ctx, query, args...)
}

// scanner is a *sql.Row or *sql.Rows.
type scanner interface{ scan(dest ...any) error }

type rowsScanner struct{ *sql.Rows }

func (r rowsScanner) scan(dest ...any) error { return r.Scan(dest...) }

// collect reads all rows of a query with one record's scan function.
func collect[T any](ctx context.Context, q queryable, scan func(scanner) (T, error), query string, args ...any) ([]T, error) {
	rows, err := q.rows(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close() //nolint:errcheck // rows.Err says what went wrong
	var out []T
	for rows.Next() {
		v, err := scan(rowsScanner{rows})
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, rows.Err()
}

// micros is how a time is stored; the zero time is NULL.
func micros(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMicro()
}

// nullTime scans a stored time; NULL is the zero time.
type nullTime struct{ t *time.Time }

func (n nullTime) Scan(v any) error {
	switch v := v.(type) {
	case nil:
		*n.t = time.Time{}
	case int64:
		*n.t = time.UnixMicro(v).UTC()
	default:
		return fmt.Errorf("a time is stored as an integer, not as %T", v)
	}
	return nil
}
