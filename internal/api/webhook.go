// SPDX-License-Identifier: Apache-2.0

package api

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"postern/internal/access"
	"postern/internal/change"
	"postern/internal/store"
	"postern/internal/webhooks"
)

func (a *api) webhookRoutes() []route {
	const rest = "/v3/REST/"
	const manage, read = access.MayManage, access.MayRead
	return []route{
		{method: "GET", pattern: rest + "eventcallbackurl", handle: a.listWebhooks, need: manage},
		{method: "POST", pattern: rest + "eventcallbackurl", handle: a.createWebhook, need: manage},
		{method: "GET", pattern: rest + "eventcallbackurl/{id}", handle: a.getWebhook, need: manage},
		{method: "PUT", pattern: rest + "eventcallbackurl/{id}", handle: a.changeWebhook, need: manage},
		{method: "DELETE", pattern: rest + "eventcallbackurl/{id}", handle: a.deleteWebhook, need: manage},
		{method: "POST", pattern: rest + "eventcallbackurl/{id}/test", handle: a.testWebhook, need: manage},
		{method: "GET", pattern: rest + "webhooksecret", handle: a.getWebhookSecret, need: manage},
		{method: "POST", pattern: rest + "webhooksecret", handle: a.newWebhookSecret, need: manage},
		{method: "GET", pattern: rest + "webhookdelivery", handle: a.listDeliveries, need: read},
		{method: "POST", pattern: rest + "webhookdelivery", handle: a.replayFailed, need: manage},
		{method: "GET", pattern: rest + "webhookdelivery/{id}", handle: a.getDelivery, need: read},
		{method: "POST", pattern: rest + "webhookdelivery/{id}/replay", handle: a.replayDelivery, need: manage},
	}
}

// callbackURL is a webhook on the wire. A password in the URL is shown as xxxxx.
type callbackURL struct {
	APIKeyID  int64
	EventType string
	ID        int64
	IsBackup  bool
	Status    string
	URL       string `json:"Url"`
	Version   int
}

func wireWebhook(h webhooks.Webhook) callbackURL {
	status := "alive"
	if !h.Alive() {
		status = "dead"
	}
	return callbackURL{APIKeyID: h.KeyID, EventType: h.Event, ID: h.ID, IsBackup: h.Backup, Status: status, URL: h.URL, Version: h.Version}
}

// eventNumbers are the event types as the filters of some SDKs number them.
var eventNumbers = map[string]store.EventType{
	"1": store.EventClick, "2": store.EventBounce, "3": store.EventSpam, "4": store.EventBlocked, "5": store.EventUnsub,
	"6": store.EventOpen, "7": store.EventSent,
}

// otherEvents are the types of Mailjet that there are none of here.
var otherEvents = [...]string{"typofix", "parseapi", "newsender", "newsenderautovalid"}

// webhookFilter reads the filters of a listing; none says that nothing can match.
func (c *call) webhookFilter(q query) (f store.WebhookFilter, none bool, err error) {
	if k := q.first("apikey", "apikeyid"); k != "" && k != c.who.APIKey && k != strconv.FormatInt(c.who.KeyID, 10) {
		none = true
	}
	if v := q["eventtype"]; v != "" {
		var known bool
		if f.Type, known = eventNumbers[v]; !known {
			// Of what Mailjet has beside, nothing can be told here.
			if none = none || slices.ContainsFunc(otherEvents[:], func(other string) bool { return strings.EqualFold(other, v) }); !none {
				if f.Type, err = webhooks.EventType(v); err != nil {
					return f, none, err
				}
			}
		}
	}
	switch s := strings.ToLower(q["status"]); s {
	case "":
	case "alive", "dead":
		dead := s == "dead"
		f.Disabled = &dead
	default:
		return f, none, badRequest(fmt.Sprintf("Status: %q is neither alive nor dead.", cut(q["status"])))
	}
	if v, ok := q["version"]; ok {
		if f.Version, err = strconv.Atoi(v); err != nil || f.Version != 1 && f.Version != 2 {
			return f, none, badRequest(fmt.Sprintf("Version: %q is neither 1 nor 2.", cut(v)))
		}
	}
	if f.Backup, err = q.choice("backup", "Backup"); err == nil && f.Backup == nil {
		f.Backup, err = q.choice("isbackup", "IsBackup")
	}
	return f, none, err
}

func (a *api) listWebhooks(c *call) (reply, error) {
	q, err := c.query()
	if err != nil {
		return reply{}, err
	}
	l, err := q.listing("ID")
	if err != nil {
		return reply{}, err
	}
	f, none, err := c.webhookFilter(q)
	if err != nil {
		return reply{}, err
	}
	if none {
		return rows[callbackURL](nil, 0), nil
	}
	list, total, err := a.Webhooks.List(c.Context(), c.own(), f, l.Page)
	if err != nil {
		return reply{}, err
	}
	if l.countOnly {
		return rows[callbackURL](nil, total), nil
	}
	out := make([]callbackURL, 0, len(list))
	for _, h := range list {
		out = append(out, wireWebhook(h))
	}
	return rows(out, total), nil
}

