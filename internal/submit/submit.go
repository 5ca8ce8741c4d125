// SPDX-License-Identifier: Apache-2.0

// Package submit is the one way in for mail. All entry points end in [Submit.Accept], where the key's permission to send,
// its senders and its limits are checked and the submission is made durable; the entry points differ in how they parse
// and how they print an [Error].
//
// When Accept has returned a receipt the mail is on disk (promise 3): it will be delivered, bounced with a reason, or
// still be queued.
package submit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"postern/internal/gate"
	"postern/internal/mail"
	"postern/internal/store"
)

// Limits of a submission.
const (
	// MaxSize is the largest message source in bytes: the API's 15 MB of attachments and what base64 adds to them.
	MaxSize = 25 << 20
	// MaxRecipients bounds one submission, HTTP or SMTP (RFC 5321 §4.5.3.1.8 asks for at least 100).
	MaxRecipients = 1000
	// Lifetime is how long delivery is tried (RFC 5321 §4.5.4.1: at least 4 to 5 days).
	Lifetime = 5 * 24 * time.Hour
	// maxText bounds what is kept of a header or property for listings, in bytes; the source has it whole. The 255
	// characters of a CustomID or a campaign, and the 256 of URLTags, are no more.
	maxText = 256 * 4
)

// Envelope is who a mail is from and for: the truth, whatever the headers say.
type Envelope struct {
	From       string // "" is the null sender
	Recipients []Recipient
	Ret        mail.Ret   // how much of the mail is returned with a failure notice
	EnvID      mail.EnvID // repeated in notices
	RequireTLS bool       // REQUIRETLS of RFC 8689
}

// Recipient is one address of an envelope.
type Recipient struct {
	Email  string
	Kind   store.Kind
	Notify mail.Notify // when the return path is notified; 0: as the server does by default
	ORcpt  mail.ORcpt  // whom the sender named first; none where that is Email
}

// Message is a mail and what its sender said about it.
type Message struct {
	Raw       []byte // RFC 5322, CRLF, clean of control headers and Bcc
	From      mail.Address
	Authors   []mail.Author // every address of From, Sender, Resent-From and Resent-Sender; nil: From alone
	Subject   string
	MessageID string

	HasText     bool
	HasHTML     bool
	Attachments int
	UTF8        bool // needs SMTPUTF8 on its way on

	CustomID           string
	EventPayload       string
	Campaign           string
	Deduplicate        bool // no second mail of the campaign to one address
	MonitoringCategory string
	URLTags            string
	Priority           int // 0 low to 3 first; 2 is usual
	TrackOpens         int // 0 as the account says, 1 off, 2 on
	TrackClicks        int

	Source  string     // "http", "smtp", "console", "cli"
	Address netip.Addr // the client's address
	Client  string     // its name: User-Agent or EHLO name
	Sandbox bool       // check all, keep nothing

	// Seal makes the source unreadable in the store, where it stays only until the mail was handed over; nil: it is kept
	// as it is.
	Seal func(raw []byte) []byte

	ResentOf int64 // the message that this one sends again, 0: none

	Notices []store.SenderNotice // the delivery status notifications that this mail is
}

// Receipt says what a submission became. In a sandbox IDs are 0 and UUIDs "".
type Receipt struct {
	SubmissionID int64
	Messages     []Accepted // one for each distinct recipient, in the order of first mention
}

// Accepted is one recipient's message.
type Accepted struct {
	Email string // as it was given
	ID    int64
	UUID  string
}

// Of finds the message of an address of the envelope.
func (r *Receipt) Of(email string) Accepted {
	c := mail.Canonical(email)
	for _, a := range r.Messages {
		if mail.Canonical(a.Email) == c {
			return a
		}
	}
	return Accepted{Email: email}
}

