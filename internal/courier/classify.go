// SPDX-License-Identifier: Apache-2.0

package courier

import (
	"strings"

	"postern/internal/mail"
)

// classify says which state of the catalogue a refusal means: by its words where they are telling, since big providers
// are more telling in words than in codes; else by its enhanced code (RFC 3463), else by its code.
func classify(code int, enhanced, text string) mail.State {
	_, detail, hasDetail := strings.Cut(enhanced, ".")
	if detail == "2.2" { // mailbox full (RFC 3463 §3.3): it has no other meaning, whatever words come with it
		return mail.StateQuotaExceeded
	}
	t := withoutAddresses(strings.ToLower(text))
	for _, rule := range wordRules {
		for _, w := range rule.words {
			if strings.Contains(t, w) {
				return rule.state
			}
		}
	}
	if hasDetail {
		if code == 552 && detail == "2.0" { // its code says more (RFC 5321 §4.2.3: exceeded storage allocation)
			return mail.StateQuotaExceeded
		}
		if s, ok := enhancedStates[detail]; ok {
			return s
		}
		switch subject, _, _ := strings.Cut(detail, "."); subject {
		case "1":
			return mail.StateUserUnknown
		case "2":
			return mail.StateMailboxInactive
		case "3":
			return mail.StateSystemIssue
		case "4":
			return mail.StateConnectionIssue
		case "5":
			return mail.StateProtocolIssue
		case "6":
			return mail.StateContentBlocked
		case "7":
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
	case 530, 534, 535, 538, 554:
		return mail.StatePolicyIssue
	case 421:
		return mail.StateConnectionIssue
	}
	return mail.StateSystemIssue
}

// withoutAddresses leaves out what a server repeats of us: banned@spam.example says nothing about its owner.
func withoutAddresses(text string) string {
	if !strings.Contains(text, "@") {
		return text
	}
	words := strings.Fields(text)
	kept := words[:0]
	for _, w := range words {
		if !strings.Contains(w, "@") {
			kept = append(kept, w)
		}
	}
	return strings.Join(kept, " ")
}

// enhancedStates are subject.detail of RFC 3463 §3 and of the registry that goes with it.
var enhancedStates = map[string]mail.State{
	"1.1": mail.StateUserUnknown, "1.2": mail.StateInvalidDomain, "1.3": mail.StateUserUnknown, "1.6": mail.StateUserUnknown,
	"1.7": mail.StateSenderBlocked, "1.8": mail.StateSenderBlocked, "1.10": mail.StateNoMailHost,
	"2.0": mail.StateMailboxInactive, "2.1": mail.StateMailboxInactive, "2.2": mail.StateQuotaExceeded, "2.3": mail.StateContentBlocked,
	"3.1": mail.StateSystemIssue, "3.4": mail.StateContentBlocked,
	"4.4": mail.StateInvalidDomain, "4.6": mail.StateSystemIssue, "5.3": mail.StatePolicyIssue,
	"7.27": mail.StateSenderBlocked, "7.28": mail.StateSenderBlocked,
}

// wordRules are phrases that servers use, in lower case. The first rule that fits decides, so what is said more
// precisely stands before what is said in general.
var wordRules = []struct {
	state mail.State
	words []string
}{
	{mail.StateSenderBlocked, []string{ // before the rules of the recipient, whose words these have too
		"sender verify failed", "sender verification failed", "sender address rejected", "sender rejected", "sender domain",
		"domain of sender",
		"sender address does not", "mailfrom domain", "outbound sender",
	}},
	{mail.StatePolicyIssue, []string{"sending quota", "sending limit"}}, // ours, not the mailbox's
	{mail.StateSystemIssue, []string{"too many hops", "routing loop", "insufficient system"}},
	{mail.StateGreylisted, []string{"greylist", "graylist", "grey list", "gray list", "grey-list"}},
	{mail.StateInvalidDomain, []string{
		"dns domain", "domain does not exist", "domain not found", "no such domain", "unknown domain", "host unknown",
	}},
	{mail.StateQuotaExceeded, []string{
		"over quota", "overquota", "over-quota", "over the quota", "quota exceeded", "exceeded quota", "exceeds quota",
		"exceeded the quota", "its quota",
		"mailbox quota", "disk quota", "storage quota", "quota violation", "mailbox full", "mailbox is full", "mailbox too full",
		"mailbox for user is full",
		"mail box full", "inbox full", "inbox is full", "mailfolder is full", "account is full", "user is full", "mailbox size limit",
		"exceeded storage", "exceeded its storage", "storage limit", "storage exceeded", "storage allocation", "out of storage",
		"insufficient storage",
		"not enough storage", "insufficient disk space", "no space left", "not enough space", "too many messages in th",
	}},
	{mail.StatePolicyIssue, []string{"receiving mail at a rate", "receiving mail too quickly"}},
	{mail.StateMailboxInactive, []string{
		"mailbox disabled", "mailbox is disabled", "account disabled", "account is disabled", "has been disabled", "user disabled",
		"inactive", "mailbox unavailable or access denied", "account suspended", "account has been suspended", "no longer active",
	}},
	{mail.StateUserUnknown, []string{
		"user unknown", "unknown user", "no such user", "no such recipient", "no such mailbox", "no such person", "unknown recipient",
		"recipient not found", "recipientnotfound", "recipnotfound", "user not found", "user doesn't exist", "recipient unknown",
		"invalid recipient", "invalid mailbox", "doesn't have a", "does not exist", "mailbox not found", "not a valid recipient",
		"not a valid mailbox", "address rejected: undeliverable", "no mailbox here", "unrouteable address", "unroutable address",
		"mailbox unavailable", "address unknown", "unknown address", "not our customer",
		"recipient address rejected: access denied", // Exchange Online, for a recipient that its directory does not have
	}},
	{mail.StateRelayDenied, []string{
		"relay access denied", "relaying denied", "relay denied", "relay not permitted", "not permitted to relay", "unable to relay",
		"relaying not allowed", "not allowed to relay", "we do not relay", "no relaying", "relay is prohibited",
	}},
	{mail.StateSenderBlocked, []string{
		"spamhaus", "blocklist", "block list", "blacklist", "black list", "dnsbl", " rbl", "spamcop", "barracudacentral", "reputation",
		"blocked using", "banned", "ip address has been", "sender denied", "originating from your ip", "is blocked",
	}},
	{mail.StateContentBlocked, []string{
		"spam", "virus", "malware", "phishing", "message content", "content rejected", "content blocked", "because its content",
		"attachment", "suspicious", "message size", "message too large", "message is too large", "message too big",
	}},
	{mail.StatePolicyIssue, []string{
		"policy", "dmarc", "spf ", "dkim", "authenticat", "rate limit", "too many", "ptr record", "ptr resource", "reverse dns",
		"reverse hostname", "try again later due to", "not authorized", "prohibit", "user complaints",
	}},
	{mail.StateRelayDenied, []string{"access denied", "relay"}},
}
