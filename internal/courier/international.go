// SPDX-License-Identifier: Apache-2.0

package courier

import (
	"slices"

	"postern/internal/mail"
)

// byUTF8 parts a job of which something needs SMTPUTF8 (RFC 6531 §3.2): a recipient who can be reached without it is not kept
// from a mail by another's address. Where the sender's address or the header needs it all do.
func (j *Job) byUTF8() []Job {
	if !j.UTF8 || mail.NeedsUTF8(j.From) || hasHigh(j.Body) {
		return []Job{*j}
	}
	needs := func(r Recipient) bool { return mail.NeedsUTF8(r.Email) }
	plain, wide := *j, *j
	plain.UTF8, plain.Recipients = false, slices.DeleteFunc(slices.Clone(j.Recipients), needs)
	wide.Recipients = slices.DeleteFunc(slices.Clone(j.Recipients), func(r Recipient) bool { return !needs(r) })
	return slices.DeleteFunc([]Job{plain, wide}, func(part Job) bool { return len(part.Recipients) == 0 })
}
