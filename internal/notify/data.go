// SPDX-License-Identifier: Apache-2.0

package notify

import (
	"time"

	"postern/internal/notice"

	"postern/internal/store"
)

// data is what an account's webhook gets about a credential. Its names are a promise: docs/howto/webhooks.md.
type data struct {
	Account      string     `json:"account"`
	AccountID    int64      `json:"account_id"`
	APIKey       string     `json:"api_key"`
	KeyID        int64      `json:"key_id"`
	KeyName      string     `json:"key_name"`
	Reference    string     `json:"reference,omitempty"`     // of the key, as its owner set it
	SecretID     int64      `json:"secret_id,omitempty"`     // which of the key's secrets
	SecretHint   string     `json:"secret_hint,omitempty"`   // its last four characters
	DaysLeft     *int       `json:"days_left,omitempty"`     // credential.due
	DueBy        *time.Time `json:"due_by,omitempty"`        // credential.due: when it becomes overdue
	OverdueSince *time.Time `json:"overdue_since,omitempty"` // credential.overdue
	DaysOverdue  *int       `json:"days_overdue,omitempty"`  // credential.overdue
	StopsWorking *bool      `json:"stops_working,omitempty"` // due, overdue: by the account's policy an overdue secret stops working
	ReportedFrom string     `json:"reported_from,omitempty"` // credential.leaked: an address
	FoundURL     string     `json:"found_url,omitempty"`     // credential.leaked: where it was found, as it was reported
}

func dataOf(a store.Account, n notice.Notice) data {
	d := data{
		Account: a.Name, AccountID: a.ID, APIKey: n.APIKey, KeyID: n.KeyID, KeyName: n.KeyName, Reference: n.Reference,
		SecretID: n.SecretID, SecretHint: n.Hint, ReportedFrom: n.Address, FoundURL: n.FoundURL,
	}
	until := n.Until.UTC().Truncate(time.Second)
	switch n.Kind {
	case notice.CredentialDue:
		d.DaysLeft, d.DueBy, d.StopsWorking = &n.Days, &until, &n.Stops
	case notice.CredentialOverdue:
		d.DaysOverdue, d.OverdueSince, d.StopsWorking = &n.Days, &until, &n.Stops
	}
	return d
}
