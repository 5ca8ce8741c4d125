// SPDX-License-Identifier: Apache-2.0

package console

import (
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"postern/internal/access"
	"postern/internal/auditlog"
	"postern/internal/change"
	"postern/internal/people"
	"postern/internal/refusal"
	"postern/internal/store"
)

// maxForm bounds what a form may send, in bytes.
const maxForm = 64 << 10

// visit is one request of a signed-in user.
type visit struct {
	w       http.ResponseWriter
	r       *http.Request
	in      people.SignedIn
	user    store.User
	session store.Session
	account store.Account         // that the session works in
	access  []store.Access        // what the user may do in it
	others  []people.OtherAccount // accounts that the user can switch to
	scope   store.Scope           // the keys on which the user may do what the route does
	actor   change.Actor
}

// scopeOf is the keys on which the visit's user may do something, and whether there are any.
func (v *visit) scopeOf(a access.Action) (store.Scope, bool) {
	var keys []int64
	for _, x := range v.access {
		switch {
		case !access.Allowed(x.Role, a):
		case x.KeyID == 0:
			return store.OfAccount(v.account.ID), true
		default:
			keys = append(keys, x.KeyID)
		}
	}
	if a.OfAccount() {
		keys = nil
	}
	return store.OfKeys(v.account.ID, keys), len(keys) > 0
}

// may says whether the visit's user may do something to one key; 0 is the account itself.
func (v *visit) may(a access.Action, keyID int64) bool {
	if a == access.Operate {
		return v.user.Operator
	}
	for _, x := range v.access {
		if access.Allowed(x.Role, a) && (x.KeyID == 0 || x.KeyID == keyID && !a.OfAccount()) {
			return true
		}
	}
	return a == access.Own
}

// mayAnywhere says whether the visit's user may do something to any key, or to the account.
func (v *visit) mayAnywhere(a access.Action) bool {
	_, any := v.scopeOf(a)
	return any || v.may(a, 0)
}

// route is a page or a form of signed-in users: what it is, who may, and whether they must have confirmed who they are
// lately. The page of a form asks for that as the form does, so that it is asked before something is filled in.
type route struct {
	method, pattern string
	action          access.Action
	fresh           bool
	handle          func(*visit) error
}

// routes are the pages of signed-in users.
func (c *console) routes() []route {
	return slices.Concat(c.keyRoutes(), c.messageRoutes(), c.statisticRoutes(), c.webhookRoutes(), c.senderRoutes(),
		c.suppressionRoutes(), c.accountRoutes(), c.trackingRoutes(), c.auditRoutes(), c.operatorRoutes(), c.personRoutes())
}

// secondFactorPage leads those to one who must have a second factor and have none.
const secondFactorPage = "/second-factor"

// withoutFactor are the patterns of routes that are for who must set up a second factor first: they can do that and
// nothing else.
func withoutFactor() []string {
	return []string{secondFactorPage, "/password", "/confirm", "/security/app", "/security/passkeys/new"}
}

func (c *console) personRoutes() []route {
	return []route{
		{"GET", "/{$}", access.Own, false, func(v *visit) error { return v.redirect("/keys") }},
		{"GET", "/password", access.Own, false, c.showPassword},
		{"POST", "/password", access.Own, false, c.setPassword},
		{"POST", "/switch", access.Own, false, c.switchAccount},
		{"GET", "/confirm", access.Own, false, c.showConfirm},
		{"POST", "/confirm", access.Own, false, c.confirm},
		{"GET", secondFactorPage, access.Own, false, c.showSecondFactor},
		{"GET", "/security", access.Own, false, c.showSecurity},
		{"GET", "/security/app", access.Own, true, c.showAddApp},
		{"POST", "/security/app", access.Own, true, c.addApp},
		{"GET", "/security/app/remove", access.Own, true, c.showRemoveApp},
		{"POST", "/security/app/remove", access.Own, true, c.removeApp},
		{"GET", "/security/codes", access.Own, true, c.showNewCodes},
		{"POST", "/security/codes", access.Own, true, c.newCodes},
		{"GET", "/security/passkeys/new", access.Own, true, c.showAddPasskey},
		{"POST", "/security/passkeys/new", access.Own, true, c.addPasskey},
		{"GET", "/security/passkeys/{id}/remove", access.Own, true, c.showRemovePasskey},
		{"POST", "/security/passkeys/{id}/remove", access.Own, true, c.removePasskey},
		{"POST", "/security/sessions/end", access.Own, false, c.endOneSession},
		{"POST", "/security/sessions/end-others", access.Own, false, c.endOtherSessions},
	}
}

