// SPDX-License-Identifier: Apache-2.0

package sdk_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

const pageHead = `<!-- Made from test/sdk/compat.yaml: go test ./test/sdk -run TestPage -update -->

# What of Mailjet's API is answered

Each endpoint and property of the wire contract, with **yes**, **partly** or **no**. *ours* is an addition, which changes nothing of the shape of what is there; *refused* is a filter that is answered with 400, since the answer would be of everything. This page is made from ` + "`test/sdk/compat.yaml`" + `, which the tests read too: a property with yes or partly is in every row that a running server answers, with its type, one with no is never there, and what is not listed is not answered. The running server describes all of it, with its errors, at ` + "`/openapi`" + `.

How to move over: [howto/move-from-mailjet.md](howto/move-from-mailjet.md).

What is optional is left out when it is unset.
`

// page writes docs/compatibility.md.
func page(c *compat) []byte {
	p := &pageWriter{compat: c}
	p.WriteString(pageHead)
	p.lines("Conventions of /v3/REST", c.Conventions)
	p.resources(c.Resources)
	p.WriteString("\n## Send API v3.1: POST /v3.1/send\n")
	p.table("property of the call", c.Send31.Call, "")
	p.table("property of a message", c.Send31.Message, "v3.1 ")
	p.typed("property of the answer", c.Send31.Answer, "")
	fmt.Fprintf(p, "\nErrors with their codes: %s.", strings.Join(c.Send31.Errors, ", "))
	for name, row := range c.Send31.NoErrors.all() {
		fmt.Fprintf(p, " No %s: %s.", name, row[0])
	}
	p.WriteString("\n\n## Send API v3: POST /v3/send and /v3/send/message\n")
	p.table("property of a message", c.Send3.Message, "v3/send")
	p.typed("property of the answer, in Sent", c.Send3.Answer, "v3/send")
	p.lines("SMTP", c.Submission)
	p.table("control header", c.Headers, "header ")
	p.lines("Webhooks", c.Delivery)
	for _, name := range []string{"common", "sent", "open", "click", "bounce", "blocked", "spam", "unsub"} {
		p.typed("property of "+map[bool]string{true: "every event", false: "the event " + name}[name == "common"], c.Events[name], "event "+name)
	}
	return p.Bytes()
}

type pageWriter struct {
	bytes.Buffer
	*compat
}

// status is how a status is written; what is being built is said to be.
func (p *pageWriter) status(status string, what ...string) string {
	if status != no && slices.ContainsFunc(what, p.isPending) {
		return "**not yet**"
	}
	switch status {
	case no, partly:
		return "**" + status + "**"
	case ours:
		return "*ours*"
	}
	return status
}

func (p *pageWriter) lines(title string, lines []line) {
	p.WriteString("\n## " + title + "\n\n| what | | note |\n| --- | --- | --- |\n")
	for _, l := range lines {
		p.row(l[0], p.status(word(l, 1)), word(l, 2))
	}
}

// resources writes the overview, then each resource with its properties.
func (p *pageWriter) resources(list []resource) {
	p.WriteString("\n## Resources of /v3/REST\n\n| resource | methods | what |\n| --- | --- | --- |\n")
	for _, r := range list {
		name := "`" + r.Resource + "`"
		if len(r.Properties.names) > 0 {
			name = fmt.Sprintf("[`%s`](#%s)", r.Resource, anchor(r.Resource))
		}
		var methods []string
		for m, row := range r.Methods.all() {
			methods = append(methods, m+" "+p.status(row[0], r.Resource, m+" "+r.Resource))
		}
		p.row(name, strings.Join(methods, ", "), strings.Join(nonEmpty(r.About, r.Note), " "))
	}
	for _, r := range list {
		if len(r.Properties.names) == 0 {
			continue
		}
		p.WriteString("\n### " + r.Resource + "\n\n" + r.About + "\n")
		p.typed("property", r.Properties, r.Resource)
		if len(r.Filters.names) > 0 {
			p.table("filter", r.Filters, r.Resource)
		}
	}
}

func (p *pageWriter) typed(head string, t table, of string) {
	p.WriteString("\n| " + head + " | type | | note |\n| --- | --- | --- | --- |\n")
	for name, row := range t.all() {
		p.row("`"+name+"`", row[0], p.status(word(row, 1), of, of+"."+name), word(row, 2))
	}
}

// table writes what has no type: filters and properties that are given.
func (p *pageWriter) table(head string, t table, of string) {
	p.WriteString("\n| " + head + " | | note |\n| --- | --- | --- |\n")
	for name, row := range t.all() {
		p.row("`"+name+"`", p.status(word(row, 0), of, of+"?"+name, of+name), word(row, 2))
	}
}

func (p *pageWriter) row(cells ...string) {
	for i, c := range cells {
		cells[i] = strings.ReplaceAll(c, "|", "\\|")
	}
	p.WriteString("| " + strings.Join(cells, " | ") + " |\n")
}

// anchor is the address that a heading gets.
func anchor(heading string) string {
	return strings.NewReplacer("/", "", "{", "", "}", "", " ", "-").Replace(strings.ToLower(heading))
}

func nonEmpty(s ...string) []string {
	var out []string
	for _, x := range s {
		if x != "" {
			out = append(out, x)
		}
	}
	return out
}
