// SPDX-License-Identifier: Apache-2.0

package openapi_test

import (
	"encoding/json"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"postern/internal/openapi"
)

const small = `
openapi: 3.1.0
info: {title: Small, description: "One.\n\nTwo with ` + "`code`" + `."}
tags:
  - {name: things, description: What there is}
  - {name: unused, description: Nothing}
paths:
  /things/{id}:
    summary: not an operation
    parameters: []
    put:
      tags: [things]
      operationId: put
      summary: Put it
      parameters:
        - {name: id, in: path, required: true, schema: {type: string}}
        - {$ref: "#/components/parameters/Kind"}
      requestBody:
        required: true
        content: {application/json: {schema: {$ref: "#/components/schemas/Thing"}}}
      responses:
        "200": {description: It., content: {application/json: {schema: {$ref: "#/components/schemas/Things"}}}}
        default: {$ref: "#/components/responses/Error"}
  /open:
    get: {tags: [other], operationId: open, security: [], responses: {}}
components:
  parameters:
    Kind: {name: Kind, in: query, required: true, schema: {type: string, enum: [big, small]}, description: which}
  responses:
    Error: {description: Wrong.}
  schemas:
    Thing:
      type: object
      required: [Email, Inner]
      properties:
        Email: {type: string, maxLength: 10}
        Name: {type: [string, "null"]}
        Inner: {type: object, required: [N], properties: {N: {type: integer, minimum: 1, maximum: 5}}}
        More: {type: array, items: {$ref: "#/components/schemas/Thing"}}
        Either: {anyOf: [{type: string}, {$ref: "#/components/schemas/Word"}]}
    Word: {type: string, enum: ["it's"]}
    Things:
      type: object
      properties:
        Count: {type: integer}
        Data: {type: array, items: {$ref: "#/components/schemas/Thing"}}
        Total: {type: integer}
`

func TestParse(t *testing.T) {
	d, err := openapi.Parse([]byte(small))
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Description) != 2 || len(d.Description[1]) != 3 || !d.Description[1][1].Code || d.Description[1][1].Text != "code" {
		t.Errorf("prose: %+v", d.Description)
	}
	if len(d.Groups) != 2 || d.Groups[0].Name != "things" || d.Groups[1].Name != "other" || !d.Groups[1].Operations[0].Open {
		t.Fatalf("groups: %+v", d.Groups)
	}
	op := d.Groups[0].Operations[0]
	if op.Method != http.MethodPut || len(op.Parameters) != 2 || op.Parameters[1].Type.Text != "string: big, small" || op.Open || op.Body.Object != "Thing" || !op.BodyRequired {
		t.Errorf("operation: %+v", op)
	}
	if len(op.Answers) != 2 || op.Answers[0].Body != (openapi.Type{Text: "Count, Total, and Data: an array of Thing", Object: "Thing"}) || op.Answers[1].Description[0][0].Text != "Wrong." {
		t.Errorf("answers: %+v", op.Answers)
	}
	want := `curl -s -X PUT --user "$KEY:$SECRET" "$URL/things/$ID?Kind=big" \
  -H 'Content-Type: application/json' -d '{"Email":"you@example.com","Inner":{"N":1}}'`
	if op.Curl != want {
		t.Errorf("%s\nwant\n%s", op.Curl, want)
	}
	if len(d.Objects) != 1 {
		t.Fatalf("objects: %+v", d.Objects)
	}
	var fields []string
	for _, f := range d.Objects[0].Fields {
		fields = append(fields, f.Name+": "+f.Type.Text)
	}
	if !slices.Equal(fields, []string{"Email: string, at most 10 characters", "Name: string or null", "Inner: object", "Inner.N: integer, 1 to 5", "More: array of Thing", "Either: string or string: it's"}) {
		t.Errorf("%q", fields)
	}
}

func TestParseErrors(t *testing.T) {
	for _, text := range []string{"paths: [1]", "\t", "paths: {/x: {get: {parameters: [{$ref: '#/components/parameters/None'}]}}}", "paths: {/x: {get: {responses: {'200': {$ref: '#/components/responses/None'}}}}}"} {
		if _, err := openapi.Parse([]byte(text)); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

func TestJSONIsTheSame(t *testing.T) {
	text, err := os.ReadFile("../api/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	b, err := openapi.JSON(text)
	if err != nil {
		t.Fatal(err)
	}
	var d struct {
		OpenAPI string
		Paths   map[string]map[string]struct{ OperationID string }
	}
	if err := json.Unmarshal(b, &d); err != nil {
		t.Fatal(err)
	}
	if d.OpenAPI != "3.1.0" || d.Paths["/v3.1/send"]["post"].OperationID != "send" {
		t.Errorf("%.200s", b)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(small)
	f.Add("components: {schemas: {A: {items: {$ref: '#/components/schemas/A'}}, C: {properties: {c: {$ref: '#/components/schemas/A'}}}}}")
	f.Add("components: {schemas: {A: {$ref: '#/components/schemas/A'}, B: {type: object, properties: {b: {$ref: '#/components/schemas/B'}}}}}")
	f.Fuzz(func(t *testing.T, text string) {
		d, err := openapi.Parse([]byte(text))
		if err != nil {
			return
		}
		for _, g := range d.Groups {
			for _, op := range g.Operations {
				if !strings.HasPrefix(op.Curl, "curl -s") {
					t.Errorf("%q", op.Curl)
				}
			}
		}
	})
}
