// SPDX-License-Identifier: Apache-2.0

package api

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"postern/internal/mail"
)

// namesV3 are the properties of v3.1 that v3 spells otherwise. The checks are the same; their words are put right here.
var namesV3 = [...]string{
	"From.Email", "FromEmail",
	"From.Name", "FromName",
	"Sender.Email", "Sender",
	"Sender.Name", "Sender",
	"ReplyTo.Email", `Headers["Reply-To"]`,
	"ReplyTo.Name", `Headers["Reply-To"]`,
	"TextPart", "Text-part",
	"HTMLPart", "Html-part",
	"TemplateLanguage", "Mj-TemplateLanguage",
	"TemplateID", "Mj-TemplateID",
	"InlinedAttachments", "Inline_attachments",
	"ContentType", "Content-type",
	"Base64Content", "content",
	"Priority", "Mj-prio",
	"DeduplicateCampaign", "Mj-deduplicatecampaign",
	"CustomCampaign", "Mj-campaign",
	"TrackOpens", "Mj-trackopen",
	"TrackClicks", "Mj-trackclick",
	"CustomID", "Mj-CustomID",
	"EventPayload", "Mj-EventPayLoad",
	"MonitoringCategory", "Mj-MonitoringCategory",
	"URLTags", "Mj-URLTags",
}

// nameV3 is what v3 calls a property of v3.1.
func nameV3(property string) string {
	switch {
	case strings.HasPrefix(property, "Headers["): // the rest is the caller's
		return property
	case property == "From":
		return "FromEmail"
	}
	return strings.NewReplacer(namesV3[:]...).Replace(property)
}

// asV3 puts a finding in the words of v3: one sentence that names the property.
func asV3(f *fault, path string) *fault {
	out := *f
	if f.status >= http.StatusInternalServerError {
		return &out
	}
	for i := 0; i < len(namesV3); i += 2 {
		out.message = strings.ReplaceAll(out.message, `"`+namesV3[i]+`"`, `"`+namesV3[i+1]+`"`)
	}
	switch {
	case len(f.related) == 1:
		out.message = path + nameV3(f.related[0]) + ": " + out.message
	case path != "":
		out.message = strings.TrimSuffix(path, ".") + ": " + out.message
	}
	out.code, out.related = "", nil
	return &out
}

// check looks at the values of a message: the checks of v3.1, but for the people and the template, which v3 gives in
// another way.
func (m *messageV3) check() findings {
	var f findings
	m.checkPeople(&f)
	m.checkContent(&f)
	if m.templateGiven {
		f.say("send-0010", fmt.Sprintf("Template id %q doesn't exist for your account.", cut(m.templateID)), "TemplateID")
	}
	m.checkFiles(&f)
	m.checkHeaders(&f)
	m.checkOptions(&f)
	return f
}

func (m *messageV3) checkPeople(f *findings) {
	if !m.from.given {
		f.add(badRequest(`Missing "FromEmail" property`))
	} else {
		f.mailbox(m.from, "From")
	}
	if m.sender.given {
		f.mailbox(m.sender, "Sender")
	}
	if m.replyTo.given {
		f.mailbox(m.replyTo, "ReplyTo")
	}
	copies := len(m.cc) + len(m.bcc)
	switch {
	case len(m.alone) > 0 && len(m.to)+copies > 0:
		f.add(badRequest(`"Recipients" gets each a mail of its own, "To", "Cc" and "Bcc" get one together: give the one or the others`))
	case len(m.alone) > maxCallV3:
		f.add(badRequest(fmt.Sprintf("Too many recipients in Recipients. Max allowed - %d", maxCallV3)))
	case len(m.to)+copies > maxCallV3:
		f.add(badRequest(fmt.Sprintf("Too many recipients in To, Cc and Bcc: %d. Max allowed - %d", len(m.to)+copies, maxCallV3)))
	case len(m.alone) == 0 && len(m.to) == 0:
		f.add(badRequest(`Missing "To" or "Recipients" property`))
	default:
		f.mailboxes(m.alone, "Recipients")
		f.mailboxes(m.to, "To")
		f.mailboxes(m.cc, "Cc")
		f.mailboxes(m.bcc, "Bcc")
	}
}

// mails are the mails that a checked message becomes: itself, or one for each of Recipients. which says for each of
// Recipients the mail that is its own: the same address with the same Vars gets one.
func (m *messageV3) mails() (list []item, which []int) {
	if len(m.alone) == 0 {
		return []item{m.item}, nil
	}
	seen := map[string]int{}
	for i, box := range m.alone {
		id := mail.Canonical(box.email.s) + " " + m.vars[i]
		at, twice := seen[id]
		if !twice {
			at = len(list)
			seen[id] = at
			it := m.item
			it.to, it.toGiven = []mailbox{box}, true
			list = append(list, it)
		}
		which = append(which, at)
	}
	return list, which
}

// recipientsV3 counts the recipients of a call.
func recipientsV3(messages []messageV3) (n int) {
	for i := range messages {
		m := &messages[i]
		n += len(m.alone) + len(m.to) + len(m.cc) + len(m.bcc)
	}
	return n
}

// refuseV3 makes one error of all that is wrong with the messages of a call, or nil: v3 has no other form. The first
// is the message, the others stand in ErrorInfo.
func refuseV3(messages []messageV3, found []findings) *fault {
	var first *fault
	var more []string
	const most = 10
	for i := range found {
		for _, f := range found[i] {
			x := asV3(f, messages[i].path)
			switch {
			case first == nil:
				first = x
			case first.status == http.StatusForbidden && x.status == http.StatusBadRequest: // both are to be put right
				more = append(more, ended(first.message))
				first = x
			case len(more) < most:
				more = append(more, ended(x.message))
			}
		}
	}
	if first == nil {
		return nil
	}
	if len(more) > 0 {
		first.info = "Also: " + strings.Join(more[:min(len(more), most)], " ")
	}
	return first
}

// ended has the full stop that a sentence needs before another.
func ended(s string) string { return strings.TrimRight(s, ".") + "." }

func tooManyV3(n int) *fault {
	return badRequest("Too many recipients in the call: " + strconv.Itoa(n) + ". Max allowed - " + strconv.Itoa(maxCallV3))
}
