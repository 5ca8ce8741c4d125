// SPDX-License-Identifier: Apache-2.0

package courier

import (
	"bufio"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode"
)

// Bounds of what is read of a reply: a server may say much, we keep little.
const (
	maxReplyLine  = 2000 // bytes; RFC 5321 §4.5.3.1.5 allows 512
	maxReplyLines = 100
	maxKept       = 1000 // bytes of its text
)

// reply is a server's answer.
type reply struct {
	code     int
	enhanced string   // "5.1.1", or ""
	lines    []string // without their codes
}

func (r reply) ok() bool      { return r.code/100 == 2 }
func (r reply) refusal() bool { return r.code/100 == 4 || r.code/100 == 5 }

// line is the reply in one line: "550 5.1.1 no such user". The enhanced code, which many servers put at the head of
// each of a reply's lines, stands once, so that the words are together.
func (r reply) line() string {
	parts := []string{strconv.Itoa(r.code)}
	for i, l := range r.lines {
		if i > 0 && r.enhanced != "" {
			if rest, ok := strings.CutPrefix(l, r.enhanced); ok && (rest == "" || rest[0] == ' ') {
				l = rest
			}
		}
		if l = strings.TrimSpace(l); l != "" {
			parts = append(parts, l)
		}
	}
	return cleanText(strings.Join(parts, " "))
}

// cleanText makes a peer's words safe to keep and show: one line, valid, bounded.
func cleanText(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || unicode.Is(unicode.Bidi_Control, r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	if len(s) > maxKept {
		s = strings.ToValidUTF8(s[:maxKept], "") + "…"
	}
	return strings.TrimSpace(s)
}

var errReply = errors.New("the server's answer is not an SMTP reply")

// readReply reads one reply (RFC 5321 §4.2), which may have many lines.
func readReply(r *bufio.Reader) (reply, error) {
	var out reply
	for n := 0; ; n++ {
		if n == maxReplyLines {
			return reply{}, fmt.Errorf("%w: more than %d lines", errReply, maxReplyLines)
		}
		line, err := readLine(r)
		if err != nil {
			return reply{}, err
		}
		if len(line) < 3 {
			return reply{}, fmt.Errorf("%w: %.80q", errReply, line)
		}
		code, err := strconv.Atoi(line[:3])
		if err != nil || code < 200 || code > 599 || len(line) > 3 && line[3] != ' ' && line[3] != '-' {
			return reply{}, fmt.Errorf("%w: %.80q", errReply, line)
		}
		if n > 0 && code != out.code {
			return reply{}, fmt.Errorf("%w: it begins with %d and goes on with %d", errReply, out.code, code)
		}
		out.code = code
		out.lines = append(out.lines, line[min(4, len(line)):])
		if len(line) == 3 || line[3] == ' ' {
			out.enhanced = enhanced(out)
			return out, nil
		}
	}
}

func readLine(r *bufio.Reader) (string, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		if len(line) > maxReplyLine {
			return "", fmt.Errorf("%w: a line has more than %d bytes", errReply, maxReplyLine)
		}
		if err == nil {
			return strings.TrimRight(string(line), "\r\n"), nil
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return "", err
		}
	}
}

var enhancedCode = regexp.MustCompile(`^([245]\.\d{1,3}\.\d{1,3})(?:\s|$)`)

// enhanced finds the enhanced status code (RFC 2034 §4) at the start of a reply's text, if it fits the reply's code.
func enhanced(r reply) string {
	if len(r.lines) == 0 {
		return ""
	}
	m := enhancedCode.FindStringSubmatch(r.lines[0])
	if m == nil || m[1][0] != byte('0'+r.code/100) {
		return ""
	}
	return m[1]
}
