// SPDX-License-Identifier: Apache-2.0

package store

import "errors"

// dialect is what truly differs between the engines.
type dialect struct {
	name           string
	words          map[string]string   // placeholders of the migrations
	writers        int                 // how many group commits may run at a time
	keepStatements bool                // whether we keep prepared statements, or the driver does
	numbered       bool                // long statements have $1 … rather than ?
	skipLocked     string              // end of a claim's inner SELECT
	forChange      string              // end of a SELECT of a row that the transaction goes on to change
	size           string              // query for the database's bytes
	found          string              // condition of the index of words: its documents fulfil a parameter
	find           func([]term) string // that parameter
	noIndex        string              // before a column: no index is to be chosen for this condition
	unique         func(error) bool    // a unique constraint refused
	full           func(error) bool    // no room
	unwritable     func(error) bool    // the disk or the server fails, whatever is written
	retry          func(error) bool    // the transaction may be run again
}

// NoRoom says whether err means that the disk is full.
func (s *Store) NoRoom(err error) bool {
	return err != nil && (errors.Is(err, ErrNoRoom) || s.d.full(err))
}
