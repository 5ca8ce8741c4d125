// SPDX-License-Identifier: Apache-2.0

package smtpd

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/emersion/go-smtp"

	"postern/internal/account"
	"postern/internal/gate"
	"postern/internal/mail"
	"postern/internal/store"
	"postern/internal/submit"
)

// session is one connection's, from its greeting or from STARTTLS on.
type session struct {
	s       *Server
	conn    *smtp.Conn
	net     net.Conn
	source  gate.Source
	private bool // TLS, or loopback
	secure  bool // TLS
	timer   *time.Timer

	failures int
	closing  bool   // after the answer that is being written
	client   string // what it calls itself: its EHLO name and the AUTH mechanism

	mu        sync.Mutex // what a revocation or a shutdown reads from other goroutines
	principal gate.Principal
	unbind    func()
	loggedIn  bool
	from      string
	size      int64 // that MAIL declared
	to        []string
	busy      bool // a message is being handed over
	ended     bool
}

// NewSession begins a session; go-smtp calls it at EHLO, and again at EHLO after STARTTLS.
func (s *Server) NewSession(c *smtp.Conn) (smtp.Session, error) {
	remote := addrOf(c.Conn().RemoteAddr())
	_, secure := c.TLSConnectionState()
	n := &session{s: s, conn: c, net: c.Conn(), source: gate.Source{Addr: remote, Protocol: "smtp"}, secure: secure}
	n.private = secure || remote.IsLoopback() && addrOf(c.Conn().LocalAddr()).IsLoopback()
	// Before a login a connection has little time: it costs a place.
	n.timer = time.AfterFunc(s.c.Limits.Login, func() { n.end(true, "4.4.2", "no login within the time for it") })
	if !s.enter(n) {
		n.Logout() //nolint:errcheck,gosec // it returns nil
		return nil, &smtp.SMTPError{Code: 421, EnhancedCode: smtp.EnhancedCode{4, 3, 2}, Message: "the server is shutting down"}
	}
	return n, nil
}

// end closes the session with 421. Unless now is true, a message that is being handed over may be finished first.
func (n *session) end(now bool, enhanced, reason string) {
	n.mu.Lock()
	if n.ended || n.busy && !now {
		n.mu.Unlock()
		return
	}
	n.ended = true
	n.mu.Unlock()
	n.net.SetWriteDeadline(time.Now().Add(time.Second))                                            //nolint:errcheck,gosec // it is closed next
	n.net.Write([]byte("421 " + enhanced + " " + n.s.c.Hostname + " closing: " + reason + "\r\n")) //nolint:errcheck,gosec // a courtesy
	n.close()
}

// close shuts the connection without go-smtp's lock, which a session that is busy may hold.
func (n *session) close() {
	n.net.Close() //nolint:errcheck,gosec // the reader finds out
}

// Logout ends the session's claims. go-smtp calls it once the connection is over, and at STARTTLS.
func (n *session) Logout() error {
	n.timer.Stop()
	n.mu.Lock()
	unbind := n.unbind
	n.unbind = nil
	n.mu.Unlock()
	if unbind != nil {
		unbind()
	}
	n.s.leave(n)
	return nil
}

// Reset clears the envelope, and keeps the login.
func (n *session) Reset() {
	n.mu.Lock()
	n.from, n.to = "", nil
	n.mu.Unlock()
	if n.s.isStopping() {
		n.end(false, "4.3.2", "the server is shutting down")
	}
}

// Mail begins an envelope.
func (n *session) Mail(from string, opts *smtp.MailOptions) error {
	if n.closing {
		n.end(true, "4.7.0", "too many failed logins")
		return errClosing
	}
	n.mu.Lock()
	loggedIn, p := n.loggedIn, n.principal
	n.mu.Unlock()
	if !loggedIn {
		return n.s.reject(&smtp.SMTPError{Code: 530, EnhancedCode: smtp.EnhancedCode{5, 7, 0}, Message: "authentication is needed: log in with an API key and its secret key"})
	}
	if n.s.isStopping() {
		return n.s.reject(errClosing)
	}
	if err := n.s.c.Gate.Recheck(n.as(), p, account.MaySend); err != nil {
		return n.s.reject(refusal(err))
	}
	if from != "" {
		if err := mail.CheckEmail(from); err != nil {
			return n.s.reject(&smtp.SMTPError{Code: 553, EnhancedCode: smtp.EnhancedCode{5, 1, 7}, Message: fmt.Sprintf("the sender <%s> is not an email address: %v", from, err)})
		}
	}
	n.mu.Lock()
	n.from, n.size = from, 0
	if opts != nil {
		n.size = opts.Size
	}
	n.mu.Unlock()
	return nil
}

