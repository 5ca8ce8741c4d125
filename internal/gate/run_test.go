// SPDX-License-Identifier: Apache-2.0

package gate_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"postern/internal/access"
	"postern/internal/gate"
)

// running starts Run in a synctest bubble and returns how to end it.
func running(t *testing.T, w *world) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	return func() error {
		cancel()
		return <-done
	}
}

func TestOverlapEndClosesSessionsOnTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(c *gate.Config) { c.Now = time.Now })
		w.now = time.Now()
		stop := running(t, w)
		time.Sleep(90 * time.Second)
		closedAt := map[int64]time.Duration{}
		start := time.Now()
		want := map[int64]time.Duration{}
		// Put in another order than they end in.
		for _, after := range []time.Duration{3 * time.Hour, time.Minute, 30 * 24 * time.Hour, 90 * time.Minute, 1500 * time.Millisecond} {
			k, s := w.key()
			p := w.mustVerify(t, k, s)
			if _, err := w.Bind(p, atOnce(func(string) { closedAt[p.SecretID] = time.Since(start) })); err != nil {
				t.Fatal(err)
			}
			_, x := w.secret()
			old := k.Secrets[0]
			old.ExpiresAt = start.Add(after)
			k.Secrets = []gate.Secret{x, old}
			w.Put(k)
			want[p.SecretID] = after
		}
		time.Sleep(31 * 24 * time.Hour)
		synctest.Wait()
		if !maps.Equal(closedAt, want) {
			t.Errorf("closed at %v, want %v", closedAt, want)
		}
		if got := w.Stats(); got.Secrets != 5 || got.Sessions != 0 {
			t.Errorf("left: %+v", got)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestOverlapMovedOrRetired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(c *gate.Config) { c.Now = time.Now })
		defer running(t, w)() //nolint:errcheck // no Flush, no error
		k, s := w.key()
		closed := false
		p := w.mustVerify(t, k, s)
		if _, err := w.Bind(p, atOnce(func(string) { closed = true })); err != nil {
			t.Fatal(err)
		}
		k.Secrets[0].ExpiresAt = time.Now().Add(time.Hour)
		w.Put(k)
		k.Secrets[0].ExpiresAt = time.Now().Add(2 * time.Hour)
		w.Put(k)
		time.Sleep(90 * time.Minute)
		synctest.Wait()
		if closed || w.Recheck(home, p, access.MaySend) != nil {
			t.Error("ended at the first end, which was moved")
		}
		k.Secrets[0].ExpiresAt = time.Time{}
		w.Put(k)
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		if closed || w.Recheck(home, p, access.MaySend) != nil {
			t.Error("ended at an end that was taken away")
		}
	})
}

// kept stands where the store does.
type kept struct {
	mu    sync.Mutex
	last  map[int64]time.Time
	calls int
	err   error
}

func (k *kept) flush(_ context.Context, uses []gate.Use) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.calls++
	if k.err != nil {
		return k.err
	}
	for _, u := range uses {
		k.last[u.SecretID] = u.Last
	}
	return nil
}

// fail makes flushes fail (or not, with nil) and returns how many there were
// since the last call of fail.
func (k *kept) fail(err error) int {
	k.mu.Lock()
	defer k.mu.Unlock()
	n := k.calls
	k.calls, k.err = 0, err
	return n
}

func (k *kept) want(t *testing.T, when string, id int64, used time.Time) {
	t.Helper()
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.last[id].Equal(used.Truncate(time.Second)) {
		t.Errorf("%s: last used %v, want %v", when, k.last[id], used)
	}
}

func TestLastUseIsFlushed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &kept{last: map[int64]time.Time{}}
		w := newWorld(t, func(c *gate.Config) {
			c.Now = time.Now
			c.Flush = store.flush
		})
		stop := running(t, w)
		k, s := w.key()
		id := k.Secrets[0].ID
		p := w.mustVerify(t, k, s)
		used := time.Now()
		time.Sleep(6 * time.Second)
		synctest.Wait()
		store.want(t, "after Verify", id, used)

		store.fail(nil)
		time.Sleep(time.Minute)
		if n := store.fail(nil); n != 0 {
			t.Errorf("%d flushes without a use", n)
		}

		// A refused check is no use, a Recheck is one; what fails is tried again.
		w.Verify(home, k.APIKey.String(), "x") //nolint:errcheck // a guess
		time.Sleep(6 * time.Second)
		store.want(t, "after a guess", id, used)
		store.fail(errors.New("disk full"))
		used = time.Now()
		if err := w.Recheck(home, p, access.MaySend); err != nil {
			t.Fatal(err)
		}
		time.Sleep(21 * time.Second)
		if n := store.fail(nil); n < 4 {
			t.Errorf("%d tries while the disk was full", n)
		}
		time.Sleep(6 * time.Second)
		synctest.Wait()
		store.want(t, "after failures", id, used)

		// The uses of a secret that is gone are written too; and those at the end.
		time.Sleep(time.Second)
		used = time.Now()
		w.mustVerify(t, k, s)
		w.Remove(k.APIKey)
		if err := stop(); err != nil {
			t.Error(err)
		}
		store.want(t, "at the end", id, used)
	})
}

func TestRunReportsALostLastFlush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fail := errors.New("disk full")
		w := newWorld(t, func(c *gate.Config) {
			c.Flush = func(context.Context, []gate.Use) error { return fail }
		})
		stop := running(t, w)
		k, s := w.key()
		w.mustVerify(t, k, s)
		if err := stop(); !errors.Is(err, fail) {
			t.Errorf("got %v", err)
		}
	})
}

func TestFlushComesInParts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sizes []int
		w := newWorld(t, func(c *gate.Config) {
			c.Flush = func(_ context.Context, uses []gate.Use) error {
				sizes = append(sizes, len(uses))
				return nil
			}
		})
		stop := running(t, w)
		for range 2500 {
			k, s := w.key()
			w.mustVerify(t, k, s)
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(sizes, []int{1000, 1000, 500}) {
			t.Errorf("got %v", sizes)
		}
	})
}
