// SPDX-License-Identifier: Apache-2.0

package entrypoints_test

import (
	"fmt"
	"slices"
)

// row is one question or change. It has a column for each entry point that has it; a column asks, and returns the answer
// in a form that all share. want is in each answer; "" says that the columns have to agree.
type row struct {
	name               string
	calls, api, pages  string // what it is about: calls of control.Calls, routes of the API, addresses of the pages
	want               string
	apart              string // what is known to differ, until it is mended
	byCLI, byAPI, byUI func() string
}

type object map[string]any

// rows are the questions and changes. A change that is refused is tried with the same mistake, and has the same reason.
func (w *world) rows() []row {
	return slices.Concat(w.keyRows(), w.accountRows(), w.senderRows(), w.webhookRows(), w.mailRows())
}

// key finds a key of the world; when only what the rows are about is wanted there is none.
func (w *world) key(name string) *key {
	if k := w.keys[name]; k != nil {
		return k
	}
	return &key{}
}

const names = `<th scope="row" class="c-name"><a href="[^"]*">([^<]*)<`

func (w *world) keyRows() []row {
	news, used, overlap, off := w.key("News"), w.key("Used"), w.key("Overlap"), w.key("Off")
	reset := func(of *key) string { return of.path("/reset") }
	return []row{
		{
			name: "the keys", calls: "ListKeys", api: "GET apikey", pages: "GET /keys",
			byCLI: w.cmdAll("Name", "key", "list"),
			byAPI: w.callAll("Name", "Primary", "GET /v3/REST/apikey?Limit=100"),
			byUI:  w.seeAll(names, "GET /keys"),
		},
		{
			name: "a key", calls: "ShowKey", api: "GET apikey/{id}", pages: "GET /keys/{id}", want: news.APIKey,
			byCLI: w.cmdAll("APIKey", "key", "show", "News"),
			byAPI: w.callAll("APIKey", "Primary", "GET "+news.path("")),
			byUI:  w.see("GET " + news.page("")),
		},
		{
			name: "what uses a key", calls: "ListConnections",
			api: "GET apikey/{id}/connections", pages: "GET /keys/{id}", want: "Go-http-client",
			byCLI: w.cmd("key", "connections", "Guarded"),
			byAPI: w.call("Primary", "GET "+w.key("Guarded").path("/connections"), nil),
			byUI:  w.see("GET " + w.key("Guarded").page("")),
		},
		{
			name: "networks for a key that was reset just now", calls: "SuggestNetworks",
			api: "GET apikey/{id}/networks", pages: "GET /keys/{id}",
			byCLI: w.cmdAll("Networks", "key", "restrict", "Used", "--suggest"),
			byAPI: w.callAll("Networks", "Primary", "GET "+used.path("/networks")),
			byUI:  w.seeAll(`From 30 days of use: (?:<code>)?(.*?)(?:</code>)?</span>`, "GET "+used.page("/restrict")),
		},
		{
			name: "whom new networks would shut out", calls: "ChangeKey",
			pages: "POST /keys/{id}/restrict", want: "Go-http-client/1.1 from 127.0.0.1",
			byCLI: w.shutOut("Guarded"),
			byUI: func() string {
				restrict := form("permission", "send", "permission", "statistics", "permission", "manage", "networks", "192.0.2.0/24")
				return tags.ReplaceAllString(w.visit("POST "+w.key("Guarded").page("/restrict"), restrict), "")
			},
		},
		{
			name: "whether a deactivated key is due", calls: "ListKeys", pages: "GET /keys",
			byCLI: func() string { return with("Off", all("Name", w.cli("key", "list", "--due"))) },
			byUI:  func() string { return with("Off", matches(names, w.visit("GET /keys?show=due", nil))) },
		},
		{
			name: "whether the old secret of an overlap is due or overdue", calls: "ShowKey", api: "GET apikey/{id}", want: "false, false",
			byCLI: func() string { return duties(w.cli("key", "show", "Overlap"), "Due", "Overdue") },
			byAPI: func() string { return duties(w.api("Primary", "GET "+overlap.path(""), nil), "IsDue", "IsOverdue") },
		},
		{
			name: "a name that is taken", calls: "CreateKey", api: "POST apikey", pages: "POST /keys/new", want: `named "News" already`,
			byCLI: w.cmd("key", "create", "News"),
			byAPI: w.call("Primary", "POST /v3/REST/apikey", object{"Name": "News"}),
			byUI:  w.create("News"),
		},
		{
			name: "a rename to a name that is taken", calls: "ChangeKey",
			api: "PUT apikey/{id}", pages: "POST /keys/{id}/rename", want: `named "Mute" already`,
			byCLI: w.cmd("key", "rename", "News", "Mute"),
			byAPI: w.call("Primary", "PUT "+news.path(""), object{"Name": "Mute"}),
			byUI:  w.see("POST "+news.page("/rename"), "name", "Mute"),
		},
		{
			name: "networks that are none", calls: "ChangeKey",
			api: "PUT apikey/{id}", pages: "POST /keys/{id}/restrict", want: "did you mean 10.0.0.0/8",
			byCLI: w.cmd("key", "restrict", "News", "--networks", "10.0.0.1/8"),
			byAPI: w.call("Primary", "PUT "+news.path(""), object{"Networks": []string{"10.0.0.1/8"}}),
			byUI:  w.see("POST "+news.page("/restrict"), "permission", "send", "networks", "10.0.0.1/8"),
		},
		{
			name: "what the operator restricted, loosened by others", api: "PUT apikey/{id}", pages: "POST /keys/{id}/restrict", want: "the operator restricted this",
			byAPI: w.call("Primary", "PUT "+w.key("Mute").path(""), object{"Permissions": []string{"send", "statistics", "manage"}}),
			byUI:  w.see("POST "+w.key("Mute").page("/restrict"), "permission", "send"),
		},
		{
			name: "a host name for links that is none", calls: "ChangeKey",
			api: "PUT apikey/{id}", pages: "POST /keys/{id}/links", want: "is not a host name",
			byCLI: w.cmd("key", "track-host", "News", "a b"),
			byAPI: w.call("Primary", "PUT "+news.path(""), object{"TrackHost": "a b"}),
			byUI:  w.see("POST "+news.page("/links"), "host", "a b"),
		},
		{
			name: "a key that is deactivated", calls: "ChangeKey",
			api: "PUT apikey/{id}", pages: "POST /keys/{id}/deactivate", want: "eactivated",
			byCLI: w.cmd("key", "deactivate", "Off"), byUI: w.see("POST " + off.page("/deactivate")),
			byAPI: func() string {
				if text := w.api("Primary", "PUT "+off.path(""), object{"IsActive": false}); all("IsActive", text) != "false" {
					return text
				}
				return "deactivated"
			},
		},
		{
			name: "an overlap that is too long", calls: "ResetKey",
			api: "POST apikey/{id}/reset", pages: "POST /keys/{id}/reset", want: "30 days",
			byCLI: w.cmd("key", "reset", "News", "--overlap", "31d"),
			byAPI: w.call("Primary", "POST "+reset(news), object{"OverlapSeconds": 31 * 86400}),
			byUI:  w.reset("News", "744"),
		},
		{
			name: "a secret that is not there", calls: "RetireSecret",
			api: "POST apikey/{id}/retire", pages: "POST /keys/{id}/secrets/{secret}/retire", want: absent,
			byCLI: w.none(w.cmd("key", "retire", "News", "999")),
			byAPI: w.none(w.call("Primary", "POST "+news.path("/retire"), object{"SecretID": 999})),
			byUI:  w.none(w.see("POST " + news.page("/secrets/999/retire"))),
		},
		{
			name: "a suspension without a reason", calls: "SuspendKey",
			pages: "POST /operator/keys/{id}/suspend", want: "the owners are told it",
			byCLI: w.cmd("key", "suspend", "News", "--reason", " "), byUI: w.see("POST /operator"+news.page("/suspend"), "reason", " "),
		},
		{
			name: "an end of no suspension", calls: "RestoreKey", pages: "POST /operator/keys/{id}/restore", want: "is not suspended",
			byCLI: w.cmd("key", "restore", "News"), byUI: w.see("POST /operator" + news.page("/restore")),
		},
		{
			name: "the deletion of a master key", calls: "DeleteKey",
			api: "DELETE apikey/{id}", pages: "POST /keys/{id}/delete", want: "the master key is kept",
			byCLI: kept(w.cmd("key", "delete", "Primary", "--queued", "send", "--yes")),
			byAPI: kept(w.call("Primary", "DELETE "+w.key("Primary").path(""), nil)),
			byUI:  kept(w.see("POST "+w.key("Primary").page("/delete"), "name", "Primary")),
		},
	}
}

