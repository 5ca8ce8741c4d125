// SPDX-License-Identifier: Apache-2.0

package console

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"postern/internal/access"
	"postern/internal/store"
	"postern/internal/webhook"
	"postern/internal/webhooks"
)

const (
	deliveriesAPage = 50
	hooksShown      = 200
	waitingShown    = 1000 // how far what waits for a hook is counted
)

func (c *console) hookRoutes() []route {
	return []route{
		{"GET", "/webhooks", access.ReadKeys, false, c.showHooks},
		{"GET", "/webhooks/new", access.ManageKeys, true, c.showNewHook},
		{"POST", "/webhooks/new", access.ManageKeys, true, c.addHooks},
		{"GET", "/keys/{id}/webhook-secret", access.ManageKeys, true, c.showHookSecret},
		{"POST", "/keys/{id}/webhook-secret", access.ManageKeys, true, c.newHookSecret},
		{"POST", "/webhooks/replay", access.ManageKeys, false, c.replayFailed},
		{"GET", "/deliveries/{id}", access.ReadMessages, false, c.showDelivery},
		{"POST", "/deliveries/{id}/replay", access.ManageKeys, false, c.replayDelivery},
		{"GET", "/webhooks/{id}", access.ManageKeys, true, c.showOneHook},
		{"POST", "/webhooks/{id}", access.ManageKeys, true, c.changeHook},
		{"POST", "/webhooks/{id}/test", access.ManageKeys, false, c.testOneHook},
		{"GET", "/webhooks/{id}/remove", access.ManageKeys, true, c.showOneHook},
		{"POST", "/webhooks/{id}/remove", access.ManageKeys, true, c.removeOneHook},
	}
}

// hooksBody is the list of webhooks, and what they were told last.
type hooksBody struct {
	Choice     keyPicker
	Hooks      []hookRow
	More       int // hooks that are not shown
	Deliveries []deliveryRow
	Failed     bool
	Older      string
	One        store.Key // the key that the list is of, if it is of one
	Manage     bool      // the user may change that key
	Secret     webhooks.SigningSecret
	Said       string
}

type hookRow struct {
	webhooks.Hook
	Key     store.Key
	Waiting int
	Manage  bool
}

// Address is the hook's URL, or to who may not change it where it leads: its path or query can be as good as a password.
func (r hookRow) Address() string {
	u, err := url.Parse(r.Shown)
	if r.Manage || err != nil {
		return r.Shown
	}
	return webhook.Origin(u)
}

type deliveryRow struct {
	store.HookAttempt
	Key    store.Key
	Manage bool
}

// What is the events of a delivery in words.
func (r deliveryRow) What() string {
	names := make([]string, len(r.Types))
	for i, t := range r.Types {
		names[i] = t.String()
	}
	if len(r.EventIDs) == 0 {
		return "a sample"
	}
	return strings.Join(names, ", ")
}

// OK says whether the receiver took it.
func (r deliveryRow) OK() bool { return r.Outcome == store.HookDelivered }

// Took is in milliseconds.
func (r deliveryRow) TookMS() int64 { return r.HookAttempt.Took.Milliseconds() }

func (c *console) showHooks(v *visit) error {
	q := v.r.URL.Query()
	b := hooksBody{Failed: q.Get("show") == "failed", Said: hookSaid(q.Get("done"), q.Get("n"))}
	var err error
	if b.Choice, err = c.keyPicker(v, q.Get("key")); err != nil {
		return err
	}
	if b.Choice.Key != "" {
		if b.One, err = c.chosen(v, b.Choice.Key); err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		if b.One.ID == 0 {
			b.Choice.Problem = "There is no such key."
			return c.show(v, http.StatusOK, "hooks", "Webhooks", "webhooks", b)
		}
		b.Manage = v.may(access.ManageKeys, b.One.ID)
		if b.Secret, err = c.Webhooks.HookSecret(v.r.Context(), v.scope, store.KeyFilter{ID: b.One.ID}); err != nil {
			return err
		}
	}
	if err := c.listHooks(v, &b); err != nil {
		return err
	}
	below, _ := strconv.ParseInt(q.Get("below"), 10, 64)
	if err := c.listDeliveries(v, &b, below); err != nil {
		return err
	}
	return c.show(v, http.StatusOK, "hooks", "Webhooks", "webhooks", b)
}