// Submit accepts mail. Make it with New.
type Submit struct {
	store   *store.Store
	rules   *ruleBook
	limits  *limiter
	twins   twins
	arrived func() // wakes the queue
	now     func() time.Time
	log     *slog.Logger

	accepted, refused, limited, delayed, suppressed, repeated, forgotten atomic.Int64
}

// New makes the way in over st. arrived is called after each accepted submission and must not block.
func New(st *store.Store, arrived func(), log *slog.Logger) *Submit {
	return NewAt(st, arrived, log, time.Now)
}

// NewAt is New with a clock, by which hours, days and months of limits begin.
func NewAt(st *store.Store, arrived func(), log *slog.Logger, now func() time.Time) *Submit {
	return &Submit{store: st, rules: newRuleBook(st), limits: newLimiter(st, now), arrived: arrived, now: now, log: log}
}

// Stats are counts since the start.
type Stats struct {
	Accepted, Refused int64 // submissions
	Limited           int64 // of the refused, those over a limit of messages
	Delayed           int64 // messages that wait for a later hour
	Suppressed        int64 // messages blocked since their address is on the key's suppression list
	Repeated          int64 // calls that got the first answer of their idempotency key
	Forgotten         int64 // answers of idempotency keys deleted after their time
}

// Stats reads the counts.
func (s *Submit) Stats() Stats {
	return Stats{
		Accepted: s.accepted.Load(), Refused: s.refused.Load(), Limited: s.limited.Load(), Delayed: s.delayed.Load(),
		Suppressed: s.suppressed.Load(), Repeated: s.repeated.Load(), Forgotten: s.forgotten.Load(),
	}
}

// Forget makes the next mail of a key, or with 0 of all keys, read its rules anew: state, permissions, senders and limits.
// What changes them calls it before it answers.
func (s *Submit) Forget(keyID int64) {
	s.rules.forget(keyID)
	s.limits.forget(keyID)
}

// MaySend says in an *Error why nothing is sent with a key as it is now, nil when mail is.
func (s *Submit) MaySend(ctx context.Context, keyID int64) error {
	_, err := s.rules.of(ctx, keyID)
	return err
}

// CheckSender finds the active sender of the key that email belongs to, or says in an *Error that there is none. Whether
// the key may send at all is another question: see MaySend.
func (s *Submit) CheckSender(ctx context.Context, p gate.Principal, email string) (store.Sender, error) {
	r, err := s.rules.read(ctx, p.KeyID)
	if err != nil {
		return store.Sender{}, err
	}
	return r.find("From", email)
}

// Accept checks a mail and makes it durable. Its error is an *Error when the mail, its sender or our disk is the
// cause; nothing is kept then.
func (s *Submit) Accept(ctx context.Context, p gate.Principal, env Envelope, m Message) (Receipt, error) {
	receipt, err := s.accept(ctx, p, env, m)
	if err != nil {
		s.countRefused(err)
		return Receipt{}, err
	}
	if !m.Sandbox {
		s.accepted.Add(1)
		s.arrived()
	}
	return receipt, nil
}

func (s *Submit) countRefused(err error) {
	s.refused.Add(1)
	if e := (*Error)(nil); errors.As(err, &e) && e.Code == LimitReached {
		s.limited.Add(1)
	}
}

func (s *Submit) accept(ctx context.Context, p gate.Principal, env Envelope, m Message) (Receipt, error) {
	d, err := s.prepare(ctx, p, env, m)
	if err != nil {
		return Receipt{}, err
	}
	if err = s.keep(ctx, []*pending{d}, m.Sandbox, nil); err != nil {
		return Receipt{}, err
	}
	return d.receipt(), nil
}

// pending is a checked mail on its way to the store.
type pending struct {
	sub   *store.Submission
	taken *reservation // of limits; nil: the key has none
}

