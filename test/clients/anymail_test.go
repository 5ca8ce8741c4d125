// SPDX-License-Identifier: Apache-2.0

package clients_test

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"testing"
)

// anymail sends one mail with all that a Django program can ask of it, then meets an error, and prints what it knows of
// each recipient.
const anymail = `
import json, sys
url, key, secret = sys.argv[1:]
from django.conf import settings
settings.configure(EMAIL_BACKEND="anymail.backends.mailjet.EmailBackend", INSTALLED_APPS=["anymail"], USE_TZ=True,
    ANYMAIL={"MAILJET_API_KEY": key, "MAILJET_SECRET_KEY": secret, "MAILJET_API_URL": url})
import django
django.setup()
from django.core.mail import EmailMultiAlternatives
from anymail.exceptions import AnymailError

m = EmailMultiAlternatives("by anymail", "Hello", "News <a@example.com>", ["B <b@example.net>"], cc=["c@example.net"], reply_to=["r@example.com"], headers={"X-Order": "7"})
m.attach_alternative("<p>Hello</p>", "text/html")
m.attach("a.txt", "attached", "text/plain")
m.tags = ["autumn"]
m.metadata = {"order": 7}
m.track_opens = False
m.send()
out = {e: [s.status, s.message_id] for e, s in m.anymail_status.recipients.items()}

batch = EmailMultiAlternatives("by anymail, each alone", "Hello", "a@example.com", ["d@example.net", "e@example.net"])
batch.merge_data = {"d@example.net": {}, "e@example.net": {}}
batch.send()
out.update({e: [s.status, s.message_id] for e, s in batch.anymail_status.recipients.items()})

stranger = EmailMultiAlternatives("refused", "Hello", "stranger@elsewhere.example", ["b@example.net"])
stranger.send()
out["refused"] = [stranger.anymail_status.recipients["b@example.net"].status, ""]
settings.ANYMAIL["MAILJET_SECRET_KEY"] = "wrong"
try:
    EmailMultiAlternatives("refused", "Hello", "a@example.com", ["b@example.net"]).send()
except AnymailError as e:
    out["wrong"] = [type(e).__name__, ""]
print(json.dumps(out))
`

func TestDjangoAnymail(t *testing.T) {
	const python = "/usr/bin/python3" // Debian's, which has Debian's packages
	if err := exec.Command(python, "-c", "import anymail").Run(); err != nil {
		missing(t, "django-anymail is not installed: run make test-tools")
	}
	w := start(t)
	out := run(t, "", python, "-W", "ignore", "-c", anymail, "http://"+w.HTTP+"/v3.1/", w.APIKey, w.SecretKey)
	var got map[string][2]string
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, to := range []string{"b@example.net", "c@example.net", "d@example.net", "e@example.net"} {
		if got[to][0] != "sent" || got[to][1] == "" {
			t.Errorf("%s is %v", to, got[to])
			continue
		}
		w.history(t, got[to][1])
	}
	if got["refused"][0] != "failed" || got["wrong"][0] == "" {
		t.Errorf("a stranger's From: %v; a wrong secret: %v", got["refused"], got["wrong"])
	}
	m := w.arrived(t, "by anymail")
	for _, want := range []string{"X-Order: 7", "<p>Hello</p>", "a.txt", "r@example.com"} {
		if !bytes.Contains(m.Raw, []byte(want)) {
			t.Errorf("%q is not in the mail:\n%s", want, m.Raw)
		}
	}
}
