// SPDX-License-Identifier: Apache-2.0

package corpus

import (
	"fmt"
	"strings"
)

const (
	qp = "MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n"
	b6 = "MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n"
)

// quotedPrintable has what decoders take differently.
func quotedPrintable(b *builder) {
	for i, body := range []string{
		"soft=\nbreak\n", "=3D=3d\n", "small =c3=bc\n", "an end=\n\n", "=\n=\n=\n", strings.Repeat("x", 76) + "\n", strings.Repeat("x",
			75) + "=\n" + strings.Repeat("y", 75) + "=\n",
		"blank after the sign= \t\nnext\n", "not = encoded =XY =\t\n", "=0D=0Aa CRLF in code=0A\n", "=E2=82=\n=AC\n", "=00=01\n",
		"blank before the end =\n",
		"=46rom here\n=2E\n", strings.Repeat("=C3=BC=\n", 100) + "\n",
	} {
		b.add(fmt.Sprintf("quoted-printable/%d", i), qp, body)
	}
	b.add("quoted-printable/with 8bit in it", qp, "Grüße=20\n")
}

// base64Bodies has base64 in all forms that are sent.
func base64Bodies(b *builder) {
	in := base64Lines(strings.Repeat(crlf(greetings), 5))
	flat := strings.ReplaceAll(in, "\n", "")
	for _, c := range []struct{ name, body string }{
		{"in lines of 60", wrap(flat, 60)},
		{"in lines of 64", wrap(flat, 64)},
		{"in lines of 1 and 3", wrap(flat[:40], 1) +
			wrap(flat[40:60], 3)},
		{"with blank lines", "\n" + in[:77] + "\n\n" + in[77:] + "\n\n"},
		{"with blanks", " " + strings.ReplaceAll(in, "\n", " \n\t")},
		{"without its padding", strings.TrimRight(base64Lines("Hello"),
			"=\n") + "\n"},
		{"with its end in the middle", base64Lines("Hello") + base64Lines("again")},
		{"with a footer", in + "\n-- \nlist\n"},
		{"without a last line end", flat[:76] + "\n" + flat[76:120]},
	} {
		b.add("base64/"+c.name, b6, c.body)
	}
}

// oldEncodings has what came before MIME, and what goes around it.
func oldEncodings(b *builder) {
	uu := "begin 644 a.txt\n#0V%T\n" + "M" + strings.Repeat("#", 60) + "\n`\nend\n"
	b.text("old/uuencode in a text", hello+uu)
	b.add("old/uuencode as an encoding",
		"MIME-Version: 1.0\nContent-Type: application/octet-stream; name=a.txt\nContent-Transfer-Encoding: x-uuencode\n", uu)
	b.text("old/uuencode with blanks at the ends of lines", strings.ReplaceAll(uu, "`\n", " \n"))
	b.text("old/binhex", "(This file must be converted with BinHex 4.0)\n\n:$f*TEQKPH#jdH!\n:\n")
	b.add("old/yEnc", "MIME-Version: 1.0\nContent-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: 8bit\n",
		"=ybegin line=128 size=4 name=a.bin\n\xaa\xff\x8b\x80\n=yend size=4\n")
	b.add("old/utf-7", "MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-7\n", "Gr+APwA3w-e\n")
	b.add("old/rich text", "MIME-Version: 1.0\nContent-Type: text/richtext; charset=us-ascii\n", "<bold>a</bold><nl>\n")
	b.add("old/winmail.dat", multi("mixed", "b"), join("b", part("text/plain", "7bit", hello),
		part("application/ms-tnef; name=winmail.dat", "base64", base64Lines("\x78\x9f\x3e\x22"))))
	b.text("old/an mbox's lines", "From a@example.com Mon Nov 30 10:00:00 2026\n>From here\n")
}

// refused has mails that nobody may pass on.
func refused(b *builder) {
	add := func(name, mail, why string) *Mail {
		m := b.raw("refused/"+name, mail)
		m.Refused = why
		return m
	}
	add("a NUL in the body", usual("NUL")+"\na\x00b\n", "RFC 5322 §4: NUL is obsolete, and programs end a text at it")
	add("a NUL in the header", usual("NUL")+"X-NUL: a\x00b\n\n"+hello, "RFC 5322 §4: NUL is obsolete, and programs end a text at it")
	m := add("a CR alone", usual("CR")+"\nb\n", "RFC 5321 §2.3.8: a CR alone is a line end to some")
	m.Raw = []byte(strings.Replace(string(m.Raw), "\r\nb", "\r\na\rb", 1))
	m = add("an LF alone", usual("LF")+"\nb\n", "RFC 5321 §2.3.8: an LF alone is a line end to some")
	m.Raw = []byte(strings.Replace(string(m.Raw), "\r\nb", "\r\na\nb", 1))
	m = add("a CR before CRLF", usual("CRCRLF")+"\nb\n", "RFC 5321 §2.3.8: a CR alone is a line end to some")
	m.Raw = []byte(strings.Replace(string(m.Raw), "\r\nb", "\r\na\r\r\nb", 1))
	add("no From", "To: "+To+"\nSubject: no From\n\n"+hello, "RFC 5322 §3.6: From has to be there")
	add("two Froms", "From: "+From+"\n"+usual("two"), "RFC 5322 §3.6: there is one From")
	add("two Subjects", "Subject: one\n"+usual("two")+"\n"+hello,
		"RFC 5322 §3.6: there is one Subject, and programs show one or the other")
	add("an empty From", "From:\nTo: "+To+"\n\n"+hello, "RFC 5322 §3.6.2: From has an address")
	add("a stranger's From", "From: ceo@bank.example\nTo: "+To+"\n\n"+hello, "the key has no such sender")
	add("a stranger beside", "From: "+From+", ceo@bank.example\nTo: "+To+"\n\n"+hello, "the key has no such sender")
	add("a stranger as Sender", "From: "+From+"\nSender: ceo@bank.example\nTo: "+To+"\n\n"+hello, "the key has no such sender")
	add("a stranger who resends", "Resent-From: ceo@bank.example\n"+usual("resent")+"\n"+hello, "the key has no such sender")
	add("a header that cannot be folded", usual("token")+"X-Token: "+strings.Repeat("t", 1200)+"\n\n"+hello,
		"RFC 5322 §2.1.1: a line has 998 bytes at most, and there is no place to fold it")
	add("a line that is no header", usual("none")+"This is no header\n\n"+hello,
		"RFC 5322 §2.2: it is neither a field nor the end of the header")
	add("a header without a name", usual("nameless")+": value\n\n"+hello, "RFC 5322 §2.2: a field has a name")
	add("a first line that begins with a blank", " X: y\n"+usual("blank")+"\n"+hello,
		"RFC 5322 §2.2.3: there is nothing that it could go on with")
}
