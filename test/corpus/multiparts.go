// SPDX-License-Identifier: Apache-2.0

package corpus

import (
	"fmt"
	"strings"
)

// multiparts has multiparts as programs write them.
func multiparts(b *builder) {
	plain, html := part("text/plain; charset=utf-8", "8bit", greetings), part("text/html; charset=utf-8", "8bit", "<p>Grüße</p>\n")
	ascii := part("text/plain; charset=us-ascii", "7bit", hello)
	png := part("image/png; name=x.png", "base64", base64Lines("\x89PNG\x00\xff"))
	for _, kind := range []string{"mixed", "alternative", "parallel", "x-unknown"} {
		b.add("multipart/"+kind, multi(kind, "=_b"), join("=_b", plain, html))
	}
	b.add("multipart/related", "MIME-Version: 1.0\nContent-Type: multipart/related; type=\"text/html\"; start=\"<root@x>\"; boundary=b\n",
		join("b", "Content-ID: <root@x>\n"+part("text/html; charset=utf-8", "8bit", "<img src=\"cid:x@x\">ü\n"),
			"Content-ID: <x@x>\nContent-Disposition: inline\n"+png))
	b.add("multipart/digest", multi("digest", "b"), join("b", "\nFrom: x@example.org\nSubject: one\n\n"+hello,
		"\nFrom: y@example.org\nSubject: two\n\n"+hello))
	b.add("multipart/form-data", multi("form-data", "b"), join("b", "Content-Disposition: form-data; name=\"a\"\n\nvalue\n"))
	b.add("multipart/appledouble", multi("mixed", "b"), join("b", ascii,
		"Content-Type: multipart/appledouble; boundary=c\n\n"+join("c", part("application/applefile", "base64",
			base64Lines("\x00\x05\x16\x07")), png)))
	b.add("multipart/all that newsletters have", multi("mixed", "a"), join("a",
		"Content-Type: multipart/related; boundary=b\n\n"+join("b", "Content-Type: multipart/alternative; boundary=c\n\n"+join("c", plain,
			html), png),
		"Content-Disposition: attachment; filename=a.pdf\n"+part("application/pdf", "base64", base64Lines("%PDF-1.4\n\xe2\xe3"))))
	for _, depth := range []int{5, 9} {
		inner := part("text/plain; charset=utf-8", "8bit", greetings)
		for i := range depth {
			boundary := fmt.Sprintf("level-%d", i)
			inner = "Content-Type: multipart/mixed; boundary=" + boundary + "\n\n" + join(boundary, inner)
		}
		b.raw(fmt.Sprintf("multipart/%d deep", depth), usual(fmt.Sprint(depth, " deep"))+"MIME-Version: 1.0\n"+inner)
	}
	for i, boundary := range []string{"a b", "'()+_,-./:=?", strings.Repeat("x", 70), "----=_Part_1_2.3", "=", "--", "0", "b\"", "a;b"} {
		quoted := strings.ReplaceAll(boundary, `"`, `\"`)
		b.add(fmt.Sprintf("multipart/boundary %d", i), multi("mixed", quoted), join(boundary, ascii, plain))
	}
	b.add("multipart/boundaries that begin alike", multi("mixed", "b"), join("b",
		"Content-Type: multipart/mixed; boundary=bb\n\n"+join("bb", ascii, plain), html))
	b.add("multipart/text before and after", multi("mixed", "b"), "This is a mail in MIME.\n\n"+join("b", ascii)+"\nafter\n")
	b.add("multipart/blanks after boundaries", multi("mixed", "b"), "--b \t\n"+ascii+"\n--b\t\n"+plain+"\n--b-- \n")
	b.add("multipart/parts that end without a line", multi("mixed", "b"), "--b\n\na\n--b\n\n\n--b\n\n\n\n--b--")
	b.add("multipart/declared as 8bit", multi("mixed", "b")+"Content-Transfer-Encoding: 8bit\n", join("b", plain))
	b.add("multipart/declared as 7bit, parts are not", multi("mixed", "b")+"Content-Transfer-Encoding: 7bit\n", join("b", plain))
	b.add("multipart/uneven charsets", multi("mixed", "b"), join("b", part("text/plain; charset=koi8-r", "8bit", encode("koi8-r",
		"Привет\n")),
		part("text/plain; charset=windows-1252", "8bit", encode("windows-1252", "„5 €“\n")),
		part("text/plain; charset=shift_jis", "8bit",
			encode("shift_jis", "表示\n")), plain))
	b.add("multipart/binary attachment in 8bit", multi("mixed", "b"), join("b", ascii, part("application/octet-stream; name=a.bin",
		"8bit", "\x80\x81\xfe\xff \n")))
}

