// SPDX-License-Identifier: Apache-2.0

package console

import (
	"context"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"postern/internal/audit"
	"postern/internal/credential"
	"postern/internal/store"
)

const (
	auditAPage  = 50
	auditExport = 500 // entries that are read at a time
)

// auditLog is which log a page shows: the account's, or, for the operator, all accounts'.
type auditLog struct {
	path     string
	operator bool
}

var (
	accountLog = auditLog{path: "/audit"}
	wholeLog   = auditLog{path: "/operator/audit", operator: true}
)

func (l auditLog) scope(v *visit) store.Scope {
	if l.operator {
		return store.OfOperator()
	}
	return v.scope
}

// auditBody is the audit log.
type auditBody struct {
	operatorBody
	Path     string
	Operator bool // all accounts'
	Rows     []auditRow
	Query    string
	Group    string
	Groups   []auditGroup
	From, To string // dates
	Problem  string
	Filtered bool
	Newer    string
	Older    string
	CSV      string
	JSON     string
}

// auditGroup is a sort of actions to filter by.
type auditGroup struct{ Prefix, Name string }

func auditGroups() []auditGroup {
	return []auditGroup{{"key.", "API keys"}, {"sender.", "Senders"}, {"suppression.", "Suppressions"}, {"access.", "People and sharing"}, {"user.", "Signing in"}, {"account.", "Account and policy"}, {"request.", "Requests"}, {"hook.", "Webhooks about messages"}, {"webhook.", "Webhook about secret keys"}, {"plan.", "Plans"}}
}

// auditRow is an entry as the page shows it.
type auditRow struct {
	audit.Entry
	Title      string
	Who        string
	WhoKind    string // "user", "key", "operator", "" the server itself
	TargetKind string // "key", "user", …
	Target     string
	Name       string // of the target's key
	Account    string // for the operator
	Changes    []auditChange
}

// auditChange is a part of an entry's detail: what was, and what is. Without a before it is a remark.
type auditChange struct{ What, From, To string }

// auditTitles says what each action is.
func auditTitles() map[string]string {
	return map[string]string{
		"key.create": "Key created", "key.change": "Key changed", "key.reset": "Secret key reset", "key.retire": "Old secret key retired",
		"key.overlap.end": "Overlap ended", "key.leaked": "Secret key reported as leaked", "key.suspend": "Key suspended", "key.restore": "Key restored", "key.delete": "Subaccount deleted",
		"sender.add": "Sender added", "sender.change": "Sender changed", "sender.remove": "Sender removed", "sender.lend": "Lending of a sender changed", "sender.mail": "Link mailed to prove a sender", "sender.validate": "Sender proved",
		"suppression.add": "Suppression added", "suppression.change": "Suppression changed", "suppression.remove": "Suppression removed", "suppression.import": "Suppression list imported",
		"access.invite": "Invited", "access.withdraw": "Invitation withdrawn", "access.accept": "Invitation accepted", "access.give": "Access given", "access.change": "Role changed", "access.remove": "Access removed",
		"user.link": "Sign-in link made", "user.sign_in": "Signed in", "user.confirm": "Confirmed who it is", "user.change": "Profile changed", "user.password": "Password set", "user.operator": "Operator changed",
		"user.factor.add": "Second factor on", "user.factor.remove": "Second factor off", "user.passkey.add": "Passkey added", "user.passkey.remove": "Passkey removed",
		"user.session.end": "Session ended", "user.identity.bind": "Sign-in by provider bound",
		"account.create": "Account created", "account.change": "Account changed", "account.plan": "Plan assigned",
		"request.make": "Asked for more", "request.grant": "Request granted", "request.decline": "Request declined",
		"plan.create": "Plan created", "plan.change": "Plan changed", "plan.remove": "Plan removed",
		"hook.add": "Webhook added", "hook.change": "Webhook changed", "hook.remove": "Webhook removed", "hook.dead": "Webhook given up", "hook.replay": "Events told again", "hook.secret": "Signing secret made",
		"webhook.set": "Webhook set", "webhook.remove": "Webhook removed",
	}
}

