// SPDX-License-Identifier: Apache-2.0

// Package dkim signs outgoing mail (RFC 6376) with a key for each account and sending domain: RSA with 2048 bits (RFC
// 8301), relaxed canonicalisation of header and body, so that what relays do to blanks breaks nothing.
//
// A submission is signed once, however many domains its recipients are in: signing costs about a millisecond. Only what
// is each recipient's own (tracked mail) is signed for each. What
// says who a mail is from, to whom, about what and how it is read is signed once more than it stands there, so that a
// second one cannot be added.
package dkim

import (
	"bytes"
	"container/list"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-msgauth/dkim"
)

// Bits of a signing key. RFC 8301 §3.2: at least 1024, better 2048; a longer one does not fit a DNS answer.
const Bits = 2048

// Generate makes a signing key and returns it in PKCS #8. It takes a tenth of a second or so.
func Generate() ([]byte, error) {
	key, err := rsa.GenerateKey(rand.Reader, Bits)
	if err != nil {
		return nil, fmt.Errorf("make a DKIM key: %w", err)
	}
	return x509.MarshalPKCS8PrivateKey(key)
}

// Selector names a key made at a time: "postern202611-k3v9xq". Its end is random: several accounts may have keys for one
// domain.
func Selector(made time.Time) string {
	return "postern" + made.UTC().Format("200601") + "-" + strings.ToLower(rand.Text()[:6])
}

// RecordName is where the public key stands in the DNS (RFC 6376 §3.6.2.1).
func RecordName(selector, domain string) string { return selector + "._domainkey." + domain }

// RecordValue is the text of the DNS record for a private key in PKCS #8 (RFC 6376 §3.6.1).
func RecordValue(pkcs8 []byte) (string, error) {
	key, err := parse(pkcs8)
	if err != nil {
		return "", err
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return "", err
	}
	return "v=DKIM1; k=rsa; p=" + base64.StdEncoding.EncodeToString(public), nil
}

func parse(pkcs8 []byte) (crypto.Signer, error) {
	key, err := x509.ParsePKCS8PrivateKey(pkcs8)
	if err != nil {
		return nil, fmt.Errorf("DKIM key: %w", err)
	}
	signer, ok := key.(*rsa.PrivateKey)
	if !ok {
		return nil, errors.New("DKIM key: not an RSA key")
	}
	return signer, nil
}

// Lookup finds the selector and private key in PKCS #8 that an account's mail from a domain is signed with; ok is false
// when the account may not sign for it.
type Lookup func(ctx context.Context, accountID int64, domain string) (selector string, pkcs8 []byte, ok bool, err error)

// What the signer remembers.
const (
	keyLife    = 10 * time.Minute // how long a key is kept before it is looked up again
	signedKept = 1024             // headers of submissions signed last
)

// Signer signs mail. It may be used from many goroutines.
type Signer struct {
	lookup Lookup

	mu     sync.Mutex
	keys   map[signs]domainKey
	signed map[int64]*list.Element // of *signature, by submission
	order  *list.List              // the newest in front
}

// signs is whose mail from where.
type signs struct {
	accountID int64
	domain    string
}

type domainKey struct {
	selector string
	key      crypto.Signer // nil: there is none
	until    time.Time
}

// signature is a submission's, being made by the first who asks and waited for by the others.
type signature struct {
	submission int64
	done       chan struct{}
	header     []byte
	err        error
}

// NewSigner makes a signer over the keys that lookup finds.
func NewSigner(lookup Lookup) *Signer {
	return &Signer{lookup: lookup, keys: map[signs]domainKey{}, signed: map[int64]*list.Element{}, order: list.New()}
}

