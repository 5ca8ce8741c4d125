// SPDX-License-Identifier: Apache-2.0

package store

import (
	"bytes"
	"context"
	"fmt"

	"postern/internal/audit"
)

// AuditCheck is how far a check of the audit log's chain has come, and what it found.
type AuditCheck struct {
	Entries  int64  // that are as they were written: 1 to this number
	Hash     []byte // of the last of them
	Total    int64  // entries that there should be
	Done     bool   // the end is reached, or something is wrong
	BrokenAt int64  // number of the first entry that is not as it was written; 0: all are
	Reason   string // what is wrong with it
}

// auditBatch is how many entries are read at a time.
const auditBatch = 1000

// VerifyAudit walks the whole audit log and holds its end to what the store noted when it wrote the last entry: a
// changed entry is found, a missing one, and a missing end. progress is called after each batch; it may be nil. What
// is written meanwhile is checked too.
func (s *Store) VerifyAudit(ctx context.Context, progress func(AuditCheck)) (AuditCheck, error) {
	var c AuditCheck
	for {
		var err error
		if c, err = s.CheckAudit(ctx, c, auditBatch); err != nil || c.Done {
			return c, err
		}
		if progress != nil {
			progress(c)
		}
	}
}

// CheckAudit checks up to limit entries more than c has, at least one batch; the zero AuditCheck begins.
func (s *Store) CheckAudit(ctx context.Context, c AuditCheck, limit int) (AuditCheck, error) {
	for n := 0; n < max(limit, 1) && !c.Done; n += auditBatch {
		entries, err := s.Audit(ctx, c.Entries, auditBatch)
		if err != nil {
			return c, err
		}
		// The end is read after the entries: it is written with them, so it can be further on, and never behind.
		last, hash, err := s.AuditHead(ctx)
		if err != nil {
			return c, err
		}
		c.Total = last
		if c.Entries, c.Hash, err = audit.Verify(c.Entries, c.Hash, entries); err != nil {
			return c.broken(c.Entries+1, err.Error()), nil
		}
		switch {
		case c.Entries > last:
			return c.broken(c.Entries, fmt.Sprintf("entry %d stands after the end of the log, which is entry %d", c.Entries, last)), nil
		case c.Entries == last && !bytes.Equal(c.Hash, hash):
			return c.broken(c.Entries, fmt.Sprintf("entry %d is not the one that the log ended with", c.Entries)), nil
		case c.Entries == last:
			c.Done = true
		case len(entries) == 0:
			// The entries were read before the end: it may have moved meanwhile.
			if more, err := s.Audit(ctx, c.Entries, 1); err != nil || len(more) == 0 {
				return c.broken(c.Entries+1, fmt.Sprintf("entry %d is missing: the log ended with entry %d", c.Entries+1, last)), err
			}
		}
	}
	return c, nil
}

func (c AuditCheck) broken(at int64, reason string) AuditCheck {
	c.Done, c.BrokenAt, c.Reason = true, at, reason
	return c
}
