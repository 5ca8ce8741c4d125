// SPDX-License-Identifier: Apache-2.0

package auditlog

import (
	"strings"
	"unicode/utf8"
)

// Group is a group of actions to filter by.
type Group struct{ Prefix, Name string }

// Groups are the groups of actions, in the order of a list to choose from.
func Groups() []Group {
	return []Group{
		{"key.", "API keys"},
		{"sender.", "Senders"},
		{"suppression.", "Suppressions"},
		{"access.", "People and sharing"},
		{"user.", "Signing in"},
		{"account.", "Account and policy"},
		{"profile.", "Organisation"},
		{"request.", "Requests"},
		{"hook.", "Webhooks about messages"},
		{"webhook.", "Webhook about secret keys"},
		{"plan.", "Plans"},
	}
}

// titles are what actions are called for people.
var titles = map[string]string{
	"key.create":      "Key created",
	"key.change":      "Key changed",
	"key.reset":       "Secret key reset",
	"key.retire":      "Old secret key retired",
	"key.overlap.end": "Overlap ended",
	"key.leaked":      "Secret key reported as leaked",
	"key.suspend":     "Key suspended",
	"key.restore":     "Key restored",
	"key.delete":      "Subaccount deleted",

	"sender.add":      "Sender added",
	"sender.change":   "Sender changed",
	"sender.remove":   "Sender removed",
	"sender.lend":     "Lending of a sender changed",
	"sender.mail":     "Link mailed to prove a sender",
	"sender.validate": "Sender proved",

	"suppression.add":    "Suppression added",
	"suppression.change": "Suppression changed",
	"suppression.remove": "Suppression removed",
	"suppression.import": "Suppression list imported",

	"access.invite":   "Invited",
	"access.withdraw": "Invitation withdrawn",
	"access.accept":   "Invitation accepted",
	"access.give":     "Access given",
	"access.change":   "Role changed",
	"access.remove":   "Access removed",

	"user.link":           "Sign-in link made",
	"user.sign_in":        "Signed in",
	"user.refused":        "Refused",
	"user.confirm":        "Confirmed who it is",
	"user.change":         "Profile changed",
	"user.password":       "Password set",
	"user.operator":       "Operator changed",
	"user.factor.add":     "Second factor on",
	"user.factor.remove":  "Second factor off",
	"user.passkey.add":    "Passkey added",
	"user.passkey.remove": "Passkey removed",
	"user.session.end":    "Session ended",
	"user.identity.bind":  "Sign-in by provider bound",

	"account.create":  "Account created",
	"account.change":  "Account changed",
	"account.plan":    "Plan assigned",
	"account.suspend": "Account suspended",
	"account.restore": "Account restored",

	"profile.change": "Organisation changed",

	"request.make":    "Asked for more",
	"request.grant":   "Request granted",
	"request.decline": "Request declined",

	"plan.create": "Plan created",
	"plan.change": "Plan changed",
	"plan.remove": "Plan removed",

	"hook.add":    "Webhook added",
	"hook.change": "Webhook changed",
	"hook.remove": "Webhook removed",
	"hook.dead":   "Webhook given up",
	"hook.replay": "Events sent again",
	"hook.secret": "Signing secret made",

	"webhook.set":    "Webhook set",
	"webhook.remove": "Webhook removed",
	"webhook.dead":   "Webhook given up",
	"webhook.replay": "Events sent again",
}

// Title says what the action of an entry was. One that has none, of a later version, is shown as it is called.
func (e Entry) Title() string {
	if title := titles[e.Action]; title != "" {
		return title
	}
	words := strings.NewReplacer(".", " ", "-", " ", "_", " ").Replace(e.Action)
	_, n := utf8.DecodeRuneInString(words)
	return strings.ToUpper(words[:n]) + words[n:]
}
