// SPDX-License-Identifier: Apache-2.0

package senders

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"postern/internal/change"
	"postern/internal/dkim"
	"postern/internal/notice"
	"postern/internal/store"
)

// OwnershipRecordName is where a domain publishes its token in a TXT record. Each key has a name of its own, so that
// several can prove the same domain.
func OwnershipRecordName(d store.Domain) string { return "postern._" + d.Token[:8] + "." + d.Domain }

// AddDomain gives a key the row of a domain, with the token that proves it.
func AddDomain(ctx context.Context, tx *store.Tx, keyID int64, domain string) (store.Domain, error) {
	return tx.AddDomain(ctx, store.Domain{KeyID: keyID, Domain: domain, Token: randomHex(16), Filename: randomHex(16) + ".txt"})
}

func randomHex(n int) string {
	b := make([]byte, n)
	rand.Read(b) //nolint:errcheck,gosec // never fails (crypto/rand)
	return hex.EncodeToString(b)
}

// adoptAtOnce is how many senders are given their domains in one transaction.
const adoptAtOnce = 200

// AdoptSenders gives senders of an older version the rows of their domains. Whole domains, and Postern's own address,
// were allowed by the operator's word. It says how many there were.
func (s *Senders) AdoptSenders(ctx context.Context) (n int, err error) {
	for {
		list, err := s.store.SendersWithoutDomain(ctx, adoptAtOnce)
		if err != nil || len(list) == 0 {
			return n, err
		}
		err = s.store.Update(ctx, func(tx *store.Tx) error {
			for _, x := range list {
				if err := adopt(ctx, tx, x); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return n, fmt.Errorf("domains of senders: %w", err)
		}
		n += len(list)
	}
}

func adopt(ctx context.Context, tx *store.Tx, x store.Sender) error {
	d, err := AddDomain(ctx, tx, x.KeyID, x.Domain)
	if err != nil {
		return err
	}
	if err := tx.SetSenderDomain(ctx, x.ID, d); err != nil || d.Proved() || x.Proof != store.ProofOperator {
		return err
	}
	key, err := tx.Key(ctx, store.OfOperator(), store.KeyFilter{ID: x.KeyID})
	if errors.Is(err, store.ErrNotFound) {
		return nil // deleted
	}
	if err != nil {
		return err
	}
	a, err := tx.Account(ctx, key.AccountID)
	if err != nil || !a.System && !strings.HasPrefix(x.Email, "*@") {
		return err
	}
	_, err = Prove(ctx, tx, change.Actor{Origin: "upgrade"}, key, d, store.ProofOperator)
	return err
}

// ensureDKIM makes a signing key for a domain of an account that has none. Making one takes a tenth of a second, so it is
// done when the key is first asked for; who comes second keeps the first's.
func (s *Senders) ensureDKIM(ctx context.Context, accountID int64, domain string) error {
	if _, err := s.store.DKIMKey(ctx, accountID, domain); !errors.Is(err, store.ErrNotFound) {
		return err
	}
	key, err := dkim.Generate()
	if err != nil {
		return err
	}
	return s.store.Update(ctx, func(tx *store.Tx) error {
		_, err := tx.AddDKIMKey(ctx,
			store.DKIMKey{AccountID: accountID, Domain: domain, Selector: dkim.Selector(tx.Now), PrivateKey: s.seal.Seal("dkim "+domain,
				key)})
		return err
	})
}

// DKIMKey gives the signer the selector and private key (PKCS #8) for an account's mail from a domain; ok is false when
// the domain is not shown to be the account's.
func (s *Senders) DKIMKey(ctx context.Context, accountID int64, domain string) (selector string, key []byte, ok bool, err error) {
	may, err := s.store.MaySign(ctx, accountID, domain)
	if err != nil || !may {
		return "", nil, false, err
	}
	if err := s.ensureDKIM(ctx, accountID, domain); err != nil {
		return "", nil, false, err
	}
	kept, err := s.store.DKIMKey(ctx, accountID, domain)
	if err != nil {
		return "", nil, false, err
	}
	key, err = s.openDKIM(kept)
	return kept.Selector, key, err == nil, err
}

func (s *Senders) openDKIM(kept store.DKIMKey) ([]byte, error) {
	key, err := s.seal.Open("dkim "+kept.Domain, kept.PrivateKey)
	if err != nil {
		return nil, fmt.Errorf("DKIM key of %s: %w", kept.Domain, err)
	}
	return key, nil
}

// DKIMRecord is the DNS TXT record that a domain must publish for the signatures of an account's mail to count (RFC 6376
// §3.6); where the account has no key for it yet, it is made. The value is longer than 255 bytes: a zone file writes it
// as several strings.
func (s *Senders) DKIMRecord(ctx context.Context, accountID int64, domain string) (name, value string, err error) {
	if err := s.ensureDKIM(ctx, accountID, domain); err != nil {
		return "", "", err
	}
	kept, err := s.store.DKIMKey(ctx, accountID, domain)
	if err != nil {
		return "", "", err
	}
	key, err := s.openDKIM(kept)
	if err != nil {
		return "", "", err
	}
	value, err = dkim.RecordValue(key)
	return dkim.RecordName(kept.Selector, domain), value, err
}

// RecordLook writes down what a look at a domain found, and leaves word for the account's owners of records that are
// broken, or mended, in words. found brings the domain, as it is known by now, up to that, and returns those words; it may
// be called again.
func (s *Senders) RecordLook(ctx context.Context, id int64, found func(*store.Domain) (broken, mended []string)) error {
	return s.update(ctx, "domain", func(tx *store.Tx) error {
		d, err := tx.EndLook(ctx, id)
		if err != nil {
			return err
		}
		broken, mended := found(&d)
		if err := tx.RecordLook(ctx, d); err != nil || len(broken)+len(mended) == 0 {
			return err
		}
		key, err := tx.Key(ctx, store.OfOperator(), store.KeyFilter{ID: d.KeyID})
		if err != nil {
			return err
		}
		a, err := tx.Account(ctx, key.AccountID)
		if err != nil {
			return err
		}
		to := key.AccountID
		if a.System {
			to = 0 // Postern's own sender is the operators' affair
		}
		for kind, what := range map[string][]string{notice.DomainBroken: broken, notice.DomainMended: mended} {
			if len(what) == 0 {
				continue
			}
			n := notice.Notice{
				Kind: kind, AccountName: a.Name, KeyID: key.ID, KeyName: key.Name, APIKey: key.APIKey, What: d.Domain,
				Reason: strings.Join(what, "\n"), Link: "/senders?q=" + d.Domain,
			}
			if err := s.notices.Add(ctx, tx, to, n); err != nil {
				return err
			}
		}
		return nil
	})
}
