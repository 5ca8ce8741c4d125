// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"postern/internal/change"
	"postern/internal/credential"
	"postern/internal/store"
)

// Named reads how a program names a key: by its API key, its number or its reference. "ref:" before a reference says that
// it is one, though it looks like one of the others.
func Named(text string) (store.KeyFilter, error) {
	reference, is := strings.CutPrefix(text, "ref:")
	switch {
	case reference == "": // an empty filter would find any key
		return store.KeyFilter{}, change.Errorf(change.Invalid, "Key", "it is empty: say which key, by API key, name, number or reference")
	case is:
		return store.KeyFilter{Reference: reference}, nil
	}
	if api, err := credential.ParseAPIKey(strings.ToLower(text)); err == nil {
		return store.KeyFilter{APIKey: api.String()}, nil
	}
	if strings.Trim(text, "0123456789") != "" {
		return store.KeyFilter{Reference: text}, nil
	}
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil || id <= 0 {
		return store.KeyFilter{}, change.Missing("key")
	}
	return store.KeyFilter{ID: id}, nil
}

// Find finds a key of the scope by what a person types: as Named reads it, or by its name, which goes before a number and a
// reference. Errors: *change.Error on Key.
func (k *Keys) Find(ctx context.Context, scope store.Scope, text string) (store.Key, error) {
	f, err := Named(text)
	if err != nil && failed(err) {
		return store.Key{}, err
	}
	tries := []store.KeyFilter{f}
	if f.APIKey == "" && !strings.HasPrefix(text, "ref:") {
		tries = []store.KeyFilter{{Name: text}, {Reference: text}}
		if f.ID != 0 {
			tries = []store.KeyFilter{{Name: text}, f, {Reference: text}}
		}
	}
	for _, f := range tries {
		list, total, err := k.store.Keys(ctx, scope, f, store.Page{Limit: 1})
		switch {
		case err != nil:
			return store.Key{}, err
		case total > 1:
			return store.Key{}, change.Errorf(change.Invalid, "Key", "%d keys are called %q: say which by API key", total, text)
		case total == 1:
			return list[0], nil
		}
	}
	return store.Key{}, change.Errorf(change.NotFound, "Key", "there is no key %q", text)
}

// failed says whether an error is something else than that there is no such thing.
func failed(err error) bool {
	var e *change.Error
	return !errors.As(err, &e) || e.Kind != change.NotFound
}

// missing makes what the store does not have a *change.Error.
func missing(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return change.Missing("key")
	}
	return err
}
