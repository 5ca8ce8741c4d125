// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"fmt"
	"sync"
	"testing"

	"postern/internal/audit"
	"postern/internal/store"
	"postern/internal/store/storetest"
)

// addAudit adds entries to the log, a hundred in a transaction.
func addAudit(t *testing.T, s *store.Store, n int) error {
	t.Helper()
	for n > 0 {
		err := s.Update(t.Context(), func(tx *store.Tx) error {
			for range min(n, 100) {
				if err := tx.AddAudit(t.Context(), audit.Entry{Actor: "operator", Action: "key.reset", Target: fmt.Sprint("key ", n)}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		n -= 100
	}
	return nil
}

// TestVerifyAuditWalksAll: an empty log, one of several batches with its progress, and one that is written meanwhile.
func TestVerifyAuditWalksAll(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		if c, err := s.VerifyAudit(t.Context(), nil); err != nil || !c.Done || c.Entries != 0 || c.BrokenAt != 0 {
			t.Errorf("the empty log: %+v, %v", c, err)
		}
		if err := addAudit(t, s, 2300); err != nil {
			t.Fatal(err)
		}
		var said []int64
		c, err := s.VerifyAudit(t.Context(), func(c store.AuditCheck) {
			said = append(said, c.Entries)
			if c.Total != 2300 || c.Done {
				t.Errorf("progress %+v", c)
			}
		})
		if err != nil || !c.Done || c.Entries != 2300 || c.BrokenAt != 0 || fmt.Sprint(said) != "[1000 2000]" {
			t.Errorf("%+v, %v; progress %v", c, err, said)
		}
		last, head, err := s.AuditHead(t.Context())
		if err != nil || last != c.Entries || string(head) != string(c.Hash) {
			t.Errorf("the end is %d %x, not %d %x: %v", last, head, c.Entries, c.Hash, err)
		}

		var writer sync.WaitGroup
		writer.Go(func() {
			if err := addAudit(t, s, 500); err != nil {
				t.Error(err)
			}
		})
		for range 8 {
			if c, err := s.VerifyAudit(t.Context(), nil); err != nil || c.BrokenAt != 0 || c.Entries < 2300 {
				t.Errorf("while it is written: %+v, %v", c, err)
			}
		}
		writer.Wait()
		if c, err := s.VerifyAudit(t.Context(), nil); err != nil || c.Entries != 2800 || c.BrokenAt != 0 {
			t.Errorf("after that: %+v, %v", c, err)
		}
	})
}
