// SPDX-License-Identifier: Apache-2.0

package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"reflect"

	"postern/internal/change"
	"postern/internal/suppress"
)

// A call on the wire is POST /Name, the name of its field in Calls. The body is a JSON array of the arguments, without
// the context; where the last argument is an io.Reader, its bytes follow the array. The answer is the result as JSON, or,
// with a status of 400 or more, a failure.

// maxArguments bounds the arguments of a call, in bytes: a test mail's text is the largest thing in them.
const maxArguments = 4 << 20

// failure is an error on the wire. Kind is 0 where it is not the caller's mistake.
type failure struct {
	Kind   change.ErrorKind `json:",omitempty"`
	Field  string           `json:",omitempty"`
	Reason string
	Misuse bool `json:",omitempty"`
}

// Misuse is a mistake that no state of the store would make right: it is in the words of the command.
type Misuse struct{ Err *change.Error }

func (e *Misuse) Error() string { return e.Err.Error() }
func (e *Misuse) Unwrap() error { return e.Err }

// err is the failure as the caller sees it.
func (f failure) err() error {
	mistake := &change.Error{Kind: f.Kind, Field: f.Field, Reason: f.Reason}
	switch {
	case f.Kind == 0:
		return errors.New(f.Reason)
	case f.Misuse:
		return &Misuse{mistake}
	}
	return mistake
}

// Handler answers calls over HTTP.
func Handler(c Calls, log *slog.Logger) http.Handler {
	a := newAnswerer(c, log)
	mux := http.NewServeMux()
	mux.HandleFunc("POST /{call}", func(w http.ResponseWriter, r *http.Request) {
		status, answer, _ := a.answer(r.Context(), r.PathValue("call"), r.Body)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		if _, err := w.Write(answer); err != nil {
			log.WarnContext(r.Context(), "an answer to the command line was not written", "error", err)
		}
	})
	return mux
}

// answerer makes the calls of a table that come as JSON.
type answerer struct {
	calls map[string]reflect.Value
	log   *slog.Logger
}

func newAnswerer(c Calls, log *slog.Logger) *answerer {
	a := &answerer{calls: map[string]reflect.Value{}, log: log}
	v := reflect.ValueOf(c)
	for i := range v.NumField() {
		if !v.Field(i).IsNil() {
			a.calls[v.Type().Field(i).Name] = v.Field(i)
		}
	}
	return a
}

// answer makes a call, and returns the answer with its HTTP status. It has no error of its own, and is an exchange.
func (a *answerer) answer(ctx context.Context, name string, body io.Reader) (int, []byte, error) {
	status := http.StatusOK
	result, err := a.call(ctx, name, body)
	if err != nil {
		f := failureOf(err)
		if status = http.StatusBadRequest; f.Kind == 0 {
			status = http.StatusInternalServerError
			a.log.ErrorContext(ctx, "the command line's request failed", "request", name, "error", err)
		}
		result = f
	}
	raw, err := json.Marshal(result)
	if err != nil {
		a.log.ErrorContext(ctx, "an answer to the command line was not written", "request", name, "error", err)
		status = http.StatusInternalServerError
	}
	return status, raw, nil
}

var readerType = reflect.TypeFor[io.Reader]()