// shutOut are the connections that networks shut out, as the command line has them.
func (w *world) shutOut(name string) func() string {
	return func() string {
		text := w.cli("key", "restrict", name, "--networks", "192.0.2.0/24")
		return all("Client", all2(text, "ShutOut")) + " from " + all("Address", all2(text, "ShutOut"))
	}
}

// create creates a subaccount by its form, which may be sent once.
func (w *world) create(name string) func() string {
	return func() string {
		nonce := matches(`name="nonce" value="([^"]*)"`, w.visit("GET /keys/new", nil))
		return w.visit("POST /keys/new", form("nonce", nonce, "name", name))
	}
}

// reset resets a key by its form, with an overlap of hours.
func (w *world) reset(name, hours string) func() string {
	return func() string {
		page := w.key(name).page("/reset")
		text := w.visit("GET "+page, nil)
		nonce, newest := matches(`name="nonce" value="([^"]*)"`, text), matches(`name="newest" value="([^"]*)"`, text)
		return w.visit("POST "+page, form("nonce", nonce, "newest", newest, "overlap", "own", "hours", hours))
	}
}

// suspendedForItself takes steps with a key that is not suspended and its account, and says what state the key has then.
func (w *world) suspendedForItself(steps ...func() string) func() string {
	return func() string {
		w.cli("key", "restore", "Suspended")
		for _, step := range steps {
			step()
		}
		return all("State", w.cli("key", "show", "Suspended"))
	}
}

