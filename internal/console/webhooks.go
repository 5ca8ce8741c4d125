// SPDX-License-Identifier: Apache-2.0

package console

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"postern/internal/access"
	"postern/internal/store"
	"postern/internal/webhooks"
)

const (
	deliveriesAPage = 50
	webhooksShown   = 200
)

func (c *console) webhookRoutes() []route {
	return []route{
		{"GET", "/webhooks", access.ReadKeys, false, c.showWebhooks},
		{"GET", "/webhooks/new", access.ManageKeys, true, c.showNewWebhook},
		{"POST", "/webhooks/new", access.ManageKeys, true, c.addWebhooks},
		{"GET", "/keys/{id}/webhook-secret", access.ManageKeys, true, c.showWebhookSecret},
		{"POST", "/keys/{id}/webhook-secret", access.ManageKeys, true, c.newWebhookSecret},
		{"POST", "/webhooks/replay", access.ManageKeys, false, c.replayFailed},
		{"GET", "/deliveries/{id}", access.ReadMessages, false, c.showDelivery},
		{"POST", "/deliveries/{id}/replay", access.ManageKeys, false, c.replayDelivery},
		{"GET", "/webhooks/{id}", access.ManageKeys, true, c.showOneWebhook},
		{"POST", "/webhooks/{id}", access.ManageKeys, true, c.changeWebhook},
		{"POST", "/webhooks/{id}/test", access.ManageKeys, false, c.testOneWebhook},
		{"GET", "/webhooks/{id}/remove", access.ManageKeys, true, c.showOneWebhook},
		{"POST", "/webhooks/{id}/remove", access.ManageKeys, true, c.removeOneWebhook},
	}
}

// webhooksBody is the list of webhooks, and what they were told last.
type webhooksBody struct {
	Choice     keyPicker
	Webhooks   []webhookRow
	More       int // hooks that are not shown
	Deliveries []deliveryRow
	Failed     bool
	Account    bool // only the account's own deliveries
	Older      string
	One        store.Key // the key that the list is of, if it is of one
	Manage     bool      // the user may change that key
	Secret     webhooks.SigningSecret
	Said       string
}

type webhookRow struct {
	webhooks.Webhook
	Manage bool // the user may change it
}

// Address is the webhook's URL, or to who may not change it where it leads.
func (r webhookRow) Address() string {
	if r.Manage {
		return r.URL
	}
	return r.Origin()
}

type deliveryRow struct {
	webhooks.Delivery
	Manage bool // the user may have it delivered again
}

// What is the events of a delivery in words.
func (r deliveryRow) What() string {
	if r.Sample {
		return "a sample"
	}
	return strings.Join(r.Events, ", ")
}

// Whose is the key's name, or says that it is the account's.
func (r deliveryRow) Whose() string {
	if r.KeyID == 0 {
		return "the account"
	}
	return r.KeyName
}

// OK says whether the endpoint took it.
func (r deliveryRow) OK() bool { return r.Error == "" }

func (v *visit) deliveryRow(d webhooks.Delivery) deliveryRow {
	if d.KeyID == 0 {
		return deliveryRow{d, v.may(access.ManageAccount, 0)}
	}
	return deliveryRow{d, v.may(access.ManageKeys, d.KeyID)}
}

func (c *console) showWebhooks(v *visit) error {
	q := v.r.URL.Query()
	b := webhooksBody{Failed: q.Get("show") == "failed", Account: q.Get("of") == "account", Said: webhookDone(q.Get("done"), q.Get("n"))}
	var err error
	if b.Choice, err = c.keyPicker(v, q.Get("key")); err != nil {
		return err
	}
	if b.Choice.Key != "" {
		if b.One, err = c.chosen(v, b.Choice.Key); err != nil && !isMissing(err) {
			return err
		}
		if b.One.ID == 0 {
			b.Choice.Problem = "There is no such key."
			return c.show(v, http.StatusOK, "hooks", "Webhooks", "webhooks", b)
		}
		b.Manage = v.may(access.ManageKeys, b.One.ID)
		if b.Secret, err = c.Webhooks.Secret(v.r.Context(), v.scope, store.KeyFilter{ID: b.One.ID}); err != nil {
			return err
		}
	}
	if err := c.listWebhooks(v, &b); err != nil {
		return err
	}
	below, _ := strconv.ParseInt(q.Get("below"), 10, 64)
	if err := c.listDeliveries(v, &b, below); err != nil {
		return err
	}
	return c.show(v, http.StatusOK, "hooks", "Webhooks", "webhooks", b)
}

