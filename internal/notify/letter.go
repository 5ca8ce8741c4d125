// SPDX-License-Identifier: Apache-2.0

package notify

import (
	"errors"
	"fmt"
	"net/mail"
	"regexp"
	"strings"
	"time"

	"postern/internal/notice"

	"postern/internal/access"
)

// hostDot is a dot as in the name of a host.
var hostDot = regexp.MustCompile(`\.(\pL{2,})`)

// letter is what a mail says, before it is text and HTML.
type letter struct {
	Subject string
	Lines   []string // paragraphs before the facts
	Facts   []fact
	Quote   string // what somebody wrote
	Button  string // what the link does
	URL     string
	After   []string // paragraphs after the link
	Why     string   // why one gets it: the footer
}

type fact struct{ Name, Value string }

// Why people get mail.
const (
	toOwner    = "You get this because you own this account on Postern."
	toUser     = "You get this because you sign in to Postern with this address."
	toAsker    = "You get this because you asked for it on Postern."
	toOperator = "You get this because you operate this Postern server."
)

// write says in words what a notice tells. Each kind is written here and nowhere else. A subject has none of the words
// that customers choose: the mail is from the operator's own address.
func write(baseURL string, n notice.Notice) (letter, error) {
	l := letter{URL: link(baseURL, n)}
	switch n.Kind {
	case notice.Invitation, notice.AccessGiven, notice.SenderLink, notice.RequestMade: // to others than those who chose the names
		n.AccountName, n.KeyName, n.Reason = unlinked(n.AccountName), unlinked(n.KeyName), unlinked(n.Reason)
		for i := range n.KeyNames {
			n.KeyNames[i] = unlinked(n.KeyNames[i])
		}
	}
	switch n.Kind {
	case notice.Invitation, notice.AccessGiven:
		l.sharing(n)
	case notice.RequestMade, notice.RequestGranted, notice.RequestDeclined:
		l.request(n)
	case notice.PasswordReset, notice.SignInChanged:
		l.signIn(n)
	case notice.KeySuspended, notice.KeyRestored:
		l.key(n)
	case notice.AccountSuspended, notice.AccountRestored:
		l.account(n)
	case notice.CredentialDue, notice.CredentialOverdue, notice.CredentialLeaked:
		l.credential(n)
	case notice.HookDead:
		l.hook(n)
	case notice.SenderLink, notice.DomainBroken, notice.DomainMended:
		l.sender(n)
	default:
		return l, fmt.Errorf("there are no words for a notice of the kind %q", n.Kind)
	}
	if l.Subject == "" {
		return l, errors.New("a notice without a subject")
	}
	return l, nil
}

// link is the notice's own, or the page of its key, or the first page.
func link(baseURL string, n notice.Notice) string {
	switch {
	case strings.HasPrefix(n.Link, "/"):
		return baseURL + n.Link
	case n.Kind == notice.SignInChanged:
		return baseURL + "/security"
	case n.KeyID != 0:
		return fmt.Sprintf("%s/keys/%d", baseURL, n.KeyID)
	}
	return baseURL + "/"
}

// unlinked is what somebody wrote, so that no reader of mail makes a link of it: "evil[.]example".
func unlinked(s string) string {
	return hostDot.ReplaceAllString(strings.ReplaceAll(s, "://", "[:]//"), "[.]$1")
}

func (l *letter) sharing(n notice.Notice) {
	by := person(n.By)
	l.Facts = facts("Account", n.AccountName, "Keys", strings.Join(n.KeyNames, ", "), "Your role", roleWords(n.Role), "Invited by", by,
		"When", when(n.At))
	if n.Kind == notice.AccessGiven {
		l.Subject = "Your access on Postern has changed"
		l.Lines = []string{by + " has shared " + shared(n) + " on Postern with you. Sign in as you always do; the account is in the " +
			"menu at the top of the page."}
		l.Button, l.Why = "Open it", toUser
		l.After = []string{"If you do not know " + by + ", do nothing: what you have here already is not touched."}
		return
	}
	l.Subject = "You are invited to an account on Postern"
	l.Lines = []string{by + " invites you to share " + shared(n) + " on Postern, a service that sends mail for programs."}
	l.Button = "Accept the invitation"
	l.After = []string{"The link works once, until " + when(n.Until) + ". It is meant for you alone: do not pass it on. If you do " +
		"not know " + by + ", do nothing."}
	l.Why = "You get this because somebody gave this address for an invitation. There will be no other mail unless you accept."
}