// Sign returns the DKIM-Signature field, with its CRLF, to put before body, the source of an account's submission; nil
// when the account may not sign for the domain. submissionID 0 is a source that is one recipient's own: its signature is
// not kept.
func (s *Signer) Sign(ctx context.Context, submissionID, accountID int64, domain string, body []byte) ([]byte, error) {
	key, err := s.key(ctx, signs{accountID, domain})
	if err != nil || key.key == nil {
		return nil, err
	}
	if submissionID == 0 {
		return sign(domain, key, body)
	}
	sig, mine := s.claim(submissionID)
	if mine {
		sig.header, sig.err = sign(domain, key, body)
		if sig.err != nil {
			s.forget(submissionID)
		}
		close(sig.done)
	}
	select {
	case <-sig.done:
		return sig.header, sig.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// claim finds a submission's signature, or makes the caller the one who signs.
func (s *Signer) claim(id int64) (sig *signature, mine bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e, ok := s.signed[id]; ok {
		s.order.MoveToFront(e)
		return e.Value.(*signature), false //nolint:forcetypeassert // nothing else is in it
	}
	sig = &signature{submission: id, done: make(chan struct{})}
	s.signed[id] = s.order.PushFront(sig)
	if s.order.Len() > signedKept {
		last := s.order.Remove(s.order.Back()).(*signature) //nolint:forcetypeassert // nothing else is in it
		delete(s.signed, last.submission)
	}
	return sig, true
}

func (s *Signer) forget(id int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e, ok := s.signed[id]; ok {
		s.order.Remove(e)
		delete(s.signed, id)
	}
}

func (s *Signer) key(ctx context.Context, of signs) (domainKey, error) {
	now := time.Now()
	s.mu.Lock()
	k, ok := s.keys[of]
	s.mu.Unlock()
	if ok && now.Before(k.until) {
		return k, nil
	}
	selector, pkcs8, ok, err := s.lookup(ctx, of.accountID, of.domain)
	if err != nil {
		return domainKey{}, err
	}
	k = domainKey{selector: selector, until: now.Add(keyLife)}
	if ok {
		if k.key, err = parse(pkcs8); err != nil {
			return domainKey{}, fmt.Errorf("%s: %w", of.domain, err)
		}
	} else {
		k.until = now.Add(keyLife / 20) // it may be about to be proved
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.keys) > 10_000 {
		clear(s.keys)
	}
	s.keys[of] = k
	return k, nil
}

// signedOnceMore are fields that are signed once more than they stand there, also when they do not: a signature that
// says so breaks when one is put before the mail (RFC 6376 §8.15), as a replay with another subject or text would do.
var signedOnceMore = [...]string{
	"from", "to", "cc", "subject", "date", "reply-to", "message-id", "mime-version", "content-type", "content-transfer-encoding",
}

// signedFields are the names in h=: a field as often as it stands in the header (RFC 6376 §5.4.1), and those of
// signedOnceMore once more. Sender, References and the fields of lists get their one more only where the mail has some:
// mailing lists add them to what passes through, and would break the signature of every mail to a list.
func signedFields(body []byte) []string {
	var present []string
	more := signedOnceMore[:]
	head, _, _ := bytes.Cut(body, []byte("\r\n\r\n"))
	for line := range bytes.SplitSeq(head, []byte("\r\n")) {
		name, _, ok := bytes.Cut(line, []byte(":"))
		if !ok || len(line) == 0 || line[0] == ' ' || line[0] == '\t' {
			continue
		}
		switch n := strings.ToLower(strings.TrimSpace(string(name))); n {
		case "from", "to", "cc", "subject", "date", "reply-to", "message-id", "mime-version", "content-type", "content-transfer-encoding",
			"content-id", "content-description",
			"resent-date", "resent-from", "resent-sender", "resent-to", "resent-cc", "resent-message-id":
			present = append(present, n)
		case "sender", "in-reply-to", "references", "list-id", "list-help", "list-subscribe", "list-post", "list-owner", "list-archive":
			present = append(present, n)
			more = once(more, n)
		case "list-unsubscribe", "list-unsubscribe-post": // one changes what the other does (RFC 8058 §4)
			present = append(present, n)
			more = once(once(more, "list-unsubscribe"), "list-unsubscribe-post")
		}
	}
	return append(present, more...)
}

// once adds a name to names that lack it.
func once(names []string, name string) []string {
	if slices.Contains(names, name) {
		return names
	}
	return append(slices.Clip(names), name)
}

func sign(domain string, key domainKey, body []byte) ([]byte, error) {
	signer, err := dkim.NewSigner(&dkim.SignOptions{
		Domain: domain, Selector: key.selector, Signer: key.key, Hash: crypto.SHA256,
		HeaderCanonicalization: dkim.CanonicalizationRelaxed, BodyCanonicalization: dkim.CanonicalizationRelaxed,
		HeaderKeys: signedFields(body),
	})
	if err != nil {
		return nil, fmt.Errorf("sign for %s: %w", domain, err)
	}
	if _, err := signer.Write(body); err != nil {
		return nil, errors.Join(fmt.Errorf("sign for %s: %w", domain, err), signer.Close())
	}
	if err := signer.Close(); err != nil {
		return nil, fmt.Errorf("sign for %s: %w", domain, err)
	}
	return []byte(signer.Signature()), nil
}
