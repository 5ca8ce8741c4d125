// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"

	"postern/internal/change"
	"postern/internal/domain"
	"postern/internal/senders"
	"postern/internal/store"
)

func (o *operator) listSenders(ctx context.Context, which string) ([]senders.Sender, error) {
	scope := store.OfOperator()
	if which != "" {
		k, err := o.findKey(ctx, which)
		if err != nil {
			return nil, err
		}
		scope = store.OfKey(k.AccountID, k.ID)
	}
	list, _, err := o.Senders.List(ctx, scope, store.SenderFilter{Sort: "Key"}, store.Page{})
	return list, err
}

func (o *operator) addSender(ctx context.Context, which, sender, name string) (senders.Sender, error) {
	key, err := o.findKey(ctx, which)
	if err != nil {
		return senders.Sender{}, err
	}
	x, err := o.Senders.AddSender(ctx, actor(), store.OfOperator(), store.KeyFilter{ID: key.ID}, sender, name)
	if err != nil {
		return senders.Sender{}, err
	}
	return o.Senders.One(ctx, store.OfOperator(), store.SenderFilter{ID: x.ID})
}

// changeSender changes a sender's name, its type, whether it is the default one, and whether it is shared.
func (o *operator) changeSender(ctx context.Context, which, sender string, in senders.SenderChange) (senders.Sender, error) {
	x, err := o.findSender(ctx, which, sender)
	if err != nil {
		return x, err
	}
	if _, err := o.Senders.ChangeSender(ctx, actor(), store.OfOperator(), x.ID, in); err != nil {
		return x, err
	}
	return o.Senders.One(ctx, store.OfOperator(), store.SenderFilter{ID: x.ID})
}

// mailSender mails the link that verifies an address once more.
func (o *operator) mailSender(ctx context.Context, which, sender string) (senders.Sender, error) {
	x, err := o.findSender(ctx, which, sender)
	if err != nil {
		return x, err
	}
	return x, o.Senders.MailSenderLink(ctx, actor(), store.OfOperator(), x.ID)
}

// findSender finds a sender of a key.
func (o *operator) findSender(ctx context.Context, which, sender string) (senders.Sender, error) {
	key, err := o.findKey(ctx, which)
	if err != nil {
		return senders.Sender{}, err
	}
	email, _, err := senders.Split(sender)
	if err != nil {
		return senders.Sender{}, change.Wrong("Email", err)
	}
	return o.Senders.One(ctx, store.OfKey(key.AccountID, key.ID), store.SenderFilter{Email: email})
}

func (o *operator) removeSender(ctx context.Context, which, sender string) (senders.Sender, error) {
	x, err := o.findSender(ctx, which, sender)
	if err != nil {
		return x, err
	}
	x.Status = store.SenderDeleted
	return x, o.Senders.RemoveSender(ctx, actor(), store.OfOperator(), store.KeyFilter{ID: x.Key.ID}, x.Email)
}

// checkSender checks the domain of a sender now.
func (o *operator) checkSender(ctx context.Context, which, sender string) (domain.Report, error) {
	x, err := o.findSender(ctx, which, sender)
	if err != nil {
		return domain.Report{}, err
	}
	return o.Domains.CheckSender(ctx, actor(), store.OfKey(x.Key.AccountID, x.Key.ID), x)
}
