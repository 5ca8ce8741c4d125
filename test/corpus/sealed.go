// SPDX-License-Identifier: Apache-2.0

package corpus

import "strings"

// signedMail are the fields and the body of a multipart/signed (RFC 1847). The signatures are not real: nothing looks
// into them here, and each byte of what they are over is compared.
func signedMail(boundary, kind, signedPart string) string {
	protocol, micalg, signature := "application/pgp-signature", "pgp-sha512",
		"Content-Type: application/pgp-signature; name=signature.asc\n\n-----BEGIN PGP SIGNATURE-----\n\niQEzBAEBCgAdFiEE\n"+
			"=abcd\n-----END PGP SIGNATURE-----\n"
	if kind == "smime" {
		protocol, micalg = "application/pkcs7-signature", "sha-256"
		signature = "Content-Disposition: attachment; filename=smime.p7s\n" +
			part("application/pkcs7-signature; name=smime.p7s", "base64", base64Lines(strings.Repeat("\x30\x80\x06\x09", 200)))
	}
	return "MIME-Version: 1.0\nContent-Type: multipart/signed; micalg=" + micalg + ";\n protocol=\"" + protocol + "\"; boundary=\"" +
		boundary + "\"\n\n" +
		join(boundary, signedPart, signature)
}

// sealed has signed and encrypted mails. Their bytes are not to be changed: what could not travel so has to be refused.
func sealed(b *builder) {
	add := func(name, mail string) *Mail {
		m := b.raw("sealed/"+name, usual(name)+mail)
		m.Sealed = true
		return m
	}
	for _, kind := range []string{"pgp", "smime"} {
		add(kind+" signed", signedMail("b", kind, part("text/plain; charset=us-ascii", "7bit", hello)))
		add(kind+" signed quoted-printable", signedMail("b", kind, part("text/plain; charset=utf-8", "quoted-printable",
			"Gr=C3=BC=C3=9Fe=20\n")))
		add(kind+" signed, blanks at the ends of lines", signedMail("b", kind, part("text/plain", "7bit", "a \nb\t\n\n \n-- \n\n\n")))
		add(kind+" signed, folded oddly", signedMail("b", kind,
			"Content-Type: text/plain;\n\tcharset=us-ascii;\n  format=flowed\nX-Y:   z  \n\n"+hello))
		add(kind+" signed, a multipart", signedMail("b", kind, "Content-Type: multipart/mixed; boundary=c\n\n"+
			join("c", part("text/plain", "7bit", hello), part("application/pdf; name=a.pdf", "base64", base64Lines(strings.Repeat("x",
				300))))))
		add(kind+" signed, an attached mail", signedMail("b", kind, "Content-Type: message/rfc822\n\n"+usual("inner")+"\n"+hello))
		add(kind+" signed, lines of dots", signedMail("b", kind, part("text/plain", "7bit", ".\n..\n.a\nFrom here\n")))
		add(kind+" signed with a long line", signedMail("b", kind, part("text/html", "7bit", solid(1259)+"\n"))).
			Refused = "a relay cuts the line, and the signature inside is void (RFC 1847 §2.1)"
		add(kind+" signed with 8bit", signedMail("b", kind, part("text/plain; charset=utf-8", "8bit", greetings))).
			Refused = "a relay to a server without 8BITMIME has to encode it, and the signature inside is void (RFC 1847 §2.1)"
		inner := signedMail("c", kind, part("text/plain", "7bit", "trailing \n"))
		add(kind+" signed, with a list's footer", multi("mixed", "b")+"\n"+join("b", strings.TrimPrefix(inner, "MIME-Version: 1.0\n"),
			part("text/plain", "7bit", "-- \nlist\n")))
		add(kind+" signed with a long line, with a list's footer", multi("mixed", "b")+"\n"+join("b",
			strings.TrimPrefix(signedMail("c", kind, part("text/plain", "7bit", long(1259)+"\n")), "MIME-Version: 1.0\n"),
			part("text/plain", "7bit", "list\n"))).
			Refused = "a relay cuts the line, and the signature inside is void (RFC 1847 §2.1)"
	}
	ciphertext := base64Lines(strings.Repeat("\x00\xff\x10sealed", 300))
	armoured := "-----BEGIN PGP MESSAGE-----\n\n" + ciphertext + "=abcd\n-----END PGP MESSAGE-----\n"
	add("pgp encrypted", "MIME-Version: 1.0\nContent-Type: multipart/encrypted; protocol=\"application/pgp-encrypted\"; boundary=b\n\n"+
		join("b", "Content-Type: application/pgp-encrypted\n\nVersion: 1\n",
			"Content-Type: application/octet-stream; name=encrypted.asc\n\n"+armoured))
	add("pgp inline", text("plain", "")+
		"\n-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n- -- dash\ntrailing  \n-----BEGIN PGP SIGNATURE-----\n\niQEz\n"+
		"-----END PGP SIGNATURE-----\n")
	add("pgp keys", multi("mixed", "b")+"\n"+join("b", part("text/plain", "7bit", hello), part("application/pgp-keys; name=key.asc",
		"7bit", strings.ReplaceAll(armoured, "MESSAGE", "PUBLIC KEY BLOCK"))))
	for _, kind := range []string{"signed-data", "enveloped-data", "authEnveloped-data", "compressed-data"} {
		add("smime "+kind, "MIME-Version: 1.0\nContent-Type: application/pkcs7-mime; smime-type="+kind+"; name=smime.p7m\n"+
			"Content-Transfer-Encoding: base64\nContent-Disposition: attachment; filename=smime.p7m\n\n"+ciphertext)
	}
	add("smime x-pkcs7, base64 in lines of 64",
		"MIME-Version: 1.0\nContent-Type: application/x-pkcs7-mime; smime-type=enveloped-data; name=smime.p7m\n"+
			"Content-Transfer-Encoding: base64\n\n"+wrap(strings.ReplaceAll(ciphertext, "\n", ""), 64))
}

