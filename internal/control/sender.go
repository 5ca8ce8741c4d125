// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"

	"postern/internal/domain"
	"postern/internal/senders"
	"postern/internal/store"
)

func (o *operator) listSenders(ctx context.Context, which string) ([]Sender, error) {
	keys, err := o.keysByID(ctx)
	if err != nil {
		return nil, err
	}
	scope := store.OfOperator()
	if which != "" {
		k, err := o.findKey(ctx, which)
		if err != nil {
			return nil, err
		}
		scope = store.OfKey(k.AccountID, k.ID)
	}
	senders, err := o.Store.Senders(ctx, scope)
	if err != nil {
		return nil, err
	}
	out := make([]Sender, 0, len(senders))
	for _, s := range senders {
		out = append(out, senderOf(s, keys[s.KeyID]))
	}
	return out, nil
}

// keysByID are all keys, to name them in listings.
func (o *operator) keysByID(ctx context.Context) (map[int64]store.Key, error) {
	keys := map[int64]store.Key{}
	err := o.Store.EachKey(ctx, func(k store.Key) error {
		keys[k.ID] = k
		return nil
	})
	return keys, err
}

func senderOf(s store.Sender, k store.Key) Sender {
	return Sender{Email: s.Email, Name: s.Name, Status: s.Status, Proof: s.Proof, Default: s.Default, EmailType: s.EmailType, Lent: s.Lent, Description: s.Description, APIKey: k.APIKey, KeyName: k.Name, CreatedAt: s.CreatedAt}
}

func (o *operator) addSender(ctx context.Context, which, sender, name string) (Sender, error) {
	key, err := o.findKey(ctx, which)
	if err != nil {
		return Sender{}, err
	}
	s, err := o.Senders.AddSender(ctx, actor(), store.OfOperator(), store.KeyFilter{ID: key.ID}, sender, name)
	if err != nil {
		return Sender{}, err
	}
	return senderOf(s, key), nil
}

// changeSender changes a sender's name, its type, whether it is the default one, and whether it is lent.
func (o *operator) changeSender(ctx context.Context, which, sender string, in SenderChange) (Sender, error) {
	x, key, err := o.findSender(ctx, which, sender)
	if err != nil {
		return Sender{}, err
	}
	c := senders.SenderChange{Name: in.Name, EmailType: in.EmailType, Default: in.Default, Lent: in.Lent, Description: in.Description}
	if x, err = o.Senders.ChangeSender(ctx, actor(), store.OfOperator(), x.ID, c); err != nil {
		return Sender{}, err
	}
	return senderOf(x, key), nil
}

// mailSender mails the link that proves an address once more.
func (o *operator) mailSender(ctx context.Context, which, sender string) (Sender, error) {
	x, key, err := o.findSender(ctx, which, sender)
	if err != nil {
		return Sender{}, err
	}
	return senderOf(x, key), o.Senders.MailSenderLink(ctx, actor(), store.OfOperator(), x.ID)
}

// findSender finds a sender of a key.
func (o *operator) findSender(ctx context.Context, which, sender string) (store.Sender, store.Key, error) {
	key, err := o.findKey(ctx, which)
	if err != nil {
		return store.Sender{}, key, err
	}
	email, _, err := senders.Split(sender)
	if err != nil {
		return store.Sender{}, key, invalid("Email", "%v", err)
	}
	x, err := o.oneSender(ctx, store.OfKey(key.AccountID, key.ID), store.SenderFilter{Email: email})
	return x, key, err
}

func (o *operator) removeSender(ctx context.Context, which, sender string) (Sender, error) {
	key, err := o.findKey(ctx, which)
	if err != nil {
		return Sender{}, err
	}
	x, key, err := o.findSender(ctx, key.APIKey, sender)
	if err != nil {
		return Sender{}, err
	}
	x.Status = store.SenderDeleted
	return senderOf(x, key), o.Senders.RemoveSender(ctx, actor(), store.OfOperator(), store.KeyFilter{ID: key.ID}, x.Email)
}

// checkSender looks at the domain of a sender now: for its proof, when it has none, and at its records.
func (o *operator) checkSender(ctx context.Context, which, sender string) (SenderCheck, error) {
	x, key, err := o.findSender(ctx, which, sender)
	if err != nil {
		return SenderCheck{}, err
	}
	scope := store.OfKey(key.AccountID, key.ID)
	of, err := o.Store.Domain(ctx, scope, store.DomainFilter{ID: x.DomainID})
	if err != nil {
		return SenderCheck{}, err
	}
	proof, err := o.Domains.Prove(ctx, actor(), scope, of)
	if err != nil {
		return SenderCheck{}, err
	}
	if of, err = o.Domains.Check(ctx, actor(), scope, of.ID); err != nil {
		return SenderCheck{}, err
	}
	if x, err = o.oneSender(ctx, scope, store.SenderFilter{Email: x.Email}); err != nil {
		return SenderCheck{}, err
	}
	records, err := o.Domains.Records(ctx, key.AccountID, of)
	if err != nil {
		return SenderCheck{}, err
	}
	out := SenderCheck{
		Sender: senderOf(x, key), Domain: of.Domain, FileURL: records.FileURL, Ownership: recordOf(records.Ownership, store.Record{Status: store.RecordOK}),
		DKIM: recordOf(records.DKIM, of.DKIM), SPF: recordOf(records.SPF, of.SPF), DMARC: of.DMARC, Advice: of.DMARCAdvice, CheckedAt: of.CheckedAt,
	}
	out.SPF.Errors = records.SPFErrors(of)
	if !of.Proved() {
		out.Ownership.Status, out.Ownership.Errors = store.RecordError, []string{proof.DNSError, proof.FileError}
	}
	return out, nil
}

func recordOf(t domain.TXT, r store.Record) Record {
	return Record{Name: t.Name, Value: t.Value, Status: r.Status, Current: r.Current, Errors: r.Errors}
}

func (o *operator) oneSender(ctx context.Context, scope store.Scope, f store.SenderFilter) (store.Sender, error) {
	list, _, err := o.Store.FindSenders(ctx, scope, f, store.Page{Limit: 1})
	if err != nil {
		return store.Sender{}, err
	}
	if len(list) == 0 {
		return store.Sender{}, notFound("Email", "%s is not a sender of the key", f.Email)
	}
	return list[0], nil
}