func (c *console) keyRoutes() []route {
	return []route{
		{"GET", "/keys", access.ReadKeys, false, c.showKeys},
		{"GET", "/keys.csv", access.ReadKeys, false, c.exportKeys},
		{"GET", "/keys/new", access.CreateKeys, true, c.showNewKey},
		{"POST", "/keys/new", access.CreateKeys, true, c.createKey},
		{"GET", "/keys/{id}", access.ReadKeys, false, c.showKey},
		{"GET", "/keys/{id}/rename", access.ManageKeys, false, c.showKeyForm("rename")},
		{"POST", "/keys/{id}/rename", access.ManageKeys, false, c.renameKey},
		{"GET", "/keys/{id}/reset", access.ManageKeys, true, c.showReset},
		{"POST", "/keys/{id}/reset", access.ManageKeys, true, c.resetKey},
		{"GET", "/keys/{id}/secrets/{secret}/retire", access.ManageKeys, true, c.showRetire},
		{"POST", "/keys/{id}/secrets/{secret}/retire", access.ManageKeys, true, c.retireSecret},
		{"GET", "/keys/{id}/deactivate", access.ManageKeys, false, c.showKeyForm("deactivate")},
		{"POST", "/keys/{id}/deactivate", access.ManageKeys, false, c.setKeyActive(false)},
		{"GET", "/keys/{id}/activate", access.ManageKeys, false, c.showKeyForm("activate")},
		{"POST", "/keys/{id}/activate", access.ManageKeys, false, c.setKeyActive(true)},
		{"GET", "/keys/{id}/restrict", access.RestrictKeys, true, c.showRestrict},
		{"POST", "/keys/{id}/restrict", access.RestrictKeys, true, c.restrictKey},
		{"GET", "/keys/{id}/delete", access.DeleteKeys, true, c.showDelete},
		{"POST", "/keys/{id}/delete", access.DeleteKeys, true, c.deleteKey},
		{"POST", "/keys/{id}/test", access.SendTest, false, c.sendTest},
		{"GET", "/keys/{id}/smtp", access.ReadKeys, false, c.showSMTP},
	}
}

func (c *console) messageRoutes() []route {
	return []route{
		{"GET", "/messages", access.ReadMessages, false, c.showMessages},
		{"GET", "/messages/{id}", access.ReadMessages, false, c.showMessage},
		{"POST", "/messages/{id}/retry", access.SendTest, false, c.retryMessage},
		{"GET", "/messages/{id}/cancel", access.SendTest, false, c.showCancelMessage},
		{"POST", "/messages/{id}/cancel", access.SendTest, false, c.cancelMessage},
		{"POST", "/messages/{id}/resend", access.SendTest, false, c.resendMessage},
		{"GET", "/messages/{id}/html", access.ReadMessages, false, c.showMessageHTML},
		{"GET", "/messages/{id}/source", access.ReadMessages, false, c.showMessageSource},
		{"GET", "/messages/{id}/parts/{n}", access.ReadMessages, false, c.showMessagePart},
	}
}