func shared(n notice.Notice) string {
	if len(n.KeyNames) == 0 {
		return "the account “" + n.AccountName + "”"
	}
	if len(n.KeyNames) == 1 {
		return "a key of the account “" + n.AccountName + "”"
	}
	return fmt.Sprintf("%d keys of the account “%s”", len(n.KeyNames), n.AccountName)
}

func roleWords(role string) string {
	switch role {
	case access.Owner:
		return "owner: everything"
	case access.Manager:
		return "manager: keys and senders, but not people or the plan"
	case access.Sender:
		return "sender: sends, and sees what was sent"
	case access.Analyst:
		return "analyst: sees, and changes nothing"
	}
	return role
}

func (l *letter) request(n notice.Notice) {
	l.Quote = n.Reason
	wanted := fmt.Sprintf("%d %s", n.Wanted, n.What)
	switch n.Kind {
	case notice.RequestMade:
		l.Subject = "An account asks for " + wanted
		l.Lines = []string{person(n.By) + " asks for more than the plan of the account gives."}
		l.Facts = facts("Account", n.AccountName, "Wanted", wanted, "Asked by", person(n.By), "When", when(n.At))
		l.Button, l.Why = "Grant or decline it", toOperator
		l.After = []string{"Your answer is mailed to the requester."}
	case notice.RequestGranted:
		l.Subject = "Granted: " + wanted
		l.Lines = []string{"Your request was granted. The account may now have " + wanted + "; there is nothing else to do."}
		l.Facts = facts("Account", n.AccountName, "Granted", wanted, "When", when(n.At))
		l.Button, l.Why = "See the account", toAsker
	default:
		l.Subject = "Declined: " + wanted
		l.Lines = []string{"Your request was declined. The limits of the account stay as they are."}
		l.Facts = facts("Account", n.AccountName, "Asked for", wanted, "When", when(n.At))
		l.Button, l.Why = "See the account", toAsker
		l.After = []string{"You can ask again on the account's page."}
	}
}

func (l *letter) signIn(n notice.Notice) {
	l.Why = toUser
	if n.Kind == notice.PasswordReset {
		l.Subject = "Set a new password"
		l.Lines = []string{"Somebody asked to set a new password for this address. If it was you, follow the link."}
		l.Facts = facts("Asked from", n.Address, "When", when(n.At))
		l.Button = "Set a new password"
		l.After = []string{"The link works once, until " + when(n.Until) + ". If it was not you, do nothing: your password stays as it is."}
		return
	}
	l.Subject = "Security alert: " + n.What
	l.Lines = []string{"What you sign in to Postern with has changed."}
	l.Facts = facts("Changed", n.What, "From", n.Address, "When", when(n.At))
	l.Button = "Look at your sign-in"
	l.After = []string{"If it was you, there is nothing to do. If not, set a new password at once, end your other sessions, and " +
		"notify your server administrator."}
}

func (l *letter) key(n notice.Notice) {
	l.Facts = facts("Account", n.AccountName, "Key", n.KeyName, "API key", n.APIKey, "When", when(n.At))
	l.Button, l.Why = "Open the key", toOwner
	if n.Kind == notice.KeySuspended {
		l.Subject, l.Quote = "The API key "+short(n.APIKey)+" is suspended", n.Reason
		l.Lines = []string{"The operator of your Postern server has suspended this key. Nothing is sent with it until they restore " +
			"it; its history stays."}
		l.After = []string{"To have it restored, answer to the operator."}
		return
	}
	l.Subject = "The API key " + short(n.APIKey) + " works again"
	l.Lines = []string{"The operator of your Postern server has restored this key. It is again what it was before it was suspended, " +
		"with the same secret."}
}

func (l *letter) account(n notice.Notice) {
	l.Facts = facts("Account", n.AccountName, "When", when(n.At))
	l.Button, l.Why = "Open the account", toOwner
	if n.Kind == notice.AccountSuspended {
		l.Subject, l.Quote = "Your account is suspended", n.Reason
		l.Lines = []string{"The operator of your Postern server has suspended this account with all its keys. Nothing is sent with " +
			"them until the operator restores it; their history stays."}
		l.After = []string{"To have it restored, answer to the operator."}
		return
	}
	l.Subject = "Your account works again"
	l.Lines = []string{"The operator of your Postern server has restored this account. Its keys are again what they were before, " +
		"with the same secrets."}
}

