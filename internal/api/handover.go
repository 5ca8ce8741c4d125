// SPDX-License-Identifier: Apache-2.0

package api

import (
	"fmt"
	"math"
	"net/http"
	"runtime/debug"
	"sync"

	"postern/internal/submit"
)

// partMemory is about how much of a call is composed and kept at a time: attachments in Globals are in each mail anew.
const partMemory = 64 << 20

// handing is how the items of a call are handed over.
type handing struct {
	sandbox bool
	came    int64        // bytes of the call
	whole   bool         // all items or none
	once    *submit.Once // nil: the call has no idempotency key
	// answer makes the call's answer of what became of the items, the parts of which share the call's order.
	answer func([]outcome) (reply, error)
}

// handOver composes the items that nothing was found against, submits them and answers the call. They are one batch, but
// for what is too large to be held in memory together: that goes in several, or is refused when it is all or none.
func (a *api) handOver(c *call, items []item, outcomes []outcome, h handing) (reply, error) {
	if f := multiplied(items, outcomes, h.came); f != nil {
		return reply{}, f
	}
	most := int64(partMemory)
	if h.whole || h.once != nil {
		most = math.MaxInt64
	}
	parts := partition(items, outcomes, most)
	for i, part := range parts {
		kept, err := a.handPart(c, items, outcomes, part, h)
		switch {
		case err != nil && i == 0: // nothing was kept
			return reply{}, err
		case kept != nil:
			return *kept, nil
		}
	}
	return h.answer(outcomes)
}

// multiplied refuses a call whose mails are many times what came: what Globals, or a list of Recipients, gives to each mail
// is kept with each. They may have together what one call may have in any case, or twice what this one has.
func multiplied(items []item, outcomes []outcome, came int64) *fault {
	var n int64
	for i := range items {
		if len(outcomes[i].findings) == 0 {
			n += items[i].size()
		}
	}
	most := max(maxSendBody, 2*came)
	if n <= most {
		return nil
	}
	return &fault{
		status: http.StatusBadRequest, code: "mj-0011",
		message: fmt.Sprintf("Payload too large. Every mail of this call is stored with its own copy of the text and the attachments: "+
			"together they would have %d bytes. Max allowed - %d bytes. Split the call, or link to the attachment instead.", n, most),
	}
}

// part is some items of a call, and about how much memory their mails take.
type part struct {
	items  []int
	weight int64
}

// partition makes parts of the items that nothing was found against, of no more than most unless it is a single item.
func partition(items []item, outcomes []outcome, most int64) []part {
	var all []part
	for i := range items {
		if len(outcomes[i].findings) > 0 {
			continue
		}
		weight := items[i].weight()
		if k := len(all) - 1; k >= 0 && all[k].weight+weight <= most {
			all[k].items, all[k].weight = append(all[k].items, i), all[k].weight+weight
			continue
		}
		all = append(all, part{[]int{i}, weight})
	}
	return all
}

// handPart submits some items in one batch and writes into outcomes what became of them. An answer that is remembered is
// made before it is durable; when it was kept it is returned. An error is that the caller's secret has ended.
func (a *api) handPart(c *call, items []item, outcomes []outcome, p part, h handing) (kept *reply, err error) {
	body := c.part.Held()
	if err := c.grow(body + p.weight); err != nil {
		for _, i := range p.items {
			outcomes[i].findings.add(faultOf(err))
		}
		return nil, nil
	}
	defer c.part.Shrink(body)
	made, which := composeAll(items, outcomes, p.items,
		submit.Message{Source: "http", Address: c.addr, Client: c.UserAgent(), Sandbox: h.sandbox})
	if h.whole && len(made) < len(p.items) {
		return nil, nil
	}
	release, err := a.hold(c)
	if err != nil {
		for _, i := range which {
			outcomes[i].findings.add(faultOf(err))
		}
		return nil, err
	}
	defer release()
	b := submit.Batch{Items: made, Whole: h.whole, Once: h.once, Sandbox: h.sandbox}
	var first reply
	if h.once != nil {
		h.once.Answer = func(got []submit.Outcome) []byte {
			fill(outcomes, which, got)
			var err error
			if first, err = h.answer(outcomes); err != nil { // of what was accepted there is always an answer
				panic(err)
			}
			first.body = encode(first.body)
			return remember(first)
		}
	}
	got := a.Submit.AcceptBatch(c.Context(), c.who, b)
	fill(outcomes, which, got)
	for i := range got {
		if got[i].Err == nil && first.body != nil {
			return &first, nil
		}
	}
	return nil, nil
}

// composeAll makes the mails of some items; which says the item of each. What cannot be composed is a finding.
func composeAll(items []item, outcomes []outcome, of []int, m submit.Message) (made []submit.Item, which []int) {
	all := make([]submit.Item, len(items))
	var wg sync.WaitGroup
	for _, i := range of {
		compose := func() {
			if f := composeOne(&items[i], m, &all[i]); f != nil {
				outcomes[i].findings.add(f)
			}
		}
		if len(of) == 1 {
			compose()
			break
		}
		wg.Go(compose)
	}
	wg.Wait()
	for _, i := range of {
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

// fill writes down what became of submitted items.
func fill(outcomes []outcome, which []int, got []submit.Outcome) {
	for i, at := range which {
		outcomes[at] = outcome{receipt: got[i].Receipt}
		if err := got[i].Err; err != nil {
			outcomes[at].findings = findings{faultOf(err)}
		}
	}
}
