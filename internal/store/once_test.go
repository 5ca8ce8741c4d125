// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"postern/internal/store"
	"postern/internal/store/storetest"
)

// onceBatch makes a batch of two submissions under an idempotency key, answered with the ID of the first message.
func onceBatch(k store.Key, key, body string) *store.Batch {
	b := &store.Batch{}
	for range 2 {
		b.Submissions = append(b.Submissions, &store.Submission{
			AccountID: k.AccountID, KeyID: k.ID, MailFrom: "a@example.com", HeaderFrom: "a@example.com", Body: store.NewBody([]byte("x")), Lifetime: time.Hour,
			Recipients: []store.Recipient{{Email: "b@example.net", Domain: "example.net"}},
		})
	}
	b.Once = &store.Once{KeyID: k.ID, Key: key, Hash: sha256.Sum256([]byte(body)), Answer: func() []byte {
		return strconv.AppendInt(nil, b.Submissions[0].Recipients[0].ID, 10)
	}}
	return b
}

func TestAnswerIsKeptWithItsMails(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		k, other := newKey(t, s, "one"), newKey(t, s, "other")
		now := time.Now()
		hash := sha256.Sum256([]byte("one"))
		b := onceBatch(k, "order 7", "one")
		if err := s.AcceptBatch(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		got, err := s.Answered(t.Context(), store.OfKey(k.AccountID, k.ID), "order 7", hash, now)
		if err != nil || !got.Same || string(got.Answer) != fmt.Sprint(b.Submissions[0].Recipients[0].ID) {
			t.Fatalf("%+v %v", got, err)
		}
		if got, err := s.Answered(t.Context(), store.OfKey(k.AccountID, k.ID), "order 7", sha256.Sum256([]byte("two")), now); err != nil || got.Same {
			t.Errorf("another body: %+v %v", got, err)
		}
		for name, scope := range map[string]store.Scope{"another key": store.OfKey(other.AccountID, other.ID), "nobody": {}} {
			if _, err := s.Answered(t.Context(), scope, "order 7", hash, now); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("%s sees the answer: %v", name, err)
			}
		}
		// A second call keeps nothing, also beside others in its group.
		before := countAll(t, s)
		var wg sync.WaitGroup
		errs := make([]error, 8)
		for i := range errs {
			key := "order 7"
			if i%2 == 1 {
				key = fmt.Sprint("order ", 10+i)
			}
			wg.Go(func() { errs[i] = s.AcceptBatch(t.Context(), onceBatch(k, key, "one")) })
		}
		wg.Wait()
		for i, err := range errs {
			if i%2 == 0 && !errors.Is(err, store.ErrExists) || i%2 == 1 && err != nil {
				t.Errorf("call %d: %v", i, err)
			}
		}
		if n := countAll(t, s) - before; n != 8 {
			t.Errorf("%d messages were kept, want 8", n)
		}
		// The same key of another API key is another.
		if err := s.AcceptBatch(t.Context(), onceBatch(other, "order 7", "two")); err != nil {
			t.Error(err)
		}
		// After its time an answer is none, and goes.
		late := now.Add(store.OnceLifetime + time.Minute)
		if _, err := s.Answered(t.Context(), store.OfKey(k.AccountID, k.ID), "order 7", hash, late); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("after a day: %v", err)
		}
		if n, err := s.ForgetAnswers(t.Context(), now, 10); n != 0 || err != nil {
			t.Errorf("%d live answers were deleted, %v", n, err)
		}
		for _, want := range []int{4, 2, 0} {
			if n, err := s.ForgetAnswers(t.Context(), late, 4); n != want || err != nil {
				t.Errorf("%d answers were deleted, want %d; %v", n, want, err)
			}
		}
	})
}

func countAll(t *testing.T, s *store.Store) int {
	t.Helper()
	n, err := s.CountMessages(t.Context(), store.OfOperator(), store.MessageFilter{})
	if err != nil {
		t.Fatal(err)
	}
	return n
}
