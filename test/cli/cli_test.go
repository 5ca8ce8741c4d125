// SPDX-License-Identifier: Apache-2.0

// Package cli_test runs the scripts of this folder against the real program: a process of its own for each command,
// real ports, a real data directory, on SQLite and on PostgreSQL.
package cli_test

import (
	"database/sql"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/smtp"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // opens PostgreSQL for tamper
	"github.com/rogpeppe/go-internal/testscript"
	_ "modernc.org/sqlite" // opens SQLite for tamper

	"postern/internal/store/storetest"
	"postern/test/program"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"ask":   ask,
		"knock": knock,
	})
}

func TestSQLite(t *testing.T) { run(t, false) }

var (
	all    = flag.Bool("all", false, "run all scripts on PostgreSQL too")
	update = flag.Bool("update", false, "write the scripts' pinned output anew")
)

func TestPostgres(t *testing.T) {
	if *all {
		run(t, true)
		return
	}
	run(t, true, ofTheStore...)
}

// ofTheStore are the scripts in which the engine shows: what opens, names, locks and leaves it, and a mail through it. What
// the other commands ask of it is tested on both engines where it is asked.
var ofTheStore = []string{"init", "first-start", "offline", "server-key", "keys", "plans", "messages", "import", "stop"}

// run runs the named scripts, or all.
func run(t *testing.T, postgres bool, scripts ...string) {
	dir, files := ".", []string(nil)
	for _, s := range scripts {
		dir, files = "", append(files, s+".txtar")
	}
	path := filepath.Dir(program.Build(t)) // without the race detector, under which each command would take a second to start
	testscript.Run(t, testscript.Params{
		Dir:                 dir,
		Files:               files,
		RequireExplicitExec: true,
		UpdateScripts:       *update,
		Setup: func(env *testscript.Env) error {
			env.Setenv("PATH", path+string(os.PathListSeparator)+env.Getenv("PATH"))
			for _, name := range []string{"POSTERN_HTTP", "POSTERN_SMTP"} {
				env.Setenv(name, program.FreeAddress(env.T().(testing.TB)))
			}
			if postgres {
				env.Setenv("POSTERN_DATABASE", storetest.Database(env.T().(testing.TB)))
			}
			return nil
		},
		Condition: func(cond string) (bool, error) {
			if cond == "postgres" {
				return postgres, nil
			}
			return false, fmt.Errorf("unknown condition %q", cond)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"ready": ready, "field": field, "sigterm": sigterm, "busy": busy, "occupy": occupy, "status": status, "sent": sent,
			"soon": soon, "tamper": tamper, "receiver": receiver, "pin": pin,
		},
	})
}

// ready waits until the server of the script answers that every part is.
func ready(ts *testscript.TestScript, _ bool, _ []string) {
	url := "http://" + ts.Getenv("POSTERN_HTTP") + "/healthz"
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		res, err := http.Get(url)
		if err != nil {
			continue
		}
		res.Body.Close() //nolint:errcheck // the status is all
		if res.StatusCode == http.StatusOK {
			return
		}
	}
	ts.Fatalf("the server was not ready in 30 s")
}

// sent ID waits until a message has left.
func sent(ts *testscript.TestScript, _ bool, args []string) {
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		ts.Check(ts.Exec("postern", "messages", args[0], "--json"))
		var m struct{ Status string }
		ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &m))
		if m.Status == "sent" {
			return
		}
	}
	ts.Fatalf("message %s was not sent in 30 s", args[0])
}

// field NAME FILE KEY puts a property of a JSON object, or of the first in a list, into the environment.
func field(ts *testscript.TestScript, _ bool, args []string) {
	raw := []byte(ts.ReadFile(args[1]))
	var object map[string]any
	if err := json.Unmarshal(raw, &object); err != nil {
		var list []map[string]any
		ts.Check(json.Unmarshal(raw, &list))
		object = list[0]
	}
	v, ok := object[args[2]]
	if !ok {
		ts.Fatalf("no %s in %s", args[2], raw)
	}
	ts.Setenv(args[0], fmt.Sprint(v))
}

// sigterm sends SIGTERM to what the script has in the background.
func sigterm(ts *testscript.TestScript, _ bool, _ []string) {
	for _, cmd := range ts.BackgroundCmds() {
		ts.Check(cmd.Process.Signal(syscall.SIGTERM))
	}
}

// occupy NAME listens on a port until the script ends, and puts its address into the environment.
func occupy(ts *testscript.TestScript, _ bool, args []string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { l.Close() }) //nolint:errcheck // the test is over
	ts.Setenv(args[0], l.Addr().String())
}

// busy holds a request open at the server of the script, whose headers have come and whose body has not.
func busy(ts *testscript.TestScript, _ bool, args []string) {
	conn, err := net.Dial("tcp", ts.Getenv("POSTERN_HTTP"))
	ts.Check(err)
	ts.Defer(func() { conn.Close() }) //nolint:errcheck // the test is over
	req, err := http.NewRequest(http.MethodPost, "/v3.1/send", http.NoBody)
	ts.Check(err)
	user, password, _ := strings.Cut(args[0], ":")
	req.SetBasicAuth(user, password)
	_, err = fmt.Fprintf(conn, "POST /v3.1/send HTTP/1.1\r\nHost: x\r\nAuthorization: %s\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{", req.Header.Get("Authorization"))
	ts.Check(err)
	time.Sleep(200 * time.Millisecond) // the server reads it; a shorter wait can only make the test easier
}

