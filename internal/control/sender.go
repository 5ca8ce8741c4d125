// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"net/http"

	"postern/internal/domain"
	"postern/internal/senders"
	"postern/internal/store"
)

func (d *door) listSenders(r *http.Request) (any, error) {
	keys, err := d.keysByID(r)
	if err != nil {
		return nil, err
	}
	scope := store.OfOperator()
	if which := r.URL.Query().Get("key"); which != "" {
		k, err := d.findKey(r.Context(), which)
		if err != nil {
			return nil, err
		}
		scope = store.OfKey(k.AccountID, k.ID)
	}
	senders, err := d.Store.Senders(r.Context(), scope)
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
func (d *door) keysByID(r *http.Request) (map[int64]store.Key, error) {
	keys := map[int64]store.Key{}
	err := d.Store.EachKey(r.Context(), func(k store.Key) error {
		keys[k.ID] = k
		return nil
	})
	return keys, err
}

func senderOf(s store.Sender, k store.Key) Sender {
	return Sender{Email: s.Email, Name: s.Name, Status: s.Status, Proof: s.Proof, Default: s.Default, EmailType: s.EmailType, Lent: s.Lent, Description: s.Description, APIKey: k.APIKey, KeyName: k.Name, CreatedAt: s.CreatedAt}
}

func (d *door) addSender(r *http.Request) (any, error) {
	in, key, err := d.readSender(r)
	if err != nil {
		return nil, err
	}
	s, err := d.Senders.AddSender(r.Context(), operator(), store.OfOperator(), store.KeyFilter{ID: key.ID}, in.Email, in.Name)
	if err != nil {
		return nil, err
	}
	return senderOf(s, key), nil
}

// changeSender changes a sender's name, its type, whether it is the default one, and whether it is lent.
func (d *door) changeSender(r *http.Request) (any, error) {
	var in SenderChange
	if err := read(r, &in); err != nil {
		return nil, err
	}
	x, key, err := d.findSender(r.Context(), in.Key, in.Email)
	if err != nil {
		return nil, err
	}
	c := senders.SenderChange{Name: in.Name, EmailType: in.EmailType, Default: in.Default, Lent: in.Lent, Description: in.Description}
	if x, err = d.Senders.ChangeSender(r.Context(), operator(), store.OfOperator(), x.ID, c); err != nil {
		return nil, err
	}
	return senderOf(x, key), nil
}

// mailSender mails the link that proves an address once more.
func (d *door) mailSender(r *http.Request) (any, error) {
	var in SenderOf
	if err := read(r, &in); err != nil {
		return nil, err
	}
	x, key, err := d.findSender(r.Context(), in.Key, in.Email)
	if err != nil {
		return nil, err
	}
	return senderOf(x, key), d.Senders.MailSenderLink(r.Context(), operator(), store.OfOperator(), x.ID)
}

// findSender finds a sender of a key.
func (d *door) findSender(ctx context.Context, which, sender string) (store.Sender, store.Key, error) {
	key, err := d.findKey(ctx, which)
	if err != nil {
		return store.Sender{}, key, err
	}
	email, _, err := senders.Split(sender)
	if err != nil {
		return store.Sender{}, key, invalid("Email", "%v", err)
	}
	x, err := d.oneSender(ctx, store.OfKey(key.AccountID, key.ID), store.SenderFilter{Email: email})
	return x, key, err
}

func (d *door) removeSender(r *http.Request) (any, error) {
	in, key, err := d.readSender(r)
	if err != nil {
		return nil, err
	}
	x, key, err := d.findSender(r.Context(), key.APIKey, in.Email)
	if err != nil {
		return nil, err
	}
	x.Status = store.SenderDeleted
	return senderOf(x, key), d.Senders.RemoveSender(r.Context(), operator(), store.OfOperator(), store.KeyFilter{ID: key.ID}, x.Email)
}

// checkSender looks at the domain of a sender now: for its proof, when it has none, and at its records.
func (d *door) checkSender(r *http.Request) (any, error) {
	ctx := r.Context()
	var in SenderOf
	if err := read(r, &in); err != nil {
		return nil, err
	}
	x, key, err := d.findSender(ctx, in.Key, in.Email)
	if err != nil {
		return nil, err
	}
	scope := store.OfKey(key.AccountID, key.ID)
	of, err := d.Store.Domain(ctx, scope, store.DomainFilter{ID: x.DomainID})
	if err != nil {
		return nil, err
	}
	proof, err := d.Domains.Prove(ctx, operator(), scope, of)
	if err != nil {
		return nil, err
	}
	if of, err = d.Domains.Check(ctx, operator(), scope, of.ID); err != nil {
		return nil, err
	}
	if x, err = d.oneSender(ctx, scope, store.SenderFilter{Email: x.Email}); err != nil {
		return nil, err
	}
	records, err := d.Domains.Records(ctx, key.AccountID, of)
	if err != nil {
		return nil, err
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

func (d *door) oneSender(ctx context.Context, scope store.Scope, f store.SenderFilter) (store.Sender, error) {
	list, _, err := d.Store.FindSenders(ctx, scope, f, store.Page{Limit: 1})
	if err != nil {
		return store.Sender{}, err
	}
	if len(list) == 0 {
		return store.Sender{}, notFound("Email", "%s is not a sender of the key", f.Email)
	}
	return list[0], nil
}

func (d *door) readSender(r *http.Request) (SenderOf, store.Key, error) {
	var in SenderOf
	if err := read(r, &in); err != nil {
		return in, store.Key{}, err
	}
	key, err := d.findKey(r.Context(), in.Key)
	return in, key, err
}
