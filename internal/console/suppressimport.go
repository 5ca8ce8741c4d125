// SPDX-License-Identifier: Apache-2.0

package console

import (
	"errors"
	"net/http"
	"net/url"

	"postern/internal/suppress"
)

// importPath is the one form that takes a file.
const importPath = "/suppressions/import"

// formLimit is how many bytes a request to a page may have.
func formLimit(r *http.Request) int64 {
	if r.URL.Path == importPath {
		return suppress.MaxFile + maxForm
	}
	return maxForm
}

// showImport shows the form or, with the ID of an import, how far it is. The page of one that goes on loads itself anew.
func (c *console) showImport(v *visit) error {
	id := v.r.URL.Query().Get("job")
	if id == "" {
		return c.suppressionForm(v, http.StatusOK, "suppression-import", suppressionForm{}, v.r.URL.Query().Get("key"))
	}
	job, err := c.Suppress.Job(v.r.Context(), v.scope, id)
	if isMissing(err) {
		return notFound("This import is not known any more. What it did is done: give the file again, and what was missing is added.")
	}
	if err != nil {
		return err
	}
	if !job.Done {
		v.w.Header().Set("Refresh", "2")
	}
	return c.show(v, http.StatusOK, "suppression-job", "Import of "+job.Name, "suppressions", job)
}

func (c *console) importSuppressions(v *visit) error {
	err := v.r.ParseMultipartForm(maxForm)
	var large *http.MaxBytesError
	b := suppressionForm{Reason: v.r.FormValue("reason")}
	again := func(problem string) error {
		b.Problem = problem
		return c.suppressionForm(v, http.StatusUnprocessableEntity, "suppression-import", b, v.r.FormValue("key"))
	}
	switch {
	case errors.As(err, &large):
		return again("The file is too large: give it in parts of up to 128 MB.")
	case err != nil:
		return again("Choose a file.")
	}
	defer v.r.MultipartForm.RemoveAll() //nolint:errcheck // a temporary file
	key, err := c.chosen(v, clean(v.r.FormValue("key")))
	if isMissing(err) {
		b.Choice.Problem = noSuchKey
		return again("")
	}
	if err != nil {
		return err
	}
	file, head, err := v.r.FormFile("file")
	if err != nil {
		return again("Choose a file.")
	}
	defer file.Close()
	job, err := c.Suppress.Begin(v.r.Context(), v.actor, v.scope, key, head.Filename, file, b.Reason)
	if e := userError(err); e != nil {
		return again(sentence(e.Reason))
	}
	if err != nil {
		return err
	}
	return v.redirect(importPath + "?" + url.Values{"job": {job.ID}}.Encode())
}