func (w *world) accountRows() []row {
	suspendKey, suspendAccount := w.cmd("key", "suspend", "Suspended", "--reason", "Spam"), w.cmd("account", "suspend", "Primary", "--reason", "Not paid")
	restoreAccount, restoreSeen := w.cmd("account", "restore", "Primary"), w.see("POST /operator/accounts/1/restore")
	seeKey, seeAccount := w.see("POST /operator"+w.key("Suspended").page("/suspend"), "reason", "Spam"), w.see("POST /operator/accounts/1/suspend", "reason", "Not paid")
	return []row{
		{
			name: "the accounts", calls: "ListAccounts", pages: "GET /operator", want: "Primary",
			byCLI: w.cmd("account", "list"), byUI: w.see("GET /operator"),
		},
		{
			name: "an account's plan and policy", calls: "ShowAccount", api: "GET plan", pages: "GET /account", want: "Small",
			byCLI: w.cmd("account", "show", "Primary"), byAPI: w.call("Primary", "GET /v3/REST/plan", nil), byUI: w.see("GET /account"),
		},
		{
			name: "a policy that is none", calls: "ChangeAccount", pages: "POST /account/policy", want: "1 to 3650",
			byCLI: w.cmd("account", "policy", "Primary", "--days", "0"), byUI: w.see("POST /account/policy", "days", "0", "remind", "0"),
		},
		{
			name: "an account without a name", calls: "ChangeAccount", pages: "POST /account/name", want: "name",
			byCLI: w.cmd("account", "rename", "Primary", " "), byUI: w.see("POST /account/name", "name", " "),
		},
		{
			name: "what mail tells", calls: "ChangeAccount", pages: "POST /account/tracking", want: "all",
			byCLI: func() string {
				return all("Unsubscribe", w.cli("account", "tracking", "Primary", "--unsubscribe", "all"))
			},
			byUI: func() string {
				w.visit("POST /account/tracking", form("unsubscribe", "all"))
				return matches(`value="([^"]*)" required checked`, w.visit("GET /account/tracking", nil))
			},
		},
		{
			name: "an account's plan", calls: "AssignPlan", pages: "POST /operator/accounts/{id}/plan", want: "Small",
			byCLI: w.cmd("account", "plan", "Primary", "Small"), byUI: w.see("POST /operator/accounts/1/plan", "plan", "1"),
		},
		{
			name: "a suspension of an account without a reason", calls: "SuspendAccount",
			pages: "POST /operator/accounts/{id}/suspend", want: "the owners are told it",
			byCLI: w.cmd("account", "suspend", "Primary", "--reason", " "),
			byUI:  w.see("POST /operator/accounts/1/suspend", "reason", " "),
		},
		{
			name: "a key that was suspended for itself, after its account was and is no more", calls: "SuspendAccount RestoreAccount SuspendKey",
			pages: "POST /operator/accounts/{id}/suspend POST /operator/accounts/{id}/restore", want: "suspended",
			byCLI: w.suspendedForItself(suspendKey, suspendAccount, restoreAccount), byUI: w.suspendedForItself(seeKey, seeAccount, restoreSeen),
		},
		{
			name: "a key that was suspended for itself while its account was, which is no more", calls: "SuspendAccount RestoreAccount SuspendKey RestoreKey",
			pages: "POST /operator/accounts/{id}/suspend POST /operator/accounts/{id}/restore", want: "suspended",
			byCLI: w.suspendedForItself(suspendAccount, suspendKey, restoreAccount), byUI: w.suspendedForItself(seeAccount, seeKey, restoreSeen),
		},
		{
			name: "an account's webhook that is none", calls: "SetAccountWebhook",
			pages: "POST /account/webhook", want: "must begin with https://",
			byCLI: w.cmd("account", "webhook", "set", "Primary", "http://hooks.test/"),
			byUI:  w.once("/account/webhook", "url", "http://hooks.test/"),
		},
		{
			name: "an account without a webhook", calls: "ShowAccountWebhook", pages: "GET /account", want: absent,
			byCLI: w.none(w.cmd("account", "webhook", "show", "Primary")), byUI: w.none(w.see("GET /account")),
		},
		{
			name: "a try of no webhook", calls: "TestAccountWebhook", pages: "POST /account/webhook/test", want: absent,
			byCLI: w.none(w.cmd("account", "webhook", "test", "Primary")), byUI: w.none(w.see("POST /account/webhook/test")),
		},
		{
			name: "the end of no webhook", calls: "RemoveAccountWebhook", pages: "POST /account/webhook/remove", want: absent,
			byCLI: w.none(w.cmd("account", "webhook", "remove", "Primary")), byUI: w.none(w.see("POST /account/webhook/remove")),
		},
		{
			name: "the plans", calls: "ListPlans", pages: "GET /operator/plans", want: "Other",
			byCLI: w.cmd("plan", "list"), byUI: w.see("GET /operator/plans"),
		},
		{
			name: "a plan of a name that is taken", calls: "CreatePlan",
			pages: "POST /operator/plans/new", want: `a plan named "Small" already`,
			byCLI: w.cmd("plan", "create", "Small"), byUI: w.see("POST /operator/plans/new", "name", "Small"),
		},
		{
			name: "a plan's new name that is taken", calls: "ChangePlan",
			pages: "POST /operator/plans/{id}", want: `a plan named "Small" already`,
			byCLI: w.cmd("plan", "change", "Other", "--name", "Small"), byUI: w.see("POST /operator/plans/2", "name", "Small"),
		},
		{
			name: "the removal of a plan that is used", calls: "RemovePlan",
			pages: "POST /operator/plans/{id}/remove", want: "1 accounts have the plan Small",
			byCLI: w.cmd("plan", "remove", "Small"), byUI: w.see("POST /operator/plans/1/remove"),
		},
		{
			name: "open requests", calls: "ListRequests",
			api: "GET subaccountrequest", pages: "GET /operator/requests", want: "More shops",
			byCLI: w.cmd("request", "list"),
			byAPI: w.call("Primary", "GET /v3/REST/subaccountrequest", nil),
			byUI:  w.see("GET /operator/requests"),
		},
		{
			name: "a request beside an open one", calls: "MakeRequest",
			api: "POST subaccountrequest", pages: "POST /account/requests/new", want: "is open already",
			byCLI: w.cmd("request", "make", "subaccounts", "60", "--reason", "Again"),
			byAPI: w.call("Primary", "POST /v3/REST/subaccountrequest", object{"Kind": "subaccounts", "Wanted": 60, "Reason": "Again"}),
			byUI:  w.see("POST /account/requests/new", "kind", "subaccounts", "wanted", "60", "reason", "Again"),
		},
		{
			name: "a grant of less than there is", calls: "GrantRequest", pages: "POST /operator/requests/{id}", want: "more than the 40",
			byCLI: w.cmd("request", "grant", "1", "--limit", "2"),
			byUI:  w.see("POST /operator/requests/1", "answer", "grant", "limit", "2"),
		},
		{
			name: "a refusal without a reason", calls: "DeclineRequest", pages: "POST /operator/requests/{id}", want: "reason",
			byCLI: w.cmd("request", "decline", "1", "--reason", " "), byUI: w.see("POST /operator/requests/1", "answer", "decline"),
		},
		{
			name: "the people", calls: "ListPeople", api: "GET apikeyaccess", pages: "GET /account", want: w.email(),
			byCLI: w.cmd("user", "list"), byAPI: w.call("Primary", "GET /v3/REST/apikeyaccess", nil), byUI: w.see("GET /account"),
		},
		{
			name: "an invitation to no address", calls: "Invite",
			api: "POST apikeyaccess", pages: "POST /account/invite", want: "email address: has no @",
			byCLI: w.cmd("user", "invite", "nobody", "--role", "owner"),
			byAPI: w.call("Primary", "POST /v3/REST/apikeyaccess", object{"Email": "nobody", "Role": "owner", "IsWholeAccount": true}),
			byUI:  w.see("POST /account/invite", "email", "nobody", "role", "owner", "on", "account", "days", "7"),
		},
		{
			name: "the only owner's role", calls: "ChangeAccess",
			api: "PUT apikeyaccess/{id}", pages: "POST /account/people/{id}/role", want: "without an owner",
			byCLI: w.cmd("user", "access", w.email(), "--role", "analyst"),
			byAPI: w.call("Primary", "PUT /v3/REST/apikeyaccess/1", object{"Role": "analyst"}),
			byUI:  w.see("POST /account/people/1/role", "role", "analyst"),
		},
		{
			name: "the only owner's removal", calls: "RemovePerson",
			api: "DELETE apikeyaccess/{id}", pages: "POST /account/people/{id}/remove", want: "without an owner",
			byCLI: w.cmd("user", "remove", w.email()),
			byAPI: w.call("Primary", "DELETE /v3/REST/apikeyaccess/1", nil),
			byUI:  w.see("POST /account/people/1/remove"),
		},
		{
			name: "an operator who is no user", calls: "SetOperator", pages: "POST /operator/operators/new", want: "there is no user",
			byCLI: w.cmd("user", "operator", "nobody@example.com"),
			byUI:  w.see("POST /operator/operators/new", "email", "nobody@example.com"),
		},
		{
			name: "who operates", calls: "ListPeople", pages: "GET /operator/operators", want: w.email(),
			byCLI: w.cmd("user", "list"), byUI: w.see("GET /operator/operators"),
		},
		{
			name: "the audit log", calls: "ListAudit", api: "GET audit", pages: "GET /audit", want: w.key("News").APIKey,
			byCLI: w.cmd("audit", "list", "--search", w.key("News").APIKey, "--limit", "1"),
			byAPI: w.call("Primary", "GET /v3/REST/audit?Limit=1&Search="+w.key("News").APIKey, nil),
			byUI:  w.see("GET /audit?q=" + w.key("News").APIKey),
		},
		{
			name: "whether the audit log is whole", calls: "CheckAudit", pages: "POST /operator/audit/verify", want: "ntries",
			byCLI: w.cmd("audit", "verify"), byUI: w.see("POST /operator/audit/verify"),
		},
	}
}

