// SPDX-License-Identifier: Apache-2.0

package webhook

import (
	"context"
	"slices"
	"time"

	"postern/internal/store"
)

// Disabled tells of webhooks whose endpoint failed for a day.
type Disabled struct {
	store.Owner
	Target    string // scheme and host
	Types     []store.EventType
	TakenOver []store.EventType // of these, by a backup
	Dropped   int
	Since     time.Time
	Error     string
}

// OnDisabled has fn notify of webhooks that are disabled, in the transaction of that.
func (w *Webhook) OnDisabled(fn func(ctx context.Context, tx *store.Tx, d Disabled) error) {
	w.disabled = fn
}

// disable ends the webhooks of an endpoint that has failed for a day: a backup takes over what waits and what comes, where
// there is one that is not disabled; elsewhere what waits is dropped. It goes in parts, so that a long backlog does not hold
// up who sends mail, and until the last part new events queue up behind the old ones, so that each subject's stay in order.
func (w *Webhook) disable(ctx context.Context, l *lane, since time.Time, reason string) {
	d := Disabled{Owner: l.owner, Target: Origin(l.to), Since: since, Error: reason}
	log, count := w.logOf(l.owner).With("to", d.Target), w.counters(l.owner)
	after := int64(0)
	for more := true; more && ctx.Err() == nil; {
		part := d
		err := w.Store.Update(ctx, func(tx *store.Tx) (err error) {
			part = d
			more, after, err = w.disablePart(ctx, tx, l.id, after, &part)
			return err
		})
		if err != nil {
			if ctx.Err() == nil {
				log.ErrorContext(ctx, "a webhook that failed for a day could not be disabled; it is tried again", "error", err)
			}
			return
		}
		count.dropped.Add(int64(part.Dropped - d.Dropped))
		count.disabledOf.Add(int64(len(part.Types) - len(d.Types)))
		d = part
	}
	if len(d.Types) > 0 {
		log.WarnContext(ctx, "a webhook failed for a day and is disabled: nothing is delivered until its URL is set again",
			"reason", reason, "hooks", len(d.Types), "taken_over", len(d.TakenOver), "dropped", d.Dropped)
	}
}

// disablePart hands over or drops a part of what waits for the first webhook of an endpoint that is not disabled, and says
// whether there is more to do.
func (w *Webhook) disablePart(ctx context.Context, tx *store.Tx, endpointID, after int64, d *Disabled) (more bool, last int64, err error) {
	list, backups, err := tx.WebhooksOfEndpoint(ctx, endpointID)
	if err != nil || len(list) == 0 {
		return false, 0, err
	}
	h := list[0]
	backup, has := backups[h.ID]
	var n int
	if has {
		if n, last, err = tx.MoveDeliveries(ctx, h, backup, after, moveAtOnce); err == nil && n < moveAtOnce {
			_, _, err = tx.MoveDeliveries(ctx, h, backup, 0, 0)
		}
	} else {
		n, err = tx.DropDeliveries(ctx, h, moveAtOnce)
		d.Dropped += n
	}
	if err != nil || n == moveAtOnce {
		return true, last, err
	}
	d.Types = append(slices.Clone(d.Types), h.Type)
	if has {
		d.TakenOver = append(slices.Clone(d.TakenOver), h.Type)
	}
	if err := tx.DisableWebhook(ctx, h); err != nil {
		return false, 0, err
	}
	if len(list) == 1 && w.disabled != nil {
		err = w.disabled(ctx, tx, *d)
	}
	return len(list) > 1, 0, err
}
