// SPDX-License-Identifier: Apache-2.0

// Package backend puts together all that is below the entry points: the store, the engines on it, and the packages of
// questions and changes by subject.
package backend

import (
	"context"
	"log/slog"
	"time"

	"postern/internal/accounts"
	"postern/internal/auditlog"
	"postern/internal/credential"
	"postern/internal/domain"
	"postern/internal/gate"
	"postern/internal/keys"
	"postern/internal/messages"
	"postern/internal/notice"
	"postern/internal/people"
	"postern/internal/refusal"
	"postern/internal/report"
	"postern/internal/retention"
	"postern/internal/senders"
	"postern/internal/store"
	"postern/internal/submit"
	"postern/internal/suppress"
	"postern/internal/throttle"
	"postern/internal/track"
	"postern/internal/webhook"
	"postern/internal/webhooks"
)

// Backend is what entry points ask.
type Backend struct {
	Store   *store.Store
	Gate    *gate.Gate
	Notices *notice.Outbox
	Submit  *submit.Submit
	Links   *track.Signer    // of tracked mail
	Webhook *webhook.Webhook // delivers

	Accounts  *accounts.Accounts
	Keys      *keys.Keys
	People    *people.People
	Senders   *senders.Senders
	Domains   *domain.Checker
	Messages  *messages.Messages
	Webhooks  *webhooks.Webhooks
	Suppress  *suppress.List
	Report    *report.Report
	AuditLog  *auditlog.Log
	Refusals  *refusal.Recorder
	Retention *retention.Retention
}

// Config of a Backend. Its functions must not block, and may be nil.
type Config struct {
	Store     *store.Store
	ServerKey []byte
	Gate      gate.Config     // its Digester and Flush are New's
	Webhook   webhook.Config  // its Store and ServerKey are New's
	Domain    domain.Config   // its Store and Senders are New's
	Hashing   *throttle.Queue // bounds slow hashes of passwords; nil: one of its own
	Retention int             // days that messages are kept where no plan says it; 0: for good

	Accepted func()            // a mail waits in the queue
	Noticed  func()            // a notice waits to be sent
	Changed  func(keyID int64) // what mail of a key (0: of all keys) is checked against has changed
	OwnHost  func(string) bool // says whether a host name is the server's own
	Hosts    []string          // names of the server

	Now       func() time.Time // the clock of people's sign-ins; nil: time.Now
	LimitsNow func() time.Time // the clock of limits; nil: time.Now
	Log       *slog.Logger     // nil: none
}

// New makes a Backend over a store. Keys are not in the gate before Keys.Warm.
func New(c Config) (*Backend, error) {
	c.fill()
	digester, err := credential.NewDigester(c.ServerKey)
	if err != nil {
		return nil, err
	}
	b := &Backend{
		Store: c.Store, Report: report.New(c.Store), AuditLog: auditlog.New(c.Store),
		Retention: retention.New(c.Store, c.Retention, c.part("retention")),
		Refusals:  refusal.New(c.Store, c.Now, c.part("refusal")),
	}
	if b.Links, err = track.NewSigner(c.ServerKey); err != nil {
		return nil, err
	}
	if b.Notices, err = notice.New(c.ServerKey, c.Noticed); err != nil {
		return nil, err
	}
	c.Gate.Digester, c.Gate.Log = digester, c.part("gate")
	c.Gate.Flush = func(ctx context.Context, uses []gate.Use) error { return b.Keys.NoteUses(ctx, uses) }
	b.Gate = gate.New(c.Gate)
	b.Submit = submit.NewAt(c.Store, c.Accepted, c.part("submit"), c.LimitsNow)
	b.Messages = messages.New(messages.Config{Store: c.Store, Submit: b.Submit, Due: c.Accepted, Now: c.Now})
	b.Suppress = suppress.New(c.Store, b.Links, c.part("suppress"))
	changed := func(keyID int64) { b.Submit.Forget(keyID); c.Changed(keyID) }
	b.Accounts = accounts.New(accounts.Config{Store: c.Store, Gate: b.Gate, Notices: b.Notices, Changed: changed})
	b.Keys = keys.New(keys.Config{
		Store: c.Store, Gate: b.Gate, Digester: digester, Notices: b.Notices, Accounts: b.Accounts, Changed: changed, OwnHost: c.OwnHost,
		Now: c.Now, Log: c.part("keys"),
	})
	b.People, err = people.New(people.Config{
		Store: c.Store, Accounts: b.Accounts, Notices: b.Notices, Digester: digester, ServerKey: c.ServerKey, Hashing: c.Hashing,
		Now: c.Now, Hosts: c.Hosts, Log: c.part("people"),
	})
	if err != nil {
		return nil, err
	}
	return b, b.outward(c, changed)
}

// outward makes what speaks with servers elsewhere.
func (b *Backend) outward(c Config, changed func(int64)) (err error) {
	c.Webhook.Store, c.Webhook.ServerKey, c.Webhook.Log = c.Store, c.ServerKey, c.part("webhook")
	if b.Webhook, err = webhook.New(c.Webhook); err != nil {
		return err
	}
	b.Webhooks = webhooks.New(webhooks.Config{Store: c.Store, Notices: b.Notices, Webhook: b.Webhook, Now: c.Now})
	if b.Senders, err = senders.New(senders.Config{
		Store: c.Store, Notices: b.Notices, ServerKey: c.ServerKey, Changed: changed,
	}); err != nil {
		return err
	}
	c.Domain.Store, c.Domain.Senders, c.Domain.Log = c.Store, b.Senders, c.part("domain")
	b.Domains, err = domain.New(c.Domain)
	return err
}

func (c *Config) part(name string) *slog.Logger { return c.Log.With("part", name) }

func (c *Config) fill() {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.LimitsNow == nil {
		c.LimitsNow = time.Now
	}
	if c.Accepted == nil {
		c.Accepted = func() {}
	}
	if c.Changed == nil {
		c.Changed = func(int64) {}
	}
	if c.OwnHost == nil {
		c.OwnHost = func(string) bool { return false }
	}
}
