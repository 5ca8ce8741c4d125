// SPDX-License-Identifier: Apache-2.0

package sdk_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

// shape says what is wrong with an object's properties against what compat.yaml says of them.
func (w *world) shape(name string, props table, row map[string]json.RawMessage) []string {
	var wrong []string
	for p, is := range props.all() {
		v, given := row[p]
		optional := strings.HasPrefix(is[0], "optional ")
		switch status := word(is, 1); {
		case w.isPending(name + "." + p):
			if given {
				wrong = append(wrong, p+" is there: take it off the pending list")
			}
		case status == no && given:
			wrong = append(wrong, p+" is there, and compat.yaml says no")
		case status == no, !given && optional:
		case !given:
			wrong = append(wrong, p+" is missing")
		default:
			if err := typed(strings.TrimPrefix(is[0], "optional "), v); err != nil {
				wrong = append(wrong, fmt.Sprintf("%s: %v", p, err))
			}
		}
	}
	for p := range row {
		if _, listed := props.rows[p]; !listed {
			wrong = append(wrong, p+" is not in compat.yaml")
		}
	}
	return wrong
}

// typed says how a value is not of a type of compat.yaml.
func typed(want string, v json.RawMessage) error {
	var x any
	d := json.NewDecoder(bytes.NewReader(v))
	d.UseNumber()
	if err := d.Decode(&x); err != nil {
		return err
	}
	is := "null"
	switch x := x.(type) {
	case string:
		is = "string"
		if want != "time" {
			break
		}
		if x == "" {
			return nil
		}
		if _, err := time.Parse("2006-01-02T15:04:05Z", x); err != nil {
			return fmt.Errorf("%s is no time of RFC 3339 in UTC", v)
		}
		is = "time"
	case bool:
		is = "bool"
	case json.Number:
		is = "number"
		if n, err := x.Int64(); err == nil && want == "int" {
			if is = "int"; n >= 1<<53 {
				return fmt.Errorf("%s is not exact in JavaScript", v)
			}
		}
	case map[string]any:
		is = "object"
	case []any:
		is = "array"
	}
	if is != want {
		return fmt.Errorf("%s is a %s, not a %s", v, is, want)
	}
	return nil
}

// rowsOf are a resource's rows: the answers to its requests.
func (w *world) rowsOf(t *testing.T, r resource) []map[string]json.RawMessage {
	t.Helper()
	var rows []map[string]json.RawMessage
	ask := func(method, request string, body any) {
		path, known := w.named(request)
		if !known {
			if !w.isPending(r.Resource) {
				t.Errorf("%s: nothing is known of a name in it", request)
			}
			return
		}
		a := w.call(t, method, path, body)
		switch {
		case w.isPending(r.Resource) && a.Status < 300 && len(a.Data) > 0:
			t.Errorf("%s %s is there: take it off the pending list", method, path)
		case w.isPending(r.Resource):
		case a.Status != http.StatusOK:
			t.Errorf("%s %s: %s", method, path, a)
		case r.Empty != (len(a.Data) == 0), a.Count != len(a.Data), a.Total < a.Count:
			t.Errorf("%s %s: %d rows, %s", method, path, len(a.Data), a)
		}
		rows = append(rows, a.Data...)
	}
	for _, request := range r.Ask {
		ask(http.MethodGet, request, nil)
	}
	for _, request := range r.Post {
		ask(http.MethodPost, request, map[string]any{})
	}
	return rows
}

// testShapes: every row of every resource has the properties and types that compat.yaml says, and decodes into the
// Go SDK's struct.
func testShapes(t *testing.T, w *world) {
	for _, r := range w.Resources {
		rows := w.rowsOf(t, r)
		if w.isPending(r.Resource) {
			t.Logf("%s: not yet", r.Resource)
			continue
		}
		said := map[string]bool{}
		for _, row := range rows {
			for _, problem := range append(w.shape(r.Resource, r.Properties, row), intoStruct(r.Go, row)...) {
				if !said[problem] {
					t.Errorf("%s: %s", r.Resource, problem)
				}
				said[problem] = true
			}
		}
		for _, problem := range unanswered(r) {
			t.Errorf("%s: %s", r.Resource, problem)
		}
	}
}

