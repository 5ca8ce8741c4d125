// SPDX-License-Identifier: Apache-2.0

package corpus

import (
	"fmt"
	"strings"
)

// lines has lines at the limit of RFC 5322 §2.1.1, and over it: relays cut them.
func lines(b *builder) {
	for _, n := range []int{998, 999, 1000, 1259, 2048, 4096, 10_000, 100_000} {
		b.text(fmt.Sprintf("line/plain of %d", n), "before\n"+long(n)+"\nafter\n")
		b.html(fmt.Sprintf("line/html of %d", n), "<p>\n<a href=\""+solid(n-20)+"\">here</a>\n</p>\n")
	}
	umlauts := strings.Repeat("ü", 700) // 1,400 bytes: a cut may be inside a letter
	b.text("line/8bit", umlauts+"\nx"+umlauts+"\n")
	b.html("line/8bit html", "<p>"+umlauts+"</p>\n")
	b.text("line/the last, without an end", "before\n"+strings.TrimSuffix(long(1500), "\n"))
	b.text("line/with blanks at its end", long(1200)+"   \nafter\n")
	b.text("line/with tabs", strings.Repeat("a\t", 700)+"\nafter\n")
	b.text("line/of blanks", strings.Repeat(" ", 1200)+"\nafter\n")
	b.text("line/of dots", strings.Repeat(".", 1200)+"\n.\n")
	b.text("line/of equal signs", strings.Repeat("=", 1200)+"\n=41\n")
	b.text("line/cut where a dot would come first", strings.Repeat("x", 997)+"..end\n"+strings.Repeat("y", 998)+".\n.\n")
	b.text("line/From at its beginning", "From me to you\n"+long(1100)+"\nFrom here\n")
	b.add("line/without MIME", "", long(1259)+"\n")
	b.add("line/base64 of 998", "MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n",
		wrap(strings.ReplaceAll(base64Lines(strings.Repeat(crlf(greetings), 40)), "\n", ""), 998))
	b.add("line/base64 in one", "MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n",
		strings.ReplaceAll(base64Lines(strings.Repeat(crlf(greetings), 40)), "\n", "")+"\n")
	b.add("line/quoted-printable without soft breaks",
		"MIME-Version: 1.0\nContent-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n",
		"<p>"+strings.Repeat("Gr=C3=BC=C3=9Fe ", 120)+"</p>\n")
	b.add("line/in a part", multi("alternative", "b"), join("b", part("text/plain; charset=us-ascii", "7bit", hello),
		part("text/html; charset=us-ascii", "7bit", solid(1259)+"\n")))
	b.add("line/in a part of a part", multi("mixed", "b"), join("b",
		"Content-Type: multipart/alternative; boundary=c\n\n"+join("c", part("text/plain", "7bit", long(1100)), part("text/html", "7bit",
			"<p>"+long(2100)+"</p>")),
		part("text/plain; name=a.txt", "7bit", long(3000)+"\n")))
	b.add("line/in a part without a header", multi("mixed", "b"), "--b\n\n"+long(1259)+"\n--b--\n")
	b.add("line/in an attachment in clear", multi("mixed", "b"), join("b", part("text/plain", "7bit", hello),
		part("application/octet-stream; name=a.bin", "7bit", solid(2000)+"\n")))
	b.add("line/in JSON in clear", multi("mixed", "b"), join("b", part("text/plain", "7bit", hello), part("application/json; name=a.json",
		"7bit", `{"a":"`+solid(2000)+`"}`)))
	b.add("line/before the first part", multi("mixed", "b"), long(1200)+"\n"+join("b", part("text/plain", "7bit", hello)))
	b.add("line/after the last part", multi("mixed", "b"), join("b", part("text/plain", "7bit", hello))+long(1200)+"\n")
	b.add("line/8bit before the first part", multi("mixed", "b"), greetings+join("b", part("text/plain", "7bit", hello)))
}

