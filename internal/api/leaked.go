// SPDX-License-Identifier: Apache-2.0

package api

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"postern/internal/change"
	"postern/internal/connlimit"
)

// Bounds of the reports of leaked secrets: anybody may make them.
const (
	leakTime      = 300 * time.Millisecond
	leaksOnce     = 100     // at a time
	leaksOfSource = 4       // of these, from an IPv4 address or an IPv6 /64: a flood leaves places for others
	maxLeak       = 4 << 10 // bytes of a report
)

// accepted is the one answer to a report.
type accepted struct{ Accepted bool }

// leakedSecret ends a secret that was found where it should not be. Having it is the proof: no credentials are asked
// for. The answer, and the time until it comes, are the same whether or not the secret was live, or ever was one.
func (a *api) leakedSecret(c *call) (reply, error) {
	arrived := time.Now()
	body, err := c.object(maxLeak)
	if err != nil {
		return reply{}, err
	}
	secret, property, err := body.firstText("SecretKey", "Secret")
	if err != nil {
		return reply{}, err
	}
	if secret = strings.TrimSpace(secret); secret == "" {
		return reply{}, badRequest("Property " + property + ": the secret key that has leaked is needed.")
	}
	release, by := a.leaks.Take(c.addr)
	if by != connlimit.None {
		return reply{}, &fault{status: http.StatusTooManyRequests, message: "Too many reports at a time: try again in a second.", retryAfter: time.Second}
	}
	defer release()
	finder := change.Actor{Kind: change.Stranger, Name: "whoever found the secret key"}
	if c.addr.IsValid() {
		finder.Origin = c.addr.String()
	}
	// A report holds though its client hangs up.
	_, err = a.Keys.Leaked(context.WithoutCancel(c.Context()), finder, secret)
	a.waitFrom(c.Context(), arrived)
	var e *change.Error
	if err != nil && !errors.As(err, &e) { // of a key that is deleted meanwhile the secret is dead
		return reply{}, err
	}
	return one(accepted{true}), nil
}

// waitFrom waits until a whole number of LeakTime has passed since a request arrived, so that what was done meanwhile
// does not show.
func (a *api) waitFrom(ctx context.Context, arrived time.Time) {
	taken := time.Since(arrived)
	wait := a.LeakTime - taken%a.LeakTime
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
