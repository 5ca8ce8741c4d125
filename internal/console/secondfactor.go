// SPDX-License-Identifier: Apache-2.0

package console

import (
	"net/http"

	"postern/internal/accounts"
)

func (c *console) showFactorPolicy(v *visit) error {
	return c.show(v, http.StatusOK, "factor-policy", "Two-factor authentication", "account", v.account.SecondFactor)
}

// setFactorPolicy says whether everybody who may do something in the account must have a second factor.
func (c *console) setFactorPolicy(v *visit) error {
	if err := parseForm(v.r); err != nil {
		return err
	}
	required := v.r.PostForm.Get("required") != ""
	if _, err := c.Accounts.ChangeAccount(v.r.Context(), v.actor, v.account.ID,
		accounts.AccountChange{SecondFactor: &required}); err != nil {
		return err
	}
	return v.redirect("/account?done=factor")
}
