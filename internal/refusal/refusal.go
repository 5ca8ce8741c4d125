// SPDX-License-Identifier: Apache-2.0

// Package refusal records that somebody was refused: a program by the gate, a failed sign-in of a person, a request that its
// person may not make, a post of another site. Each leaves a line in the log, in one form whatever it came by, and is counted
// by its reason, the gate's by the gate; what happened to a known account stands in its audit log.
//
// Who is refused must not be able to fill a disk. Of one source and reason there are ten lines a minute, and then one with
// their number; and one audit entry a minute, with their number. Of one account there are ten such entries a minute, and one
// for all other sources. Nothing here holds up who is refused, or takes longer where an account is known: [Recorder.Run]
// writes the entries.
package refusal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"postern/internal/audit"
	"postern/internal/change"
	"postern/internal/gate"
	"postern/internal/origin"
	"postern/internal/store"
)

// Reason is why somebody was refused: one code for it in logs and metrics. Beside those below there are the codes of
// [gate.RefusalKind].
type Reason string

// Why people are not signed in, or not believed to be there.
const (
	Password   Reason = "password"   // wrong, or nobody has the address
	Code       Reason = "code"       // of the authenticator app, or for recovery
	Passkey    Reason = "passkey"    // that is not theirs, or whose answer is wrong
	Provider   Reason = "provider"   // what the OpenID provider says, or whom it names
	Expired    Reason = "expired"    // a sign-in that took too long before its second step, or was tried too often
	Link       Reason = "link"       // of the operator, or to set a new password: used, ended, or never made
	Invitation Reason = "invitation" // used, withdrawn, ended, never made, or somebody else's
	Throttled  Reason = "throttled"  // too many attempts from the source
	Busy       Reason = "busy"       // too many passwords are being checked
)

// Why requests are refused.
const (
	Role      Reason = "role"       // of a person that does not allow it
	CrossSite Reason = "cross_site" // a page of another site made a browser send it
	ClearText Reason = "clear_text" // over a connection that can be read on the way
)

// SignIns are the reasons why people are not signed in.
func SignIns() []Reason {
	return []Reason{Password, Code, Passkey, Provider, Expired, Link, Invitation, Throttled, Busy}
}

// Requests are the reasons why requests are refused.
func Requests() []Reason { return []Reason{Role, CrossSite, ClearText} }

// words are what the audit log says.
func (r Reason) words() string {
	switch r {
	case Password:
		return "wrong password"
	case Code:
		return "wrong code"
	case Passkey:
		return "wrong passkey"
	case Provider:
		return "refused after the OpenID provider"
	case Expired:
		return "second step too late, or tried too often"
	case Link:
		return "a link that does not work"
	case Invitation:
		return "an invitation that is not theirs"
	case Throttled:
		return "too many attempts"
	case Busy:
		return "too many at a time"
	case Role:
		return "not part of their role"
	case CrossSite:
		return "sent by a page of another site"
	case ClearText:
		return "over a connection in clear text"
	}
	return string(r)
}

// Refusal is what happened. It never has a password, a code or a token in it.
type Refusal struct {
	Reason Reason
	From   netip.Addr
	Route  string     // what was asked for, without what stands in its place: "POST /reset/{token}"
	User   store.User // whom it was about, where somebody is known
	// SignedIn says that it was the user, and not a stranger.
	SignedIn  bool
	AccountID int64  // in whose audit log it stands; 0: the user's own
	UserName  string // that a program gave, as it may be shown

	byGate bool   // which has counted it
	detail string // of the gate, for who wonders why
}

// Bounds of what is written, in a window.
const (
	window      = time.Minute
	linesOfOne  = 10   // of one source and reason
	ofAccount   = 10   // sources and reasons of one account that have entries of their own
	maxWindows  = 1000 // that are remembered; past it sources are one
	maxPending  = 1000 // entries that wait to be written
	flushEvery  = 5 * time.Second
	flushAtOnce = 100 // entries in one transaction
)

// Recorder records refusals. Make it with New, and run it beside.
type Recorder struct {
	store *store.Store
	now   func() time.Time
	log   *slog.Logger
	wake  chan struct{}

	mu       sync.Mutex
	counts   map[Reason]int64
	windows  map[subject]*seen
	accounts map[int64]int // windows of accounts
	pending  []audit.Entry
	dropped  int64
}

// subject is what is summed up.
type subject struct {
	reason    Reason
	byGate    bool
	source    netip.Prefix // the zero one: others
	accountID int64
	userID    int64
}

// seen is what happened to a subject in a window.
type seen struct {
	begun          time.Time
	last           Refusal
	lines, entries int // that are not written yet
	written        int // lines
}

// New makes a Recorder.
func New(s *store.Store, now func() time.Time, log *slog.Logger) *Recorder {
	return &Recorder{
		store: s, now: now, log: log, wake: make(chan struct{}, 1),
		counts: map[Reason]int64{}, windows: map[subject]*seen{}, accounts: map[int64]int{},
	}
}

// NoteGate records that the gate refused a program, whatever it came by, and says whether err is that. The route is an
// operation of the API, or a command of SMTP; the user name is as it may be shown.
func (r *Recorder) NoteGate(ctx context.Context, err error, from netip.Addr, route, userName string) bool {
	no, ok := errors.AsType[*gate.Refusal](err)
	if ok {
		r.Note(ctx, Refusal{
			Reason: Reason(no.Kind.String()), From: from, Route: route, UserName: userName, byGate: true, detail: no.Detail,
		})
	}
	return ok
}

