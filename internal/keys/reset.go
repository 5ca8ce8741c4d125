// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"postern/internal/accounts"
	"postern/internal/change"
	"postern/internal/credential"
	"postern/internal/notice"
	"postern/internal/store"
)

// Reset is how a secret is reset. The zero value ends the old one at once.
type Reset struct {
	// Overlap is how long the old secret goes on working: 0, or credential.MinOverlap to MaxOverlap.
	Overlap time.Duration
	// EndSecretID names which of two live secrets dies at once, since three are never live. Needed only then.
	EndSecretID int64
	// NewestSecretID is the newest live secret that whoever asks knows of, 0 for none: when there is another meanwhile,
	// nothing is reset. nil: reset whatever there is.
	NewestSecretID *int64
}

// Reset gives a key of the scope a new secret. Without an overlap all old ones end: when it has returned, no request
// with one of them is accepted and the SMTP sessions that it opened are closed. With an overlap the newest old secret
// lives on until its end. Errors: *change.Error on OverlapSeconds; Conflict on EndSecretID when two are live and none is named, and
// on NewestSecretID when the key was reset meanwhile.
func (k *Keys) Reset(ctx context.Context, by change.Actor, scope store.Scope, f store.KeyFilter, how Reset) (Issued, error) {
	if err := credential.CheckOverlap(how.Overlap); err != nil {
		return Issued{}, change.Wrong("OverlapSeconds", err)
	}
	var out Issued
	err := k.change(ctx, func(tx *store.Tx) (*store.Key, error) {
		key, err := tx.KeyToChange(ctx, scope, f)
		if err != nil {
			return nil, err
		}
		if err := how.expects(key.Secrets); err != nil {
			return nil, err
		}
		detail := "the old secret key ended at once"
		if how.Overlap == 0 {
			if _, err := tx.EndSecrets(ctx, key.ID); err != nil {
				return nil, err
			}
			key.Secrets = nil
		} else if detail, err = k.overlap(ctx, tx, &key, how); err != nil {
			return nil, err
		}
		if out, err = k.addSecret(ctx, tx, key, ""); err != nil {
			return nil, err
		}
		return &out.Key, tx.AddAudit(ctx, by.Entry(key.AccountID, "key.reset", "key "+key.APIKey, detail))
	})
	return out, err
}

// expects says whether the newest of the live secrets is the one that the caller knows of.
func (how Reset) expects(live []store.Secret) error {
	newest := int64(0)
	if len(live) > 0 {
		newest = live[0].ID
	}
	if how.NewestSecretID == nil || *how.NewestSecretID == newest {
		return nil
	}
	return &change.Error{Kind: change.Conflict, Field: "NewestSecretID", Reason: "the secret key was reset meanwhile"}
}

// overlap leaves one old secret of the key live, until the overlap's end.
func (k *Keys) overlap(ctx context.Context, tx *store.Tx, key *store.Key, how Reset) (detail string, err error) {
	if len(key.Secrets) == 2 {
		if how.EndSecretID == 0 {
			return "", thirdSecret(key.Secrets)
		}
		i := slices.IndexFunc(key.Secrets, func(x store.Secret) bool { return x.ID == how.EndSecretID })
		if i < 0 {
			return "", &change.Error{Kind: change.Invalid, Field: "EndSecretID", Reason: "it names no live secret key of this API key"}
		}
		if err := tx.EndSecret(ctx, key.ID, how.EndSecretID); err != nil {
			return "", err
		}
		detail = "the secret key …" + key.Secrets[i].Hint + " ended at once; "
		key.Secrets = slices.Delete(key.Secrets, i, i+1)
	}
	if len(key.Secrets) == 0 {
		return detail + "there was no live secret key", nil
	}
	old := &key.Secrets[0]
	until := tx.Now.Add(how.Overlap)
	if !old.ExpiresAt.IsZero() && old.ExpiresAt.Before(until) {
		until = old.ExpiresAt // an end that was promised is not put off
	}
	owner, err := tx.Account(ctx, key.AccountID)
	if err != nil {
		return "", err
	}
	if policy := accounts.PolicyOf(owner); policy.Stop && policy.EndOf(old.CreatedAt).Before(until) {
		until = policy.EndOf(old.CreatedAt) // an overdue secret stops working by the account's choice: no overlap is promised past it
	}
	if !until.After(tx.Now) {
		detail += "the old secret key …" + old.Hint + " was overdue and had stopped working; it ended"
		key.Secrets = key.Secrets[1:]
		return detail, tx.EndSecret(ctx, key.ID, old.ID)
	}
	old.ExpiresAt = until
	if err := tx.ExpireSecret(ctx, key.ID, old.ID, until); err != nil {
		return "", err
	}
	return detail + "the old secret key …" + old.Hint + " works until " + until.Format(time.RFC3339), nil
}