func (c *console) senderRoutes() []route {
	return []route{
		{"GET", "/senders", access.ReadKeys, false, c.showSenders},
		{"GET", "/senders/new", access.ManageSenders, false, c.showNewSender},
		{"POST", "/senders/new", access.ManageSenders, false, c.addSender},
		{"GET", "/senders/{id}", access.ReadKeys, false, c.showSender},
		{"POST", "/senders/{id}/check", access.ManageSenders, false, c.checkSender},
		{"POST", "/senders/{id}/mail", access.ManageSenders, false, c.mailSender},
		{"POST", "/senders/{id}/lend", access.ManageSenders, false, c.lendSender},
		{"POST", "/senders/{id}/name", access.ManageSenders, false, c.renameSender},
		{"POST", "/senders/{id}/type", access.ManageSenders, false, c.typeSender},
		{"GET", "/senders/{id}/remove", access.ManageSenders, false, c.showRemoveSender},
		{"POST", "/senders/{id}/remove", access.ManageSenders, false, c.removeSender},
	}
}

func (c *console) accountRoutes() []route {
	return []route{
		{"GET", "/account", access.ReadAccount, false, c.showAccount},
		{"GET", "/account/name", access.ManageAccount, false, c.showSetting("name")},
		{"POST", "/account/name", access.ManageAccount, false, c.renameAccount},
		{"GET", "/account/policy", access.ManageAccount, true, c.showSetting("policy")},
		{"POST", "/account/policy", access.ManageAccount, true, c.setPolicy},
		{"GET", "/account/second-factor", access.ManageAccount, true, c.showFactorPolicy},
		{"POST", "/account/second-factor", access.ManageAccount, true, c.setFactorPolicy},
		{"GET", "/account/limit", access.ManageAccount, false, c.showSetting("limit")},
		{"POST", "/account/limit", access.ManageAccount, false, c.setDayLimit},
		{"GET", "/account/requests/new", access.ManageAccount, false, c.showAsk},
		{"POST", "/account/requests/new", access.ManageAccount, false, c.ask},
		{"GET", "/account/webhook", access.ManageAccount, true, c.showAccountWebhook("set")},
		{"POST", "/account/webhook", access.ManageAccount, true, c.setAccountWebhook},
		{"POST", "/account/webhook/test", access.ManageAccount, false, c.testAccountWebhook},
		{"GET", "/account/webhook/remove", access.ManageAccount, true, c.showAccountWebhook("remove")},
		{"POST", "/account/webhook/remove", access.ManageAccount, true, c.removeAccountWebhook},
		{"GET", "/account/invite", access.ManagePeople, true, c.showInvite},
		{"POST", "/account/invite", access.ManagePeople, true, c.invite},
		{"GET", "/account/invitations/{id}/withdraw", access.ManagePeople, true, c.showWithdraw},
		{"POST", "/account/invitations/{id}/withdraw", access.ManagePeople, true, c.withdraw},
		{"GET", "/account/people/{id}/role", access.ManagePeople, true, c.showAccess("role")},
		{"POST", "/account/people/{id}/role", access.ManagePeople, true, c.changeRole},
		{"GET", "/account/people/{id}/remove", access.ManagePeople, true, c.showAccess("remove")},
		{"POST", "/account/people/{id}/remove", access.ManagePeople, true, c.removeAccess},
	}
}

func (c *console) auditRoutes() []route {
	return []route{
		{"GET", "/audit", access.ReadAudit, false, c.showAudit(accountLog)},
		{"GET", "/audit.csv", access.ReadAudit, false, c.exportAudit(accountLog, auditlog.CSV, "text/csv; charset=utf-8")},
		{"GET", "/audit.json", access.ReadAudit, false, c.exportAudit(accountLog, auditlog.JSON, "application/json")},
		{"POST", "/audit/verify", access.ReadAudit, false, c.verifyAudit(accountLog)},
	}
}

