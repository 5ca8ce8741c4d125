// SPDX-License-Identifier: Apache-2.0

// Package notice is the outbox of what people are notified of: a notice is written in the transaction of the change that
// it is about, and sent later, at least once, by package notify. Until it is sent it is sealed under the server key.
package notice

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"postern/internal/credential"
	"postern/internal/store"
)

// Kinds of notices. Those that are called as a type of an account's events go to its webhook too.
const (
	Invitation        = "invitation"         // to who is invited: Link, Role, By, AccountName, KeyNames, Until
	AccessGiven       = "access.given"       // to who was given access: Role, By, AccountName, KeyNames
	RequestMade       = "request.made"       // to the operators: AccountName, By, What, Wanted, Reason
	RequestGranted    = "request.granted"    // to who asked: What, Wanted, Reason
	RequestDeclined   = "request.declined"   // to who asked: What, Wanted, Reason
	PasswordReset     = "password.reset"     // to the user: Link, Until, Address
	SignInChanged     = "sign-in.changed"    // to the user: What was changed, Address
	KeySuspended      = "key.suspended"      // to the owners: KeyName, APIKey, Reason
	KeyRestored       = "key.restored"       // to the owners: KeyName, APIKey
	AccountSuspended  = "account.suspended"  // to the owners: AccountName, Reason
	AccountRestored   = "account.restored"   // to the owners: AccountName
	CredentialDue     = "credential.due"     // to the owners: KeyName, APIKey, Days left, Until
	CredentialOverdue = "credential.overdue" // to the owners: KeyName, APIKey, Days over, Stops
	CredentialLeaked  = "credential.leaked"  // to the owners: KeyName, APIKey, Hint, Address, FoundURL
	// to the owners: KeyName and APIKey if it is a key's, What events, Address of the URL, Reason, Until when it
	// worked, Days: events that a backup has now, Wanted: events dropped
	HookDead = "hook.dead"
	// to the address that somebody wants to send from: Link, AccountName, KeyName, What address, Until
	SenderLink   = "sender.link"
	DomainBroken = "domain.broken" // to the owners: KeyName, APIKey, What domain, Reason
	DomainMended = "domain.mended" // to the owners: likewise
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
	Hint        string    `json:"hint,omitempty"`      // the last four characters of a secret
	Link        string    `json:"link,omitempty"`      // path of a page, with its token
	By          string    `json:"by,omitempty"`        // who did it
	Role        string    `json:"role,omitempty"`      //
	What        string    `json:"what,omitempty"`      // what was asked for, or changed
	Wanted      int64     `json:"wanted,omitempty"`    //
	Reason      string    `json:"reason,omitempty"`    // what somebody wrote
	Address     string    `json:"address,omitempty"`   // where a request came from
	FoundURL    string    `json:"found_url,omitempty"` // where a leaked secret was found, as a stranger reported it
	Days        int       `json:"days,omitempty"`      //
	Stops       bool      `json:"stops,omitempty"`     // an overdue secret stops working by the account's policy
	At          time.Time `json:"at,omitzero"`         // when it happened
	Until       time.Time `json:"until,omitzero"`      // when a link or a secret ends
}

// Outbox keeps notices until they are sent. Make it with New.
type Outbox struct {
	seal *credential.Sealer
	wake func()
}

// New makes an outbox whose notices are sealed under the server key. wake is called when a notice waits to be sent; it may
// be nil, and must not block.
func New(serverKey []byte, wake func()) (*Outbox, error) {
	seal, err := credential.NewSealer(serverKey)
	if wake == nil {
		wake = func() {}
	}
	return &Outbox{seal: seal, wake: wake}, err
}

// body is the name that bodies of mail are sealed for.
const body = "body of a notice"

// Sealed says whether the mail of a notice is sealed until it is handed over: a link in it opens something.
func (n *Notice) Sealed() bool {
	return n.Kind == Invitation || n.Kind == PasswordReset || n.Kind == SenderLink
}

// SealBody seals the source of a mail.
func (o *Outbox) SealBody(raw []byte) []byte { return o.seal.Seal(body, raw) }

// OpenBody opens what SealBody made.
func (o *Outbox) OpenBody(sealed []byte) ([]byte, error) { return o.seal.Open(body, sealed) }

// Add keeps a notice in the transaction of what it is about. Without recipients in To it goes to the owners of the account,
// and of account 0 to the operators.
func (o *Outbox) Add(ctx context.Context, tx *store.Tx, accountID int64, n Notice) error {
	n.At = tx.Now
	plain, err := json.Marshal(n)
	if err != nil {
		return err
	}
	tx.AfterCommit(o.wake)
	return tx.AddNotice(ctx, store.Notice{AccountID: accountID, Kind: n.Kind, Data: o.seal.Seal("notice", plain)})
}

// Open reads a notice as it was added.
func (o *Outbox) Open(kept store.Notice) (Notice, error) {
	var n Notice
	plain, err := o.seal.Open("notice", kept.Data)
	if err != nil {
		return n, fmt.Errorf("notice %d: %w", kept.ID, err)
	}
	return n, json.Unmarshal(plain, &n)
}
