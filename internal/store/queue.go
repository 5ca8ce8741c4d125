// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"time"

	"postern/internal/mail"
)

// Claimed is a message that this process may try to deliver until its lease ends.
type Claimed struct {
	MessageID    int64
	SubmissionID int64
	KeyID        int64
	SenderID     int64
	CampaignID   int64 // 0: none
	Recipient    string
	Domain       string
	ArrivedAt    time.Time
	ExpiresAt    time.Time // when it is given up
	Attempt      int       // of this claim, from 1
	Lost         int       // how often a process ended while it held this message
	Ways         int       // track.Ways: how its mail is made its own; 0: it gets what all get
}

// Lane is which messages a claim takes.
type Lane int

// Lanes. A message that was lost twice may be what ended the process: it goes alone, in the careful lane.
const (
	MainLane Lane = iota
	CarefulLane
)

const claimHead = `UPDATE queue SET owner = $1, due_at = $2, attempts = attempts + 1, lost = lost + CASE WHEN owner <> '' THEN 1 ELSE 0 END
 WHERE message_id IN (SELECT message_id FROM queue WHERE due_at <= $3 AND lost `

// claimedColumns are those of scanClaimed.
const claimedColumns = "message_id, submission_id, key_id, sender_id, campaign_id, recipient, domain, arrived_at, expires_at, " +
	"attempts, lost, ways"

const claimTail = ") RETURNING " + claimedColumns

// Claim takes up to limit due messages for owner until the lease ends, in one statement, so that no two workers take
// one row. The number of the attempt is durable before anything is sent.
func (s *Store) Claim(ctx context.Context, lane Lane, owner string, now, until time.Time, limit int) ([]Claimed, error) {
	cond := "< 2"
	if lane == CarefulLane {
		cond = ">= 2"
	}
	text := claimHead + cond + " ORDER BY due_at LIMIT $4" + s.d.skipLocked + claimTail
	var got []Claimed
	err := s.Update(ctx, func(tx *Tx) error {
		var err error
		got, err = collect(ctx, tx, scanClaimed, text, owner, micros(until), micros(now), limit)
		return err
	})
	slices.SortFunc(got, func(a, b Claimed) int { return int(a.MessageID - b.MessageID) }) // RETURNING has no order
	return got, err
}

func scanClaimed(r scanner) (Claimed, error) {
	var c Claimed
	err := r.scan(&c.MessageID, &c.SubmissionID, &c.KeyID, &c.SenderID, &c.CampaignID, &c.Recipient, &c.Domain, nullTime{&c.ArrivedAt},
		nullTime{&c.ExpiresAt}, &c.Attempt, &c.Lost, &c.Ways)
	return c, err
}

var renewLeases = newInList("UPDATE queue SET due_at = $1 WHERE owner = $2 AND message_id", 2, "")

// Renew moves the end of owner's leases on the messages.
func (s *Store) Renew(ctx context.Context, owner string, until time.Time, messageIDs []int64) error {
	return s.Update(ctx, func(tx *Tx) error {
		return renewLeases.run(ctx, tx, []any{micros(until), owner}, anys(messageIDs))
	})
}

// Recover makes what earlier processes held due at once, counts it as lost to them, and says how many there were. Only
// for a store opened exclusively: elsewhere leases end by themselves.
func (s *Store) Recover(ctx context.Context) (n int64, err error) {
	err = s.Update(ctx, func(tx *Tx) error {
		n, err = tx.exec(ctx, "UPDATE queue SET owner = '', due_at = $1, lost = lost + 1 WHERE owner <> ''", micros(tx.Now))
		return err
	})
	return n, err
}

// NextDue says when the next message becomes due; zero when the queue is empty.
func (s *Store) NextDue(ctx context.Context) (time.Time, error) {
	var t time.Time
	err := s.row(ctx, "SELECT min(due_at) FROM queue").scan(nullTime{&t})
	return t, err
}

// NextAttempt is when a message of the scope is due to be tried (again), or zero while it is being tried. A message
// that is not in the queue is ErrNotFound.
func (s *Store) NextAttempt(ctx context.Context, scope Scope, messageID int64) (time.Time, error) {
	w := newWhere("SELECT q.due_at, q.owner FROM queue q JOIN message m ON m.id = q.message_id")
	scope.where(w, "m.account_id", "m.key_id")
	w.and("q.message_id = ?", messageID)
	var due time.Time
	var owner string
	if err := s.row(ctx, w.String(), w.args...).scan(nullTime{&due}, &owner); err != nil || owner != "" {
		return time.Time{}, err
	}
	return due, nil
}

// QueueStats is the queue at a glance.
type QueueStats struct {
	Waiting int64     // messages in the queue
	Held    int64     // of them claimed now
	Careful int64     // of them set aside to go alone
	Oldest  time.Time `json:",omitzero"` // arrival of the oldest, zero when it is empty
}

