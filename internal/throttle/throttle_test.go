// SPDX-License-Identifier: Apache-2.0

package throttle_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"postern/internal/throttle"
)

func at(address string) netip.Addr { return netip.MustParseAddr(address) }

var begin = time.Date(2026, 12, 1, 7, 0, 0, 0, time.UTC)

// Who has a network of addresses has one bucket for all of them, so that failing from each in turn gains nothing; another
// network is not held up, nor is a neighbour from whom somebody was let in.
func TestANetworkHasABucketOfItsOwn(t *testing.T) {
	for name, x := range map[string]struct {
		from      func(i int) string
		neighbour string
		elsewhere string
	}{
		"the /64s of a /48":      {func(i int) string { return fmt.Sprintf("2001:db8:1:%x::1", i) }, "2001:db8:1:ffff::1", "2001:db8:2::1"},
		"the addresses of a /16": {func(i int) string { return fmt.Sprintf("198.51.%d.%d", i/256, i%256) }, "198.51.255.255", "198.52.0.1"},
		"the same through NAT64": {func(i int) string { return fmt.Sprintf("64:ff9b::c633:%x", i) }, "198.51.255.255", "198.52.0.1"},
	} {
		t.Run(name, func(t *testing.T) {
			c := throttle.Config{Source: throttle.Rate{Burst: 10, Refill: 30 * time.Second}, Network: throttle.Rate{Burst: 100, Refill: 3 * time.Second}, NetworkIPv4: true}
			byTake, byFail := throttle.New(c), throttle.New(c)
			known := byTake.Of(at(x.neighbour))
			byTake.Remember(known, begin)
			taken, failed := 0, 0
			for i := range 1000 {
				if byTake.Take(byTake.Of(at(x.from(i))), begin) == 0 {
					taken++
				}
				if s := byFail.Of(at(x.from(i))); byFail.Wait(s, begin) == 0 {
					byFail.Fail(s, begin)
					failed++
				}
			}
			if taken != 100 || failed != 100 {
				t.Errorf("%d and %d of 1000 were let try, want 100", taken, failed)
			}
			if wait := byTake.Take(byTake.Of(at(x.from(2000))), begin); wait != 3*time.Second {
				t.Errorf("the next waits %v", wait)
			}
			if byTake.Take(byTake.Of(at(x.elsewhere)), begin) != 0 || byFail.Wait(byFail.Of(at(x.elsewhere)), begin) != 0 {
				t.Error("another network is held up")
			}
			if byTake.Take(known, begin) != 0 || byTake.Wait(known, begin) != 0 {
				t.Error("a neighbour who was let in is held up")
			}
			if wait := byTake.Take(byTake.Of(at(x.from(3000))), begin.Add(time.Minute)); wait != 0 {
				t.Errorf("a minute later it waits %v", wait)
			}
		})
	}
}

func TestWhatIsRightIsGivenBack(t *testing.T) {
	th := throttle.New(throttle.Config{Source: throttle.Rate{Burst: 10, Refill: 30 * time.Second}, Network: throttle.Rate{Burst: 20, Refill: time.Second}})
	for i := range 500 {
		s := th.Of(at(fmt.Sprintf("2001:db8::%x:0:0:1", i%3)))
		if wait := th.Take(s, begin); wait != 0 {
			t.Fatalf("attempt %d waits %v", i, wait)
		}
		th.GiveBack(s)
	}
}

// Strangers who wait are few and others are told at once; who is known goes first.
func TestStrangersWaitBehindThoseWhoAreKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := throttle.NewQueue(2, 8, 4)
		order := make(chan string, 100)
		slow := func(who string, known bool) error {
			leave, err := q.Enter(t.Context(), known)
			if err != nil {
				return err
			}
			defer leave()
			time.Sleep(time.Second)
			order <- who
			return nil
		}
		full := 0
		results := make(chan error, 200)
		for range 120 {
			go func() { results <- slow("stranger", false) }()
		}
		synctest.Wait()
		start := time.Now()
		if err := slow("known", true); err != nil || time.Since(start) > 2*time.Second {
			t.Errorf("who is known: %v after %v", err, time.Since(start))
		}
		for range 120 {
			if errors.Is(<-results, throttle.ErrFull) {
				full++
			}
		}
		if full != 110 {
			t.Errorf("%d of 120 strangers were told that it is full, want 110", full)
		}
		if time.Since(start) > 6*time.Second {
			t.Errorf("the last stranger waited for %v", time.Since(start))
		}
	})
}

// Who gives up leaves no place taken, also when the turn comes in the same moment.
func TestWhoGivesUpLeavesThePlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := throttle.NewQueue(1, 4, 4)
		leave, err := q.Enter(t.Context(), false)
		if err != nil {
			t.Fatal(err)
		}
		for range 4 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			go func() {
				if _, err := q.Enter(ctx, false); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("it gave up with %v", err)
				}
			}()
		}
		time.Sleep(2 * time.Second)
		leave()
		for range 3 {
			ctx, cancel := context.WithCancel(t.Context())
			leave, err := q.Enter(ctx, false)
			if err != nil {
				t.Fatal(err)
			}
			go cancel()
			go leave()
			synctest.Wait()
		}
		if leave, err = q.Enter(t.Context(), true); err != nil {
			t.Fatal(err)
		}
		leave()
	})
}
