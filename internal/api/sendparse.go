// SPDX-License-Identifier: Apache-2.0

package api

import (
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// batch is a parsed call of POST /v3.1/send.
type batch struct {
	sandbox bool
	items   []item
}

// item is a message as it was given, with Globals under it. Parsing looks at types alone; check looks at values.
type item struct {
	from, sender, replyTo, errorReporting mailbox

	to, cc, bcc []mailbox
	toGiven     bool

	subject, text, html string

	templateID       int64
	templateGiven    bool
	templateLanguage bool
	errorDeliver     bool

	attachments, inlined []file
	headers              []header
	variables            map[string]bool // their names

	priority                    int64
	trackOpens, trackClicks     string
	campaign, customID, payload string
	category, urlTags           string
	deduplicate                 bool
	deduplicateHeader           bool // the same, where there is a campaign
}

// optional is a string that may be missing.
type optional struct {
	s     string
	given bool
}

// mailbox is {Email, Name}.
type mailbox struct {
	given bool
	email optional
	name  string
}

// file is an attachment. bad says that its content is not base64.
type file struct {
	contentType, filename, content optional
	contentID                      string
	data                           []byte
	bad                            bool
}

// header is a member of Headers.
type header struct{ name, value string }

// usualPriority is the Priority of a message that gives none.
const usualPriority = 2

// malformed is the answer to what cannot be read at all. Its detail is ours: the words before it are what clients
// match on.
func malformed(detail string) *fault {
	return &fault{status: http.StatusBadRequest, code: "mj-0002", message: "Malformed JSON, please review the syntax and properties " +
		"types. (" + detail + ")"}
}

// parseSend reads the body of a call. What it refuses, it refuses for the whole call.
func parseSend(text []byte) (batch, *fault) {
	root, err := parseJSON(text)
	switch {
	case err != nil:
		return batch{}, malformed(err.Error())
	case !root.isObject():
		return batch{}, malformed("expected an object with Messages")
	}
	var b batch
	var messages, globals value
	r := &reader{}
	for name, v := range root.members() {
		if v.isNull() {
			continue
		}
		switch fold(name) {
		case "messages":
			messages = v
		case "globals":
			globals = v
		case "sandboxmode":
			if is, ok := v.looseBoolean(); ok && name == "SandBoxMode" { // an SDK's spelling, and PHP's types
				b.sandbox = is
			} else if name != "SandBoxMode" {
				r.boolean(v, &b.sandbox, "SandboxMode")
			}
		case "advanceerrorhandling":
			var ignored bool
			r.boolean(v, &ignored, "AdvanceErrorHandling")
		}
	}
	if r.mismatch != nil {
		return batch{}, r.mismatch
	}
	base := item{priority: usualPriority}
	if globals != nil {
		r.path = "Globals."
		if r.object(globals, "") {
			base.apply(r, globals)
		}
	}
	if r.mismatch != nil {
		return batch{}, r.mismatch
	}
	b.items, r.mismatch = parseMessages(messages, base)
	return b, r.mismatch
}

// parseMessages reads the array Messages, each over base.
func parseMessages(messages value, base item) ([]item, *fault) {
	about := []string{"Messages"}
	switch {
	case messages == nil:
		return nil, missing("Messages")
	case !messages.isArray():
		return nil, &fault{
			status: http.StatusBadRequest, code: "mj-0004", message: `Type mismatch. Expected type "array of messages".`, related: about,
		}
	}
	n := messages.count()
	switch {
	case n == 0:
		return nil, &fault{status: http.StatusBadRequest, code: "mj-0007", message: "The array is empty: at least one message is " +
			"needed.", related: about}
	case n > maxMessages:
		return nil, tooMany("Messages", n, maxMessages)
	}
	items := make([]item, 0, n)
	for v := range messages.elements() {
		it := base
		it.headers = slices.Clone(base.headers)
		r := &reader{path: "Messages."}
		if r.object(v, "") && v.isObject() {
			it.apply(r, v)
		}
		if r.mismatch != nil {
			if n > 1 {
				r.mismatch.message += fmt.Sprintf(" (message %d of %d)", len(items)+1, n)
			}
			return nil, r.mismatch
		}
		items = append(items, it)
	}
	return items, nil
}

// reader reads values of a type, and keeps the first that has another.
type reader struct {
	path     string // what stands before a property in ErrorRelatedTo
	v3       bool   // Send API v3: its names, and the types as its clients write them
	mismatch *fault
}

func (r *reader) wrong(name, expected string) {
	if r.mismatch != nil {
		return
	}
	if r.v3 {
		r.mismatch = wrongTypeV3(r.path+nameV3(name), expected)
		return
	}
	r.mismatch = &fault{
		status: http.StatusBadRequest, code: "mj-0004", message: fmt.Sprintf("Type mismatch. Expected type %q.", expected),
		related: []string{strings.TrimSuffix(r.path+name, ".")},
	}
}

func (r *reader) str(v value, into *string, name string) {
	s, ok := v.str()
	if !ok && r.v3 && v.isNumber() {
		s, ok = string(v), true
	}
	if !ok {
		r.wrong(name, "string")
		return
	}
	*into = s
}

func (r *reader) opt(v value, into *optional, name string) {
	into.given = true
	r.str(v, &into.s, name)
}

// optAlias reads a property under another name than its own: of another type, or when there is the one of its own, it says
// nothing. In Send API v3 it is the property's name.
func (r *reader) optAlias(v value, into *optional, name string) {
	if _, ok := v.str(); r.v3 || ok && !into.given {
		r.opt(v, into, name)
	}
}

func (r *reader) boolean(v value, into *bool, name string) {
	is, ok := v.boolean()
	if !ok && r.v3 {
		is, ok = v.looseBoolean()
	}
	if !ok {
		r.wrong(name, "boolean")
		return
	}
	*into = is
}

func (r *reader) integer(v value, into *int64, name string) {
	n, ok := v.integer()
	if !ok && r.v3 {
		n, ok = v.looseInteger()
	}
	if !ok {
		r.wrong(name, "integer")
		return
	}
	*into = n
}

// object says whether v is an object. An empty array is one without members: PHP writes it so.
func (r *reader) object(v value, name string) bool {
	switch {
	case v.isObject():
		return true
	case !v.isArray() || v.count() > 0:
		r.wrong(name, "object")
	}
	return false
}

// mailbox reads {Email, Name} over what *into has.
func (r *reader) mailbox(v value, into *mailbox, name string) {
	if !v.isObject() {
		if !v.isArray() || v.count() > 0 {
			r.wrong(name, "emailIn")
		}
		return
	}
	into.given = true
	for property, v := range v.members() {
		if v.isNull() {
			continue
		}
		switch fold(property) {
		case "email":
			r.opt(v, &into.email, name+".Email")
		case "name":
			r.str(v, &into.name, name+".Name")
		}
	}
}

func (r *reader) mailboxes(v value, into *[]mailbox, name string) {
	if !v.isArray() {
		r.wrong(name, "array of emails")
		return
	}
	list := make([]mailbox, 0, 1)
	for v := range v.elements() {
		var m mailbox
		if !v.isObject() {
			r.wrong(name, "array of emails")
			return
		}
		r.mailbox(v, &m, name)
		list = append(list, m)
		if len(list) > maxList {
			break // send-0015 or mj-0008 already
		}
	}
	*into = list
}

func (r *reader) files(v value, into *[]file, name string) {
	if !v.isArray() {
		r.wrong(name, "array of attachments")
		return
	}
	var list []file
	for v := range v.elements() {
		if !v.isObject() {
			r.wrong(name, "array of attachments")
			return
		}
		var f file
		for property, v := range v.members() {
			if v.isNull() {
				continue
			}
			switch fold(property) {
			case "contenttype":
				r.opt(v, &f.contentType, name+".ContentType")
			case "filename":
				r.opt(v, &f.filename, name+".Filename")
			case "base64content":
				r.opt(v, &f.content, name+".Base64Content")
			case "content-type":
				r.optAlias(v, &f.contentType, name+".ContentType")
			case "content":
				r.optAlias(v, &f.content, name+".Base64Content")
			case "contentid":
				r.str(v, &f.contentID, name+".ContentID")
			}
		}
		f.decode()
		list = append(list, f)
		if len(list) > maxList {
			break
		}
	}
	*into = list
}

// decode reads the content. Line breaks, white space and missing padding are what real clients send.
func (f *file) decode() {
	data, err := base64.StdEncoding.DecodeString(f.content.s)
	if err != nil {
		s := strings.NewReplacer(" ", "", "\t", "", "\r", "", "\n", "").Replace(f.content.s)
		data, err = base64.RawStdEncoding.DecodeString(strings.TrimRight(s, "="))
	}
	f.data, f.bad, f.content.s = data, err != nil, f.content.s[:min(1, len(f.content.s))]
}

// headers reads Headers over what *into has. Of one name, in whatever case, the last value counts.
func (r *reader) headers(v value, into *[]header) {
	if !r.object(v, "Headers") {
		return
	}
	for name, v := range v.members() {
		var s string
		switch v[0] {
		case 'n':
			continue
		case '"':
			s, _ = v.str()
		case '{', '[':
			r.wrong("Headers", "string")
			return
		default:
			s = string(v)
		}
		i := slices.IndexFunc(*into, func(h header) bool { return strings.EqualFold(h.name, name) })
		if i >= 0 {
			(*into)[i] = header{name, s}
			continue
		}
		*into = append(*into, header{name, s})
		if len(*into) > maxHeaders {
			return
		}
	}
}

// aliases are other names that clients have for properties.
var aliases = map[string]string{
	"trackopen": "trackopens", "trackclick": "trackclicks", "text-part": "textpart", "html-part": "htmlpart",
	"templateerrordelivery": "templateerrordeliver",
}

// apply reads the properties of an object over what it has: a message over Globals. null is not given.
func (it *item) apply(r *reader, object value) {
	var byAlias []value // in the order of names
	var names []string
	for name, v := range object.members() {
		if v.isNull() {
			continue
		}
		folded := fold(name)
		if property := aliases[folded]; property != "" {
			byAlias, names = append(byAlias, v), append(names, property)
			continue
		}
		if !it.applyContent(r, folded, v) {
			it.applyOption(r, folded, v)
		}
	}
	for i, property := range names {
		if !object.has(property) {
			it.applyAlias(property, byAlias[i])
		}
	}
	it.takeHeaders()
}

// applyAlias reads a property under another name than its own. It never refuses a mail: what cannot be understood says
// nothing. TemplateErrorDelivery is about templates, which there are none of.
func (it *item) applyAlias(property string, v value) {
	switch property {
	case "trackopens":
		it.trackOpens = looseTracking(v, it.trackOpens)
	case "trackclicks":
		it.trackClicks = looseTracking(v, it.trackClicks)
	case "textpart":
		if s, ok := v.str(); ok {
			it.text = s
		}
	case "htmlpart":
		if s, ok := v.str(); ok {
			it.html = s
		}
	}
}

// looseTracking reads a tracking option in the values of the SMTP header (0 and 1), which Symfony sends as TrackOpen, or
// in the words of the property. Anything else leaves what was there.
func looseTracking(v value, was string) string {
	s, ok := v.str()
	s = strings.ToLower(strings.TrimSpace(s))
	if _, word := tracking(s); ok && word {
		return s
	}
	switch is, ok := v.looseBoolean(); {
	case !ok:
		return was
	case is:
		return "enabled"
	}
	return "disabled"
}

// takeHeaders takes control headers that Mailjet's rules let stand in Headers as the properties that they are. They refuse
// no mail: a campaign that there is not cannot be deduplicated, and there are no monitoring categories.
func (it *item) takeHeaders() {
	it.headers = slices.DeleteFunc(it.headers, func(h header) bool {
		switch fold(h.name) {
		case "x-mailjet-deduplicatecampaign":
			v := strings.ToLower(strings.TrimSpace(h.value))
			it.deduplicateHeader = v == "1" || v == "true" || v == "yes" || v == "y"
			return true
		case "x-mj-monitoringcategory":
			return true
		}
		return false
	})
}

// applyContent reads what becomes the mail, and says whether the property was that.
func (it *item) applyContent(r *reader, name string, v value) bool {
	switch name {
	case "from":
		r.mailbox(v, &it.from, "From")
	case "sender":
		r.mailbox(v, &it.sender, "Sender")
	case "replyto":
		r.mailbox(v, &it.replyTo, "ReplyTo")
	case "to":
		it.toGiven = true
		r.mailboxes(v, &it.to, "To")
	case "cc":
		r.mailboxes(v, &it.cc, "Cc")
	case "bcc":
		r.mailboxes(v, &it.bcc, "Bcc")
	case "subject":
		r.str(v, &it.subject, "Subject")
	case "textpart":
		r.str(v, &it.text, "TextPart")
	case "htmlpart":
		r.str(v, &it.html, "HTMLPart")
	case "attachments":
		r.files(v, &it.attachments, "Attachments")
	case "inlinedattachments":
		r.files(v, &it.inlined, "InlinedAttachments")
	case "headers":
		r.headers(v, &it.headers)
	default:
		return false
	}
	return true
}

// addVariables notes the names of a message's Variables, with those of Globals. They are for templates, which there are
// none of, so the values stay where they are; null is an empty value.
func (it *item) addVariables(r *reader, v value) {
	if !r.object(v, "Variables") || !v.isObject() {
		return
	}
	it.variables = maps.Clone(it.variables) // Globals are others' too
	if it.variables == nil {
		it.variables = map[string]bool{}
	}
	for name := range v.members() {
		if it.variables[name] = true; len(it.variables) > maxVariables {
			return // mj-0008 already; each message has a copy of what Globals gives
		}
	}
}

// applyOption reads what is to be done with the mail. Unknown properties are ignored.
func (it *item) applyOption(r *reader, name string, v value) {
	switch name {
	case "templateid":
		it.templateGiven = true
		r.integer(v, &it.templateID, "TemplateID")
	case "templatelanguage":
		r.boolean(v, &it.templateLanguage, "TemplateLanguage")
	case "templateerrorreporting":
		r.mailbox(v, &it.errorReporting, "TemplateErrorReporting")
	case "templateerrordeliver":
		r.boolean(v, &it.errorDeliver, "TemplateErrorDeliver")
	case "priority":
		r.integer(v, &it.priority, "Priority")
	case "customcampaign":
		r.str(v, &it.campaign, "CustomCampaign")
	case "deduplicatecampaign":
		r.boolean(v, &it.deduplicate, "DeduplicateCampaign")
	case "trackopens":
		r.str(v, &it.trackOpens, "TrackOpens")
	case "trackclicks":
		r.str(v, &it.trackClicks, "TrackClicks")
	case "customid":
		r.str(v, &it.customID, "CustomID")
	case "eventpayload":
		r.str(v, &it.payload, "EventPayload")
	case "monitoringcategory":
		r.str(v, &it.category, "MonitoringCategory")
	case "urltags":
		r.str(v, &it.urlTags, "URLTags")
	case "variables":
		it.addVariables(r, v)
	case "statisticscontactslistid":
		var ignored int64
		r.integer(v, &ignored, "StatisticsContactsListID") // of contact lists, which there are none of
	}
}
