// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"time"
)

// Plan says what an account may have. 0 is no limit.
type Plan struct {
	ID            int64
	Name          string
	Subaccounts   int64
	MonthMessages int64
	HourMessages  int64
	Users         int64
	RetentionDays int // days that finished messages are kept; 0: for good
	CreatedAt     time.Time
	Accounts      int64 // how many have it
}

const planSelect = "SELECT p.id, p.name, p.subaccounts, p.month_messages, p.hour_messages, p.users, p.retention_days, p.created_at, " +
	"(SELECT count(*) FROM account a WHERE a.plan_id = p.id) FROM plan p"

func scanPlan(r scanner) (Plan, error) {
	var p Plan
	err := r.scan(&p.ID, &p.Name, &p.Subaccounts, &p.MonthMessages, &p.HourMessages, &p.Users, &p.RetentionDays, nullTime{&p.CreatedAt},
		&p.Accounts)
	return p, err
}

// AddPlan keeps a plan and returns its ID. A name that is taken is ErrExists.
func (tx *Tx) AddPlan(ctx context.Context, p Plan) (id int64, err error) {
	err = tx.row(ctx, "INSERT INTO plan (name, subaccounts, month_messages, hour_messages, users, retention_days, created_at) "+
		"VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id",
		p.Name, p.Subaccounts, p.MonthMessages, p.HourMessages, p.Users, p.RetentionDays, micros(tx.Now)).scan(&id)
	return id, err
}

// ChangePlan sets all of the plan with p's ID.
func (tx *Tx) ChangePlan(ctx context.Context, p Plan) error {
	return tx.one(ctx, "UPDATE plan SET name = $1, subaccounts = $2, month_messages = $3, hour_messages = $4, users = $5, "+
		"retention_days = $6 WHERE id = $7",
		p.Name, p.Subaccounts, p.MonthMessages, p.HourMessages, p.Users, p.RetentionDays, p.ID)
}

// RemovePlan removes a plan that no account has.
func (tx *Tx) RemovePlan(ctx context.Context, id int64) error {
	return tx.one(ctx, "DELETE FROM plan WHERE id = $1 AND NOT EXISTS (SELECT 1 FROM account WHERE plan_id = $1)", id)
}

// Plans lists the plans by name.
func (s *Store) Plans(ctx context.Context) ([]Plan, error) {
	return collect(ctx, s, scanPlan, planSelect+" ORDER BY p.name")
}

// Plan reads a plan.
func (s *Store) Plan(ctx context.Context, id int64) (Plan, error) {
	return scanPlan(s.row(ctx, planSelect+" WHERE p.id = $1", id))
}

// Plan reads a plan, inside the transaction.
func (tx *Tx) Plan(ctx context.Context, id int64) (Plan, error) {
	return scanPlan(tx.row(ctx, planSelect+" WHERE p.id = $1", id))
}

// CountSubaccounts counts the subaccounts of an account that are not deleted.
func (tx *Tx) CountSubaccounts(ctx context.Context, accountID int64) (n int64, err error) {
	err = tx.row(ctx, "SELECT count(*) FROM api_key WHERE account_id = $1 AND NOT is_master AND deleted_at IS NULL", accountID).scan(&n)
	return n, err
}

// States of a request.
const (
	RequestOpen     = "open"
	RequestGranted  = "granted"
	RequestDeclined = "declined"
)

// Request asks the operator for more than a plan gives.
type Request struct {
	ID          int64
	AccountID   int64
	AccountName string
	AskedBy     string // "user a@example.com", "key 0123…"
	Email       string // where the answer is mailed to; "" the account's owners
	Kind        string // "subaccounts", "month", "hour", "users"
	Wanted      int64  // the new limit
	Reason      string
	State       string
	Answer      string // why it was declined, or a word with the grant
	CreatedAt   time.Time
	AnsweredAt  time.Time
}

const requestSelect = "SELECT r.id, r.account_id, a.name, r.asked_by, r.email, r.kind, r.wanted, r.reason, r.state, r.answer, " +
	"r.created_at, r.answered_at FROM request r JOIN account a ON a.id = r.account_id"

func scanRequest(r scanner) (Request, error) {
	var q Request
	err := r.scan(&q.ID, &q.AccountID, &q.AccountName, &q.AskedBy, &q.Email, &q.Kind, &q.Wanted, &q.Reason, &q.State, &q.Answer,
		nullTime{&q.CreatedAt}, nullTime{&q.AnsweredAt})
	return q, err
}

// AddRequest keeps an open request and returns its ID.
func (tx *Tx) AddRequest(ctx context.Context, q Request) (id int64, err error) {
	err = tx.row(ctx, "INSERT INTO request (account_id, asked_by, email, kind, wanted, reason, state, created_at) VALUES ($1, $2, "+
		"$3, $4, $5, $6, 'open', $7) RETURNING id",
		q.AccountID, q.AskedBy, q.Email, q.Kind, q.Wanted, q.Reason, micros(tx.Now)).scan(&id)
	return id, err
}

// CountOpenRequests counts an account's open requests of a kind.
func (tx *Tx) CountOpenRequests(ctx context.Context, accountID int64, kind string) (n int64, err error) {
	err = tx.row(ctx, "SELECT count(*) FROM request WHERE account_id = $1 AND kind = $2 AND state = 'open'", accountID, kind).scan(&n)
	return n, err
}

// AnswerRequest closes an open request; one that is not open is ErrNotFound.
func (tx *Tx) AnswerRequest(ctx context.Context, id int64, state, answer string) error {
	return tx.one(ctx, "UPDATE request SET state = $1, answer = $2, answered_at = $3 WHERE id = $4 AND state = 'open'", state, answer,
		micros(tx.Now), id)
}

// RequestFilter bounds a listing of requests. Zero fields do not filter.
type RequestFilter struct {
	ID    int64
	State string
	Kind  string
}

// Requests lists requests of the scope, newest first, and how many there are in all. Of a scope that is not a whole
// account there are none.
func (s *Store) Requests(ctx context.Context, scope Scope, f RequestFilter, p Page) ([]Request, int, error) {
	filter := func(w *where) {
		if !scope.Whole() {
			w.and("1 = 0")
		}
		scope.where(w, "r.account_id", "r.account_id")
		if f.ID != 0 {
			w.and("r.id = ?", f.ID)
		}
		if f.State != "" {
			w.and("r.state = ?", f.State)
		}
		if f.Kind != "" {
			w.and("r.kind = ?", f.Kind)
		}
	}
	n := newWhere("SELECT count(*) FROM request r")
	filter(n)
	var total int
	if err := s.row(ctx, n.String(), n.args...).scan(&total); err != nil {
		return nil, 0, err
	}
	w := newWhere(requestSelect)
	filter(w)
	p.Desc = true
	w.page(p, "r.id")
	out, err := collect(ctx, s, scanRequest, w.String(), w.args...)
	return out, total, err
}

// Request reads one request of the scope, inside the transaction.
func (tx *Tx) Request(ctx context.Context, id int64) (Request, error) {
	return scanRequest(tx.row(ctx, requestSelect+" WHERE r.id = $1", id))
}
