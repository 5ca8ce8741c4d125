// SPDX-License-Identifier: Apache-2.0

package notify

import (
	"postern/internal/notice"
)

// sender are the letters about addresses and domains that mail is sent from.
func (l *letter) sender(n notice.Notice) {
	switch n.Kind {
	case notice.SenderLink:
		l.Subject = "Confirm your address as a sender on Postern"
		l.Lines = []string{"The account “" + n.AccountName + "” wants to send mail from this address by Postern, a service that " +
			"sends mail for programs. If the address is yours and you want that, follow the link."}
		l.Facts = facts("Address", n.What, "Account", n.AccountName, "Key", n.KeyName, "When", when(n.At))
		l.Button = "Confirm"
		l.After = []string{"The link works once, until " + when(n.Until) + ". If you do not know this account, do nothing: no mail " +
			"is sent from the address unless you confirm."}
		l.Why = "You get this because somebody wants to send mail from this address on Postern."
	case notice.DomainBroken:
		l.Subject = "A DNS record of " + n.What + " is broken"
		l.Lines = []string{"A record of the domain was right and is not any more: it was looked at twice, an hour apart. Mail goes " +
			"on being sent, but receivers may refuse it or take it for spam."}
		l.Quote = n.Reason
		l.Button = "See what the record should be"
		l.After = []string{"The domain is looked at every hour until it is mended; then you get another mail."}
	default:
		l.Subject = "The DNS records of " + n.What + " are right again"
		l.Lines = []string{"What was broken is mended. There is nothing else to do."}
		l.Quote = n.Reason
		l.Button = "See the records"
	}
	if n.Kind != notice.SenderLink {
		l.Facts = facts("Domain", n.What, "Account", n.AccountName, "Key", n.KeyName, "API key", n.APIKey, "When", when(n.At))
		l.Why = toOwner
	}
}