// webhookNamed reads the hook that the path names by its ID, or by EventType|Backup.
func (a *api) webhookNamed(c *call) (webhooks.Webhook, error) {
	name := c.PathValue("id")
	if typ, backup, ok := strings.Cut(name, "|"); ok {
		t, err := webhooks.EventType(typ)
		is, bad := strconv.ParseBool(strings.ToLower(backup))
		if err != nil || bad != nil {
			return webhooks.Webhook{}, notFound()
		}
		return a.Webhooks.Webhook(c.Context(), c.own(), store.WebhookFilter{Type: t, Backup: &is})
	}
	id, err := c.pathID()
	if err != nil {
		return webhooks.Webhook{}, err
	}
	return a.Webhooks.Webhook(c.Context(), c.own(), store.WebhookFilter{ID: id})
}

func (a *api) getWebhook(c *call) (reply, error) {
	h, err := a.webhookNamed(c)
	if err != nil {
		return reply{}, err
	}
	return one(wireWebhook(h)), nil
}

func (a *api) createWebhook(c *call) (reply, error) {
	body, err := c.object(maxResource)
	if err != nil {
		return reply{}, err
	}
	var set webhooks.Setting
	name, _, err := body.firstText("EventType")
	if err != nil {
		return reply{}, err
	}
	if name == "" {
		name = "open" // the default
	}
	t, err := webhooks.EventType(name)
	if err != nil {
		return reply{}, err
	}
	set.Types = []store.EventType{t}
	if set.URL, _, err = body.firstText("Url"); err != nil {
		return reply{}, err
	}
	if set.URL == "" {
		return reply{}, badRequest("Property Url: the URL that is to be told is needed.")
	}
	if version, err := body.whole("Version"); err != nil {
		return reply{}, err
	} else if version != nil {
		set.Version = webhookVersion(*version)
	}
	if backup, err := body.flag("IsBackup"); err != nil {
		return reply{}, err
	} else if backup != nil {
		set.Backup = *backup
	}
	list, err := a.Webhooks.Set(c.Context(), c.actor(), c.own(), c.itself(), set)
	if mistake := (*change.Error)(nil); errors.As(err, &mistake) && mistake.Kind == change.Conflict {
		return reply{}, badRequest(fmt.Sprintf("MJ18 A Eventcallbackurl resource with value %q for EventType|Backup already exists.",
			fmt.Sprintf("%s|%t", t, set.Backup)))
	}
	if err != nil {
		return reply{}, err
	}
	r := one(wireWebhook(list[0]))
	r.status = http.StatusCreated
	return r, nil
}

// webhookVersion keeps what is no version from being taken for one that is not given.
func webhookVersion(n int64) int {
	if n != 1 && n != 2 {
		return -1
	}
	return int(n)
}

// changeWebhook changes the URL or the version. A URL that is given, or the status alive, brings a dead one back.
func (a *api) changeWebhook(c *call) (reply, error) {
	h, err := a.webhookNamed(c)
	if err != nil {
		return reply{}, err
	}
	body, err := c.object(maxResource)
	if err != nil {
		return reply{}, err
	}
	var to webhooks.Change
	if to.URL, err = body.text("Url"); err != nil {
		return reply{}, err
	}
	if version, err := body.whole("Version"); err != nil {
		return reply{}, err
	} else if version != nil {
		n := webhookVersion(*version)
		to.Version = &n
	}
	status, err := body.text("Status")
	if err != nil {
		return reply{}, err
	}
	to.Revive = status != nil && strings.EqualFold(*status, "alive") && !h.Alive()
	changed, err := a.Webhooks.Change(c.Context(), c.actor(), c.own(), h.ID, to)
	if err != nil {
		return reply{}, err
	}
	return one(wireWebhook(changed)), nil
}

func (a *api) deleteWebhook(c *call) (reply, error) {
	h, err := a.webhookNamed(c)
	if err != nil {
		return reply{}, err
	}
	return reply{status: http.StatusNoContent}, a.Webhooks.Remove(c.Context(), c.actor(), c.own(), h.ID)
}

// webhookTest is what came of a sample.
type webhookTest struct {
	Body       string
	DurationMs int64
	Error      string
	StatusCode int
	Success    bool
	WebhookID  string
}

func (a *api) testWebhook(c *call) (reply, error) {
	h, err := a.webhookNamed(c)
	if err != nil {
		return reply{}, err
	}
	x, err := a.Webhooks.Test(c.Context(), c.own(), h.ID)
	if err != nil {
		return reply{}, err
	}
	return one(webhookTest{
		Body: x.Body, DurationMs: x.TookMS, Error: x.Error, StatusCode: x.Status, Success: x.Error == "", WebhookID: x.WebhookID,
	}), nil
}

