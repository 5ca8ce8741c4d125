// SPDX-License-Identifier: Apache-2.0

package console

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"
)

// staticFile is a stylesheet, a script or an icon.
type staticFile struct {
	name string // with hash
	data []byte
}

// readStatic reads the files that pages refer to and names each after its content, so that browsers may keep it for
// ever: app.css is app.1a2b3c4d5e6f.css.
func readStatic(files fs.FS) (map[string]staticFile, error) {
	out := map[string]staticFile{}
	err := fs.WalkDir(files, "static", func(p string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		data, err := fs.ReadFile(files, p)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(data)
		ext := path.Ext(p)
		name := strings.TrimSuffix(path.Base(p), ext) + "." + hex.EncodeToString(sum[:6]) + ext
		out[name] = staticFile{name: name, data: data}
		return nil
	})
	return out, err
}

// staticPath is the template function that finds a file's address by its plain name.
func (c *console) staticPath(plain string) (string, error) {
	ext := path.Ext(plain)
	stem := strings.TrimSuffix(plain, ext)
	for name := range c.static {
		if path.Ext(name) == ext && strings.HasPrefix(name, stem+".") {
			return "/static/" + name, nil
		}
	}
	return "", fmt.Errorf("there is no static file %s", plain)
}

func (c *console) serveStatic(w http.ResponseWriter, r *http.Request) {
	f, ok := c.static[r.PathValue("name")]
	if !ok {
		c.fail(w, r, notFound("There is no such file."))
		return
	}
	h := w.Header()
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("ETag", `"`+f.name+`"`)
	http.ServeContent(w, r, f.name, time.Time{}, bytes.NewReader(f.data))
}
