// SPDX-License-Identifier: Apache-2.0

package api

import (
	"net/http"

	"postern/internal/submit"
)

// sentV3 is a recipient's message in the answer of Send API v3.
type sentV3 struct {
	Email       string
	MessageID   int64
	MessageUUID string
}

// sendV3 is POST /v3/send and /v3/send/message. In this API a call is sent whole or not at all: its answer has no place
// for the refusal of one message.
func (a *api) sendV3(c *call) (reply, error) {
	text, err := c.sendBody()
	if err != nil {
		return reply{}, tooLargeV3(err)
	}
	messages, fault := parseSendV3(text)
	if fault != nil {
		return reply{}, fault
	}
	if n := recipientsV3(messages); n > maxCallV3 && len(messages) > 1 { // of one, its own check says where
		return reply{}, tooManyV3(n)
	}
	return a.once(c, "v3", text, false, func(once *submit.Once) (reply, error) {
		found := make([]findings, len(messages))
		for i := range messages {
			found[i] = messages[i].check()
			a.checkSenders(c, &messages[i].item, &found[i])
		}
		if f := refuseV3(messages, found); f != nil {
			return reply{}, f
		}
		var items []item
		places := make([][]int, len(messages)) // of each message, the items of its Recipients
		first := make([]int, len(messages))
		for i := range messages {
			mails, which := messages[i].mails()
			first[i], places[i] = len(items), which
			items = append(items, mails...)
		}
		answer := func(outcomes []outcome) (reply, error) { return answerV3(messages, items, outcomes, first, places) }
		r, err := a.handOver(c, items, make([]outcome, len(items)),
			handing{came: int64(len(text)), whole: true, once: once, answer: answer})
		return r, tooLargeV3(err)
	})
}

// tooLargeV3 gives what is too large its status: v3.1 has a code for it, v3 has not.
func tooLargeV3(err error) error {
	if err == nil {
		return nil
	}
	f := faultOf(err)
	if f.code == "mj-0011" {
		f.status = http.StatusRequestEntityTooLarge
	}
	return f
}

// answerV3 lists the messages of all recipients in the order of the request, or tells the first error.
func answerV3(messages []messageV3, items []item, outcomes []outcome, first []int, places [][]int) (reply, error) {
	for i := range outcomes {
		if len(outcomes[i].findings) > 0 {
			return reply{}, asV3(outcomes[i].findings[0], "")
		}
	}
	sent := []sentV3{}
	add := func(at int, boxes []mailbox) {
		for i := range boxes {
			m := outcomes[at].receipt.Of(boxes[i].email.s)
			sent = append(sent, sentV3{Email: boxes[i].email.s, MessageID: m.ID, MessageUUID: m.UUID})
		}
	}
	for i := range messages {
		m := &messages[i]
		for k := range m.alone {
			add(first[i]+places[i][k], m.alone[k:k+1])
		}
		if len(m.alone) == 0 {
			add(first[i], items[first[i]].to)
			add(first[i], items[first[i]].cc)
			add(first[i], items[first[i]].bcc)
		}
	}
	return reply{body: struct{ Sent []sentV3 }{sent}}, nil
}