// signingSecret says whether there is one. The secret is in the answer that made it, and "" everywhere else.
type signingSecret struct {
	CreatedAt    string
	IsSet        bool
	OldExpiresAt string
	Secret       string
}

func wireSecret(x webhooks.SigningSecret) signingSecret {
	return signingSecret{
		CreatedAt: timestamp(x.CreatedAt), IsSet: !x.CreatedAt.IsZero(), OldExpiresAt: timestamp(x.OldEndsAt), Secret: x.Secret,
	}
}

func (a *api) getWebhookSecret(c *call) (reply, error) {
	q, err := c.query()
	if err != nil {
		return reply{}, err
	}
	l, err := q.listing()
	if err != nil {
		return reply{}, err
	}
	x, err := a.Webhooks.Secret(c.Context(), c.own(), c.itself())
	return pageOf(l, []signingSecret{wireSecret(x)}), err
}

func (a *api) newWebhookSecret(c *call) (reply, error) {
	body, err := c.object(maxResource)
	if err != nil {
		return reply{}, err
	}
	overlap := webhooks.Overlap
	if seconds, err := body.whole("OverlapSeconds"); err != nil {
		return reply{}, err
	} else if seconds != nil {
		overlap = time.Duration(min(*seconds, 1<<32)) * time.Second // more is too many anyway
	}
	x, err := a.Webhooks.NewSecret(c.Context(), c.actor(), c.own(), c.itself(), overlap)
	r := one(wireSecret(x))
	r.status = http.StatusCreated
	return r, err
}

// delivery is one request to a webhook's URL.
type delivery struct {
	At         string
	Attempt    int
	Body       string `json:",omitempty"` // of one alone
	DurationMs int64
	Error      string
	EventCount int
	EventTypes []string
	ID         int64
	Result     string
	StatusCode int
	Target     string
	Version    int
	WebhookID  string
}

func wireDelivery(x webhooks.Delivery) delivery {
	return delivery{
		At: timestamp(x.At), Attempt: x.Attempt, Body: x.Body, DurationMs: x.TookMS, Error: x.Error, EventCount: x.Count,
		EventTypes: x.Events, ID: x.ID,
		Result: x.Result, StatusCode: x.Status, Target: x.Target, Version: x.Version, WebhookID: x.WebhookID,
	}
}

// listDeliveries lists the latest requests, newest first. Below is the ID to go on at.
func (a *api) listDeliveries(c *call) (reply, error) {
	q, err := c.query()
	if err != nil {
		return reply{}, err
	}
	l, err := q.listing()
	if err != nil {
		return reply{}, err
	}
	var f store.AttemptFilter
	if f.Below, err = q.id("below", "Below"); err != nil {
		return reply{}, err
	}
	if v := q["eventtype"]; v != "" {
		if f.Type, err = webhooks.EventType(v); err != nil {
			return reply{}, err
		}
	}
	switch v := strings.ToLower(q["result"]); v {
	case "":
	case "delivered", "failed":
		failed := v == "failed"
		f.Failed = &failed
	default:
		return reply{}, badRequest(fmt.Sprintf("Result: %q is neither delivered nor failed.", cut(v)))
	}
	if f.From, err = q.time("fromts", "FromTS"); err != nil {
		return reply{}, err
	}
	if f.To, err = q.time("tots", "ToTS"); err != nil {
		return reply{}, err
	}
	list, err := a.Webhooks.Deliveries(c.Context(), c.own(), f, 0) // no more are kept
	if err != nil {
		return reply{}, err
	}
	out := make([]delivery, 0, len(list))
	for _, x := range list {
		out = append(out, wireDelivery(x))
	}
	return pageOf(l, out), nil
}

func (a *api) getDelivery(c *call) (reply, error) {
	id, err := c.pathID()
	if err != nil {
		return reply{}, err
	}
	x, err := a.Webhooks.Delivery(c.Context(), c.own(), id)
	if err != nil {
		return reply{}, err
	}
	return one(wireDelivery(x)), nil
}

// replayed says how many events are told again.
type replayed struct{ EventCount int }

func (a *api) replayDelivery(c *call) (reply, error) {
	id, err := c.pathID()
	if err != nil {
		return reply{}, err
	}
	n, err := a.Webhooks.Replay(c.Context(), c.actor(), c.own(), id)
	return one(replayed{n.Events}), err
}

func (a *api) replayFailed(c *call) (reply, error) {
	body, err := c.object(maxResource)
	if err != nil {
		return reply{}, err
	}
	since, given := body[fold("Since")]
	if !given {
		return reply{}, badRequest("Property Since: the time from which on what failed is told again is needed.")
	}
	text, ok := since.str()
	if !ok {
		text = string(since)
	}
	from, err := query{"since": text}.time("since", "Property Since")
	if err != nil {
		return reply{}, err
	}
	n, err := a.Webhooks.ReplayFailed(c.Context(), c.actor(), store.Owner{AccountID: c.who.AccountID, KeyID: c.who.KeyID}, from)
	return one(replayed{n.Events}), err
}
