// SPDX-License-Identifier: Apache-2.0

// Package control is what the operator can ask for at the command line: a table of typed calls, [Calls]. The running server
// answers them on a unix socket in the data directory, which nobody but the server's own user can open, so that a reset is
// at once in force; when no server runs, the command line opens the data directory and makes the same calls in its own
// process.
//
// There are no credentials here: who can open the socket can read the database. Every change is the operator's in the
// audit log. What a caller did wrong is a *change.Error on either side of the socket.
package control

import (
	"context"
	"errors"
	"io"
	"time"

	"postern/internal/accounts"
	"postern/internal/auditlog"
	"postern/internal/backend"
	"postern/internal/change"
	"postern/internal/domain"
	"postern/internal/keys"
	"postern/internal/messages"
	"postern/internal/people"
	"postern/internal/queue"
	"postern/internal/report"
	"postern/internal/senders"
	"postern/internal/store"
	"postern/internal/submit"
	"postern/internal/suppress"
	"postern/internal/webhooks"
)

// Calls are the questions and changes of the operator. An argument that names a thing is the text that the operator typed.
type Calls struct {
	// Accounts, by number or name; "" is the only one.
	ListAccounts   func(ctx context.Context) ([]Account, error)
	CreateAccount  func(ctx context.Context, in NewAccount) (Credential, error)
	ShowAccount    func(ctx context.Context, account string) (AccountDetails, error)
	ChangeAccount  func(ctx context.Context, account string, in AccountChange) (AccountDetails, error)
	AssignPlan     func(ctx context.Context, account, plan string) (AccountDetails, error) // plan "": none
	SuspendAccount func(ctx context.Context, account, reason string) (accounts.KeysChanged, error)
	RestoreAccount func(ctx context.Context, account string) (accounts.KeysChanged, error)

	// An account's webhook.
	ShowAccountWebhook    func(ctx context.Context, account string) (webhooks.AccountWebhook, error)
	SetAccountWebhook     func(ctx context.Context, account, url string) (webhooks.AccountWebhook, error)
	TestAccountWebhook    func(ctx context.Context, account string) (webhooks.Sample, error)
	ListAccountDeliveries func(ctx context.Context, account string, in DeliveryQuery) ([]webhooks.Delivery, error)
	RemoveAccountWebhook  func(ctx context.Context, account string) (webhooks.AccountWebhook, error) // as it was

	// Plans, by name or number, and what accounts ask for beyond theirs.
	ListPlans      func(ctx context.Context) ([]Plan, error)
	CreatePlan     func(ctx context.Context, in PlanChange) (Plan, error)
	ChangePlan     func(ctx context.Context, plan string, in PlanChange) (Plan, error)
	RemovePlan     func(ctx context.Context, plan string) error
	ListRequests   func(ctx context.Context, all bool) ([]Request, error) // or the open ones
	MakeRequest    func(ctx context.Context, in NewRequest) (Request, error)
	GrantRequest   func(ctx context.Context, id, limit int64, note string) (Request, error) // limit 0: what was wanted
	DeclineRequest func(ctx context.Context, id int64, reason string) (Request, error)

	// People, by email address; "" is the only user.
	ListPeople       func(ctx context.Context, account string) ([]Person, error) // account "": of all
	Invite           func(ctx context.Context, in Share) (Person, error)
	ChangeAccess     func(ctx context.Context, in Share) ([]Person, error) // all of the account after it
	RemovePerson     func(ctx context.Context, in Share) (Shared, error)
	SetOperator      func(ctx context.Context, email string, on bool) (OperatorOf, error)
	SignOut          func(ctx context.Context, email string) (people.SignedOut, error)
	CreateSignInLink func(ctx context.Context, email string, forgetsSecondFactor bool) (Link, error)

	// Keys, by API key, name, number or reference; "" is the only account's master key.
	ListKeys        func(ctx context.Context, in KeyList) ([]keys.Key, error)
	ShowKey         func(ctx context.Context, key string) (keys.Details, error)
	ListConnections func(ctx context.Context, key string) ([]keys.Connection, error)
	SuggestNetworks func(ctx context.Context, key string) (keys.Suggestion, error)
	CreateKey       func(ctx context.Context, in NewKey) (Credential, error)
	ImportKeys      func(ctx context.Context, in KeyImport) ([]Imported, error) // one for each, in order
	ResetKey        func(ctx context.Context, key string, how keys.Reset) (Credential, error)
	RetireSecret    func(ctx context.Context, key string, secretID int64) (keys.Details, error) // 0: the one that has an end
	ChangeKey       func(ctx context.Context, key string, in KeyChange) (ChangedKey, error)
	SuspendKey      func(ctx context.Context, key, reason string) (keys.Details, error)
	RestoreKey      func(ctx context.Context, key string) (keys.Details, error)
	DeleteKey       func(ctx context.Context, key string, cancelQueued bool) error
	ReportLeak      func(ctx context.Context, secret, foundURL string) (LeakAnswer, error)

	// Senders: addresses and domains of a key.
	ListSenders  func(ctx context.Context, key string) ([]senders.Sender, error) // key "": of all
	AddSender    func(ctx context.Context, key, sender, name string) (senders.Sender, error)
	RemoveSender func(ctx context.Context, key, sender string) (senders.Sender, error) // as it is after it
	CheckSender  func(ctx context.Context, key, sender string) (domain.Report, error)
	ChangeSender func(ctx context.Context, key, sender string, in senders.SenderChange) (senders.Sender, error)
	MailSender   func(ctx context.Context, key, sender string) (senders.Sender, error)

	// A key's webhooks and what was posted to them.
	ListWebhooks      func(ctx context.Context, key string) ([]webhooks.Webhook, error) // key "": of all
	SetWebhooks       func(ctx context.Context, in WebhookSet) ([]webhooks.Webhook, error)
	RemoveWebhooks    func(ctx context.Context, in WebhookOf) ([]webhooks.Webhook, error) // as they were
	TestWebhooks      func(ctx context.Context, in WebhookOf) ([]webhooks.Delivery, error)
	ShowWebhookSecret func(ctx context.Context, key string) (webhooks.SigningSecret, error)
	NewWebhookSecret  func(ctx context.Context, key string, overlap time.Duration) (webhooks.SigningSecret, error)
	ListDeliveries    func(ctx context.Context, in DeliveryQuery) ([]webhooks.Delivery, error)
	ShowDelivery      func(ctx context.Context, id string) (webhooks.Delivery, error)
	ReplayDelivery    func(ctx context.Context, id string) (webhooks.Replayed, error)
	ReplayFailed      func(ctx context.Context, key string, since time.Time) (webhooks.Replayed, error)

	// Mail, by number or UUID.
	ListMessages  func(ctx context.Context, typed, key string, f store.MessageFilter, limit int) ([]messages.Message, error)
	ShowMessage   func(ctx context.Context, message string) (messages.Message, error)
	ShowSource    func(ctx context.Context, message string) ([]byte, error)
	RetryMessage  func(ctx context.Context, message string) (messages.Message, error)
	CancelMessage func(ctx context.Context, message string) (messages.Message, error)
	ResendMessage func(ctx context.Context, message string) (messages.Message, error) // the new one
	Send          func(ctx context.Context, key string, in messages.Test) (messages.Sent, error)
	ShowQueue     func(ctx context.Context) (messages.Queue, error)

	// Suppression lists, complaints and statistics.
	ListSuppressions   func(ctx context.Context, in SuppressionQuery) (Suppressions, error)
	AddSuppressions    func(ctx context.Context, in NewSuppressions) ([]suppress.Suppression, error)
	RemoveSuppression  func(ctx context.Context, key, email string) (suppress.Suppression, error)
	ImportSuppressions func(ctx context.Context, key, reason string, file io.Reader) (suppress.Report, error)       // CSV
	ReportComplaint    func(ctx context.Context, key, source string, report io.Reader) (suppress.Complained, error) // a mail of ARF
	ShowStatistics     func(ctx context.Context, in StatisticsQuery) (report.Statistics, error)

	// The audit log.
	ListAudit  func(ctx context.Context, in AuditQuery) ([]auditlog.Entry, error)
	CheckAudit func(ctx context.Context, in auditlog.Check) (auditlog.Check, error) // some of it: how far it has come
}