func (c *console) operatorRoutes() []route {
	return []route{
		{"GET", "/operator", access.Operate, false, c.showAccounts},
		{"GET", "/operator/accounts/{id}", access.Operate, false, c.showOperated},
		{"GET", "/operator/accounts/{id}/plan", access.Operate, true, c.showOperate("plan")},
		{"POST", "/operator/accounts/{id}/plan", access.Operate, true, c.assignPlan},
		{"GET", "/operator/accounts/{id}/suspend", access.Operate, true, c.showOperate("suspend")},
		{"POST", "/operator/accounts/{id}/suspend", access.Operate, true, c.suspendAccount},
		{"GET", "/operator/accounts/{id}/restore", access.Operate, true, c.showOperate("restore")},
		{"POST", "/operator/accounts/{id}/restore", access.Operate, true, c.restoreAccount},
		{"GET", "/operator/keys/{id}/suspend", access.Operate, true, c.showSuspension("suspend")},
		{"POST", "/operator/keys/{id}/suspend", access.Operate, true, c.suspendKey},
		{"GET", "/operator/keys/{id}/restore", access.Operate, true, c.showSuspension("restore")},
		{"POST", "/operator/keys/{id}/restore", access.Operate, true, c.restoreKey},
		{"GET", "/operator/requests", access.Operate, false, c.showRequests},
		{"GET", "/operator/requests/{id}", access.Operate, true, c.showRequest},
		{"POST", "/operator/requests/{id}", access.Operate, true, c.answerRequest},
		{"GET", "/operator/plans", access.Operate, false, c.showPlans},
		{"GET", "/operator/plans/new", access.Operate, true, c.showNewPlan},
		{"POST", "/operator/plans/new", access.Operate, true, c.putPlan},
		{"GET", "/operator/plans/{id}", access.Operate, true, c.showPlan("plan")},
		{"POST", "/operator/plans/{id}", access.Operate, true, c.putPlan},
		{"GET", "/operator/plans/{id}/remove", access.Operate, true, c.showPlan("remove")},
		{"POST", "/operator/plans/{id}/remove", access.Operate, true, c.removePlan},
		{"GET", "/operator/operators", access.Operate, false, c.showOperators},
		{"GET", "/operator/operators/new", access.Operate, true, c.showNewOperator},
		{"POST", "/operator/operators/new", access.Operate, true, c.makeOperator},
		{"GET", "/operator/operators/{id}/remove", access.Operate, true, c.showUnmakeOperator},
		{"POST", "/operator/operators/{id}/remove", access.Operate, true, c.unmakeOperator},
		{"GET", "/operator/audit", access.Operate, false, c.showAudit(wholeLog)},
		{"GET", "/operator/audit.csv", access.Operate, false, c.exportAudit(wholeLog, auditlog.CSV, "text/csv; charset=utf-8")},
		{"GET", "/operator/audit.json", access.Operate, false, c.exportAudit(wholeLog, auditlog.JSON, "application/json")},
		{"POST", "/operator/audit/verify", access.Operate, false, c.verifyAudit(wholeLog)},
	}
}

func (c *console) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /static/{name}", c.serveStatic)
	mux.HandleFunc("GET /openapi", c.showDescription)
	mux.HandleFunc("GET /sign-in", c.showSignIn)
	mux.HandleFunc("POST /sign-in", c.signIn)
	mux.HandleFunc("POST /sign-in/passkey", c.signInByPasskey)
	mux.HandleFunc("GET /sign-in/second", c.showSecondStep)
	mux.HandleFunc("POST /sign-in/second", c.secondStep)
	mux.HandleFunc("GET /sign-in/oidc", c.beginOIDC)
	mux.HandleFunc("GET /sign-in/oidc/callback", c.finishOIDC)
	mux.HandleFunc("POST /sign-out", c.signOut)
	mux.HandleFunc("GET /forgot", c.showForgot)
	mux.HandleFunc("POST /forgot", c.forgot)
	mux.HandleFunc("GET /reset/{token}", c.showNewPassword)
	mux.HandleFunc("POST /reset/{token}", c.reset)
	mux.HandleFunc("GET /welcome/{token}", c.showWelcome)
	mux.HandleFunc("POST /welcome/{token}", c.welcome)
	mux.HandleFunc("GET /invitation/{token}", c.showInvitation)
	mux.HandleFunc("POST /invitation/{token}", c.acceptInvitation)
	mux.HandleFunc("GET /sender-link/{token}", c.showSenderLink)
	mux.HandleFunc("POST /sender-link/{token}", c.useSenderLink)
	for _, rt := range c.routes() {
		mux.HandleFunc(rt.method+" "+rt.pattern, c.signedIn(rt))
	}
	return c.outer(mux)
}