var errClosing = &smtp.SMTPError{Code: 421, EnhancedCode: smtp.EnhancedCode{4, 3, 2}, Message: "closing the connection"}

// Rcpt adds a recipient.
func (n *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	if err := mail.CheckEmail(to); err != nil {
		return n.s.reject(&smtp.SMTPError{Code: 553, EnhancedCode: smtp.EnhancedCode{5, 1, 3}, Message: fmt.Sprintf("the recipient <%s> is not an email address: %v", to, err)})
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.to = append(n.to, to)
	return nil
}

// Data takes the message. Its answer ends with the UUID of the first recipient's message.
func (n *session) Data(r io.Reader) error {
	n.mu.Lock()
	from, to, p := n.from, n.to, n.principal
	part := &share{m: n.s.memory, key: p.KeyID, declared: n.size, wait: n.s.c.Limits.Wait}
	n.busy = !n.ended
	n.mu.Unlock()
	defer func() {
		n.mu.Lock()
		n.busy = false
		n.mu.Unlock()
	}()
	defer part.end()
	raw, err := n.read(r, part)
	if err != nil {
		return err
	}
	receipt, e := n.accept(p, from, to, raw)
	if e != nil {
		return n.s.reject(e)
	}
	n.s.stats.accepted.Add(1)
	return &smtp.SMTPError{Code: 250, EnhancedCode: smtp.EnhancedCode{2, 0, 0}, Message: "OK: queued as " + receipt.Messages[0].UUID}
}

// buffers are kept for the next message, unless they grew large.
var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// read reads the text, with a deadline for each block. What it returns is the caller's.
func (n *session) read(r io.Reader, part *share) ([]byte, error) {
	buf := buffers.Get().(*bytes.Buffer) //nolint:forcetypeassert // nothing else is in it
	for {
		err := n.block(buf, r, part)
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		if !part.grow(int64(buf.Len())) {
			return nil, n.discard(r, part)
		}
		if more := int(part.size) + bytes.MinRead - buf.Len(); part.size > 0 && buf.Available() < more {
			buf.Grow(more) // once, rather than by doubling
		}
		if err == nil {
			continue
		}
		if buf.Cap() > largeMail {
			return buf.Bytes(), nil
		}
		raw := bytes.Clone(buf.Bytes())
		buf.Reset()
		buffers.Put(buf)
		return raw, nil
	}
}

// block reads a block of the text.
func (n *session) block(to io.Writer, r io.Reader, part *share) error {
	n.net.SetReadDeadline(part.deadline(n.s.c.Limits.Block)) //nolint:errcheck,gosec // the read fails then
	placeOf(n.net).progress(30 * n.s.c.Limits.Commands)
	_, err := io.CopyN(to, r, 64<<10)
	return err
}

// discard reads the rest of a text that there is no memory for: who sends it hears the answer after its end.
func (n *session) discard(r io.Reader, part *share) error {
	for {
		err := n.block(io.Discard, r, part)
		if errors.Is(err, io.EOF) {
			return n.s.reject(errBusy)
		}
		if err != nil {
			return err
		}
	}
}

// accept checks a message and has it kept.
func (n *session) accept(p gate.Principal, from string, to []string, raw []byte) (submit.Receipt, *smtp.SMTPError) {
	// The secret may have died while the text was on its way.
	if err := n.s.c.Gate.Recheck(n.as(), p, account.MaySend); err != nil {
		return submit.Receipt{}, refusal(err)
	}
	now := time.Now()
	in, err := mail.ReadIncoming(raw, now, func() string { return rand.Text() + "@" + n.s.c.Hostname })
	if err != nil {
		return submit.Receipt{}, &smtp.SMTPError{Code: 554, EnhancedCode: smtp.EnhancedCode{5, 6, 0}, Message: "this is not a valid message: " + err.Error()}
	}
	if e := check(in); e != nil {
		return submit.Receipt{}, e
	}
	if e := n.checkReturnPath(p, from, in.From.Email); e != nil {
		return submit.Receipt{}, e
	}
	env := submit.Envelope{From: from, Recipients: make([]submit.Recipient, len(to))}
	for i, a := range to {
		env.Recipients[i] = submit.Recipient{Email: a, Kind: store.To}
	}
	m := message(in)
	m.UTF8 = mail.NeedsUTF8(append([]string{from}, to...)...)
	m.Source, m.Address, m.Client = "smtp", n.source.Addr, n.conn.Hostname()
	m.Raw = append(n.received(m.UTF8, now), in.Raw...)
	receipt, err := n.submit(p, submit.Item{Envelope: env, Message: m}, in)
	if err != nil {
		return submit.Receipt{}, replyTo(err)
	}
	return receipt, nil
}

// submit hands a mail in. One with an idempotency key that was handed in before is answered as it was then.
func (n *session) submit(p gate.Principal, it submit.Item, in *mail.Incoming) (submit.Receipt, error) {
	ctx := context.Background() // not the connection's end, but the disk decides
	keys := in.Control.IdempotencyKeys
	if len(keys) == 0 {
		return n.s.c.Submit.Accept(ctx, p, it.Envelope, it.Message)
	}
	key := keys[0]
	wrong := submit.CheckKey(key)
	if len(keys) > 1 {
		wrong = "there is more than one"
	}
	if wrong != "" {
		return submit.Receipt{}, &submit.Error{Code: submit.BadKey, Field: "Postern-Idempotency-Key", Reason: "Postern-Idempotency-Key: " + wrong}
	}
	name, hash := onceName(key, it.Envelope), digest(it.Envelope, in)
	answer, end, err := n.s.c.Submit.Begin(ctx, p, name, hash)
	if err != nil {
		return submit.Receipt{}, err
	}
	if answer != nil {
		var r submit.Receipt
		err := json.Unmarshal(answer, &r)
		return r, err
	}
	defer end()
	once := &submit.Once{Key: name, Hash: hash, Answer: func(got []submit.Outcome) []byte {
		b, err := json.Marshal(got[0].Receipt)
		if err != nil {
			panic(err) // it has numbers and strings
		}
		return b
	}}
	got := n.s.c.Submit.AcceptBatch(ctx, p, submit.Batch{Items: []submit.Item{it}, Once: once})
	return got[0].Receipt, got[0].Err
}

// onceName is what an idempotency key of a mail is remembered under: the key for these recipients. A relaying server hands
// a mail with many over in several transactions, all with the one header. The blank keeps it apart from the HTTP API's.
func onceName(key string, env submit.Envelope) string {
	to := make([]string, len(env.Recipients))
	for i, r := range env.Recipients {
		to[i] = mail.Canonical(r.Email)
	}
	slices.Sort(to)
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q", key, slices.Compact(to)))
	return fmt.Sprintf("smtp %x", sum)
}

// digest tells whether a mail is the same as another to the same recipients: sender, header and body, but for what a
// client makes anew when it tries again.
func digest(env submit.Envelope, in *mail.Incoming) [sha256.Size]byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "smtp\n%q\n", env.From)
	for _, f := range in.Header {
		switch strings.ToLower(f.Name) {
		case "date", "message-id", "received":
		default:
			fmt.Fprintf(&b, "%s: %q\n", strings.ToLower(f.Name), f.Value)
		}
	}
	fmt.Fprintf(&b, "%+v\n", in.Control)
	b.Write(in.Body())
	return sha256.Sum256(b.Bytes())
}

