// SPDX-License-Identifier: Apache-2.0

package auditlog

import (
	"context"
	"encoding/hex"

	"postern/internal/change"
	"postern/internal/store"
)

// Check is how far a check of the log's chain has come, and what it found. It is given back to [Log.Continue] to go on.
type Check struct {
	Entries  int64  // that are as they were written: 1 to this number
	Hash     string // of the last of them, hexadecimal
	Total    int64  // entries that there should be
	Done     bool   // the end is reached, or something is wrong
	BrokenAt int64  `json:",omitempty"` // the first entry that is not as it was written; 0: all are
	Reason   string `json:",omitempty"` // what is wrong with it
}

// checkedAtOnce is how many entries Continue checks.
const checkedAtOnce = 20_000

// Continue checks some entries more than c has; the zero Check begins. The log of all accounts is one chain, so that
// this is about all of them.
func (l *Log) Continue(ctx context.Context, c Check) (Check, error) {
	hash, err := hex.DecodeString(c.Hash)
	if err != nil || c.Entries < 0 {
		return c, change.Errorf(change.Invalid, "Hash", "it is not a hash in hexadecimal")
	}
	got, err := l.store.CheckAudit(ctx, store.AuditCheck{Entries: c.Entries, Hash: hash}, checkedAtOnce)
	return Check{
		Entries: got.Entries, Hash: hex.EncodeToString(got.Hash), Total: got.Total, Done: got.Done, BrokenAt: got.BrokenAt,
		Reason: got.Reason,
	}, err
}

// Verify checks the whole log. While one check goes on another is refused, as a Conflict.
func (l *Log) Verify(ctx context.Context) (Check, error) {
	if !l.verifying.TryLock() {
		const busy = "a check of the audit log is under way, and one is made at a time, since it reads all of it"
		return Check{}, change.Errorf(change.Conflict, "", busy)
	}
	defer l.verifying.Unlock()
	var c Check
	for !c.Done {
		var err error
		if c, err = l.Continue(ctx, c); err != nil {
			return c, err
		}
	}
	return c, nil
}
