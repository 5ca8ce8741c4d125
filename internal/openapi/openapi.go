// SPDX-License-Identifier: Apache-2.0

// Package openapi reads an OpenAPI 3.1 description for people: its operations in groups, with a request that can be
// tried, and the objects that they take and answer. It does no I/O. It knows as much of OpenAPI as the description of
// this server uses; what is wrong with that one, the tests of the room that has it say.
package openapi

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Document is a description.
type Document struct {
	Title       string
	Description Prose
	Groups      []Group
	Objects     []Object // what is referred to, by name
}

// Group is the operations with one tag.
type Group struct {
	Name        string
	Description string
	Operations  []Operation
}

// Operation is one method of a path.
type Operation struct {
	ID, Method, Path string
	Summary          string
	Description      Prose
	Open             bool // asks for no credentials
	Parameters       []Field
	Body             *Type // nil: it takes none
	BodyRequired     bool
	Answers          []Answer
	Curl             string // a request on a server at $URL, with $KEY and $SECRET
}

// Answer is what may come back. Status is "default" for errors.
type Answer struct {
	Status      string
	Description Prose
	Body        Type
}

// Object is a schema with a name.
type Object struct {
	Name        string
	Description Prose
	Fields      []Field
}

// Field is a parameter or a property. In says where a parameter is: path, query or header.
type Field struct {
	Name, In    string
	Required    bool
	Type        Type
	Description Prose
}

// Type is the type of a value in words. Object is the name of the object that it is or holds, "" for none.
type Type struct {
	Text   string
	Object string
}

// Prose is text in paragraphs.
type Prose [][]Span

// Span is a piece of a paragraph.
type Span struct {
	Text string
	Code bool
}

// JSON is a description in JSON instead of YAML.
func JSON(text []byte) ([]byte, error) {
	var v any
	if err := yaml.Unmarshal(text, &v); err != nil {
		return nil, err
	}
	return json.Marshal(v)
}

// Parse reads a description in YAML.
func Parse(text []byte) (*Document, error) {
	var d description
	if err := yaml.Unmarshal(text, &d); err != nil {
		return nil, fmt.Errorf("openapi: %w", err)
	}
	out := &Document{Title: d.Info.Title, Description: prose(d.Info.Description)}
	for _, tag := range d.Tags {
		out.Groups = append(out.Groups, Group{Name: tag.Name, Description: tag.Description})
	}
	for _, path := range d.Paths {
		for _, method := range path.value {
			if !slices.Contains([]string{"get", "post", "put", "delete", "patch", "head"}, method.name) {
				continue
			}
			var op operation
			err := method.value.Decode(&op)
			var o Operation
			if err == nil {
				o, err = d.operation(path.name, method.name, op)
			}
			if err != nil {
				return nil, fmt.Errorf("openapi: %s %s: %w", method.name, path.name, err)
			}
			out.add(strings.Join(op.Tags[:min(1, len(op.Tags))], ""), o)
		}
	}
	for _, s := range d.Components.Schemas {
		if object, ok := d.object(s.name, s.value); ok {
			out.Objects = append(out.Objects, object)
		}
	}
	slices.SortFunc(out.Objects, func(a, b Object) int { return strings.Compare(a.Name, b.Name) })
	out.Groups = slices.DeleteFunc(out.Groups, func(g Group) bool { return len(g.Operations) == 0 })
	return out, nil
}

// add puts an operation into its group: a tag that was not declared is one too.
func (d *Document) add(group string, op Operation) {
	i := slices.IndexFunc(d.Groups, func(g Group) bool { return g.Name == group })
	if i < 0 {
		d.Groups = append(d.Groups, Group{Name: group})
		i = len(d.Groups) - 1
	}
	d.Groups[i].Operations = append(d.Groups[i].Operations, op)
}

// prose splits text into paragraphs at empty lines, and marks what stands between backticks.
func prose(s string) Prose {
	var out Prose
	for p := range strings.SplitSeq(strings.TrimSpace(s), "\n\n") {
		var spans []Span
		for i, piece := range strings.Split(strings.Join(strings.Fields(p), " "), "`") {
			if piece != "" {
				spans = append(spans, Span{Text: piece, Code: i%2 == 1})
			}
		}
		if len(spans) > 0 {
			out = append(out, spans)
		}
	}
	return out
}
