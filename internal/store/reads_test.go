// SPDX-License-Identifier: Apache-2.0

package store

import (
	"path/filepath"
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
