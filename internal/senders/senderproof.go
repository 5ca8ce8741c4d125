// SPDX-License-Identifier: Apache-2.0

package senders

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"postern/internal/change"
	"postern/internal/credential"
	"postern/internal/notice"
	"postern/internal/store"
)

// SenderLinkLifetime is how long a link that is mailed to an address of a sender is good for.
const SenderLinkLifetime = 3 * 24 * time.Hour

// mailLink mails a link to the address of a sender: whoever follows it shows that mail to the address reaches him. Error:
// *change.Error LimitReached.
func (s *Senders) mailLink(ctx context.Context, tx *store.Tx, key store.Key, x store.Sender) error {
	a, err := tx.Account(ctx, key.AccountID)
	if err != nil {
		return err
	}
	token := credential.NewToken()
	until := tx.Now.Add(SenderLinkLifetime)
	if err := tx.AddSenderLink(ctx, store.SenderLink{SenderID: x.ID, KeyID: key.ID, Email: x.Email, ExpiresAt: until},
		credential.TokenDigest(token), tx.Now.AddDate(0, 0, -1)); err != nil {
		return err
	}
	return s.notices.AddAsked(ctx, tx, key.AccountID, key.AccountID, notice.Notice{
		Kind: notice.SenderLink, To: []string{x.Email}, AccountName: a.Name, KeyID: key.ID, APIKey: key.APIKey, KeyName: key.Name,
		What: x.Email,
		Link: "/sender-link/" + token, Until: until,
	})
}

// MailSenderLink mails a link once more to an address of the scope that is not proved yet. Errors: *change.Error on Email.
func (s *Senders) MailSenderLink(ctx context.Context, by change.Actor, scope store.Scope, id int64) error {
	return s.update(ctx, "sender", func(tx *store.Tx) error {
		x, err := tx.SenderByID(ctx, scope, id)
		if err != nil {
			return err
		}
		if x.Status != store.SenderInactive || strings.HasPrefix(x.Email, "*@") {
			return change.Conflicting("Email", fmt.Sprintf("%s is not an address that waits to be proved", x.Email))
		}
		key, err := tx.Key(ctx, scope, store.KeyFilter{ID: x.KeyID})
		if err != nil {
			return err
		}
		if err := s.mailLink(ctx, tx, key, x); err != nil {
			return err
		}
		return tx.AddAudit(ctx, by.Entry(key.AccountID, "sender.mail", "sender "+x.Email, "a link to prove it; for key "+key.APIKey))
	})
}

func errSenderLink() error {
	return &change.Error{Kind: change.NotFound, Reason: "this link was used already, or has ended"}
}

// SenderLink reads the link of a token, and uses nothing up: programs look at links in mail before people do. Error:
// *change.Error NotFound.
func (s *Senders) SenderLink(ctx context.Context, token string) (store.SenderLink, error) {
	l, err := s.store.SenderLink(ctx, credential.TokenDigest(token))
	switch {
	case errors.Is(err, store.ErrNotFound):
		return l, errSenderLink()
	case err == nil && (!l.UsedAt.IsZero() || !time.Now().Before(l.ExpiresAt) || l.Status == store.SenderDeleted):
		return l, errSenderLink()
	}
	return l, err
}

// UseSenderLink makes the sender of a link active: mail to the address reached who has the token. Error: *change.Error
// NotFound.
func (s *Senders) UseSenderLink(ctx context.Context, token string, from netip.Addr) (l store.SenderLink, err error) {
	var x store.Sender
	err = s.store.Update(ctx, func(tx *store.Tx) error {
		if l, err = tx.UseSenderLink(ctx, credential.TokenDigest(token)); err != nil {
			return err
		}
		if l.Status == store.SenderActive { // its domain was proved meanwhile
			return nil
		}
		if x, err = tx.ActivateSender(ctx, l.KeyID, l.SenderID, store.ProofMail); err != nil {
			return err
		}
		by := change.Actor{Kind: change.Stranger, Name: "who reads " + l.Email}
		if from.IsValid() {
			by.Origin = from.String()
		}
		return tx.AddAudit(ctx, by.Entry(l.AccountID, "sender.validate", "sender "+l.Email, "by a mailed link; for key "+l.APIKey))
	})
	if errors.Is(err, store.ErrNotFound) {
		return l, errSenderLink()
	}
	if err == nil && x.ID != 0 {
		s.sendersChanged(x)
	}
	return l, err
}

// ProveDomain notes that a domain of the scope is its key's, as its TXT record or a file on its web server has shown, and
// makes the key's senders of it active.
func (s *Senders) ProveDomain(ctx context.Context, by change.Actor, scope store.Scope, id int64, proof string) error {
	var active []store.Sender
	err := s.update(ctx, "domain", func(tx *store.Tx) error {
		d, err := tx.Domain(ctx, scope, id)
		if err != nil {
			return err
		}
		key, err := tx.Key(ctx, scope, store.KeyFilter{ID: d.KeyID})
		if err != nil {
			return err
		}
		active, err = Prove(ctx, tx, by, key, d, proof)
		return err
	})
	if err == nil {
		for _, x := range active {
			s.sendersChanged(x)
		}
	}
	return err
}

// Prove is ProveDomain within a transaction.
func Prove(ctx context.Context, tx *store.Tx, by change.Actor, key store.Key, d store.Domain, proof string) ([]store.Sender, error) {
	if d.Proved() {
		proof = d.Proof
	} else if err := tx.ProveDomain(ctx, d.ID, proof); err != nil {
		return nil, err
	}
	active, err := tx.ActivateDomain(ctx, key.ID, d.Domain, proof)
	if err != nil || len(active) == 0 && (d.Proved() || proof == store.ProofOperator) {
		return active, err // nothing new, or the adding of the sender says it
	}
	detail := map[string]string{
		store.ProofOperator: "by the operator's word", store.ProofDNS: "by its TXT record", store.ProofFile: "by a file on its web server",
	}[proof]
	detail += "; for key " + key.APIKey
	if len(active) > 0 {
		detail += "; now active: " + emailsOf(active)
	}
	return active, tx.AddAudit(ctx, by.Entry(key.AccountID, "sender.validate", "domain "+d.Domain, detail))
}
