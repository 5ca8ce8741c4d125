// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"postern/internal/mail"
	"postern/internal/search"
	"postern/internal/store"
	"postern/internal/submit"
)

func (d *door) listMessages(r *http.Request) (any, error) {
	limit, err := listed(r, maxListed)
	if err != nil {
		return nil, err
	}
	f, err := messageFilter(r)
	if err != nil {
		return nil, err
	}
	if which := r.URL.Query().Get("key"); which != "" {
		key, err := d.findKey(r.Context(), which)
		if err != nil {
			return nil, err
		}
		f.KeyID = key.ID
	}
	if f, err = search.Narrow(r.Context(), d.Store, store.OfOperator(), f, r.URL.Query().Get("search")); err != nil {
		return nil, err
	}
	messages, err := d.Store.Messages(r.Context(), store.OfOperator(), f, store.Page{Limit: limit, Desc: true})
	if err != nil {
		return nil, err
	}
	keys, err := d.keysByID(r)
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
func messageFilter(r *http.Request) (f store.MessageFilter, err error) {
	q := r.URL.Query()
	f = store.MessageFilter{CustomID: q.Get("custom-id"), Campaign: q.Get("campaign")}
	if word := q.Get("status"); word != "" {
		for s := store.StatusProcessed; s <= store.StatusDeferred; s++ {
			if s.String() == word {
				f.Status = &s
			}
		}
		if f.Status == nil {
			return f, misused("status", "%q is no state of a message", word)
		}
	}
	if word := q.Get("state"); word != "" {
		for _, s := range mail.States() {
			if strings.EqualFold(s.String(), word) || strconv.Itoa(int(s)) == word {
				f.StateID = int(s)
			}
		}
		if f.StateID == 0 {
			return f, misused("state", "%q is no reason in the catalogue of states", word)
		}
	}
	if f.From, err = moment(r, "from", false); err == nil {
		f.To, err = moment(r, "to", true)
	}
	return f, err
}

func (d *door) retryMessage(r *http.Request) (any, error) {
	m, err := d.message(r)
	if err == nil {
		err = d.Submit.Retry(r.Context(), store.OfOperator(), m.ID)
	}
	return d.messageNow(r, m.ID, err)
}

func (d *door) cancelMessage(r *http.Request) (any, error) {
	m, err := d.message(r)
	if err == nil {
		err = d.Submit.Cancel(r.Context(), store.OfOperator(), m.ID, "the operator")
	}
	return d.messageNow(r, m.ID, err)
}

func (d *door) resendMessage(r *http.Request) (any, error) {
	m, err := d.message(r)
	if err != nil {
		return nil, err
	}
	x, err := d.Submit.Resend(r.Context(), store.OfOperator(), m.ID, submit.Again{Source: "cli", Client: "operator"})
	return d.messageNow(r, x.ID, err)
}

// messageNow answers a message as a change has left it.
func (d *door) messageNow(r *http.Request, id int64, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	m, err := d.Store.Message(r.Context(), store.OfOperator(), store.MessageFilter{ID: id})
	if err != nil {
		return nil, err
	}
	key, err := d.Store.Key(r.Context(), store.OfOperator(), store.KeyFilter{ID: m.KeyID})
	return messageOf(m, key), err
}

func messageOf(m store.Message, k store.Key) Message {
	return Message{
		ID: m.ID, UUID: m.UUID.String(), ArrivedAt: m.ArrivedAt, DoneAt: m.DoneAt, Status: m.Status.String(), State: mail.State(m.StateID).String(),
		From: m.HeaderFrom, To: m.Recipient, Subject: m.Subject, MessageID: m.MessageID, CustomID: m.CustomID, Campaign: m.Campaign, ResentOf: m.ResentOf,
		Source: m.Source, Client: m.Client, APIKey: k.APIKey, KeyName: k.Name, Attempts: m.Attempts, Size: m.Size, Submission: m.SubmissionID,
	}
}

// message finds the message that a request's path names, by number or UUID.
func (d *door) message(r *http.Request) (store.Message, error) {
	which := r.PathValue("id")
	var f store.MessageFilter
	if id, err := strconv.ParseInt(which, 10, 64); err == nil && id > 0 {
		f.ID = id
	} else if u, err := uuid.Parse(which); err == nil {
		f.UUID = u
	} else {
		return store.Message{}, misused("Message", "%q is neither the number nor the UUID of a message", which)
	}
	m, err := d.Store.Message(r.Context(), store.OfOperator(), f)
	if errors.Is(err, store.ErrNotFound) {
		err = notFound("Message", "there is no message %s", which)
	}
	return m, err
}

func (d *door) showMessage(r *http.Request) (any, error) {
	m, err := d.message(r)
	if err != nil {
		return nil, err
	}
	key, err := d.Store.Key(r.Context(), store.OfOperator(), store.KeyFilter{ID: m.KeyID})
	if err != nil {
		return nil, err
	}
	out := messageOf(m, key)
	if out.NextAttempt, err = d.Store.NextAttempt(r.Context(), store.OfOperator(), m.ID); err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	events, err := d.Store.Events(r.Context(), store.OfOperator(), m.ID)
	if err != nil {
		return nil, err
	}
	for _, e := range events {
		out.History = append(out.History, Event{
			At: e.At, Type: e.Type.String(), Attempt: e.Attempt, Code: e.Code, Enhanced: e.Enhanced, Reply: e.Line, Host: e.Host, TLS: e.TLS, State: mail.State(e.StateID).String(),
			IP: e.IP, Agent: e.Agent, URL: e.URL, Machine: e.Machine,
		})
	}
	return out, d.notices(r.Context(), &out)
}

// notices adds the delivery status notifications about a message.
func (d *door) notices(ctx context.Context, m *Message) error {
	asked, err := d.Store.AskedOf(ctx, store.OfOperator(), m.ID)
	if err != nil {
		return err
	}
	m.Notify = asked.Notify.String()
	sent, err := d.Store.SentNotices(ctx, store.OfOperator(), m.ID)
	for _, n := range sent {
		m.Notices = append(m.Notices, Notice{Kind: n.Kind.String(), State: string(n.State), At: n.At})
	}
	return err
}

func (d *door) showSource(r *http.Request) (any, error) {
	m, err := d.message(r)
	if err != nil {
		return nil, err
	}
	raw, err := d.Store.Source(r.Context(), store.OfOperator(), m.ID)
	return Source{raw}, err
}

func (d *door) queueStats(r *http.Request) (any, error) {
	waiting, err := d.Store.QueueStats(r.Context())
	if err != nil {
		return nil, err
	}
	out := Queue{Waiting: waiting}
	if d.QueueStats != nil {
		s := d.QueueStats()
		out.Running = &s
	}
	return out, nil
}
