// SPDX-License-Identifier: Apache-2.0

package clients_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"postern/test/corpus"
	"postern/test/program"
	"postern/test/sink"
)

// What every program sends: a plain text of ASCII to NAME-1; a text with all that is easily broken, and an attachment,
// to NAME-2, NAME-3 and NAME-4 in one transaction; a mail to NAME-first and an address that is refused, and after that,
// on the same connection, one to NAME-after.
const plainText = "Hello,\n.\n..\n.dots\n\n-- \nA\n"

// allText has 8 bit, blanks and tabs at the ends of lines, lines of dots, a line of over 998 bytes, and blank lines.
func allText() string {
	return "Grüße aus Köln, 你好 🎉\n.\n..\n.dots\nFrom here\n  indented\t\n\n\ttab\n" + strings.Repeat("über ", 300) +
		"end\n=41 =\n\n-- \nJürgen\n"
}

func allBytes() []byte {
	var out []byte
	for i := range 10_000 {
		out = append(out, byte(i), byte(i*i>>3))
	}
	return out
}

// material is what programs are given: addresses and credentials in their environment, the rest in files.
type material struct {
	*world
	env  []string
	file func(name string) string
	raw  func(text string) []byte // a whole mail, with allBytes
}

// prepare starts a server with STARTTLS and lays out the files.
func prepare(t *testing.T) *material {
	t.Helper()
	dir := t.TempDir()
	m := &material{file: func(name string) string { return filepath.Join(dir, name) }}
	certificate(t, m.file("ca.pem"), m.file("key.pem"))
	out := sink.Start(t, true)
	s := program.New(t, "", "--route", "smtp://"+out.Addr, "--tls-cert", m.file("ca.pem"), "--tls-key", m.file("key.pem"))
	s.Command(t, "sender", "add", "*@example.com")
	s.Start(t)
	m.world = &world{s, out}
	head := "From: =?utf-8?q?J=C3=BCrgen?= <a@example.com>\r\n" +
		"To: b@example.net,\r\n c@example.net\r\nDate: Mon, 30 Nov 2026 10:00:00 +0100\r\nMIME-Version: 1.0\r\n"
	rawPlain := head + "Subject: plain by NAME\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n" + strings.ReplaceAll(plainText,
		"\n", "\r\n")
	lines := ""
	for chunk := range slices.Chunk([]byte(base64.StdEncoding.EncodeToString(allBytes())), 76) {
		lines += string(chunk) + "\r\n"
	}
	m.raw = func(text string) []byte {
		return []byte(head +
			"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= by a program\r\n" +
			"Content-Type: multipart/mixed; boundary=\"=_b\"\r\n\r\n--=_b\r\nContent-Type: text/plain; charset=utf-8\r\n" +
			"Content-Transfer-Encoding: 8bit\r\n\r\n" + strings.ReplaceAll(text, "\n", "\r\n") +
			"\r\n--=_b\r\nContent-Type: application/octet-stream; name=a.bin\r\n" +
			"Content-Transfer-Encoding: base64\r\n\r\n" + lines + "\r\n--=_b--\r\n")
	}
	for name, content := range map[string][]byte{
		"text": []byte(allText()), "attachment.bin": allBytes(), "raw.eml": m.raw(allText()),
		"unix.eml": bytes.ReplaceAll(m.raw(allText()), []byte("\r\n"), []byte("\n")),
	} {
		if err := os.WriteFile(m.file(name), content, 0o644); err != nil { //nolint:gosec // other users read it
			t.Fatal(err)
		}
	}
	m.env = append(os.Environ(), "HOST="+host(s.SMTP), "PORT="+port(s.SMTP), "APIKEY="+s.APIKey, "SECRET="+s.SecretKey,
		"CA="+m.file("ca.pem"), "LC_ALL=C.UTF-8",
		"TEXT="+m.file("text"), "ATTACHMENT="+m.file("attachment.bin"), "RAW="+m.file("raw.eml"), "PLAIN="+plainText,
		"RAWPLAIN="+rawPlain, "HOME="+dir,
		"GIT_COMMITTER_NAME=A", "GIT_COMMITTER_EMAIL=a@example.com", "GIT_AUTHOR_NAME=A", "GIT_AUTHOR_EMAIL=a@example.com")
	return m
}