// dots has what is doubled and undone again on the way (RFC 5321 §4.5.2).
func dots(b *builder) {
	for i, body := range []string{
		".", ".\n", "..\n", "...\n", "\n.\n", "\n.\n\n", ".a\n..b\n...c\n", "a\n.\nb\n", "a\n..\n", ".\n.\n.\n", "a.\n.", "end.",
		". \n.\t\n",
		strings.Repeat(".\n", 200), "a\n.\nMAIL FROM:<x@example.com>\nRCPT TO:<y@example.net>\nDATA\n", ".\nQUIT\n",
	} {
		b.text(fmt.Sprintf("dots/%d", i), body)
	}
	b.add("dots/after a soft break",
		"MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n",
		strings.Repeat("=C3=BC", 12)+"=\n.\n..=\n.\n.=20\n")
	b.add("dots/in base64's place", "MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n",
		".\n"+base64Lines("Hello\r\n"))
	b.add("dots/as a boundary", multi("mixed", "."), join(".", part("text/plain", "7bit", ".\n--\n.."), part("text/plain", "7bit",
		"--.x\n")))
}

// blanks has what relaxed and simple canonicalisation see differently, and bodies that end oddly.
func blanks(b *builder) {
	for i, body := range []string{
		"", "\n", "\n\n\n", "a", "a\n\n\n\n", " ", " \n", "\t\n \n\t \n", "a \nb\t\nc \t \n", " a\n\tb\n", "a  b\t\tc\n", "\n\na\n",
		"a\n \n \n",
		"-- \nA\n", "a\u00a0\nb\u2003\n", "a\x0cb\x0b\n", "a\x7f\x01\x1b[31mred\x1b[0m\n", "\ufeffa byte order mark\n",
		"a\u2028b\u2029c\u0085d\n",
	} {
		b.text(fmt.Sprintf("blanks/%d", i), body)
	}
	b.raw("blanks/no body, no blank line", strings.TrimSuffix(usual("no blank line"), "\n"))
	b.raw("blanks/no body, a header that ends", usual("a header that ends"))
	b.add("blanks/empty base64", "MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n", "")
	b.add("blanks/quoted-printable at the ends of lines",
		"MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n",
		"a=20\nb=09\nc =\n d\n=20\n\n\n")
	b.add("blanks/quoted-printable without an end",
		"MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n", "Gr=C3=BC=C3=9Fe=")
}

// flowed has RFC 3676's texts, in which blanks at the ends of lines mean something.
func flowed(b *builder) {
	fields := func(params, encoding string) string {
		return "MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8; format=flowed" + params + "\nContent-Transfer-Encoding: " +
			encoding + "\n"
	}
	b.add("flowed/soft breaks", fields("", "7bit"), "This goes \non and \non.\n\n-- \nA\n")
	b.add("flowed/stuffed", fields("", "7bit"), " From here\n  two\n >no quote\n>> quoted \n>> on\n")
	b.add("flowed/delsp", fields("; delsp=yes", "8bit"), "\u4f60\u597d \n\u4e16\u754c\n")
	b.add("flowed/8bit", fields("", "8bit"), "Gr\u00fc\u00dfe \naus K\u00f6ln \n\n")
	b.add("flowed/quoted-printable", fields("", "quoted-printable"), "Gr=C3=BC=C3=9Fe=20\naus\n")
	b.add("flowed/with a long line", fields("", "7bit"), long(1300)+" \non\n")
	b.add("flowed/fixed", "MIME-Version: 1.0\nContent-Type: text/plain; format=fixed\n", hello)
}

// sizes has mails that are large in one way.
func sizes(b *builder) {
	b.text("size/half a megabyte of text", strings.Repeat("The quick brown fox jumps over the lazy dog. Grüße.\n", 10_000))
	b.add("size/a megabyte of base64", multi("mixed", "b"), join("b", part("text/plain", "7bit", hello),
		part("application/zip; name=a.zip", "base64", base64Lines(strings.Repeat("PK\x03\x04 \xff", 100_000)))))
	b.text("size/20,000 short lines", strings.Repeat("\n.\n", 10_000))
	parts := make([]string, 300)
	for i := range parts {
		parts[i] = part("text/plain; charset=utf-8", "8bit", fmt.Sprintf("Teil %d: ü\n", i))
	}
	b.add("size/300 parts", multi("mixed", "b"), join("b", parts...))
}
