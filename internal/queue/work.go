// SPDX-License-Identifier: Apache-2.0

package queue

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"time"

	"postern/internal/courier"
	"postern/internal/mail"
	"postern/internal/outcome"
	"postern/internal/store"
)

// job is what one attempt is about: recipients of one submission that go the same way.
type job struct {
	submission int64
	domain     string // "" unless the route is direct
	messages   []store.Claimed
}

// makeJobs groups claimed messages, which are in the order of their IDs: a submission's stand together.
func makeJobs(got []store.Claimed, perDomain bool) []job {
	type together struct {
		submission int64
		domain     string
		alone      int64 // the ID of a message that is a job of its own
	}
	at := map[together]int{}
	var jobs []job
	for _, c := range got {
		p := together{submission: c.SubmissionID}
		if perDomain {
			p.domain = c.Domain
		}
		if c.Lost >= suspect || c.Ways != 0 { // it may end the process, or has a source of its own
			p.alone = c.MessageID
		}
		i, ok := at[p]
		if !ok {
			i = len(jobs)
			at[p] = i
			jobs = append(jobs, job{submission: p.submission, domain: p.domain})
		}
		jobs[i].messages = append(jobs[i].messages, c)
	}
	return jobs
}

// worker makes attempts until there are no more jobs. When ctx has ended, jobs not begun are handed back.
func (q *Queue) worker(ctx, work context.Context) {
	for j := range q.jobs {
		if ctx.Err() != nil {
			q.record(work, q.handBack(j, 0))
			continue
		}
		if !q.enter(j.domain) {
			q.record(work, q.handBack(j, crowded))
			continue
		}
		done, answered := q.attempt(work, j)
		q.leave(j.domain)
		q.record(work, done)
		q.measure(time.Since(answered))
	}
}

func (q *Queue) handBack(j job, wait time.Duration) []store.Completion {
	var done []store.Completion
	now := time.Now()
	for _, c := range j.messages {
		done = append(done, outcome.Returned(c, q.owner, now, wait))
	}
	return done
}

