// SPDX-License-Identifier: Apache-2.0

package corpus

import (
	"fmt"
	"strings"
)

// headers has subjects and folding.
func headers(b *builder) {
	subject := func(name, value string) *Mail {
		return b.raw("header/"+name, "From: "+From+"\nTo: "+To+"\nSubject:"+value+
			"\nDate: Mon, 30 Nov 2026 10:00:00 +0100\nMessage-ID: <"+
			strings.ReplaceAll(name, " ", ".")+"@header.example.com>\n\n"+hello)
	}
	subject("subject empty", "")
	subject("subject of blanks", "   \t ")
	subject("subject without a blank", "now")
	subject("subject folded", " one\n two\n\tthree\n     four")
	subject("subject folded at once", "\n one")
	subject("subject with blanks inside", "  a   b\t\tc  ")
	subject("subject of 900 in words", " "+long(900))
	subject("subject of 2000 in words", " "+long(2000))
	subject("subject of 20 folded lines", " "+strings.Repeat(long(70)+"\n ", 20)+"end")
	subject("encoded words side by side", " =?utf-8?Q?a?= =?utf-8?Q?b?=\n =?utf-8?B?w7w=?= c")
	subject("encoded word over 75", " =?utf-8?Q?"+strings.Repeat("=C3=BC", 40)+"?=")
	subject("encoded words, a letter cut", " =?utf-8?B?w7zD?= =?utf-8?B?vA==?=")
	subject("encoded words of two charsets", " =?iso-8859-1?Q?J=FCrgen?= =?koi8-r?B?8NLJ18XU?=")
	subject("encoded word with a language", " =?utf-8*de?Q?Gr=C3=BC=C3=9Fe?=")
	subject("encoded word that is none", " =?utf-8?X?abc?= =?utf-8?Q?open =?= =?")
	subject("encoded word of no known charset", " =?klingon?Q?=FF?=")
	subject("raw utf-8", " Grüße, 你好")
	subject("raw latin-1", " "+encode("iso-8859-1", "Grüße"))
	subject("with a colon", ": : a: b")
	for _, n := range []int{60, 400} {
		list := make([]string, n)
		for i := range list {
			list[i] = fmt.Sprintf("\"Recipient, number %d\" <r%d@example.net>", i, i)
		}
		b.raw(fmt.Sprintf("header/%d recipients on a line", n), "From: "+From+"\nTo: "+strings.Join(list, ", ")+
			"\nCc: "+strings.Join(list, ",")+
			fmt.Sprintf("\nSubject: %d recipients\nDate: Mon, 30 Nov 2026 10:00:00 +0100\nMessage-ID: <recipients%d@example.com>\n\n", n,
				n)+hello)
	}
	b.add("header/references", "References: "+strings.Repeat("<"+strings.Repeat("r", 60)+"@example.com> ", 50)+
		"\nIn-Reply-To: <x@example.com>\n", hello)
	b.add("header/300 fields", strings.Repeat("X-Many: of them\n", 300), hello)
	b.add("header/an empty one", "X-Empty:\nX-Blank: \n", hello)
	b.add("header/of 50 folded lines", "X-Folded: "+strings.Repeat("a\n\t", 50)+"end\n", hello)
	b.add("header/folded inside a quoted string", "X-Quoted: \"a\n b\tc\"; (comment\n in it)\n", hello)
	b.add("header/a list's", "List-ID: News <news.example.com>\nList-Unsubscribe: <https://example.com/u?"+strings.Repeat("x", 300)+
		">,\n <mailto:u@example.com>\n"+
		"List-Unsubscribe-Post: List-Unsubscribe=One-Click\nPrecedence: bulk\nAuto-Submitted: auto-generated\n", hello)
	b.add("header/an unsubscribing link of 950", "List-Unsubscribe: <"+solid(950)+">\n", hello)
	b.add("header/a token of 990", "X-Token: "+strings.Repeat("t", 980)+"\n", hello)
	b.add("header/a long one in words", "X-Words: "+long(3000)+"\n", hello)
}

