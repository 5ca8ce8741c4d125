// SPDX-License-Identifier: Apache-2.0

package store

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
)

// A statement that the readers keep does not keep the state of the database that it last read: the WAL could not end.
func TestKeptReadsDoNotHoldTheWAL(t *testing.T) {
	s, err := Open(t.Context(), filepath.Join(t.TempDir(), "postern.db"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close() //nolint:errcheck // nothing is written any more
	set := func() error {
		return s.Update(t.Context(), func(tx *Tx) error { return tx.Set(t.Context(), "a", "1") })
	}
	read := func() {
		t.Helper()
		if _, err := s.Setting(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		rows, err := s.rows(t.Context(), "SELECT name FROM setting UNION ALL SELECT name FROM setting") //nolint:rowserrcheck // it is not read to its end
		if err != nil || !rows.Next() {                                                                 // and is left in the middle
			t.Fatal(err)
		}
		if err := rows.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		if err := set(); err != nil {
			t.Fatal(err)
		}
		read()
	}
	if n := s.reads.n.Load(); n != 2 {
		t.Fatalf("%d statements are kept, want 2", n)
	}
	if err := set(); err != nil {
		t.Fatal(err)
	}
	var busy, frames, moved int
	if err := s.w.QueryRowContext(t.Context(), "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &frames, &moved); err != nil || busy != 0 || frames != 0 {
		t.Errorf("the checkpoint: busy %d, %d pages left in the WAL, %v", busy, frames-moved, err)
	}
}

// Lists of every length fill neither the places of the statements that are kept nor the memory.
func TestListsAreNotKept(t *testing.T) {
	s, err := Open(t.Context(), filepath.Join(t.TempDir(), "postern.db"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close() //nolint:errcheck // nothing is written any more
	for range 2 {
		for n := range 3 * keptReads {
			if _, err := s.Series(t.Context(), OfKey(1, 1), SeriesQuery{Source: OfSender, SourceIDs: make([]int64, n), Step: Daily.Length()}); err != nil {
				t.Fatal(err)
			}
		}
	}
	for n := range 2 * seenReads {
		if err := s.row(t.Context(), fmt.Sprintf("SELECT %d", n)).scan(new(int)); err != nil {
			t.Fatal(err)
		}
	}
	texts, kept := s.reads.count()
	if texts > seenReads+keptReads || kept > 32 {
		t.Errorf("%d texts with %d statements", texts, kept)
	}
	const query = "SELECT name FROM setting WHERE name = ''"
	for range 3 {
		s.row(t.Context(), query).scan(new(string)) //nolint:errcheck // there is none
	}
	if stmt := s.reads.kept(t.Context(), s, query, 0); stmt == nil {
		t.Error("what comes after them is not kept")
	}
}

// Readers that ask for the same at once leave one statement, and it is counted once.
func TestKeptOnce(t *testing.T) {
	s, err := Open(t.Context(), filepath.Join(t.TempDir(), "postern.db"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close() //nolint:errcheck // nothing is written any more
	for i := range 100 {
		query, start := fmt.Sprintf("SELECT %d", i), make(chan struct{})
		var readers sync.WaitGroup
		for range 8 {
			readers.Go(func() {
				<-start
				for range 3 {
					s.reads.kept(t.Context(), s, query, 0)
				}
			})
		}
		close(start)
		readers.Wait()
	}
	if _, kept := s.reads.count(); int64(kept) != s.reads.n.Load() {
		t.Errorf("%d statements, counted as %d", kept, s.reads.n.Load())
	}
}

func (r *readStatements) count() (texts, kept int) {
	r.byText.Range(func(_, stmt any) bool {
		if texts++; stmt != (*sql.Stmt)(nil) {
			kept++
		}
		return true
	})
	return texts, kept
}
