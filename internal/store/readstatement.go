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
	keptReadText = 4096 // bytes: a longer one is a list of IDs, which hardly comes again
)

// readStatements are the statements that the readers keep prepared, where the driver does not keep them itself: texts
// that came at least twice, the first of them that did.
type readStatements struct {
	byText sync.Map // SQL text → *sql.Stmt, nil where it came once
	n      atomic.Int64
}

// kept gives the statement kept for query, or nil where there is none.
func (r *readStatements) kept(ctx context.Context, s *Store, query string) *sql.Stmt {
	if !s.d.keepStatements || len(query) > keptReadText {
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
		r.byText.Store(query, (*sql.Stmt)(nil))
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