// auditTitle says what an action is. One that has no title, of a later version, is shown as it is called.
func auditTitle(action string) string {
	title := auditTitles()[action]
	if title == "" {
		return firstLetter(action) + strings.NewReplacer(".", " ", "-", " ", "_", " ").Replace(action[min(1, len(action)):])
	}
	return title
}

// auditFilter reads what to filter by. Dates are days of UTC; both are included.
func auditFilter(q url.Values) (b auditBody, f store.AuditFilter) {
	b = auditBody{Query: clean(q.Get("q")), Group: q.Get("action"), Groups: auditGroups(), From: strings.TrimSpace(q.Get("from")), To: strings.TrimSpace(q.Get("to"))}
	if !slices.ContainsFunc(b.Groups, func(g auditGroup) bool { return g.Prefix == b.Group }) {
		b.Group = ""
	}
	f = store.AuditFilter{Search: b.Query, Action: b.Group}
	f.From, f.To, b.Problem = dates{From: b.From, To: b.To}.times()
	b.Filtered = b.Query != "" || b.Group != "" || b.From != "" || b.To != ""
	return b, f
}

// at is an address of the log with what it is filtered by.
func (b *auditBody) at(suffix string, more ...string) string {
	q := url.Values{}
	for k, s := range map[string]string{"q": b.Query, "action": b.Group, "from": b.From, "to": b.To} {
		if s != "" {
			q.Set(k, s)
		}
	}
	for i := 0; i+1 < len(more); i += 2 {
		q.Set(more[i], more[i+1])
	}
	if len(q) == 0 {
		return b.Path + suffix
	}
	return b.Path + suffix + "?" + q.Encode()
}

func (c *console) showAudit(log auditLog) func(*visit) error {
	return func(v *visit) error {
		b, f := auditFilter(v.r.URL.Query())
		b.Path, b.Operator = log.path, log.operator
		section := "audit"
		if log.operator {
			var err error
			section = "operator"
			if b.operatorBody, err = c.operator(v, "audit"); err != nil {
				return err
			}
		}
		b.CSV, b.JSON = b.at(".csv"), b.at(".json")
		if b.Problem != "" {
			return c.show(v, http.StatusUnprocessableEntity, "audit", "Audit log", section, b)
		}
		list, err := c.pageOfAudit(v, log, f, &b)
		if err != nil {
			return err
		}
		if b.Rows, err = c.auditRows(v, log, list); err != nil {
			return err
		}
		return c.show(v, http.StatusOK, "audit", "Audit log", section, b)
	}
}

// pageOfAudit reads a page, newest first, and sets the ways to its neighbours. A page begins at an entry: while new ones
// are written, nothing is skipped or seen twice.
func (c *console) pageOfAudit(v *visit, log auditLog, f store.AuditFilter, b *auditBody) ([]audit.Entry, error) {
	q := v.r.URL.Query()
	f.Below, _ = strconv.ParseInt(q.Get("before"), 10, 64) //nolint:errcheck // without a number: from the newest
	f.Above, _ = strconv.ParseInt(q.Get("after"), 10, 64)  //nolint:errcheck // same
	list, err := c.Store.AuditEntries(v.r.Context(), log.scope(v), f, store.Page{Limit: auditAPage + 1, Desc: f.Above == 0})
	if err != nil {
		return nil, err
	}
	more := len(list) > auditAPage
	list = list[:min(len(list), auditAPage)]
	newer, older := f.Below != 0, more
	if f.Above != 0 {
		slices.Reverse(list)
		newer, older = more, true
	}
	if len(list) == 0 {
		return nil, nil
	}
	if newer {
		b.Newer = b.at("", "after", strconv.FormatInt(list[0].ID, 10))
	}
	if older {
		b.Older = b.at("", "before", strconv.FormatInt(list[len(list)-1].ID, 10))
	}
	return list, nil
}

