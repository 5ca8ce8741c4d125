// SPDX-License-Identifier: Apache-2.0

package sdk_test

import (
	"bytes"
	"flag"
	"fmt"
	"iter"
	"os"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

var update = flag.Bool("update", false, "write docs/compatibility.md")

// The statuses of compat.yaml.
const (
	yes    = "yes"
	partly = "partly"
	no     = "no"
	// refused is a filter that is 400.
	refused = "refused"
	ours    = "ours"
)

// compat is compat.yaml: what of the contract is answered.
type compat struct {
	Pending     []string // "resource", "PUT resource", "resource.Property", "resource?Filter", "v3.1 Property", …
	Conventions []line
	Resources   []resource
	Send31      struct {
		Call, Message, Answer table
		Errors                []string
		NoErrors              table `yaml:"noerrors"`
	}
	Send3 struct {
		Message, Answer table
	}
	Submission []line `yaml:"smtp"`
	Headers    table
	Events     map[string]table
	Delivery   []line
}

// resource is one of /v3/REST.
type resource struct {
	Resource, About, Note string
	Methods               table
	One                   string   // how one is addressed by ID
	Go                    string   // its struct in the Go SDK
	Ask, Post             []string // requests whose rows are looked at
	Empty                 bool     // there are never rows
	Properties            table
	Filters               table
}

// line is a sentence, its status and perhaps a note.
type line []string

// table keeps the order of the file.
type table struct {
	names []string
	rows  map[string][]string
}

// UnmarshalYAML reads a mapping of names to a word, or a list of words.
func (t *table) UnmarshalYAML(n *yaml.Node) error {
	t.rows = map[string][]string{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		name := n.Content[i].Value
		if _, twice := t.rows[name]; twice {
			return fmt.Errorf("line %d: %s is there twice", n.Line, name)
		}
		words := []string{n.Content[i+1].Value}
		if n.Content[i+1].Kind == yaml.SequenceNode {
			if err := n.Content[i+1].Decode(&words); err != nil {
				return err
			}
		}
		t.names = append(t.names, name)
		t.rows[name] = words
	}
	return nil
}

// all are the names with what is said of each, in the order of the file.
func (t *table) all() iter.Seq2[string, []string] {
	return func(yield func(string, []string) bool) {
		for _, name := range t.names {
			if !yield(name, t.rows[name]) {
				return
			}
		}
	}
}

// word is a row's word, "" when the row is shorter.
func word(row []string, i int) string {
	if i < len(row) {
		return row[i]
	}
	return ""
}

func readCompat(t testing.TB) *compat {
	t.Helper()
	text, err := os.ReadFile("compat.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var c compat
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(&c); err != nil {
		t.Fatal(err)
	}
	return &c
}

// isPending says whether something of the file is still being built.
func (c *compat) isPending(what string) bool { return slices.Contains(c.Pending, what) }

// TestCompatFile: no line has a status or a type of its own.
func TestCompatFile(t *testing.T) {
	c := readCompat(t)
	statuses := []string{yes, partly, no, ours, refused}
	status := func(where, s string) {
		if !slices.Contains(statuses, s) {
			t.Errorf("%s: the status %q is none of %v", where, s, statuses)
		}
	}
	for _, lines := range [][]line{c.Conventions, c.Submission, c.Delivery} {
		for _, l := range lines {
			status(l[0], word(l, 1))
		}
	}
	typed := func(where string, of table) {
		for name, row := range of.all() {
			status(where+" "+name, word(row, 1))
			if !slices.Contains([]string{"string", "time", "int", "number", "bool", "object", "array"}, strings.TrimPrefix(row[0], "optional ")) {
				t.Errorf("%s %s: the type %q", where, name, row[0])
			}
			if word(row, 1) == partly && word(row, 2) == "" {
				t.Errorf("%s %s: partly needs a note", where, name)
			}
		}
	}
	for _, r := range c.Resources {
		for name, row := range r.Methods.all() {
			status(r.Resource+" "+name, row[0])
		}
		for name, row := range r.Filters.all() {
			status(r.Resource+" filter "+name, row[0])
		}
		typed(r.Resource, r.Properties)
	}
	typed("v3.1 answer", c.Send31.Answer)
	typed("v3 answer", c.Send3.Answer)
	for name, of := range c.Events {
		typed("event "+name, of)
	}
	for where, of := range map[string]table{"v3.1 call": c.Send31.Call, "v3.1": c.Send31.Message, "v3": c.Send3.Message, "SMTP header": c.Headers} {
		for name, row := range of.all() {
			status(where+" "+name, row[0])
		}
	}
}

// TestEveryEndpoint: what the server describes in OpenAPI is in compat.yaml, method for method.
func TestEveryEndpoint(t *testing.T) {
	text, err := os.ReadFile("../../internal/api/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var described struct {
		Paths map[string]map[string]yaml.Node
	}
	if err := yaml.Unmarshal(text, &described); err != nil {
		t.Fatal(err)
	}
	c := readCompat(t)
	for path, methods := range described.Paths {
		name, ok := strings.CutPrefix(path, "/v3/REST/")
		if !ok || slices.Contains(c.emptyOnes(), name) {
			continue
		}
		for method := range methods {
			if !c.offers(name, strings.ToUpper(method)) {
				t.Errorf("%s %s is described, and compat.yaml does not have it", method, path)
			}
		}
	}
}

// emptyOnes are the resources that are asked in the row of one that has no rows.
func (c *compat) emptyOnes() []string {
	var out []string
	for _, r := range c.Resources {
		if r.Empty {
			out = append(out, r.Ask...)
		}
	}
	return out
}

// offers says whether a resource, or one of its objects, has a method.
func (c *compat) offers(name, method string) bool {
	return slices.ContainsFunc(c.Resources, func(r resource) bool {
		row := r.Methods.rows[method]
		return (r.Resource == name || r.Resource == strings.TrimSuffix(name, "/{id}") || strings.TrimSuffix(r.Resource, "/{id}") == name) && row != nil && row[0] != no
	})
}

// TestPage: docs/compatibility.md is what compat.yaml says.
func TestPage(t *testing.T) {
	const path = "../../docs/compatibility.md"
	want := page(readCompat(t))
	if *update {
		if err := os.WriteFile(path, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("docs/compatibility.md is not what compat.yaml says: go test ./test/sdk -run TestPage -update")
	}
}
