// SPDX-License-Identifier: Apache-2.0

package budget_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"postern/internal/budget"
)

const mib = 1 << 20

func TestSizeFollowsTheMemoryLimit(t *testing.T) {
	for limit, want := range map[int64]int64{
		0: 256 * mib, -1: 256 * mib, 64 << 30: 256 * mib, 768 * mib: 256 * mib, 300 * mib: 100 * mib, 30 * mib: 16 * mib,
	} {
		if got := budget.Size(limit); got != want {
			t.Errorf("Size(%d) is %d, want %d", limit, got, want)
		}
	}
}

// fill makes a share of a key hold n bytes, and fails where it can't at once.
func fill(t *testing.T, b *budget.Budget, key, n int64) *budget.Share {
	t.Helper()
	s := b.Share(key)
	if err := s.Grow(gone(), n); err != nil {
		t.Fatalf("%d bytes for key %d: %v; %+v", n, key, err, b.Stats())
	}
	return &s
}

// gone is a context that has ended: Grow takes what there is, and doesn't wait.
func gone() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

func refused(t *testing.T, b *budget.Budget, key, n int64) {
	t.Helper()
	s := b.Share(key)
	if err := s.Grow(gone(), n); !errors.Is(err, context.Canceled) {
		t.Fatalf("%d bytes for key %d: %v, want none; %+v", n, key, err, b.Stats())
	}
	s.Release()
}

func TestOneKeyHasHalf(t *testing.T) {
	b := budget.New(256*mib, 0)
	fill(t, b, 1, 60*mib)
	fill(t, b, 1, 36*mib) // three quarters of its half
	refused(t, b, 1, mib)
	fill(t, b, 2, 90*mib)
	for range 32 * mib / budget.Small { // the last quarter is for small ones
		fill(t, b, 1, budget.Small)
	}
	refused(t, b, 1, budget.Small)
	fill(t, b, 2, budget.Small)
}

func TestSmallBodiesPassBesideLargeOnes(t *testing.T) {
	b := budget.New(256*mib, 0)
	for key := range int64(6) {
		fill(t, b, key, 32*mib)
	}
	refused(t, b, 7, mib)
	fill(t, b, 7, 4<<10)
	fill(t, b, 1, budget.Small)
}

func TestTheOldestLargeBodyCanAlwaysEnd(t *testing.T) {
	b := budget.New(256*mib, 0)
	first := fill(t, b, 1, 16*mib)
	second := fill(t, b, 2, 16*mib)
	for key := range int64(10) {
		fill(t, b, 10+key, 16*mib)
	}
	if err := second.Grow(gone(), 25*mib); err == nil {
		t.Fatal("the second had the last quarter")
	}
	if err := first.Grow(gone(), 25*mib); err != nil {
		t.Fatal(err)
	}
	first.Release()
	if err := second.Grow(gone(), 25*mib); err != nil { // now it is the oldest
		t.Fatal(err)
	}
}

func TestAShareKeepsWhatItHeldAndIsReleasedOnce(t *testing.T) {
	b := budget.New(256*mib, 0)
	big := fill(t, b, 1, 96*mib)
	s := fill(t, b, 1, budget.Small)
	if err := s.Grow(gone(), mib); err == nil || s.Held() != budget.Small {
		t.Fatalf("%v, and it holds %d", err, s.Held())
	}
	s.Release()
	s.Release()
	big.Shrink(mib)
	if got := b.Stats(); got.Used != mib || got.Large != 1 || got.Waiting != 0 {
		t.Fatalf("%+v", got)
	}
	big.Release()
	if got := b.Stats(); got.Used != 0 || got.Large != 0 {
		t.Fatalf("%+v", got)
	}
	var none budget.Share
	none.Release()
}

func TestMoreThanAKeyMayHaveIsCountedAsThat(t *testing.T) {
	b := budget.New(32*mib, 0)
	s := fill(t, b, 1, 25*mib)
	if err := s.Grow(gone(), 100*mib); err != nil || s.Held() != 32*mib {
		t.Fatalf("%v; it holds %d", err, s.Held())
	}
}