func (c *console) listHooks(v *visit, b *hooksBody) error {
	ctx := v.r.Context()
	list, total, err := c.Webhooks.Hooks(ctx, v.scope, store.HookFilter{KeyID: b.One.ID}, store.Page{Limit: hooksShown})
	if err != nil {
		return err
	}
	b.More = total - len(list)
	var ids, keyIDs []int64
	for _, h := range list {
		ids, keyIDs = append(ids, h.ID), append(keyIDs, h.KeyID)
	}
	keys, err := c.Store.KeysByID(ctx, v.scope, keyIDs)
	if err != nil {
		return err
	}
	waiting, err := c.Store.HooksWaiting(ctx, v.scope, ids, waitingShown)
	if err != nil {
		return err
	}
	for _, h := range list {
		b.Hooks = append(b.Hooks, hookRow{Hook: h, Key: keys[h.KeyID], Waiting: waiting[h.ID], Manage: v.may(access.ManageKeys, h.KeyID)})
	}
	return nil
}

func (c *console) listDeliveries(v *visit, b *hooksBody, below int64) error {
	f := store.AttemptFilter{KeyID: b.One.ID, Below: below}
	if b.Failed {
		f.Failed = &b.Failed
	}
	list, err := c.Store.HookAttempts(v.r.Context(), v.scope, f, deliveriesAPage)
	if err != nil {
		return err
	}
	for _, a := range list {
		row, err := c.deliveryRow(v, a)
		if err != nil {
			return err
		}
		b.Deliveries = append(b.Deliveries, row)
	}
	if len(list) == deliveriesAPage {
		q := url.Values{"below": {strconv.FormatInt(list[len(list)-1].ID, 10)}}
		if b.Choice.Key != "" {
			q.Set("key", b.Choice.Key)
		}
		if b.Failed {
			q.Set("show", "failed")
		}
		b.Older = "/webhooks?" + q.Encode()
	}
	return nil
}

func (c *console) deliveryRow(v *visit, a store.HookAttempt) (deliveryRow, error) {
	row := deliveryRow{HookAttempt: a, Manage: v.may(access.ManageKeys, a.KeyID)}
	var err error
	row.Key, err = c.Store.Key(v.r.Context(), v.scope, store.KeyFilter{ID: a.KeyID})
	if errors.Is(err, store.ErrNotFound) {
		err = nil // deleted since
	}
	return row, err
}

// hookSaid is what a form did, told on the page that comes after.
func hookSaid(done, n string) string {
	switch done {
	case "set":
		return "The webhook is set."
	case "removed":
		return "The webhook is removed, and what waited for it is not told."
	case "changed":
		return "The webhook is changed."
	case "replayed":
		if k, err := strconv.Atoi(n); err == nil && k >= 0 {
			return number(k) + " events are told again."
		}
	}
	return ""
}

// hookFormBody is the form of one webhook, or of a new one.
type hookFormBody struct {
	Choice  keyPicker
	Hook    *hookRow // nil: a new one
	Removal bool
	URL     string
	Types   []string
	All     []string
	Version string
	Backup  bool
	Private bool // an address in a private network is taken, too
	Problem problem
	Tested  *deliveryRow
}

// Has says whether a type is chosen.
func (b hookFormBody) Has(name string) bool { return slices.Contains(b.Types, name) }

func (c *console) hookFormPage(v *visit, status int, b hookFormBody) error {
	picker, err := c.keyPicker(v, b.Choice.Key)
	if err != nil {
		return err
	}
	picker.Problem = b.Choice.Problem
	b.Choice, b.Private = picker, c.Webhooks.PrivateWebhooks()
	for _, t := range webhooks.HookTypes() {
		b.All = append(b.All, t.String())
	}
	title := "Add a webhook"
	if b.Hook != nil {
		title = "Webhook"
	}
	return c.show(v, status, "hook-form", title, "webhooks", b)
}

func (c *console) showNewHook(v *visit) error {
	return c.hookFormPage(v, http.StatusOK, hookFormBody{Choice: keyPicker{Key: v.r.URL.Query().Get("key")}, Version: "2", Types: []string{"bounce", "blocked", "spam", "unsub"}})
}