// brokenParts has multiparts that no rule allows, and that programs write nevertheless.
func brokenParts(b *builder) {
	ascii, plain := part("text/plain; charset=us-ascii", "7bit", hello), part("text/plain; charset=utf-8", "8bit", greetings)
	b.add("broken/no last boundary", multi("mixed", "b"), strings.TrimSuffix(join("b", ascii, plain), "--b--\n"))
	b.add("broken/no boundary in the type", "MIME-Version: 1.0\nContent-Type: multipart/mixed\n", join("b", ascii))
	b.add("broken/another boundary than said", multi("mixed", "c"), join("b", ascii))
	b.add("broken/no parts", multi("mixed", "b"), hello)
	b.add("broken/an empty part", multi("mixed", "b"), "--b\n--b\n"+ascii+"\n--b--\n")
	b.add("broken/only its end", multi("mixed", "b"), "--b--\n")
	b.add("broken/no body", multi("mixed", "b"), "")
	b.add("broken/the inner never ends", multi("mixed", "b"), join("b", "Content-Type: multipart/mixed; boundary=c\n\n--c\n"+plain,
		ascii))
	b.add("broken/the same boundary inside", multi("mixed", "b"), join("b", "Content-Type: multipart/mixed; boundary=b\n\n"+join("b",
		ascii), ascii))
	b.add("broken/a header that is none", multi("mixed", "b"), "--b\nThis is no header\n\n"+hello+"\n--b--\n")
	b.add("broken/a part that is a header alone", multi("mixed", "b"), "--b\nContent-Type: text/plain\n--b\n"+ascii+"\n--b--\n")
	b.add("broken/base64 declared for a multipart", multi("mixed", "b")+"Content-Transfer-Encoding: base64\n", join("b", ascii))
	b.add("broken/two types",
		"MIME-Version: 1.0\nContent-Type: text/plain; charset=us-ascii\nContent-Type: text/html; charset=us-ascii\n", hello).
		Refused = "RFC 2045 §3: programs take one or the other"
	b.add("broken/two encodings",
		"MIME-Version: 1.0\nContent-Type: text/plain\nContent-Transfer-Encoding: 7bit\nContent-Transfer-Encoding: 7bit\n", hello)
	b.add("broken/text after the boundary", multi("mixed", "b"), "--b text\n"+ascii+"\n--b--\n")
}

// calendars has invitations, in all ways that clients send them.
func calendars(b *builder) {
	event := func(method, description string) string {
		return "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//Example//EN\nMETHOD:" + method +
			"\nBEGIN:VEVENT\nUID:1@example.com\nDTSTAMP:20261130T090000Z\n" +
			"DTSTART:20261201T090000Z\nORGANIZER:mailto:a@example.com\nATTENDEE;RSVP=TRUE:mailto:b@example.net\nDESCRIPTION:" +
			description + "\nEND:VEVENT\nEND:VCALENDAR\n"
	}
	ascii := part("text/plain; charset=us-ascii", "7bit", hello)
	for _, m := range []string{"REQUEST", "CANCEL", "REPLY", "PUBLISH"} {
		b.add("calendar/"+m, multi("alternative", "b"), join("b", ascii, part("text/calendar; charset=utf-8; method="+m, "8bit", event(m,
			"Café\n um neun"))))
	}
	b.add("calendar/alone",
		"MIME-Version: 1.0\nContent-Type: text/calendar; charset=utf-8; method=REQUEST; component=VEVENT\n"+
			"Content-Transfer-Encoding: 8bit\n", event("REQUEST", "Café"))
	b.add("calendar/base64", multi("alternative", "b"), join("b", ascii, part("text/calendar; charset=utf-8; method=REQUEST", "base64",
		base64Lines(crlf(event("REQUEST", "Café"))))))
	b.add("calendar/a line that was not folded", multi("alternative", "b"), join("b", ascii,
		part("text/calendar; charset=utf-8; method=REQUEST", "7bit", event("REQUEST", long(1600)))))
	b.add("calendar/twice, inline and attached", multi("mixed", "a"), join("a",
		"Content-Type: multipart/alternative; boundary=b\n\n"+join("b", ascii, part("text/calendar; charset=utf-8; method=REQUEST",
			"7bit", event("REQUEST", "x"))),
		"Content-Disposition: attachment; filename=invite.ics\n"+part("application/ics; name=invite.ics", "base64",
			base64Lines(crlf(event("REQUEST", "x"))))))
	b.add("calendar/vCard", multi("mixed", "b"), join("b", ascii, part("text/vcard; charset=utf-8; name=a.vcf", "8bit",
		"BEGIN:VCARD\nVERSION:4.0\nFN:Jürgen\nEND:VCARD\n")))
}

