// SPDX-License-Identifier: Apache-2.0

package control

import (
	"net/http"

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
