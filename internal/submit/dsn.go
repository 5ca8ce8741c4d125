// SPDX-License-Identifier: Apache-2.0

package submit

import (
	"errors"
	"fmt"

	"postern/internal/mail"
)

// checkAsked checks what the envelope asks for: it stands between two commands of SMTP on its way on, and in notices.
func checkAsked(env *Envelope) error {
	err := errors.Join(env.Ret.Check(), env.EnvID.Check())
	for i := range env.Recipients {
		if err != nil {
			break
		}
		r := &env.Recipients[i]
		err = errors.Join(r.Notify.Check(), r.ORcpt.Check())
	}
	var bad *mail.SyntaxError
	if !errors.As(err, &bad) {
		return nil
	}
	return &Error{Code: BadParameter, Field: bad.Field, Reason: fmt.Sprintf("The parameter %s %s.", bad.Field, bad.Reason)}
}
