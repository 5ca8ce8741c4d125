// SPDX-License-Identifier: Apache-2.0

package config

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/alecthomas/kong"
)

// FileName is the name of the file of settings in the data directory.
const FileName = "postern.conf"

// Line is a setting of a file.
type Line struct {
	Name, Value string
	Number      int // of the line, from 1
}

// Parse reads a file of settings: a "name = value" on each line; white space around both is left out, and double
// quotes around a value. An empty line, and one that begins with #, says nothing. Each name may stand once.
func Parse(text []byte) ([]Line, error) {
	var out []Line
	seen := map[string]int{}
	lines := bufio.NewScanner(bytes.NewReader(bytes.TrimPrefix(text, []byte("\uFEFF"))))
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		if !ok || name == "" {
			return nil, fmt.Errorf("line %d: not of the form name = value", n)
		}
		if first := seen[name]; first != 0 {
			return nil, fmt.Errorf("line %d: %s stands on line %d already", n, name, first)
		}
		if len(value) >= 2 && value[0] == '"' && value[len(value)-1] == '"' {
			value = value[1 : len(value)-1]
		}
		seen[name] = n
		out = append(out, Line{name, value, n})
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("line %d: %w", len(seen)+1, err)
	}
	return out, nil
}

// Resolver gives kong the settings of the file. It reads it on first use, when --config and --data are known.
type Resolver struct {
	read   bool
	path   string
	values map[string]string
}

// Validate is part of kong.Resolver; names are checked when the file is read.
func (r *Resolver) Validate(*kong.Application) error { return nil }

// Resolve gives the file's value of a flag, nil when it has none or the environment goes before it.
func (r *Resolver) Resolve(ctx *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	if len(flag.Envs) == 0 {
		return nil, nil // an option of a command, not a setting
	}
	if !r.read {
		if err := r.load(ctx); err != nil {
			return nil, err
		}
	}
	value, ok := r.values[flag.Name]
	if !ok {
		return nil, nil
	}
	for _, env := range flag.Envs {
		if _, set := os.LookupEnv(env); set {
			return nil, nil
		}
	}
	return value, nil
}

func (r *Resolver) load(ctx *kong.Context) error {
	r.read = true
	settings := Settings(ctx.Model)
	text := func(name string) string { s, _ := ctx.FlagValue(settings[name]).(string); return s }
	r.path = text("config")
	named := r.path != ""
	if !named {
		r.path = filepath.Join(text("data"), FileName)
	}
	raw, err := os.ReadFile(r.path)
	if errors.Is(err, fs.ErrNotExist) && !named {
		return nil
	}
	if err != nil {
		return &Error{Setting: "config", Reason: err.Error(), Err: err}
	}
	lines, err := Parse(raw)
	if err != nil {
		return &Error{Setting: "config", Reason: r.path + ": " + err.Error()}
	}
	r.values = map[string]string{}
	for _, l := range lines {
		switch {
		case settings[l.Name] == nil:
			return wrong("config", "%s: line %d: there is no setting %q", r.path, l.Number, l.Name)
		case l.Name == "config" || l.Name == "data" && !named:
			return wrong("config", "%s: line %d: %s says where this file is, so it cannot stand in it", r.path, l.Number, l.Name)
		}
		r.values[l.Name] = l.Value
	}
	return nil
}

// Settings are the flags of all commands that are settings, by name.
func Settings(app *kong.Application) map[string]*kong.Flag {
	out := map[string]*kong.Flag{}
	var visit func(n *kong.Node)
	visit = func(n *kong.Node) {
		for _, f := range n.Flags {
			if len(f.Envs) > 0 {
				out[f.Name] = f
			}
		}
		for _, c := range n.Children {
			visit(c)
		}
	}
	visit(app.Node)
	return out
}
