// SPDX-License-Identifier: Apache-2.0

package api

import (
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"postern/internal/mail"
)

// Limits of a call of POST /v3.1/send.
const (
	maxMessages    = 50       // in one call
	maxRecipients  = 50       // of one message, To, Cc and Bcc together
	maxSubject     = 255      // characters
	maxURLTags     = 256      // characters
	maxName        = 255      // characters of a mailbox's name, a custom ID, a campaign
	maxPayload     = 64 << 10 // characters
	maxList        = 100      // attachments of a kind; recipients of a kind that are looked at
	maxHeaders     = 100
	maxVariables   = 1000
	maxHeaderValue = 8 << 10  // characters
	maxAttachments = 15 << 20 // bytes of all attachments of a message, decoded
	maxSendBody    = 25 << 20 // bytes: the attachments in base64, with line breaks, and the rest
)

// Values of a tracking option, as submit has them.
const trackOn = 2

// reserved are the headers that have a property of their own or that the server owns, folded.
var reserved = func() map[string]bool {
	m := map[string]bool{}
	for _, name := range strings.Fields(`from sender subject to cc bcc reply-to return-path delivered-to dkim-signature domainkey-signature domainkey-status received-spf
		authentication-results received user-agent x-mailer date message-id list-id x-csa-complaints x-feedback-id
		mime-version content-type content-transfer-encoding content-disposition content-id content-description`) {
		m[name] = true
	}
	return m
}()

// isReserved says whether a header cannot be set by Headers. Of the control headers of SMTP none can.
func isReserved(name string) bool {
	folded := fold(name)
	for _, prefix := range []string{"x-mj-", "x-mailjet-", "postern-", "resent-", "arc-"} {
		if strings.HasPrefix(folded, prefix) {
			return true
		}
	}
	return reserved[folded]
}

func wrongValue(related, why string) *fault {
	return &fault{status: http.StatusBadRequest, code: "mj-0005", message: "Value not allowed. " + why, related: []string{related}}
}

func missing(related string) *fault {
	return &fault{status: http.StatusBadRequest, code: "mj-0003", message: "Missing mandatory property.", related: []string{related}}
}

func emptyString(related string) *fault {
	return &fault{
		status: http.StatusBadRequest, code: "mj-0012", message: "The string is empty: a value is needed.", related: []string{related},
	}
}

func tooMany(related string, n, most int) *fault {
	return &fault{status: http.StatusBadRequest, code: "mj-0008", message: fmt.Sprintf("Too many elements: %d. Max allowed - %d", n,
		most), related: []string{related}}
}

// findings are what is wrong with a message: all of it, in the order of the checks.
type findings []*fault

func (f *findings) add(x *fault) { *f = append(*f, x) }

func (f *findings) say(code, message string, related ...string) {
	f.add(&fault{status: http.StatusBadRequest, code: code, message: message, related: related})
}

// check looks at the values of a message.
func (it *item) check() findings {
	var f findings
	it.checkPeople(&f)
	it.checkContent(&f)
	it.checkTemplate(&f)
	it.checkFiles(&f)
	it.checkHeaders(&f)
	it.checkOptions(&f)
	return f
}

func (it *item) checkPeople(f *findings) {
	if !it.from.given {
		f.add(missing("From"))
	} else {
		f.mailbox(it.from, "From")
	}
	for _, m := range []struct {
		mailbox
		name string
	}{{it.sender, "Sender"}, {it.replyTo, "ReplyTo"}, {it.errorReporting, "TemplateErrorReporting"}} {
		if m.given {
			f.mailbox(m.mailbox, m.name)
		}
	}
	switch {
	case !it.toGiven:
		f.add(missing("To"))
	case len(it.to) == 0:
		f.say("mj-0007", "The array is empty: at least one recipient is needed.", "To")
	}
	if len(it.to)+len(it.cc)+len(it.bcc) > maxRecipients {
		f.say("send-0015", fmt.Sprintf("Total number of recipients exceeded. Max allowed - %d", maxRecipients), "To", "Cc", "Bcc")
		return
	}
	f.mailboxes(it.to, "To")
	f.mailboxes(it.cc, "Cc")
	f.mailboxes(it.bcc, "Bcc")
}

