// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"context"
	"errors"

	"postern/internal/change"
	"postern/internal/credential"
	"postern/internal/mail"
	"postern/internal/senders"
	"postern/internal/store"
)

// SystemName is the name of the account, and of its key, that Postern's own mail is sent by.
const SystemName = "Postern"

// System is the key that Postern's own mail is sent by, with from for its one sender; both are made where they are
// missing. The key has no secret: nothing opens it, and it is in no list but the operator's messages.
func (k *Keys) System(ctx context.Context, from string) (store.Key, error) {
	by := change.Actor{}
	if err := mail.CheckEmail(from); err != nil {
		return store.Key{}, change.Wrong("Email", err)
	}
	email, domain := mail.Canonical(from), mail.Domain(from)
	key, err := k.systemKey(ctx, by)
	if err != nil {
		return key, err
	}
	own, err := k.store.KeySenders(ctx, key.ID)
	if err != nil || len(own) == 1 && own[0].Email == email {
		return key, err
	}
	err = k.store.Update(ctx, func(tx *store.Tx) error {
		for _, x := range own {
			if err := tx.DeleteSender(ctx, key.ID, x.Email); err != nil {
				return err
			}
		}
		d, err := senders.AddDomain(ctx, tx, key.ID, domain)
		if err != nil {
			return err
		}
		// Who runs the server has named the address: it is his word.
		if _, err := tx.PutSender(ctx,
			store.Sender{
				KeyID: key.ID, Email: email, Domain: domain, Status: store.SenderActive, Proof: store.ProofOperator,
				DomainID: d.ID, Filename: d.Filename,
			}); err != nil {
			return err
		}
		if err := tx.AddAudit(ctx, by.Entry(key.AccountID, "sender.add", "sender "+email, "for Postern's own mail")); err != nil {
			return err
		}
		_, err = senders.Prove(ctx, tx, by, key, d, store.ProofOperator)
		return err
	})
	k.changed(key.ID)
	return key, err
}

// systemKey finds the key, or makes it with its account. It is made without a secret, so the gate has nothing to know.
func (k *Keys) systemKey(ctx context.Context, by change.Actor) (store.Key, error) {
	a, err := k.store.SystemAccount(ctx)
	if err == nil {
		return k.store.Key(ctx, store.OfAccount(a.ID), store.KeyFilter{})
	}
	if !errors.Is(err, store.ErrNotFound) {
		return store.Key{}, err
	}
	var key store.Key
	err = k.store.Update(ctx, func(tx *store.Tx) error {
		a, err := tx.AddSystemAccount(ctx, SystemName)
		if err != nil {
			return err
		}
		key, err = tx.AddKey(ctx,
			store.Key{AccountID: a.ID, APIKey: credential.NewAPIKey().String(), Name: SystemName, Master: true, State: store.KeyActive})
		if err != nil {
			return err
		}
		return tx.AddAudit(ctx, by.Entry(a.ID, "account.create", "account "+SystemName, "for Postern's own mail, with a key that "+
			"has no secret"))
	})
	return key, err
}