// reports has what servers and clients write about other mails.
func reports(b *builder) {
	words := part("text/plain; charset=utf-8", "8bit", "Nicht zugestellt: größer als erlaubt\n")
	status := "Reporting-MTA: dns; mx.example.org\nArrival-Date: Mon, 30 Nov 2026 10:00:00 +0100\n\n" +
		"Final-Recipient: rfc822; x@example.org\nAction: failed\nStatus: 5.1.1\n" +
		"Diagnostic-Code: smtp; 550 5.1.1 " + strings.TrimSpace(long(300)) + "\n"
	report := func(kind, second, third string) string {
		return "MIME-Version: 1.0\nContent-Type: multipart/report; report-type=" + kind + "; boundary=b\n\n" + join("b", words, second,
			third)
	}
	original := "Content-Type: message/rfc822\n\n" + usual("original") + "\n" + hello
	b.raw("report/delivery status", usual("delivery status")+report("delivery-status", "Content-Type: message/delivery-status\n\n"+status,
		original))
	b.raw("report/headers alone", usual("headers alone")+report("delivery-status", "Content-Type: message/delivery-status\n\n"+status,
		"Content-Type: text/rfc822-headers\n\n"+usual("original")))
	b.raw("report/disposition", usual("disposition")+report("disposition-notification",
		"Content-Type: message/disposition-notification\n\nReporting-UA: example\nFinal-Recipient: rfc822;b@example.net\n"+
			"Disposition: manual-action/MDN-sent-manually; displayed\n", original))
	b.raw("report/feedback", usual("feedback")+report("feedback-report",
		"Content-Type: message/feedback-report\n\nFeedback-Type: abuse\nUser-Agent: x/1\nVersion: 1\n", original))
	b.raw("report/TLS", usual("tls")+"MIME-Version: 1.0\nContent-Type: multipart/report; report-type=\"tlsrpt\"; boundary=b\n\n"+
		join("b", words, part("application/tlsrpt+gzip; name=r.json.gz", "base64", base64Lines("\x1f\x8b\x08\x00"))))
	b.raw("report/global, 8bit", usual("global")+report("delivery-status",
		"Content-Type: message/global-delivery-status\nContent-Transfer-Encoding: 8bit\n\nReporting-MTA: dns; mx.example.org\n"+
			"\nFinal-Recipient: utf-8; jürgen@example.org\nAction: failed\nStatus: 5.1.1\n", original))
}
