// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"

	"postern/internal/change"
	"postern/internal/messages"
	"postern/internal/store"
)

// listMessages lists the newest messages that f lets through: with what was typed, of a key; "" bounds neither.
func (o *operator) listMessages(ctx context.Context, typed, key string, f store.MessageFilter, limit int) ([]messages.Message, error) {
	limit, err := listed(&limit, maxListed)
	if err != nil {
		return nil, err
	}
	if key != "" {
		k, err := o.findKey(ctx, key)
		if err != nil {
			return nil, err
		}
		f.KeyID = k.ID
	}
	if f, err = o.Messages.Narrow(ctx, store.OfOperator(), f, typed); err != nil {
		return nil, err
	}
	return o.Messages.List(ctx, store.OfOperator(), f, store.Page{Limit: limit, Desc: true})
}

// ofMessage asks about the message that the operator names, by number or UUID, or changes it.
func ofMessage(which string, do func(store.MessageFilter) (messages.Message, error)) (messages.Message, error) {
	f, ok := messages.Named(which)
	if !ok {
		return messages.Message{}, misused("Message", "%q is neither the number nor the UUID of a message", which)
	}
	m, err := do(f)
	if failureOf(err).Kind == change.NotFound {
		err = notFound("Message", "there is no message %s", which)
	}
	return m, err
}

func (o *operator) retryMessage(ctx context.Context, which string) (messages.Message, error) {
	return ofMessage(which, func(f store.MessageFilter) (messages.Message, error) {
		return o.Messages.Retry(ctx, store.OfOperator(), f)
	})
}

func (o *operator) cancelMessage(ctx context.Context, which string) (messages.Message, error) {
	return ofMessage(which, func(f store.MessageFilter) (messages.Message, error) {
		return o.Messages.Cancel(ctx, actor(), store.OfOperator(), f)
	})
}

func (o *operator) resendMessage(ctx context.Context, which string) (messages.Message, error) {
	return ofMessage(which, func(f store.MessageFilter) (messages.Message, error) {
		return o.Messages.Resend(ctx, store.OfOperator(), f, messages.Via{Source: "cli", Client: "operator"})
	})
}

func (o *operator) showMessage(ctx context.Context, which string) (messages.Message, error) {
	return ofMessage(which, func(f store.MessageFilter) (messages.Message, error) {
		return o.Messages.Show(ctx, store.OfOperator(), f)
	})
}

func (o *operator) showSource(ctx context.Context, which string) ([]byte, error) {
	m, err := ofMessage(which, func(f store.MessageFilter) (messages.Message, error) {
		return o.Messages.Message(ctx, store.OfOperator(), f)
	})
	if err != nil {
		return nil, err
	}
	return o.Messages.Source(ctx, store.OfOperator(), m.ID)
}

// send sends a test mail with a key.
func (o *operator) send(ctx context.Context, key string, in messages.Test) (messages.Sent, error) {
	k, err := o.findKey(ctx, key)
	if err != nil {
		return messages.Sent{}, err
	}
	return o.Messages.SendTest(ctx, k, in, messages.Via{Source: "cli", Client: "postern send"})
}

func (o *operator) showQueue(ctx context.Context) (messages.Queue, error) {
	q, err := o.Messages.Queue(ctx)
	if err == nil && o.QueueStats != nil {
		q.Running = new(o.QueueStats())
	}
	return q, err
}