// certificate makes one for 127.0.0.1 that is its own authority.
func certificate(t *testing.T, cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(24 * time.Hour),
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	for path, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: pkcs8}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// run runs a program that has to succeed, and returns what it printed.
func (m *material) run(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Env, cmd.Dir = m.env, "programs"
	stop := time.AfterFunc(2*time.Minute, func() { cmd.Process.Kill() }) //nolint:errcheck // its end says
	defer stop.Stop()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s\n%s", name, err, out, m.Tail())
	}
	return string(out)
}

// to waits for the mail with a recipient at the sink.
func (m *material) to(t *testing.T, recipient string) sink.Mail {
	t.Helper()
	deadline := time.NewTimer(time.Minute)
	defer deadline.Stop()
	for {
		for _, got := range m.sink.Mails() {
			if slices.Contains(got.To, recipient+"@example.net") {
				return got
			}
		}
		select {
		case <-time.After(20 * time.Millisecond): // others wait as well
		case <-deadline.C:
			t.Fatalf("no mail for %s\n%s", recipient, m.Tail())
		}
	}
}

// arrivedWhole checks what a program sent that writes its mails itself: text and attachment by their hashes.
func (m *material) arrivedWhole(t *testing.T, name string) {
	t.Helper()
	got := m.to(t, name+"-2")
	want := []string{name + "-2@example.net", name + "-3@example.net", name + "-4@example.net"}
	if slices.Sort(got.To); !slices.Equal(got.To, want) {
		t.Errorf("%s: one transaction for %q", name, got.To)
	}
	if subject := corpus.Field(got.Raw, "subject"); !strings.HasPrefix(subject, "Grüße") {
		t.Errorf("%s: the subject is %q", name, subject)
	}
	parts := corpus.Parts(got.Raw)
	if len(parts) != 2 {
		t.Fatalf("%s: %d parts in\n%.2000s", name, len(parts), got.Raw)
	}
	if text := ended(parts[0].Content); hash(text) != hash(allText()) {
		t.Errorf("%s: the text is\n%q\nwant\n%q", name, text, allText())
	}
	if hash(parts[1].Content) != hash(string(allBytes())) {
		t.Errorf("%s: the attachment has %d bytes, and not those that were sent", name, len(parts[1].Content))
	}
}

// arrivedPlain checks the mail to NAME-1.
func (m *material) arrivedPlain(t *testing.T, name string) {
	t.Helper()
	got := m.to(t, name+"-1")
	if parts := corpus.Parts(got.Raw); len(parts) != 1 || ended(parts[0].Content) != plainText {
		t.Errorf("%s: the plain text is %q", name, parts)
	}
	if len(got.To) != 1 {
		t.Errorf("%s: the plain mail is for %q", name, got.To)
	}
}

// arrivedAfter checks the mail after a refused one: it went to its recipient alone, and what was refused to nobody.
func (m *material) arrivedAfter(t *testing.T, name, out string) {
	t.Helper()
	if got := m.to(t, name+"-after"); len(got.To) != 1 {
		t.Errorf("%s: the mail after a refused one is for %q", name, got.To)
	}
	if !strings.Contains(out, "refused as it should be") || strings.Contains(out, "was taken") {
		t.Errorf("%s: %s", name, out)
	}
	for _, got := range m.sink.Mails() {
		for _, to := range got.To {
			if strings.HasPrefix(to, name+"-first@") || strings.HasPrefix(to, name+"-second@") {
				t.Errorf("%s: a refused mail went to %q", name, got.To)
			}
		}
	}
}

