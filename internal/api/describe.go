// SPDX-License-Identifier: Apache-2.0

package api

import (
	"bytes"
	_ "embed"
	"net/http"

	"postern/internal/openapi"
)

//go:embed openapi.yaml
var description []byte

// Description is what this door answers, in OpenAPI 3.1, as YAML.
func Description() []byte { return bytes.Clone(description) }

func describe(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/yaml; charset=utf-8")
	w.Header().Set("Cache-Control", "public, max-age=300")
	w.Write(description) //nolint:errcheck,gosec // the client has gone
}

// describeJSON is the same for programs that read no YAML.
func (a *api) describeJSON(w http.ResponseWriter, r *http.Request) {
	text, err := openapi.JSON(description)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "public, max-age=300")
	w.Write(text) //nolint:errcheck,gosec // the client has gone
}
