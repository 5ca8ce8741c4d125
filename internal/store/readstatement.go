// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"database/sql"
	"sync"
	"sync/atomic"
)

// Bounds of the readers' statements. Each may be kept once for each reader, some 10 KB a time.
const (
	keptReads    = 256
	keptReadArgs = 16   // more are a list of IDs, which hardly comes again with as many; but the longest chunk of a bulk does
	seenReads    = 1024 // texts that came once are forgotten when there are more
)

// readStatements are the statements that the readers keep prepared, where the driver does not keep them itself: texts
// that came at least twice, the first of them that did.
type readStatements struct {
	byText sync.Map     // SQL text → *sql.Stmt, nil where it came once
	n      atomic.Int64 // statements
	seen   atomic.Int64 // texts that came once, or twice by now
}

// kept gives the statement kept for query, which takes so many arguments, or nil where there is none.
func (r *readStatements) kept(ctx context.Context, s *Store, query string, args int) *sql.Stmt {
	if !s.d.keepStatements || args > keptReadArgs && args != chunks[0]+1 {
		return nil
	}
	there, ok := r.byText.Load(query)
	if stmt, _ := there.(*sql.Stmt); stmt != nil {
		return stmt
	}
	if r.n.Load() >= keptReads {
		return nil
	}
	if !ok {
		r.first(query)
		return nil
	}
	stmt, err := s.r.PrepareContext(ctx, query)
	if err != nil {
		return nil // the plain call says what is wrong
	}
	if !r.byText.CompareAndSwap(query, there, stmt) {
		stmt.Close() //nolint:errcheck,gosec // a second copy
		return nil
	}
	r.n.Add(1)
	return stmt
}

// first notes a text that came for the first time.
func (r *readStatements) first(query string) {
	none := (*sql.Stmt)(nil)
	r.byText.LoadOrStore(query, none) // another may keep a statement by now
	if r.seen.Add(1) < seenReads {
		return
	}
	r.seen.Store(0)
	r.byText.Range(func(text, _ any) bool {
		r.byText.CompareAndDelete(text, none)
		return true
	})
}

// byValue reads without a statement that is kept.
type byValue struct{ s *Store }

func (b byValue) row(ctx context.Context, query string, args ...any) row {
	return row{b.s, b.s.r.QueryRowContext(ctx, query, args...)}
}

func (b byValue) rows(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return b.s.r.QueryContext(ctx, query, args...)
}
