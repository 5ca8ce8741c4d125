// SPDX-License-Identifier: Apache-2.0

package keyring

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"postern/internal/store"
)

// Kinds of notices. Those that begin with "credential." go to the account's webhook too.
const (
	NoticeInvitation        = "invitation"         // to who is invited: Link, Role, By, AccountName, KeyNames, Until
	NoticeAccessGiven       = "access.given"       // to who was given access: Role, By, AccountName, KeyNames
	NoticeRequestMade       = "request.made"       // to the operators: AccountName, By, What, Wanted, Reason
	NoticeRequestGranted    = "request.granted"    // to who asked: What, Wanted, Reason
	NoticeRequestDeclined   = "request.declined"   // to who asked: What, Wanted, Reason
	NoticePasswordReset     = "password.reset"     // to the user: Link, Until, Address
	NoticeSignInChanged     = "sign-in.changed"    // to the user: What was changed, Address
	NoticeKeySuspended      = "key.suspended"      // to the owners: KeyName, APIKey, Reason
	NoticeKeyRestored       = "key.restored"       // to the owners: KeyName, APIKey
	NoticeCredentialDue     = "credential.due"     // to the owners: KeyName, APIKey, Days left, Until
	NoticeCredentialOverdue = "credential.overdue" // to the owners: KeyName, APIKey, Days over, Stops
	NoticeCredentialLeaked  = "credential.leaked"  // to the owners: KeyName, APIKey, Hint, Address
	NoticeHookDead          = "hook.dead"          // to the owners: KeyName, APIKey, What events, Address of the URL, Reason, Until when it worked, Days: events that a backup has now, Wanted: events dropped
	NoticeSenderLink        = "sender.link"        // to the address that somebody wants to send from: Link, AccountName, KeyName, What address, Until
	NoticeDomainBroken      = "domain.broken"      // to the owners: KeyName, APIKey, What domain, Reason
	NoticeDomainMended      = "domain.mended"      // to the owners: likewise
)

// Notice is something to tell people, and perhaps a webhook. Until it is sent it is in the store, sealed: a link in it
// opens something.
type Notice struct {
	Kind        string    `json:"kind"`
	To          []string  `json:"to,omitempty"` // addresses; none: the account's owners, of account 0 the operators
	AccountName string    `json:"account_name,omitempty"`
	KeyID       int64     `json:"key_id,omitempty"`
	APIKey      string    `json:"api_key,omitempty"`
	KeyName     string    `json:"key_name,omitempty"`
	KeyNames    []string  `json:"key_names,omitempty"`
	Reference   string    `json:"reference,omitempty"` // of the key, as its owner set it
	SecretID    int64     `json:"secret_id,omitempty"`
	Hint        string    `json:"hint,omitempty"`    // the last four characters of a secret
	Link        string    `json:"link,omitempty"`    // path of a page, with its token
	By          string    `json:"by,omitempty"`      // who did it
	Role        string    `json:"role,omitempty"`    //
	What        string    `json:"what,omitempty"`    // what was asked for, or changed
	Wanted      int64     `json:"wanted,omitempty"`  //
	Reason      string    `json:"reason,omitempty"`  // what somebody wrote
	Address     string    `json:"address,omitempty"` // where a request came from
	Days        int       `json:"days,omitempty"`    //
	Stops       bool      `json:"stops,omitempty"`   // an overdue secret stops working by the account's policy
	At          time.Time `json:"at,omitzero"`       // when it happened
	Until       time.Time `json:"until,omitzero"`    // when a link or a secret ends
}

// tell keeps a notice in the transaction of what it tells of.
func (k *Keyring) tell(ctx context.Context, tx *store.Tx, accountID int64, n Notice) error {
	n.At = tx.Now
	plain, err := json.Marshal(n)
	if err != nil {
		return err
	}
	return tx.AddNotice(ctx, store.Notice{AccountID: accountID, Kind: n.Kind, Data: k.seal.Seal("notice", plain)})
}

// OpenNotice reads a notice as it was told.
func (k *Keyring) OpenNotice(kept store.Notice) (Notice, error) {
	var n Notice
	plain, err := k.seal.Open("notice", kept.Data)
	if err != nil {
		return n, fmt.Errorf("notice %d: %w", kept.ID, err)
	}
	return n, json.Unmarshal(plain, &n)
}
