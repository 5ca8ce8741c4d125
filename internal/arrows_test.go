// SPDX-License-Identifier: Apache-2.0

// Package arrows_test holds the direction of imports that docs/architecture.md draws.
package arrows_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// level of each package: it imports packages of lower levels, and its own kind only where beside says so.
var level = map[string]int{
	"mail": pure, "credential": pure, "access": pure, "audit": pure, "sheet": pure, "track": pure, "openapi": pure,
	"origin": pure, "throttle": pure,
	"store":  1,
	"budget": engines, "change": engines, "connlimit": engines, "courier": engines, "dkim": engines, "dns": engines, "gate": engines,
	"notice": engines, "outcome": engines, "refusal": engines, "queue": engines, "search": engines, "submit": engines,
	"webhook":  engines,
	"accounts": subjects, "domain": subjects, "keys": subjects, "people": subjects, "retention": subjects, "senders": subjects,
	"webhooks": subjects, "report": subjects, "suppress": subjects, "auditlog": subjects, "messages": subjects, "notify": subjects, "dsn": subjects,
	"backend": 4,
	"api":     entryPoints, "smtpd": entryPoints, "console": entryPoints, "control": entryPoints, "tracking": entryPoints,
	"config": 6, "server": 6,
	"cli": 7,
}

const (
	pure        = 0
	engines     = 2
	subjects    = 3 // questions and changes
	entryPoints = 5
)

// forTests are imported by tests, benchmarks and each other alone.
var forTests = []string{"store/storetest", "store/storetest/cluster", "mxtest", "backend/backendtest", "people/passkeytest", "people/oidctest"}

// io is what a pure package does without, with all that is below it; parsers are the exceptions.
var (
	io      = []string{"os", "net", "database", "syscall", "io/fs", "log", "crypto/tls", "github.com/jackc", "modernc.org"}
	parsers = []string{"net/mail", "net/netip", "net/url", "net/textproto"}
)

func TestImportsPointOneWay(t *testing.T) {
	files, err := imports(".")
	if err != nil {
		t.Fatal(err)
	}
	for dir, paths := range files {
		if slices.Contains(forTests, dir) {
			continue
		}
		from, known := level[dir]
		if !known {
			t.Errorf("internal/%s has no level: give it one here, and its place in docs/architecture.md", dir)
			continue
		}
		for _, path := range paths {
			to, ours := strings.CutPrefix(path, "postern/internal/")
			switch {
			case !ours && from == pure && doesIO(path):
				t.Errorf("internal/%s is pure and imports %s", dir, path)
			case strings.HasPrefix(path, "postern/") && !ours:
				t.Errorf("internal/%s imports %s, which is for tests", dir, path)
			case !ours:
			case slices.Contains(forTests, to):
				t.Errorf("internal/%s imports %s, which is for tests", dir, to)
			case level[to] > from, from == entryPoints && level[to] == entryPoints:
				t.Errorf("internal/%s imports internal/%s: that is the wrong way", dir, to)
			case dir == "gate" && level[to] >= engines, dir == "gate" && to == "store":
				t.Errorf("internal/gate imports internal/%s: a check must not wait for it", to)
			}
		}
		for _, word := range []string{"util", "utils", "common", "models", "services", "helpers"} {
			if filepath.Base(dir) == word {
				t.Errorf("internal/%s: a package has a name from the world of mail", dir)
			}
		}
	}
}

// asksTheStore are the calls of the store that entry points still make themselves, by file. A number may only become smaller:
// the packages of questions and changes are asked instead. What tracking writes down is its own, as it comes.
var asksTheStore = map[string]int{
	"api/access.go":           5,
	"api/apikey.go":           1,
	"api/plan.go":             5,
	"api/profile.go":          3,
	"console/account.go":      7,
	"console/invite.go":       4,
	"console/keypage.go":      3,
	"console/operator.go":     12,
	"console/plans.go":        3,
	"control/account.go":      8,
	"control/find.go":         6,
	"control/people.go":       8,
	"control/plan.go":         3,
	"tracking/tracking.go":    2,
	"tracking/unsubscribe.go": 1,
}

func TestEntryPointsAskTheLayer(t *testing.T) {
	call := regexp.MustCompile(`\bStore\.[A-Z][A-Za-z]*\(`)
	for dir, at := range level {
		if at != entryPoints {
			continue
		}
		files, err := filepath.Glob(dir + "/*.go")
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			n := len(call.FindAll(text, -1))
			if name = filepath.ToSlash(name); !strings.HasSuffix(name, "_test.go") && n != asksTheStore[name] {
				t.Errorf("internal/%s calls the store %d times, and %d are known: ask a package of questions and changes", name, n, asksTheStore[name])
			}
		}
	}
}

func TestMainStartsTheCommandLineAlone(t *testing.T) {
	f, err := parser.ParseFile(token.NewFileSet(), "../main.go", nil, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range f.Imports {
		if strings.HasPrefix(i.Path.Value, `"postern/`) && i.Path.Value != `"postern/internal/cli"` {
			t.Errorf("main imports %s", i.Path.Value)
		}
	}
}

func doesIO(path string) bool {
	return !slices.Contains(parsers, path) && slices.ContainsFunc(io, func(p string) bool {
		return path == p || strings.HasPrefix(path, p+"/")
	})
}

// imports lists what the files of each folder import, tests left out.
func imports(root string) (map[string][]string, error) {
	out := map[string][]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		dir := filepath.ToSlash(filepath.Dir(path))
		out[dir] = slices.Clip(out[dir])
		for _, i := range f.Imports {
			p, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				return err
			}
			out[dir] = append(out[dir], p)
		}
		return nil
	})
	return out, err
}
