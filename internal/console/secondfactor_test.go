// SPDX-License-Identifier: Apache-2.0

package console_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"postern/internal/console"
)

// TestWhatAsksForAFreshProof: each change of weight is here by name, and the page of a form asks as the form does.
func TestWhatAsksForAFreshProof(t *testing.T) {
	want := strings.Fields(`
/account/invitations/{id}/withdraw /account/invite /account/people/{id}/remove /account/people/{id}/role /account/policy /account/second-factor
/account/webhook /account/webhook/remove
/keys/new /keys/{id}/delete /keys/{id}/reset /keys/{id}/restrict /keys/{id}/secrets/{secret}/retire /keys/{id}/webhook-secret
/operator/accounts/{id}/plan /operator/accounts/{id}/restore /operator/accounts/{id}/suspend /operator/keys/{id}/restore /operator/keys/{id}/suspend
/operator/operators/new /operator/operators/{id}/remove /operator/plans/new /operator/plans/{id} /operator/plans/{id}/remove /operator/requests/{id}
/security/app /security/app/remove /security/codes /security/passkeys/new /security/passkeys/{id}/remove
/webhooks/new /webhooks/{id} /webhooks/{id}/remove`)
	slices.Sort(want)
	fresh := map[string][]string{}
	for _, rt := range console.Routes() {
		if rt.Fresh {
			fresh[rt.Method] = append(fresh[rt.Method], rt.Pattern)
		}
	}
	for method, got := range fresh {
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%s asks for a fresh proof on\n%s\nwant\n%s", method, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

// TestWhoMustHaveASecondFactorSeesNothingElse, neither as a member of an account that requires one nor as an operator.
func TestWhoMustHaveASecondFactorSeesNothingElse(t *testing.T) {
	w := newWorld(t)
	b := w.signedIn()
	b.get("/second-factor").at("/security")
	b.get("/account").says("Two-factor authentication", "Optional.")
	b.get("/account/second-factor").is(http.StatusOK)
	b.post("/account/second-factor", url.Values{"required": {"1"}}).at("/second-factor").says("An account that you are a member of requires a second factor.").lacks("Statistics")
	for _, rt := range console.Routes() {
		if rt.Method != http.MethodGet || strings.Contains(rt.Pattern, "{") || slices.Contains([]string{"/password", "/confirm", "/security/app", "/security/passkeys/new"}, rt.Pattern) {
			continue
		}
		if a := b.get(rt.Pattern); a.url.Path != "/second-factor" {
			t.Errorf("%s shows %s to who must set up a second factor first", rt.Pattern, a.url.Path)
		}
	}
	w.giveFactor(w.signed.User)
	b.get("/account").at("/account").says("Required for all members.")
	b.post("/account/second-factor", nil).at("/account").says("Optional.")

	other := w.signUp("Lighthouse", "keeper@lighthouse.example")
	op := w.as(other.User)
	ok(t, w.People.SetOperator(t.Context(), operator, other.User.Email, true))
	op.get("/operator").at("/second-factor").says("Operators of this server need a second factor to sign in.")
}
