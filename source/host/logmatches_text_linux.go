// SPDX-License-Identifier: Apache-2.0

package host

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxWords is how many bytes of what another program says are kept.
const maxWords = 300

// plainText is text of another program as it may be shown: without characters that
// a terminal obeys, of no more than so many bytes, cut between characters.
func plainText(text string, bytes int) string {
	text = strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Zl, r) || unicode.Is(unicode.Zp, r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD")))
	if len(text) <= bytes {
		return text
	}
	for bytes > 0 && !utf8.RuneStart(text[bytes]) {
		bytes--
	}
	return strings.TrimSpace(text[:bytes])
}

// secrets are the forms of what a log should not have had: the value of a header
// or of a field of that name, a JWT (RFC 7519: two objects of JSON, which in
// base64url begin with eyJ), and the password of a URL.
var secrets = []struct {
	form *regexp.Regexp
	mask string
}{
	{regexp.MustCompile(`(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{6,}`), "$1 ***"},
	{regexp.MustCompile(`(?i)([a-z0-9_.-]*(?:password|passwd|passphrase|secret|token|api[_-]?key|authorization|private[_-]?key)[a-z0-9_.-]*\\?["']?\s*(?:=|:)\s*)(\\?"[^"]*\\?"?|'[^']*'?|[^\s,;&"'}\])]+)`), "$1***"},
	{regexp.MustCompile(`\beyJ[A-Za-z0-9_-]{6,}(\.[A-Za-z0-9_-]*){0,2}`), "***"},
	{regexp.MustCompile(`(://[^\s/:@]*:)[^\s/@]+@`), "$1***@"},
}

func masked(text string) string {
	for _, s := range secrets {
		text = s.form.ReplaceAllString(text, s.mask)
	}
	return text
}
