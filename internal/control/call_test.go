// SPDX-License-Identifier: Apache-2.0

package control_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"postern/internal/backend"
	"postern/internal/backend/backendtest"
	"postern/internal/change"
	"postern/internal/control"
	"postern/internal/keys"
	"postern/internal/suppress"
)

// dial serves h on a socket, as the server does, and gives the calls of its other side.
func dial(t *testing.T, h http.Handler) control.Calls {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(h)
	s.Listener.Close() //nolint:errcheck,gosec // of a port that nobody asked for
	s.Listener = l
	s.Start()
	t.Cleanup(s.Close)
	return control.Dial(path)
}

// TestCallsOnBothWays: arguments, files, results and errors are the same in this process and over the socket.
func TestCallsOnBothWays(t *testing.T) {
	var log bytes.Buffer
	own := control.Calls{
		ShowKey: func(_ context.Context, key string) (keys.Details, error) {
			switch key {
			case "none":
				return keys.Details{}, change.Errorf(change.NotFound, "Key", "there is no key %q", key)
			case "odd":
				return keys.Details{}, &control.Misuse{Err: &change.Error{Kind: change.Invalid, Field: "Key", Reason: "it is odd"}}
			case "broken":
				return keys.Details{}, errors.New("the disk is full")
			}
			return keys.Details{Key: keys.Key{Name: key}, Senders: []string{}}, nil
		},
		DeleteKey: func(_ context.Context, key string, cancel bool) error {
			if key != "a\nb" || !cancel {
				t.Errorf("%q, %v", key, cancel)
			}
			return nil
		},
		ImportSuppressions: func(_ context.Context, key, reason string, file io.Reader) (suppress.Report, error) {
			raw, err := io.ReadAll(file)
			return suppress.Report{Rows: len(raw), Problems: []suppress.Problem{{Text: key + reason + string(raw[:3])}}}, err
		},
	}
	logger := slog.New(slog.NewTextHandler(&log, nil))
	for name, c := range map[string]control.Calls{"local": control.Local(own, logger), "socket": dial(t, control.Handler(own, logger))} {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			if k, err := c.ShowKey(ctx, "News"); err != nil || k.Name != "News" || k.Senders == nil || k.Connections != nil {
				t.Errorf("%+v, %v", k, err)
			}
			if err := c.DeleteKey(ctx, "a\nb", true); err != nil {
				t.Error(err)
			}
			file := strings.Repeat("]\n\"", 3<<20)
			got, err := c.ImportSuppressions(ctx, "k", "r", strings.NewReader(file))
			if err != nil || got.Rows != len(file) || got.Problems[0].Text != "kr]\n\"" {
				t.Errorf("%+v, %v", got, err)
			}
			_, err = c.ShowKey(ctx, "none")
			var wrong *change.Error
			var misuse *control.Misuse
			want := change.Error{Kind: change.NotFound, Field: "Key", Reason: `there is no key "none"`}
			if !errors.As(err, &wrong) || *wrong != want || errors.As(err, &misuse) {
				t.Errorf("%#v", err)
			}
			if _, err = c.ShowKey(ctx, "odd"); !errors.As(err, &misuse) || !errors.As(err, &wrong) || wrong.Reason != "it is odd" {
				t.Errorf("%#v", err)
			}
			log.Reset()
			if _, err = c.ShowKey(ctx, "broken"); err == nil || err.Error() != "the disk is full" || errors.As(err, &wrong) {
				t.Errorf("%#v", err)
			}
			if !strings.Contains(log.String(), "request=ShowKey") || !strings.Contains(log.String(), "the disk is full") {
				t.Errorf("a failure is not in the log: %s", log.String())
			}
			// The other side does not have it, or is of another time altogether.
			if _, err = c.ListPlans(ctx); err == nil || !strings.Contains(err.Error(), "another version") {
				t.Errorf("%v", err)
			}
			if _, err = c.ShowKey(ctx, strings.Repeat("x", 5<<20)); err == nil || !strings.Contains(err.Error(), "too large") {
				t.Errorf("%v", err)
			}
		})
	}
	_, err := dial(t, http.NotFoundHandler()).ListPlans(t.Context())
	if err == nil || !strings.Contains(err.Error(), "404 Not Found; is it of another version") {
		t.Errorf("%v", err)
	}
}

// TestArgumentsOfAnotherVersion are refused: what is not known would not be done.
func TestArgumentsOfAnotherVersion(t *testing.T) {
	h := control.Handler(control.Calls{CreateKey: func(context.Context, control.NewKey) (control.Credential, error) {
		t.Error("it was called")
		return control.Credential{}, nil
	}}, slog.New(slog.DiscardHandler))
	for _, body := range []string{
		`[{"Name": "x", "Colour": "red"}]`, `[{"Name": "x"}, 1]`, `[]`, `[{"Name": 1}]`, `{"Name": "x"}`, `[`, ``, `[{"Name": "x"}`,
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/CreateKey", strings.NewReader(body)))
		if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), `"Reason"`) {
			t.Errorf("%s: %d %s", body, w.Code, w.Body)
		}
	}
}

// TestEveryCallIsMade: no call is without a function.
func TestEveryCallIsMade(t *testing.T) {
	v := reflect.ValueOf(control.New(control.Config{Backend: backendtest.New(t, backend.Config{})}))
	for i := range v.NumField() {
		if v.Field(i).IsNil() {
			t.Errorf("%s is not made", v.Type().Field(i).Name)
		}
	}
}