// ended is a text with the line ends of Unix, and one at its end.
func ended(s string) string {
	return strings.TrimRight(strings.ReplaceAll(s, "\r\n", "\n"), "\n") + "\n"
}

func hash(s string) [32]byte { return sha256.Sum256([]byte(s)) }

// Programs send over STARTTLS, each with the library that its users use, to one server.
func TestLibraries(t *testing.T) {
	m := prepare(t)
	t.Run("python", func(t *testing.T) {
		t.Parallel()
		out := m.run(t, need(t, "python3"), "send.py")
		m.arrivedPlain(t, "smtplib")
		m.arrivedWhole(t, "smtplib")
		m.arrivedAfter(t, "smtplib", out)
	})
	t.Run("ruby", func(t *testing.T) {
		t.Parallel()
		out := m.run(t, need(t, "ruby"), "send.rb")
		m.arrivedPlain(t, "ruby")
		m.arrivedWhole(t, "ruby")
		m.arrivedAfter(t, "ruby", out)
		if !strings.Contains(out, "out of order as it should be: 503") {
			t.Errorf("Net::SMTP's second MAIL inside a transaction: %s", out)
		}
	})
	t.Run("perl", func(t *testing.T) {
		t.Parallel()
		const perl = "/usr/bin/perl" // Debian's, which has Debian's packages
		if err := exec.CommandContext(t.Context(), perl, "-MEmail::Sender::Simple", "-MEmail::MIME", "-MAuthen::SASL",
			"-MIO::Socket::SSL", "-e1").Run(); err != nil {
			missing(t, "Perl's Email::Sender, Email::MIME, Authen::SASL or IO::Socket::SSL is not installed: run make test-tools")
		}
		out := m.run(t, perl, "send.pl")
		m.arrivedPlain(t, "perl")
		m.arrivedWhole(t, "perl")
		m.arrivedAfter(t, "perl", out)
		m.arrivedWhole(t, "sender")
	})
	t.Run("java", func(t *testing.T) {
		t.Parallel()
		const jars = "/usr/share/java/javax.mail.jar:/usr/share/java/javax.activation.jar"
		if _, err := os.Stat("/usr/share/java/javax.mail.jar"); err != nil {
			missing(t, "JavaMail is not installed: run make test-tools")
		}
		out := m.run(t, need(t, "java"), "-Dfile.encoding=UTF-8", "-XX:TieredStopAtLevel=1", "-cp", jars, "Send.java")
		m.arrivedPlain(t, "java")
		m.arrivedWhole(t, "java")
		m.arrivedAfter(t, "java", out)
	})
	t.Run("php", func(t *testing.T) {
		t.Parallel()
		if _, err := os.Stat("/usr/share/php/libphp-phpmailer/autoload.php"); err != nil {
			missing(t, "PHPMailer is not installed: run make test-tools")
		}
		out := m.run(t, need(t, "php"), "send.php")
		m.arrivedPlain(t, "php")
		m.arrivedWhole(t, "php")
		m.arrivedAfter(t, "php", out)
	})
	t.Run("node", func(t *testing.T) {
		t.Parallel()
		nodejs := need(t, "node")
		module, err := filepath.Abs("node/node_modules/nodemailer")
		if _, missed := os.Stat(module); err != nil || missed != nil {
			missing(t, "nodemailer is not installed: run make test-tools")
		}
		out := m.run(t, nodejs, "send.js", module)
		m.arrivedPlain(t, "node")
		m.arrivedWhole(t, "node")
		m.arrivedAfter(t, "node", out)
		for i := range 100 { // by the pool, five at a time
			if got := m.to(t, "node-many"+strconv.Itoa(i)); len(got.To) != 1 || !bytes.Contains(got.Raw, []byte("mail "+strconv.Itoa(i)+
				"\r\n")) {
				t.Errorf("mail %d: %q %s", i, got.To, got.Raw)
			}
		}
	})
}

