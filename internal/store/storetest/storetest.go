// SPDX-License-Identifier: Apache-2.0

// Package storetest gives a test a fresh, migrated store of its own, on either engine.
//
// [New] opens SQLite in a temporary folder, or PostgreSQL when POSTERN_TEST_DATABASE is "postgres": one variable
// replays every package's tests on the other engine. [Each] runs a test on both, which the store's own tests do; the
// replay leaves it out.
package storetest

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"postern/internal/store"
)

// New opens a fresh store that is closed when the test ends.
func New(t testing.TB) *store.Store {
	t.Helper()
	if onPostgres() {
		return Open(t, postgresMigrated(t))
	}
	return Open(t, sqliteFile(t))
}

func onPostgres() bool { return os.Getenv("POSTERN_TEST_DATABASE") == "postgres" }

// migrated is a SQLite database with the schema and nothing else. Making it takes as long as many a test.
var migrated = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "postern-schema")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // what is left is small
	path := filepath.Join(dir, "postern.db")
	s, err := store.Open(context.Background(), path, store.Options{})
	if err != nil {
		return nil, err
	}
	if err := s.Close(); err != nil { // which takes the log into the file
		return nil, err
	}
	return os.ReadFile(path)
})

// sqliteFile makes a fresh database with the schema.
func sqliteFile(t testing.TB) string {
	t.Helper()
	data, err := migrated()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "postern.db")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// DSN names a fresh, empty database.
func DSN(t testing.TB) string {
	t.Helper()
	if onPostgres() {
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
	if onPostgres() {
		t.Skip("it runs on both engines without POSTERN_TEST_DATABASE")
	}
	t.Run("sqlite", func(t *testing.T) {
		test(t, Open(t, sqliteFile(t)))
	})
	t.Run("postgres", func(t *testing.T) {
		test(t, Open(t, postgresMigrated(t)))
	})
}