// outer is what every request passes: panics become a page, headers are set, credentials in clear and posts of other
// sites are refused.
func (c *console) outer(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if p := recover(); p != nil {
				if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
					panic(p)
				}
				c.Log.ErrorContext(r.Context(), "a page panicked", "path", r.URL.Path, "panic", p)
				c.fail(w, r, errors.New("panic"))
			}
		}()
		setHeaders(w.Header())
		addr, secure := c.Client(r)
		h, pattern := mux.Handler(r)
		switch {
		case pattern == "GET /static/{name}":
		case pattern == "" && c.Programs != nil && !WantsPage(r):
			c.Programs.ServeHTTP(w, r)
			return
		case !secure:
			c.Refusals.Note(r.Context(), refusal.Refusal{Reason: refusal.ClearText, From: addr, Route: pattern})
			c.insecure(w, r)
			return
		case c.cross.Check(r) != nil:
			c.Refusals.Note(r.Context(), refusal.Refusal{Reason: refusal.CrossSite, From: addr, Route: pattern})
			c.fail(w, r, &statusError{http.StatusForbidden, "This form came from another site", "For your safety only forms of this " +
				"site are taken. Open the page here and try again."})
			return
		case pattern == "":
			h.ServeHTTP(&headersOnly{ResponseWriter: w}, r) // learns whether it is 404 or 405, and Allow
			c.fail(w, r, unrouted(w.Header()))
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, formLimit(r))
		mux.ServeHTTP(w, r)
	})
}

// WantsPage says whether a request is a browser's, to which an error is a page, and not a program's.
func WantsPage(r *http.Request) bool {
	return r.Header.Get("Authorization") == "" && strings.Contains(strings.Join(r.Header.Values("Accept"), ","), "text/html")
}

// headersOnly takes an answer's headers and drops the rest.
type headersOnly struct{ http.ResponseWriter }

func (h *headersOnly) WriteHeader(int)             {}
func (h *headersOnly) Write(b []byte) (int, error) { return len(b), nil }

func unrouted(h http.Header) error {
	h.Del("Content-Length")
	if h.Get("Allow") != "" {
		return &statusError{http.StatusMethodNotAllowed, "That cannot be done here", "This page does not take such a request. Go " +
			"back and try again."}
	}
	return notFound("There is no page at this address.")
}

// signedIn lets only signed-in users through whose role allows what the route does; others are asked to sign in and
// come back. What the handler sees and changes is bounded by the visit's scope.
func (c *console) signedIn(rt route) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		v, err := c.visit(w, r)
		var e *change.Error
		if errors.As(err, &e) {
			c.askToSignIn(w, r)
			return
		}
		if err == nil {
			err = c.handle(v, rt)
		}
		if err != nil {
			c.failFor(w, r, v, err)
		}
	}
}

func (c *console) handle(v *visit, rt route) error {
	if v.in.MustAddFactor && !slices.Contains(withoutFactor(), rt.pattern) {
		return v.redirect(secondFactorPage)
	}
	var any bool
	v.scope, any = v.scopeOf(rt.action)
	if !any && !v.may(rt.action, 0) {
		v.refused(c, refusal.Role)
		return notAllowed(v, rt.action)
	}
	if rt.fresh && !c.isFresh(v) {
		return c.askToConfirm(v)
	}
	return rt.handle(v)
}