// auditRows makes entries readable: a key that an entry names by its API key is shown with the name that it has now.
func (c *console) auditRows(v *visit, log auditLog, list []audit.Entry) ([]auditRow, error) {
	rows := make([]auditRow, len(list))
	names, accounts := map[string]string{}, map[int64]string{}
	for i, e := range list {
		row := auditRow{Entry: e, Title: auditTitle(e.Action), Changes: auditChanges(e.Detail)}
		row.WhoKind, row.Who = split(e.Actor)
		row.TargetKind, row.Target = split(e.Target)
		var err error
		if row.TargetKind == "key" {
			if row.Name, err = c.nameOfKey(v.r.Context(), log.scope(v), row.Target, names); err != nil {
				return nil, err
			}
		}
		if log.operator && e.AccountID != 0 {
			if _, known := accounts[e.AccountID]; !known {
				a, err := c.Store.Account(v.r.Context(), e.AccountID)
				if err != nil {
					return nil, err
				}
				accounts[e.AccountID] = a.Name
			}
			row.Account = accounts[e.AccountID]
		}
		rows[i] = row
	}
	return rows, nil
}

// nameOfKey looks up a key's name; a key that is deleted or foreign has none.
func (c *console) nameOfKey(ctx context.Context, scope store.Scope, apiKey string, known map[string]string) (string, error) {
	if name, ok := known[apiKey]; ok {
		return name, nil
	}
	known[apiKey] = ""
	if _, err := credential.ParseAPIKey(apiKey); err != nil {
		return "", nil
	}
	keys, _, err := c.Store.Keys(ctx, scope, store.KeyFilter{APIKey: apiKey}, store.Page{Limit: 1})
	if err == nil && len(keys) == 1 {
		known[apiKey] = keys[0].Name
	}
	return known[apiKey], err
}

// split parts "user a@example.com" into its kind and its name. What is one word, such as "operator", is a name.
func split(s string) (kind, name string) {
	if kind, name, ok := strings.Cut(s, " "); ok {
		return kind, name
	}
	return "", s
}

// auditChanges reads a detail: "name: a → b; state: active → deactivated; imported".
func auditChanges(detail string) []auditChange {
	var out []auditChange
	for part := range strings.SplitSeq(detail, "; ") {
		if part == "" {
			continue
		}
		x := auditChange{To: part}
		if from, to, ok := strings.Cut(part, " → "); ok {
			x = auditChange{From: from, To: to}
			if what, from, ok := strings.Cut(from, ": "); ok {
				x.What, x.From = what, from
			}
		}
		out = append(out, x)
	}
	return out
}

// auditWriter writes entries one after another: CSV or JSON.
type auditWriter interface {
	write(e audit.Entry) error
	end() error
}

// exportAudit answers with all entries that match, newest first, as they are read: what is exported need not fit into
// memory. An error on the way breaks the answer off, so that nobody takes a part for the whole.
func (c *console) exportAudit(log auditLog, format func(http.ResponseWriter) auditWriter) func(*visit) error {
	return func(v *visit) error {
		b, f := auditFilter(v.r.URL.Query())
		if b.Problem != "" {
			return &statusError{http.StatusUnprocessableEntity, "This cannot be exported", b.Problem}
		}
		ctx, p := v.r.Context(), store.Page{Limit: auditExport, Desc: true}
		list, err := c.Store.AuditEntries(ctx, log.scope(v), f, p)
		if err != nil {
			return err
		}
		w := format(v.w)
		for {
			for _, e := range list {
				if err := w.write(e); err != nil {
					return c.brokenOff(ctx, err)
				}
			}
			if len(list) < auditExport {
				break
			}
			f.Below = list[len(list)-1].ID
			if list, err = c.Store.AuditEntries(ctx, log.scope(v), f, p); err != nil {
				return c.brokenOff(ctx, err)
			}
		}
		if err := w.end(); err != nil {
			return c.brokenOff(ctx, err)
		}
		return nil
	}
}

