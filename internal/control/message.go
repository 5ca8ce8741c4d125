// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"postern/internal/mail"
	"postern/internal/search"
	"postern/internal/store"
	"postern/internal/submit"
)

func (o *operator) listMessages(ctx context.Context, in MessageQuery) ([]Message, error) {
	limit, err := listed(in.Limit, maxListed)
	if err != nil {
		return nil, err
	}
	f, err := messageFilter(in)
	if err != nil {
		return nil, err
	}
	if in.Key != "" {
		key, err := o.findKey(ctx, in.Key)
		if err != nil {
			return nil, err
		}
		f.KeyID = key.ID
	}
	if f, err = search.Narrow(ctx, o.Store, store.OfOperator(), f, in.Search); err != nil {
		return nil, err
	}
	messages, err := o.Store.Messages(ctx, store.OfOperator(), f, store.Page{Limit: limit, Desc: true})
	if err != nil {
		return nil, err
	}
	keys, err := o.keysByID(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]Message, 0, len(messages))
	for _, m := range messages {
		out = append(out, messageOf(m, keys[m.KeyID]))
	}
	return out, nil
}

// messageFilter reads the conditions of a listing but the words and the key.
func messageFilter(in MessageQuery) (f store.MessageFilter, err error) {
	f = store.MessageFilter{CustomID: in.CustomID, Campaign: in.Campaign, From: in.From, To: in.To}
	if word := in.Status; word != "" {
		for s := store.StatusProcessed; s <= store.StatusDeferred; s++ {
			if s.String() == word {
				f.Status = &s
			}
		}
		if f.Status == nil {
			return f, misused("status", "%q is no state of a message", word)
		}
	}
	if word := in.State; word != "" {
		for _, s := range mail.States() {
			if strings.EqualFold(s.String(), word) || strconv.Itoa(int(s)) == word {
				f.StateID = int(s)
			}
		}
		if f.StateID == 0 {
			return f, misused("state", "%q is no reason in the catalogue of states", word)
		}
	}
	return f, nil
}

func (o *operator) retryMessage(ctx context.Context, which string) (Message, error) {
	m, err := o.message(ctx, which)
	if err == nil {
		err = o.Submit.Retry(ctx, store.OfOperator(), m.ID)
	}
	return o.messageNow(ctx, m.ID, err)
}

func (o *operator) cancelMessage(ctx context.Context, which string) (Message, error) {
	m, err := o.message(ctx, which)
	if err == nil {
		err = o.Submit.Cancel(ctx, store.OfOperator(), m.ID, "the operator")
	}
	return o.messageNow(ctx, m.ID, err)
}

func (o *operator) resendMessage(ctx context.Context, which string) (Message, error) {
	m, err := o.message(ctx, which)
	if err != nil {
		return Message{}, err
	}
	x, err := o.Submit.Resend(ctx, store.OfOperator(), m.ID, submit.Again{Source: "cli", Client: "operator"})
	return o.messageNow(ctx, x.ID, err)
}

// messageNow answers a message as a change has left it.
func (o *operator) messageNow(ctx context.Context, id int64, err error) (Message, error) {
	if err != nil {
		return Message{}, err
	}
	m, err := o.Store.Message(ctx, store.OfOperator(), store.MessageFilter{ID: id})
	if err != nil {
		return Message{}, err
	}
	key, err := o.Store.Key(ctx, store.OfOperator(), store.KeyFilter{ID: m.KeyID})
	return messageOf(m, key), err
}

func messageOf(m store.Message, k store.Key) Message {
	return Message{
		ID: m.ID, UUID: m.UUID.String(), ArrivedAt: m.ArrivedAt, DoneAt: m.DoneAt, Status: m.Status.String(), State: mail.State(m.StateID).String(),
		From: m.HeaderFrom, To: m.Recipient, Subject: m.Subject, MessageID: m.MessageID, CustomID: m.CustomID, Campaign: m.Campaign, ResentOf: m.ResentOf,
		Source: m.Source, Client: m.Client, APIKey: k.APIKey, KeyName: k.Name, Attempts: m.Attempts, Size: m.Size, Submission: m.SubmissionID,
	}
}

// message finds a message by number or UUID.
func (o *operator) message(ctx context.Context, which string) (store.Message, error) {
	var f store.MessageFilter
	if id, err := strconv.ParseInt(which, 10, 64); err == nil && id > 0 {
		f.ID = id
	} else if u, err := uuid.Parse(which); err == nil {
		f.UUID = u
	} else {
		return store.Message{}, misused("Message", "%q is neither the number nor the UUID of a message", which)
	}
	m, err := o.Store.Message(ctx, store.OfOperator(), f)
	if errors.Is(err, store.ErrNotFound) {
		err = notFound("Message", "there is no message %s", which)
	}
	return m, err
}

func (o *operator) showMessage(ctx context.Context, which string) (Message, error) {
	m, err := o.message(ctx, which)
	if err != nil {
		return Message{}, err
	}
	key, err := o.Store.Key(ctx, store.OfOperator(), store.KeyFilter{ID: m.KeyID})
	if err != nil {
		return Message{}, err
	}
	out := messageOf(m, key)
	if out.NextAttempt, err = o.Store.NextAttempt(ctx, store.OfOperator(), m.ID); err != nil && !errors.Is(err, store.ErrNotFound) {
		return Message{}, err
	}
	events, err := o.Store.Events(ctx, store.OfOperator(), m.ID)
	if err != nil {
		return Message{}, err
	}
	for _, e := range events {
		out.History = append(out.History, Event{
			At: e.At, Type: e.Type.String(), Attempt: e.Attempt, Code: e.Code, Enhanced: e.Enhanced, Reply: e.Line, Host: e.Host, TLS: e.TLS, State: mail.State(e.StateID).String(),
			IP: e.IP, Agent: e.Agent, URL: e.URL, Machine: e.Machine,
		})
	}
	return out, o.notices(ctx, &out)
}

// notices adds the delivery status notifications about a message.
func (o *operator) notices(ctx context.Context, m *Message) error {
	asked, err := o.Store.AskedOf(ctx, store.OfOperator(), m.ID)
	if err != nil {
		return err
	}
	m.Notify = asked.Notify.String()
	sent, err := o.Store.SentNotices(ctx, store.OfOperator(), m.ID)
	for _, n := range sent {
		m.Notices = append(m.Notices, Notice{Kind: n.Kind.String(), State: string(n.State), At: n.At})
	}
	return err
}

func (o *operator) showSource(ctx context.Context, which string) ([]byte, error) {
	m, err := o.message(ctx, which)
	if err != nil {
		return nil, err
	}
	return o.Store.Source(ctx, store.OfOperator(), m.ID)
}

func (o *operator) queueStats(ctx context.Context) (Queue, error) {
	waiting, err := o.Store.QueueStats(ctx)
	if err != nil {
		return Queue{}, err
	}
	out := Queue{Waiting: waiting}
	if o.QueueStats != nil {
		s := o.QueueStats()
		out.Running = &s
	}
	return out, nil
}