// notAllowed says what the user's role lacks.
func notAllowed(v *visit, a access.Action) error {
	if len(v.access) == 0 {
		return &statusError{
			http.StatusForbidden, "Nothing is shared with you", "No account and no key is shared with " + v.user.Email +
				" any more. Ask who invited you.",
		}
	}
	return &statusError{
		http.StatusForbidden, "Your role does not allow this", "What this page does (" + string(a) +
			") is not part of your role here. An owner of the account can change that on the Account page.",
	}
}

func (c *console) visit(w http.ResponseWriter, r *http.Request) (*visit, error) {
	in, err := c.People.Session(r.Context(), c.sessionToken(r))
	if err != nil {
		return nil, err
	}
	v := &visit{
		w: w, r: r, in: in, user: in.User, session: in.Session, account: in.Account, access: in.Access, others: in.Others,
		actor: change.Actor{Kind: change.User, ID: in.User.ID, Name: in.User.Email},
	}
	if addr, _ := c.Client(r); addr.IsValid() {
		v.actor.Origin = addr.String()
	}
	return v, nil
}

// switchAccount makes the session work in another account.
func (c *console) switchAccount(v *visit) error {
	if err := parseForm(v.r); err != nil {
		return err
	}
	id, err := strconv.ParseInt(v.r.PostForm.Get("account"), 10, 64)
	if err != nil {
		id = -1
	}
	err = c.People.Switch(v.r.Context(), v.in, id)
	if e := (*change.Error)(nil); errors.As(err, &e) {
		return notFound("No such account is shared with you.")
	}
	if err != nil {
		return err
	}
	return v.redirect("/keys")
}

// askToSignIn sends a browser to the sign-in page, and from there back. A SameSite=Strict cookie is not sent when a
// link of another site is followed: then the page loads itself once more, which is a request of this site.
func (c *console) askToSignIn(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet && r.Header.Get("Sec-Fetch-Site") == "cross-site" && r.Header.Get("Sec-Fetch-Mode") == "navigate" {
		c.render(w, r, http.StatusOK, "again", page{Title: "One moment", Body: localPath(r.URL.RequestURI())})
		return
	}
	next := "/"
	if r.Method == http.MethodGet {
		next = r.URL.RequestURI()
	}
	http.Redirect(w, r, signInFor(next), http.StatusSeeOther)
}

// signInFor is the address of the sign-in page that leads to next.
func signInFor(next string) string {
	if next == "/" {
		return "/sign-in"
	}
	return "/sign-in?next=" + url.QueryEscape(next)
}

// localPath is where to go after signing in: a path of this site, never another site's.
func localPath(next string) string {
	u, err := url.Parse(next)
	if err != nil || !strings.HasPrefix(next, "/") || u.Scheme != "" || u.Host != "" || strings.HasPrefix(next, "//") ||
		strings.ContainsAny(next, "\\\r\n\t") {
		return "/keys"
	}
	return next
}

func (v *visit) redirect(to string) error {
	http.Redirect(v.w, v.r, to, http.StatusSeeOther)
	return nil
}

// browser is where a request comes from.
func (c *console) browser(r *http.Request) people.Browser {
	return people.Browser{Address: c.address(r), Client: r.UserAgent(), Session: c.sessionToken(r)}
}

func (c *console) address(r *http.Request) netip.Addr {
	addr, _ := c.Client(r)
	return addr
}

// setHeaders is what every answer says to the browser. Pages that show mail widen it.
func setHeaders(h http.Header) {
	h.Set("Content-Security-Policy", policy("'none'"))
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("X-DNS-Prefetch-Control", "off")  // the names of links in a mail are nobody's to learn before one is pressed
	h.Set("Referrer-Policy", "same-origin") // the token of a sign-in link stays here
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()")
}

func policy(frames string) string {
	return "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; form-action 'self'; " +
		"frame-ancestors 'none'; frame-src " + frames + "; base-uri 'none'"
}