// oddHeaders has headers that are missing, doubled or of old programs.
func oddHeaders(b *builder) {
	from := "From: " + From + "\nTo: " + To + "\n"
	date, id := "Date: Mon, 30 Nov 2026 10:00:00 +0100\n", func(s string) string { return "Message-ID: <" + s + "@odd.example.com>\n" }
	for _, c := range []struct{ name, header string }{
		{"only From", "From: " + From + "\n"},
		{"no Date", from + "Subject: no Date\n" + id("date")},
		{"no Message-ID", from + "Subject: no Message-ID\n" + date},
		{"an empty Date", from + "Subject: an empty Date\nDate:\n" + id("emptydate")},
		{"an empty Message-ID", from + "Subject: an empty Message-ID\nMessage-ID: \n" + date},
		{"a Date of old", from + "Subject: old Date\nDate: 30 Nov 26 10:00 PST (winter)\n" + id("old")},
		{"a Date that is none", from + "Subject: no Date at all\nDate: yesterday\n" + id("yesterday")},
		{"a Message-ID without brackets", from + "Subject: bare\n" + date + "Message-ID: bare@odd.example.com\n"},
		{"a Message-ID with blanks", from + "Subject: blanks\n" + date + "Message-ID: < a b @odd.example.com >\n"},
		{"blanks before colons", "From : " + From + "\nTo\t: " + To + "\nSubject  : blanks\n" + date + id("colons")},
		{"in capitals", "FROM: " + From + "\nTO: " + To +
			"\nSUBJECT: capitals\nDATE: Mon, 30 Nov 2026 10:00:00 +0100\nMESSAGE-ID: <CAPITALS@odd.example.com>\n"},
		{"in small letters", "from: " + From + "\nto: " + To +
			"\nsubject: small\ndate: Mon, 30 Nov 2026 10:00:00 +0100\nmessage-id: <small@odd.example.com>\n"},
		{"in another order", id("order") + date + "Subject: order\nTo: " + To + "\nX-First: 1\nFrom: " + From + "\n"},
		{"two Tos", from + "To: c@example.net\nSubject: two Tos\n" + date + id("tos")},
		{"traces of others", "Received: from x by y\n\twith ESMTP id 1;\n\tMon, 30 Nov 2026 09:59:00 +0100\n" + from +
			"Subject: traces\n" + date + id("traces")},
		{
			"signed before",
			"DKIM-Signature: v=1; a=rsa-sha256; d=example.org; s=x; c=relaxed/simple;\n" +
				"\th=from; bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=;\n\tb=AAAA\n" + from + "Subject: signed\n" + date +
				id("signed"),
		},
		{
			"authentication results",
			"Authentication-Results: mx.example.com; spf=pass\nARC-Seal: i=1; a=rsa-sha256; cv=none; d=x; s=y; b=AA==\n" + from +
				"Subject: results\n" + date + id("results"),
		},
		{"resent", "Resent-From: " + From +
			"\nResent-To: c@example.net\nResent-Date: Mon, 30 Nov 2026 11:00:00 +0100\nResent-Message-ID: <r@odd.example.com>\n" + from +
			"Subject: resent\n" + date + id("resent")},
		{"symbols in names", "X-!#$%&'*+-.^_`{|}~: 1\n" + from + "Subject: symbols\n" + date + id("symbols")},
		{"control characters", from + "Subject: bell \x07 and \x1b[31m\n" + date + id("bell")},
		{"a continuation of blanks alone", from + "Subject: blanks\n \n" + date + id("continuation")},
		{"a name of 60 letters", "X-" + strings.Repeat("N", 58) + ": 1\n" + from + "Subject: name\n" + date + id("name")},
		{"importance and others", "X-Priority: 1 (Highest)\nImportance: high\nSensitivity: personal\nDisposition-Notification-To: " +
			From + "\n" + from + "Subject: importance\n" + date + id("importance")},
	} {
		b.raw("odd/"+c.name, c.header+"\n"+hello)
	}
}