// Note records a refusal. It does not block.
func (r *Recorder) Note(ctx context.Context, x Refusal) {
	if x.AccountID == 0 {
		x.AccountID = x.User.AccountID
	}
	now := r.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	if !x.byGate {
		r.counts[x.Reason]++
	}
	s, first := r.find(x, now)
	s.last = x
	if s.written < linesOfOne {
		s.written++
		r.line(ctx, x, 1)
	} else {
		s.lines++
	}
	switch {
	case x.AccountID == 0:
	case first:
		r.entry(x, 1)
	default:
		s.entries++
	}
}

// find finds what a refusal is summed up with, and says whether that is new.
func (r *Recorder) find(x Refusal, now time.Time) (s *seen, first bool) {
	of := subject{x.Reason, x.byGate, origin.Of(x.From), x.AccountID, x.User.ID}
	if r.windows[of] == nil && (len(r.windows) >= maxWindows || of.accountID != 0 && r.accounts[of.accountID] >= ofAccount) {
		of = subject{reason: x.Reason, byGate: x.byGate, accountID: x.AccountID}
		if r.windows[of] == nil && len(r.windows) >= 2*maxWindows {
			of.accountID = 0
		}
	}
	if s = r.windows[of]; s != nil {
		return s, false
	}
	s = &seen{begun: now}
	r.windows[of] = s
	if of.accountID != 0 {
		r.accounts[of.accountID]++
	}
	return s, true
}

// line writes a line into the log.
func (r *Recorder) line(ctx context.Context, x Refusal, times int) {
	message := "request refused"
	for _, reason := range SignIns() {
		if x.Reason == reason {
			message = "sign-in refused"
		}
	}
	if x.byGate {
		message = "login refused"
	}
	args := []any{"source", x.From.String(), "reason", string(x.Reason), "route", x.Route}
	if x.User.ID != 0 {
		args = append(args, "user_id", x.User.ID)
	}
	if x.AccountID != 0 {
		args = append(args, "account_id", x.AccountID)
	}
	if x.UserName != "" {
		args = append(args, "user", x.UserName)
	}
	if x.detail != "" {
		args = append(args, "detail", x.detail)
	}
	if times > 1 {
		args = append(args, "times", times)
	}
	r.log.InfoContext(ctx, message, args...)
}

// entry puts an entry of the audit log where Run finds it.
func (r *Recorder) entry(x Refusal, times int) {
	if len(r.pending) >= maxPending { // the store takes nothing: the log has them
		r.dropped++
		return
	}
	by := change.Actor{Kind: change.Stranger, Name: "somebody not signed in"}
	if x.SignedIn {
		by = change.Actor{Kind: change.User, ID: x.User.ID, Name: x.User.Email}
	}
	if x.From.IsValid() {
		by.Origin = x.From.String()
	}
	detail := x.Reason.words() + " (" + x.Route + ")"
	if times > 1 {
		detail += fmt.Sprintf(", %d times within a minute", times)
	}
	target := "account"
	if x.User.ID != 0 {
		target = "user " + x.User.Email
	}
	r.pending = append(r.pending, by.Entry(x.AccountID, "user.refused", target, detail))
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// Run writes down entries of the audit log, and what was summed up, until ctx ends; and then what is left.
func (r *Recorder) Run(ctx context.Context) error {
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushEvery)
			defer cancel()
			r.sumUp(last, r.now().Add(window))
			r.flush(last)
			return nil
		case <-tick.C:
		case <-r.wake:
		}
		r.sumUp(ctx, r.now())
		r.flush(ctx)
	}
}

// sumUp ends the windows that are over, with what came in them.
func (r *Recorder) sumUp(ctx context.Context, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for of, s := range r.windows {
		if now.Sub(s.begun) < window {
			continue
		}
		if s.lines > 0 {
			r.line(ctx, s.last, s.lines)
		}
		if s.entries == 0 && s.lines == 0 {
			delete(r.windows, of)
			if of.accountID != 0 {
				r.accounts[of.accountID]--
				if r.accounts[of.accountID] == 0 {
					delete(r.accounts, of.accountID)
				}
			}
			continue
		}
		if s.entries > 0 {
			r.entry(s.last, s.entries)
		}
		*s = seen{begun: now, last: s.last, written: linesOfOne} // what goes on is summed up at once
	}
}

// flush writes the entries that wait. What cannot be written waits on.
func (r *Recorder) flush(ctx context.Context) {
	for {
		r.mu.Lock()
		batch := r.pending[:min(len(r.pending), flushAtOnce)]
		r.mu.Unlock()
		if len(batch) == 0 {
			return
		}
		err := r.store.Update(ctx, func(tx *store.Tx) error {
			for _, e := range batch {
				if err := tx.AddAudit(ctx, e); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			if ctx.Err() == nil {
				r.log.ErrorContext(ctx, "refusals were not written into the audit log; tried again", "entries", len(batch), "error", err)
			}
			return
		}
		r.mu.Lock()
		r.pending = r.pending[len(batch):]
		r.mu.Unlock()
	}
}

// Stats are counts since the start.
type Stats struct {
	ByReason map[Reason]int64
	Dropped  int64 // entries of the audit log that could not wait any more
}

// Stats reads the counts.
func (r *Recorder) Stats() Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := Stats{ByReason: map[Reason]int64{}, Dropped: r.dropped}
	for _, reason := range append(SignIns(), Requests()...) {
		out.ByReason[reason] = r.counts[reason]
	}
	return out
}
