// SPDX-License-Identifier: Apache-2.0

// Package dsn sends delivery status notifications (RFC 3461, RFC 3464): to a mail's return path, about recipients that it
// failed to reach, is delayed for, or has reached.
//
// What is to be sent is written by the store in the transaction of the event that causes it, and what was asked for is
// decided there. A notice is a mail of Postern's own account, with the null return path, so that there is never a notice
// about a notice; it goes through the queue, signed, like all mail. It ends what it stands for in the transaction of its
// own acceptance: a crash neither loses nor doubles it.
//
// A return path gets at most [MaxDefault] notices an hour that nobody asked for, and [MaxAsked] that its mail asked for by
// NOTIFY. Of the first kind the rest is dropped, of the second it waits.
package dsn

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"postern/internal/gate"
	"postern/internal/keys"
	"postern/internal/mail"
	"postern/internal/store"
	"postern/internal/submit"
)

// Limits of what one return path gets in an hour.
const (
	MaxDefault = 50
	MaxAsked   = 500
)

const (
	look       = 2 * time.Second // how often due notices are looked for
	tryAgain   = time.Minute     // after a failure of ours
	atOnce     = 500             // recipients that are read at a time
	maxPerMail = 100             // recipients that one notice is about at most
	maxPaths   = 100_000         // return paths that are counted at a time
)

// Config of a DSN.
type Config struct {
	Store    *store.Store
	Keys     *keys.Keys
	Submit   *submit.Submit
	From     mail.Address // of Postern's own mail
	Hostname string       // the reporting MTA
	Default  bool         // whether failures of mail by SMTP are reported where nothing was asked for
	Log      *slog.Logger
	Now      func() time.Time // nil: time.Now
}

// DSN sends notices. Make it with New.
type DSN struct {
	Config
	key  store.Key // the system account's; read by Run alone
	hour time.Time // that paths are counted in
	sent map[path]int

	stats counters
}

// path is who gets notices, and why.
type path struct {
	keyID   int64
	address string // canonical
	asked   bool
}

type counters struct {
	sent                    [store.NoticeDelivered + 1]atomic.Int64 // notices by kind
	dropped, waited, failed atomic.Int64
}

// New makes the sender of notices.
func New(c Config) *DSN {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &DSN{Config: c, sent: map[path]int{}}
}

// Stats are counts since the start.
type Stats struct {
	Sent    map[store.NoticeKind]int64 // notices that were accepted as mail
	Dropped int64                      // recipients that no notice is sent about: their return path has reached its limit, or it cannot be
	Waited  int64                      // recipients whose notice was put off to another hour
	Failed  int64                      // attempts at a notice that failed
}

// Stats reads the counts.
func (d *DSN) Stats() Stats {
	s := Stats{
		Sent:    map[store.NoticeKind]int64{},
		Dropped: d.stats.dropped.Load(), Waited: d.stats.waited.Load(), Failed: d.stats.failed.Load(),
	}
	for k := store.NoticeFailed; k <= store.NoticeDelivered; k++ {
		s.Sent[k] = d.stats.sent[k].Load()
	}
	return s
}