// QueueStats counts the queue.
func (s *Store) QueueStats(ctx context.Context) (QueueStats, error) {
	var q QueueStats
	err := s.row(ctx, "SELECT count(*), coalesce(sum(CASE WHEN owner <> '' THEN 1 ELSE 0 END), 0), coalesce(sum(CASE WHEN lost >= 2 "+
		"THEN 1 ELSE 0 END), 0), min(arrived_at) FROM queue").
		scan(&q.Waiting, &q.Held, &q.Careful, nullTime{&q.Oldest})
	return q, err
}

// Outgoing is what the courier needs of a submission.
type Outgoing struct {
	SubmissionID int64
	AccountID    int64
	MailFrom     string
	HeaderFrom   string
	UTF8         bool
	URLTags      string
	TrackHost    string // of its key
	Asked        *Asked // nil: neither about the mail nor about a recipient was anything asked for
	Body         []byte
	Sealed       bool // Body is as its submitter sealed it
}

// Outgoing reads a submission for delivery.
func (s *Store) Outgoing(ctx context.Context, submissionID int64) (Outgoing, error) {
	var o Outgoing
	var b Body
	var ret sql.NullInt16
	var envid sql.NullString
	var requireTLS sql.NullBool
	err := s.row(ctx, `SELECT s.id, s.account_id, s.mail_from, s.header_from, s.utf8, s.url_tags, k.track_host, b.codec, b.data, d.ret, d.envid, d.require_tls
 FROM submission s JOIN api_key k ON k.id = s.key_id JOIN body b ON b.submission_id = s.id LEFT JOIN dsn d ON d.submission_id = s.id WHERE s.id = $1`, submissionID).
		scan(&o.SubmissionID, &o.AccountID, &o.MailFrom, &o.HeaderFrom, &o.UTF8, &o.URLTags, &o.TrackHost, &b.codec, &b.data, &ret,
			&envid, &requireTLS)
	if err != nil {
		return Outgoing{}, err
	}
	if ret.Valid {
		o.Asked = &Asked{Ret: mail.Ret(ret.Int16), EnvID: mail.EnvID(envid.String), RequireTLS: requireTLS.Bool} //nolint:gosec // as it was written
	}
	if o.Body, err = b.Bytes(); errors.Is(err, ErrSealed) {
		o.Body, o.Sealed, err = b.data, true, nil
	}
	return o, err
}

// CompletionResult is what came of an attempt.
type CompletionResult int

// Results of an attempt.
const (
	CompletedSent     CompletionResult = iota + 1 // the other side has it
	CompletedDeferred                             // to be tried again at Due
	CompletedBounced                              // given up
	CompletedReturned                             // no attempt was made: handed back, due at Due
)

// Completion is what came of one claimed message.
type Completion struct {
	Claimed
	Owner     string
	Result    CompletionResult
	Due       time.Time // when it is tried again
	At        time.Time
	Reply     Reply
	StateID   int
	Permanent bool       // of a bounce: the other side refused for good, rather than that we gave up
	Blocked   bool       // of a bounce: it was blocked (spam, policy), rather than undeliverable
	Notice    NoticeKind // of what was sent: what its sender is notified of, if asked for; 0: of nothing, by us
}

// Complete records what came of claimed messages: their state, their events, the counters and the queue, in one
// transaction shared with all that wait at the same time. What was claimed anew by another owner meanwhile changes
// only when it was sent: then nobody must send it again.
func (s *Store) Complete(ctx context.Context, done []Completion) error {
	if len(done) == 0 {
		return nil
	}
	return s.outcomes.add(ctx, done)
}

var (
	dequeueSent = newInList("DELETE FROM queue WHERE message_id", 0, " RETURNING message_id")
	markSent    = newInList("UPDATE message SET status = "+statusByFlags+", state_id = 0, state_permanent = FALSE, attempts = "+
		"attempts + 1, done_at = $1 WHERE id", 1, "")
)

func (s *Store) commitCompletions(ctx context.Context, groups [][]Completion) error {
	all := slices.Concat(groups...)
	firstEvent, err := s.ids.take(ctx, s, "event", len(all))
	if err != nil {
		return err
	}
	return s.Update(ctx, func(tx *Tx) error {
		applied, err := tx.applySent(ctx, all)
		if err != nil {
			return err
		}
		var events []recorded
		id := firstEvent
		for i := range all {
			c := &all[i]
			ok, first := applied[c.MessageID], false
			if c.Result != CompletedSent {
				if ok, first, err = tx.applyOther(ctx, c); err != nil {
					return err
				}
			}
			if !ok || c.Result == CompletedReturned {
				continue
			}
			delete(applied, c.MessageID) // a message is sent once, whoever says it twice
			events = append(events,
				recorded{Event: c.event(id), counted: c.counted(), recipient: c.Recipient, done: c.At, first: first, notice: c.Notice})
			id++
		}
		return tx.record(ctx, events, s.newTally())
	})
}

// counted is what a claimed message's outcome counts under.
func (c *Claimed) counted() counted {
	return counted{key: c.KeyID, campaign: c.CampaignID, sender: c.SenderID, domain: c.Domain, arrived: c.ArrivedAt}
}

