// SPDX-License-Identifier: Apache-2.0

// Package control is the operator's door: JSON over HTTP on a unix socket in the data directory, which nobody but the
// server's own user can open. The command line speaks to it through a [Client]: over the socket when a server runs, so
// that a reset is at once in force, and otherwise with the same handler in its own process.
//
// There are no credentials here: who can open the socket can read the database. Every change is the operator's in the
// audit log. An answer is an object; an error is {"field": …, "reason": …} with a status of 400 or more.
package control

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"

	"postern/internal/backend"
	"postern/internal/change"

	"postern/internal/queue"
	"postern/internal/store"
	"postern/internal/submit"
	"postern/internal/suppress"
)

// Config is what the door needs.
type Config struct {
	*backend.Backend
	QueueStats func() queue.Stats        // nil when no queue runs
	SignInURL  func(token string) string // the page that a one-time link leads to
	Hostname   string                    // for Message-IDs
	Log        *slog.Logger
}

// maxBody bounds a request: a test mail's text is the largest thing in one.
const maxBody = 4 << 20

// operator is who all of this is done by.
func operator() change.Actor { return change.Actor{Kind: change.Operator, Origin: "command line"} }

// New makes the door's handler.
func New(c Config) http.Handler {
	d := &door{c}
	mux := http.NewServeMux()
	for pattern, h := range map[string]func(*http.Request) (any, error){
		"GET /accounts":                           d.listAccounts,
		"POST /accounts":                          d.createAccount,
		"GET /accounts/{account}":                 d.showAccount,
		"POST /accounts/{account}/change":         d.changeAccount,
		"POST /accounts/{account}/plan":           d.assignPlan,
		"POST /accounts/{account}/suspend":        d.suspendAccount,
		"POST /accounts/{account}/restore":        d.restoreAccount,
		"GET /accounts/{account}/webhook":         d.showAccountWebhook,
		"POST /accounts/{account}/webhook":        d.setAccountWebhook,
		"POST /accounts/{account}/webhook/test":   d.testAccountWebhook,
		"POST /accounts/{account}/webhook/remove": d.removeAccountWebhook,
		"GET /plans":                              d.listPlans,
		"POST /plans":                             d.createPlan,
		"POST /plans/{plan}/change":               d.changePlan,
		"POST /plans/{plan}/remove":               d.removePlan,
		"GET /requests":                           d.listRequests,
		"POST /requests":                          d.makeRequest,
		"POST /requests/{id}/grant":               d.grantRequest,
		"POST /requests/{id}/decline":             d.declineRequest,
		"GET /users":                              d.listPeople,
		"POST /users/invite":                      d.invite,
		"POST /users/access":                      d.changeAccess,
		"POST /users/remove":                      d.removePerson,
		"POST /users/operator":                    d.setOperator,
		"POST /sign-in-links":                     d.createLink,
		"GET /keys":                               d.listKeys,
		"POST /keys":                              d.createKey,
		"POST /keys/import":                       d.importKeys,
		"GET /keys/{key}":                         d.showKey,
		"GET /keys/{key}/connections":             d.listConnections,
		"GET /keys/{key}/suggestion":              d.suggestNetworks,
		"POST /keys/{key}/reset":                  d.resetKey,
		"POST /keys/{key}/retire":                 d.retireSecret,
		"POST /keys/{key}/change":                 d.changeKey,
		"POST /keys/{key}/suspend":                d.suspendKey,
		"POST /keys/{key}/restore":                d.restoreKey,
		"POST /keys/{key}/delete":                 d.deleteKey,
		"POST /leaked":                            d.reportLeak,
		"GET /audit":                              d.listAudit,
		"POST /audit/check":                       d.checkAudit,
		"GET /senders":                            d.listSenders,
		"POST /senders":                           d.addSender,
		"POST /senders/remove":                    d.removeSender,
		"POST /senders/check":                     d.checkSender,
		"POST /senders/change":                    d.changeSender,
		"POST /senders/mail":                      d.mailSender,
		"GET /webhooks":                           d.listWebhooks,
		"POST /webhooks":                          d.setWebhooks,
		"POST /webhooks/remove":                   d.removeWebhooks,
		"POST /webhooks/test":                     d.testWebhook,
		"GET /webhooks/secret":                    d.showWebhookSecret,
		"POST /webhooks/secret":                   d.newWebhookSecret,
		"GET /deliveries":                         d.listDeliveries,
		"GET /deliveries/{id}":                    d.showDelivery,
		"POST /deliveries/{id}/replay":            d.replayDelivery,
		"POST /deliveries/replay":                 d.replayFailed,
		"GET /suppressions":                       d.listSuppressions,
		"POST /suppressions":                      d.addSuppressions,
		"POST /suppressions/remove":               d.removeSuppression,
		"GET /statistics":                         d.showStatistics,
		"GET /messages":                           d.listMessages,
		"GET /messages/{id}":                      d.showMessage,
		"GET /messages/{id}/source":               d.showSource,
		"POST /messages/{id}/retry":               d.retryMessage,
		"POST /messages/{id}/cancel":              d.cancelMessage,
		"POST /messages/{id}/resend":              d.resendMessage,
		"POST /send":                              d.send,
		"GET /queue":                              d.queueStats,
	} {
		mux.Handle(pattern, d.answer(maxBody, h))
	}
	mux.Handle("POST /suppressions/import", d.answer(suppress.MaxFile+1, d.importSuppressions))
	mux.Handle("POST /complaints", d.answer(suppress.MaxReport, d.reportComplaint))
	return mux
}