func (f *findings) mailboxes(list []mailbox, name string) {
	for i, m := range list {
		if fault := m.fault(); fault != nil {
			fault.related = []string{name + "[" + strconv.Itoa(i) + "]." + fault.related[0]}
			f.add(fault)
		}
	}
}

func (f *findings) mailbox(m mailbox, name string) {
	if fault := m.fault(); fault != nil {
		fault.related = []string{name + "." + fault.related[0]}
		f.add(fault)
	}
}

// fault is the first thing wrong with a mailbox, or nil.
func (m *mailbox) fault() *fault {
	switch {
	case !m.email.given:
		return missing("Email")
	case m.email.s == "":
		return emptyString("Email")
	}
	if err := mail.CheckEmail(m.email.s); err != nil {
		return &fault{status: http.StatusBadRequest, code: "mj-0013", message: fmt.Sprintf("%q is an invalid email address.",
			cut(m.email.s)), related: []string{"Email"}}
	}
	if f := tooLong(m.name, "Name", maxName); f != nil {
		return f
	}
	if hasControl(m.name) {
		return wrongValue("Name", "A name has no line breaks or other control characters.")
	}
	return nil
}

// tooLong is a fault when s has more than most characters.
func tooLong(s, related string, most int) *fault {
	if len(s) <= most {
		return nil
	}
	n := utf8.RuneCountInString(s)
	if n <= most {
		return nil
	}
	return &fault{status: http.StatusBadRequest, code: "mj-0006", message: fmt.Sprintf("Too many characters: %d. Max allowed - %d", n,
		most), related: []string{related}}
}

// hasControl says whether a text for a header would end it, or do worse.
func hasControl(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) && r != '\t' })
}

// misleads says whether a file name has control characters, line separators, or such that turn the direction of text
// (Unicode's embeddings, overrides and isolates), by which gpj.exe reads as exe.jpg.
func misleads(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsControl(r) || r >= '\u2028' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069'
	})
}

func (it *item) checkContent(f *findings) {
	if x := tooLong(it.subject, "Subject", maxSubject); x != nil {
		f.add(x)
	}
	if hasControl(it.subject) {
		f.add(wrongValue("Subject", "A subject has no line breaks or other control characters."))
	}
	if it.text == "" && it.html == "" && !it.templateGiven {
		f.say("send-0003", `At least "HTMLPart", "TextPart" or "TemplateID" must be provided.`, "TextPart", "HTMLPart", "TemplateID")
	}
}

func (it *item) checkTemplate(f *findings) {
	if it.templateGiven {
		f.say("send-0010", fmt.Sprintf("Template id %q doesn't exist for your account.", strconv.FormatInt(it.templateID, 10)),
			"TemplateID")
	}
	if (it.errorReporting.given || it.errorDeliver) && !it.templateLanguage {
		f.say("send-0016", `"TemplateErrorReporting" and "TemplateErrorDeliver" need "TemplateLanguage" to be true.`, "TemplateLanguage")
	}
}

func (it *item) checkFiles(f *findings) {
	size := 0
	for _, kind := range []struct {
		name string
		list []file
	}{{"Attachments", it.attachments}, {"InlinedAttachments", it.inlined}} {
		if len(kind.list) > maxList {
			f.add(tooMany(kind.name, len(kind.list), maxList))
			continue
		}
		for i := range kind.list {
			size += len(kind.list[i].data)
			kind.list[i].check(f, kind.name+"["+strconv.Itoa(i)+"].")
		}
	}
	if size > maxAttachments {
		f.say("mj-0011", fmt.Sprintf("The attachments have %d bytes together. Max allowed - %d", size, maxAttachments), "Attachments",
			"InlinedAttachments")
	}
}

