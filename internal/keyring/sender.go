// SPDX-License-Identifier: Apache-2.0

package keyring

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"postern/internal/dkim"
	"postern/internal/mail"
	"postern/internal/store"
)

// SplitSender reads a sender as people write it: an address, a domain, or *@domain. It returns the canonical form
// and the domain.
func SplitSender(s string) (email, domain string, err error) {
	s = strings.TrimSpace(s)
	if !strings.Contains(s, "@") {
		s = "*@" + s
	}
	probe := s
	if rest, ok := strings.CutPrefix(s, "*@"); ok {
		probe = "a@" + rest
	}
	if err := mail.CheckEmail(probe); err != nil {
		return "", "", err
	}
	domain = mail.Domain(probe)
	if probe != s {
		return "*@" + domain, domain, nil
	}
	return mail.Canonical(s), domain, nil
}

// AddSender lets a key of the scope send from an address or a domain, by the operator's or owner's word, and gives
// the domain a DKIM key if it has none. Errors: *Error on Email.
func (k *Keyring) AddSender(ctx context.Context, by Actor, scope store.Scope, f store.KeyFilter, sender, name string) (store.Sender, error) {
	email, domain, err := SplitSender(sender)
	if err != nil {
		return store.Sender{}, invalid("Email", err)
	}
	if len(name) > 200 {
		return store.Sender{}, invalid("Name", errors.New("the name is longer than 200 bytes"))
	}
	if err := k.ensureDKIM(ctx, domain); err != nil {
		return store.Sender{}, err
	}
	var out store.Sender
	err = k.change(ctx, func(tx *store.Tx) (*store.Key, error) {
		key, err := tx.Key(ctx, scope, f)
		if err != nil {
			return nil, err
		}
		out, err = tx.PutSender(ctx, store.Sender{KeyID: key.ID, Email: email, Domain: domain, Name: name, Status: store.SenderActive})
		if err != nil {
			return nil, err
		}
		return nil, tx.AddAudit(ctx, entry(by, key.AccountID, "sender.add", "sender "+email, "for key "+key.APIKey))
	})
	if err == nil {
		k.changed(out.KeyID)
	}
	return out, err
}

// RenameSender gives a sender of a key of the scope another name. Errors: *Error on Name.
func (k *Keyring) RenameSender(ctx context.Context, by Actor, scope store.Scope, f store.KeyFilter, id int64, name string) (store.Sender, error) {
	if len(name) > 200 {
		return store.Sender{}, invalid("Name", errors.New("the name is longer than 200 bytes"))
	}
	var out store.Sender
	err := k.update(ctx, "sender", func(tx *store.Tx) error {
		key, err := tx.Key(ctx, scope, f)
		if err != nil {
			return err
		}
		if out, err = tx.RenameSender(ctx, key.ID, id, name); err != nil {
			return err
		}
		return tx.AddAudit(ctx, entry(by, key.AccountID, "sender.change", "sender "+out.Email, "name: "+orNone(name)+"; for key "+key.APIKey))
	})
	if err == nil {
		k.changed(out.KeyID)
	}
	return out, err
}

// RemoveSender ends a key's right to send from a sender.
func (k *Keyring) RemoveSender(ctx context.Context, by Actor, scope store.Scope, f store.KeyFilter, sender string) error {
	email, _, err := SplitSender(sender)
	if err != nil {
		return invalid("Email", err)
	}
	var keyID int64
	err = k.change(ctx, func(tx *store.Tx) (*store.Key, error) {
		key, err := tx.Key(ctx, scope, f)
		if err != nil {
			return nil, err
		}
		keyID = key.ID
		if err := tx.DeleteSender(ctx, key.ID, email); errors.Is(err, store.ErrNotFound) {
			return nil, &Error{Kind: NotFound, Field: "Email", Reason: fmt.Sprintf("%s is not a sender of the key", email)}
		} else if err != nil {
			return nil, err
		}
		return nil, tx.AddAudit(ctx, entry(by, key.AccountID, "sender.remove", "sender "+email, "for key "+key.APIKey))
	})
	if err == nil {
		k.changed(keyID)
	}
	return err
}

// ensureDKIM makes a signing key for a domain that has none. Making one takes a tenth of a second, so it is done
// before the transaction; who comes second keeps the first's.
func (k *Keyring) ensureDKIM(ctx context.Context, domain string) error {
	if _, err := k.store.DKIMKey(ctx, domain); !errors.Is(err, store.ErrNotFound) {
		return err
	}
	key, err := dkim.Generate()
	if err != nil {
		return err
	}
	return k.store.Update(ctx, func(tx *store.Tx) error {
		_, err := tx.AddDKIMKey(ctx, store.DKIMKey{Domain: domain, Selector: dkim.Selector(tx.Now), PrivateKey: k.seal.Seal("dkim "+domain, key)})
		return err
	})
}

// DKIMKey gives the signer a domain's selector and private key (PKCS #8); ok is false when the domain has none.
func (k *Keyring) DKIMKey(ctx context.Context, domain string) (selector string, key []byte, ok bool, err error) {
	kept, err := k.store.DKIMKey(ctx, domain)
	if errors.Is(err, store.ErrNotFound) {
		return "", nil, false, nil
	}
	if err != nil {
		return "", nil, false, err
	}
	key, err = k.seal.Open("dkim "+domain, kept.PrivateKey)
	if err != nil {
		return "", nil, false, fmt.Errorf("DKIM key of %s: %w", domain, err)
	}
	return kept.Selector, key, true, nil
}

// DKIMRecord is the DNS TXT record that a domain must publish for our signatures to count (RFC 6376 §3.6); ok is false
// when the domain has no key. The value is longer than 255 bytes: a zone file writes it as several strings.
func (k *Keyring) DKIMRecord(ctx context.Context, domain string) (name, value string, ok bool, err error) {
	selector, key, ok, err := k.DKIMKey(ctx, domain)
	if err != nil || !ok {
		return "", "", false, err
	}
	value, err = dkim.RecordValue(key)
	return dkim.RecordName(selector, domain), value, err == nil, err
}
