// SPDX-License-Identifier: Apache-2.0

package courier

import (
	"bufio"
	"strings"
	"testing"

	"postern/internal/mail"
)

// Replies as servers give them: addresses changed, words kept.
func TestClassify(t *testing.T) {
	for state, replies := range map[mail.State][]string{
		mail.StateUserUnknown: {
			"550-5.1.1 The email account that you tried to reach does not\r\n550-5.1.1 exist. Please try double-checking the recipient's email address for typos or\r\n550 5.1.1 unnecessary spaces. For more information, go to https://support.google.com/mail/?p=NoSuchUser", // Gmail, its phrase over two lines
			"550 5.5.0 Requested action not taken: mailbox unavailable (S2017062302)",                                          // Outlook.com
			"550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient x@y.example not found by SMTP address lookup",                // Exchange
			"550 5.4.1 Recipient address rejected: Access denied. [XX1EUR05FT019.eop-eur05.prod.protection.outlook.com]",       // Exchange Online
			"554 delivery error: dd This user doesn't have a yahoo.com account (x@yahoo.com) [0] - mta1234.mail.bf1.yahoo.com", // Yahoo
			"552 1 Requested mail action aborted, mailbox not found",                                                           // Yahoo
			"550 5.1.1 <x@y.example>: Recipient address rejected: User unknown in virtual mailbox table",                       // Postfix
			"550 5.1.1 <banned@spam.example>: Recipient address rejected: User unknown in local recipient table",               // Postfix, with words in the address
			"550-Verification failed for <x@y.example>\r\n550 No Such User Here",                                               // Exim
			"550 Unrouteable address",                 // Exim
			"550 5.1.1 <x@y.example>... User unknown", // Sendmail
			"550 5.1.1 Adresse d'au moins un destinataire invalide. Invalid recipient. OFR204_416 [416]",                   // Orange
			"550 Message was not accepted -- invalid mailbox. Local mailbox x@mail.example is unavailable: user not found", // Mail.ru
			"550 5.1.1 unknown or illegal alias: x@icloud.example", "550 no", "501 5.1.3 Bad recipient address syntax",     // iCloud and others
		},
		mail.StateQuotaExceeded: {
			"452-4.2.2 The recipient's inbox is out of storage space. Please direct the\r\n452 4.2.2 recipient to https://support.google.com/mail/?p=OverQuotaTemp",
			"452 4.2.2 The email account that you tried to reach is over quota", "552 5.2.2 <x@y.example>: user is over quota",
			"554 5.2.2 mailbox full; STOREDRV.Deliver.Exception:QuotaExceededException.MapiExceptionShutoffQuotaExceeded", "552 Mailbox is full", "552 no",
			"422 4.2.2 The recipient's mailbox is over its storage limit", "552 5.2.2 denied by delivery policy", "550 5.2.2 mailbox unavailable",
			"552 Requested mail action aborted: exceeded storage allocation", "552 5.2.0 the mailbox takes no more", "550 Inbox is full", "554 5.0.0 No space left on device for user",
			"550 Mailbox quota exceeded for user", "552 5.7.1 the user has exceeded its storage allotment", "550 5.0.0 Account is full", "554 maildir over quota, try again later",
			"552 5.2.2 This message is larger than the current system limit or the recipient's mailbox is full. Create a shorter message body or remove attachments and try sending it again.",
		},
		mail.StateMailboxInactive: {
			"550 5.2.1 The email account that you tried to reach is disabled", "550-5.2.1 The email account that you tried to reach is inactive.",
			"554 30 Sorry, your message to x@aol.example cannot be delivered. This mailbox is disabled (554.30).", "550 account has been suspended", "550 5.2.0 no",
		},
		mail.StateInvalidDomain: {"550 5.1.2 Host unknown (Name server: host not found)", "550 5.4.4 unable to route", "550 5.4.310 DNS domain y.example does not exist"},
		mail.StateNoMailHost:    {"556 5.1.10 Recipient address has null MX"},
		mail.StateRelayDenied: {
			"554 5.7.1 <x@y.example>: Relay access denied", "550 5.7.64 TenantAttribution; Relay Access Denied", "550 relay not permitted",
			"550 5.7.1 Unable to relay for x@y.example", "550-y.example is not hosted here\r\n550 relaying denied", "554 5.7.1 <unknown[192.0.2.1]>: Client host rejected: Access denied",
		},
		mail.StateSenderBlocked: {
			"550 5.7.1 Service unavailable, Client host [192.0.2.1] blocked using Spamhaus. To request removal from this list see https://www.spamhaus.org/query/ip/192.0.2.1",
			"554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org; https://www.spamhaus.org/sbl/query/SBL1",
			"550 5.7.1 Unfortunately, messages from [192.0.2.1] weren't sent. Please contact your Internet service provider since part of their network is on our block list (S3140).",
			"550 5.7.606 Access denied, banned sending IP [192.0.2.1]",
			"421-4.7.28 Gmail has detected an unusual rate of unsolicited mail originating\r\n421 4.7.28 from your IP address.",
			"450 4.1.8 <a@nowhere.example>: Sender address rejected: Domain not found",                               // Postfix
			"550-No Such User Here\r\n550 Sender verify failed",                                                      // Exim: the user is ours
			"553 5.7.1 [BL21] Connections will not be accepted from 192.0.2.1, because the ip is in Spamhaus's list", // Yahoo
			"550 5.1.8 Access denied, bad outbound sender", "554 5.7.1 Your message was rejected: low reputation",
		},
		mail.StateContentBlocked: {
			"550-5.7.1 [192.0.2.1 12] Our system has detected that this message is\r\n550-5.7.1 likely unsolicited mail. To reduce the amount of spam sent to Gmail,\r\n550 5.7.1 this message has been blocked.",
			"552-5.7.0 This message was blocked because its content presents a potential\r\n552 5.7.0 security issue.",
			"554 5.7.1 Message rejected under suspicion of SPAM", "550 This message was classified as SPAM and may not be delivered", "550 5.7.1 virus Eicar-Test-Signature detected",
			"552 5.3.4 Message size exceeds fixed limit", "552 Message size exceeds maximum permitted", "550 5.6.0 bad MIME",
		},
		mail.StatePolicyIssue: {
			"550 5.4.5 Daily user sending quota exceeded", // Gmail's relay: about us
			"550-5.7.26 This mail has been blocked because the sender is unauthenticated.\r\n550 5.7.26 Gmail requires all senders to authenticate with either SPF or DKIM.",
			"550 5.7.509 Access denied, sending domain example.com does not pass DMARC verification and has a DMARC policy of reject.",
			"421 4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred due to unexpected volume or user complaints - 4.16.55.1; see https://postmaster.yahooinc.com/error-codes",
			"554 5.7.9 Message not accepted for policy reasons. See https://postmaster.yahooinc.com/error-codes",
			"451 4.7.500 Server busy. Please try again later from [192.0.2.1]. (S77719)", "452 4.5.3 Error: too many recipients", "550 Administrative prohibition",
			"450-4.2.1 The user you are trying to contact is receiving mail at a rate that\r\n450 4.2.1 prevents additional messages from being delivered.",
			"554-gmx.example (mxgmx001) Nemesis ESMTP Service not available\r\n554-No SMTP service\r\n554 Bad DNS PTR resource record.",
			"530 5.7.0 Must issue a STARTTLS command first", "535 5.7.8 Error: authentication failed", "421 4.7.0 mx.example Error: too many connections from 192.0.2.1",
			"550 5.7.25 [192.0.2.1] The IP address sending this message does not have a PTR record setup",
		},
		mail.StateGreylisted: {
			"450 4.2.0 <x@y.example>: Recipient address rejected: Greylisted, see http://postgrey.schweikert.ch/help/y.example.html",
			"451 4.7.1 Greylisting in action, please come back in 00:05:00", "450 4.7.1 <x@y.example>: Recipient address rejected: Try again, see graylisting",
		},
		mail.StateSystemIssue: {
			"451 4.3.0 <x@spam.example>: Temporary lookup failure", "452 4.3.1 Insufficient system storage", "452 4.3.1 Insufficient system resources (UsedDiskSpace[C:])",
			"451 Temporary local problem - please try later", "554 5.4.6 Too many hops", "450 4.3.2 Service currently unavailable",
		},
		mail.StateConnectionIssue: {"421 too busy", "421 4.4.2 mx.example Error: timeout exceeded", "450 4.4.1 no answer from host"},
		mail.StateProtocolIssue:   {"501 5.5.4 Bad arguments", "503 5.5.1 Error: need RCPT command", "502 what?", "555 5.5.4 Unsupported option: SIZE=1"},
	} {
		for _, text := range replies {
			r, err := readReply(bufio.NewReader(strings.NewReader(lastLine(text))))
			if err != nil {
				t.Fatalf("%q: %v", text, err)
			}
			if got := classify(r.code, r.enhanced, r.line()); got != state {
				t.Errorf("%q: %v, want %v", r.line(), got, state)
			}
		}
	}
}

// lastLine makes the last line of a reply its last.
func lastLine(text string) string {
	i := strings.LastIndexByte(text, '\n') + 1
	return text[:i+3] + " " + text[i+4:] + "\r\n"
}
