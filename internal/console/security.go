// SPDX-License-Identifier: Apache-2.0

package console

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"html/template"
	"net/http"
	"strings"
	"time"

	"postern/internal/change"
	"postern/internal/people"
	"postern/internal/refusal"
	"postern/internal/store"
)

// securityBody is the page of how its person signs in.
type securityBody struct {
	Done        string
	HasPassword bool
	people.Factors
	NoPasskey string // why browsers offer none here
	OIDC      string // the provider's name, "" for none
	Bound     bool   // the user has signed in by it
	Sessions  []sessionRow
}

type sessionRow struct {
	ID       string // the digest
	Client   string
	Address  string
	Since    time.Time
	LastSeen time.Time
	This     bool
}

// said is what was just done, by the word in the address.
func said(done string) string {
	switch done {
	case "app-removed":
		return "The authenticator app is removed."
	case "passkey-added":
		return "The passkey is added."
	case "passkey-removed":
		return "The passkey is removed. You can delete it on your device too."
	case "session-ended":
		return "The session is ended."
	case "others-ended":
		return "All other sessions are ended."
	}
	return ""
}

func (c *console) showSecurity(v *visit) error {
	ctx := v.r.Context()
	b := securityBody{Done: said(v.r.URL.Query().Get("done")), HasPassword: v.user.PasswordHash != "", NoPasskey: c.noPasskey}
	var err error
	if b.Factors, err = c.People.Factors(ctx, v.user.ID); err != nil {
		return err
	}
	if c.oidc != nil {
		b.OIDC = c.oidc.Name
		if b.Bound, err = c.People.KnowsByOIDC(ctx, c.oidc, v.user.ID); err != nil {
			return err
		}
	}
	all, err := c.People.Sessions(ctx, v.user)
	if err != nil {
		return err
	}
	for _, n := range all {
		row := sessionRow{
			ID: hex.EncodeToString(n.Digest), Client: clientWords(n.Client), Address: n.Address, Since: n.CreatedAt,
			LastSeen: n.LastSeenAt, This: bytes.Equal(n.Digest, v.session.Digest),
		}
		if row.This {
			b.Sessions = append([]sessionRow{row}, b.Sessions...)
			continue
		}
		b.Sessions = append(b.Sessions, row)
	}
	return c.show(v, http.StatusOK, "security", "Security", "", b)
}

// secondFactorBody is the page of those who must set up a second factor first.
type secondFactorBody struct {
	Operator  bool
	NoPasskey string
}

func (c *console) showSecondFactor(v *visit) error {
	if !v.in.MustAddFactor {
		return v.redirect("/security")
	}
	return c.show(v, http.StatusOK, "second-factor", "Two-factor authentication", "", secondFactorBody{v.user.Operator, c.noPasskey})
}

// clientWords says in words what a browser says of itself: "Firefox on Linux".
func clientWords(agent string) string {
	find := func(pairs ...string) string {
		for i := 0; i < len(pairs); i += 2 {
			if strings.Contains(agent, pairs[i]) {
				return pairs[i+1]
			}
		}
		return ""
	}
	// The order counts: most browsers name others too.
	browser := find("Edg/", "Edge", "EdgA/", "Edge", "EdgiOS/", "Edge", "OPR/", "Opera", "Vivaldi/", "Vivaldi", "SamsungBrowser/",
		"Samsung Internet", "FxiOS/", "Firefox", "Firefox/", "Firefox", "CriOS/", "Chrome", "Chromium/", "Chromium", "Chrome/", "Chrome",
		"Safari/", "Safari")
	system := find("iPhone", "iPhone", "iPad", "iPad", "Android", "Android", "Windows", "Windows", "CrOS", "ChromeOS", "Mac OS X",
		"macOS", "Linux", "Linux")
	switch {
	case browser != "" && system != "":
		return browser + " on " + system
	case browser != "":
		return browser
	case agent == "":
		return "An unnamed program"
	}
	name, _, _ := strings.Cut(agent, "/")
	return name
}

func (c *console) endOneSession(v *visit) error {
	if err := parseForm(v.r); err != nil {
		return err
	}
	digest, err := hex.DecodeString(v.r.PostForm.Get("session"))
	if err != nil {
		return notFound("There is no such session.")
	}
	if bytes.Equal(digest, v.session.Digest) {
		c.signOut(v.w, v.r)
		return nil
	}
	err = c.People.EndSession(v.r.Context(), v.user, digest, c.address(v.r))
	var e *change.Error
	if err != nil && !errors.As(err, &e) { // one that has ended already is as it was to be
		return err
	}
	return v.redirect("/security?done=session-ended")
}

func (c *console) endOtherSessions(v *visit) error {
	if _, err := c.People.EndOtherSessions(v.r.Context(), v.user, v.session.Digest, c.address(v.r)); err != nil {
		return err
	}
	return v.redirect("/security?done=others-ended")
}

// appBody is the page that sets an authenticator app up.
type appBody struct {
	Secret, Spaced, State string
	QR                    template.URL
	URL                   template.URL
	Problem               string
}

func (c *console) showAddApp(v *visit) error {
	f, err := c.People.Factors(v.r.Context(), v.user.ID)
	if err != nil {
		return err
	}
	if f.TOTP {
		return v.redirect("/security")
	}
	s, err := c.People.NewTOTP(v.user)
	if err != nil {
		return err
	}
	return c.appPage(v, http.StatusOK, s, "")
}

