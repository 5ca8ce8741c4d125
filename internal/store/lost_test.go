// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"postern/internal/store"
)

// TestALostFileTakesNothing: SQLite goes on writing to a file that was removed or replaced. Nobody is told that such a
// write is durable, and the server hears of it.
func TestALostFileTakesNothing(t *testing.T) {
	for name, lose := range map[string]func(path string) error{
		"removed": os.Remove,
		"moved":   func(path string) error { return os.Rename(path, path+".away") },
		"replaced": func(path string) error {
			return errors.Join(os.Rename(path, path+".away"), os.WriteFile(path, nil, 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "postern.db")
			s, err := store.Open(t.Context(), path, store.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			set := func() error {
				return s.Update(t.Context(), func(tx *store.Tx) error { return tx.Set(t.Context(), "x", "y") })
			}
			if err := errors.Join(set(), s.Health(t.Context())); err != nil {
				t.Fatal(err)
			}
			if err := lose(path); err != nil {
				t.Fatal(err)
			}
			if err := set(); !errors.Is(err, store.ErrLost) {
				t.Errorf("a write: %v", err)
			}
			if err := s.Health(t.Context()); !errors.Is(err, store.ErrUnwritable) || !errors.Is(err, store.ErrLost) {
				t.Errorf("health: %v", err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if err := s.Watch(ctx); !errors.Is(err, store.ErrLost) {
				t.Errorf("watch: %v", err)
			}
		})
	}
}
