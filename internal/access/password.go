// SPDX-License-Identifier: Apache-2.0

package access

import (
	_ "embed" // the list of common passwords
	"errors"
	"fmt"
	"sort"
	"strings"
	"unicode"
	"unicode/utf8"
)

// commonPasswords are the commonest passwords and single words, in lower case, one a line, sorted. Where they are from
// is in common-passwords.NOTICE.
//
//go:embed common-passwords.txt
var commonPasswords string

// CheckPassword says why a new password of the person with an email address is not good enough: it is too short or
// too long, or among the first that somebody would try (NIST SP 800-63B §3.1.1.2). names are those that it must not be
// made of besides: of the account, of the server.
func CheckPassword(password, email string, names ...string) error {
	if n := utf8.RuneCountInString(password); n < MinPassword {
		return fmt.Errorf("the password has %d characters; at least %d are needed", n, MinPassword)
	}
	if len(password) > MaxPassword {
		return fmt.Errorf("the password is longer than %d bytes", MaxPassword)
	}
	folded := strings.ToLower(password)
	stem := strings.TrimRightFunc(folded, func(r rune) bool { return !unicode.IsLetter(r) })
	core := plainLetters(strings.TrimLeftFunc(stem, func(r rune) bool { return !unicode.IsLetter(r) }))
	switch {
	case repeats(folded):
		return errors.New("the password is the same few characters over and over")
	case isRun(folded) || len(stem) >= 4 && isRun(stem):
		return errors.New("the password is a row of the keyboard or the alphabet")
	case isOfEmail(folded, stem, strings.ToLower(email)):
		return errors.New("the password is your email address or a part of it")
	case isCommon(folded):
		return errors.New("this is one of the commonest passwords or words, and among the first that are tried")
	case isOfNames(core, append(names, product)):
		return errors.New("the password is the name of this product, server or account with little more, and among the first that " +
			"are tried")
	case isCommon(stem) || isCommon(core) || isShortWord(core, folded):
		return errors.New("this is one of the commonest passwords or words with digits or signs around it, and among the first that " +
			"are tried")
	}
	return nil
}

// product is the name of what people sign in to.
const product = "Postern"

// plainLetters takes the signs and digits that people write for letters as those letters.
func plainLetters(s string) string {
	return strings.NewReplacer("0", "o", "1", "i", "3", "e", "4", "a", "5", "s", "7", "t", "@", "a", "$", "s", "!", "i").Replace(s)
}

// shortWord is how many letters a word has at most that no list is needed for: there are few of them.
const shortWord = 5

// isShortWord says whether a password is one short word with no more digits than a date has, and signs.
func isShortWord(core, password string) bool {
	digits := 0
	for _, r := range password {
		if unicode.IsDigit(r) {
			digits++
		}
	}
	return digits <= len("20240131") && utf8.RuneCountInString(core) <= shortWord &&
		strings.IndexFunc(core, func(r rune) bool { return !unicode.IsLetter(r) }) < 0
}

// isOfNames says whether a word is nothing but names, or names and one common or short word.
func isOfNames(word string, names []string) bool {
	word = strings.Join(lettersAndDigits(word), "")
	left := word
	for _, name := range names {
		parts := lettersAndDigits(strings.ToLower(name))
		for _, part := range append([]string{strings.Join(parts, "")}, parts...) {
			if len(part) >= 3 {
				left = strings.ReplaceAll(left, plainLetters(part), "")
			}
		}
	}
	return len(left) < len(word) && (utf8.RuneCountInString(left) <= shortWord || isCommon(left))
}

// lettersAndDigits are the words of a text.
func lettersAndDigits(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
}

// isCommon looks a word up in the sorted list.
func isCommon(word string) bool {
	if word == "" || strings.Contains(word, "\n") {
		return false
	}
	// The first line that is not before word: the search is over bytes, each of which stands for its line.
	lineAt := func(i int) (start int, line string) {
		start = strings.LastIndexByte(commonPasswords[:i], '\n') + 1
		line, _, _ = strings.Cut(commonPasswords[start:], "\n")
		return start, line
	}
	i := sort.Search(len(commonPasswords), func(i int) bool { _, line := lineAt(i); return line >= word })
	if i == len(commonPasswords) {
		return false
	}
	_, line := lineAt(i)
	return line == word
}

// repeats says whether s is one to four characters over and over.
func repeats(s string) bool {
	runes := []rune(s)
	for period := 1; period <= 4; period++ {
		same := len(runes) > 2*period
		for i := period; same && i < len(runes); i++ {
			same = runes[i] == runes[i-period]
		}
		if same {
			return true
		}
	}
	return false
}

// isRun says whether s is part of a row of the keyboard, the alphabet or the digits, forwards or backwards.
func isRun(s string) bool {
	rows := []string{
		"abcdefghijklmnopqrstuvwxyz", "0123456789012345678901234567890",
		"1234567890qwertyuiopasdfghjklzxcvbnm", "qwertzuiopasdfghjklyxcvbnm", "azertyuiopqsdfghjklmwxcvbn",
		"qwertyuiop[]asdfghjkl;'zxcvbnm,./",
		"1q2w3e4r5t6y7u8i9o0p", "q1w2e3r4t5y6u7i8o9p0", "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik,9ol.0p;/", "!@#$%^&*()_+",
		"qazwsxedcrfvtgbyhnujmikolp",
	}
	for _, row := range rows {
		if strings.Contains(row, s) || strings.Contains(backwards(row), s) {
			return true
		}
	}
	return false
}

func backwards(s string) string {
	b := []byte(s) // rows are ASCII
	for i, j := 0, len(b)-1; i < j; i, j = i+1, j-1 {
		b[i], b[j] = b[j], b[i]
	}
	return string(b)
}

// isOfEmail says whether a password, or its stem, is an email address, or parts of it, in their order or not.
func isOfEmail(password, stem, email string) bool {
	local, domain, ok := strings.Cut(email, "@")
	if !ok {
		return false
	}
	words := lettersAndDigits
	parts := append(words(email), strings.Join(words(local), ""), strings.Join(words(domain), ""), local, domain, email)
	for _, p := range parts {
		if p == password || p == stem && len(stem) >= 4 {
			return true
		}
	}
	// "owner.example" or "ExampleOwner1": nothing is left when the address's words are taken out.
	left := strings.Join(words(stem), "")
	for _, w := range words(email) {
		if len(w) >= 3 {
			left = strings.ReplaceAll(left, w, "")
		}
	}
	return stem != "" && left == ""
}
