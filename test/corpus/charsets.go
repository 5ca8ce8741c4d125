// SPDX-License-Identifier: Apache-2.0

package corpus

import (
	"encoding/base64"
	"fmt"
	"strings"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/unicode"
)

// scripts are charsets with a text that they can say.
var scripts = []struct{ charset, text string }{
	{"utf-8", "Grüße, 你好, привет 🎉"},
	{"iso-8859-1", "Grüße à tous, señor"},
	{"iso-8859-2", "Příliš žluťoučký kůň"},
	{"iso-8859-3", "ĉiuj ĝentilaj"},
	{"iso-8859-4", "šķērsiela ģimene"},
	{"iso-8859-5", "Привет, мир"},
	{"iso-8859-6", "مرحبا"},
	{"iso-8859-7", "Καλημέρα"},
	{"iso-8859-8", "שלום עולם"},
	{"iso-8859-9", "İyi günler, şeker"},
	{"iso-8859-10", "Ærlig þökk"},
	{"iso-8859-13", "Žalgiris ąčę"},
	{"iso-8859-14", "Ŵyth ŷd"},
	{"iso-8859-15", "Prix: 5 €, œuvre"},
	{"iso-8859-16", "Țară și „mâine”"},
	{"windows-1250", "Dzień dobry, žluť"},
	{"windows-1251", "Добрый день"},
	{"windows-1252", "„Jürgen“ – 5 €"},
	{"windows-1253", "Καλημέρα €"},
	{"windows-1254", "İstanbul'da şimdi"},
	{"windows-1255", "שלום €"},
	{"windows-1256", "مرحبا پ"},
	{"windows-1257", "Žalioji ąžuolas"},
	{"windows-1258", "Tiếng Vi\u00eat"},
	{"windows-874", "สวัสดี"},
	{"koi8-r", "Привет"},
	{"koi8-u", "Привіт, їжак"},
	{"ibm866", "Привет из DOS"},
	{"macintosh", "Œuvre – déjà vu"},
	{"iso-2022-jp", "こんにちは、世界"},
	{"euc-jp", "こんにちは、世界"},
	{"shift_jis", "こんにちは、表示"},
	{"gb2312", "你好，世界"},
	{"gbk", "你好，世界，龍"},
	{"gb18030", "你好，世界 𠀀"},
	{"big5", "你好，世界，功能"},
	{"euc-kr", "안녕하세요"},
	{"utf-16", "Grüße, 你好"},
	{"utf-16be", "Grüße, 你好"},
	{"utf-16le", "Grüße, 你好"},
}

// codec finds a charset's.
func codec(name string) encoding.Encoding {
	switch name {
	case "utf-16":
		return unicode.UTF16(unicode.BigEndian, unicode.UseBOM)
	case "utf-16be":
		return unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM)
	case "utf-16le":
		return unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM)
	case "iso-8859-1":
		return charmap.ISO8859_1 // the Web takes it for windows-1252
	case "iso-8859-9":
		return charmap.ISO8859_9
	}
	e, err := htmlindex.Get(name)
	if err != nil {
		panic("corpus: " + name + ": " + err.Error())
	}
	return e
}

// encode is a text in a charset. A text that cannot be said in it is a mistake in this file.
func encode(charset, s string) string {
	s = strings.Map(func(r rune) rune {
		if charset == "windows-1258" && r == 'ế' {
			return 'ê' // the tone is a character of its own there
		}
		return r
	}, s)
	out, err := codec(charset).NewEncoder().String(s)
	if err != nil {
		panic("corpus: " + charset + ": " + err.Error())
	}
	return out
}

// word is an encoded word (RFC 2047), in B or Q.
func word(charset, s string, q bool) string {
	in := encode(charset, s)
	if !q {
		return "=?" + charset + "?B?" + base64.StdEncoding.EncodeToString([]byte(in)) + "?="
	}
	out := ""
	for _, c := range []byte(in) {
		switch {
		case c == ' ':
			out += "_"
		case c >= '0' && c <= '9', c >= 'A' && c <= 'Z', c >= 'a' && c <= 'z':
			out += string(c)
		default:
			out += fmt.Sprintf("=%02X", c)
		}
	}
	return "=?" + charset + "?Q?" + out + "?="
}

// wrap cuts a text into lines of n bytes.
func wrap(s string, n int) string {
	var out strings.Builder
	for len(s) > n {
		out.WriteString(s[:n] + "\n")
		s = s[n:]
	}
	return out.String() + s + "\n"
}

func base64Lines(s string) string { return wrap(base64.StdEncoding.EncodeToString([]byte(s)), 76) }

// qpLines writes all that is not a letter, a digit or a blank inside a line as =XX.
func qpLines(s string) string {
	var out strings.Builder
	width := 0
	for i := range len(s) {
		c := s[i]
		token := string(c)
		switch {
		case c == '\n':
			out.WriteString("\n")
			width = 0
			continue
		case c == ' ' && i+1 < len(s) && s[i+1] != '\n':
		case c >= '0' && c <= '9', c >= 'A' && c <= 'Z', c >= 'a' && c <= 'z':
		default:
			token = fmt.Sprintf("=%02X", c)
		}
		if width+len(token) > 75 {
			out.WriteString("=\n")
			width = 0
		}
		out.WriteString(token)
		width += len(token)
	}
	return out.String()
}

