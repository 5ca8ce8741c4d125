// SPDX-License-Identifier: Apache-2.0

package auditlog_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"postern/internal/audit"
	"postern/internal/auditlog"
	"postern/internal/change"
	"postern/internal/store"
	"postern/internal/store/storetest"
)

// TestEveryActionHasATitle reads the actions from the source: they stand there as they are written.
func TestEveryActionHasATitle(t *testing.T) {
	written, err := actions("..")
	if err != nil || len(written) < 40 {
		t.Fatalf("%d actions were found: %v", len(written), err)
	}
	for _, action := range written {
		if !auditlog.HasTitle(action) {
			t.Errorf("%s has no title", action)
		}
		if !slices.ContainsFunc(auditlog.Groups(), func(g auditlog.Group) bool { return strings.HasPrefix(action, g.Prefix) }) {
			t.Errorf("%s is in no group to filter by", action)
		}
	}
	for action := range auditlog.Titles() {
		if !slices.Contains(written, action) {
			t.Errorf("nothing writes %s", action)
		}
	}
	if len(auditlog.Groups()) != len(audit.Groups()) {
		t.Errorf("there are %d groups to choose from, and %d in the log", len(auditlog.Groups()), len(audit.Groups()))
	}
}

var actionForm = regexp.MustCompile(`^"(` + strings.Join(audit.Groups(), "|") + `)(\.[a-z_]+)+"$`)

// actions are the texts with the form of an action in functions that write entries, or call one that does.
func actions(root string) ([]string, error) {
	var out []string
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		for _, decl := range file.Decls {
			f, is := decl.(*ast.FuncDecl)
			if !is {
				continue
			}
			for n := range ast.Preorder(f) {
				if x, is := n.(*ast.BasicLit); is && x.Kind == token.STRING && actionForm.MatchString(x.Value) {
					out = append(out, strings.Trim(x.Value, `"`))
				}
			}
		}
		return nil
	})
	slices.Sort(out)
	return slices.Compact(out), err
}

func TestAnActionWithoutATitle(t *testing.T) {
	for action, want := range map[string]string{"key.reset": "Secret key reset", "key.new_thing": "Key new thing", "": "", "ä.b": "Ä b"} {
		if got := (auditlog.Entry{Action: action}).Title(); got != want {
			t.Errorf("%q is %q, want %q", action, got, want)
		}
	}
}

func TestAnEntryInWords(t *testing.T) {
	e := auditlog.Entry{Actor: "user a@example.com", Target: "postern", Detail: "name: a → b; state: active → deactivated; imported"}
	if e.ActorKind() != "user" || e.ActorName() != "a@example.com" || e.TargetKind() != "" || e.TargetName() != "postern" {
		t.Errorf("%q %q, %q %q", e.ActorKind(), e.ActorName(), e.TargetKind(), e.TargetName())
	}
	want := []auditlog.Change{{What: "name", From: "a", To: "b"}, {What: "state", From: "active", To: "deactivated"}, {To: "imported"}}
	if got := e.Changes(); !slices.Equal(got, want) {
		t.Errorf("%+v", got)
	}
}

// logOf is a log with n entries of an account and one of another.
func logOf(t *testing.T, n int) (*auditlog.Log, store.Scope) {
	t.Helper()
	s := storetest.New(t)
	var mine, other store.Account
	err := s.Update(t.Context(), func(tx *store.Tx) (err error) {
		if mine, err = tx.AddAccount(t.Context(), "Acme"); err != nil {
			return err
		}
		if other, err = tx.AddAccount(t.Context(), "Other"); err != nil {
			return err
		}
		for i := range n {
			if err := tx.AddAudit(t.Context(), audit.Entry{AccountID: mine.ID, Actor: "operator", Action: "sender.add", Target: fmt.Sprint("sender ", i)}); err != nil {
				return err
			}
		}
		return tx.AddAudit(t.Context(), audit.Entry{AccountID: other.ID, Actor: "operator", Action: "key.reset", Target: "key x"})
	})
	if err != nil {
		t.Fatal(err)
	}
	return auditlog.New(s), store.OfAccount(mine.ID)
}

