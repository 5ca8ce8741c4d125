// SPDX-License-Identifier: Apache-2.0

package api

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"postern/internal/mail"
)

// maxCallV3 bounds a call of Send API v3: its messages, and the recipients of all of them.
const maxCallV3 = 100

// messageV3 is a message of Send API v3. In the form with To, Cc and Bcc it is one mail to all of them; in the form
// with Recipients each gets a mail of its own and sees nobody else.
type messageV3 struct {
	item
	path       string // what stands before its properties in an error: "Messages[2].", or nothing
	alone      []mailbox
	vars       []string // of each in alone, as given
	templateID string
}

// parseSendV3 reads the body of a call: one message, or {"Messages": […]}. What has a wrong type refuses the call.
func parseSendV3(text []byte) ([]messageV3, *fault) {
	root, err := parseJSON(text)
	switch {
	case err != nil:
		return nil, malformed(err.Error())
	case !root.isObject():
		return nil, malformed("expected an object")
	}
	list, given, empty := messagesOf(root)
	if empty {
		return nil, badRequest(`"Messages" is an empty array: give at least one message`)
	}
	if !given {
		m, fault := parseMessageV3(root, "")
		return []messageV3{m}, fault
	}
	if !list.isArray() {
		return nil, wrongTypeV3("Messages", "array")
	}
	n := list.count()
	if n > maxCallV3 {
		return nil, badRequest(fmt.Sprintf("Too many elements in Messages: %d. Max allowed - %d", n, maxCallV3))
	}
	out := make([]messageV3, 0, n)
	for v := range list.elements() {
		path := fmt.Sprintf("Messages[%d].", len(out))
		if !v.isObject() {
			return nil, wrongTypeV3(strings.TrimSuffix(path, "."), "object")
		}
		m, fault := parseMessageV3(v, path)
		if fault != nil {
			return nil, fault
		}
		out = append(out, m)
	}
	return out, nil
}

// messagesOf finds the array Messages. An empty one beside a message is what clients with typed structs write; empty says
// that there is nothing beside it.
func messagesOf(root value) (list value, given, empty bool) {
	others := false
	for name, v := range root.members() {
		switch {
		case fold(name) != "messages":
			others = true
		case v.isArray() && v.count() == 0:
			empty = true
		case !v.isNull():
			list, given = v, true
		}
	}
	return list, given, empty && !given && !others
}

// parseMessageV3 reads one message.
func parseMessageV3(object value, path string) (messageV3, *fault) {
	m := messageV3{item: item{priority: usualPriority}, path: path}
	r := &reader{path: path, v3: true}
	for name, v := range object.members() {
		if v.isNull() {
			continue
		}
		folded := fold(name)
		if !m.applyPeople(r, folded, v) && !m.applyContent(r, folded, v) {
			m.applyOption(r, folded, v)
		}
	}
	m.takeHeaders()
	if r.mismatch == nil {
		r.mismatch = m.takeReplyTo()
	}
	return m, r.mismatch
}

// applyPeople reads who the mail is from and for, and says whether the property was that.
func (m *messageV3) applyPeople(r *reader, name string, v value) bool {
	switch name {
	case "fromemail":
		r.str(v, &m.from.email.s, "FromEmail")
		m.from.email.given = m.from.email.s != ""
		m.from.given = m.from.email.given
	case "fromname":
		r.str(v, &m.from.name, "FromName")
	case "sender":
		m.readSender(r, v)
	case "recipients":
		m.readRecipients(r, v)
	case "to":
		r.addressList(v, &m.to, "To")
		m.toGiven = len(m.to) > 0
	case "cc":
		r.addressList(v, &m.cc, "Cc")
	case "bcc":
		r.addressList(v, &m.bcc, "Bcc")
	default:
		return false
	}
	return true
}

// readSender reads Sender: true and false say whether a Sender header is wanted, which a From of one's own never
// needs; the Go SDK sends a string, which may be an address.
func (m *messageV3) readSender(r *reader, v value) {
	if _, ok := v.looseBoolean(); ok {
		return
	}
	var list []mailbox
	r.addressList(v, &list, "Sender")
	if len(list) > 0 {
		m.sender = list[0]
	}
}

// readRecipients reads Recipients. One that is there twice, with the same Vars, gets one mail.
func (m *messageV3) readRecipients(r *reader, v value) {
	if !v.isArray() {
		r.wrong("Recipients", "array")
		return
	}
	m.alone, m.vars = nil, nil
	for v := range v.elements() {
		path := fmt.Sprintf("Recipients[%d]", len(m.alone))
		if !v.isObject() {
			r.wrong(path, "object")
			return
		}
		var box mailbox
		var vars string
		r.mailbox(v, &box, path)
		for name, v := range v.members() {
			if fold(name) == "vars" && !v.isNull() {
				r.object(v, path+".Vars")
				vars = string(v)
			}
		}
		m.alone, m.vars = append(m.alone, box), append(m.vars, vars)
		if len(m.alone) > maxCallV3 {
			return // too many already
		}
	}
}

