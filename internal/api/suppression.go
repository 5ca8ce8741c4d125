// SPDX-License-Identifier: Apache-2.0

package api

import (
	"fmt"
	"mime"
	"net/http"
	"strings"

	"postern/internal/access"
	"postern/internal/suppress"
)

// suppression is an entry on the wire.
type suppression struct {
	APIKeyID  int64
	CreatedAt string
	Email     string
	ID        int64
	MessageID int64 `json:",omitempty"`
	Note      string
	Reason    string
}

func wireSuppression(x suppress.Suppression) suppression {
	return suppression{
		APIKeyID: x.KeyID, CreatedAt: timestamp(x.CreatedAt), Email: x.Email, ID: x.ID, MessageID: x.MessageID, Note: x.Note,
		Reason: x.Reason,
	}
}

func (a *api) suppressionRoutes() []route {
	const rest = "/v3/REST/"
	const read, manage = access.MayRead, access.MayManage
	return []route{
		{method: "GET", pattern: rest + "suppression", handle: a.listSuppressions, need: read},
		{method: "POST", pattern: rest + "suppression", handle: a.addSuppressions, need: manage},
		{method: "GET", pattern: rest + "suppression/{id}", handle: a.getSuppression, need: read},
		{method: "PUT", pattern: rest + "suppression/{id}", handle: a.changeSuppression, need: manage},
		{method: "DELETE", pattern: rest + "suppression/{id}", handle: a.deleteSuppression, need: manage},
		{method: "POST", pattern: rest + "complaint", handle: a.complain, need: manage},
	}
}

func (a *api) listSuppressions(c *call) (reply, error) {
	q, err := c.query()
	if err != nil {
		return reply{}, err
	}
	l, err := q.listing("ID")
	if err != nil {
		return reply{}, err
	}
	f := suppress.Filter{Email: q["email"], Search: q["search"], Reason: q["reason"]}
	if f.From, err = q.time("fromts", "FromTS"); err != nil {
		return reply{}, err
	}
	if f.To, err = q.time("tots", "ToTS"); err != nil {
		return reply{}, err
	}
	after, err := q.number("afterid", "AfterID", 0)
	if err != nil {
		return reply{}, err
	}
	total, err := a.Suppress.Count(c.Context(), c.own(), f)
	if err != nil || l.countOnly {
		return rows[suppression](nil, total), filterFault(err)
	}
	f.Above = int64(after)
	list, err := a.Suppress.Entries(c.Context(), c.own(), f, l.Page)
	if err != nil {
		return reply{}, err
	}
	out := make([]suppression, 0, len(list))
	for _, x := range list {
		out = append(out, wireSuppression(x))
	}
	return rows(out, total), nil
}

// getSuppression reads the entry that the path names by its ID or address.
func (a *api) getSuppression(c *call) (reply, error) {
	x, err := a.Suppress.Find(c.Context(), c.own(), c.PathValue("id"))
	if err != nil {
		return reply{}, err
	}
	return one(wireSuppression(x)), nil
}

// addSuppressions takes one entry, or some under Suppressions: all of them or none.
func (a *api) addSuppressions(c *call) (reply, error) {
	body, err := c.object(maxResource)
	if err != nil {
		return reply{}, err
	}
	var entries []suppress.Entry
	if list, given := body[fold("Suppressions")]; given {
		if !list.isArray() {
			return reply{}, badRequest("Property Suppressions: expected an array.")
		}
		for x := range list.elements() {
			if !x.isObject() {
				return reply{}, badRequest(fmt.Sprintf("Property Suppressions[%d]: expected an object.", len(entries)))
			}
			if len(entries) > suppress.MaxAdd {
				break // it is refused for their number
			}
			e, err := suppressionEntry(objectOf(x), fmt.Sprintf("Suppressions[%d].", len(entries)))
			if err != nil {
				return reply{}, err
			}
			entries = append(entries, e)
		}
	} else {
		e, err := suppressionEntry(body, "")
		if err != nil {
			return reply{}, err
		}
		entries = append(entries, e)
	}
	made, err := a.Suppress.Add(c.Context(), c.actor(), c.own(), c.itself(), entries)
	if err != nil {
		return reply{}, err
	}
	out := make([]suppression, 0, len(made))
	for _, x := range made {
		out = append(out, wireSuppression(x))
	}
	r := rows(out, len(out))
	r.status = http.StatusCreated
	return r, nil
}

