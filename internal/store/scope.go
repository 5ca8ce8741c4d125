// SPDX-License-Identifier: Apache-2.0

package store

import "strings"

// Scope is whose rows a query may see: one key's, one account's, or, for the operator alone, everybody's. The zero
// Scope sees nothing.
type Scope struct {
	account, key int64
	keys         []int64 // not nil: of the account, only these
	all          bool
}

// OfKey is the scope of a subaccount: what belongs to its one API key.
func OfKey(accountID, keyID int64) Scope { return Scope{account: accountID, key: keyID} }

// OfAccount is the scope of a primary account: its own key and its subaccounts.
func OfAccount(accountID int64) Scope { return Scope{account: accountID} }

// OfKeys is the scope of who shares some keys of an account: what belongs to these. Of none, it sees nothing.
func OfKeys(accountID int64, keyIDs []int64) Scope {
	if keyIDs == nil {
		keyIDs = []int64{}
	}
	return Scope{account: accountID, keys: keyIDs}
}

// OfOperator is everything. Only the command line on the server's own machine has it.
func OfOperator() Scope { return Scope{all: true} }

// Whole says whether the scope is a whole account, or everything.
func (s Scope) Whole() bool { return s.all || s.account != 0 && s.key == 0 && s.keys == nil }

// AccountID is the account of the scope, 0 for the operator's.
func (s Scope) AccountID() int64 { return s.account }

// where writes the condition on rows with the given account and key columns.
func (s Scope) where(w *where, accountColumn, keyColumn string) {
	switch {
	case s.all:
	case s.key != 0:
		w.and(accountColumn+" = ?", s.account)
		w.and(keyColumn+" = ?", s.key)
	case s.keys != nil:
		w.and(accountColumn+" = ?", s.account)
		if len(s.keys) == 0 {
			w.and("1 = 0")
			return
		}
		w.and(keyColumn+" IN (?"+strings.Repeat(", ?", len(s.keys)-1)+")", anys(s.keys)...)
	default:
		w.and(accountColumn+" = ?", s.account) // the zero scope: no account has ID 0
	}
}
