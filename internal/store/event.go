// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"time"
)

// EventType is what happened to a message.
type EventType int

// Types of events. Deferred is ours: an attempt that will be made again.
const (
	EventSent     EventType = 1
	EventBounce   EventType = 2
	EventBlocked  EventType = 3
	EventDeferred EventType = 4
)

// String is the word of the API and the webhooks for the type.
func (t EventType) String() string {
	switch t {
	case EventSent:
		return "sent"
	case EventBounce:
		return "bounce"
	case EventBlocked:
		return "blocked"
	case EventDeferred:
		return "deferred"
	}
	return "unknown"
}

// Event is one line of a message's history.
type Event struct {
	ID        int64
	MessageID int64
	KeyID     int64
	Type      EventType
	At        time.Time
	Attempt   int
	Reply
	StateID   int
	Permanent bool
}

// Reply is what the other side said.
type Reply struct {
	Code     int    // SMTP reply code, 0 when none came
	Enhanced string // RFC 3463 code, "" when none came
	Line     string // its words, or ours about it
	Host     string // who said it
	TLS      string // protocol and cipher, "" in clear
}

var insertEvents = newInsert("event", "id", "message_id", "key_id", "type", "at", "attempt", "code", "enhanced", "line", "host", "tls", "state_id", "permanent")

func (e *Event) args() []any {
	return []any{e.ID, e.MessageID, e.KeyID, int(e.Type), micros(e.At), e.Attempt, e.Code, e.Enhanced, e.Line, e.Host, e.TLS, e.StateID, e.Permanent}
}

// Events lists the history of a message of the scope, oldest first. A message that is not in the scope has none.
func (s *Store) Events(ctx context.Context, scope Scope, messageID int64) ([]Event, error) {
	w := newWhere("SELECT e.id, e.message_id, e.key_id, e.type, e.at, e.attempt, e.code, e.enhanced, e.line, e.host, e.tls, e.state_id, e.permanent FROM event e JOIN message m ON m.id = e.message_id")
	scope.where(w, "m.account_id", "m.key_id")
	w.and("e.message_id = ?", messageID)
	w.add(" ORDER BY e.id")
	return collect(ctx, s, func(r scanner) (Event, error) {
		var e Event
		err := r.scan(&e.ID, &e.MessageID, &e.KeyID, &e.Type, nullTime{&e.At}, &e.Attempt, &e.Code, &e.Enhanced, &e.Line, &e.Host, &e.TLS, &e.StateID, &e.Permanent)
		return e, err
	}, w.String(), w.args...)
}
