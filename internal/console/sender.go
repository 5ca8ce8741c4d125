// SPDX-License-Identifier: Apache-2.0

package console

import (
	"errors"
	"net/http"
	"strings"

	"postern/internal/change"
	"postern/internal/senders"
	"postern/internal/store"
)

// senderBody is the page of a sender, with the records of its domain.
type senderBody struct {
	senderRow
	Note, Problem  string
	Problems       []string // why the domain is not proved
	MayLend        bool
	SPFHasToChange bool // there is a record already, which the value here would break
	NewName        string
	NameProblem    string
	TypeProblem    string
}

// senderBody gathers the page of a sender.
func (c *console) senderBody(row senderRow) senderBody {
	return senderBody{senderRow: row, NewName: row.Name, MayLend: row.Manage && row.Key.Master, SPFHasToChange: len(row.Of.SPF.Current) > 0}
}

func (c *console) showSender(v *visit) error {
	row, err := c.senderOf(v)
	if err != nil {
		return err
	}
	b := c.senderBody(row)
	switch v.r.URL.Query().Get("done") {
	case "mailed":
		b.Note = "A new link is on its way to " + row.Email + "."
	case "checked":
		b.Note = "The DNS was looked at just now."
	case "named":
		b.Note = "The sender has its new name."
	case "typed":
		b.Note = "The sender has its new type."
	}
	return c.show(v, http.StatusOK, "sender", row.Label(), "senders", b)
}

// refuseSender shows the page of a sender with what is wrong.
func (c *console) refuseSender(v *visit, row senderRow, problem string, problems ...string) error {
	b := c.senderBody(row)
	b.Problem = problem
	for _, p := range problems {
		if p != "" {
			b.Problems = append(b.Problems, p)
		}
	}
	return c.show(v, http.StatusUnprocessableEntity, "sender", row.Label(), "senders", b)
}

// checkSender looks at the domain of a sender now: for its proof, when it has none, and at its records.
func (c *console) checkSender(v *visit) error {
	row, err := c.senderOf(v)
	if err != nil {
		return err
	}
	report, err := c.Domains.CheckSender(v.r.Context(), v.actor, v.scope, row.Sender)
	if e := userError(err); e != nil {
		return c.refuseSender(v, row, sentence(e.Reason))
	}
	if err != nil {
		return err
	}
	if row, err = c.senderOf(v); err != nil {
		return err
	}
	if !row.Of.Proved() {
		return c.refuseSender(v, row, "The domain is not proved yet.", report.Ownership.Errors...)
	}
	return v.redirect(senderPath(row.ID) + "?done=checked")
}

// mailSender mails the link once more.
func (c *console) mailSender(v *visit) error {
	row, err := c.senderOf(v)
	if err != nil {
		return err
	}
	err = c.Senders.MailSenderLink(v.r.Context(), v.actor, v.scope, row.ID)
	if e := userError(err); e != nil {
		return c.refuseSender(v, row, sentence(e.Reason))
	}
	if err != nil {
		return err
	}
	return v.redirect(senderPath(row.ID) + "?done=mailed")
}

// lendSender lends a sender of the primary key to all subaccounts, or does no more.
func (c *console) lendSender(v *visit) error {
	if err := parseForm(v.r); err != nil {
		return err
	}
	row, err := c.senderOf(v)
	if err != nil {
		return err
	}
	lent := v.r.PostForm.Get("lend") == "yes"
	_, err = c.Senders.ChangeSender(v.r.Context(), v.actor, v.scope, row.ID, senders.SenderChange{Lent: &lent})
	if e := userError(err); e != nil {
		return c.refuseSender(v, row, sentence(e.Reason))
	}
	if err != nil {
		return err
	}
	return v.redirect(senderPath(row.ID))
}

// renameSender changes the name that is shown for a sender.
func (c *console) renameSender(v *visit) error {
	if err := parseForm(v.r); err != nil {
		return err
	}
	row, err := c.senderOf(v)
	if err != nil {
		return err
	}
	name := strings.TrimSpace(v.r.PostForm.Get("name"))
	_, err = c.Senders.ChangeSender(v.r.Context(), v.actor, v.scope, row.ID, senders.SenderChange{Name: &name})
	if e := userError(err); e != nil {
		b := c.senderBody(row)
		b.NewName, b.NameProblem = name, sentence(e.Reason)
		return c.show(v, http.StatusUnprocessableEntity, "sender", row.Label(), "senders", b)
	}
	if err != nil {
		return err
	}
	return v.redirect(senderPath(row.ID) + "?done=named")
}

// typeSender says what kind of mail a sender is for.
func (c *console) typeSender(v *visit) error {
	if err := parseForm(v.r); err != nil {
		return err
	}
	row, err := c.senderOf(v)
	if err != nil {
		return err
	}
	kind := v.r.PostForm.Get("emailtype")
	_, err = c.Senders.ChangeSender(v.r.Context(), v.actor, v.scope, row.ID, senders.SenderChange{EmailType: &kind})
	if e := userError(err); e != nil {
		b := c.senderBody(row)
		b.TypeProblem = sentence(e.Reason)
		return c.show(v, http.StatusUnprocessableEntity, "sender", row.Label(), "senders", b)
	}
	if err != nil {
		return err
	}
	return v.redirect(senderPath(row.ID) + "?done=typed")
}

// senderLinkBody is the page of a link that was mailed to an address.
type senderLinkBody struct {
	store.SenderLink
	Path string
}

// senderLinkGone says why a link does not work any more, and not which of the reasons it is.
func senderLinkGone() error {
	return &statusError{http.StatusNotFound, "This link does not work any more", "It was used already, has ended, or the address " +
		"was removed. If mail shall be sent from the address, let a new link be mailed."}
}

// showSenderLink asks who reads mail at an address whether it may be sent from. It uses nothing up.
func (c *console) showSenderLink(w http.ResponseWriter, r *http.Request) {
	l, err := c.Senders.SenderLink(r.Context(), r.PathValue("token"))
	c.answerSenderLink(w, r, "sender-link", l, err)
}

// useSenderLink allows it. No sign-in is needed: who has the link reads the address's mail, which is all it shows.
func (c *console) useSenderLink(w http.ResponseWriter, r *http.Request) {
	l, err := c.Senders.UseSenderLink(r.Context(), r.PathValue("token"), c.address(r))
	c.answerSenderLink(w, r, "sender-link-used", l, err)
}

func (c *console) answerSenderLink(w http.ResponseWriter, r *http.Request, name string, l store.SenderLink, err error) {
	var e *change.Error
	if errors.As(err, &e) && e.Kind == change.NotFound {
		err = senderLinkGone()
	}
	if err != nil {
		c.fail(w, r, err)
		return
	}
	c.render(w, r, http.StatusOK, name, page{Title: "Sending from " + l.Email, Body: senderLinkBody{l, r.URL.Path}})
}