// status CODE COMMAND… runs a command and wants that exit code.
func status(ts *testscript.TestScript, _ bool, args []string) {
	err := ts.Exec(args[1], args[2:]...)
	got := 0
	if err != nil {
		exit, ok := err.(interface{ ExitCode() int })
		if !ok {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if fmt.Sprint(got) != args[0] {
		ts.Fatalf("exit code %d, want %s", got, args[0])
	}
}

// varying is what differs from run to run in the output of a command, and what stands for it in a script.
var varying = []struct {
	is   *regexp.Regexp
	word string
}{
	{regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`), "UUID"},
	{regexp.MustCompile(`\b[0-9a-f]{64}\b`), "HASH"},
	{regexp.MustCompile(`\b[0-9a-f]{32}\b`), "APIKEY"},
	{regexp.MustCompile(`\bpstn[0-9A-Za-z]{36}\b`), "SECRET"},
	{regexp.MustCompile(`\bwhsec_[0-9A-Za-z+/=]+`), "whsec_SECRET"},
	{regexp.MustCompile(`("WebhookID": )"[^"]+"`), `$1"WEBHOOKID"`},
	{regexp.MustCompile(`postern\._[0-9a-f]+`), "postern._TOKEN"},
	{regexp.MustCompile(`postern\d{6}-[0-9a-z]+\._domainkey`), "SELECTOR._domainkey"},
	{regexp.MustCompile(`\bp=[0-9A-Za-z+/=]{40,}`), "p=DKIM"},
	{regexp.MustCompile(`[A-Z2-7]{26}`), "TOKEN"},
	{regexp.MustCompile(`127\.0\.0\.1:\d+`), "ADDRESS"},
	{regexp.MustCompile(`"\d{4}-\d\d-\d\dT[0-9:.]+Z"`), `"TIME"`},
	{regexp.MustCompile(`("(?:Secret)?Hint": )"....",`), `$1"HINT",`},
	{regexp.MustCompile(`("(?:ID|TookMS|Window|WindowMax)": )\d+`), "${1}0"},
	{regexp.MustCompile(`\b\d{10,}\b`), "0"},
}

// pin CODE COMMAND… runs a command, wants that exit code, and keeps what it prints in the file pinned, with words for
// what differs from run to run.
func pin(ts *testscript.TestScript, neg bool, args []string) {
	status(ts, neg, args)
	text := ts.ReadFile("stdout")
	for _, v := range varying {
		text = v.is.ReplaceAllString(text, v.word)
	}
	ts.Check(os.WriteFile(ts.MkAbs("pinned"), []byte(text), 0o600))
}

// ask is a small HTTP client for the scripts: it prints the status and the body.
func ask() {
	user := flag.String("u", "", "user:password")
	method := flag.String("X", http.MethodGet, "method")
	body := flag.String("d", "", "body")
	header := flag.String("H", "", "name: value")
	flag.Parse()
	req, err := http.NewRequest(*method, flag.Arg(0), strings.NewReader(*body))
	if err != nil {
		fail(err)
	}
	if name, password, ok := strings.Cut(*user, ":"); ok {
		req.SetBasicAuth(name, password)
	}
	if name, value, ok := strings.Cut(*header, ": "); ok {
		req.Header.Set(name, value)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		fail(err)
	}
	defer res.Body.Close() //nolint:errcheck // read whole
	fmt.Println(res.StatusCode)
	if _, err := io.Copy(os.Stdout, res.Body); err != nil {
		fail(err)
	}
}

// knock logs in by SMTP with a pair and asks whether it may send from an address; it prints what the server said.
func knock() {
	pair := flag.String("u", "", "user:password")
	from := flag.String("f", "", "sender")
	flag.Parse()
	conn, err := smtp.Dial(flag.Arg(0))
	if err != nil {
		fail(err)
	}
	defer conn.Close() //nolint:errcheck // what was to be known is known
	user, password, _ := strings.Cut(*pair, ":")
	host, _, _ := net.SplitHostPort(flag.Arg(0))
	if err = conn.Hello("knock.test"); err == nil {
		err = conn.Auth(smtp.PlainAuth("", user, password, host))
	}
	if err == nil && *from != "" {
		err = conn.Mail(*from)
	}
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("let in")
}

// soon REGEX COMMAND… runs a command until its output matches.
func soon(ts *testscript.TestScript, _ bool, args []string) {
	want := regexp.MustCompile(args[0])
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		ts.Check(ts.Exec(args[1], args[2:]...))
		if want.MatchString(ts.ReadFile("stdout")) {
			return
		}
	}
	ts.Fatalf("%q was not seen in 30 s; at last:\n%s", args[0], ts.ReadFile("stdout"))
}

// receiver NAME USER:PASSWORD takes webhooks of that user under /taken until the script ends, answers anything else with
// 401 or 500, and puts its address into the environment.
func receiver(ts *testscript.TestScript, _ bool, args []string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	s := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		switch {
		case r.URL.Path != "/taken":
			w.WriteHeader(http.StatusInternalServerError)
		case user+":"+password != args[1]:
			w.WriteHeader(http.StatusUnauthorized)
		}
	})}
	go s.Serve(l)                  //nolint:errcheck // until it is closed
	ts.Defer(func() { s.Close() }) //nolint:errcheck // the test is over
	ts.Setenv(args[0], l.Addr().String())
}

// tamper SQL changes the database behind the program's back.
func tamper(ts *testscript.TestScript, _ bool, args []string) {
	driver, name := "sqlite", ts.MkAbs("postern-data/postern.db")
	if url := ts.Getenv("POSTERN_DATABASE"); url != "" {
		driver, name = "pgx", url
	}
	db, err := sql.Open(driver, name)
	ts.Check(err)
	defer db.Close() //nolint:errcheck // written already
	res, err := db.Exec(args[0])
	ts.Check(err)
	if n, err := res.RowsAffected(); !strings.HasPrefix(args[0], "CREATE") && (err != nil || n == 0) {
		ts.Fatalf("nothing was changed (%v)", err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
