// SPDX-License-Identifier: Apache-2.0

package dsn

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"postern/internal/mail"
	"postern/internal/store"
)

// maxReturned is the size up to which a mail is returned as a whole, in bytes, where RET=FULL asks for it. RFC 3461 §4.3
// leaves it to us; of a larger one the header is returned.
const maxReturned = 1 << 20

// report makes the report of notices that go together.
func (d *DSN) report(list []store.DueNotice, about *store.NoticeSource) mail.Report {
	first := &list[0]
	r := mail.Report{
		From: mail.Address{Name: "Mail Delivery System", Email: d.From.Email}, To: first.MailFrom,
		Subject: subject(first.Kind, about.Subject),
		Date:    d.Now(), MessageID: d.messageID(), Text: d.text(list, about), Returned: about.Source, Headers: !full(first.Kind, about),
	}
	if about.EnvID != "" {
		r.Fields = append(r.Fields, mail.Field{Name: "Original-Envelope-Id", Value: string(about.EnvID)})
	}
	r.Fields = append(
		r.Fields,
		mail.Field{Name: "Reporting-MTA", Value: "dns; " + d.Hostname},
		mail.Field{Name: "Arrival-Date", Value: first.ArrivedAt.UTC().Format(time.RFC1123Z)},
	)
	for i := range list {
		r.Recipients = append(r.Recipients, fields(&list[i], about.Of[list[i].MessageID].ORcpt))
	}
	return r
}

// full says whether a mail is returned as a whole: with a failure, where RET=FULL asked for it (RFC 3461 §4.3). What must
// not travel without TLS is not returned (RFC 8689 §5).
func full(kind store.NoticeKind, about *store.NoticeSource) bool {
	return kind == store.NoticeFailed && about.Ret == mail.RetFull && !about.RequireTLS && len(about.Source) <= maxReturned
}

// fields are what the report says of a recipient (RFC 3464 §2.3).
func fields(n *store.DueNotice, orcpt mail.ORcpt) []mail.Field {
	e := &n.Event
	var out []mail.Field
	add := func(name, value string) { out = append(out, mail.Field{Name: name, Value: value}) }
	if !orcpt.IsZero() { // never made up by us (RFC 3461 §6.3)
		add("Original-Recipient", orcpt.Field())
	}
	add("Final-Recipient", mail.ORcptOf(n.Recipient).Field())
	add("Action", n.Kind.String())
	add("Status", status(n))
	if e.Host != "" && e.Code != 0 {
		add("Remote-MTA", "dns; "+e.Host)
	}
	switch {
	case n.Kind == store.NoticeDelivered:
	case e.Code != 0:
		add("Diagnostic-Code", "smtp; "+e.Reply.String())
	case e.Line != "":
		add("Diagnostic-Code", "X-Postern; "+e.Line)
	}
	if e.Attempt > 0 {
		add("Last-Attempt-Date", e.At.UTC().Format(time.RFC1123Z))
	}
	if n.Kind == store.NoticeDelayed && !n.ExpiresAt.IsZero() {
		add("Will-Retry-Until", n.ExpiresAt.UTC().Format(time.RFC1123Z))
	}
	return out
}

// status is the code of RFC 3463: the other side's where it fits the kind, else ours.
func status(n *store.DueNotice) string {
	own := ""
	class := byte('2')
	switch n.Kind {
	case store.NoticeFailed:
		class, own = '5', "5.0.0"
		switch {
		case n.Event.GaveUp():
			own = "5.4.7" // delivery time expired
		case n.Event.Type == store.EventBlocked:
			own = "5.7.1"
		case n.Event.StateID == int(mail.StateQuotaExceeded):
			own = "5.2.2"
		case n.Event.StateID == int(mail.StateUserUnknown):
			own = "5.1.1"
		}
	case store.NoticeDelayed:
		class, own = '4', "4.4.7"
	case store.NoticeRelayed, store.NoticeDelivered:
		own = "2.0.0"
	}
	if e := n.Event.Enhanced; e != "" && e[0] == class && !n.Event.GaveUp() {
		return e
	}
	return own
}

// subject keeps of the mail's subject what fits a line.
func subject(kind store.NoticeKind, of string) string {
	lead := map[store.NoticeKind]string{
		store.NoticeFailed: "Undeliverable", store.NoticeDelayed: "Delayed", store.NoticeRelayed: "Relayed",
		store.NoticeDelivered: "Delivered",
	}[kind]
	of = strings.Join(strings.Fields(of), " ")
	if utf8.RuneCountInString(of) > 150 {
		of = string([]rune(of)[:149]) + "…"
	}
	if of == "" {
		return lead + ": your message"
	}
	return lead + ": " + of
}

