// SPDX-License-Identifier: Apache-2.0

package api

import (
	"net/http"

	"postern/internal/access"
	"postern/internal/messages"
)

// messageRoutes are the resources of messages.
func (a *api) messageRoutes() []route {
	const rest = "/v3/REST/"
	const send, read = access.MaySend, access.MayRead
	return []route{
		{method: "GET", pattern: rest + "message", handle: a.listMessages, need: read},
		{method: "GET", pattern: rest + "message/{id}", handle: a.getMessage, need: read},
		{method: "POST", pattern: rest + "message/{id}/retry", handle: a.retryMessage, need: send},
		{method: "POST", pattern: rest + "message/{id}/cancel", handle: a.cancelMessage, need: send},
		{method: "POST", pattern: rest + "message/{id}/resend", handle: a.resendMessage, need: send},
		{method: "GET", pattern: rest + "messagehistory/{id}", handle: a.messageHistory, need: read},
		{method: "GET", pattern: rest + "messageinformation", handle: a.listInformation, need: read},
		{method: "GET", pattern: rest + "messageinformation/{id}", handle: a.messageInformation, need: read},
		{method: "GET", pattern: rest + "messagestate", handle: a.listStates},
		{method: "GET", pattern: rest + "messagestate/{id}", handle: a.getState},
	}
}

// retryMessage makes a message that waits for its next attempt due now.
func (a *api) retryMessage(c *call) (reply, error) {
	f, err := c.messageNamed()
	if err != nil {
		return reply{}, err
	}
	m, err := a.Messages.Retry(c.Context(), c.own(), f)
	return messageNow(m, http.StatusOK, err)
}

// cancelMessage takes back a message that waits for its next attempt.
func (a *api) cancelMessage(c *call) (reply, error) {
	f, err := c.messageNamed()
	if err != nil {
		return reply{}, err
	}
	m, err := a.Messages.Cancel(c.Context(), c.actor(), c.own(), f)
	return messageNow(m, http.StatusOK, err)
}

// resendMessage sends a message that did not arrive again, and answers the new one.
func (a *api) resendMessage(c *call) (reply, error) {
	f, err := c.messageNamed()
	if err != nil {
		return reply{}, err
	}
	m, err := a.Messages.Resend(c.Context(), c.own(), f, messages.Via{Source: "http", Address: c.addr, Client: c.UserAgent()})
	return messageNow(m, http.StatusCreated, err)
}

// messageNow answers a message as a change has left it, with all that can be shown.
func messageNow(m messages.Message, status int, err error) (reply, error) {
	if err != nil {
		return reply{}, err
	}
	r := one(show{contact: true, customID: true, subject: true}.wire(m.Record))
	r.status = status
	return r, nil
}