// call reads the arguments of a call and makes it. Unknown properties are refused: the two sides may be of different
// versions, and what one of them does not know would not be done.
func (a *answerer) call(ctx context.Context, name string, body io.Reader) (any, error) {
	fn, ok := a.calls[name]
	if !ok {
		return nil, invalid("", "the server has no %s; is it of another version than this command?", name)
	}
	t := fn.Type()
	n, limit := t.NumIn(), int64(maxArguments)
	streams := t.In(n-1) == readerType
	if streams {
		n, limit = n-1, limit+suppress.MaxFile+1
	}
	body = http.MaxBytesReader(nil, io.NopCloser(body), limit)
	var raw []json.RawMessage
	dec := json.NewDecoder(body)
	if err := dec.Decode(&raw); err != nil {
		return nil, invalid("", "the request cannot be read: %v", err)
	}
	if len(raw) != n-1 {
		return nil, invalid("", "%s takes %d arguments, and was given %d; is the server of another version than this command?",
			name, n-1, len(raw))
	}
	in := []reflect.Value{reflect.ValueOf(ctx)}
	for i, text := range raw {
		arg := reflect.New(t.In(i + 1))
		strict := json.NewDecoder(bytes.NewReader(text))
		strict.DisallowUnknownFields()
		if err := strict.Decode(arg.Interface()); err != nil {
			return nil, invalid("", "the request cannot be read: %v", err)
		}
		in = append(in, arg.Elem())
	}
	if streams {
		in = append(in, reflect.ValueOf(io.MultiReader(dec.Buffered(), body)))
	}
	out := fn.Call(in)
	err, _ := out[len(out)-1].Interface().(error)
	if len(out) == 1 {
		return struct{}{}, err
	}
	return out[0].Interface(), err
}

// exchange carries a call to where it is answered.
type exchange func(ctx context.Context, name string, body io.Reader) (status int, answer []byte, err error)

// Local makes calls in this process, with what goes in and comes out as it is over the socket.
func Local(c Calls, log *slog.Logger) Calls { return fill(newAnswerer(c, log).answer) }

// Dial makes calls of the server at the socket path. Nothing is sent yet.
func Dial(path string) Calls {
	client := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", path)
	}}}
	return fill(func(ctx context.Context, name string, body io.Reader) (int, []byte, error) {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://postern/"+name, body)
		if err != nil {
			return 0, nil, err
		}
		res, err := client.Do(r)
		if err != nil {
			return 0, nil, fmt.Errorf("the server did not answer: %w", err)
		}
		defer res.Body.Close() //nolint:errcheck // read whole
		raw, err := io.ReadAll(res.Body)
		if err != nil {
			err = fmt.Errorf("the server's answer broke off: %w", err)
		}
		return res.StatusCode, raw, err
	})
}

// fill makes each call a function that sends its arguments and reads the answer.
func fill(send exchange) (c Calls) {
	v := reflect.ValueOf(&c).Elem()
	for i := range v.NumField() {
		name, t := v.Type().Field(i).Name, v.Type().Field(i).Type
		v.Field(i).Set(reflect.MakeFunc(t, func(in []reflect.Value) []reflect.Value {
			out := make([]reflect.Value, t.NumOut())
			result := reflect.New(reflect.TypeFor[struct{}]())
			if len(out) == 2 {
				result = reflect.New(t.Out(0))
				out[0] = result.Elem()
			}
			err := ask(send, name, in, result.Interface())
			out[len(out)-1] = reflect.ValueOf(&err).Elem()
			return out
		}))
	}
	return c
}

// ask sends a call and reads its answer into result.
func ask(send exchange, name string, in []reflect.Value, result any) error {
	args, files := []any{}, []io.Reader{nil}
	for _, v := range in[1:] {
		if v.Type() == readerType {
			files = append(files, v.Interface().(io.Reader)) //nolint:forcetypeassert // it is one
		} else {
			args = append(args, v.Interface())
		}
	}
	raw, err := json.Marshal(args)
	if err != nil {
		return err
	}
	files[0] = bytes.NewReader(raw)
	ctx := in[0].Interface().(context.Context) //nolint:forcetypeassert // the first argument is one
	status, answer, err := send(ctx, name, io.MultiReader(files...))
	if err != nil {
		return err
	}
	if status == http.StatusOK {
		return json.Unmarshal(answer, result)
	}
	var f failure
	if json.Unmarshal(answer, &f) != nil || f.Reason == "" {
		return fmt.Errorf("the server answered %d %s; is it of another version than this command?", status, http.StatusText(status))
	}
	return f.err()
}
