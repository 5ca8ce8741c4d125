// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"postern/internal/config"
)

var update = flag.Bool("update", false, "write docs/reference.md and the golden files anew")

// TestReference holds docs/reference.md to what the program knows. Write it anew with:
// go test ./internal/cli -run TestReference -update
func TestReference(t *testing.T) {
	golden(t, filepath.Join("..", "..", "docs", "reference.md"), reference(model(t)))
}

func golden(t *testing.T, path, want string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(have) != want {
		t.Errorf("%s is not what the program says now; write it anew with: go test ./internal/cli -update\n%s", path, want)
	}
}

func model(t *testing.T) *kong.Application {
	t.Helper()
	p, err := newParser(&root{})
	if err != nil {
		t.Fatal(err)
	}
	return p.Model
}

// TestSettingsAreOneThing: a setting's environment variable is made of its name, and every setting says what it is.
func TestSettingsAreOneThing(t *testing.T) {
	settings := config.Settings(model(t))
	for _, name := range []string{"data", "database", "http", "smtp", "smtps", "route", "hostname", "log-level", "log-format"} {
		if settings[name] == nil {
			t.Errorf("there is no setting %s", name)
		}
	}
	for name, f := range settings {
		want := "POSTERN_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
		if len(f.Envs) != 1 || f.Envs[0] != want {
			t.Errorf("--%s has the environment variables %v, want %s", name, f.Envs, want)
		}
		if f.Help == "" || f.Group == nil || f.Group.Key != "settings" {
			t.Errorf("--%s has no help, or does not stand under the settings", name)
		}
	}
}

func reference(app *kong.Application) string {
	var b strings.Builder
	b.WriteString("# Settings and commands\n\nThis page is written by `go test ./internal/cli -run TestReference -update`; a test holds it to the program.\n\n" +
		"A setting is a flag, an environment variable and a line of a file. The flag goes before the environment, that before the file, that before the default. An empty environment variable says nothing.\n" +
		"The file is `postern.conf` in the data directory, or the one that `--config` names: a `name = value` on each line, `#` begins a comment line.\n\n## Settings\n")
	settingsTable(&b, "Of every command", app.Node)
	for _, c := range app.Children {
		settingsTable(&b, "Of `postern "+c.Name+"`", c)
	}
	b.WriteString("\n## Commands\n\nExit codes: 0 done, 1 failed, 2 wrong usage or settings, 130 ended by a second signal.\n")
	for _, leaf := range app.Leaves(true) {
		command(&b, leaf)
	}
	return b.String()
}

func settingsTable(b *strings.Builder, title string, n *kong.Node) {
	head := false
	for _, f := range n.Flags {
		if len(f.Envs) == 0 {
			continue
		}
		if !head {
			fmt.Fprintf(b, "\n### %s\n\n| setting | environment | default | |\n| --- | --- | --- | --- |\n", title)
			head = true
		}
		def := ""
		if f.Default != "" {
			def = "`" + f.Default + "`"
		}
		fmt.Fprintf(b, "| `--%s` | `%s` | %s | %s |\n", f.Name, f.Envs[0], def, escape(f.Help))
	}
}

func command(b *strings.Builder, n *kong.Node) {
	usage := "postern " + n.Path()
	fmt.Fprintf(b, "\n### %s\n\n%s\n", strings.Join(strings.Fields(usage), " "), n.Help)
	if n.Detail != "" {
		fmt.Fprintf(b, "\n%s\n", detail(n.Detail))
	}
	var rows bytes.Buffer
	for _, p := range n.Positional {
		fmt.Fprintf(&rows, "| `%s` | %s |\n", p.Summary(), escape(p.Help))
	}
	for _, f := range n.Flags {
		if len(f.Envs) > 0 || f.Name == "help" {
			continue
		}
		help := f.Help
		if f.Default != "" && !f.IsBool() {
			help += " Default: " + f.Default + "."
		}
		fmt.Fprintf(&rows, "| `%s` | %s |\n", f.String(), escape(help))
	}
	if rows.Len() > 0 {
		fmt.Fprintf(b, "\n| | |\n| --- | --- |\n%s", rows.String())
	}
}

// detail makes the indented examples of a help text a block of code.
func detail(s string) string {
	var out []string
	code := false
	for _, line := range strings.Split(s, "\n") {
		if indented := strings.HasPrefix(line, "  "); indented != code {
			if indented {
				out = append(out, "", "```sh")
			} else {
				out = append(out, "```")
			}
			code = indented
		}
		out = append(out, strings.TrimPrefix(line, "  "))
	}
	if code {
		out = append(out, "```")
	}
	return strings.Join(out, "\n")
}

func escape(s string) string {
	return strings.NewReplacer("|", "\\|", "<", "&lt;").Replace(s)
}