// Programs hand over one whole mail over STARTTLS.
func TestPrograms(t *testing.T) {
	m := prepare(t)
	recipients := func(name string) []string {
		return []string{name + "-2@example.net", name + "-3@example.net", name + "-4@example.net"}
	}
	same := func(t *testing.T, name string) {
		t.Helper()
		m.arrivedWhole(t, name)
		if err := corpus.Same(m.raw(allText()), m.to(t, name+"-2").Raw); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	t.Run("swaks", func(t *testing.T) {
		t.Parallel()
		m.run(t, need(t, "swaks"), "--server", m.SMTP, "--tls", "--auth", "PLAIN", "--auth-user", m.APIKey, "--auth-password",
			m.SecretKey,
			"--from", "a@example.com", "--to", strings.Join(recipients("swaks"), ","), "--data", "@"+m.file("unix.eml"))
		same(t, "swaks")
	})
	t.Run("curl", func(t *testing.T) {
		t.Parallel()
		args := []string{
			"-sS", "--url", "smtp://" + m.SMTP + "/client.example", "--ssl-reqd", "--cacert", m.file("ca.pem"), "-u",
			m.APIKey + ":" + m.SecretKey, "--mail-from", "a@example.com", "--upload-file", m.file("raw.eml"),
		}
		for _, r := range recipients("curl") {
			args = append(args, "--mail-rcpt", r)
		}
		m.run(t, need(t, "curl"), args...)
		same(t, "curl")
	})
	t.Run("msmtp", func(t *testing.T) {
		t.Parallel()
		args := []string{
			"-c", `"$0" "$@" <` + m.file("unix.eml"), need(t, "msmtp"), "--host=" + host(m.SMTP), "--port=" + port(m.SMTP),
			"--auth=plain", "--user=" + m.APIKey, "--passwordeval=echo $SECRET",
			"--tls=on", "--tls-starttls=on", "--tls-trust-file=" + m.file("ca.pem"), "--from=a@example.com",
		}
		m.run(t, "sh", append(args, recipients("msmtp")...)...)
		same(t, "msmtp")
	})
	t.Run("git send-email", func(t *testing.T) {
		t.Parallel()
		m.gitSendEmail(t)
	})
}

// gitSendEmail sends a patch.
func (m *material) gitSendEmail(t *testing.T) {
	t.Helper()
	git := need(t, "git")
	if _, err := os.Stat("/usr/lib/git-core/git-send-email"); err != nil {
		missing(t, "git send-email is not installed: run make test-tools")
	}
	change := "Hello\n.\n..\n+Grüße \n" + strings.Repeat("x", 500) + "\n"
	patch := m.file("0001.patch")
	if err := os.WriteFile(patch,
		[]byte("From 0123456789abcdef Mon Sep 17 00:00:00 2001\nFrom: Jürgen <a@example.com>\nDate: Mon, 30 Nov 2026 10:00:00 +0100\n"+
			"Subject: [PATCH] Grüße\n\n"+change), 0o600); err != nil {
		t.Fatal(err)
	}
	m.run(t, git, "send-email", "--quiet", "--confirm=never", "--from=a@example.com", "--to=git-2@example.net", "--cc=git-3@example.net",
		"--bcc=git-4@example.net", "--suppress-cc=all",
		"--8bit-encoding=utf-8", "--smtp-server="+host(m.SMTP), "--smtp-server-port="+port(m.SMTP), "--smtp-encryption=tls",
		"--smtp-ssl-cert-path="+m.file("ca.pem"),
		"--smtp-user="+m.APIKey, "--smtp-pass="+m.SecretKey, "--smtp-auth=PLAIN", patch)
	got := m.to(t, "git-2")
	if parts := corpus.Parts(got.Raw); len(parts) != 1 || !strings.HasSuffix(ended(parts[0].Content), change) || len(got.To) != 3 {
		t.Errorf("for %q:\n%s", got.To, got.Raw)
	}
	if subject := corpus.Field(got.Raw, "subject"); subject != "[PATCH] Grüße" {
		t.Errorf("the subject is %q", subject)
	}
}
