// SPDX-License-Identifier: Apache-2.0

package submit

import (
	"postern/internal/mail"
	"postern/internal/store"
	"postern/internal/track"
)

// track decides what a mail is to tell of its recipients: what the mail itself says goes before what its account says.
// It is decided once, at acceptance, so that a change of the account's setting does not split a submission.
func (r *rules) track(x *store.Submission, m Message) {
	var ways track.Ways
	decide := func(asked int, account bool, way track.Ways) int {
		if m.HasHTML && (asked == store.TrackOn || asked == 0 && account) {
			ways |= way
			return store.TrackOn
		}
		return store.TrackOff
	}
	x.TrackOpens = decide(m.TrackOpens, r.Tracking.Opens, track.Opens)
	x.TrackClicks = decide(m.TrackClicks, r.Tracking.Clicks, track.Clicks)
	if m.HasHTML && x.URLTags != "" {
		ways |= track.Tags
	}
	if r.offersUnsubscribe(m) && !mail.HasField(m.Raw, "List-Unsubscribe") {
		ways |= track.UnsubHead
	}
	if track.HasPlaceholder(m.Raw) {
		ways |= track.UnsubText
	}
	x.Ways = int(ways)
}

// offersUnsubscribe says whether a mail is of the kind that the account wants to be unsubscribed from by the mail
// program's own button (RFC 8058).
func (r *rules) offersUnsubscribe(m Message) bool {
	switch r.Tracking.Unsubscribe {
	case store.UnsubscribeAll:
		return true
	case store.UnsubscribeCampaigns:
		return m.Campaign != ""
	}
	return false
}
