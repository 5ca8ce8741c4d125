// SPDX-License-Identifier: Apache-2.0

package api

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"postern/internal/access"
	"postern/internal/store"
	"postern/internal/webhooks"
)

func (a *api) webhookRoutes() []route {
	const rest = "/v3/REST/"
	const manage, read = access.MayManage, access.MayRead
	return []route{
		{method: "GET", pattern: rest + "eventcallbackurl", handle: a.listHooks, need: manage},
		{method: "POST", pattern: rest + "eventcallbackurl", handle: a.createHook, need: manage},
		{method: "GET", pattern: rest + "eventcallbackurl/{id}", handle: a.getHook, need: manage},
		{method: "PUT", pattern: rest + "eventcallbackurl/{id}", handle: a.changeHook, need: manage},
		{method: "DELETE", pattern: rest + "eventcallbackurl/{id}", handle: a.deleteHook, need: manage},
		{method: "POST", pattern: rest + "eventcallbackurl/{id}/test", handle: a.testHook, need: manage},
		{method: "GET", pattern: rest + "webhooksecret", handle: a.getHookSecret, need: manage},
		{method: "POST", pattern: rest + "webhooksecret", handle: a.newHookSecret, need: manage},
		{method: "GET", pattern: rest + "webhookdelivery", handle: a.listDeliveries, need: read},
		{method: "POST", pattern: rest + "webhookdelivery", handle: a.replayFailed, need: manage},
		{method: "GET", pattern: rest + "webhookdelivery/{id}", handle: a.getDelivery, need: read},
		{method: "POST", pattern: rest + "webhookdelivery/{id}/replay", handle: a.replayDelivery, need: manage},
	}
}

// callbackURL is a hook on the wire. A password in the URL is shown as xxxxx.
type callbackURL struct {
	APIKeyID  int64
	EventType string
	ID        int64
	IsBackup  bool
	Status    string
	URL       string `json:"Url"`
	Version   int
}

func wireHook(h webhooks.Hook) callbackURL {
	status := "alive"
	if !h.Alive() {
		status = "dead"
	}
	return callbackURL{APIKeyID: h.KeyID, EventType: h.Type.String(), ID: h.ID, IsBackup: h.Backup, Status: status, URL: h.Shown, Version: h.Version}
}

// hookNumbers are the event types as the filters of some SDKs number them.
var hookNumbers = map[string]store.EventType{
	"1": store.EventClick, "2": store.EventBounce, "3": store.EventSpam, "4": store.EventBlocked, "5": store.EventUnsub, "6": store.EventOpen, "7": store.EventSent,
}

// otherEvents are the types of Mailjet that there are none of here.
var otherEvents = [...]string{"typofix", "parseapi", "newsender", "newsenderautovalid"}