// Run sends notices until ctx ends.
func (d *DSN) Run(ctx context.Context) error {
	tick := time.NewTicker(look)
	defer tick.Stop()
	for {
		if err := d.Round(ctx); err != nil && ctx.Err() == nil {
			d.stats.failed.Add(1)
			d.Log.ErrorContext(ctx, "delivery status notifications could not be read or put off; trying again", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Round sends all notices that are due. Its error is the store's, with which nothing else goes either.
func (d *DSN) Round(ctx context.Context) error {
	for {
		due, err := d.Store.DueNoticesOfMail(ctx, d.Now(), atOnce)
		if err != nil || len(due) == 0 {
			return err
		}
		for rest := due; len(rest) > 0; {
			n := together(rest)
			if err := d.handle(ctx, rest[:n]); err != nil {
				return err
			}
			rest = rest[n:]
		}
	}
}

// together is how many of the first notices one mail is about: of one mail, of one kind, and asked for alike.
func together(list []store.DueNotice) int {
	first := &list[0]
	list = list[:min(len(list), maxPerMail)]
	for n := range list {
		if x := &list[n]; x.SubmissionID != first.SubmissionID || x.Kind != first.Kind || x.Asked != first.Asked {
			return n
		}
	}
	return len(list)
}

// handle sends, drops or puts off notices that go together. Whatever it does, they are not due any more.
func (d *DSN) handle(ctx context.Context, list []store.DueNotice) error {
	first := &list[0]
	log := d.Log.With("message", first.MessageID, "recipients", len(list), "kind", first.Kind.String(), "to", first.MailFrom)
	if !first.Asked && !d.Default {
		return d.drop(ctx, list)
	}
	p := path{first.KeyID, mail.Canonical(first.MailFrom), first.Asked}
	switch room, began := d.room(p); {
	case !room && first.Asked:
		d.stats.waited.Add(int64(len(list)))
		return d.putOff(ctx, list, d.hour.Add(time.Hour))
	case !room:
		if began {
			log.WarnContext(ctx, "the return path has reached its limit of failure notices for this hour; the others are dropped",
				"notices", MaxDefault)
		}
		return d.drop(ctx, list)
	}
	err := d.send(ctx, list)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var refused *submit.Error
	switch {
	case err == nil:
		d.sent[p]++
		d.stats.sent[first.Kind].Add(1)
		log.InfoContext(ctx, "sent a delivery status notification")
		return nil
	case errors.As(err, &refused) && !refused.Code.Temporary() || d.Now().Sub(first.Event.At) > submit.Lifetime:
		d.stats.failed.Add(1)
		log.ErrorContext(ctx, "a delivery status notification is not sent", "error", err)
		return d.drop(ctx, list)
	}
	d.stats.failed.Add(1)
	log.WarnContext(ctx, "a delivery status notification was not sent; trying again later", "error", err)
	return d.putOff(ctx, list, d.Now().Add(tryAgain))
}

// room says whether a return path may have another notice in this hour, and where not, whether that is the first time.
func (d *DSN) room(p path) (room, first bool) {
	if hour := d.Now().Truncate(time.Hour); !hour.Equal(d.hour) || len(d.sent) >= maxPaths {
		d.hour = hour
		clear(d.sent)
	}
	limit := MaxDefault
	if p.asked {
		limit = MaxAsked
	}
	if d.sent[p] < limit {
		return true, false
	}
	d.sent[p]++
	return false, d.sent[p] == limit+1
}

func names(list []store.DueNotice) []store.SenderNotice {
	out := make([]store.SenderNotice, len(list))
	for i := range list {
		out[i] = list[i].SenderNotice
	}
	return out
}

func (d *DSN) drop(ctx context.Context, list []store.DueNotice) error {
	d.stats.dropped.Add(int64(len(list)))
	return d.Store.Update(ctx, func(tx *store.Tx) error { return tx.DropNotices(ctx, names(list)) })
}

func (d *DSN) putOff(ctx context.Context, list []store.DueNotice, due time.Time) error {
	return d.Store.Update(ctx, func(tx *store.Tx) error { return tx.PutOffNotices(ctx, names(list), due) })
}

// send has the mail of notices accepted, by the system account.
func (d *DSN) send(ctx context.Context, list []store.DueNotice) error {
	about, err := d.Store.NoticeSource(ctx, list[0].SubmissionID)
	if err != nil {
		return fmt.Errorf("the mail that the notice is about: %w", err)
	}
	if d.key.ID == 0 {
		if d.key, err = d.Keys.System(ctx, d.From.Email); err != nil {
			return fmt.Errorf("the account that notices are sent by: %w", err)
		}
	}
	m, err := d.message(list, &about)
	if err != nil {
		return err
	}
	to := list[0].MailFrom
	env := submit.Envelope{Recipients: []submit.Recipient{{Email: to, Kind: store.To}}} // from the null sender (RFC 3461 §6.1)
	_, err = d.Submit.Accept(ctx, gate.Principal{KeyID: d.key.ID, AccountID: d.key.AccountID, APIKey: d.key.APIKey, Master: true}, env, m)
	return err
}

// message makes the mail of notices.
func (d *DSN) message(list []store.DueNotice, about *store.NoticeSource) (submit.Message, error) {
	r := d.report(list, about)
	raw, err := mail.ComposeReport(r)
	if err != nil {
		return submit.Message{}, fmt.Errorf("compose: %w", err)
	}
	fit, utf8, err := mail.Fit(raw)
	if err != nil && !r.Headers { // what was accepted before mail had to be fit
		r.Headers = true
		if raw, err = mail.ComposeReport(r); err == nil {
			fit, utf8, err = mail.Fit(raw)
		}
	}
	if err != nil {
		return submit.Message{}, fmt.Errorf("compose: %w", err)
	}
	const off = 1 // no tracking
	return submit.Message{
		Raw: fit, From: r.From, Subject: r.Subject, MessageID: r.MessageID, HasText: true, UTF8: utf8 || mail.NeedsUTF8(r.To),
		CustomID: "dsn", Priority: 2, TrackOpens: off, TrackClicks: off, Source: "postern", Client: "delivery status notification",
		Notices: names(list),
	}, nil
}

func (d *DSN) messageID() string { return rand.Text() + "@" + mail.Domain(d.From.Email) }