func (c *console) listWebhooks(v *visit, b *webhooksBody) error {
	list, total, err := c.Webhooks.List(v.r.Context(), v.scope, store.WebhookFilter{KeyID: b.One.ID}, store.Page{Limit: webhooksShown})
	b.More = total - len(list)
	for _, h := range list {
		b.Webhooks = append(b.Webhooks, webhookRow{h, v.may(access.ManageKeys, h.KeyID)})
	}
	return err
}

func (c *console) listDeliveries(v *visit, b *webhooksBody, below int64) error {
	scope, f := v.scope, store.AttemptFilter{Below: below}
	older := url.Values{}
	switch {
	case b.One.ID != 0:
		scope = store.OfKey(b.One.AccountID, b.One.ID)
		older.Set("key", b.Choice.Key)
	case !v.may(access.ReadAccount, 0):
		f.Account = new(false)
	case b.Account:
		f.Account = new(true)
		older.Set("of", "account")
	}
	if b.Failed {
		f.Failed = &b.Failed
		older.Set("show", "failed")
	}
	list, err := c.Webhooks.Deliveries(v.r.Context(), scope, f, deliveriesAPage)
	for _, d := range list {
		b.Deliveries = append(b.Deliveries, v.deliveryRow(d))
	}
	if len(list) == deliveriesAPage {
		older.Set("below", strconv.FormatInt(list[len(list)-1].ID, 10))
		b.Older = "/webhooks?" + older.Encode()
	}
	return err
}

