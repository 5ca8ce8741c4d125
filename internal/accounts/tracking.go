// SPDX-License-Identifier: Apache-2.0

package accounts

import (
	"fmt"
	"slices"
	"strings"

	"postern/internal/access"
	"postern/internal/change"
	"postern/internal/store"
)

// unsubscribeWords are what an account's mail is given a List-Unsubscribe field for, in the order of the store's
// numbers.
func unsubscribeWords() []string { return []string{"never", "campaigns", "all"} }

// UnsubscribeWord is the word of a store's number.
func UnsubscribeWord(n int) string {
	if words := unsubscribeWords(); n >= 0 && n < len(words) {
		return words[n]
	}
	return "never"
}

// track changes what an account's mail tells of its recipients.
func (c *AccountChange) track(t *store.Tracking, log *change.Log) error {
	say := map[bool]string{false: "not tracked", true: "tracked"}
	if c.TrackOpens != nil {
		log.Note("opens", say[t.Opens], say[*c.TrackOpens])
		t.Opens = *c.TrackOpens
	}
	if c.TrackClicks != nil {
		log.Note("clicks", say[t.Clicks], say[*c.TrackClicks])
		t.Clicks = *c.TrackClicks
	}
	if c.Unsubscribe != nil {
		n := slices.Index(unsubscribeWords(), *c.Unsubscribe)
		if n < 0 {
			return change.Wrong("Unsubscribe", fmt.Errorf("%q is none of %s", access.Short(*c.Unsubscribe),
				strings.Join(unsubscribeWords(), ", ")))
		}
		log.Note("List-Unsubscribe in mail", UnsubscribeWord(t.Unsubscribe), *c.Unsubscribe)
		t.Unsubscribe = n
	}
	return nil
}