// prepare checks a mail and counts it against the limits, which keep undoes when it is not kept.
func (s *Submit) prepare(ctx context.Context, p gate.Principal, env Envelope, m Message) (*pending, error) {
	if len(m.Raw) > MaxSize {
		return nil, &Error{Code: TooLarge, Reason: fmt.Sprintf("The message has %d bytes; %d are allowed.", len(m.Raw), MaxSize)}
	}
	r, err := s.rules.of(ctx, p.KeyID)
	if err != nil {
		return nil, err
	}
	sender, err := r.authorship(env, &m)
	if err != nil {
		return nil, err
	}
	if err := checkAsked(&env); err != nil {
		return nil, err
	}
	recipients, err := distinct(env.Recipients)
	if err != nil {
		return nil, err
	}
	going := len(recipients)
	if !m.Sandbox {
		if going, err = s.suppress(ctx, p.KeyID, recipients); err != nil {
			return nil, err
		}
	}
	d := &pending{sub: newSubmission(p, env, m, sender.ID, recipients)}
	r.track(d.sub, m)
	if !r.limited() {
		return d, nil
	}
	if d.taken, err = s.limits.reserve(ctx, p, r, going); err != nil {
		return nil, err
	}
	d.taken.spread(d.sub.Recipients)
	return d, nil
}

// suppress marks the recipients that the key sends nothing to, and says how many others there are. They count against no
// limit.
func (s *Submit) suppress(ctx context.Context, keyID int64, recipients []store.Recipient) (going int, err error) {
	off, err := s.store.Suppressed(ctx, keyID, recipients)
	if err != nil {
		return 0, s.failed(ctx, err)
	}
	for _, i := range off {
		recipients[i].Refused = mail.StatePreblocked
	}
	s.suppressed.Add(int64(len(off)))
	return len(recipients) - len(off), nil
}

// keep makes submissions durable, all or none, unless they are in the sandbox.
func (s *Submit) keep(ctx context.Context, list []*pending, sandbox bool, once *store.Once) error {
	b := store.Batch{Once: once, Submissions: make([]*store.Submission, 0, len(list))}
	for _, d := range list {
		b.Submissions = append(b.Submissions, d.sub)
	}
	var err error
	if !sandbox {
		// A client that hangs up now does not take back what is on its way to the disk, nor what it took of a limit.
		err = s.store.AcceptBatch(context.WithoutCancel(ctx), &b)
	}
	s.end(list, err == nil && !sandbox)
	switch {
	case err != nil && once != nil && errors.Is(err, store.ErrExists):
		return errBusy
	case err != nil:
		return s.failed(ctx, err)
	}
	return nil
}

// end ends what mails took of their limits: kept, or given back.
func (s *Submit) end(list []*pending, kept bool) {
	for _, d := range list {
		if d.taken == nil {
			continue
		}
		s.limits.end(d.taken, kept)
		if kept {
			s.delayed.Add(d.taken.later())
		}
	}
}

// failed logs what went wrong, and is the error that it can be tried again: nothing was kept.
func (s *Submit) failed(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return &Error{Code: Unavailable, Reason: "The request ended before the message was kept.", Cause: err}
	}
	if !errors.Is(err, store.ErrNoRoom) { // which is logged once, and not for each mail
		s.log.ErrorContext(ctx, "a submission was not kept", "error", err)
	}
	if s.store.NoRoom(err) {
		return &Error{Code: DiskFull, Reason: "The server has no room for the message now; try again later.", Cause: err}
	}
	if errors.Is(err, store.ErrClosed) {
		return &Error{Code: Unavailable, Reason: "The server is shutting down; try again.", Cause: err}
	}
	return &Error{Code: Unavailable, Reason: "The message could not be kept; try again later.", Cause: err}
}