// brokenOff ends an answer that has begun: the connection is closed before its end.
func (c *console) brokenOff(ctx context.Context, err error) error {
	c.Log.WarnContext(ctx, "an export of the audit log was broken off", "error", err)
	panic(http.ErrAbortHandler)
}

// auditRecord is an entry as it is exported.
type auditRecord struct {
	Number    int64  `json:"number"`
	Time      string `json:"time"`
	AccountID int64  `json:"account_id,omitempty"`
	Actor     string `json:"actor"`
	Origin    string `json:"origin"`
	Action    string `json:"action"`
	Target    string `json:"target"`
	Detail    string `json:"detail"`
	Hash      string `json:"hash"`
}

func recordOf(e audit.Entry) auditRecord {
	return auditRecord{e.ID, e.At.UTC().Format("2006-01-02T15:04:05.000000Z"), e.AccountID, e.Actor, e.Origin, e.Action, e.Target, e.Detail, hex.EncodeToString(e.Hash)}
}

type csvAudit struct{ w *csv.Writer }

func writeAuditCSV(w http.ResponseWriter) auditWriter {
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", disposition("audit-log.csv"))
	c := csvAudit{csv.NewWriter(w)}
	c.w.Write([]string{"number", "time", "account_id", "actor", "origin", "action", "target", "detail", "hash"}) //nolint:errcheck // the writer keeps it
	return c
}

func (c csvAudit) write(e audit.Entry) error {
	x := recordOf(e)
	account := ""
	if x.AccountID != 0 {
		account = strconv.FormatInt(x.AccountID, 10)
	}
	return c.w.Write([]string{strconv.FormatInt(x.Number, 10), x.Time, account, plainCell(x.Actor), plainCell(x.Origin), plainCell(x.Action), plainCell(x.Target), plainCell(x.Detail), x.Hash})
}

func (c csvAudit) end() error {
	c.w.Flush()
	return c.w.Error()
}

// plainCell keeps a spreadsheet from taking a text for a formula (OWASP, CSV injection).
func plainCell(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20", []rune(s)[0]) {
		return "'" + s
	}
	return s
}

// jsonAudit writes one array, an entry on each line.
type jsonAudit struct {
	w     io.Writer
	begun *bool
}

func writeAuditJSON(w http.ResponseWriter) auditWriter {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Disposition", disposition("audit-log.json"))
	return jsonAudit{w, new(false)}
}

func (j jsonAudit) write(e audit.Entry) error {
	line, err := json.Marshal(recordOf(e))
	if err != nil {
		return err
	}
	before := "[\n"
	if *j.begun {
		before = ",\n"
	}
	*j.begun = true
	_, err = j.w.Write(append([]byte(before), line...))
	return err
}

func (j jsonAudit) end() error {
	last := "[]\n"
	if *j.begun {
		last = "\n]\n"
	}
	_, err := io.WriteString(j.w, last)
	return err
}

// auditCheckBody is what a check of the whole log has found.
type auditCheckBody struct {
	operatorBody
	Path     string
	Operator bool
	Check    store.AuditCheck
	Hash     string
}

// verifyAudit walks the whole log, of all accounts, since its entries are one chain. One walk at a time: it reads
// everything.
func (c *console) verifyAudit(log auditLog) func(*visit) error {
	return func(v *visit) error {
		if !c.verifying.TryLock() {
			return &statusError{http.StatusTooManyRequests, "A check is under way already", "The whole log is read for it, so one is made at a time. Try again in a minute."}
		}
		defer c.verifying.Unlock()
		check, err := c.Store.VerifyAudit(v.r.Context(), nil)
		if err != nil {
			return err
		}
		b := auditCheckBody{Path: log.path, Operator: log.operator, Check: check, Hash: hex.EncodeToString(check.Hash)}
		section := "audit"
		if log.operator {
			section = "operator"
			if b.operatorBody, err = c.operator(v, "audit"); err != nil {
				return err
			}
		}
		return c.show(v, http.StatusOK, "audit-check", "Check of the audit log", section, b)
	}
}