type door struct {
	Config
}

// answer writes what h returns as JSON, or its error. A request has at most limit bytes.
func (d *door) answer(limit int64, h func(*http.Request) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, limit)
		status := http.StatusOK
		body, err := h(r)
		if err != nil {
			var e *Error
			if e = errorOf(err); e.Status == http.StatusInternalServerError {
				d.Log.ErrorContext(r.Context(), "the command line's request failed", "request", r.Method+" "+r.URL.Path, "error", err)
			}
			status, body = e.Status, e
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		if err := json.NewEncoder(w).Encode(body); err != nil {
			d.Log.WarnContext(r.Context(), "an answer to the command line was not written", "error", err)
		}
	})
}

// Error is what the caller did wrong, or what failed. Reason has no full stop. Usage says that the words themselves are
// wrong, whatever the store holds.
type Error struct {
	Status int    `json:"-"`
	Field  string `json:"field,omitempty"`
	Reason string `json:"reason"`
	Usage  bool   `json:"usage,omitempty"`
}

func (e *Error) Error() string {
	if e.Field == "" {
		return e.Reason
	}
	return e.Field + ": " + e.Reason
}

func invalid(field, format string, args ...any) error {
	return &Error{Status: http.StatusBadRequest, Field: field, Reason: fmt.Sprintf(format, args...)}
}

// misused is a value that no store could make sense of.
func misused(field, format string, args ...any) error {
	return &Error{Status: http.StatusBadRequest, Field: field, Reason: fmt.Sprintf(format, args...), Usage: true}
}

// misuse makes what the layer below refuses of a question an error of usage: no store could make sense of it.
func misuse(err error) error {
	var mistake *change.Error
	if !errors.As(err, &mistake) || mistake.Kind != change.Invalid {
		return err
	}
	return &Error{Status: http.StatusBadRequest, Field: mistake.Field, Reason: mistake.Reason, Usage: true}
}

func notFound(field, format string, args ...any) error {
	return &Error{Status: http.StatusNotFound, Field: field, Reason: fmt.Sprintf(format, args...)}
}

// errorOf maps the errors of the engines.
func errorOf(err error) *Error {
	var own *Error
	var ring *change.Error
	var mail *submit.Error
	switch {
	case errors.As(err, &own):
		return own
	case errors.As(err, &ring):
		status := http.StatusBadRequest
		if ring.Kind == change.NotFound {
			status = http.StatusNotFound
		}
		return &Error{Status: status, Field: ring.Field, Reason: ring.Reason}
	case errors.As(err, &mail):
		status := http.StatusBadRequest
		if mail.Code.Temporary() {
			status = http.StatusServiceUnavailable
		}
		return &Error{Status: status, Field: mail.Field, Reason: mail.Reason}
	case errors.Is(err, store.ErrNotFound):
		return &Error{Status: http.StatusNotFound, Reason: "there is no such thing"}
	}
	return &Error{Status: http.StatusInternalServerError, Reason: err.Error()}
}

// read decodes a request's body. Unknown properties are refused: client and server may be of different versions.
func read(r *http.Request, into any) error {
	dec := json.NewDecoder(r.Body)
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return invalid("", "the request cannot be read: %v", err)
	}
	return nil
}

// number reads an optional number of the query.
func number(r *http.Request, name string) (int64, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, misused(name, "%q is not a number", text)
	}
	return n, nil
}

// usualRows and maxListed are how many rows a listing has where nobody says it, and at most.
const (
	usualRows = 50
	maxListed = 1000
)

// listed reads how many rows are asked for, or answers as many as are usual.
func listed(r *http.Request, usual int) (int, error) {
	if r.URL.Query().Get("limit") == "" {
		return usual, nil
	}
	n, err := number(r, "limit")
	if err == nil && (n < 1 || n > maxListed) {
		err = misused("limit", "%d is not between 1 and %d", n, maxListed)
	}
	return int(n), err
}

// yes reads a yes or no of the query: it is there, or not.
func yes(r *http.Request, name string) bool { return r.URL.Query().Get(name) != "" }
