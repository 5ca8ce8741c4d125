// SPDX-License-Identifier: Apache-2.0

package api

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
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

// replaces says whether encoding/json puts U+FFFD for something in a text, which is then not what was given.
func replaces(text []byte) bool {
	var v any
	if json.Unmarshal(text, &v) != nil || !utf8.Valid(text) {
		return true
	}
	out, err := json.Marshal(v)
	plain := bytes.ToLower(text)
	given := bytes.Count(plain, []byte("\ufffd")) + bytes.Count(plain, []byte(`\ufffd`))
	return err != nil || bytes.Count(out, []byte("\ufffd"))+bytes.Count(out, []byte(`\ufffd`)) > given
}

// FuzzJSON: walking a text sees what encoding/json sees, and what that refuses, or changes, is refused.
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
			if !bad && !replaces(text) && depth(text) <= maxDepth && !bytes.HasPrefix(text, []byte("\xef\xbb\xbf")) {
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

// A body that is not UTF-8 is refused with the place, and never read as something else (RFC 8259 §8.1, §8.2).
func TestNotUTF8(t *testing.T) {
	for name, x := range map[string]struct{ text, want string }{
		"Latin-1":                {"{\"a\":\"J\xfcrgen\"}", "byte 7 is 0xFC"},
		"Latin-1 in a name":      {"{\"\xe9\":1}", "byte 2 is 0xE9"},
		"behind much text":       {`{"a":"` + strings.Repeat("ä", 1000) + "\xff\"}", "byte 2006 is 0xFF"},
		"cut character":          {"{\"a\":\"\xc3\"}", "byte 6 is 0xC3"},
		"overlong slash":         {"{\"a\":\"\xc0\xaf\"}", "byte 6 is 0xC0"},
		"overlong NUL":           {"{\"a\":\"\xe0\x80\x80\"}", "byte 6 is 0xE0"},
		"surrogate in bytes":     {"{\"a\":\"\xed\xa0\x80\"}", "byte 6 is 0xED"},
		"over U+10FFFF":          {"{\"a\":\"\xf4\x90\x80\x80\"}", "byte 6 is 0xF4"},
		"UTF-16 with BOM":        {"\xff\xfe{\x00}\x00", "UTF-16"},
		"UTF-16BE with BOM":      {"\xfe\xff\x00{\x00}", "UTF-16"},
		"UTF-16 without BOM":     {"{\x00}\x00", "UTF-16"},
		"UTF-16BE without BOM":   {"\x00{\x00}", "UTF-16"},
		"high surrogate":         {`{"a":"\ud800"}`, `\ud800, at byte 6`},
		"low surrogate":          {`{"a":"x\uDC00"}`, `\uDC00, at byte 7`},
		"pair the wrong way":     {`{"a":"\udc00\ud800"}`, `\udc00, at byte 6`},
		"two highs":              {`{"a":"\ud83c\ud83c\udf89"}`, `\ud83c, at byte 6`},
		"in a name":              {`{"\ud800":1}`, `\ud800, at byte 2`},
		"behind a backslash":     {`{"a":"\\\ud800"}`, `\ud800, at byte 8`},
		"high, then no escape":   {`{"a":"\ud83cudf89"}`, `\ud83c, at byte 6`},
		"high at the very end":   {`"\uD83C"`, `\uD83C, at byte 1`},
		"a pair, then half":      {`"\ud83c\udf89\udf89"`, `\udf89, at byte 13`},
		"UTF-8 BOM and Latin-1":  {"\xef\xbb\xbf\"\xe9\"", "byte 1 is 0xE9"},
		"not JSON and not UTF-8": {"\xe9", "byte 0 is 0xE9"},
	} {
		_, err := parseJSON([]byte(x.text))
		if err == nil || !strings.Contains(err.Error(), "the body is not UTF-8") || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s: %v; want %q", name, err, x.want)
		}
	}
	for _, good := range []string{`"\ud83c\udf89"`, `"\uD83C\uDF89"`, `"\\ud800"`, "\xef\xbb\xbf\"é\"", `"\ufffd"`, "\"\ufffd\"", `"\u0000"`} {
		if _, err := parseJSON([]byte(good)); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
}