// maxHops is how many servers a mail may have passed (RFC 5321 §6.3).
const maxHops = 100

func check(in *mail.Incoming) *smtp.SMTPError {
	hops := 0
	for _, f := range in.Header {
		if strings.EqualFold(f.Name, "Received") {
			hops++
		}
	}
	if hops > maxHops {
		return &smtp.SMTPError{Code: 554, EnhancedCode: smtp.EnhancedCode{5, 4, 6}, Message: fmt.Sprintf("this mail has passed %d servers: it is in a loop", hops)}
	}
	if wrong := wrongControl(in.Control); wrong != "" {
		return &smtp.SMTPError{Code: 554, EnhancedCode: smtp.EnhancedCode{5, 6, 0}, Message: wrong}
	}
	return nil
}

// Limits of control headers, as of the HTTP API's properties, in characters.
const (
	maxName    = 255
	maxPayload = 64 << 10
)

// wrongControl says what is wrong with the control headers, "" when nothing is.
func wrongControl(c mail.Control) string {
	for _, h := range []struct {
		name, value string
		most        int
	}{{"X-MJ-CustomID", c.CustomID, maxName}, {"X-Mailjet-Campaign", c.Campaign, maxName}, {"X-MJ-EventPayload", c.EventPayload, maxPayload}} {
		if n := utf8.RuneCountInString(h.value); n > h.most {
			return fmt.Sprintf("%s: %d characters; %d are allowed", h.name, n, h.most)
		}
	}
	switch {
	case c.TemplateID != "":
		return fmt.Sprintf("X-MJ-TemplateID: template %q doesn't exist for your account", c.TemplateID[:min(len(c.TemplateID), 100)])
	case c.Deduplicate && c.Campaign == "":
		return "X-Mailjet-DeduplicateCampaign needs X-Mailjet-Campaign"
	}
	return c.Wrong
}