// charsets has a mail of each charset in each transfer encoding that it may have, with the name and the subject in the
// charset as well.
func charsets(b *builder) {
	for i, s := range scripts {
		name := s.charset
		body := s.text + "\n.\n" + s.text + " \n"
		head := func(encoding string) string {
			title := "charset " + name + " " + encoding
			return "From: " + word(name, s.text[:strings.IndexAny(s.text+" ", " ,")], i%2 == 0) + " <" + From + ">\nTo: " + To +
				"\nSubject: " + title + " " +
				word(name, s.text, i%2 == 1) + "\nDate: Mon, 30 Nov 2026 10:00:00 +0100\nMessage-ID: <" + strings.ReplaceAll(title, " ",
				".") + "@example.com>\n" +
				"MIME-Version: 1.0\nContent-Type: text/plain; charset=" + name + "\nContent-Transfer-Encoding: " + encoding + "\n\n"
		}
		encoded := encode(name, crlf(body)) // RFC 2046 §4.1.1, inside base64 as well
		b.raw("charset/"+name+"/base64", head("base64")+base64Lines(encoded))
		if strings.HasPrefix(name, "utf-16") {
			continue // RFC 2781 §4: no charset of text/plain outside base64
		}
		b.raw("charset/"+name+"/quoted-printable", head("quoted-printable")+qpLines(encode(name, body)))
		if name == "iso-2022-jp" {
			b.raw("charset/"+name+"/7bit", head("7bit")+encode(name, body))
			continue
		}
		b.raw("charset/"+name+"/8bit", head("8bit")+encode(name, body))
	}
}

// encodings has bodies whose charset or transfer encoding is missing, wrong or odd.
func encodings(b *builder) {
	mime := "MIME-Version: 1.0\n"
	for _, c := range []struct{ name, fields, body string }{
		{"8bit without MIME", "", greetings},
		{"8bit without MIME in latin-1", "", encode("iso-8859-1", "Grüße\n")},
		{"8bit declared as 7bit", mime + "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 7bit\n", greetings},
		{"8bit without an encoding", mime + "Content-Type: text/plain; charset=utf-8\n", greetings},
		{"8bit declared as us-ascii", mime + "Content-Type: text/plain; charset=us-ascii\nContent-Transfer-Encoding: 8bit\n", greetings},
		{"8bit without a charset", mime + "Content-Type: text/plain\nContent-Transfer-Encoding: 8bit\n", greetings},
		{
			"8bit of no charset that is known", mime + "Content-Type: text/plain; charset=klingon-7\nContent-Transfer-Encoding: 8bit\n",
			greetings,
		},
		{
			"8bit, bytes that are no utf-8", mime + "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n",
			"\xc3(\xff\xfe\x80 end\n",
		},
		{
			"8bit with C1 controls", mime + "Content-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: 8bit\n",
			"\x85\x9b\xa0 end\n",
		},
		{"binary", mime + "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: binary\n", greetings},
		{
			"encoding in capitals", mime + "Content-Type: TEXT/PLAIN; CHARSET=UTF-8\nCONTENT-TRANSFER-ENCODING: QUOTED-PRINTABLE\n",
			"Gr=C3=BC=C3=9Fe\n",
		},
		{"encoding with a comment", mime +
			"Content-Type: text/plain; charset=utf-8 (Unicode)\nContent-Transfer-Encoding: 8bit (all of it)\n", greetings},
		{"encoding in quotes", mime + "Content-Type: text/plain; charset=\"utf-8\"\nContent-Transfer-Encoding: \"8bit\"\n", greetings},
		{"encoding folded", mime + "Content-Type: text/plain;\n\tcharset=\n\t\"utf-8\"\nContent-Transfer-Encoding:\n 8bit\n", greetings},
		{"encoding that is not known", mime + "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: x-none\n", hello},
		{
			"MIME-Version with a comment",
			"MIME-Version: 1.0 (by us)\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n", greetings,
		},
		{"without MIME-Version", "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n", greetings},
		{"type without a subtype", mime + "Content-Type: text\n", hello},
		{"type with a broken parameter", mime + "Content-Type: text/plain; charset\n", hello},
		{
			"type with a semicolon at its end", mime + "Content-Type: text/plain; charset=utf-8;\nContent-Transfer-Encoding: 8bit\n",
			greetings,
		},
		{
			"type with a blank before the semicolon", mime +
				"Content-Type: text/plain ; charset = utf-8\nContent-Transfer-Encoding: 8bit\n",
			greetings,
		},
		{"text/enriched", mime + "Content-Type: text/enriched; charset=utf-8\nContent-Transfer-Encoding: 8bit\n", "<bold>Grüße</bold>\n"},
		{
			"text/markdown", mime + "Content-Type: text/markdown; charset=utf-8; variant=GFM\nContent-Transfer-Encoding: 8bit\n",
			"# Grüße  \nend\n",
		},
		{
			"text/csv", mime + "Content-Type: text/csv; charset=utf-8; header=present\nContent-Transfer-Encoding: 8bit\n",
			"Köln;\"a\nb\";  \n",
		},
		{"application/json 8bit", mime + "Content-Type: application/json\nContent-Transfer-Encoding: 8bit\n", "{\"a\": \"ü\"}\n"},
		{
			"image alone", mime + "Content-Type: image/png\nContent-Transfer-Encoding: base64\nContent-Disposition: inline\n",
			base64Lines("\x89PNG\r\n\x1a\n\x00\x00"),
		},
	} {
		b.add("encoding/"+c.name, c.fields, c.body)
	}
}