// applySent takes what was sent out of the queue and marks it, and says which messages were still there.
func (tx *Tx) applySent(ctx context.Context, all []Completion) (map[int64]bool, error) {
	var ids []any
	var at time.Time
	for i := range all {
		if all[i].Result == CompletedSent {
			ids = append(ids, all[i].MessageID)
			at = all[i].At
		}
	}
	got, err := dequeueSent.ids(ctx, tx, nil, ids)
	if err != nil {
		return nil, err
	}
	ids = ids[:0]
	for id := range got {
		ids = append(ids, id)
	}
	return got, markSent.run(ctx, tx, []any{micros(at)}, ids)
}

// applyOther defers, bounces or hands back one message, if its owner still holds it, and says whether this was the first
// attempt that is recorded.
func (tx *Tx) applyOther(ctx context.Context, c *Completion) (ok, first bool, err error) {
	var n int64
	status, flags := StatusDeferred, FlagDeferred
	switch c.Result {
	case CompletedReturned:
		n, err = tx.exec(ctx, "UPDATE queue SET owner = '', due_at = $1, attempts = attempts - 1 WHERE message_id = $2 AND owner = $3",
			micros(c.Due), c.MessageID, c.Owner)
		return n == 1, false, err
	case CompletedDeferred:
		n, err = tx.exec(ctx, "UPDATE queue SET owner = '', due_at = $1, lost = 0 WHERE message_id = $2 AND owner = $3", micros(c.Due),
			c.MessageID, c.Owner)
	case CompletedBounced:
		n, err = tx.exec(ctx, "DELETE FROM queue WHERE message_id = $1 AND owner = $2", c.MessageID, c.Owner)
		status, flags = StatusSoftBounced, 0
		if c.Permanent {
			status = StatusHardBounced
		}
		if c.Blocked {
			status = StatusBlocked
		}
	}
	if err != nil || n == 0 {
		return false, false, err
	}
	doneAt := micros(c.At)
	if c.Result == CompletedDeferred {
		doneAt = nil
	}
	var attempts int
	err = tx.row(ctx, "UPDATE message SET status = $1, state_id = $2, state_permanent = $3, flags = flags | $4, attempts = attempts "+
		"+ 1, done_at = $5 WHERE id = $6 RETURNING attempts",
		int(status), c.StateID, c.Permanent, int(flags), doneAt, c.MessageID).scan(&attempts)
	return true, attempts == 1, err
}

func (c *Completion) event(id int64) Event {
	e := Event{
		ID: id, MessageID: c.MessageID, KeyID: c.KeyID, At: c.At, Attempt: c.Attempt, Reply: c.Reply, StateID: c.StateID,
		Permanent: c.Permanent,
	}
	switch {
	case c.Result == CompletedSent:
		e.Type = EventSent
	case c.Result == CompletedDeferred:
		e.Type = EventDeferred
	case c.Blocked:
		e.Type = EventBlocked
	default:
		e.Type = EventBounce
	}
	return e
}

// CancelQueued gives up to limit waiting messages of deleted keys whose mail is not to be sent any more up as blocked,
// and says how many there were. What is being tried now is let go, and cancelled should it come back.
func (s *Store) CancelQueued(ctx context.Context, limit int) (n int, err error) {
	// Nearly always there is nothing: that is seen beside the writer, by two small indexes.
	keys, err := collect(ctx, s, func(r scanner) (int64, error) {
		var id int64
		err := r.scan(&id)
		return id, err
	}, "SELECT k.id FROM api_key k WHERE k.cancel_queued AND EXISTS (SELECT 1 FROM queue q WHERE q.key_id = k.id) ORDER BY k.id LIMIT 100")
	if err != nil || len(keys) == 0 {
		return 0, err
	}
	first, err := s.ids.take(ctx, s, "event", limit)
	if err != nil {
		return 0, err
	}
	err = s.Update(ctx, func(tx *Tx) error {
		var gone []Claimed
		for _, key := range keys {
			some, err := collect(ctx, tx, scanClaimed,
				`DELETE FROM queue WHERE owner = '' AND message_id IN (SELECT message_id FROM queue WHERE key_id = $1 AND owner = '' LIMIT $2) RETURNING `+claimedColumns, key, limit-len(gone))
			if err != nil {
				return err
			}
			if gone = append(gone, some...); len(gone) == limit {
				break
			}
		}
		n = len(gone)
		return tx.block(ctx, gone, first, "the subaccount was deleted, and what waited was cancelled")
	})
	return n, err
}

// CountQueued counts the messages of a key that wait.
func (s *Store) CountQueued(ctx context.Context, scope Scope, keyID int64) (n int64, err error) {
	w := newWhere("SELECT count(*) FROM queue q JOIN api_key k ON k.id = q.key_id")
	scope.where(w, "k.account_id", "k.id")
	w.and("q.key_id = ?", keyID)
	err = s.row(ctx, w.String(), w.args...).scan(&n)
	return n, err
}

func anys(ids []int64) []any {
	out := make([]any, len(ids))
	for i, id := range ids {
		out[i] = id
	}
	return out
}
