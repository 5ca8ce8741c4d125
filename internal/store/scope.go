// SPDX-License-Identifier: Apache-2.0

package store

// Scope is whose rows a query may see: one key's, one account's, or, for the operator alone, everybody's. The zero
// Scope sees nothing.
type Scope struct {
	account, key int64
	all          bool
}

// OfKey is the scope of a subaccount: what belongs to its one API key.
func OfKey(accountID, keyID int64) Scope { return Scope{account: accountID, key: keyID} }

// OfAccount is the scope of a primary account: its own key and its subaccounts.
func OfAccount(accountID int64) Scope { return Scope{account: accountID} }

// OfOperator is everything. Only the command line on the server's own machine has it.
func OfOperator() Scope { return Scope{all: true} }

// AccountID is the account of the scope, 0 for the operator's.
func (s Scope) AccountID() int64 { return s.account }

// where writes the condition on rows with the given account and key columns.
func (s Scope) where(w *where, accountColumn, keyColumn string) {
	switch {
	case s.all:
	case s.key != 0:
		w.and(accountColumn+" = ?", s.account)
		w.and(keyColumn+" = ?", s.key)
	default:
		w.and(accountColumn+" = ?", s.account) // the zero scope: no account has ID 0
	}
}
