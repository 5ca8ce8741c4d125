// SPDX-License-Identifier: Apache-2.0

package api

import (
	"net/http"

	"postern/internal/access"
	"postern/internal/store"
	"postern/internal/submit"
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
	m, err := a.message(c)
	if err == nil {
		err = a.Submit.Retry(c.Context(), c.own(), m.ID)
	}
	if err != nil {
		return reply{}, err
	}
	return a.messageNow(c, m.ID, http.StatusOK)
}

// cancelMessage takes back a message that waits for its next attempt.
func (a *api) cancelMessage(c *call) (reply, error) {
	m, err := a.message(c)
	if err == nil {
		err = a.Submit.Cancel(c.Context(), c.own(), m.ID, "the API key "+c.who.APIKey)
	}
	if err != nil {
		return reply{}, err
	}
	return a.messageNow(c, m.ID, http.StatusOK)
}

// resendMessage sends a message that did not arrive again, and answers the new one.
func (a *api) resendMessage(c *call) (reply, error) {
	m, err := a.message(c)
	if err != nil {
		return reply{}, err
	}
	x, err := a.Submit.Resend(c.Context(), c.own(), m.ID, submit.Again{Source: "http", Address: c.addr, Client: c.UserAgent()})
	if err != nil {
		return reply{}, err
	}
	return a.messageNow(c, x.ID, http.StatusCreated)
}

// messageNow answers a message as it now is, with all that can be shown.
func (a *api) messageNow(c *call, id int64, status int) (reply, error) {
	m, err := a.Store.Message(c.Context(), c.own(), store.MessageFilter{ID: id})
	if err != nil {
		return reply{}, err
	}
	r := one(show{contact: true, customID: true, subject: true}.wire(m))
	r.status = status
	return r, nil
}
