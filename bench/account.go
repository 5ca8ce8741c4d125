// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"postern/internal/accounts"
	"postern/internal/backend"
	"postern/internal/change"
	"postern/internal/credential"
	"postern/internal/keys"
	"postern/internal/store"
)

const (
	accountKeys = 300_000                // of the large account
	longestWait = 100 * time.Millisecond // of a reset in another account
)

// account measures changes of an account with 300,000 keys, and the resets of another account's key meanwhile.
func (b *bench) account() error {
	return b.within(func(s *scope) error {
		dsn := b.database
		if dsn == "" {
			dsn = filepath.Join(s.TempDir(), "postern.db")
		}
		st, err := store.Open(b.ctx, dsn, store.Options{Exclusive: true})
		if err != nil {
			return err
		}
		defer st.Close() //nolint:errcheck // it goes away
		all, err := backend.New(backend.Config{Store: st, ServerKey: credential.NewServerKey()})
		if err != nil {
			return err
		}
		operator := change.Actor{Kind: change.Operator, Origin: "bench"}
		large, err := all.Keys.SignUp(b.ctx, operator, "Large", "large@example.com")
		if err != nil {
			return err
		}
		other, err := all.Keys.SignUp(b.ctx, operator, "Other", "other@example.com")
		if err != nil {
			return err
		}
		fmt.Fprintf(os.Stderr, "making %d keys …\n", accountKeys)
		for done := 0; done < accountKeys; done += 5000 {
			err := st.Update(b.ctx, func(tx *store.Tx) error {
				for i := range 5000 {
					if err := addKey(b.ctx, tx, large.Account.ID, done+i); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
		if _, err := all.Keys.Warm(b.ctx); err != nil {
			return err
		}
		reset := func(ctx context.Context) error {
			_, err := all.Keys.Reset(ctx, operator, store.OfAccount(other.Account.ID), store.KeyFilter{ID: other.Key.ID}, keys.Reset{})
			return err
		}
		id := large.Account.ID
		var rows [][]string
		for _, c := range []struct {
			name, before string
			do           func() error
		}{
			{"rename", "39 s", func() error { return changeAccount(b.ctx, all, id, accounts.AccountChange{Name: new("Larger")}) }},
			{"policy: overdue secrets stop", "39 s", func() error {
				return changeAccount(b.ctx, all, id, accounts.AccountChange{SecretDays: new(30), RemindDays: new(7), StopOverdue: new(true)})
			}},
			{"suspend", "key by key", func() error { _, err := all.Accounts.Suspend(b.ctx, operator, id, "bench"); return err }},
			{"restore", "key by key", func() error { _, err := all.Accounts.Restore(b.ctx, operator, id); return err }},
		} {
			took, waits, err := b.beside(c.do, reset)
			if err != nil {
				return err
			}
			slices.Sort(waits)
			slowest := waits[len(waits)-1]
			rows = append(rows, []string{c.name, ms(took), c.before, ms(waits[len(waits)/2]), ms(slowest), "35.7 s"})
			if slowest > longestWait {
				s.Errorf("account: a reset of another account's key took %v during %q: more than %v", slowest, c.name, longestWait)
			}
		}
		fmt.Printf("Changes of an account with %d keys, and resets of another account's key meanwhile (before: with 100,000 keys)\n", accountKeys)
		table("change|time|before|resets: median|slowest|before", rows)
		return nil
	})
}

func changeAccount(ctx context.Context, all *backend.Backend, id int64, c accounts.AccountChange) error {
	_, err := all.Accounts.ChangeAccount(ctx, change.Actor{Kind: change.Operator, Origin: "bench"}, id, c)
	return err
}

// beside runs a change while another is made over and over, and at least twenty times, and says how long the one and each of
// the others took.
func (b *bench) beside(do func() error, over func(context.Context) error) (took time.Duration, waits []time.Duration, err error) {
	done := make(chan error, 1)
	go func() {
		began := time.Now()
		err := do()
		took = time.Since(began)
		done <- err
	}()
	for running := true; running || len(waits) < 20; {
		select {
		case err := <-done:
			if err != nil {
				return took, waits, err
			}
			running = false
		default:
		}
		began := time.Now()
		if err := over(b.ctx); err != nil {
			return took, waits, err
		}
		waits = append(waits, time.Since(began))
	}
	return took, waits, nil
}

func ms(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000) }