func (w *world) email() string {
	if w.server == nil {
		return ""
	}
	return w.server.Email
}

func (w *world) senderRows() []row {
	return []row{
		{
			name: "the senders of a key", calls: "ListSenders", api: "GET sender", pages: "GET /senders", want: "shop.test",
			byCLI: w.cmd("sender", "list", "--key", "News"),
			byAPI: w.call("News", "GET /v3/REST/sender", nil),
			byUI:  w.see("GET /senders?key=" + w.key("News").APIKey),
		},
		{
			name: "a sender that is neither", calls: "AddSender",
			api: "POST sender", pages: "POST /senders/new", want: "it is neither an address nor a domain",
			byCLI: w.cmd("sender", "add", "foo", "--key", "News"), byAPI: w.call("News", "POST /v3/REST/sender", object{"Email": "foo"}),
			byUI: w.see("POST /senders/new", "sender", "foo", "key", w.key("News").APIKey),
		},
		{
			name: "lending what is not the master key's", calls: "ChangeSender",
			pages: "POST /senders/{id}/lend", want: "only a sender of the account's master key",
			byCLI: w.cmd("sender", "lend", "shop.test", "--key", "News"), byUI: w.see("POST /senders/1/lend", "lend", "yes"),
		},
		{
			name: "a link for who needs none", calls: "MailSender", pages: "POST /senders/{id}/mail", want: "is not an address that waits",
			byCLI: w.cmd("sender", "mail", "shop.test", "--key", "News"), byUI: w.see("POST /senders/1/mail"),
		},
		{
			name: "a sender's type", calls: "ChangeSender", api: "PUT sender/{id}", pages: "POST /senders/{id}/type", want: "bulk",
			byCLI: w.cmdAll("EmailType", "sender", "type", "shop.test", "bulk", "--key", "News"),
			byAPI: func() string {
				return all("EmailType", w.api("News", "PUT /v3/REST/sender/1", object{"EmailType": "bulk"}))
			},
			byUI: w.see("POST /senders/1/type", "emailtype", "bulk"),
		},
		{
			name: "a sender's name", calls: "ChangeSender", api: "PUT sender/{id}", pages: "POST /senders/{id}/name", want: "The Shop",
			byCLI: w.cmdAll("Name", "sender", "rename", "shop.test", "The Shop", "--key", "News"),
			byAPI: func() string { return all("Name", w.api("News", "PUT /v3/REST/sender/1", object{"Name": "The Shop"})) },
			byUI:  w.see("POST /senders/1/name", "name", "The Shop"),
		},
		{
			name: "what is lent", calls: "ListSenders", api: "GET metasender", pages: "GET /senders", want: "acme.test",
			byCLI: w.cmd("sender", "list", "--key", "Primary"),
			byAPI: w.call("Primary", "GET /v3/REST/metasender", nil),
			byUI:  w.see("GET /senders"),
		},
		{
			name: "the removal of a sender that is none", calls: "RemoveSender",
			api: "DELETE sender/{id}", pages: "POST /senders/{id}/remove", want: absent,
			byCLI: w.none(w.cmd("sender", "remove", "nobody@shop.test", "--key", "News")),
			byAPI: w.none(w.call("News", "DELETE /v3/REST/sender/999", nil)),
			byUI:  w.none(w.see("POST /senders/999/remove")),
		},
		{
			name: "a look at a sender's domain", calls: "CheckSender",
			api: "GET dns", pages: "GET /senders/{id}", want: "_domainkey.shop.test",
			byCLI: w.cmd("sender", "check", "shop.test", "--key", "News"),
			byAPI: w.call("News", "GET /v3/REST/dns", nil),
			byUI:  w.see("GET /senders/1"),
		},
	}
}