func (c *console) addHooks(v *visit) error {
	if err := parseForm(v.r); err != nil {
		return err
	}
	f := v.r.PostForm
	b := hookFormBody{
		Choice: keyPicker{Key: strings.TrimSpace(f.Get("key"))}, URL: strings.TrimSpace(f.Get("url")), Types: f["type"], Version: f.Get("version"), Backup: f.Has("backup"),
	}
	key, err := c.chosen(v, b.Choice.Key)
	if errors.Is(err, store.ErrNotFound) {
		b.Choice.Problem = "There is no such key."
		return c.hookFormPage(v, http.StatusUnprocessableEntity, b)
	}
	if err != nil {
		return err
	}
	set := webhooks.HookSet{URL: b.URL, Backup: b.Backup}
	set.Version, _ = strconv.Atoi(b.Version) // what is no number is refused as version 0 is not: 1
	for _, name := range b.Types {
		t, err := webhooks.HookTypeOf(name)
		if e := userError(err); e != nil {
			b.Problem = problemOf(e, "EventType")
			return c.hookFormPage(v, http.StatusUnprocessableEntity, b)
		}
		set.Types = append(set.Types, t)
	}
	if len(set.Types) == 0 {
		b.Problem = problem{"EventType", "Choose at least one type of event."}
		return c.hookFormPage(v, http.StatusUnprocessableEntity, b)
	}
	_, err = c.Webhooks.SetHooks(v.r.Context(), v.actor, v.scope, store.KeyFilter{ID: key.ID}, set)
	if e := userError(err); e != nil {
		b.Problem = problemOf(e, "Url", "Version", "EventType")
		return c.hookFormPage(v, http.StatusUnprocessableEntity, b)
	}
	if err != nil {
		return err
	}
	return v.redirect("/webhooks?done=set&key=" + key.APIKey)
}

// pathHook is the hook that the path names, of a key that the user may change.
func (c *console) pathHook(v *visit) (*hookRow, error) {
	id, err := strconv.ParseInt(v.r.PathValue("id"), 10, 64)
	if err != nil {
		return nil, store.ErrNotFound
	}
	h, err := c.Webhooks.Hook(v.r.Context(), v.scope, store.HookFilter{ID: id})
	if err != nil {
		return nil, err
	}
	row := &hookRow{Hook: h, Manage: true}
	row.Key, err = c.Store.Key(v.r.Context(), v.scope, store.KeyFilter{ID: h.KeyID})
	return row, err
}

// formOf is the form of a hook that is there.
func formOf(h *hookRow) hookFormBody {
	return hookFormBody{Choice: keyPicker{Key: h.Key.APIKey}, Hook: h, URL: h.Shown, Version: strconv.Itoa(h.Version), Backup: h.Backup, Types: []string{h.Type.String()}}
}

// showOneHook shows the form of a hook, or with …/remove asks whether it is to go.
func (c *console) showOneHook(v *visit) error {
	h, err := c.pathHook(v)
	if err != nil {
		return err
	}
	b := formOf(h)
	b.Removal = strings.HasSuffix(v.r.URL.Path, "/remove")
	return c.hookFormPage(v, http.StatusOK, b)
}

func (c *console) changeHook(v *visit) error {
	if err := parseForm(v.r); err != nil {
		return err
	}
	h, err := c.pathHook(v)
	if err != nil {
		return err
	}
	address, version := strings.TrimSpace(v.r.PostForm.Get("url")), 0
	b := formOf(h)
	b.URL, b.Version = address, v.r.PostForm.Get("version")
	version, _ = strconv.Atoi(b.Version)
	_, err = c.Webhooks.ChangeHook(v.r.Context(), v.actor, v.scope, h.ID, webhooks.HookChange{URL: &address, Version: &version, Revive: true})
	if e := userError(err); e != nil {
		b.Problem = problemOf(e, "Url", "Version")
		return c.hookFormPage(v, http.StatusUnprocessableEntity, b)
	}
	if err != nil {
		return err
	}
	return v.redirect("/webhooks?done=changed&key=" + h.Key.APIKey)
}

// testOneHook posts a sample and shows what came of it.
func (c *console) testOneHook(v *visit) error {
	h, err := c.pathHook(v)
	if err != nil {
		return err
	}
	a, err := c.Webhooks.TestHook(v.r.Context(), v.scope, h.ID)
	if err != nil {
		return err
	}
	b := formOf(h)
	b.Tested = &deliveryRow{HookAttempt: a, Key: h.Key, Manage: true}
	return c.hookFormPage(v, http.StatusOK, b)
}

func (c *console) removeOneHook(v *visit) error {
	h, err := c.pathHook(v)
	if err != nil {
		return err
	}
	if err := c.Webhooks.RemoveHook(v.r.Context(), v.actor, v.scope, h.ID); err != nil {
		return err
	}
	return v.redirect("/webhooks?done=removed&key=" + h.Key.APIKey)
}