// objectOf is a JSON object as values under folded names.
func objectOf(v value) object {
	out := object{}
	for name, x := range v.members() {
		if !x.isNull() {
			out[fold(name)] = x
		}
	}
	return out
}

// suppressionEntry reads an entry's properties; where is what stands before their names in an error.
func suppressionEntry(o object, where string) (e suppress.Entry, err error) {
	for name, into := range map[string]*string{"Email": &e.Email, "Reason": &e.Reason, "Note": &e.Note} {
		s, err := o.text(name)
		if err != nil {
			return e, badRequest("Property " + where + name + ": expected a string, without NUL characters.")
		}
		*into = orEmpty(s)
	}
	return e, nil
}

// changeSuppression sets the reason and the note; the address is what it is.
func (a *api) changeSuppression(c *call) (reply, error) {
	body, err := c.object(maxResource)
	if err != nil {
		return reply{}, err
	}
	reason, err := body.text("Reason")
	if err != nil {
		return reply{}, err
	}
	note, err := body.text("Note")
	if err != nil {
		return reply{}, err
	}
	x, err := a.Suppress.Change(c.Context(), c.actor(), c.own(), c.PathValue("id"), reason, note)
	if err != nil {
		return reply{}, err
	}
	return one(wireSuppression(x)), nil
}

func (a *api) deleteSuppression(c *call) (reply, error) {
	_, err := a.Suppress.Remove(c.Context(), c.actor(), c.own(), c.PathValue("id"))
	return reply{status: http.StatusNoContent}, err
}

// complaint is what became of a complaint, on the wire.
type complaint struct {
	Email      string
	IsRecorded bool
	MessageID  int64
	Type       string
	UUID       string
}

// complain takes a complaint about one of the calling key's messages: as properties, or a mailbox provider's report as
// it came, when it is sent as message/rfc822 or multipart/report.
func (a *api) complain(c *call) (reply, error) {
	what, err := complaintOf(c)
	if err != nil {
		return reply{}, err
	}
	done, err := a.Suppress.Complain(c.Context(), c.own(), what)
	if err != nil {
		return reply{}, err
	}
	r := one(complaint{Email: done.Email, IsRecorded: done.Recorded, MessageID: done.MessageID, Type: done.Type, UUID: done.UUID})
	r.status = http.StatusCreated
	if !done.Recorded {
		r.status = http.StatusOK
	}
	return r, nil
}

func complaintOf(c *call) (suppress.Complaint, error) {
	var out suppress.Complaint
	kind, _, err := mime.ParseMediaType(c.Header.Get("Content-Type"))
	if err == nil && (strings.HasPrefix(kind, "message/") || kind == "multipart/report") {
		raw, err := c.resourceBody("report", suppress.MaxReport)
		if err != nil {
			return out, err
		}
		if kind == "multipart/report" { // the boundary stands in the request's header
			raw = append([]byte("Content-Type: "+c.Header.Get("Content-Type")+"\r\n\r\n"), raw...)
		}
		out.Report = raw
		return out, nil
	}
	body, err := c.object(suppress.MaxReport)
	if err != nil {
		return out, err
	}
	if out.MessageID, err = body.id("MessageID"); err != nil {
		return out, err
	}
	var report string
	for name, into := range map[string]*string{"UUID": &out.UUID, "Email": &out.Email, "Source": &out.Source, "Report": &report} {
		s, err := body.text(name)
		if err != nil {
			return out, err
		}
		*into = orEmpty(s)
	}
	out.Report = []byte(report)
	return out, nil
}