// addressList reads addresses in the form of a header: `"Name" <a@b>, c@d`.
func (r *reader) addressList(v value, into *[]mailbox, name string) {
	var s string
	r.str(v, &s, name)
	*into = nil
	if strings.TrimSpace(s) == "" {
		return
	}
	list, err := mail.ParseAddressList(s)
	if err != nil && r.mismatch == nil {
		r.mismatch = badRequest(fmt.Sprintf("Invalid characters detected in %s: %q: %v.", r.path+name, cut(s), err))
	}
	for _, a := range list {
		*into = append(*into, mailbox{given: true, email: optional{s: a.Email, given: true}, name: a.Name})
	}
}

// applyContent reads what becomes the mail, and says whether the property was that.
func (m *messageV3) applyContent(r *reader, name string, v value) bool {
	switch name {
	case "subject":
		r.str(v, &m.subject, "Subject")
	case "text-part", "textpart":
		r.str(v, &m.text, "TextPart")
	case "html-part", "htmlpart":
		r.str(v, &m.html, "HTMLPart")
	case "attachments":
		r.files(v, &m.attachments, "Attachments")
	case "inline_attachments", "inlineattachments", "inlined_attachments", "inlinedattachments":
		r.files(v, &m.inlined, "InlinedAttachments")
	case "headers":
		r.headers(v, &m.headers)
	case "vars":
		r.object(v, "Vars") // for templates, which there are none of
	default:
		return false
	}
	return true
}

// applyOption reads what is to be done with the mail. Unknown properties are ignored.
func (m *messageV3) applyOption(r *reader, name string, v value) {
	switch name {
	case "mj-templateid", "templateid":
		r.str(v, &m.templateID, "TemplateID") // an ID, or a name
		m.templateGiven = m.templateID != ""
	case "mj-templatelanguage", "templatelanguage":
		r.boolean(v, &m.templateLanguage, "TemplateLanguage")
	case "mj-templateerrorreporting", "mj-templateerrordeliver":
		var ignored string // of templates
		if _, ok := v.looseBoolean(); !ok {
			r.str(v, &ignored, name)
		}
	case "mj-prio":
		if s, ok := v.str(); !ok || s != "" {
			r.integer(v, &m.priority, "Priority")
		}
	case "mj-campaign":
		r.str(v, &m.campaign, "CustomCampaign")
	case "mj-deduplicatecampaign":
		r.boolean(v, &m.deduplicate, "DeduplicateCampaign")
	case "mj-trackopen":
		r.tracking(v, &m.trackOpens, "TrackOpens")
	case "mj-trackclick":
		r.tracking(v, &m.trackClicks, "TrackClicks")
	case "mj-customid":
		r.str(v, &m.customID, "CustomID")
	case "mj-eventpayload":
		r.str(v, &m.payload, "EventPayload")
	case "mj-monitoringcategory":
		r.str(v, &m.category, "MonitoringCategory")
	case "mj-urltags":
		r.str(v, &m.urlTags, "URLTags")
	}
}

// tracking reads 0 (as the account says), 1 (off) and 2 (on), as the words of v3.1.
func (r *reader) tracking(v value, into *string, name string) {
	var n int64
	if s, ok := v.str(); ok {
		if _, word := tracking(s); word {
			*into = s
			return
		}
	}
	r.integer(v, &n, name)
	words := [...]string{"account_default", "disabled", "enabled"}
	if r.mismatch == nil && (n < 0 || n >= int64(len(words))) {
		r.mismatch = badRequest(fmt.Sprintf("%s: %d is none of 0 (as the account says), 1 (off) and 2 (on).", r.path+nameV3(name), n))
		return
	}
	*into = words[max(0, min(n, 2))]
}

// takeReplyTo takes Reply-To out of Headers: in v3 it has no property of its own.
func (m *messageV3) takeReplyTo() *fault {
	i := slices.IndexFunc(m.headers, func(h header) bool { return strings.EqualFold(h.name, "Reply-To") })
	if i < 0 {
		return nil
	}
	value := m.headers[i].value
	m.headers = slices.Delete(m.headers, i, i+1)
	if strings.TrimSpace(value) == "" {
		return nil
	}
	a, err := mail.ParseAddress(value)
	if err != nil {
		return badRequest(fmt.Sprintf("%sHeaders[\"Reply-To\"]: %q: %v.", m.path, cut(value), err))
	}
	m.replyTo = mailbox{given: true, email: optional{s: a.Email, given: true}, name: a.Name}
	return nil
}

// wrongTypeV3 is a property with a value of another type than expected.
func wrongTypeV3(property, expected string) *fault {
	switch {
	case strings.HasPrefix(expected, "array"):
		expected = "array"
	case expected == "boolean": // which the numbers are, too
		return badRequest(fmt.Sprintf("%q is not JSON boolean type, nor 0 or 1", property))
	case expected == "integer":
		expected = "number"
	case expected == "emailIn":
		expected = "object"
	}
	return &fault{status: http.StatusBadRequest, message: fmt.Sprintf("%q is not JSON %s type", property, expected)}
}
