// SPDX-License-Identifier: Apache-2.0

package webhook

import (
	"bytes"
	"encoding/json"
	"strconv"
	"time"

	"github.com/google/uuid"

	"postern/internal/mail"
	"postern/internal/store"
)

// common is what every event says of its message, however empty. The names and their order are the wire contract's.
type common struct {
	Event          string `json:"event"`
	Time           int64  `json:"time"` // Unix seconds
	MessageID      int64  `json:"MessageID"`
	MessageGUID    string `json:"Message_GUID"`
	Email          string `json:"email"`
	CampaignID     int64  `json:"mj_campaign_id"`
	ContactID      int64  `json:"mj_contact_id"`
	CustomCampaign string `json:"customcampaign"`
	CustomID       string `json:"CustomID"`
	Payload        string `json:"Payload"`
}

type sentEvent struct {
	common
	TextID string `json:"mj_message_id"`
	Reply  string `json:"smtp_reply"`
}

// doing is what a recipient's program said of itself. geo is a country's code: it is not looked up here.
type doing struct {
	IP    string `json:"ip"`
	Geo   string `json:"geo"`
	Agent string `json:"agent"`
}

type openEvent struct {
	common
	doing
}

type clickEvent struct {
	common
	URL string `json:"url"`
	doing
}

type bounceEvent struct {
	common
	Blocked   bool   `json:"blocked"` // mail to the address is blocked from now on
	Hard      bool   `json:"hard_bounce"`
	RelatedTo string `json:"error_related_to"`
	Error     string `json:"error"`
	Comment   string `json:"comment"`
}

type blockedEvent struct {
	common
	RelatedTo string `json:"error_related_to"`
	Error     string `json:"error"`
}

type spamEvent struct {
	common
	Source string `json:"source"`
}

type unsubEvent struct {
	common
	ListID int64 `json:"mj_list_id"`
	doing
}

// wireEvent is an event as it is posted.
func wireEvent(e store.EventDetail) any {
	c := common{
		Event: e.Type.String(), Time: e.At.Unix(), MessageID: e.MessageID, MessageGUID: e.UUID.String(), Email: e.Recipient,
		CampaignID: e.CampaignID, ContactID: e.Contact, CustomCampaign: e.Campaign, CustomID: e.CustomID, Payload: e.EventPayload,
	}
	who := doing{IP: e.IP, Agent: e.Agent}
	related, reason := cause(mail.State(e.StateID))
	switch e.Type {
	case store.EventSent:
		return sentEvent{c, strconv.FormatInt(e.MessageID, 10), e.Reply.String()}
	case store.EventOpen:
		return openEvent{c, who}
	case store.EventClick:
		return clickEvent{c, e.URL, who}
	case store.EventBounce:
		return bounceEvent{c, e.SaysGone(), e.Permanent, related, reason, e.Reply.String()}
	case store.EventBlocked:
		return blockedEvent{c, related, reason}
	case store.EventSpam:
		return spamEvent{c, e.Source}
	case store.EventUnsub:
		return unsubEvent{c, 0, who}
	case store.EventDeferred: // never delivered
	default: // an account's event has its body
	}
	return c
}

// cause is a state in the words of webhooks, which group some states otherwise than the catalogue of messagestate does.
func cause(s mail.State) (relatedTo, reason string) {
	reason = s.String()
	switch s {
	case 0:
		return "", ""
	case mail.StateBlacklisted, mail.StateSpamReporter:
		return "recipient", reason
	case mail.StateGreylisted:
		return "domain", reason
	case mail.StateBadOrEmptyTemplate, mail.StateErrorInTemplateLanguage:
		return "content", reason
	case mail.StateSpamPreblocked:
		return "mailjet", mail.StatePreblocked.String()
	}
	return s.RelatedTo(), reason
}

// encode writes the body of a request: of version 1 one bare object, of version 2 an array. It takes as many events as fit
// in about maxBody bytes, the first in any case, and says how many these are. An account's event has its body already.
func encode(version int, events []store.EventDetail) (body []byte, n int, err error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	switch {
	case events[0].Body != nil:
		return events[0].Body, 1, nil
	case version == 1:
		err = enc.Encode(wireEvent(events[0]))
		return bytes.TrimRight(b.Bytes(), "\n"), 1, err
	}
	b.WriteByte('[')
	for ; n < len(events) && (n == 0 || b.Len() < maxBody); n++ {
		if n > 0 {
			b.WriteByte(',')
		}
		if err := enc.Encode(wireEvent(events[n])); err != nil {
			return nil, 0, err
		}
		b.Truncate(b.Len() - 1) // the line feed of Encode
	}
	b.WriteByte(']')
	return b.Bytes(), n, nil
}

// sample is an event to try a webhook with. Its MessageID is 0, which no message has.
func sample(t store.EventType, at time.Time) store.EventDetail {
	e := store.EventDetail{
		Event: store.Event{Type: t, At: at}, UUID: uuid.Nil, Recipient: "test@example.com", CustomID: "Sample",
	}
	e.Contact = mail.ContactID(e.Recipient)
	switch t {
	case store.EventSent:
		e.Reply = store.Reply{Code: 250, Enhanced: "2.0.0", Line: "250 2.0.0 OK"}
	case store.EventBounce:
		e.Reply = store.Reply{Code: 550, Enhanced: "5.1.1", Line: "550 5.1.1 No such user"}
		e.StateID, e.Permanent = int(mail.StateUserUnknown), true
	case store.EventBlocked:
		e.StateID, e.Permanent = int(mail.StatePreblocked), true
	case store.EventOpen, store.EventUnsub, store.EventDeferred:
		e.IP, e.Agent = "203.0.113.7", "Sample/1.0"
	case store.EventClick:
		e.IP, e.Agent, e.URL = "203.0.113.7", "Sample/1.0", "https://www.example.com/"
	case store.EventSpam:
		e.Source = "Sample"
	}
	return e
}
