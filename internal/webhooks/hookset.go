// SPDX-License-Identifier: Apache-2.0

package webhooks

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"postern/internal/change"
	"postern/internal/store"
	"postern/internal/webhook"
)

// HookSet is what a key's events of some types are to be told to.
type HookSet struct {
	URL     string
	Types   []store.EventType
	Version int // 0: 1, or with Replace that of the hook that is there, or else 2
	Backup  bool
	Replace bool // hooks that are there are changed, rather than a conflict; xxxxx for a password keeps the password
}

// SetHooks adds hooks to a key of the scope, or with Replace changes those that are there; what waits for one that is
// changed goes to its new URL, and one that was dead is alive again. Errors: *change.Error on Url, Version, EventType.
func (k *Webhooks) SetHooks(ctx context.Context, by change.Actor, scope store.Scope, f store.KeyFilter, set HookSet) ([]Hook, error) {
	if set.Replace {
		if err := k.keepPassword(ctx, scope, f, &set); err != nil {
			return nil, err
		}
	}
	u, err := k.checkHook(&set)
	if err != nil {
		return nil, err
	}
	var keyID int64
	err = change.Add(ctx, k.store, "key", func(tx *store.Tx) error {
		key, err := tx.Key(ctx, scope, f)
		if err != nil {
			return err
		}
		keyID = key.ID
		receiver, err := k.webhook.Receiver(ctx, tx, key.AccountID, key.ID, u)
		if err != nil {
			return err
		}
		for _, t := range set.Types {
			h := store.Hook{AccountID: key.AccountID, KeyID: key.ID, ReceiverID: receiver, Type: t, Backup: set.Backup, Version: set.Version}
			if err := k.putHook(ctx, tx, by, key, h, set.Replace, webhook.Origin(u)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	list, _, err := k.store.Hooks(ctx, store.OfOperator(), store.HookFilter{KeyID: keyID, Backup: &set.Backup}, store.Page{})
	list = slices.DeleteFunc(list, func(h store.Hook) bool { return !slices.Contains(set.Types, h.Type) })
	return k.shown(list), err
}

// keepPassword puts the password back into a URL that is given as it is shown.
func (k *Webhooks) keepPassword(ctx context.Context, scope store.Scope, f store.KeyFilter, set *HookSet) error {
	given, err := url.Parse(strings.TrimSpace(set.URL))
	if err != nil {
		return nil //nolint:nilerr // checkHook says it
	}
	if password, _ := given.User.Password(); password != webhook.Masked {
		return nil
	}
	key, err := k.store.Key(ctx, scope, f)
	if err != nil {
		return err
	}
	list, _, err := k.store.Hooks(ctx, scope, store.HookFilter{KeyID: key.ID}, store.Page{})
	if err != nil {
		return err
	}
	known := map[string]bool{}
	for _, h := range list {
		if u, err := k.webhook.HookURL(h.KeyID, h.URL); err == nil && webhook.Redacted(u) == given.String() {
			known[u.String()] = true
			set.URL = u.String()
		}
	}
	switch len(known) {
	case 0:
		return change.Wrong("Url", errors.New("has "+webhook.Masked+" for a password, and no webhook of the key is shown so: give the password"))
	case 1:
		return nil
	}
	return change.Wrong("Url", errors.New("has "+webhook.Masked+" for a password, and the key has several that are shown so: give the password"))
}

func (k *Webhooks) checkHook(set *HookSet) (*url.URL, error) {
	if set.Version == 0 && !set.Replace {
		set.Version = 1
	}
	if set.Version != 1 && set.Version != 2 && (set.Version != 0 || !set.Replace) {
		return nil, change.Wrong("Version", errors.New("is 1 (an event a request) or 2 (an array of them)"))
	}
	if len(set.Types) == 0 {
		return nil, change.Wrong("EventType", errors.New("is missing"))
	}
	u, err := webhook.Check(set.URL, k.webhook.Private)
	if err != nil {
		return nil, change.Wrong("Url", err)
	}
	return u, nil
}

// putHook adds or changes one hook, with its audit entry.
func (k *Webhooks) putHook(ctx context.Context, tx *store.Tx, by change.Actor, key store.Key, h store.Hook, replace bool, origin string) error {
	there, err := tx.Hooks(ctx, store.OfKey(key.AccountID, key.ID), store.HookFilter{KeyID: key.ID, Type: h.Type, Backup: &h.Backup})
	if err != nil {
		return err
	}
	action := "hook.add"
	switch {
	case len(there) == 0:
		if h.Version == 0 {
			h.Version = 2
		}
		_, err = tx.AddHook(ctx, h)
	case !replace:
		what := "URL"
		if h.Backup {
			what = "backup URL"
		}
		return change.Conflicting("EventType|Backup", fmt.Sprintf("a %s for %s events is set already; change or remove that one", what, h.Type))
	default:
		action, h.ID = "hook.change", there[0].ID
		if h.Version == 0 {
			h.Version = there[0].Version
		}
		if h.ReceiverID != there[0].ReceiverID {
			_, _, err = tx.MoveHookEvents(ctx, there[0], h, 0, 0)
		}
		if err == nil {
			err = tx.ChangeHook(ctx, h)
		}
	}
	if err != nil {
		return err
	}
	if err := tx.CheckBackup(ctx, h); errors.Is(err, store.ErrSameReceiver) {
		return change.Wrong("Url", errors.New("is the one that the backup stands in for: a backup has another URL"))
	} else if err != nil {
		return err
	}
	return tx.AddAudit(ctx, by.Entry(key.AccountID, action, "webhook "+hookName(h)+" "+origin, fmt.Sprintf("version %d; for key %s", h.Version, key.APIKey)))
}

func hookName(h store.Hook) string {
	if h.Backup {
		return h.Type.String() + " (backup)"
	}
	return h.Type.String()
}

// HookChange is what is to be different of a hook; nil stays as it is.
type HookChange struct {
	URL     *string
	Version *int
	Revive  bool // a dead URL is to be tried again
}

// ChangeHook changes a hook of the scope. A URL that is given, even the same, makes a dead hook alive. Errors: *change.Error on
// Url and Version, NotFound.
func (k *Webhooks) ChangeHook(ctx context.Context, by change.Actor, scope store.Scope, id int64, c HookChange) (Hook, error) {
	h, err := k.Hook(ctx, scope, store.HookFilter{ID: id})
	if err != nil {
		return h, err
	}
	if c.URL == nil && !c.Revive && (c.Version == nil || *c.Version == h.Version) {
		return h, nil
	}
	set := HookSet{Types: []store.EventType{h.Type}, Version: h.Version, Backup: h.Backup, Replace: true}
	if c.Version != nil {
		if set.Version = *c.Version; set.Version == 0 {
			set.Version = 3 // none
		}
	}
	if c.URL != nil && strings.TrimSpace(*c.URL) != h.Shown { // what is shown has no password in it
		set.URL = *c.URL
	} else if u, err := k.webhook.HookURL(h.KeyID, h.URL); err == nil {
		set.URL = u.String()
	}
	if c.URL == nil && !c.Revive && !h.Alive() {
		return k.changeVersion(ctx, by, h, set.Version)
	}
	list, err := k.SetHooks(ctx, by, scope, store.KeyFilter{ID: h.KeyID}, set)
	if err != nil {
		return h, err
	}
	return list[0], nil
}

// changeVersion changes the version of a hook that stays dead.
func (k *Webhooks) changeVersion(ctx context.Context, by change.Actor, h Hook, version int) (Hook, error) {
	if version != 1 && version != 2 {
		return h, change.Wrong("Version", errors.New("is 1 (an event a request) or 2 (an array of them)"))
	}
	err := k.update(ctx, "webhook", func(tx *store.Tx) error {
		if err := tx.SetHookVersion(ctx, h.ID, version); err != nil {
			return err
		}
		of, err := ofKey(ctx, tx, h.KeyID)
		if err != nil {
			return err
		}
		return tx.AddAudit(ctx, by.Entry(h.AccountID, "hook.change", "webhook "+hookName(h.Hook), fmt.Sprintf("version %d; %s", version, of)))
	})
	h.Version = version
	return h, err
}

// RemoveHook removes a hook of the scope: what waits for it is not told. Error: *change.Error NotFound.
func (k *Webhooks) RemoveHook(ctx context.Context, by change.Actor, scope store.Scope, id int64) error {
	return k.update(ctx, "webhook", func(tx *store.Tx) error {
		list, err := tx.Hooks(ctx, scope, store.HookFilter{ID: id})
		if err != nil {
			return err
		}
		if len(list) == 0 {
			return store.ErrNotFound
		}
		origin := "unreadable"
		if u, err := k.webhook.HookURL(list[0].KeyID, list[0].URL); err == nil {
			origin = webhook.Origin(u)
		}
		if err := tx.RemoveHook(ctx, list[0]); err != nil {
			return err
		}
		of, err := ofKey(ctx, tx, list[0].KeyID)
		if err != nil {
			return err
		}
		return tx.AddAudit(ctx, by.Entry(list[0].AccountID, "hook.remove", "webhook "+hookName(list[0])+" "+origin, of))
	})
}
