// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"database/sql"
	"slices"
	"strconv"
	"strings"
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
	EventOpen     EventType = 5
	EventClick    EventType = 6
	EventSpam     EventType = 7
	EventUnsub    EventType = 8
)

// Types of events of an account's credentials. They are in no message's history.
const (
	EventCredentialDue EventType = 16 + iota
	EventCredentialOverdue
	EventCredentialLeaked
	EventWebhookTest // somebody tries the account's webhook
	maxEventType     = iota + 15
)

// accountEvents are the names of the types from EventCredentialDue on.
var accountEvents = [...]string{"credential.due", "credential.overdue", "credential.leaked", "webhook.test"}

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
	case EventOpen:
		return "open"
	case EventClick:
		return "click"
	case EventSpam:
		return "spam"
	case EventUnsub:
		return "unsub"
	}
	if i := int(t - EventCredentialDue); i >= 0 && i < len(accountEvents) {
		return accountEvents[i]
	}
	return "unknown"
}

// AccountEventOf finds a type of an account's events by its name.
func AccountEventOf(name string) (EventType, bool) {
	i := slices.Index(accountEvents[:], name)
	return EventCredentialDue + EventType(i), i >= 0
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
	Doing     // of open, click, spam and unsub
}

// GaveUp says whether a message bounced because it had been tried for long enough, and not because it was refused.
func (e *Event) GaveUp() bool { return e.Type == EventBounce && !e.Permanent && e.Code/100 != 5 }

// Doing is what a recipient did, in the words of what reported it.
type Doing struct {
	IP      string
	Agent   string // its User-Agent
	URL     string // of a click: the link's target
	Source  string // of spam and unsub: who reported it
	Machine bool   // a prefetching proxy or a scanner, not a person: it counts apart
}

// Reply is what the other side said.
type Reply struct {
	Code     int    // SMTP reply code, 0 when none came
	Enhanced string // RFC 3463 code, "" when none came
	Line     string // its words, codes and all, or ours about it
	Host     string // who said it
	TLS      string // protocol and cipher, "" in clear
}

// Codes are the reply's code and enhanced code.
func (r Reply) Codes() string {
	if r.Code == 0 {
		return r.Enhanced // a failure of our own making
	}
	return strings.TrimSpace(strconv.Itoa(r.Code) + " " + r.Enhanced)
}

// Words are the reply without its codes, which stand at the head of the other side's words, and not of ours.
func (r Reply) Words() string {
	words := r.Line
	for code := range strings.FieldsSeq(r.Codes()) {
		if rest, ok := strings.CutPrefix(words, code); ok && (rest == "" || rest[0] == ' ') {
			words = strings.TrimSpace(rest)
		}
	}
	return words
}

// String is the reply in one line, with each of its codes once.
func (r Reply) String() string { return strings.TrimSpace(r.Codes() + " " + r.Words()) }

var insertEvents = newInsert("event", "id", "message_id", "key_id", "type", "at", "attempt", "code", "enhanced", "line", "host", "tls",
	"state_id", "permanent")

func (e *Event) args() []any {
	return []any{
		e.ID, e.MessageID, e.KeyID, int(e.Type), micros(e.At), e.Attempt, e.Code, e.Enhanced, e.Line, e.Host, e.TLS, e.StateID, e.Permanent,
	}
}

// Events lists the history of a message of the scope, oldest first. A message that is not in the scope has none.
func (s *Store) Events(ctx context.Context, scope Scope, messageID int64) ([]Event, error) {
	w := newWhere("SELECT e.id, e.message_id, e.key_id, e.type, e.at, e.attempt, e.code, e.enhanced, e.line, e.host, e.tls, " +
		"e.state_id, e.permanent, g.ip, g.agent, g.url, g.source, g.machine FROM event e JOIN message m ON m.id = e.message_id LEFT " +
		"JOIN engagement g ON g.event_id = e.id")
	scope.where(w, "m.account_id", "m.key_id")
	w.and("e.message_id = ?", messageID)
	w.add(" ORDER BY e.id")
	return collect(ctx, s, scanEvent, w.String(), w.args...)
}

func scanEvent(r scanner) (Event, error) {
	var e Event
	var ip, agent, url, source sql.NullString
	var machine sql.NullBool
	err := r.scan(&e.ID, &e.MessageID, &e.KeyID, &e.Type, nullTime{&e.At}, &e.Attempt, &e.Code, &e.Enhanced, &e.Line, &e.Host, &e.TLS,
		&e.StateID, &e.Permanent, &ip, &agent, &url, &source, &machine)
	e.Doing = Doing{IP: ip.String, Agent: agent.String, URL: url.String, Source: source.String, Machine: machine.Bool}
	return e, err
}
