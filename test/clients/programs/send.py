# SPDX-License-Identifier: Apache-2.0
# Python's smtplib and email: what all programs here send, see send_test.go.
import os, smtplib, ssl
from email.message import EmailMessage
from email.policy import SMTP

e = os.environ


def mail(subject, text):
    m = EmailMessage()
    m["From"], m["To"], m["Subject"] = "Jürgen <a@example.com>", "smtplib-1@example.net", subject
    m.set_content(text)
    return m


with smtplib.SMTP(e["HOST"], int(e["PORT"]), timeout=60) as s:
    s.starttls(context=ssl.create_default_context(cafile=e["CA"]))
    s.login(e["APIKEY"], e["SECRET"])
    s.send_message(mail("plain by smtplib", e["PLAIN"]), to_addrs=["smtplib-1@example.net"])
    m = mail("Grüße von smtplib", open(e["TEXT"], encoding="utf-8").read())
    m["Cc"] = "smtplib-3@example.net"
    m.add_attachment(open(e["ATTACHMENT"], "rb").read(), maintype="application", subtype="octet-stream", filename="Anhang ü.bin")
    s.send_message(m, to_addrs=["smtplib-2@example.net", "smtplib-3@example.net", "smtplib-4@example.net"])
    # A refused recipient on a kept connection: smtplib resets, and the next mail goes to its own recipients alone.
    try:
        s.sendmail("a@example.com", ["bad..address@@example.net"], mail("refused", "x").as_bytes(policy=SMTP))
        print("a bad address was taken")
    except smtplib.SMTPRecipientsRefused:
        print("refused as it should be")
    s.sendmail("a@example.com", ["smtplib-after@example.net"], mail("after smtplib", "after").as_bytes(policy=SMTP))
