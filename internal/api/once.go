// SPDX-License-Identifier: Apache-2.0

package api

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"runtime/debug"
	"slices"
	"sync"

	"postern/internal/submit"
)

// Headers of idempotency. Mailjet's SDKs send an Idempotency-Key of their own, a hash that leaves parts of the call out:
// it is never used to drop a send.
const (
	keyHeader    = "Postern-Idempotency-Key"
	replayHeader = "Postern-Idempotent-Replay"
)

// remembered is an answer as it is kept under an idempotency key.
type remembered struct {
	Status int
	Body   json.RawMessage
}

// once performs a send. A call with an idempotency key that was answered gets that answer again; one that has a twin
// under way waits for it; else perform is given the key. api tells the calls of different APIs apart. Nothing is
// remembered of the sandbox, which sends nothing.
func (a *api) once(c *call, api string, text []byte, sandbox bool, perform func(*submit.Once) (reply, error)) (reply, error) {
	key := c.Header.Get(keyHeader)
	if len(c.Header.Values(keyHeader)) == 0 || sandbox {
		return perform(nil)
	}
	if wrong := submit.CheckKey(key); wrong != "" {
		return reply{}, &fault{status: http.StatusBadRequest, code: "mj-0005", message: fmt.Sprintf("Value not allowed. Header %s: %s.", keyHeader, wrong), related: []string{keyHeader}}
	}
	hash := sha256.Sum256(append([]byte(api+"\n"), text...))
	answer, end, err := a.Submit.Begin(c.Context(), c.who, key, hash)
	if err != nil {
		return reply{}, err
	}
	if answer != nil {
		var r remembered
		if err := json.Unmarshal(answer, &r); err != nil {
			return reply{}, fmt.Errorf("the answer kept of an idempotency key: %w", err)
		}
		return reply{status: r.Status, body: written(r.Body), replayed: true}, nil
	}
	defer end()
	return perform(&submit.Once{Key: key, Hash: hash})
}

// remember makes what is kept of an answer.
func remember(r reply) []byte {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return encode(remembered{Status: r.status, Body: json.RawMessage(encode(r.body))})
}

// handing is how the items of a call are handed over.
type handing struct {
	sandbox bool
	whole   bool         // all items or none
	once    *submit.Once // nil: the call has no idempotency key
	// answer makes the call's answer of what became of the items, the parts of which share the call's order.
	answer func([]outcome) (reply, error)
}

// handOver composes the items that nothing was found against, submits them in one batch and answers the call. An answer
// that is remembered is made before it is durable, and given as it was kept.
func (a *api) handOver(c *call, items []item, outcomes []outcome, h handing) (reply, error) {
	weight := int64(0)
	for i := range items {
		weight += items[i].weight()
	}
	weight = min(weight, composeMemory)
	if err := a.composing.Acquire(c.Context(), weight); err != nil {
		return reply{}, &fault{status: http.StatusInternalServerError, message: "The request ended before the message was kept.", cause: err}
	}
	defer a.composing.Release(weight)
	made, which := composeAll(items, outcomes, submit.Message{Source: "http", Address: c.addr, Client: c.UserAgent(), Sandbox: h.sandbox})
	if h.whole && len(made) < len(items) {
		return h.answer(outcomes)
	}
	var kept *reply
	if h.once != nil {
		h.once.Answer = func(got []submit.Outcome) []byte {
			r, err := h.answer(fill(outcomes, which, got))
			if err != nil { // of what was accepted there is always an answer
				panic(err)
			}
			kept = &r
			return remember(r)
		}
	}
	got := a.Submit.AcceptBatch(c.Context(), c.who, submit.Batch{Items: made, Whole: h.whole, Once: h.once, Sandbox: h.sandbox})
	for i := range got {
		if got[i].Err == nil && kept != nil {
			return *kept, nil
		}
	}
	return h.answer(fill(outcomes, which, got))
}

// composeAll makes the mails of the items that nothing was found against; which says the item of each. What cannot be
// composed is a finding.
func composeAll(items []item, outcomes []outcome, m submit.Message) (made []submit.Item, which []int) {
	all := make([]submit.Item, len(items))
	var wg sync.WaitGroup
	for i := range items {
		if len(outcomes[i].findings) > 0 {
			continue
		}
		compose := func() {
			if f := composeOne(&items[i], m, &all[i]); f != nil {
				outcomes[i].findings.add(f)
			}
		}
		if len(items) == 1 {
			compose()
			break
		}
		wg.Go(compose)
	}
	wg.Wait()
	for i := range items {
		if len(outcomes[i].findings) == 0 {
			made, which = append(made, all[i]), append(which, i)
		}
	}
	return made, which
}

// composeOne makes one mail. A panic is this mail's alone.
func composeOne(it *item, m submit.Message, into *submit.Item) (f *fault) {
	defer func() {
		if p := recover(); p != nil {
			f = &fault{status: http.StatusInternalServerError, cause: fmt.Errorf("panic: %v\n%s", p, debug.Stack())}
		}
	}()
	made, err := it.compose(m)
	if err != nil {
		return faultOf(err)
	}
	*into = made
	return nil
}

// fill puts what became of the submitted items beside what was found before.
func fill(outcomes []outcome, which []int, got []submit.Outcome) []outcome {
	out := slices.Clone(outcomes)
	for i, at := range which {
		out[at].receipt = got[i].Receipt
		if err := got[i].Err; err != nil {
			out[at].findings = findings{faultOf(err)}
		}
	}
	return out
}