// checkReturnPath keeps bounces from going to a stranger.
func (n *session) checkReturnPath(p gate.Principal, from, header string) *smtp.SMTPError {
	if from == "" {
		return nil
	}
	a, b := mail.Domain(from), mail.Domain(header)
	if a == b || strings.HasSuffix(a, "."+b) || strings.HasSuffix(b, "."+a) {
		return nil
	}
	if _, err := n.s.c.Submit.CheckSender(context.Background(), p, from); err != nil {
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 7, 1}, Message: fmt.Sprintf("MAIL FROM:<%s> is neither in the domain of the From header nor a sender of this key", from)}
	}
	return nil
}

// message is what the headers said, for submission.
func message(in *mail.Incoming) submit.Message {
	c := in.Control
	m := submit.Message{
		From: in.From, Authors: in.Authors, Subject: in.Subject, MessageID: in.MessageID, HasText: in.HasText, HasHTML: in.HasHTML, Attachments: in.Attachments,
		CustomID: c.CustomID, EventPayload: c.EventPayload, Campaign: c.Campaign, Deduplicate: c.Deduplicate, MonitoringCategory: c.MonitoringCategory,
		Priority: 2, TrackOpens: tracking(c.TrackOpen), TrackClicks: tracking(c.TrackClick),
	}
	if c.Priority >= 0 {
		m.Priority = c.Priority
	}
	return m
}

func tracking(v string) int {
	switch v {
	case "0":
		return 1
	case "1":
		return 2
	}
	return 0
}

// received is the trace line of this server (RFC 5321 §4.4, RFC 3848, RFC 6531 §4.3).
func (n *session) received(unicode bool, now time.Time) []byte {
	with := "ESMTP"
	if unicode {
		with = "UTF8SMTP"
	}
	if n.secure {
		with += "S"
	}
	with += "A"
	line := "Received: from " + traceName(n.conn.Hostname()) + " ([" + literal(n.source) + "])\r\n\tby " + n.s.c.Hostname + " with " + with
	if st, ok := n.conn.TLSConnectionState(); ok {
		line += "\r\n\t(" + strings.ReplaceAll(tls.VersionName(st.Version), " ", "") + " " + tls.CipherSuiteName(st.CipherSuite) + ")"
	}
	line += ";\r\n\t" + now.Format(time.RFC1123Z) + "\r\n"
	return append(make([]byte, 0, len(line)+4096), line...)
}

func literal(s gate.Source) string {
	if s.Addr.Is6() {
		return "IPv6:" + s.Addr.String()
	}
	return s.Addr.String()
}

// traceName keeps of an EHLO name what may stand in a header.
func traceName(name string) string {
	return strings.Map(func(r rune) rune {
		if r > ' ' && r < 127 && r != '(' && r != ')' && r != ';' && r != '\\' {
			return r
		}
		return '?'
	}, name[:min(len(name), 255)])
}

// replyTo says why a submission was refused, in SMTP's words.
func replyTo(err error) *smtp.SMTPError {
	var e *submit.Error
	if !errors.As(err, &e) {
		return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "the message could not be kept; try again later"}
	}
	reply := map[submit.Code]smtp.SMTPError{
		submit.SenderNotAllowed:  {Code: 550, EnhancedCode: smtp.EnhancedCode{5, 7, 1}},
		submit.BadRecipient:      {Code: 553, EnhancedCode: smtp.EnhancedCode{5, 1, 3}},
		submit.TooManyRecipients: {Code: 452, EnhancedCode: smtp.EnhancedCode{4, 5, 3}},
		submit.TooLarge:          {Code: 552, EnhancedCode: smtp.EnhancedCode{5, 3, 4}},
		submit.NoRoom:            {Code: 452, EnhancedCode: smtp.EnhancedCode{4, 3, 1}},
		submit.Unavailable:       {Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}},
		submit.LimitReached:      {Code: 452, EnhancedCode: smtp.EnhancedCode{4, 7, 1}},
		submit.BadKey:            {Code: 554, EnhancedCode: smtp.EnhancedCode{5, 6, 0}},
		submit.KeyReused:         {Code: 554, EnhancedCode: smtp.EnhancedCode{5, 6, 0}},
		submit.KeyBusy:           {Code: 451, EnhancedCode: smtp.EnhancedCode{4, 5, 0}},
	}[e.Code]
	reply.Message = e.Reason
	return &reply
}
