// SPDX-License-Identifier: Apache-2.0

// Package storetest gives a test a fresh, migrated store of its own, on either engine.
//
// [New] opens SQLite in a temporary folder, or PostgreSQL when POSTERN_TEST_DATABASE is "postgres": one variable
// replays every package's tests on the other engine. [Each] runs a test on both, which the store's own tests do.
package storetest

import (
	"os"
	"path/filepath"
	"testing"

	"postern/internal/store"
)

// New opens a fresh store that is closed when the test ends.
func New(t testing.TB) *store.Store {
	t.Helper()
	return Open(t, DSN(t))
}

// DSN names a fresh, empty database.
func DSN(t testing.TB) string {
	t.Helper()
	if os.Getenv("POSTERN_TEST_DATABASE") == "postgres" {
		return Database(t)
	}
	return filepath.Join(t.TempDir(), "postern.db")
}

// Open opens the named database until the test ends.
func Open(t testing.TB, dsn string) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), dsn, store.Options{})
	if err != nil {
		t.Fatalf("open the store: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close the store: %v", err)
		}
	})
	return s
}

// Each runs test on a fresh store of each engine.
func Each(t *testing.T, test func(t *testing.T, s *store.Store)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		test(t, Open(t, filepath.Join(t.TempDir(), "postern.db")))
	})
	t.Run("postgres", func(t *testing.T) {
		test(t, Open(t, Database(t)))
	})
}