func (w *world) webhookRows() []row {
	return []row{
		{
			name: "a webhook that is none", calls: "SetWebhooks",
			api: "POST eventcallbackurl", pages: "POST /webhooks/new", want: "must begin with https://",
			byCLI: w.cmd("webhook", "set", "http://hooks.test/", "sent", "--key", "News"),
			byAPI: w.call("News", "POST /v3/REST/eventcallbackurl", object{"EventType": "sent", "Url": "http://hooks.test/"}),
			byUI:  w.see("POST /webhooks/new", "key", w.key("News").APIKey, "url", "http://hooks.test/", "type", "sent", "version", "2"),
		},
		{
			name: "an overlap of signing secrets that is too long", calls: "NewWebhookSecret", api: "POST webhooksecret", want: "30 days",
			byCLI: w.cmd("webhook", "secret", "--key", "News", "--new", "--overlap", "31d"),
			byAPI: w.call("News", "POST /v3/REST/webhooksecret", object{"OverlapSeconds": 31 * 86400}),
		},
		{
			name: "webhooks that are not there", calls: "RemoveWebhooks",
			api: "DELETE eventcallbackurl/{id}", pages: "POST /webhooks/{id}/remove", want: absent,
			byCLI: w.none(w.cmd("webhook", "remove", "sent", "--key", "News")),
			byAPI: w.none(w.call("News", "DELETE /v3/REST/eventcallbackurl/99", nil)),
			byUI:  w.none(w.see("POST /webhooks/99/remove")),
		},
		{
			name: "a try of a webhook that is not there", calls: "TestWebhooks",
			api: "POST eventcallbackurl/{id}/test", pages: "POST /webhooks/{id}/test", want: absent,
			byCLI: w.none(w.cmd("webhook", "test", "sent", "--key", "News")),
			byAPI: w.none(w.call("News", "POST /v3/REST/eventcallbackurl/99/test", nil)),
			byUI:  w.none(w.see("POST /webhooks/99/test")),
		},
		{
			name: "a key's webhooks", calls: "ListWebhooks", api: "GET eventcallbackurl", pages: "GET /webhooks", want: "hooks.test/mail",
			byCLI: w.cmd("webhook", "list", "--key", "Mute"),
			byAPI: w.call("Mute", "GET /v3/REST/eventcallbackurl", nil),
			byUI:  w.see("GET /webhooks?key=" + w.key("Mute").APIKey),
		},
		{
			name: "whether a key's webhooks are signed", calls: "ShowWebhookSecret", api: "GET webhooksecret", want: "",
			byCLI: w.cmdAll("CreatedAt", "webhook", "secret", "--key", "News"),
			byAPI: w.callAll("CreatedAt", "News", "GET /v3/REST/webhooksecret"),
		},
		{
			name: "what was delivered", calls: "ListDeliveries", api: "GET webhookdelivery", pages: "GET /webhooks", want: "",
			byCLI: w.cmdAll("ID", "webhook", "log", "--key", "News"), byAPI: w.callAll("ID", "News", "GET /v3/REST/webhookdelivery"),
			byUI: w.seeAll(`href="/deliveries/(\d+)"`, "GET /webhooks?key="+w.key("News").APIKey),
		},
		{
			name: "what was delivered to an account's webhook", calls: "ListAccountDeliveries", pages: "GET /webhooks", want: "",
			byCLI: w.cmdAll("ID", "account", "webhook", "log", "Primary"),
			byUI:  w.seeAll(`href="/deliveries/(\d+)"`, "GET /webhooks?of=account"),
		},
		{
			name: "a delivery that is not there", calls: "ShowDelivery",
			api: "GET webhookdelivery/{id}", pages: "GET /deliveries/{id}", want: absent,
			byCLI: w.none(w.cmd("webhook", "log", "99")),
			byAPI: w.none(w.call("News", "GET /v3/REST/webhookdelivery/99", nil)),
			byUI:  w.none(w.see("GET /deliveries/99")),
		},
		{
			name: "a replay of a delivery that is not there", calls: "ReplayDelivery",
			api: "POST webhookdelivery/{id}/replay", pages: "POST /deliveries/{id}/replay", want: absent,
			byCLI: w.none(w.cmd("webhook", "replay", "99")),
			byAPI: w.none(w.call("News", "POST /v3/REST/webhookdelivery/99/replay", nil)),
			byUI:  w.none(w.see("POST /deliveries/99/replay")),
		},
		{
			name: "a replay of nothing", calls: "ReplayFailed", api: "POST webhookdelivery", pages: "POST /webhooks/replay", want: "0",
			byCLI: w.cmdAll("Events", "webhook", "replay", "--since", "1h", "--key", "News"),
			byAPI: func() string {
				return all("EventCount", w.api("News", "POST /v3/REST/webhookdelivery", object{"Since": "2026-01-01T00:00:00Z"}))
			},
			byUI: w.seeAll(`(\d+) events? (?:is|are) told again`, "POST /webhooks/replay", "key", w.key("News").APIKey, "hours", "1"),
		},
	}
}

