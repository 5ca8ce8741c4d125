// SPDX-License-Identifier: Apache-2.0

package change

import (
	"context"
	"errors"
	"time"

	"postern/internal/store"
)

// Update runs fn in a write transaction. A row that is missing is an Error of the kind NotFound about what.
func Update(ctx context.Context, s *store.Store, what string, fn func(tx *store.Tx) error) error {
	err := s.Update(ctx, fn)
	if errors.Is(err, store.ErrNotFound) {
		return Missing(what)
	}
	return err
}

// Add is Update for a change that only adds: on a full disk it is refused, so that there is room for what ends something.
func Add(ctx context.Context, s *store.Store, what string, fn func(tx *store.Tx) error) error {
	return Update(ctx, s, what, func(tx *store.Tx) error {
		if err := tx.NeedRoom(); err != nil {
			return err
		}
		return fn(tx)
	})
}

// longest bounds a change that is carried to its end.
const longest = time.Minute

// Whole lets a change be carried to its end when its caller hangs up: a commit that the gate does not learn of would leave
// a dead secret alive.
func Whole(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), longest)
}