// enter counts a job for its domain, unless the domain has as many as it may.
func (q *Queue) enter(domain string) bool {
	if domain == "" {
		return true
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.domains[domain] >= q.c.MaxPerHost {
		return false
	}
	q.domains[domain]++
	return true
}

func (q *Queue) leave(domain string) {
	if domain == "" {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.domains[domain]--; q.domains[domain] == 0 {
		delete(q.domains, domain)
	}
}

// attempt makes one attempt at a job and says when the answer was there.
func (q *Queue) attempt(ctx context.Context, j job) ([]store.Completion, time.Time) {
	var done []store.Completion
	tried := j
	tried.messages = nil
	for _, c := range j.messages {
		if c.Lost >= MaxLost {
			done = append(done, q.giveUp(c))
			continue
		}
		tried.messages = append(tried.messages, c)
	}
	if len(tried.messages) == 0 {
		return done, time.Now()
	}
	outcomes := q.deliver(ctx, tried)
	now := time.Now()
	for _, c := range tried.messages {
		o, ok := outcomes[c.MessageID]
		if !ok {
			o = ours(c.MessageID, "the courier said nothing about this recipient")
		}
		if ctx.Err() != nil && o.Result == courier.Deferred && o.Code == 0 {
			done = append(done, outcome.Returned(c, q.owner, now, 0)) // cut off by our own end: not the message's fault
			continue
		}
		done = append(done, outcome.Of(c, q.owner, o, now))
	}
	return done, now
}

// deliver reads the submission and lets the courier try. A panic is contained: it is the job's failure, not ours.
func (q *Queue) deliver(ctx context.Context, j job) (outcomes map[int64]courier.Outcome) {
	outcomes = make(map[int64]courier.Outcome, len(j.messages))
	defer func() {
		if r := recover(); r != nil {
			q.stats.errors.Add(1)
			q.c.Log.ErrorContext(ctx, "an attempt panicked",
				"submission", j.submission, "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
		}
	}()
	q.stats.attempts.Add(int64(len(j.messages)))
	out, err := q.c.Store.Outgoing(ctx, j.submission)
	if err == nil && out.Sealed {
		out.Body, err = q.c.Open(out.Body)
	}
	if err != nil {
		return q.unread(ctx, j, outcomes, err)
	}
	cj := courier.Job{
		SubmissionID: j.submission, AccountID: out.AccountID, From: out.MailFrom, SenderDomain: mail.Domain(out.HeaderFrom),
		Body: out.Body, Domain: j.domain, UTF8: out.UTF8,
	}
	if c := j.messages[0]; c.Ways != 0 && q.c.Personalise != nil {
		cj.Own, cj.Body = true, q.c.Personalise(out, c)
	}
	if cj.Domain == "" {
		cj.Domain = j.messages[0].Domain
	}
	for _, c := range j.messages {
		cj.Recipients = append(cj.Recipients, courier.Recipient{MessageID: c.MessageID, Email: c.Recipient})
	}
	if out.Asked != nil {
		if err := q.ask(ctx, &cj, *out.Asked); err != nil {
			return q.unread(ctx, j, outcomes, err)
		}
	}
	for _, o := range q.c.Courier.Attempt(ctx, cj) {
		outcomes[o.MessageID] = o
	}
	return outcomes
}

// ask gives a job what the sender of its mail asked for.
func (q *Queue) ask(ctx context.Context, cj *courier.Job, a store.Asked) error {
	of, err := q.c.Store.Asked(ctx, cj.SubmissionID)
	cj.Asked = &courier.Asked{Ret: a.Ret, EnvID: a.EnvID, RequireTLS: a.RequireTLS}
	for i := range cj.Recipients {
		r := &cj.Recipients[i]
		r.Notify, r.ORcpt = of[r.MessageID].Notify, of[r.MessageID].ORcpt
	}
	return err
}

// unread defers a job whose submission could not be read.
func (q *Queue) unread(ctx context.Context, j job, outcomes map[int64]courier.Outcome, err error) map[int64]courier.Outcome {
	q.stats.errors.Add(1)
	q.c.Log.ErrorContext(ctx, "a queued submission could not be read", "submission", j.submission, "error", err)
	for _, c := range j.messages {
		outcomes[c.MessageID] = ours(c.MessageID, "the message could not be read from the store")
	}
	return outcomes
}

// ours is an outcome that is our own fault: tried again.
func ours(messageID int64, line string) courier.Outcome {
	return courier.Outcome{MessageID: messageID, Result: courier.Deferred, Line: line, State: mail.StateSystemIssue}
}

// giveUp bounces a message while which was being sent the process died too often.
func (q *Queue) giveUp(c store.Claimed) store.Completion {
	o := ours(c.MessageID, fmt.Sprintf("given up: the server ended %d times while this message was being sent", c.Lost))
	o.Result = courier.Bounced
	return outcome.Of(c, q.owner, o, time.Now())
}

// record makes outcomes durable. When the store fails it tries on: a mail that was delivered must not be sent again
// because our disk was full for a minute. ctx ends the trying, and then the lease decides.
func (q *Queue) record(ctx context.Context, done []store.Completion) {
	defer q.release(done)
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 10*time.Second) {
		err := q.c.Store.Complete(context.WithoutCancel(ctx), done)
		if err == nil {
			q.count(done)
			return
		}
		q.stats.errors.Add(1)
		q.c.Log.ErrorContext(ctx, "outcomes were not recorded; trying again", "error", err, "messages", ids(done))
		if errors.Is(err, store.ErrClosed) || !sleep(ctx, wait) {
			return
		}
	}
}

// release forgets what was recorded and makes room for the next claim.
func (q *Queue) release(done []store.Completion) {
	q.mu.Lock()
	for i := range done {
		delete(q.held, done[i].MessageID)
		if done[i].Lost >= suspect {
			q.stats.suspects.Add(-1)
		}
	}
	q.mu.Unlock()
	signal(q.freed)
}

func (q *Queue) count(done []store.Completion) {
	for i := range done {
		switch done[i].Result {
		case store.CompletedSent:
			q.stats.sent.Add(1)
		case store.CompletedDeferred:
			q.stats.deferred.Add(1)
		case store.CompletedBounced:
			q.stats.bounced.Add(1)
		case store.CompletedReturned:
			q.stats.returned.Add(1)
		}
	}
}

func (q *Queue) measure(d time.Duration) {
	us := d.Microseconds()
	q.stats.windowMicros.Add(us)
	q.stats.windowCount.Add(1)
	for {
		old := q.stats.windowMax.Load()
		if us <= old || q.stats.windowMax.CompareAndSwap(old, us) {
			return
		}
	}
}

// ids lists the first messages of a batch, for the log.
func ids(done []store.Completion) string {
	var b strings.Builder
	for i := range done {
		if i == 10 {
			b.WriteString(" …")
			break
		}
		fmt.Fprintf(&b, " %d", done[i].MessageID)
	}
	return strings.TrimSpace(b.String())
}
