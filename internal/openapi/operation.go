// SPDX-License-Identifier: Apache-2.0

package openapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

func (d *description) operation(path, method string, op operation) (Operation, error) {
	out := Operation{
		ID: op.OperationID, Method: strings.ToUpper(method), Path: path, Summary: op.Summary, Description: prose(op.Description),
		Open: op.Security != nil && len(*op.Security) == 0,
	}
	for _, p := range op.Parameters {
		if p.Ref != "" {
			to, ok := d.Components.Parameters[refName(p.Ref)]
			if !ok {
				return out, fmt.Errorf("there is no parameter %s", p.Ref)
			}
			p = to
		}
		out.Parameters = append(out.Parameters,
			Field{Name: p.Name, In: p.In, Required: p.Required, Type: d.typeOf(p.Schema), Description: prose(p.Description)})
	}
	for _, r := range op.Responses {
		to := r.value
		if to.Ref != "" {
			var ok bool
			if to, ok = d.Components.Responses[refName(to.Ref)]; !ok {
				return out, fmt.Errorf("there is no response %s", r.value.Ref)
			}
		}
		out.Answers = append(out.Answers,
			Answer{Status: r.name, Description: prose(to.Description), Body: d.typeOf(to.Content["application/json"].Schema)})
	}
	var body *media
	if op.RequestBody != nil {
		m := op.RequestBody.Content["application/json"]
		body = &m
		t := d.typeOf(m.Schema)
		out.Body, out.BodyRequired = &t, op.RequestBody.Required
	}
	var err error
	out.Curl, err = d.curl(out, method, body)
	return out, err
}

// curl writes a request that a shell can run once $URL, $KEY and $SECRET are set.
func (d *description) curl(op Operation, method string, body *media) (string, error) {
	path := op.Path
	for _, p := range op.Parameters {
		if p.In == "path" {
			path = strings.ReplaceAll(path, "{"+p.Name+"}", "$"+strings.ToUpper(p.Name))
		}
	}
	var query []string
	for _, p := range op.Parameters {
		if p.In == "query" && p.Required {
			query = append(query, p.Name+"="+firstWord(p.Type.Text))
		}
	}
	if len(query) > 0 {
		path += "?" + strings.Join(query, "&")
	}
	s := "curl -s"
	if method != "get" && (method != "post" || body == nil) { // -d makes a POST of it
		s += " -X " + op.Method
	}
	if !op.Open {
		s += ` --user "$KEY:$SECRET"`
	}
	s += ` "$URL` + path + `"`
	if body == nil {
		return s, nil
	}
	example := body.Example
	if example == nil {
		example = d.example("", body.Schema, 0)
	}
	text, err := indented(example)
	if err != nil {
		return "", err
	}
	return s + " \\\n  -H 'Content-Type: application/json' -d '" + strings.ReplaceAll(text, "'", `'\''`) + "'", nil
}

// firstWord is a value that a parameter of a type may have: of an enumeration the first.
func firstWord(t string) string {
	_, words, ok := strings.Cut(t, ": ")
	if !ok {
		return "…"
	}
	word, _, _ := strings.Cut(words, ",")
	return word
}

func indented(v any) (string, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return "", err
	}
	text := strings.TrimSpace(b.String())
	if len(text) < 60 {
		return text, nil
	}
	b.Reset()
	err := json.Indent(&b, []byte(text), "", "  ")
	return b.String(), err
}

// example makes a value up: of an object what it must have, or the first of what it may.
func (d *description) example(name string, s *schema, depth int) any {
	s = d.resolve(s)
	switch {
	case s == nil || depth > 6:
		return "…"
	case s.Example != nil:
		return s.Example
	case len(s.Enum) > 0:
		return s.Enum[0]
	case len(s.AnyOf) > 0:
		return d.example(name, s.AnyOf[0], depth+1)
	case len(s.OneOf) > 0:
		return d.example(name, s.OneOf[0], depth+1)
	case isObject(s):
		out := map[string]any{}
		for i, p := range s.Properties {
			if slices.Contains(s.Required, p.name) || len(s.Required) == 0 && i == 0 {
				out[p.name] = d.example(p.name, p.value, depth+1)
			}
		}
		return out
	case s.Items != nil:
		return []any{d.example(name, s.Items, depth+1)}
	}
	for _, t := range s.Type {
		switch t {
		case "integer", "number":
			return 1
		case "boolean":
			return true
		case "object":
			return map[string]any{}
		case "array":
			return []any{}
		}
	}
	switch {
	case strings.HasSuffix(name, "Email"):
		return "you@example.com"
	case strings.EqualFold(name, "Url"):
		return "https://hooks.example.com/postern"
	}
	return "…"
}
