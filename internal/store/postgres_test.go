// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"context"
	"database/sql"
	"errors"
	"testing"
	"time"

	"postern/internal/store"
	"postern/internal/store/storetest"
)

// When PostgreSQL drops the connection that holds the lock, a second server could start: the first must notice.
func TestALostLockIsNoticed(t *testing.T) {
	dsn := storetest.Database(t)
	s, err := store.Open(t.Context(), dsn, store.Options{Exclusive: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	lost := make(chan error, 1)
	go func() { lost <- s.Watch(ctx) }()
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(ctx, "SELECT pg_terminate_backend(l.pid) FROM pg_locks l JOIN pg_database d ON d.oid = l.database WHERE l.locktype = 'advisory' AND d.datname = current_database()"); err != nil {
		t.Fatal(err)
	}
	if err := <-lost; !errors.Is(err, store.ErrLockLost) {
		t.Errorf("Watch: %v", err)
	}
}