// amp has AMP for Email beside the other parts.
func amp(b *builder) {
	doc := "<!doctype html>\n<html ⚡4email>\n<head><meta charset=\"utf-8\"></head>\n<body>Grüße</body>\n</html>\n"
	ascii := "<!doctype html><html amp4email><head><meta charset=\"utf-8\"></head><body>" + solid(1500) + "</body></html>\n"
	plain, html := part("text/plain; charset=utf-8", "8bit", greetings), part("text/html; charset=utf-8", "8bit", "<p>Grüße</p>\n")
	b.add("amp/8bit", multi("alternative", "b"), join("b", plain, part("text/x-amp-html; charset=utf-8", "8bit", doc), html))
	b.add("amp/a long line", multi("alternative", "b"), join("b", plain, part("text/x-amp-html; charset=utf-8", "7bit", ascii), html))
	b.add("amp/quoted-printable", multi("alternative", "b"), join("b", plain, part("text/x-amp-html; charset=utf-8", "quoted-printable",
		qpLines(doc)), html))
	b.add("amp/base64", multi("alternative", "b"), join("b", plain, part("text/x-amp-html; charset=utf-8", "base64",
		base64Lines(crlf(doc))), html))
}

// attachedMails has mails inside mails, which may be in no encoding but 7bit, 8bit and binary (RFC 2046 §5.2.1).
func attachedMails(b *builder) {
	ascii := part("text/plain; charset=us-ascii", "7bit", hello)
	attach := func(encoding, mail string) string { return part("message/rfc822; name=a.eml", encoding, mail) }
	inner := usual("inner")
	b.add("attached/7bit", multi("mixed", "b"), join("b", ascii, attach("7bit", inner+"\n"+hello)))
	b.add("attached/8bit", multi("mixed", "b"), join("b", ascii, attach("8bit", inner+text("plain", greetings)+"\n"+greetings)))
	b.add("attached/8bit in a multipart", multi("mixed", "b"), join("b", ascii, attach("8bit", inner+multi("alternative", "c")+"\n"+
		join("c", part("text/plain; charset=utf-8", "8bit", greetings), part("text/html; charset=utf-8", "8bit", "<p>ü</p>\n")))))
	b.add("attached/a long line", multi("mixed", "b"), join("b", ascii, attach("7bit", inner+text("html", "")+"\n<p>"+solid(1259)+
		"</p>\n")))
	b.add("attached/in an attached one", multi("mixed", "b"), join("b", ascii, attach("8bit", inner+multi("mixed", "c")+"\n"+
		join("c", ascii, attach("8bit", usual("innermost")+text("plain", greetings)+"\n"+greetings)))))
	b.add("attached/alone", "MIME-Version: 1.0\nContent-Type: message/rfc822\nContent-Transfer-Encoding: 8bit\n", inner+text("plain",
		greetings)+"\n"+greetings)
	b.add("attached/without a body", multi("mixed", "b"), join("b", ascii, attach("7bit", strings.TrimSuffix(inner, "\n"))))
	b.add("attached/base64, as none should be", multi("mixed", "b"), join("b", ascii, attach("base64", base64Lines(crlf(inner+
		"\n"+greetings)))))
	b.add("attached/message global", multi("mixed", "b"), join("b", ascii, part("message/global", "8bit",
		"From: jürgen@example.com\nSubject: Grüße\n\n"+greetings)))
	b.add("attached/message partial", "MIME-Version: 1.0\nContent-Type: message/partial; id=\"1@x\"; number=1; total=2\n", inner+
		"\n"+hello)
	b.add("attached/message external-body", multi("mixed", "b"), join("b", ascii,
		"Content-Type: message/external-body; access-type=URL; URL=\"https://example.com/a\"\n\nContent-Type: image/png\n"+
			"Content-ID: <x@x>\n\n"))
	b.add("attached/signed", multi("mixed", "b"), join("b", ascii, attach("7bit", inner+signedMail("c", "pgp", part("text/plain", "7bit",
		"trailing \n")))))
}