func TestWaiting(t *testing.T) {
	for name, x := range map[string]struct {
		holder int64 // the key that holds three quarters of what the one who waits may have
		bytes  int64
		want   time.Duration
	}{
		"for all":         {holder: 2, bytes: 192 * mib, want: 20 * time.Second},
		"for its own key": {holder: 1, bytes: 96 * mib, want: time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := budget.New(256*mib, 0)
				var held []*budget.Share
				for i := range x.bytes / (32 * mib) {
					key := x.holder
					if x.holder != 1 {
						key += i
					}
					held = append(held, fill(t, b, key, 32*mib))
				}
				begin := time.Now()
				s := b.Share(1)
				if err := s.Grow(context.Background(), mib); !errors.Is(err, budget.ErrBusy) || time.Since(begin) != x.want {
					t.Fatalf("%v after %s, want ErrBusy after %s", err, time.Since(begin), x.want)
				}
				time.AfterFunc(time.Second, held[3%len(held)].Release)
				if err := s.Grow(context.Background(), mib); err != nil {
					t.Fatal(err)
				}
				if got := b.Stats(); got.Waited != 2 || got.Refused != 1 || got.Waiting != 0 {
					t.Fatalf("%+v", got)
				}
			})
		})
	}
}

func TestTheKeyThatHoldsLeastIsServedFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := budget.New(256*mib, 0)
		fill(t, b, 9, 64*mib)
		fill(t, b, 1, 64*mib)
		last := fill(t, b, 8, 64*mib)
		served := make(chan int64, 8)
		for _, key := range []int64{1, 1, 1, 2} { // 2 comes last
			go func() {
				s := b.Share(key)
				if err := s.Grow(context.Background(), 10*mib); err != nil {
					t.Error(err)
				}
				served <- key
			}()
			synctest.Wait()
		}
		last.Shrink(50 * mib)
		if key := <-served; key != 2 {
			t.Fatalf("key %d was served first", key)
		}
		last.Release()
		for range 3 {
			<-served
		}
	})
}

// Bodies that are read step by step, each holding a part and waiting for more, all come to an end, and nothing is left.
func TestHalfReadBodiesAllComeToAnEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := budget.New(128*mib, 0)
		var all sync.WaitGroup
		for i := range 60 {
			all.Go(func() {
				r := rand.New(rand.NewPCG(1, uint64(i)))
				for try := 0; ; try++ {
					if try == 100 {
						t.Errorf("body %d never ended", i)
						return
					}
					s := b.Share(int64(i % 7))
					var err error
					for n := int64(4 << 10); n < 25*mib && err == nil; n *= 2 {
						time.Sleep(time.Duration(r.IntN(50)) * time.Millisecond)
						err = s.Grow(context.Background(), min(n, 25*mib))
					}
					if used := b.Stats().Used; used > 128*mib {
						t.Errorf("%d bytes are held", used)
					}
					s.Release()
					if err == nil {
						return
					}
				}
			})
		}
		all.Wait()
		if got := b.Stats(); got.Used != 0 || got.Large != 0 || got.Waiting != 0 {
			t.Fatalf("%+v", got)
		}
	})
}

func TestASmallBodyAllocatesNothing(t *testing.T) {
	b := budget.New(256*mib, 0)
	s := b.Share(1000)
	ctx := context.Background()
	if n := testing.AllocsPerRun(100, func() {
		s.Grow(ctx, 4<<10) //nolint:errcheck,gosec // there is room
		s.Release()
	}); n != 0 {
		t.Fatalf("%v allocations", n)
	}
}

func BenchmarkSmall(b *testing.B) {
	x := budget.New(256*mib, 0)
	b.RunParallel(func(p *testing.PB) {
		s := x.Share(1000)
		for p.Next() {
			s.Grow(b.Context(), 4<<10) //nolint:errcheck,gosec // there is room
			s.Release()
		}
	})
}