func (f *file) check(found *findings, path string) {
	for _, p := range []struct {
		optional
		name string
	}{{f.contentType, "ContentType"}, {f.filename, "Filename"}, {f.content, "Base64Content"}} {
		switch {
		case !p.given:
			found.add(missing(path + p.name))
		case p.s == "":
			found.add(emptyString(path + p.name))
		case p.name == "ContentType":
			if t, _, err := mime.ParseMediaType(p.s); err != nil || !strings.Contains(t, "/") || misleads(p.s) || len(p.s) > maxName {
				found.add(wrongValue(path+p.name, fmt.Sprintf("%q is not a media type such as image/png.", cut(p.s))))
			} else if strings.HasPrefix(t, "multipart/") {
				found.add(wrongValue(path+p.name, "An attachment is one part, not a multipart."))
			}
		case p.name == "Filename":
			if misleads(p.s) || utf8.RuneCountInString(p.s) > maxName {
				found.add(wrongValue(path+p.name, "A file name has up to "+strconv.Itoa(maxName)+" characters, and no line breaks, "+
					"tabs or other control characters, nor ones that turn the direction of text."))
			}
		}
	}
	if f.bad {
		found.add(wrongValue(path+"Base64Content", "The content is not base64."))
	}
	if !isContentID(f.contentID) {
		found.add(wrongValue(path+"ContentID", "A content ID has up to 255 printable ASCII characters and no spaces or angle brackets."))
	}
}

// cut makes a refused value short enough to repeat: one in Globals would be repeated for each message.
func cut(s string) string {
	const most = 254 // an address
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}

func isContentID(s string) bool {
	return len(s) <= maxName && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' || r == '<' || r == '>' })
}

func (it *item) checkHeaders(f *findings) {
	if len(it.headers) > maxHeaders {
		f.add(tooMany("Headers", len(it.headers), maxHeaders))
		return
	}
	for _, h := range it.headers {
		related := fmt.Sprintf("Headers[%q]", cut(h.name))
		switch {
		case isReserved(h.name):
			f.say("send-0011", `Header cannot be customized using the "Headers" collection. Please use the dedicated property to set this header.`, related)
		case !isFieldName(h.name):
			f.add(wrongValue(related, "A header's name has 1 to 76 printable ASCII characters and no colon or space."))
		case hasControl(h.value):
			f.add(wrongValue(related, "A header's value has no line breaks or other control characters."))
		default:
			if x := tooLong(h.value, related, maxHeaderValue); x != nil {
				f.add(x)
			} else if err := mail.CheckField(h.name, h.value); err != nil { // RFC 2047 §5: each by its own grammar
				f.add(wrongValue(related, err.Error()+"."))
			}
		}
	}
}

// isFieldName obeys RFC 5322 §3.6.8: printable ASCII but for the colon; and fits a line with its value.
func isFieldName(s string) bool {
	return s != "" && len(s) <= 76 && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' || r == ':' })
}

func (it *item) checkOptions(f *findings) {
	if it.priority < 0 || it.priority > 3 {
		f.add(wrongValue("Priority", fmt.Sprintf("%d is none of 0, 1, 2 and 3.", it.priority)))
	}
	for _, t := range []struct{ value, name string }{{it.trackOpens, "TrackOpens"}, {it.trackClicks, "TrackClicks"}} {
		if _, ok := tracking(t.value); !ok {
			f.add(wrongValue(t.name, fmt.Sprintf("%q is none of account_default, disabled and enabled.", cut(t.value))))
		}
	}
	for _, t := range []struct {
		value, name string
		most        int
	}{
		{it.urlTags, "URLTags", maxURLTags},
		{it.campaign, "CustomCampaign", maxName},
		{it.customID, "CustomID", maxName},
		{it.payload, "EventPayload", maxPayload},
	} {
		if x := tooLong(t.value, t.name, t.most); x != nil {
			f.add(x)
		}
	}
	if n := len(it.variables); n > maxVariables {
		f.add(tooMany("Variables", n, maxVariables))
	}
	if it.deduplicate && it.campaign == "" {
		f.say("send-0012", `"DeduplicateCampaign" needs "CustomCampaign".`, "CustomCampaign", "DeduplicateCampaign")
	}
	if it.category != "" {
		f.say("send-0013", fmt.Sprintf("Monitoring category %q doesn't exist for your account.", cut(it.category)), "MonitoringCategory")
	}
}

// tracking reads a tracking option: 0 as the account says, 1 off, 2 on.
func tracking(s string) (int, bool) {
	switch s {
	case "", "account_default":
		return 0, true
	case "disabled":
		return 1, true
	case "enabled":
		return trackOn, true
	}
	return 0, false
}
