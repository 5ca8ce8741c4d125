// SPDX-License-Identifier: Apache-2.0

// Package audit is the form of the audit log: what an entry says, and the chain of hashes that makes a changed or
// missing entry visible. It does no I/O: the store appends entries in the transaction of the change itself.
//
// An entry never holds a secret. Detail is for people: "name: a → b".
package audit

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"time"
)

// Entry is one change to who may do what.
type Entry struct {
	ID        int64 // 1, 2, 3 … without a gap
	At        time.Time
	AccountID int64  // 0: the operator's own affairs
	Actor     string // "user a@example.com", "key 0123…", "operator"
	Origin    string // where from: an address, or "command line"
	Action    string // "key.reset", "key.create", …
	Target    string // what it was done to: "key 0123…"
	Detail    string // before and after
	Hash      []byte // SHA-256 over the entry and the hash before it
}

// Sum is the hash of the entry that follows prev. Each field is preceded by its length, so that no two entries read
// alike.
func (e *Entry) Sum(prev []byte) []byte {
	h := sha256.New()
	write := func(b []byte) {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(b)))
		h.Write(n[:])
		h.Write(b)
	}
	write(prev)
	var fixed [24]byte
	binary.BigEndian.PutUint64(fixed[:8], uint64(e.ID))
	binary.BigEndian.PutUint64(fixed[8:16], uint64(e.At.UnixMicro()))
	binary.BigEndian.PutUint64(fixed[16:], uint64(e.AccountID))
	write(fixed[:])
	for _, s := range []string{e.Actor, e.Origin, e.Action, e.Target, e.Detail} {
		write([]byte(s))
	}
	return h.Sum(nil)
}

// Verify checks entries that follow the one with hash prev and number last, and returns the new end of the chain.
func Verify(last int64, prev []byte, entries []Entry) (int64, []byte, error) {
	for i := range entries {
		e := &entries[i]
		if e.ID != last+1 {
			return last, prev, fmt.Errorf("entry %d is missing", last+1)
		}
		if string(e.Sum(prev)) != string(e.Hash) {
			return last, prev, fmt.Errorf("entry %d was changed", e.ID)
		}
		last, prev = e.ID, e.Hash
	}
	return last, prev, nil
}