// hookFilter reads the filters of a listing; none says that nothing can match.
func (c *call) hookFilter(q query) (f store.HookFilter, none bool, err error) {
	if k := q.first("apikey", "apikeyid"); k != "" && k != c.who.APIKey && k != strconv.FormatInt(c.who.KeyID, 10) {
		none = true
	}
	if v := q["eventtype"]; v != "" {
		var known bool
		if f.Type, known = hookNumbers[v]; !known {
			// Of what Mailjet has beside, nothing can be told here.
			if none = none || slices.ContainsFunc(otherEvents[:], func(other string) bool { return strings.EqualFold(other, v) }); !none {
				if f.Type, err = webhooks.HookTypeOf(v); err != nil {
					return f, none, err
				}
			}
		}
	}
	switch s := strings.ToLower(q["status"]); s {
	case "":
	case "alive", "dead":
		dead := s == "dead"
		f.Dead = &dead
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

func (a *api) listHooks(c *call) (reply, error) {
	q, err := c.query()
	if err != nil {
		return reply{}, err
	}
	l, err := q.listing("ID")
	if err != nil {
		return reply{}, err
	}
	f, none, err := c.hookFilter(q)
	if err != nil {
		return reply{}, err
	}
	if none {
		return rows[callbackURL](nil, 0), nil
	}
	list, total, err := a.Webhooks.Hooks(c.Context(), c.own(), f, l.Page)
	if err != nil {
		return reply{}, err
	}
	if l.countOnly {
		return rows[callbackURL](nil, total), nil
	}
	out := make([]callbackURL, 0, len(list))
	for _, h := range list {
		out = append(out, wireHook(h))
	}
	return rows(out, total), nil
}

// hookNamed reads the hook that the path names by its ID, or by EventType|Backup.
func (a *api) hookNamed(c *call) (webhooks.Hook, error) {
	name := c.PathValue("id")
	if typ, backup, ok := strings.Cut(name, "|"); ok {
		t, err := webhooks.HookTypeOf(typ)
		is, bad := strconv.ParseBool(strings.ToLower(backup))
		if err != nil || bad != nil {
			return webhooks.Hook{}, notFound()
		}
		return a.Webhooks.Hook(c.Context(), c.own(), store.HookFilter{Type: t, Backup: &is})
	}
	id, err := c.pathID()
	if err != nil {
		return webhooks.Hook{}, err
	}
	return a.Webhooks.Hook(c.Context(), c.own(), store.HookFilter{ID: id})
}

func (a *api) getHook(c *call) (reply, error) {
	h, err := a.hookNamed(c)
	if err != nil {
		return reply{}, err
	}
	return one(wireHook(h)), nil
}

func (a *api) createHook(c *call) (reply, error) {
	body, err := c.object(maxResource)
	if err != nil {
		return reply{}, err
	}
	var set webhooks.HookSet
	name, _, err := body.firstText("EventType")
	if err != nil {
		return reply{}, err
	}
	if name == "" {
		name = "open" // the default
	}
	t, err := webhooks.HookTypeOf(name)
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
		set.Version = hookVersion(*version)
	}
	if backup, err := body.flag("IsBackup"); err != nil {
		return reply{}, err
	} else if backup != nil {
		set.Backup = *backup
	}
	there, err := a.Webhooks.Hook(c.Context(), c.own(), store.HookFilter{Type: t, Backup: &set.Backup})
	if err == nil {
		return reply{}, badRequest(fmt.Sprintf("MJ18 A Eventcallbackurl resource with value %q for EventType|Backup already exists.", fmt.Sprintf("%s|%t", there.Type, there.Backup)))
	}
	list, err := a.Webhooks.SetHooks(c.Context(), c.actor(), c.own(), c.itself(), set)
	if err != nil {
		return reply{}, err
	}
	r := one(wireHook(list[0]))
	r.status = http.StatusCreated
	return r, nil
}

// hookVersion keeps what is no version from being taken for one that is not given.
func hookVersion(n int64) int {
	if n != 1 && n != 2 {
		return -1
	}
	return int(n)
}

// changeHook changes the URL or the version. A URL that is given, or the status alive, brings a dead one back.
func (a *api) changeHook(c *call) (reply, error) {
	h, err := a.hookNamed(c)
	if err != nil {
		return reply{}, err
	}
	body, err := c.object(maxResource)
	if err != nil {
		return reply{}, err
	}
	var change webhooks.HookChange
	if change.URL, err = body.text("Url"); err != nil {
		return reply{}, err
	}
	if version, err := body.whole("Version"); err != nil {
		return reply{}, err
	} else if version != nil {
		n := hookVersion(*version)
		change.Version = &n
	}
	status, err := body.text("Status")
	if err != nil {
		return reply{}, err
	}
	change.Revive = status != nil && strings.EqualFold(*status, "alive") && !h.Alive()
	changed, err := a.Webhooks.ChangeHook(c.Context(), c.actor(), c.own(), h.ID, change)
	if err != nil {
		return reply{}, err
	}
	return one(wireHook(changed)), nil
}

func (a *api) deleteHook(c *call) (reply, error) {
	h, err := a.hookNamed(c)
	if err != nil {
		return reply{}, err
	}
	return reply{status: http.StatusNoContent}, a.Webhooks.RemoveHook(c.Context(), c.actor(), c.own(), h.ID)
}

// hookTest is what came of a sample.
type hookTest struct {
	Body       string
	DurationMs int64
	Error      string
	StatusCode int
	Success    bool
	WebhookID  string
}

func (a *api) testHook(c *call) (reply, error) {
	h, err := a.hookNamed(c)
	if err != nil {
		return reply{}, err
	}
	x, err := a.Webhooks.TestHook(c.Context(), c.own(), h.ID)
	if err != nil {
		return reply{}, err
	}
	return one(hookTest{Body: string(x.Body), DurationMs: x.Took.Milliseconds(), Error: x.Error, StatusCode: x.Status, Success: x.Outcome == store.HookDelivered, WebhookID: x.WebhookID}), nil
}

// signingSecret says whether there is one. The secret is in the answer that made it, and "" everywhere else.
type signingSecret struct {
	CreatedAt    string
	IsSet        bool
	OldExpiresAt string
	Secret       string
}

func (a *api) signing(c *call, secret string) (signingSecret, error) {
	x, err := a.Webhooks.HookSecret(c.Context(), c.own(), c.itself())
	return signingSecret{CreatedAt: timestamp(x.CreatedAt), IsSet: !x.CreatedAt.IsZero(), OldExpiresAt: timestamp(x.OldEndsAt), Secret: secret}, err
}

func (a *api) getHookSecret(c *call) (reply, error) {
	q, err := c.query()
	if err != nil {
		return reply{}, err
	}
	l, err := q.listing()
	if err != nil {
		return reply{}, err
	}
	x, err := a.signing(c, "")
	return pageOf(l, []signingSecret{x}), err
}

func (a *api) newHookSecret(c *call) (reply, error) {
	body, err := c.object(maxResource)
	if err != nil {
		return reply{}, err
	}
	overlap := webhooks.HookOverlap
	if seconds, err := body.whole("OverlapSeconds"); err != nil {
		return reply{}, err
	} else if seconds != nil {
		overlap = time.Duration(min(*seconds, 1<<32)) * time.Second // more is too many anyway
	}
	secret, err := a.Webhooks.NewHookSecret(c.Context(), c.actor(), c.own(), c.itself(), overlap)
	if err != nil {
		return reply{}, err
	}
	x, err := a.signing(c, secret)
	r := one(x)
	r.status = http.StatusCreated
	return r, err
}

// delivery is one request to a hook's URL.
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

func wireDelivery(x store.HookAttempt) delivery {
	out := delivery{
		At: timestamp(x.At), Attempt: x.Attempt, DurationMs: x.Took.Milliseconds(), Error: x.Error, EventCount: x.Count, EventTypes: []string{}, ID: x.ID,
		Result: x.Outcome.String(), StatusCode: x.Status, Target: x.Target, Version: x.Version, WebhookID: x.WebhookID,
	}
	for _, t := range x.Types {
		out.EventTypes = append(out.EventTypes, t.String())
	}
	return out
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
		if f.Type, err = webhooks.HookTypeOf(v); err != nil {
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
	list, err := a.Store.HookAttempts(c.Context(), c.own(), f, 0) // no more are kept
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
	list, err := a.Store.HookAttempts(c.Context(), c.own(), store.AttemptFilter{ID: id}, 1)
	if err != nil {
		return reply{}, err
	}
	if len(list) == 0 {
		return reply{}, notFound()
	}
	out := wireDelivery(list[0])
	body, _, err := a.Webhooks.HookBody(c.Context(), list[0])
	out.Body = string(body)
	return one(out), err
}

// replayed says how many events are told again.
type replayed struct{ EventCount int }

func (a *api) replayDelivery(c *call) (reply, error) {
	id, err := c.pathID()
	if err != nil {
		return reply{}, err
	}
	n, err := a.Webhooks.ReplayAttempt(c.Context(), c.actor(), c.own(), id)
	return one(replayed{n}), err
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
	n, err := a.Webhooks.ReplayFailed(c.Context(), c.actor(), c.own(), c.itself(), from)
	return one(replayed{n}), err
}
