// SPDX-License-Identifier: Apache-2.0

package console

import "net/http"

// exportKeys writes the keys that the list shows as a table for spreadsheets, without any secret.
func (c *console) exportKeys(v *visit) error {
	q := v.r.URL.Query()
	f := c.keysFilter(v, known(q.Get("show"), keyShows()), clean(q.Get("q")))
	begun := false
	err := c.Keys.Export(v.r.Context(), v.scope, f, v.w, func() {
		begun = true
		h := v.w.Header()
		h.Set("Content-Type", "text/csv; charset=utf-8")
		h.Set("Content-Disposition", `attachment; filename="api-keys-`+c.Now().UTC().Format("2006-01-02")+`.csv"`)
	})
	if err != nil && begun {
		c.Log.ErrorContext(v.r.Context(), "an export of keys broke off", "error", err)
		panic(http.ErrAbortHandler) // a short file must not pass for a whole one
	}
	return err
}