func (w *world) mailRows() []row {
	mail := func(from string) object {
		return object{"Messages": []object{{"From": object{"Email": from}, "To": []object{{"Email": "b@one.test"}}, "TextPart": "x"}}}
	}
	mute := w.key("Mute")
	return []row{
		{
			name: "mail of a key without the permission to send", calls: "Send",
			api: "POST /v3.1/send", pages: "POST /keys/{id}/test", want: "refused: send",
			byCLI: func() string { return refusal(w.cli("send", "b@one.test", "--key", "Mute", "--from", "a@mute.test")) },
			byAPI: func() string { return refusal(w.api("Mute", "POST /v3.1/send", mail("a@mute.test"))) },
			byUI:  func() string { return refusal(w.visit("POST "+mute.page("/test"), nil)) },
		},
		{
			name: "mail of a key that is deactivated", calls: "Send", pages: "POST /keys/{id}/test", want: "deactivated",
			byCLI: w.cmd("send", "b@one.test", "--key", "Off", "--from", "a@shop.test"),
			byUI:  w.see("POST " + w.key("Off").page("/test")),
		},
		{
			name: "messages", calls: "ListMessages", api: "GET message", pages: "GET /messages", want: "1 blocked",
			byCLI: func() string {
				return fmt.Sprint(len(split(w.message())), " ", all("Status", w.cli("messages", "--key", "News")))
			},
			byAPI: func() string {
				return all("Count", w.api("News", "GET /v3/REST/message", nil)) + " " + all("Status", w.api("News", "GET /v3/REST/message", nil))
			},
			byUI: func() string {
				text := w.visit("GET /messages?key="+w.key("News").APIKey, nil)
				n := len(split(matches(`href="/messages/(\d+)"`, text)))
				return fmt.Sprint(n, " ", matches(`(blocked) </`, tags.ReplaceAllString(text, " </")))
			},
		},
		{
			name: "a message", calls: "ShowMessage", api: "GET message/{id}", pages: "GET /messages/{id}", want: "preblocked",
			byCLI: func() string { return w.cli("messages", w.message()) },
			byAPI: func() string { return w.api("News", "GET /v3/REST/messagehistory/"+w.message(), nil) },
			byUI:  func() string { return w.visit("GET /messages/"+w.message(), nil) },
		},
		{
			name: "the source of a message that is not there", calls: "ShowSource", pages: "GET /messages/{id}/source", want: absent,
			byCLI: w.none(w.cmd("messages", "999", "--source")), byUI: w.none(w.see("GET /messages/999/source")),
		},
		w.act("RetryMessage", "retry"), w.act("CancelMessage", "cancel"),
		{
			name: "another try of what is suppressed", calls: "ResendMessage",
			api: "POST message/{id}/resend", pages: "POST /messages/{id}/resend", want: "suppress",
			byCLI: func() string { return w.cli("messages", w.message(), "--resend") },
			byAPI: func() string { return w.api("News", "POST /v3/REST/message/"+w.message()+"/resend", nil) },
			byUI:  func() string { return w.visit("POST /messages/"+w.message()+"/resend", nil) },
		},
		{
			name: "how much mail was blocked", calls: "ShowStatistics", api: "GET statcounters", pages: "GET /statistics", want: "1",
			byCLI: func() string {
				return all("Blocked", all2(w.cli("stats", "--key", "News", "--resolution", "total"), "All"))
			},
			byAPI: w.callAll("MessageBlockedCount", "News",
				"GET /v3/REST/statcounters?CounterSource=APIKey&CounterTiming=Message&CounterResolution=Lifetime"),
			byUI: func() string {
				text := tags.ReplaceAllString(w.visit("GET /statistics?key="+w.key("News").APIKey, nil), " ")
				return matches(`Blocked (\d+)`, space.ReplaceAllString(text, " "))
			},
		},
		{
			name: "a suppression list", calls: "ListSuppressions",
			api: "GET suppression", pages: "GET /suppressions", want: "gone@one.test",
			byCLI: w.cmd("suppression", "list", "--key", "News"),
			byAPI: w.call("News", "GET /v3/REST/suppression", nil),
			byUI:  w.see("GET /suppressions?key=" + w.key("News").APIKey),
		},
		{
			name: "a suppression of no address", calls: "AddSuppressions",
			api: "POST suppression", pages: "POST /suppressions/new", want: "is not an email address",
			byCLI: w.cmd("suppression", "add", "nobody", "--key", "News"),
			byAPI: w.call("News", "POST /v3/REST/suppression", object{"Email": "nobody"}),
			byUI:  w.see("POST /suppressions/new", "key", w.key("News").APIKey, "emails", "nobody", "reason", "manual"),
		},
		{
			name: "the end of no suppression", calls: "RemoveSuppression",
			api: "DELETE suppression/{id}", pages: "POST /suppressions/{id}/remove", want: absent,
			byCLI: w.none(w.cmd("suppression", "remove", "nobody@one.test", "--key", "News")),
			byAPI: w.none(w.call("News", "DELETE /v3/REST/suppression/999", nil)),
			byUI:  w.none(w.see("POST /suppressions/999/remove")),
		},
		{
			name: "a file of no address", calls: "ImportSuppressions",
			pages: "POST /suppressions/import", want: `"nobody" is not an email address`,
			byCLI: w.cmd("suppression", "import", w.file("email\nnobody\n"), "--key", "News"),
			byUI:  w.upload("/suppressions/import", "email\nnobody\n", "is not an email address"),
		},
		{
			name: "a report that is none", calls: "ReportComplaint", api: "POST complaint", want: "is not a header field",
			byCLI: w.cmd("complaint", w.file("hello"), "--key", "News"),
			byAPI: w.call("News", "POST /v3/REST/complaint", object{"Report": "hello"}),
		},
	}
}

