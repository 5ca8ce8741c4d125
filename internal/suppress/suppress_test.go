// SPDX-License-Identifier: Apache-2.0

package suppress_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"postern/internal/change"

	"postern/internal/mail"
	"postern/internal/store"
	"postern/internal/store/storetest"
	"postern/internal/suppress"
	"postern/internal/track"
)

// world is a store with two keys of two accounts, and the lists.
type world struct {
	*suppress.List
	store    *store.Store
	links    *track.Signer
	key, alt store.Key
}

var by = change.Actor{Kind: change.User, Name: "a@example.com", Origin: "192.0.2.1"}

func newWorld(t testing.TB, s *store.Store) *world {
	t.Helper()
	w := &world{store: s}
	w.key, w.alt = w.another(t, 0), w.another(t, 1)
	var err error
	if w.links, err = track.NewSigner([]byte("0123456789abcdefghijklmnopqrstuv")); err != nil {
		t.Fatal(err)
	}
	w.List = suppress.New(s, w.links, slog.New(slog.DiscardHandler))
	return w
}

// another is the master key of one account more.
func (w *world) another(t testing.TB, i int) (key store.Key) {
	t.Helper()
	err := w.store.Update(t.Context(), func(tx *store.Tx) error {
		a, err := tx.AddAccount(t.Context(), fmt.Sprint("account ", i))
		if err != nil {
			return err
		}
		key, err = tx.AddKey(t.Context(), store.Key{AccountID: a.ID, APIKey: fmt.Sprintf("%032x", i+1), Name: "key", Master: true, State: store.KeyActive})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// sub is a subaccount of a key's account.
func (w *world) sub(t *testing.T, of store.Key) (key store.Key) {
	t.Helper()
	err := w.store.Update(t.Context(), func(tx *store.Tx) (err error) {
		key, err = tx.AddKey(t.Context(), store.Key{AccountID: of.AccountID, APIKey: fmt.Sprintf("%032x", 99), Name: "sub", State: store.KeyActive})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (w *world) scope() store.Scope { return store.OfKey(w.key.AccountID, w.key.ID) }

func (w *world) imports(t testing.TB, file io.Reader, reason string) (suppress.Report, error) {
	t.Helper()
	return w.Import(t.Context(), by, w.scope(), store.KeyFilter{ID: w.key.ID}, file, reason, nil)
}

func (w *world) list(t testing.TB) (out []string) {
	t.Helper()
	list, err := w.store.Suppressions(t.Context(), w.scope(), store.SuppressionFilter{}, store.Page{})
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range list {
		out = append(out, x.Email+" "+x.Reason.String())
	}
	return out
}

func (w *world) audited(t testing.TB) (out []string) {
	t.Helper()
	log, err := w.store.AuditEntries(t.Context(), store.OfAccount(w.key.AccountID), store.AuditFilter{Action: "suppression."}, store.Page{})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range log {
		if e.Actor != "user a@example.com" {
			t.Errorf("%s was done by %q", e.Action, e.Actor)
		}
		out = append(out, e.Action+" "+e.Detail)
	}
	return out
}

// sent makes a message that was delivered, and returns it.
func (w *world) sent(t testing.TB, email string) store.Message {
	t.Helper()
	x := &store.Submission{
		AccountID: w.key.AccountID, KeyID: w.key.ID, Source: "http", HeaderFrom: "news@example.org", MessageID: "id-of-" + email,
		Priority: 2, Body: store.NewBody([]byte("From: news@example.org\r\n\r\nx\r\n")), Recipients: []store.Recipient{{Email: email, Domain: mail.Domain(email)}}, Lifetime: time.Hour,
	}
	if err := w.store.Accept(t.Context(), x); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	got, err := w.store.Claim(t.Context(), store.MainLane, "w", now, now.Add(time.Minute), 10)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range got {
		if err := w.store.Complete(t.Context(), []store.Completion{{Claimed: c, Owner: "w", Result: store.CompletedSent, At: now}}); err != nil {
			t.Fatal(err)
		}
	}
	m, err := w.store.Message(t.Context(), w.scope(), store.MessageFilter{ID: x.Recipients[0].ID})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestImport(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		w := newWorld(t, s)
		const file = "\ufeffCreated;E-Mail;Reason;Comment\r\n" +
			"2020;Anna@Example.NET;bounce;550 no such user\r\n" +
			"2020;anna@example.net;spam;\r\n" +
			"2020;broken;;\r\n" +
			"\r\n" +
			"2020;b@example.net;;\"two\nlines\"\r\n" +
			"2020;c@example.net;tired;\r\n" +
			"2020;\"d@example.net\"x;;\r\n" +
			"2020;'=e@example.net;unsub;\r\n" +
			"2020\r\n"
		r, err := w.imports(t, strings.NewReader(file), "unsubscribe")
		if err != nil {
			t.Fatal(err)
		}
		if r.Rows != 8 || r.Added != 4 || r.Known != 1 || r.Refused != 3 || r.Bytes != int64(len(file)) {
			t.Errorf("%+v", r)
		}
		if got := strings.Join(w.list(t), ", "); got != "=e@example.net unsubscribe, anna@example.net complaint, b@example.net unsubscribe, c@example.net unsubscribe" {
			t.Error(got)
		}
		lines := map[int]string{4: "is not an email address", 9: "no line of a CSV file", 11: "is not an email address"}
		for _, p := range r.Problems {
			if !strings.Contains(p.Reason, lines[p.Line]) || lines[p.Line] == "" {
				t.Errorf("line %d: %s", p.Line, p.Reason)
			}
		}
		// The same file again changes nothing.
		if r, err := w.imports(t, strings.NewReader(file), "unsubscribe"); err != nil || r.Added != 0 || r.Known != 5 {
			t.Errorf("again: %+v, %v", r, err)
		}
		if got := w.audited(t); len(got) != 2 || !strings.Contains(got[0], "8 rows: 4 added, 1 there already, 3 not taken") {
			t.Errorf("audit: %q", got)
		}
		// A list without a header, and what an export wrote.
		if r, err := w.imports(t, strings.NewReader("f@example.net\ng@example.net,complaint\n"), ""); err != nil || r.Added != 2 || r.Refused != 0 {
			t.Errorf("addresses alone: %+v, %v", r, err)
		}
		var out bytes.Buffer
		if err := w.Export(t.Context(), &out, w.scope(), suppress.Filter{}); err != nil {
			t.Fatal(err)
		}
		before := w.list(t)
		again := newWorldOf(w, w.alt)
		if r, err := again.imports(t, &out, ""); err != nil || r.Added != len(before) || r.Refused != 0 {
			t.Errorf("an export: %+v, %v\n%s", r, err, out.String())
		}
		if got := strings.Join(again.list(t), ", "); got != strings.Join(before, ", ") {
			t.Errorf("after an export and an import: %s", got)
		}
	})
}

// newWorldOf is the same world for the other key.
func newWorldOf(w *world, key store.Key) *world {
	other := *w
	other.key, other.alt = key, w.key
	return &other
}

func TestImportThatFails(t *testing.T) {
	w := newWorld(t, storetest.New(t))
	var mistake *change.Error
	if _, err := w.imports(t, strings.NewReader("a@example.net\n"), "tired"); !errors.As(err, &mistake) || mistake.Field != "Reason" {
		t.Errorf("%v", err)
	}
	if _, err := w.Import(t.Context(), by, w.scope(), store.KeyFilter{ID: w.alt.ID}, strings.NewReader("a@example.net\n"), "", nil); !errors.As(err, &mistake) || mistake.Kind != change.NotFound {
		t.Errorf("into another's list: %v", err)
	}
	if r, err := w.imports(t, strings.NewReader(""), ""); err != nil || r.Rows != 0 {
		t.Errorf("an empty file: %+v, %v", r, err)
	}
	// A file that breaks off after the first batch leaves what was taken, and both in the audit log.
	var many strings.Builder
	for i := range 1500 {
		fmt.Fprintf(&many, "r%d@example.net\n", i)
	}
	cut := io.MultiReader(strings.NewReader(many.String()), iotest.ErrReader(errors.New("the line is down")))
	r, err := w.imports(t, cut, "")
	if err == nil || r.Added != 1000 {
		t.Errorf("%+v, %v", r, err)
	}
	log := w.audited(t)
	if n := len(log); n != 3 || !strings.Contains(log[1], "begins") || !strings.Contains(log[2], "broke off") {
		t.Errorf("audit: %q", log)
	}
	// A quotation mark that is not closed does not make a row of a hundred megabytes in memory.
	open := io.MultiReader(strings.NewReader("s@example.net\nt@example.net,manual,\""), strings.NewReader(strings.Repeat("u@example.net\n", 200_000)))
	if r, err := w.imports(t, open, ""); !errors.As(err, &mistake) || !strings.Contains(mistake.Reason, "quotation mark") || r.Bytes > 2<<20 {
		t.Errorf("%d bytes were read, %v", r.Bytes, err)
	}
	// Whole, with many bad rows: only so many are listed.
	var steps int
	r, err = w.Import(t.Context(), by, w.scope(), store.KeyFilter{ID: w.key.ID}, strings.NewReader(many.String()+strings.Repeat("x\n", 30_000)), "", func(suppress.Report) { steps++ })
	if err != nil || r.Added != 500 || r.Known != 1000 || r.Refused != 30_000 || len(r.Problems) != suppress.MaxProblems || steps < 4 {
		t.Errorf("%d rows, %d added, %d known, %d refused, %d listed, %d steps, %v", r.Rows, r.Added, r.Known, r.Refused, len(r.Problems), steps, err)
	}
}

func TestImportGoesOnByItself(t *testing.T) {
	w := newWorld(t, storetest.New(t))
	ctx, cancel := context.WithCancel(t.Context())
	j, err := w.Begin(ctx, by, w.scope(), w.key, "../list\x00.csv", strings.NewReader("a@example.net\nbroken\n"), "")
	if err != nil {
		t.Fatal(err)
	}
	cancel() // the browser has its answer
	w.Wait()
	got, err := w.Job(t.Context(), w.scope(), j.ID)
	if err != nil || got.KeyName != w.key.Name || !got.Done || got.Problem != "" || got.Report.Added != 1 || got.Report.Refused != 1 || got.Percent() != 100 || got.Name != "../list .csv" {
		t.Errorf("%+v, %v", got, err)
	}
	for id, scope := range map[string]store.Scope{"x": store.OfOperator(), j.ID: store.OfKey(w.alt.AccountID, w.alt.ID)} {
		var mistake *change.Error
		if got, err := w.Job(t.Context(), scope, id); !errors.As(err, &mistake) || mistake.Kind != change.NotFound {
			t.Errorf("a job that is not there, or another's: %+v, %v", got, err)
		}
	}
	for name, c := range map[string]struct{ file, reason string }{"nothing": {"", ""}, "no reason": {"a@example.net", "tired"}} {
		var mistake *change.Error
		if _, err := w.Begin(t.Context(), by, w.scope(), w.key, "x", strings.NewReader(c.file), c.reason); !errors.As(err, &mistake) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// slowFile is a file that is being uploaded: its import is under way until it is closed.
type slowFile struct {
	*io.PipeWriter
	begun chan error
}

func (w *world) upload(t *testing.T, key store.Key) slowFile {
	t.Helper()
	r, in := io.Pipe()
	f := slowFile{in, make(chan error, 1)}
	go func() {
		_, err := w.Begin(t.Context(), by, store.OfKey(key.AccountID, key.ID), key, "list.csv", r, "")
		r.CloseWithError(io.ErrClosedPipe) //nolint:errcheck,gosec // never fails
		f.begun <- err
	}()
	if _, err := io.WriteString(in, "a@example.net\n"); err != nil { // it is read: the job counts
		t.Fatalf("the import does not begin: %v, %v", err, <-f.begun)
	}
	return f
}

func (f slowFile) ends(t *testing.T) {
	t.Helper()
	f.Close() //nolint:errcheck,gosec // never fails
	if err := <-f.begun; err != nil {
		t.Error(err)
	}
}

// TestAnImportOfOneAccountDoesNotBlockOthers: an account has one at a time, and all together have four. What is refused
// says which of the two it was.
func TestAnImportOfOneAccountDoesNotBlockOthers(t *testing.T) {
	w := newWorld(t, storetest.New(t))
	refused := func(key store.Key, words string) {
		t.Helper()
		var mistake *change.Error
		_, err := w.Begin(t.Context(), by, store.OfKey(key.AccountID, key.ID), key, "x", strings.NewReader("b@example.net\n"), "")
		if !errors.As(err, &mistake) || mistake.Field != "File" || !strings.Contains(mistake.Reason, words) || !strings.HasSuffix(mistake.Reason, "try again in a minute") {
			t.Errorf("%v, want it to say %q", err, words)
		}
	}
	keys := []store.Key{w.key, w.alt}
	for i := 2; i < 5; i++ {
		keys = append(keys, w.another(t, i))
	}
	sub := w.sub(t, w.key)
	var files []slowFile
	for i := range 4 {
		files = append(files, w.upload(t, keys[i]))
		refused(keys[i], "the account has an import under way")
	}
	refused(sub, "the account has an import under way")
	refused(keys[4], "the server imports 4 files of other accounts now")
	files[3].ends(t)
	w.Wait()
	last := w.upload(t, keys[4])
	refused(keys[3], "the server imports 4 files of other accounts now")
	for _, f := range append(files[:3], last) {
		f.ends(t)
	}
	w.Wait()
	w.upload(t, sub).ends(t)
	w.Wait()
	// One that does not begin counts no more.
	for range 5 {
		var mistake *change.Error
		if _, err := w.Begin(t.Context(), by, w.scope(), w.key, "x", strings.NewReader(""), ""); !errors.As(err, &mistake) || mistake.Reason != "it is empty" {
			t.Error(err)
		}
	}
}

func TestWhenToTryAgain(t *testing.T) {
	for _, c := range []struct {
		spent      time.Duration
		read, size int64
		want       string
	}{
		{0, 0, 0, "in a minute"},
		{0, 0, 100, "in a minute"},
		{time.Minute, 90, 100, "in a minute"},
		{time.Minute, 10, 100, "in about 9 minutes"},
		{10 * time.Minute, 1, 100, "in about 20 minutes"},
		{29 * time.Minute, 0, 100, "in a minute"},
		{31 * time.Minute, 1, 100, "in a minute"}, // it is broken off after half an hour
	} {
		if got := suppress.Left(c.spent, c.read, c.size); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}

func TestReportsOfComplaints(t *testing.T) {
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		w := newWorld(t, s)
		report := func(kind, head string) []byte {
			return []byte("From: fbl@isp.example\nContent-Type: multipart/report; report-type=feedback-report; boundary=x\n\n--x\nContent-Type: message/feedback-report\n\n" +
				"Feedback-Type: " + kind + "\nUser-Agent: Isp/1\n\n--x\nContent-Type: text/rfc822-headers\n\n" + head + "\n\n--x--\n")
		}
		a, b, c, d := w.sent(t, "a@example.net"), w.sent(t, "b@example.net"), w.sent(t, "c@example.net"), w.sent(t, "d@example.net")
		link := func(m store.Message) string {
			token := track.Token{Kind: track.Unsub, MessageID: m.ID, Link: w.key.ID, At: m.DoneAt}
			sealed := w.links.SealAddress(token, m.Recipient)
			return "List-Unsubscribe: <mailto:x@example.org>, <https://track.example.org/u/" + w.links.Sign(token, "track.example.org", sealed) + "/" + sealed + ">"
		}
		for name, x := range map[string]struct {
			raw      []byte
			m        store.Message
			status   store.Status
			recorded bool
		}{
			"by its link":          {report("abuse", "To: undisclosed\n"+link(a)), a, store.StatusSpam, true},
			"by whom it was to":    {report("fraud", "To: B@example.net\nMessage-ID: <id-of-b@example.net>"), b, store.StatusSpam, true},
			"praise":               {report("not-spam", link(c)), c, store.StatusSent, false},
			"wants to leave":       {report("opt-out", link(d)), d, store.StatusUnsub, true},
			"another Message-ID":   {report("abuse", "To: c@example.net\nMessage-ID: <other@example.net>"), store.Message{}, 0, false},
			"another recipient":    {report("abuse", "To: c@example.net\nMessage-ID: <id-of-b@example.net>"), store.Message{}, 0, false},
			"says nothing of whom": {report("abuse", "Message-ID: <id-of-c@example.net>"), store.Message{}, 0, false},
			"a forged link":        {report("abuse", "List-Unsubscribe: <https://track.example.org/u/AAAA>"), store.Message{}, 0, false},
		} {
			got, err := w.Complain(t.Context(), store.OfOperator(), suppress.Complaint{Report: x.raw})
			if x.m.ID == 0 {
				var mistake *change.Error
				if !errors.As(err, &mistake) || mistake.Kind != change.NotFound {
					t.Errorf("%s: %+v, %v", name, got, err)
				}
				continue
			}
			if err != nil || got.MessageID != x.m.ID || got.Recorded != x.recorded {
				t.Errorf("%s: message %d, recorded %v, %v; want %d", name, got.MessageID, got.Recorded, err, x.m.ID)
			}
			if m, err := s.Message(t.Context(), w.scope(), store.MessageFilter{ID: x.m.ID}); err != nil || m.Status != x.status {
				t.Errorf("%s: %v, %v", name, m.Status, err)
			}
		}
		if got := w.list(t); len(got) != 3 {
			t.Errorf("suppressed: %v", got)
		}
		if again, err := w.Complain(t.Context(), store.OfOperator(), suppress.Complaint{Report: report("abuse", link(a))}); err != nil || again.Recorded {
			t.Errorf("the same again: %+v, %v", again, err)
		}
		// What waits for who complained is given up soon.
		x := &store.Submission{
			AccountID: w.key.AccountID, KeyID: w.key.ID, Source: "http", HeaderFrom: "news@example.org", Priority: 2, Body: store.NewBody([]byte("x")),
			Recipients: []store.Recipient{{Email: "c@example.net", Domain: "example.net"}}, Lifetime: time.Hour,
		}
		if err := s.Accept(t.Context(), x); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Complain(t.Context(), w.scope(), suppress.Complaint{MessageID: c.ID}); err != nil {
			t.Fatal(err)
		}
		if n, err := w.Sweep(t.Context()); err != nil || n != 1 || w.Stats().Cancelled != 1 || w.Stats().Complaints != 4 {
			t.Errorf("%d given up, %v, %+v", n, err, w.Stats())
		}
	})
}

func FuzzImport(f *testing.F) {
	f.Add("email,reason\na@example.net,bounce\n")
	f.Add("a@example.net;b\n\"x\n")
	f.Add("\ufeffe-mail\tnote\n'a@example.net\tx")
	w := newWorld(f, storetest.New(f))
	f.Fuzz(func(t *testing.T, file string) {
		r, err := w.Import(t.Context(), by, w.scope(), store.KeyFilter{ID: w.key.ID}, strings.NewReader(file), "", nil)
		if err != nil {
			t.Fatal(err)
		}
		if r.Added+r.Known+r.Refused != r.Rows || r.Added < 0 || r.Known < 0 || len(r.Problems) != min(r.Refused, suppress.MaxProblems) {
			t.Errorf("%+v", r)
		}
	})
}