// Config is what the calls need.
type Config struct {
	*backend.Backend
	QueueStats func() queue.Stats        // nil when no queue runs
	SignInURL  func(token string) string // the page that a one-time link leads to
}

// operator answers the calls.
type operator struct{ Config }

// New makes the calls over the parts below the entry points.
func New(c Config) Calls {
	o := &operator{c}
	return Calls{
		ListAccounts:   o.listAccounts,
		CreateAccount:  o.createAccount,
		ShowAccount:    o.showAccount,
		ChangeAccount:  o.changeAccount,
		AssignPlan:     o.assignPlan,
		SuspendAccount: o.suspendAccount,
		RestoreAccount: o.restoreAccount,

		ShowAccountWebhook:    o.showAccountWebhook,
		SetAccountWebhook:     o.setAccountWebhook,
		TestAccountWebhook:    o.testAccountWebhook,
		RemoveAccountWebhook:  o.removeAccountWebhook,
		ListAccountDeliveries: o.listAccountDeliveries,

		ListPlans:      o.listPlans,
		CreatePlan:     o.createPlan,
		ChangePlan:     o.changePlan,
		RemovePlan:     o.removePlan,
		ListRequests:   o.listRequests,
		MakeRequest:    o.makeRequest,
		GrantRequest:   o.grantRequest,
		DeclineRequest: o.declineRequest,

		ListPeople:   o.listPeople,
		Invite:       o.invite,
		ChangeAccess: o.changeAccess,
		RemovePerson: o.removePerson,
		SetOperator:  o.setOperator,
		SignOut: func(ctx context.Context, email string) (people.SignedOut, error) {
			return o.People.SignOutUser(ctx, actor(), email)
		},
		CreateSignInLink: o.createLink,

		ListKeys:        o.listKeys,
		ShowKey:         o.showKey,
		ListConnections: o.listConnections,
		SuggestNetworks: o.suggestNetworks,
		CreateKey:       o.createKey,
		ImportKeys:      o.importKeys,
		ResetKey:        o.resetKey,
		RetireSecret:    o.retireSecret,
		ChangeKey:       o.changeKey,
		SuspendKey:      o.suspendKey,
		RestoreKey:      o.restoreKey,
		DeleteKey:       o.deleteKey,
		ReportLeak:      o.reportLeak,

		ListSenders:  o.listSenders,
		AddSender:    o.addSender,
		RemoveSender: o.removeSender,
		CheckSender:  o.checkSender,
		ChangeSender: o.changeSender,
		MailSender:   o.mailSender,

		ListWebhooks:      o.listWebhooks,
		SetWebhooks:       o.setWebhooks,
		RemoveWebhooks:    o.removeWebhooks,
		TestWebhooks:      o.testWebhooks,
		ShowWebhookSecret: o.showWebhookSecret,
		NewWebhookSecret:  o.newWebhookSecret,
		ListDeliveries:    o.listDeliveries,
		ShowDelivery:      o.showDelivery,
		ReplayDelivery:    o.replayDelivery,
		ReplayFailed:      o.replayFailed,

		ListMessages:  o.listMessages,
		ShowMessage:   o.showMessage,
		ShowSource:    o.showSource,
		RetryMessage:  o.retryMessage,
		CancelMessage: o.cancelMessage,
		ResendMessage: o.resendMessage,
		Send:          o.send,
		ShowQueue:     o.showQueue,

		ListSuppressions:   o.listSuppressions,
		AddSuppressions:    o.addSuppressions,
		RemoveSuppression:  o.removeSuppression,
		ImportSuppressions: o.importSuppressions,
		ReportComplaint:    o.reportComplaint,
		ShowStatistics:     o.showStatistics,

		ListAudit:  o.listAudit,
		CheckAudit: o.checkAudit,
	}
}