// refusal is what refuses mail for want of a permission, in each entry point's words.
func refusal(text string) string {
	if matches(`((?i)lacks the permission send|not allowed to send)`, text) != "" {
		return "refused: send"
	}
	return text
}

// with says whether a name is in a list.
func with(name, list string) string {
	if slices.Contains(split(list), name) {
		return name + " is"
	}
	return name + " is not"
}

// absent says that something is not there: each entry point names it by what it is asked by.
const absent = "absent"

func (w *world) none(ask func() string) func() string {
	return func() string {
		text := ask()
		if matches(`(?i)(not found|there is no|has no|no live secret|is not a sender|is not on the)`, text) != "" {
			return absent
		}
		return text
	}
}

// kept is how the deletion of a master key is refused.
func kept(ask func() string) func() string {
	return func() string {
		text := ask()
		if matches(`(?i)(primary key cannot be deleted|master key)`, text) != "" {
			return "the master key is kept"
		}
		return text
	}
}

// message is the number of the mail that was sent to who is on the suppression list.
func (w *world) message() string { return all("ID", w.cli("messages", "--key", "News")) }

// act is a change of a message that does not wait any more.
func (w *world) act(name, what string) row {
	return row{
		name: what + " of a message that does not wait", calls: name,
		api: "POST message/{id}/" + what, pages: "POST /messages/{id}/" + what, want: "the message does not wait any more",
		byCLI: func() string { return w.cli("messages", w.message(), "--"+what) },
		byAPI: func() string { return w.api("News", "POST /v3/REST/message/"+w.message()+"/"+what, nil) },
		byUI:  func() string { return w.visit("POST /messages/"+w.message()+"/"+what, nil) },
	}
}