// testRecorded: what was recorded of Mailjet's own answers is what compat.yaml says, so that the shapes of testShapes
// are theirs.
func testRecorded(t *testing.T, w *world) {
	text, err := os.ReadFile("testdata/recorded.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var recorded map[string]map[string]string
	if err := yaml.Unmarshal(text, &recorded); err != nil {
		t.Fatal(err)
	}
	seen := 0
	check := func(name string, props table) {
		shape, ok := recorded[name]
		if !ok {
			return
		}
		seen++
		for p, typ := range shape {
			is := props.rows[p]
			switch {
			case is == nil:
				t.Errorf("%s: %s was recorded and is not in compat.yaml", name, p)
			case word(is, 1) == no && word(is, 2) == "":
				t.Errorf("%s: %s was recorded; that it is not answered needs a reason", name, p)
			case !sameType(typ, strings.TrimPrefix(is[0], "optional ")):
				t.Errorf("%s: %s was recorded as %s and is %s here", name, p, typ, is[0])
			}
		}
	}
	for _, r := range w.Resources {
		check(r.Resource, r.Properties)
	}
	check("v3.1/send", w.Send31.Answer)
	check("v3/send", w.Send3.Answer)
	if seen != len(recorded) {
		t.Errorf("%d of %d recorded shapes are in compat.yaml", seen, len(recorded))
	}
}

// sameType says whether a recorded JSON type is one of compat.yaml's, which are finer.
func sameType(recorded, is string) bool {
	switch is {
	case "time":
		is = "string"
	case "int":
		is = "number"
	}
	return recorded == is
}

// testMethods: what is offered is there, and what is not is refused in words.
func testMethods(t *testing.T, w *world) {
	for _, r := range w.Resources {
		path := strings.ReplaceAll(r.Resource, "{id}", "999999999")
		for method, row := range r.Methods.all() {
			if method == http.MethodGet && row[0] != no {
				continue // testShapes asks
			}
			p := path
			if (method == http.MethodPut || method == http.MethodDelete) && !strings.Contains(r.Resource, "{") {
				p += "/999999999"
			}
			a := w.call(t, method, p, map[string]any{})
			there := a.Status != http.StatusMethodNotAllowed && !strings.Contains(a.ErrorMesage, "There is no resource")
			switch offered := row[0] != no; {
			case w.isPending(r.Resource) || w.isPending(method+" "+r.Resource):
				if there && offered {
					t.Errorf("%s %s is there: take it off the pending list", method, r.Resource)
				}
			case offered != there, a.Status >= 500, a.ErrorMesage == "" && a.Status >= 400:
				t.Errorf("%s %s: %s; compat.yaml says %s", method, p, a, row[0])
			}
		}
	}
}

// testFilters: a filter of which nothing matches leaves nothing, one that is ignored leaves all.
func testFilters(t *testing.T, w *world) {
	for _, r := range w.Resources {
		if len(r.Ask) == 0 || w.isPending(r.Resource) {
			continue
		}
		path, _ := w.named(r.Ask[0])
		all := w.call(t, http.MethodGet, path, nil)
		join := "?"
		if strings.Contains(path, "?") {
			join = "&"
		}
		for name, row := range r.Filters.all() {
			if word(row, 1) == "" {
				continue
			}
			request := path + join + strings.ToLower(name) + "=" + strings.ReplaceAll(row[1], " ", "%20")
			a := w.call(t, http.MethodGet, request, nil)
			works := a.Status == http.StatusOK && a.Total == 0
			switch {
			case w.isPending(r.Resource + "?" + name):
				if works {
					t.Errorf("%s: the filter %s works: take it off the pending list", r.Resource, name)
				}
			case row[0] == refused && a.Status != http.StatusBadRequest:
				t.Errorf("%s is not refused: %s", request, a)
			case row[0] == refused:
			case row[0] == no && (a.Status != http.StatusOK || a.Total != all.Total):
				t.Errorf("%s is not ignored: %s", request, a)
			case row[0] != no && !works:
				t.Errorf("%s: %s", request, a)
			}
		}
	}
}
