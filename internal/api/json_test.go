// SPDX-License-Identifier: Apache-2.0

package api

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"
)

// tree makes of a value what encoding/json makes of it. Numbers stay text.
func tree(v value) any {
	switch v[0] {
	case '{':
		m := map[string]any{}
		for name, x := range v.members() {
			m[name] = tree(x)
		}
		return m
	case '[':
		list := []any{}
		for x := range v.elements() {
			list = append(list, tree(x))
		}
		return list
	case '"':
		s, _ := v.str()
		return s
	case 'n':
		return nil
	case 't', 'f':
		is, _ := v.boolean()
		return is
	}
	return json.Number(v)
}

// FuzzJSON: walking a text sees what encoding/json sees, and what that refuses is refused.
func FuzzJSON(f *testing.F) {
	for _, s := range []string{
		`{"a":[1,-2.5e3,true,false,null,"x"],"b":{}, "c" : [ ] }`, `"\u00e4\ud83c\udf89\ud83c\u0041\udf89x\b\f\n\r\t\/\"\\"`, `"\ud83c"`, `"\ud83c\ud83c\udf89"`, `"\\"`, `["\\\"",{"\u0061":"}]"}]`, ` 1 `, `"`,
		"\"\xff\xfe\"", "{\"\xff\":1,\"\xff\":2}", `{"a":1,"a":2}`, ``, `{`, `[1,]`, `nul`, "\"\n\"",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		v, err := parseJSON(text)
		dec := json.NewDecoder(bytes.NewReader(text))
		dec.UseNumber()
		var want any
		bad := !json.Valid(text)
		if err != nil {
			if !bad && depth(text) <= maxDepth && !bytes.HasPrefix(text, []byte("\xef\xbb\xbf")) {
				t.Fatalf("refused: %v", err)
			}
			return
		}
		if bad {
			if bytes.HasPrefix(text, []byte("\xef\xbb\xbf")) {
				return
			}
			t.Fatal("accepted")
		}
		if err := dec.Decode(&want); err != nil {
			t.Fatal(err)
		}
		if got := tree(v); !reflect.DeepEqual(got, want) {
			t.Fatalf("%#v; want %#v", got, want)
		}
	})
}