// moment is how people read a time, which is in UTC.
const moment = "2 January 2006, 15:04 UTC"

// text is the report for people.
func (d *DSN) text(list []store.DueNotice, about *store.NoticeSource) string {
	var b strings.Builder
	first := &list[0]
	whom := "this recipient"
	if len(list) > 1 {
		whom = fmt.Sprintf("these %d recipients", len(list))
	}
	switch first.Kind {
	case store.NoticeFailed:
		fmt.Fprintf(&b, "Your message could not be delivered to %s:\n\n", whom)
	case store.NoticeDelayed:
		fmt.Fprintf(&b, "Your message has not been delivered to %s yet:\n\n", whom)
	case store.NoticeRelayed:
		fmt.Fprintf(&b, "Your message was passed on for %s to a mail server that\nsends no confirmation of delivery:\n\n", whom)
	case store.NoticeDelivered:
		fmt.Fprintf(&b, "Your message was delivered to %s:\n\n", whom)
	}
	for i := range list {
		b.WriteString("  " + list[i].Recipient + "\n")
		for _, line := range said(&list[i]) {
			b.WriteString(wrap(line, "    ") + "\n")
		}
		b.WriteByte('\n')
	}
	for _, line := range advice(list) {
		b.WriteString(wrap(line, "") + "\n\n")
	}
	if about.Subject != "" {
		b.WriteString(wrap("Subject of your message: "+about.Subject, "") + "\n")
	}
	fmt.Fprintf(&b, "Sent: %s\n\n-- \nSent automatically by the mail server %s.\n", first.ArrivedAt.UTC().Format(moment), d.Hostname)
	return b.String()
}

// said is what is known of a recipient, in words.
func said(n *store.DueNotice) []string {
	e := &n.Event
	who := "The mail server"
	if e.Host != "" {
		who = "The mail server " + e.Host
	}
	var out []string
	switch {
	case n.Kind == store.NoticeDelivered: // by the route capture alone
		out = append(out, "This mail server captures mail for testing: the message was kept there and sent nowhere.")
	case n.Kind == store.NoticeRelayed:
		out = append(out, who+" has accepted it.")
	case e.Code != 0:
		out = append(out, who+" answered: "+e.Reply.String())
	case e.Line != "":
		out = append(out, "Reason: "+e.Line)
	}
	if n.Kind == store.NoticeDelayed && !n.ExpiresAt.IsZero() {
		out = append(out, "Delivery will be attempted until "+n.ExpiresAt.UTC().Format(moment)+".")
	}
	return out
}

// advice is what the sender can do about failures or delays, each piece once.
func advice(list []store.DueNotice) []string {
	switch list[0].Kind {
	case store.NoticeDelayed:
		return []string{"You do not need to send it again. If it cannot be delivered by then, you will get another notification."}
	case store.NoticeRelayed, store.NoticeDelivered:
		return nil
	}
	var out []string
	seen := map[string]bool{}
	for i := range list {
		s := adviceOn(&list[i])
		if !seen[s] {
			seen[s] = true
			out = append(out, s)
		}
	}
	return out
}

func adviceOn(n *store.DueNotice) string {
	if n.Event.GaveUp() {
		return "Delivery was attempted several times, and no further attempt will be made. " +
			"Please try again later, or contact the recipient in another way."
	}
	switch mail.State(n.Event.StateID) {
	case mail.StateUserUnknown, mail.StateMailboxInactive:
		return "The mailbox does not exist or is closed. Please check the address for typing errors before you send the message again."
	case mail.StateQuotaExceeded:
		return "The mailbox is full. Please send the message again later, or contact the recipient in another way."
	case mail.StateInvalidDomain, mail.StateNoMailHost:
		return "The domain of the address does not exist or accepts no mail. Please check the part after the @."
	case mail.StateSenderBlocked, mail.StateContentBlocked, mail.StatePolicyIssue, mail.StateRelayDenied:
		return "The recipient's server does not accept this message. Its answer above says why; " +
			"the administrator of your mail system can use it to find the cause."
	case mail.StatePreblocked:
		return "The message was not sent because the address bounced, complained or unsubscribed before, or because the message was " +
			"cancelled."
	}
	return "If the answer above does not help, please pass this message on to the administrator of your mail system."
}

// wrap breaks a paragraph into lines of at most 72 characters that begin with lead.
func wrap(s, lead string) string {
	var b strings.Builder
	b.WriteString(lead)
	used := len(lead)
	for i, word := range strings.Fields(s) {
		n := utf8.RuneCountInString(word)
		switch {
		case i == 0:
		case used+1+n > 72:
			b.WriteString("\n" + lead)
			used = len(lead)
		default:
			b.WriteByte(' ')
			used++
		}
		b.WriteString(word)
		used += n
	}
	return b.String()
}
