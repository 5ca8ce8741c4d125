// SPDX-License-Identifier: Apache-2.0

package mail

import (
	"strconv"
	"strings"
)

// State says why a message did not arrive: an id of the wire format's
// messagestate catalogue. 0 is no state.
type State int

// The catalogue. The numbers are on the wire and in the store: never renumber.
const (
	StateUserUnknown State = 1 + iota
	StateMailboxInactive
	StateQuotaExceeded
	StateInvalidDomain
	StateNoMailHost
	StateRelayDenied
	StateSenderBlocked
	StateContentBlocked
	StatePolicyIssue
	StateSystemIssue
	StateProtocolIssue
	StateConnectionIssue
	StateGreylisted
	StatePreblocked
	StateDuplicateInCampaign
	StateSpamPreblocked
	StateBadOrEmptyTemplate
	StateErrorInTemplateLanguage
	StateTypofix
	StateBlacklisted
	StateSpamReporter
)

const lastState = StateSpamReporter

// String returns the catalogue's text, "" for no state.
func (s State) String() string {
	switch s {
	case 0:
		return ""
	case StateUserUnknown:
		return "user unknown"
	case StateMailboxInactive:
		return "mailbox inactive"
	case StateQuotaExceeded:
		return "quota exceeded"
	case StateInvalidDomain:
		return "invalid domain"
	case StateNoMailHost:
		return "no mail host"
	case StateRelayDenied:
		return "relay/access denied"
	case StateSenderBlocked:
		return "sender blocked"
	case StateContentBlocked:
		return "content blocked"
	case StatePolicyIssue:
		return "policy issue"
	case StateSystemIssue:
		return "system issue"
	case StateProtocolIssue:
		return "protocol issue"
	case StateConnectionIssue:
		return "connection issue"
	case StateGreylisted:
		return "greylisted"
	case StatePreblocked:
		return "preblocked"
	case StateDuplicateInCampaign:
		return "duplicate in campaign"
	case StateSpamPreblocked:
		return "spam preblocked"
	case StateBadOrEmptyTemplate:
		return "bad or empty template"
	case StateErrorInTemplateLanguage:
		return "error in template language"
	case StateTypofix:
		return "typofix"
	case StateBlacklisted:
		return "blacklisted"
	case StateSpamReporter:
		return "spam reporter"
	}
	return "state " + strconv.Itoa(int(s))
}

// ParseState reads a state as people and programs write it: its number, or its text in any case. false: it is none.
func ParseState(text string) (State, bool) {
	for _, s := range States() {
		if text == strconv.Itoa(int(s)) || strings.EqualFold(text, s.String()) {
			return s, true
		}
	}
	return 0, false
}

// RelatedTo returns the group of the state: recipient, domain, spam, system or
// mailjet; "" for an id that is not in the catalogue.
func (s State) RelatedTo() string {
	switch s {
	case StateUserUnknown, StateMailboxInactive, StateQuotaExceeded:
		return "recipient"
	case StateInvalidDomain, StateNoMailHost, StateRelayDenied, StateTypofix:
		return "domain"
	case StateSenderBlocked, StateContentBlocked, StatePolicyIssue, StateSpamReporter:
		return "spam"
	case StateSystemIssue, StateProtocolIssue, StateConnectionIssue, StateGreylisted:
		return "system"
	case StatePreblocked, StateDuplicateInCampaign, StateSpamPreblocked,
		StateBadOrEmptyTemplate, StateErrorInTemplateLanguage, StateBlacklisted:
		return "mailjet"
	}
	return ""
}

// States returns the whole catalogue in order of id.
func States() []State {
	all := make([]State, 0, lastState)
	for s := StateUserUnknown; s <= lastState; s++ {
		all = append(all, s)
	}
	return all
}
