// SPDX-License-Identifier: Apache-2.0

// Package auditlog answers questions about the audit log: its entries in words, its export, and whether all of it is as
// it was written. Entries are written by the changes themselves, in their own transactions; see package audit.
package auditlog

import (
	"context"
	"encoding/hex"
	"strings"
	"sync"
	"time"

	"postern/internal/audit"
	"postern/internal/change"
	"postern/internal/credential"
	"postern/internal/store"
)

// Log reads the audit log of a store.
type Log struct {
	store     *store.Store
	verifying sync.Mutex // all of the log is read for it: once at a time
}

// New makes a Log.
func New(s *store.Store) *Log { return &Log{store: s} }

// Entry is an entry of the log.
type Entry struct {
	ID        int64
	At        time.Time `json:",omitzero"`
	AccountID int64     `json:",omitempty"` // 0: the server's own log
	Actor     string    // "user a@example.com", "key 0123…", "operator"
	Origin    string    // an address, or "command line"
	Action    string
	Target    string // "key 0123…"
	Detail    string
	Hash      string // hexadecimal

	KeyName     string `json:"-"` // of a key that is the target; both names as Name fills them in
	AccountName string `json:"-"`
}

func entryOf(e audit.Entry) Entry {
	return Entry{
		ID: e.ID, At: e.At, AccountID: e.AccountID, Actor: e.Actor, Origin: e.Origin, Action: e.Action, Target: e.Target, Detail: e.Detail,
		Hash: hex.EncodeToString(e.Hash),
	}
}

// Entries lists entries of the scope by number. The filter's action is an action or a group of them, in any case. Who
// sees less than a whole account sees none.
func (l *Log) Entries(ctx context.Context, scope store.Scope, f store.AuditFilter, p store.Page) ([]Entry, error) {
	f, err := checked(f)
	if err != nil {
		return nil, err
	}
	list, err := l.store.AuditEntries(ctx, scope, f, p)
	out := make([]Entry, len(list))
	for i, e := range list {
		out[i] = entryOf(e)
	}
	return out, err
}

// Count says how many entries of the scope match.
func (l *Log) Count(ctx context.Context, scope store.Scope, f store.AuditFilter) (int, error) {
	f, err := checked(f)
	if err != nil {
		return 0, err
	}
	return l.store.CountAudit(ctx, scope, f)
}

func checked(f store.AuditFilter) (store.AuditFilter, error) {
	var err error
	if f.Action, err = audit.Filter(f.Action); err != nil {
		return f, change.Wrong("Action", err)
	}
	return f, nil
}

// Name fills in the names that keys and accounts of entries have today. A key that is deleted or not of the scope has
// none; accounts are named for the operator alone.
func (l *Log) Name(ctx context.Context, scope store.Scope, list []Entry) error {
	keys, accounts := map[string]string{}, map[int64]string{}
	for i := range list {
		e := &list[i]
		if apiKey := e.TargetName(); e.TargetKind() == "key" {
			if _, known := keys[apiKey]; !known {
				name, err := l.nameOfKey(ctx, scope, apiKey)
				if err != nil {
					return err
				}
				keys[apiKey] = name
			}
			e.KeyName = keys[apiKey]
		}
		if e.AccountID == 0 || scope.AccountID() != 0 {
			continue
		}
		if _, known := accounts[e.AccountID]; !known {
			a, err := l.store.Account(ctx, e.AccountID)
			if err != nil {
				return err
			}
			accounts[e.AccountID] = a.Name
		}
		e.AccountName = accounts[e.AccountID]
	}
	return nil
}

func (l *Log) nameOfKey(ctx context.Context, scope store.Scope, apiKey string) (string, error) {
	if _, err := credential.ParseAPIKey(apiKey); err != nil {
		return "", nil
	}
	keys, _, err := l.store.Keys(ctx, scope, store.KeyFilter{APIKey: apiKey}, store.Page{Limit: 1})
	if err != nil || len(keys) == 0 {
		return "", err
	}
	return keys[0].Name, nil
}

// ActorKind is what sort of caller made the change: "user", "key", "operator", "" for one whose name is a single word.
func (e Entry) ActorKind() string { return kind(e.Actor) }

// ActorName is the actor without its kind.
func (e Entry) ActorName() string { return name(e.Actor) }

// TargetKind is what sort of thing was changed: "key", "user", …
func (e Entry) TargetKind() string { return kind(e.Target) }

// TargetName is the target without its kind.
func (e Entry) TargetName() string { return name(e.Target) }

func kind(s string) string {
	before, _, two := strings.Cut(s, " ")
	if !two {
		return ""
	}
	return before
}

func name(s string) string {
	before, after, two := strings.Cut(s, " ")
	if !two {
		return before
	}
	return after
}

// Change is a part of an entry's detail: what was, and what is. Without a From it is a remark.
type Change struct{ What, From, To string }

// Changes reads the detail: "name: a → b; state: active → deactivated; imported".
func (e Entry) Changes() []Change {
	var out []Change
	for part := range strings.SplitSeq(e.Detail, "; ") {
		if part == "" {
			continue
		}
		x := Change{To: part}
		if from, to, ok := strings.Cut(part, " → "); ok {
			x = Change{From: from, To: to}
			if what, from, ok := strings.Cut(from, ": "); ok {
				x.What, x.From = what, from
			}
		}
		out = append(out, x)
	}
	return out
}
