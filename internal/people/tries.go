// SPDX-License-Identifier: Apache-2.0

package people

import (
	"context"
	"sync"
	"time"

	"postern/internal/change"
	"postern/internal/notice"
	"postern/internal/store"
)

// Wrong codes of an authenticator app that a user may give within an hour, from wherever. Who gives them has the
// password or a session already, so a stranger cannot shut anybody out; with three right codes of a million at a time,
// twenty tries an hour succeed once in two years.
const (
	maxWrongCodes = 20
	wrongCodesFor = time.Hour
)

// wrongCodes counts wrong codes by user, in memory: an attacker cannot restart the server.
type wrongCodes struct {
	mu   sync.Mutex
	wins map[int64]*codeWindow
}

type codeWindow struct {
	begun time.Time
	wrong int
}

// refuses says whether a user has given too many wrong codes.
func (c *wrongCodes) refuses(userID int64, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	w, ok := c.wins[userID]
	return ok && now.Sub(w.begun) < wrongCodesFor && w.wrong >= maxWrongCodes
}

// add counts a wrong code, and says whether it was the last that is taken.
func (c *wrongCodes) add(userID int64, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.wins == nil {
		c.wins = map[int64]*codeWindow{}
	}
	for id, w := range c.wins {
		if now.Sub(w.begun) >= wrongCodesFor {
			delete(c.wins, id)
		}
	}
	w, ok := c.wins[userID]
	if !ok {
		w = &codeWindow{begun: now}
		c.wins[userID] = w
	}
	w.wrong++
	return w.wrong == maxWrongCodes
}

// errTooManyCodes refuses codes for a while, whether they are right or wrong.
func errTooManyCodes() error {
	return &change.Error{Kind: change.Invalid, Field: "Code", Reason: "too many wrong codes were given: codes of the app are " +
		"refused for an hour; use a passkey or a recovery code"}
}

// wrong counts a wrong code of a user, and tells him when no more are taken: somebody has his password.
func (k *People) wrong(ctx context.Context, user store.User) error {
	if !k.codes.add(user.ID, k.now()) {
		return wrongCode()
	}
	n := notice.Notice{Kind: notice.SignInChanged, To: []string{user.Email}, What: "codes of the authenticator app are refused for " +
		"an hour, since 20 wrong ones were given; whoever gave them knows the password or sits at an open browser"}
	if err := k.store.Update(ctx, func(tx *store.Tx) error { return k.notices.Add(ctx, tx, user.AccountID, n) }); err != nil {
		return err
	}
	return wrongCode()
}