// keySecretBody asks whether a key is to get a new signing secret, or shows it: in that one answer and nowhere else.
type keySecretBody struct {
	Key    store.Key
	Now    webhooks.SigningSecret
	Nonce  string
	Secret string
}

func (c *console) showHookSecret(v *visit) error {
	key, err := c.keyOf(v.r.Context(), v)
	if err != nil {
		return err
	}
	now, err := c.Webhooks.HookSecret(v.r.Context(), v.scope, store.KeyFilter{ID: key.ID})
	if err != nil {
		return err
	}
	return c.show(v, http.StatusOK, "hook-secret", "Signing secret", "webhooks", keySecretBody{Key: key.Record, Now: now, Nonce: c.forms.nonce(v.user.ID)})
}

func (c *console) newHookSecret(v *visit) error {
	if err := parseForm(v.r); err != nil {
		return err
	}
	key, err := c.keyOf(v.r.Context(), v)
	if err != nil {
		return err
	}
	if !c.forms.use(v.user.ID, v.r.PostForm.Get("nonce")) {
		return &statusError{http.StatusConflict, "The signing secret was shown already", "This form was sent before, and its answer with the secret is shown once. If you did not keep it, make another."}
	}
	secret, err := c.Webhooks.NewHookSecret(v.r.Context(), v.actor, v.scope, store.KeyFilter{ID: key.ID}, webhooks.HookOverlap)
	if err != nil {
		return err
	}
	return c.show(v, http.StatusOK, "hook-secret", "Signing secret", "webhooks", keySecretBody{Key: key.Record, Secret: secret})
}

// replayFailed tells a key's hooks anew what failed in the last hours.
func (c *console) replayFailed(v *visit) error {
	if err := parseForm(v.r); err != nil {
		return err
	}
	key, err := c.chosen(v, v.r.PostForm.Get("key"))
	if err != nil {
		return err
	}
	hours, err := strconv.Atoi(v.r.PostForm.Get("hours"))
	if err != nil || hours < 1 || hours > 7*24 {
		hours = 24
	}
	n, err := c.Webhooks.ReplayFailed(v.r.Context(), v.actor, v.scope, store.KeyFilter{ID: key.ID}, c.Now().Add(-time.Duration(hours)*time.Hour))
	if err != nil {
		return err
	}
	return v.redirect("/webhooks?done=replayed&key=" + key.APIKey + "&n=" + strconv.Itoa(n))
}

// deliveryBody is one delivery with what was sent.
type deliveryBody struct {
	deliveryRow
	Sent    string // the body, indented
	Kept    int    // of its events, those that are still there
	Partial bool
}

func (c *console) pathDelivery(v *visit) (store.HookAttempt, error) {
	id, err := strconv.ParseInt(v.r.PathValue("id"), 10, 64)
	if err != nil || id <= 0 {
		return store.HookAttempt{}, store.ErrNotFound
	}
	list, err := c.Store.HookAttempts(v.r.Context(), v.scope, store.AttemptFilter{ID: id}, 1)
	if err == nil && len(list) == 0 {
		err = store.ErrNotFound
	}
	if err != nil {
		return store.HookAttempt{}, err
	}
	return list[0], nil
}

func (c *console) showDelivery(v *visit) error {
	a, err := c.pathDelivery(v)
	if err != nil {
		return err
	}
	row, err := c.deliveryRow(v, a)
	if err != nil {
		return err
	}
	body, kept, err := c.Webhooks.HookBody(v.r.Context(), a)
	if err != nil {
		return err
	}
	b := deliveryBody{deliveryRow: row, Kept: kept, Partial: kept < len(a.EventIDs)}
	var pretty bytes.Buffer
	if json.Indent(&pretty, body, "", "  ") == nil {
		b.Sent = pretty.String()
	}
	return c.show(v, http.StatusOK, "hook-delivery", "Delivery", "webhooks", b)
}

func (c *console) replayDelivery(v *visit) error {
	a, err := c.pathDelivery(v)
	if err != nil {
		return err
	}
	n, err := c.Webhooks.ReplayAttempt(v.r.Context(), v.actor, v.scope, a.ID)
	if err != nil {
		return err
	}
	return v.redirect("/webhooks?done=replayed&n=" + strconv.Itoa(n))
}
