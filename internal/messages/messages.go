// SPDX-License-Identifier: Apache-2.0

// Package messages is what people and programs ask about messages and do with them: find them, show one with its history
// and source, try one now, take one back, send one again, and send a test mail.
//
// Questions and changes take a [store.Scope], which bounds what is found. Mail goes through package submit, which says who
// may send; what is wrong with a call is a *change.Error, and why a mail was not accepted a *submit.Error.
package messages

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/google/uuid"

	"postern/internal/change"
	"postern/internal/mail"
	"postern/internal/store"
	"postern/internal/submit"
)

// Config is what Messages need.
type Config struct {
	Store  *store.Store
	Submit *submit.Submit
	Due    func()           // wakes the queue, since a message is due now; nil: nothing. It must not block
	Now    func() time.Time // for the date of test mails; nil: time.Now
}

// Messages answer and change. Make them with New.
type Messages struct{ c Config }

// New makes Messages.
func New(c Config) *Messages {
	if c.Due == nil {
		c.Due = func() {}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Messages{c}
}

// Message is a message: the first part of it in listings, and all of it by itself, as of [Messages.Show].
type Message struct {
	ID         int64
	UUID       string
	ArrivedAt  time.Time `json:",omitzero"`
	DoneAt     time.Time `json:",omitzero"`
	Status     string    // a word of store.Status
	State      string    `json:",omitempty"` // why it did not arrive, of the catalogue of states
	From       string
	To         string
	Subject    string
	MessageID  string // of its header
	CustomID   string `json:",omitempty"`
	Campaign   string `json:",omitempty"`
	ResentOf   int64  `json:",omitempty"` // the message that this one sends again
	Source     string // the entry point: http, smtp, console, cli
	Client     string
	APIKey     string // "": its key is not in the caller's scope
	KeyName    string
	Attempts   int
	Size       int64 // bytes
	Submission int64

	// NextAttempt is when the message is tried again; zero when it does not wait for that.
	NextAttempt time.Time `json:",omitzero"`
	History     []Event   `json:",omitempty"`
	Notify      string    `json:",omitempty"` // which delivery status notifications were asked for
	Notices     []Notice  `json:",omitempty"` // delivery status notifications about it

	Record store.Message `json:"-"` // the message as it is stored
	Queued bool          `json:"-"` // it waits for an attempt, or is being tried if there is no NextAttempt
	Resent []int64       `json:"-"` // the messages that send this one again
}

// Event is a line of a message's history.
type Event struct {
	At       time.Time `json:",omitzero"`
	Type     string
	Attempt  int
	Code     int    `json:",omitempty"`
	Enhanced string `json:",omitempty"`
	Reply    string
	Host     string `json:",omitempty"`
	TLS      string `json:",omitempty"`
	State    string `json:",omitempty"` // of the catalogue of states
	IP       string `json:",omitempty"`
	Agent    string `json:",omitempty"`
	URL      string `json:",omitempty"`
	Machine  bool   `json:",omitempty"` // no person did it

	Record store.Event `json:"-"` // the event as it is stored
}

// Notice is a delivery status notification about a message.
type Notice struct {
	Kind  string    // failed, delayed, relayed or delivered
	State string    // sent, waiting or dropped
	At    time.Time `json:",omitzero"`
}

// Named reads what a caller names a message by, its ID or its UUID. false: it is neither.
func Named(which string) (store.MessageFilter, bool) {
	if id, err := strconv.ParseInt(which, 10, 64); err == nil {
		return store.MessageFilter{ID: id}, id > 0
	}
	id, err := uuid.Parse(which)
	return store.MessageFilter{UUID: id}, err == nil && id != uuid.Nil && len(which) == 36
}

// Show is one message with its history and what comes next, by the filter's ID or UUID.
func (m *Messages) Show(ctx context.Context, scope store.Scope, f store.MessageFilter) (Message, error) {
	out, err := m.Message(ctx, scope, f)
	if err != nil {
		return out, err
	}
	switch out.NextAttempt, err = m.c.Store.NextAttempt(ctx, scope, out.ID); {
	case err == nil:
		out.Queued = true
	case !errors.Is(err, store.ErrNotFound):
		return out, err
	}
	if out.History, err = m.History(ctx, scope, out.ID); err != nil {
		return out, err
	}
	if out.Resent, err = m.c.Store.Resent(ctx, scope, out.ID); err != nil {
		return out, err
	}
	asked, err := m.c.Store.AskedOf(ctx, scope, out.ID)
	if err != nil {
		return out, err
	}
	out.Notify = asked.Notify.String()
	sent, err := m.c.Store.SentNotices(ctx, scope, out.ID)
	for _, n := range sent {
		out.Notices = append(out.Notices, Notice{Kind: n.Kind.String(), State: string(n.State), At: n.At})
	}
	return out, err
}

// Message is one message, by the filter's ID or UUID, without its history.
func (m *Messages) Message(ctx context.Context, scope store.Scope, f store.MessageFilter) (Message, error) {
	x, err := m.c.Store.Message(ctx, scope, f)
	if errors.Is(err, store.ErrNotFound) {
		return Message{}, change.Missing("message")
	}
	if err != nil {
		return Message{}, err
	}
	list, err := m.withKeys(ctx, scope, []store.Message{x})
	if err != nil {
		return Message{}, err
	}
	return list[0], nil
}

// withKeys adds what the messages' keys are called.
func (m *Messages) withKeys(ctx context.Context, scope store.Scope, list []store.Message) ([]Message, error) {
	ids := make([]int64, len(list))
	for i := range list {
		ids[i] = list[i].KeyID
	}
	keys, err := m.c.Store.KeysByID(ctx, scope, ids)
	out := make([]Message, 0, len(list))
	for _, x := range list {
		k := keys[x.KeyID]
		out = append(out, Message{
			ID: x.ID, UUID: x.UUID.String(), ArrivedAt: x.ArrivedAt, DoneAt: x.DoneAt, Status: x.Status.String(),
			State: mail.State(x.StateID).String(), From: x.HeaderFrom, To: x.Recipient, Subject: x.Subject, MessageID: x.MessageID,
			CustomID: x.CustomID, Campaign: x.Campaign, ResentOf: x.ResentOf, Source: x.Source, Client: x.Client,
			APIKey: k.APIKey, KeyName: k.Name, Attempts: x.Attempts, Size: x.Size, Submission: x.SubmissionID, Record: x,
		})
	}
	return out, err
}

// History lists what happened to a message, oldest first. A message that is not in the scope has none.
func (m *Messages) History(ctx context.Context, scope store.Scope, id int64) ([]Event, error) {
	events, err := m.c.Store.Events(ctx, scope, id)
	var out []Event
	for _, e := range events {
		out = append(out, Event{
			At: e.At, Type: e.Type.String(), Attempt: e.Attempt, Code: e.Code, Enhanced: e.Enhanced, Reply: e.Line, Host: e.Host,
			TLS: e.TLS, State: mail.State(e.StateID).String(), IP: e.IP, Agent: e.Agent, URL: e.URL, Machine: e.Machine, Record: e,
		})
	}
	return out, err
}

// Source is a message's source, RFC 5322, as it was accepted. One that is not kept any more is a *change.Error NotFound.
func (m *Messages) Source(ctx context.Context, scope store.Scope, id int64) ([]byte, error) {
	raw, err := m.c.Store.Source(ctx, scope, id)
	if errors.Is(err, store.ErrSealed) {
		return nil, change.Errorf(change.NotFound, "", "the source of the message is sealed: it has a link for its recipient alone, "+
			"and is removed when it was handed over")
	}
	if errors.Is(err, store.ErrNotFound) {
		return nil, change.Errorf(change.NotFound, "", "the source of the message is not kept any more")
	}
	return raw, err
}
