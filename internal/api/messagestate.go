// SPDX-License-Identifier: Apache-2.0

package api

import (
	"strconv"

	"postern/internal/mail"
)

// messageState is a line of the catalogue of what can become of a message.
type messageState struct {
	ID        int
	RelatedTo string
	State     string
}

func wireState(s mail.State) messageState {
	return messageState{ID: int(s), RelatedTo: s.RelatedTo(), State: s.String()}
}

func (a *api) listStates(c *call) (reply, error) {
	q, err := c.query()
	if err != nil {
		return reply{}, err
	}
	l, err := q.listing("ID")
	if err != nil {
		return reply{}, err
	}
	var all []messageState
	for _, s := range mail.States() {
		all = append(all, wireState(s))
	}
	return pageOf(l, all), nil
}

func (a *api) getState(c *call) (reply, error) {
	id, err := strconv.Atoi(c.PathValue("id"))
	s := mail.State(id)
	if err != nil || s.RelatedTo() == "" { // it is not in the catalogue
		return reply{}, notFound()
	}
	return one(wireState(s)), nil
}
