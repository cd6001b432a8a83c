// SPDX-License-Identifier: Apache-2.0

package snapshot

import "strings"

// WithoutSecrets leaves of every URL in a text scheme, host, port and path: user,
// password, query and fragment may be secrets, and say nothing about an address. It is
// asked wherever a text enters that may hold one.
func WithoutSecrets(text string) string {
	at := strings.Index(text, "://")
	if at < 0 {
		return text
	}
	var out strings.Builder
	for ; at >= 0; at = strings.Index(text, "://") {
		out.WriteString(text[:at+len("://")])
		url := text[at+len("://"):]
		end := strings.IndexAny(url, urlEnds)
		if end < 0 {
			end = len(url)
		}
		out.WriteString(placeOf(url[:end]))
		text = url[end:]
	}
	return out.String() + text
}

// urlEnds are what no URL goes through in a text: RFC 3986 has none of them, but for
// the comma, which parts lists of URLs, and the semicolon.
const urlEnds = " \t\r\n\"'`<>\\,;{}|"

// placeOf is what stays of a URL behind its scheme.
func placeOf(url string) string {
	authority, rest := url, ""
	if i := strings.IndexAny(url, "/?#"); i >= 0 {
		authority, rest = url[:i], url[i:]
	}
	if i := strings.LastIndexByte(authority, '@'); i >= 0 {
		authority = authority[i+1:]
	} else if i := strings.LastIndexByte(rest, '@'); i >= 0 && !isHostPort(authority) {
		// A password with a / or a ? in it, which should have been written otherwise.
		return placeOf(rest[i+1:])
	}
	if i := strings.IndexAny(rest, "?#"); i >= 0 {
		rest = rest[:i]
	}
	return authority + rest
}

// isHostPort reports whether what stands behind the last colon can be a port, or the
// end of an IPv6 address.
func isHostPort(authority string) bool {
	i := strings.LastIndexByte(authority, ':')
	return i < 0 || strings.HasSuffix(authority, "]") || strings.Trim(authority[i+1:], "0123456789") == ""
}
