// SPDX-License-Identifier: Apache-2.0

package courier

import (
	"strings"

	"postern/internal/mail"
)

// classify says which state of the catalogue a refusal means: by its enhanced code (RFC 3463) where that is telling,
// by its words where big providers are more telling than their codes, by its code otherwise.
func classify(code int, enhanced, text string) mail.State {
	t := strings.ToLower(text)
	for _, rule := range wordRules {
		for _, w := range rule.words {
			if strings.Contains(t, w) {
				return rule.state
			}
		}
	}
	if _, detail, ok := strings.Cut(enhanced, "."); ok {
		if s, ok := enhancedStates[detail]; ok {
			return s
		}
		switch detail[0] {
		case '1':
			return mail.StateUserUnknown
		case '2':
			return mail.StateMailboxInactive
		case '3':
			return mail.StateSystemIssue
		case '4':
			return mail.StateConnectionIssue
		case '5':
			return mail.StateProtocolIssue
		case '6':
			return mail.StateContentBlocked
		case '7':
			return mail.StatePolicyIssue
		}
	}
	switch code {
	case 550, 551, 553:
		return mail.StateUserUnknown
	case 552, 452:
		return mail.StateQuotaExceeded
	case 500, 501, 502, 503, 504, 555:
		return mail.StateProtocolIssue
	case 554:
		return mail.StatePolicyIssue
	case 421:
		return mail.StateConnectionIssue
	}
	return mail.StateSystemIssue
}

// enhancedStates are subject.detail of RFC 3463 §3 and of the registry that goes with it.
var enhancedStates = map[string]mail.State{
	"1.1": mail.StateUserUnknown, "1.2": mail.StateInvalidDomain, "1.3": mail.StateUserUnknown, "1.6": mail.StateUserUnknown, "1.8": mail.StateSenderBlocked, "1.10": mail.StateNoMailHost,
	"2.0": mail.StateMailboxInactive, "2.1": mail.StateMailboxInactive, "2.2": mail.StateQuotaExceeded, "2.3": mail.StateContentBlocked, "3.1": mail.StateQuotaExceeded, "3.4": mail.StateContentBlocked,
	"4.4": mail.StateInvalidDomain, "4.6": mail.StateSystemIssue, "7.0": mail.StatePolicyIssue, "7.1": mail.StatePolicyIssue,
	"7.20": mail.StatePolicyIssue, "7.21": mail.StatePolicyIssue, "7.23": mail.StatePolicyIssue, "7.25": mail.StatePolicyIssue, "7.26": mail.StatePolicyIssue, "7.27": mail.StateSenderBlocked, "7.28": mail.StateSenderBlocked,
}

// wordRules are phrases that servers use, the most telling first.
var wordRules = []struct {
	state mail.State
	words []string
}{
	{mail.StateGreylisted, []string{"greylist", "graylist", "grey list", "gray list"}},
	{mail.StateQuotaExceeded, []string{"over quota", "overquota", "quota exceeded", "mailbox full", "mailbox is full", "exceeded storage", "out of storage", "insufficient storage", "over its quota"}},
	{mail.StateMailboxInactive, []string{"mailbox disabled", "account disabled", "account is disabled", "inactive", "account has been disabled", "mailbox unavailable or access denied", "suspended", "temporarily deferred due to user complaints inactive"}},
	{mail.StateUserUnknown, []string{"user unknown", "unknown user", "no such user", "no such recipient", "does not exist", "no such mailbox", "unknown recipient", "recipient not found", "recipientnotfound", "user not found", "recipient unknown", "invalid recipient", "doesn't have a", "mailbox not found", "not a valid recipient", "address rejected: undeliverable", "no mailbox here", "unrouteable address", "mailbox unavailable", "address unknown", "recipient rejected"}},
	{mail.StateRelayDenied, []string{"relay access denied", "relaying denied", "relay denied", "relay not permitted", "not permitted to relay", "unable to relay", "relaying not allowed"}},
	{mail.StateSenderBlocked, []string{"spamhaus", "blocklist", "blacklist", "black list", "block list", "dnsbl", "rbl", "reputation", "blocked using", "is blocked", "banned", "ip address has been", "sender denied", "unsolicited mail originating from your ip"}},
	{mail.StateContentBlocked, []string{"spam", "virus", "malware", "content rejected", "message content", "content blocked", "phishing", "attachment", "suspicious"}},
	{mail.StatePolicyIssue, []string{"policy", "dmarc", "spf", "dkim", "authentication", "rate limit", "too many", "ptr record", "reverse dns", "try again later due to", "not authorized", "unauthenticated"}},
}
