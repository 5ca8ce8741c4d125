// SPDX-License-Identifier: Apache-2.0

package openapi

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// description is the YAML as far as it is read.
type description struct {
	Info struct{ Title, Description string }
	Tags []struct{ Name, Description string }

	Paths      ordered[ordered[yaml.Node]]
	Components struct {
		Schemas    ordered[*schema]
		Parameters map[string]parameter
		Responses  map[string]response
	}
}

type operation struct {
	Tags        []string
	OperationID string `yaml:"operationId"`
	Summary     string
	Description string
	Security    *[]map[string][]string
	Parameters  []parameter
	RequestBody *struct {
		Required bool
		Content  map[string]media
	} `yaml:"requestBody"`
	Responses ordered[response]
}

type parameter struct {
	Ref         string `yaml:"$ref"`
	Name, In    string
	Required    bool
	Description string
	Schema      *schema
	Example     any
}

type response struct {
	Ref         string `yaml:"$ref"`
	Description string
	Content     map[string]media
}

type media struct {
	Schema  *schema
	Example any
}

type schema struct {
	Ref         string `yaml:"$ref"`
	Type        words
	Format      string
	Description string
	Enum        []any
	Items       *schema
	Properties  ordered[*schema]
	Required    []string
	AnyOf       []*schema `yaml:"anyOf"`
	OneOf       []*schema `yaml:"oneOf"`
	AllOf       []*schema `yaml:"allOf"`
	Example     any

	Minimum, Maximum *float64
	MaxLength        *int `yaml:"maxLength"`
	MaxItems         *int `yaml:"maxItems"`
	Default          any
}

// ordered is a mapping in the order of the file.
type ordered[T any] []named[T]

type named[T any] struct {
	name  string
	value T
}

// UnmarshalYAML reads a mapping.
func (o *ordered[T]) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind != yaml.MappingNode {
		return fmt.Errorf("line %d: a mapping is expected", n.Line)
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		x := named[T]{name: n.Content[i].Value}
		value := n.Content[i+1]
		switch {
		case value.Kind == yaml.AliasNode: // it may lead back to where it stands
			return fmt.Errorf("line %d: aliases are not read: give %s a $ref", value.Line, x.name)
		case value.Tag == "!!null":
			return fmt.Errorf("line %d: %s has no value", value.Line, x.name)
		}
		if err := value.Decode(&x.value); err != nil {
			return err
		}
		*o = append(*o, x)
	}
	return nil
}

// words is one word, or a list of them.
type words []string

// UnmarshalYAML reads the type of a schema.
func (w *words) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		*w = words{n.Value}
		return nil
	}
	return n.Decode((*[]string)(w))
}

// refName is what a reference names: the last word of #/components/schemas/Name.
func refName(ref string) string { return ref[strings.LastIndexByte(ref, '/')+1:] }

func (d *description) schemaNamed(name string) *schema {
	for _, s := range d.Components.Schemas {
		if s.name == name {
			return s.value
		}
	}
	return nil
}

// resolve follows a reference.
func (d *description) resolve(s *schema) *schema {
	for range 8 { // as long as any chain of references is
		if s == nil || s.Ref == "" {
			return s
		}
		s = d.schemaNamed(refName(s.Ref))
	}
	return nil
}

// isObject says whether a schema has properties, and so a table of its own.
func isObject(s *schema) bool { return s != nil && len(s.Properties) > 0 }

// rows is the object that an envelope's Data holds, nil when a schema is no envelope.
func rows(s *schema) *schema {
	if s == nil {
		return nil
	}
	var data *schema
	seen := 0
	for _, p := range s.Properties {
		switch p.name {
		case "Data":
			data = p.value.Items
			seen++
		case "Count", "Total":
			seen++
		}
	}
	if seen != 3 || len(s.Properties) != 3 {
		return nil
	}
	return data
}

// typeOf says in words what a schema is.
func (d *description) typeOf(s *schema) Type { return d.typeTo(s, 8) }

// typeTo is typeOf for types in at most depth others: a schema may hold itself.
func (d *description) typeTo(s *schema, depth int) Type {
	if s == nil || depth == 0 {
		return Type{}
	}
	if s.Ref != "" {
		name, to := refName(s.Ref), d.resolve(s)
		switch {
		case rows(to) != nil:
			t := d.typeTo(rows(to), depth-1)
			return Type{Text: "Count, Total, and Data: an array of " + t.Text, Object: t.Object}
		case isObject(to):
			return Type{Text: name, Object: name}
		}
		return d.typeTo(to, depth-1)
	}
	for _, list := range [][]*schema{s.AnyOf, s.OneOf, s.AllOf} {
		if len(list) == 0 {
			continue
		}
		var t Type
		var texts []string
		for _, x := range list {
			of := d.typeTo(x, depth-1)
			texts = append(texts, of.Text)
			if t.Object == "" {
				t.Object = of.Object
			}
		}
		t.Text = strings.Join(texts, " or ")
		return t
	}
	if s.Items != nil {
		t := d.typeTo(s.Items, depth-1)
		t.Text = strings.TrimSpace("array of " + t.Text)
		return t
	}
	if len(s.Enum) > 0 {
		var texts []string
		for _, x := range s.Enum {
			texts = append(texts, fmt.Sprint(x))
		}
		return Type{Text: strings.Join(s.Type, " or ") + ": " + strings.Join(texts, ", ")}
	}
	text := strings.Join(s.Type, " or ")
	if s.Format != "" {
		text += " (" + s.Format + ")"
	}
	return Type{Text: text + bounds(s)}
}

// bounds are the limits of a value.
func bounds(s *schema) string {
	var out []string
	if s.MaxLength != nil {
		out = append(out, fmt.Sprintf("at most %d characters", *s.MaxLength))
	}
	if s.MaxItems != nil {
		out = append(out, fmt.Sprintf("at most %d", *s.MaxItems))
	}
	switch {
	case s.Minimum != nil && s.Maximum != nil:
		out = append(out, fmt.Sprintf("%v to %v", *s.Minimum, *s.Maximum))
	case s.Maximum != nil:
		out = append(out, fmt.Sprintf("at most %v", *s.Maximum))
	case s.Minimum != nil && *s.Minimum != 0:
		out = append(out, fmt.Sprintf("at least %v", *s.Minimum))
	}
	if s.Default != nil {
		out = append(out, fmt.Sprintf("default %v", s.Default))
	}
	if len(out) == 0 {
		return ""
	}
	return ", " + strings.Join(out, ", ")
}

// object is a named schema as a table. Envelopes and plain values have none.
func (d *description) object(name string, s *schema) (Object, bool) {
	if !isObject(s) || rows(s) != nil {
		return Object{}, false
	}
	return Object{Name: name, Description: prose(s.Description), Fields: d.fields(s, "")}, true
}

// fields are the properties of a schema; those of objects without a name of their own follow, with the path to them.
func (d *description) fields(s *schema, path string) []Field {
	var out []Field
	for _, p := range s.Properties {
		t := d.typeOf(p.value)
		inner := p.value
		if inner.Items != nil {
			inner = inner.Items
		}
		if t.Text == "" && isObject(inner) {
			t.Text = "object"
		}
		out = append(out, Field{Name: path + p.name, Required: slices.Contains(s.Required,
			p.name), Type: t, Description: prose(p.value.Description)})
		if inner.Ref == "" && isObject(inner) {
			out = append(out, d.fields(inner, path+p.name+".")...)
		}
	}
	return out
}