func (l *letter) credential(n notice.Notice) {
	l.Facts = facts("Account", n.AccountName, "Key", n.KeyName, "API key", n.APIKey)
	l.Button, l.Why = "Reset the secret key", toOwner
	const how = "A reset makes a new secret key and shows it once. Choose how long the old one goes on working, and change your " +
		"programs in that time; the page lists which connections still use it."
	switch n.Kind {
	case notice.CredentialDue:
		l.Subject = fmt.Sprintf("The secret key of %s is due in %s", short(n.APIKey), days(n.Days))
		l.Lines = []string{"By your account's policy this secret key is to be reset by " + date(n.Until) + ". " + stops(n.Stops,
			"After that it stops working.", "It will keep working.")}
		l.Facts = append(l.Facts, fact{"Days left", fmt.Sprint(n.Days)}, fact{"Due by", when(n.Until)})
		l.After = []string{how}
	case notice.CredentialOverdue:
		l.Subject = "The secret key of " + short(n.APIKey) + " is overdue"
		l.Lines = []string{"By your account's policy this secret key was to be reset by " + date(n.Until) + ". " + stops(n.Stops,
			"It has stopped working: nothing is sent with it until it is reset.", "It still works, and gets no safer.")}
		l.Facts = append(l.Facts, fact{"Overdue since", when(n.Until)})
		l.After = []string{how}
	default:
		l.Subject = "A secret key of " + short(n.APIKey) + " has leaked and was revoked"
		l.Lines = []string{"Somebody reported a secret key of yours that was found where it should not be. Whoever has it could " +
			"send as you, so it was revoked at once: what still uses it is refused."}
		l.Facts = append(l.Facts, facts("Secret key", "ends in "+n.Hint, "Reported from", n.Address, "Found at", n.FoundURL, "When",
			when(n.At))...)
		l.After = []string{
			"Reset it to get a new one, and put that into your programs. Before you do, find the place that the old one leaked " +
				"from, and look through the key's messages for what you did not send.",
		}
	}
}

func (l *letter) hook(n notice.Notice) {
	l.Subject = "Webhook disabled for " + short(n.APIKey)
	l.Lines = []string{"A URL that this key's events are posted to has answered nothing but errors for a day, so it is no longer called."}
	switch {
	case n.KeyID == 0:
		l.Subject = "The webhook about secret keys is dead"
		l.Lines = []string{"The URL that events of your secret keys are posted to has answered nothing but errors for a day, so it " +
			"is told nothing more. You still get them by mail."}
		if n.Wanted > 0 {
			l.Lines = append(l.Lines, fmt.Sprintf("What waited for it was dropped: %d events.", n.Wanted))
		}
	case n.Days > 0 && n.Wanted == 0:
		l.Lines = append(l.Lines, "Your backup URL has taken over what waited and what comes.")
	case n.Wanted > 0:
		l.Lines = append(l.Lines, fmt.Sprintf("What waited for it was dropped: %d events. They are still in the messages' histories.",
			n.Wanted))
	}
	l.Facts = facts("Account", n.AccountName, "Key", n.KeyName, "API key", n.APIKey, "URL", n.Address, "Events", n.What, "Failing since",
		when(n.Until), "Last error", n.Reason)
	l.Button, l.Why = "Open the webhooks", toOwner
	l.After = []string{"Once your receiver works again, save the URL again to re-enable it."}
}

// short is an API key in a subject.
func short(apiKey string) string { return apiKey[:min(8, len(apiKey))] + "…" }

func stops(does bool, yes, no string) string {
	if does {
		return yes
	}
	return no
}

func days(n int) string {
	if n == 1 {
		return "1 day"
	}
	return fmt.Sprintf("%d days", n)
}

// facts pairs names with values; those without a value are left out.
func facts(pairs ...string) []fact {
	var out []fact
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			out = append(out, fact{pairs[i], pairs[i+1]})
		}
	}
	return out
}

// person is an actor's name for people: "user a@example.com" is a@example.com.
func person(by string) string {
	name := strings.TrimPrefix(by, "user ")
	if _, err := mail.ParseAddress(name); err == nil {
		return name
	}
	switch by {
	case "", "postern":
		return "Postern"
	case "operator":
		return "The operator"
	}
	return by
}

func when(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2 January 2006, 15:04 UTC")
}

func date(t time.Time) string { return t.UTC().Format("2 January 2006") }