func TestEntriesByActionInAnyCase(t *testing.T) {
	l, scope := logOf(t, 3)
	for _, action := range []string{"", "SENDER", "sender.", "Sender.Add"} {
		f := store.AuditFilter{Action: action}
		list, err := l.Entries(t.Context(), scope, f, store.Page{})
		n, err2 := l.Count(t.Context(), scope, f)
		if err != nil || err2 != nil || len(list) != 3 || n != 3 || len(list[0].Hash) != 64 {
			t.Errorf("%q: %d of %d entries, %v, %v", action, len(list), n, err, err2)
		}
	}
	var mistake *change.Error
	if _, err := l.Entries(t.Context(), scope, store.AuditFilter{Action: "foo"}, store.Page{}); !errors.As(err, &mistake) || mistake.Field != "Action" {
		t.Errorf("an action that there is not: %v", err)
	}
}

// TestAccountsAreNamedForTheOperatorAlone, and so are the entries of all of them listed.
func TestAccountsAreNamedForTheOperatorAlone(t *testing.T) {
	l, scope := logOf(t, 1)
	for _, x := range []struct {
		scope store.Scope
		want  string
	}{{scope, "[]"}, {store.OfOperator(), "[Acme Other]"}} {
		list, err := l.Entries(t.Context(), x.scope, store.AuditFilter{}, store.Page{})
		if err == nil {
			err = l.Name(t.Context(), x.scope, list)
		}
		var names []string
		for _, e := range list {
			if e.AccountName != "" {
				names = append(names, e.AccountName)
			}
		}
		if err != nil || fmt.Sprint(names) != x.want {
			t.Errorf("%v, %v; want %s", names, err, x.want)
		}
	}
}

func TestExportOfMoreThanIsReadAtOnce(t *testing.T) {
	l, scope := logOf(t, 1203)
	var csv, js bytes.Buffer
	for as, into := range map[auditlog.Format]*bytes.Buffer{auditlog.CSV: &csv, auditlog.JSON: &js} {
		if err := l.Export(t.Context(), func() io.Writer { return into }, scope, store.AuditFilter{}, as); err != nil {
			t.Fatal(err)
		}
	}
	if n := strings.Count(csv.String(), "\n"); n != 1204 || strings.Contains(csv.String(), "key.reset") {
		t.Errorf("%d lines", n)
	}
	var list []struct{ Target string }
	if err := json.Unmarshal(js.Bytes(), &list); err != nil || len(list) != 1203 || list[0].Target != "sender 1202" {
		t.Errorf("%d entries, %v", len(list), err)
	}
	err := l.Export(t.Context(), func() io.Writer { t.Error("it has begun"); return io.Discard }, scope, store.AuditFilter{Action: "foo"}, auditlog.CSV)
	if err == nil {
		t.Error("an action that there is not was exported")
	}
}

// TestVerify: a check goes to the end in steps of any size, and what it was given does not mislead it.
func TestVerify(t *testing.T) {
	l, _ := logOf(t, 50)
	c, err := l.Verify(t.Context())
	if err != nil || !c.Done || c.BrokenAt != 0 || c.Entries != c.Total || len(c.Hash) != 64 {
		t.Errorf("%+v, %v", c, err)
	}
	if c, err = l.Continue(t.Context(), auditlog.Check{Entries: 2, Hash: c.Hash}); err != nil || c.BrokenAt != 3 {
		t.Errorf("with a wrong hash: %+v, %v", c, err)
	}
	for _, bad := range []auditlog.Check{{Hash: "xyz"}, {Entries: -1}} {
		if _, err := l.Continue(t.Context(), bad); err == nil {
			t.Errorf("%+v was taken", bad)
		}
	}
}
