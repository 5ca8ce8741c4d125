// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"strings"
	"testing"
)

// TestMistakesAreNamedAsTyped: what is wrong is named as it was written, and the help that is named is the command's.
func TestMistakesAreNamedAsTyped(t *testing.T) {
	for line, want := range map[string]string{
		"stats --by planet":                               "postern: --by must be one of \"key\",\"domain\",\"campaign\",\"sender\" but got \"planet\"\nTry postern stats --help.\n",
		"stats --limit -1 --by key":                       "postern: --limit: a value is needed; one that begins with a hyphen is written --limit=-1\nTry postern stats --help.\n",
		"stats --limit 5":                                 "postern: --limit: it bounds the lines of --by",
		"webhook secret --overlap 5m":                     "postern: --overlap: it goes with --new",
		"user invite a@example.com --role owner --days 0": "postern: --days: \"0\" is not a whole number of 1 or more\nTry postern user invite --help.\n",
		"request grant 9 --limit 0":                       "postern: --limit: \"0\" is not a whole number of 1 or more\n",
		"request grant 9 --limit -1":                      "postern: --limit: a value is needed; one that begins with a hyphen is written --limit=-1\n",
		"webhook set https://a.example all --version 0":   "postern: --version: \"0\" is not",
		"webhook nothing":                                 "Try postern webhook --help.\n",
		"key nothing":                                     "Try postern key --help.\n",
		"nothing":                                         "Try postern --help.\n",
		"account create":                                  "Try postern account create --help.\n",
		"account policy Acme --no-such-one":               "Try postern account policy --help.\n",
	} {
		var out, errs bytes.Buffer
		if code := Main(strings.Fields(line), &out, &errs); code != exitUsage || out.Len() > 0 || !strings.Contains(errs.String(), want) {
			t.Errorf("%s: %d, %q; want %q", line, code, errs.String(), want)
		}
	}
}

func TestKebab(t *testing.T) {
	for in, want := range map[string]string{"APIKey": "api-key", "Key": "key", "SecretID": "secret-id", "custom-id": "custom-id", "URL": "url", "EmailType": "email-type", "": ""} {
		if got := kebab(in); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}