// thirdSecret says which of two live secrets would die for a third.
func thirdSecret(live []store.Secret) error {
	older := live[1] // the newest is first
	reason := fmt.Sprintf("two secret keys are live already, …%s and …%s, and a third is not possible: the older one, …%s", live[0].Hint,
		older.Hint, older.Hint)
	if !older.LastUsedAt.IsZero() {
		reason += ", last used " + older.LastUsedAt.Format("2006-01-02 15:04 UTC") + ","
	}
	return &change.Error{Kind: change.Conflict, Field: "EndSecretID", Reason: reason + fmt.Sprintf(" would end at once; name the "+
		"one to end (%d or %d), or reset without an overlap, which ends both", live[0].ID, older.ID)}
}

// Retire ends one live secret of a key early: the old one of an overlap. The last live secret is not retired, but
// reset. Errors: *change.Error on SecretID.
func (k *Keys) Retire(ctx context.Context, by change.Actor, scope store.Scope, f store.KeyFilter, secretID int64) (store.Key, error) {
	var out store.Key
	err := k.change(ctx, func(tx *store.Tx) (*store.Key, error) {
		key, err := tx.KeyToChange(ctx, scope, f)
		if err != nil {
			return nil, err
		}
		i := slices.IndexFunc(key.Secrets, func(x store.Secret) bool { return x.ID == secretID })
		switch {
		case i < 0:
			return nil, &change.Error{Kind: change.Invalid, Field: "SecretID", Reason: "it names no live secret key of this API key"}
		case len(key.Secrets) == 1:
			return nil, &change.Error{Kind: change.NotAllowed, Field: "SecretID", Reason: "it is the only live secret key: reset " +
				"it, or deactivate the API key"}
		}
		gone := key.Secrets[i]
		if err := tx.EndSecret(ctx, key.ID, gone.ID); err != nil {
			return nil, err
		}
		key.Secrets = slices.Delete(key.Secrets, i, i+1)
		detail := "the secret key …" + gone.Hint + " ended"
		// The newest may be retired instead: then the old one lives on, as long as it was promised.
		if left := key.Secrets[0]; !left.ExpiresAt.IsZero() {
			detail += "; …" + left.Hint + " works until " + left.ExpiresAt.Format(time.RFC3339)
		}
		out = key
		return &key, tx.AddAudit(ctx, by.Entry(key.AccountID, "key.retire", "key "+key.APIKey, detail))
	})
	return out, err
}

// Leaked revokes a secret that was found where it should not be, at a URL or "", notifies the key's owners, and says whether
// it was live. Having the secret is the proof: nobody has to sign in for it. Errors: *change.Error on URL.
func (k *Keys) Leaked(ctx context.Context, by change.Actor, secret, foundURL string) (bool, error) {
	foundURL, err := FoundURL(strings.ReplaceAll(foundURL, secret, ""))
	if err != nil {
		return false, err
	}
	if len(secret) == 0 || len(secret) > credential.MaxSecretChars {
		return false, nil
	}
	digest := k.digester.Digest(secret)
	// Strangers report: what is nobody's costs a reading, and holds up no change.
	found, err := k.store.SecretByDigest(ctx, digest[:])
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	live := false
	err = k.change(ctx, func(tx *store.Tx) (*store.Key, error) {
		key, err := tx.KeyToChange(ctx, store.OfOperator(), store.KeyFilter{ID: found.KeyID})
		if err != nil {
			return nil, err
		}
		i := slices.IndexFunc(key.Secrets, func(x store.Secret) bool { return x.ID == found.ID })
		if live = i >= 0; !live {
			return nil, nil // it has ended meanwhile
		}
		if err := tx.EndSecret(ctx, found.KeyID, found.ID); err != nil {
			return nil, err
		}
		key.Secrets = slices.Delete(key.Secrets, i, i+1)
		n := notice.Notice{
			Kind: notice.CredentialLeaked, KeyID: key.ID, APIKey: key.APIKey, KeyName: key.Name, Reference: key.Reference,
			SecretID: found.ID, Hint: found.Hint, Address: by.Origin, FoundURL: foundURL,
		}
		if err := k.notices.Add(ctx, tx, key.AccountID, n); err != nil {
			return nil, err
		}
		detail := "the secret key …" + found.Hint + " was reported as leaked, and ended"
		if foundURL != "" {
			detail += "; found at " + foundURL
		}
		return &key, tx.AddAudit(ctx, by.Entry(key.AccountID, "key.leaked", "key "+key.APIKey, detail))
	})
	return live, err
}

// EndOverlaps records the ends of overlaps that are over, and says how many there were. The gate has ended them on
// time: this is for the list and the log.
func (k *Keys) EndOverlaps(ctx context.Context) (n int, err error) {
	err = k.store.Update(ctx, func(tx *store.Tx) error {
		ended, err := tx.EndExpiredSecrets(ctx)
		n = len(ended)
		for _, x := range ended {
			key, err := tx.Key(ctx, store.OfOperator(), store.KeyFilter{ID: x.KeyID})
			if errors.Is(err, store.ErrNotFound) {
				continue // deleted meanwhile
			}
			if err != nil {
				return err
			}
			if err := tx.AddAudit(ctx, change.Actor{}.Entry(key.AccountID, "key.overlap.end", "key "+key.APIKey,
				"the secret key …"+x.Hint+" came to its end")); err != nil {
				return err
			}
		}
		return err
	})
	return n, err
}