// webhookDone is what a form did, told on the page that comes after.
func webhookDone(done, n string) string {
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

// webhookFormBody is the form of one webhook, or of a new one.
type webhookFormBody struct {
	Choice  keyPicker
	Webhook *webhookRow // nil: a new one
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
func (b webhookFormBody) Has(name string) bool { return slices.Contains(b.Types, name) }

func (c *console) webhookFormPage(v *visit, status int, b webhookFormBody) error {
	picker, err := c.keyPicker(v, b.Choice.Key)
	if err != nil {
		return err
	}
	picker.Problem = b.Choice.Problem
	b.Choice, b.Private = picker, c.Webhooks.Private()
	for _, t := range webhooks.KeyEvents() {
		b.All = append(b.All, t.String())
	}
	title := "Add a webhook"
	if b.Webhook != nil {
		title = "Webhook"
	}
	return c.show(v, status, "hook-form", title, "webhooks", b)
}

func (c *console) showNewWebhook(v *visit) error {
	return c.webhookFormPage(v, http.StatusOK,
		webhookFormBody{
			Choice: keyPicker{Key: v.r.URL.Query().Get("key")}, Version: "2",
			Types: []string{"bounce", "blocked", "spam", "unsub"},
		})
}

func (c *console) addWebhooks(v *visit) error {
	if err := parseForm(v.r); err != nil {
		return err
	}
	f := v.r.PostForm
	b := webhookFormBody{
		Choice: keyPicker{Key: strings.TrimSpace(f.Get("key"))}, URL: strings.TrimSpace(f.Get("url")), Types: f["type"],
		Version: f.Get("version"), Backup: f.Has("backup"),
	}
	key, err := c.chosen(v, b.Choice.Key)
	if isMissing(err) {
		b.Choice.Problem = "There is no such key."
		return c.webhookFormPage(v, http.StatusUnprocessableEntity, b)
	}
	if err != nil {
		return err
	}
	set := webhooks.Setting{URL: b.URL, Backup: b.Backup}
	set.Version, _ = strconv.Atoi(b.Version) // what is no number is refused as version 0 is not: 1
	for _, name := range b.Types {
		t, err := webhooks.EventType(name)
		if e := userError(err); e != nil {
			b.Problem = problemOf(e, "EventType")
			return c.webhookFormPage(v, http.StatusUnprocessableEntity, b)
		}
		set.Types = append(set.Types, t)
	}
	if len(set.Types) == 0 {
		b.Problem = problem{"EventType", "Choose at least one type of event."}
		return c.webhookFormPage(v, http.StatusUnprocessableEntity, b)
	}
	_, err = c.Webhooks.Set(v.r.Context(), v.actor, v.scope, store.KeyFilter{ID: key.ID}, set)
	if e := userError(err); e != nil {
		b.Problem = problemOf(e, "URL", "Version", "EventType")
		return c.webhookFormPage(v, http.StatusUnprocessableEntity, b)
	}
	if err != nil {
		return err
	}
	return v.redirect("/webhooks?done=set&key=" + key.APIKey)
}

// pathWebhook is the webhook that the path names, of a key that the user may change.
func (c *console) pathWebhook(v *visit) (*webhookRow, error) {
	id, err := strconv.ParseInt(v.r.PathValue("id"), 10, 64)
	if err != nil {
		return nil, store.ErrNotFound
	}
	h, err := c.Webhooks.Webhook(v.r.Context(), v.scope, store.WebhookFilter{ID: id})
	return &webhookRow{h, true}, err
}

// formOf is the form of a webhook that is there.
func formOf(h *webhookRow) webhookFormBody {
	return webhookFormBody{
		Choice: keyPicker{Key: h.APIKey}, Webhook: h, URL: h.URL, Version: strconv.Itoa(h.Version), Backup: h.Backup,
		Types: []string{h.Event},
	}
}

// showOneWebhook shows the form of a hook, or with …/remove asks whether it is to go.
func (c *console) showOneWebhook(v *visit) error {
	h, err := c.pathWebhook(v)
	if err != nil {
		return err
	}
	b := formOf(h)
	b.Removal = strings.HasSuffix(v.r.URL.Path, "/remove")
	return c.webhookFormPage(v, http.StatusOK, b)
}

func (c *console) changeWebhook(v *visit) error {
	if err := parseForm(v.r); err != nil {
		return err
	}
	h, err := c.pathWebhook(v)
	if err != nil {
		return err
	}
	address, version := strings.TrimSpace(v.r.PostForm.Get("url")), 0
	b := formOf(h)
	b.URL, b.Version = address, v.r.PostForm.Get("version")
	version, _ = strconv.Atoi(b.Version)
	_, err = c.Webhooks.Change(v.r.Context(), v.actor, v.scope, h.ID, webhooks.Change{URL: &address, Version: &version, Revive: true})
	if e := userError(err); e != nil {
		b.Problem = problemOf(e, "URL", "Version")
		return c.webhookFormPage(v, http.StatusUnprocessableEntity, b)
	}
	if err != nil {
		return err
	}
	return v.redirect("/webhooks?done=changed&key=" + h.APIKey)
}

// testOneWebhook posts a sample and shows what came of it.
func (c *console) testOneWebhook(v *visit) error {
	h, err := c.pathWebhook(v)
	if err != nil {
		return err
	}
	d, err := c.Webhooks.Test(v.r.Context(), v.scope, h.ID)
	if err != nil {
		return err
	}
	b := formOf(h)
	b.Tested = &deliveryRow{d, true}
	return c.webhookFormPage(v, http.StatusOK, b)
}

func (c *console) removeOneWebhook(v *visit) error {
	h, err := c.pathWebhook(v)
	if err != nil {
		return err
	}
	if err := c.Webhooks.Remove(v.r.Context(), v.actor, v.scope, h.ID); err != nil {
		return err
	}
	return v.redirect("/webhooks?done=removed&key=" + h.APIKey)
}

// keySecretBody asks whether a key is to get a new signing secret, or shows it: in that one answer and nowhere else.
type keySecretBody struct {
	Key    store.Key
	Now    webhooks.SigningSecret
	Nonce  string
	Secret string
}

func (c *console) showWebhookSecret(v *visit) error {
	key, err := c.keyOf(v.r.Context(), v)
	if err != nil {
		return err
	}
	now, err := c.Webhooks.Secret(v.r.Context(), v.scope, store.KeyFilter{ID: key.ID})
	if err != nil {
		return err
	}
	return c.show(v, http.StatusOK, "hook-secret", "Signing secret", "webhooks",
		keySecretBody{Key: key.Record, Now: now, Nonce: c.forms.nonce(v.user.ID)})
}

func (c *console) newWebhookSecret(v *visit) error {
	if err := parseForm(v.r); err != nil {
		return err
	}
	key, err := c.keyOf(v.r.Context(), v)
	if err != nil {
		return err
	}
	if !c.forms.use(v.user.ID, v.r.PostForm.Get("nonce")) {
		return &statusError{http.StatusConflict, "The signing secret was shown already", "This form was sent before, and its answer " +
			"with the secret is shown once. If you did not keep it, make another."}
	}
	secret, err := c.Webhooks.NewSecret(v.r.Context(), v.actor, v.scope, store.KeyFilter{ID: key.ID}, webhooks.Overlap)
	if err != nil {
		return err
	}
	return c.show(v, http.StatusOK, "hook-secret", "Signing secret", "webhooks", keySecretBody{Key: key.Record, Secret: secret.Secret})
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
	owner := store.Owner{AccountID: key.AccountID, KeyID: key.ID}
	n, err := c.Webhooks.ReplayFailed(v.r.Context(), v.actor, owner, c.Now().Add(-time.Duration(hours)*time.Hour))
	if err != nil {
		return err
	}
	return v.redirect("/webhooks?done=replayed&key=" + key.APIKey + "&n=" + strconv.Itoa(n.Events))
}

// deliveryBody is one delivery with what was sent.
type deliveryBody struct {
	deliveryRow
	Sent    string // the body, indented
	Partial bool   // some of its events are not kept any more
}

// pathDelivery is the delivery that the path names.
func (c *console) pathDelivery(v *visit) (deliveryRow, error) {
	id, err := strconv.ParseInt(v.r.PathValue("id"), 10, 64)
	if err != nil || id <= 0 {
		return deliveryRow{}, store.ErrNotFound
	}
	d, err := c.Webhooks.Delivery(v.r.Context(), v.scope, id)
	if err == nil && d.KeyID == 0 && !v.may(access.ReadAccount, 0) {
		err = store.ErrNotFound
	}
	return v.deliveryRow(d), err
}

func (c *console) showDelivery(v *visit) error {
	row, err := c.pathDelivery(v)
	if err != nil {
		return err
	}
	b := deliveryBody{deliveryRow: row, Partial: !row.Sample && row.Kept < row.Count}
	var pretty bytes.Buffer
	if json.Indent(&pretty, []byte(row.Body), "", "  ") == nil {
		b.Sent = pretty.String()
	}
	return c.show(v, http.StatusOK, "hook-delivery", "Delivery", "webhooks", b)
}

func (c *console) replayDelivery(v *visit) error {
	row, err := c.pathDelivery(v)
	if err != nil {
		return err
	}
	if !row.Manage {
		return notAllowed(v, access.ManageAccount)
	}
	n, err := c.Webhooks.Replay(v.r.Context(), v.actor, v.scope, row.ID)
	if err != nil {
		return err
	}
	return v.redirect("/webhooks?done=replayed&n=" + strconv.Itoa(n.Events))
}