// addresses has From and To as people and programs write them.
func addresses(b *builder) {
	for i, from := range []string{
		"A <a@example.com>", "\"A, B\" <a@example.com>", "\"A \\\"B\\\" C\" <a@example.com>", "a@example.com (A)",
		"(before) A <a@example.com> (after)",
		"=?utf-8?Q?J=C3=BCrgen?= <a@example.com>", "=?windows-1252?Q?J=FCrgen?= <a@example.com>",
		"=?iso-2022-jp?B?GyRCOzBFRBsoQg==?= <a@example.com>",
		"=?gb18030?B?xOO6ww==?= <a@example.com>", "=?utf-8?B?SsO8cmdlbg==?=\n =?utf-8?B?IE3DvGxsZXI=?=\n <a@example.com>",
		"A\n\t<a@example.com>", "<a@example.com>",
		"a@example.com <a@example.com>", "\"\" <a@example.com>", "A.B. <a@example.com>", "a@EXAMPLE.com",
		"=?klingon?Q?=FF=FE?= <a@example.com>",
		"[Shop] Orders <a@example.com>", "Jürgen <a@example.com>", strings.Repeat("long name ", 30) + "<a@example.com>",
	} {
		b.raw(fmt.Sprintf("address/from %d", i),
			fmt.Sprintf("From: %s\nTo: %s\nSubject: from %d\nDate: Mon, 30 Nov 2026 10:00:00 +0100\nMessage-ID: <from%d@example.com>\n\n",
				from, To, i, i)+hello)
	}
	for i, to := range []string{
		"undisclosed-recipients:;", "Team: b@example.net, \"C, D\" <c@example.net>;", "b@example.net,\n\tc@example.net,\n d@example.net",
		"\"a b\"@example.net",
		"=?utf-8?Q?J=C3=BCrgen?= <b@example.net>, <c@example.net>", "b@example.net,,c@example.net", "no address at all",
		"b@xn--mller-kva.example", "<@relay.example:b@example.net>",
	} {
		b.raw(fmt.Sprintf("address/to %d", i),
			fmt.Sprintf("From: %s\nTo: %s\nSubject: to %d\nDate: Mon, 30 Nov 2026 10:00:00 +0100\nMessage-ID: <to%d@example.com>\n\n",
				From, to, i, i)+hello)
	}
	b.raw("address/reply-to and others", "From: "+From+"\nSender: "+From+
		"\nReply-To: =?utf-8?Q?J=C3=BCrgen?= <j@example.org>, k@example.org\nTo: "+To+
		"\nCc: c@example.net\nSubject: others\nDate: Mon, 30 Nov 2026 10:00:00 +0100\nMessage-ID: <others@example.com>\n\n"+hello)
}

// names has the names of attachments.
func names(b *builder) {
	for i, disposition := range []string{
		"attachment; filename=a.txt", "attachment; filename=\"a b.txt\"", "attachment; filename*=utf-8''Gr%C3%BC%C3%9Fe.txt",
		"attachment; filename*0=\"very \";\n filename*1=\"long.txt\"",
		"attachment; filename*0*=utf-8''%E4%BD%A0;\n filename*1*=%E5%A5%BD;\n filename*2=.txt",
		"attachment; filename*=iso-8859-1'de'Gr%FC%DFe.txt",
		"attachment; filename=\"=?utf-8?Q?Gr=C3=BC=C3=9Fe.txt?=\"", "attachment; filename=\"=?iso-2022-jp?B?GyRCOzBFRBsoQg==?=.txt\"",
		"attachment; filename=\"Grüße.txt\"",
		"attachment; filename=\"a;b\\\"c.txt\"; size=5; creation-date=\"Mon, 30 Nov 2026 10:00:00 +0100\"", "attachment; filename=\"" +
			strings.Repeat("n", 300) + ".txt\"",
		"attachment; filename=a b.txt", "ATTACHMENT; FILENAME=A.TXT", "inline; filename=a.txt", "attachment",
		"attachment; filename=\"../../etc/passwd\"", "attachment; filename=\"\"",
		"attachment; filename=\"" + strings.Repeat("word ", 240) + ".txt\"",
	} {
		b.add(fmt.Sprintf("name/%d", i), multi("mixed", "b"), join("b", part("text/plain", "7bit", hello),
			"Content-Disposition: "+disposition+"\n"+part("text/plain", "7bit", "attached\n")))
	}
}