func (c *console) appPage(v *visit, status int, s people.TOTPSetUp, problem string) error {
	b := appBody{
		Secret: s.Secret, State: s.State, Problem: problem,
		QR:  template.URL("data:image/png;base64," + base64.StdEncoding.EncodeToString(s.PNG)), //nolint:gosec // a picture that we made
		URL: template.URL(s.URL),                                                               //nolint:gosec // otpauth:// by net/url
	}
	for i := 0; i < len(s.Secret); i += 4 {
		b.Spaced += s.Secret[i:min(i+4, len(s.Secret))] + " "
	}
	b.Spaced = strings.TrimSpace(b.Spaced)
	return c.show(v, status, "app", "Set up an authenticator app", "", b)
}

func (c *console) addApp(v *visit) error {
	if err := parseForm(v.r); err != nil {
		return err
	}
	f := v.r.PostForm
	addr := c.address(v.r)
	if problem := c.tooMany(v.w, v.r, v.user); problem != "" {
		return c.againApp(v, http.StatusTooManyRequests, problem)
	}
	codes, err := c.People.AddTOTP(v.r.Context(), v.user, f.Get("state"), f.Get("code"), addr)
	var e *change.Error
	if errors.As(err, &e) && e.Kind == change.Conflict {
		return v.redirect("/security")
	}
	if e != nil {
		return c.againApp(v, http.StatusUnprocessableEntity, sentence(e.Reason))
	}
	c.People.ProvedBy(addr)
	if err != nil {
		return err
	}
	return c.codesPage(v, "The authenticator app is set up", codes)
}

// againApp shows the set-up page with the same secret, or with a new one when the page was open for too long.
func (c *console) againApp(v *visit, status int, problem string) error {
	s, err := c.People.SameTOTP(v.user, v.r.PostForm.Get("state"))
	var e *change.Error
	if errors.As(err, &e) {
		problem = sentence(e.Reason)
		s, err = c.People.NewTOTP(v.user)
	}
	if err != nil {
		return err
	}
	return c.appPage(v, status, s, problem)
}

// codesBody is the page that shows recovery codes, this once.
type codesBody struct {
	Title string
	Codes []string // none when there were some before
	Text  string   // of the copy button
}

func (c *console) codesPage(v *visit, title string, codes []string) error {
	return c.show(v, http.StatusOK, "codes", title, "", codesBody{title, codes, strings.Join(codes, "\n")})
}

// factorBody is a page with one form about a second factor.
type factorBody struct {
	Kind    string // "app", "codes" or "passkey"
	Action  string
	Nonce   string
	Left    int
	Passkey store.Passkey
	Last    bool // no second factor is left then
	Problem string
}

func (c *console) factorPage(v *visit, status int, title string, b factorBody) error {
	b.Action = v.r.URL.Path
	return c.show(v, status, "factor-form", title, "", b)
}

func (c *console) showRemoveApp(v *visit) error {
	return c.removeAppPage(v, http.StatusOK, "")
}

func (c *console) removeAppPage(v *visit, status int, problem string) error {
	f, err := c.People.Factors(v.r.Context(), v.user.ID)
	if err != nil {
		return err
	}
	if !f.TOTP {
		return v.redirect("/security")
	}
	return c.factorPage(v, status, "Remove the authenticator app", factorBody{Kind: "app", Last: len(f.Passkeys) == 0, Problem: problem})
}

func (c *console) removeApp(v *visit) error {
	if err := parseForm(v.r); err != nil {
		return err
	}
	addr := c.address(v.r)
	if problem := c.tooMany(v.w, v.r, v.user); problem != "" {
		return c.removeAppPage(v, http.StatusTooManyRequests, problem)
	}
	err := c.People.RemoveTOTP(v.r.Context(), v.user, v.r.PostForm.Get("code"), addr)
	var e *change.Error
	if errors.As(err, &e) && e.Field == "Code" {
		v.refused(c, refusal.Code)
		return c.removeAppPage(v, http.StatusUnprocessableEntity, sentence(e.Reason))
	}
	c.People.ProvedBy(addr)
	if err != nil && e == nil { // one that is removed already is as it was to be
		return err
	}
	return v.redirect("/security?done=app-removed")
}

func (c *console) showNewCodes(v *visit) error {
	f, err := c.People.Factors(v.r.Context(), v.user.ID)
	if err != nil {
		return err
	}
	if !f.Any() {
		return v.redirect("/security")
	}
	return c.factorPage(v, http.StatusOK, "Make new recovery codes",
		factorBody{Kind: "codes", Left: f.CodesLeft, Nonce: c.forms.nonce(v.user.ID)})
}

func (c *console) newCodes(v *visit) error {
	if err := parseForm(v.r); err != nil {
		return err
	}
	if !c.forms.use(v.user.ID, v.r.PostForm.Get("nonce")) { // a reload makes no others
		return v.redirect("/security/codes")
	}
	codes, err := c.People.NewRecoveryCodes(v.r.Context(), v.user, c.address(v.r))
	var e *change.Error
	if errors.As(err, &e) {
		return v.redirect("/security")
	}
	if err != nil {
		return err
	}
	return c.codesPage(v, "New recovery codes", codes)
}