// actor is who all of this is done by.
func actor() change.Actor { return change.Actor{Kind: change.Operator, Origin: "command line"} }

func invalid(field, format string, args ...any) error {
	return change.Errorf(change.Invalid, field, format, args...)
}

// misused is a value that no store could make sense of.
func misused(field, format string, args ...any) error { return misuse(invalid(field, format, args...)) }

// misuse makes what the layer below refuses of a question a misuse of the command.
func misuse(err error) error {
	if e := new(change.Error); errors.As(err, &e) && e.Kind == change.Invalid {
		return &Misuse{e}
	}
	return err
}

func notFound(field, format string, args ...any) error {
	return change.Errorf(change.NotFound, field, format, args...)
}

// failureOf is how an error is written on the wire; of none it is empty.
func failureOf(err error) failure {
	var wrong *change.Error
	var misuse *Misuse
	var mail *submit.Error
	switch {
	case err == nil:
		return failure{}
	case errors.As(err, &wrong):
		return failure{Kind: wrong.Kind, Field: wrong.Field, Reason: wrong.Reason, Misuse: errors.As(err, &misuse)}
	case errors.As(err, &mail):
		return failure{Kind: change.Invalid, Field: mail.Field, Reason: mail.Reason}
	case errors.Is(err, store.ErrNotFound):
		return failure{Kind: change.NotFound, Reason: "there is no such thing"}
	}
	return failure{Reason: err.Error()}
}

// usualRows and maxListed are how many rows a listing has where nobody says it, and at most.
const (
	usualRows = 50
	maxListed = 1000
)

// listed reads how many rows are asked for, or answers as many as are usual.
func listed(limit *int, usual int) (int, error) {
	if limit == nil {
		return usual, nil
	}
	if *limit < 1 || *limit > maxListed {
		return 0, misused("limit", "%d is not between 1 and %d", *limit, maxListed)
	}
	return *limit, nil
}