// distinct checks the recipients and leaves each address once: one address in To, Cc and Bcc gets one mail.
func distinct(in []Recipient) ([]store.Recipient, error) {
	if len(in) == 0 {
		return nil, &Error{Code: BadRecipient, Field: "To", Reason: "There is no recipient."}
	}
	if len(in) > MaxRecipients {
		why := fmt.Sprintf("%d recipients; %d are allowed.", len(in), MaxRecipients)
		return nil, &Error{Code: TooManyRecipients, Field: "To", Reason: why}
	}
	out := make([]store.Recipient, 0, len(in))
	seen := make(map[string]bool, len(in))
	for _, r := range in {
		box, err := mail.ParseMailbox(r.Email)
		if err != nil {
			return nil, &Error{Code: BadRecipient, Field: r.Email, Reason: fmt.Sprintf("%q is an invalid email address: %v.", r.Email, err)}
		}
		c := box.Canonical()
		if seen[c] {
			continue
		}
		seen[c] = true
		asked := store.AskedOf{Notify: r.Notify, ORcpt: r.ORcpt}
		out = append(out, store.Recipient{Email: r.Email, Domain: box.Domain(), Kind: r.Kind, Asked: asked})
	}
	return out, nil
}

func newSubmission(p gate.Principal, env Envelope, m Message, senderID int64, recipients []store.Recipient) *store.Submission {
	client := m.Client
	if m.Address.IsValid() {
		client = m.Address.String() + " " + client
	}
	return &store.Submission{
		AccountID: p.AccountID, KeyID: p.KeyID, SenderID: senderID, Source: m.Source, Client: text(client, maxText),
		MailFrom: env.From, HeaderFrom: compared(m.From.Email), FromName: text(m.From.Name, maxText),
		Subject: text(m.Subject, maxText), MessageID: text(m.MessageID, maxText),
		CustomID: text(m.CustomID, maxText), EventPayload: text(m.EventPayload, MaxSize), Campaign: text(m.Campaign, maxText),
		Deduplicate: m.Deduplicate, MonitoringCategory: text(m.MonitoringCategory, maxText), URLTags: text(m.URLTags, maxText),
		Priority: m.Priority, TrackOpens: m.TrackOpens, TrackClicks: m.TrackClicks,
		Size: int64(len(m.Raw)), Attachments: m.Attachments, HasText: m.HasText, HasHTML: m.HasHTML, UTF8: m.UTF8, ResentOf: m.ResentOf,
		Body: m.body(), Recipients: recipients, Lifetime: Lifetime,
		Asked: store.Asked{Ret: env.Ret, EnvID: env.EnvID, RequireTLS: env.RequireTLS}, Notices: m.Notices,
	}
}

// body is the source as it is stored.
func (m *Message) body() store.Body {
	if m.Seal != nil {
		return store.SealedBody(m.Seal(m.Raw))
	}
	return store.NewBody(m.Raw)
}

// compared is an address as it is kept to be compared by its lower case: as it was written, or in its canonical form
// where that differs in more than its capitals.
func compared(email string) string {
	c := mail.Canonical(email)
	ascii := strings.IndexFunc(email, func(r rune) bool { return r >= utf8.RuneSelf }) < 0
	if ascii && len(c) == len(email) && strings.EqualFold(c, email) {
		return email
	}
	return c
}

// receipt says what a kept mail became.
func (d *pending) receipt() Receipt {
	r := Receipt{SubmissionID: d.sub.ID, Messages: make([]Accepted, 0, len(d.sub.Recipients))}
	for _, x := range d.sub.Recipients {
		a := Accepted{Email: x.Email, ID: x.ID}
		if x.ID != 0 {
			a.UUID = x.UUID.String()
		}
		r.Messages = append(r.Messages, a)
	}
	return r
}

// text makes what is kept of a header or property storable: at most n bytes, valid UTF-8 and without NUL, which
// PostgreSQL refuses.
func text(s string, n int) string {
	if len(s) > n {
		s = s[:n]
	}
	if strings.IndexByte(s, 0) >= 0 {
		s = strings.ReplaceAll(s, "\x00", "")
	}
	return strings.ToValidUTF8(s, "")
}
