// SPDX-License-Identifier: Apache-2.0

package control

import (
	"net/http"
	"time"

	"postern/internal/credential"
	"postern/internal/keyring"
	"postern/internal/store"
)

func (d *door) listKeys(r *http.Request) (any, error) {
	scope := store.OfOperator()
	if which := r.URL.Query().Get("account"); which != "" {
		a, err := d.findAccount(r.Context(), which)
		if err != nil {
			return nil, err
		}
		scope = store.OfAccount(a.ID)
	}
	policies, err := d.policies(r)
	if err != nil {
		return nil, err
	}
	out := []Key{}
	for {
		keys, total, err := d.Store.Keys(r.Context(), scope, store.KeyFilter{}, store.Page{Limit: 1000, Offset: len(out)})
		if err != nil {
			return nil, err
		}
		for _, k := range keys {
			out = append(out, keyOf(k, policies[k.AccountID], time.Now()))
		}
		if len(keys) == 0 || len(out) >= total {
			return out, nil
		}
	}
}

// policies are the rotation policies of the accounts.
func (d *door) policies(r *http.Request) (map[int64]credential.Policy, error) {
	accounts, err := d.Store.Accounts(r.Context())
	out := map[int64]credential.Policy{}
	for _, a := range accounts {
		out[a.ID] = keyring.PolicyOf(a)
	}
	return out, err
}

func keyOf(k store.Key, policy credential.Policy, now time.Time) Key {
	out := Key{ID: k.ID, AccountID: k.AccountID, APIKey: k.APIKey, Name: k.Name, Master: k.Master, State: k.State, CreatedAt: k.CreatedAt}
	for i, x := range k.Secrets {
		if i == 0 { // the newest
			out.SecretHint, out.SecretCreatedAt = x.Hint, x.CreatedAt
			out.SecretDaysLeft = policy.AgeOf(x.CreatedAt, now).DaysLeft
		}
		if x.LastUsedAt.After(out.LastUsedAt) {
			out.LastUsedAt = x.LastUsedAt
		}
	}
	return out
}

func (d *door) createKey(r *http.Request) (any, error) {
	var in NewKey
	if err := read(r, &in); err != nil {
		return nil, err
	}
	a, err := d.findAccount(r.Context(), in.Account)
	if err != nil {
		return nil, err
	}
	made, err := d.Keyring.CreateSubaccount(r.Context(), operator(), a.ID, keyring.NewKey{Name: in.Name})
	if err != nil {
		return nil, err
	}
	return credentialOf(made), nil
}

func (d *door) resetKey(r *http.Request) (any, error) {
	key, err := d.findKey(r.Context(), r.PathValue("key"))
	if err != nil {
		return nil, err
	}
	made, err := d.Keyring.Reset(r.Context(), operator(), store.OfOperator(), store.KeyFilter{ID: key.ID}, keyring.Reset{})
	if err != nil {
		return nil, err
	}
	return credentialOf(made), nil
}

func (d *door) changeKey(r *http.Request) (any, error) {
	var in KeyChange
	if err := read(r, &in); err != nil {
		return nil, err
	}
	key, err := d.findKey(r.Context(), r.PathValue("key"))
	if err != nil {
		return nil, err
	}
	changed, err := d.Keyring.Change(r.Context(), operator(), store.OfOperator(), store.KeyFilter{ID: key.ID}, keyring.KeyChange{Name: in.Name, Active: in.Active}, 0)
	if err != nil {
		return nil, err
	}
	policies, err := d.policies(r)
	return keyOf(changed, policies[changed.AccountID], time.Now()), err
}

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
	return Sender{Email: s.Email, Name: s.Name, Status: s.Status, APIKey: k.APIKey, KeyName: k.Name, CreatedAt: s.CreatedAt}
}

func (d *door) addSender(r *http.Request) (any, error) {
	in, key, err := d.readSender(r)
	if err != nil {
		return nil, err
	}
	s, err := d.Keyring.AddSender(r.Context(), operator(), store.OfOperator(), store.KeyFilter{ID: key.ID}, in.Email, in.Name)
	if err != nil {
		return nil, err
	}
	return senderOf(s, key), nil
}

func (d *door) removeSender(r *http.Request) (any, error) {
	in, key, err := d.readSender(r)
	if err != nil {
		return nil, err
	}
	if err := d.Keyring.RemoveSender(r.Context(), operator(), store.OfOperator(), store.KeyFilter{ID: key.ID}, in.Email); err != nil {
		return nil, err
	}
	return struct{}{}, nil
}

func (d *door) readSender(r *http.Request) (SenderOf, store.Key, error) {
	var in SenderOf
	if err := read(r, &in); err != nil {
		return in, store.Key{}, err
	}
	key, err := d.findKey(r.Context(), in.Key)
	return in, key, err
}
