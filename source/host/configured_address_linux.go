// SPDX-License-Identifier: Apache-2.0

package host

import (
	"errors"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// errAddress never says what stood there: it may be a secret in the wrong place.
var errAddress = errors.New("no address of a server")

// parseAddress reads a URL, HOST:PORT or HOST. A URL without a port has its scheme's
// (client-go rest/url_utils.go leaves that to net/http); without a scheme there is
// none but what is written. A socket of the host itself is no server: ok is false.
func parseAddress(text string) (host string, port uint16, ok bool, err error) {
	text = strings.TrimSpace(text)
	scheme, _, isURL := strings.Cut(text, "://")
	if !isURL {
		return splitAddress(text)
	}
	if strings.HasPrefix(scheme, "unix") {
		return "", 0, false, nil
	}
	u, err := url.Parse(text)
	if err != nil {
		return "", 0, false, errAddress
	}
	host, port, ok, err = splitAddress(u.Host)
	if port == 0 && !strings.HasSuffix(u.Host, ":0") {
		port = map[string]uint16{"https": 443, "http": 80}[strings.ToLower(u.Scheme)]
	}
	return host, port, ok, err
}

func splitAddress(text string) (host string, port uint16, ok bool, err error) {
	host = text
	if name, number, err := net.SplitHostPort(text); err == nil && !strings.Contains(name, "[") {
		n, err := strconv.ParseUint(number, 10, 16)
		if err != nil && number != "" {
			return "", 0, false, errAddress
		}
		host, port = name, uint16(n)
	} else if inner, found := strings.CutPrefix(text, "["); found {
		if host, found = strings.CutSuffix(inner, "]"); !found {
			return "", 0, false, errAddress
		}
	}
	if _, err := netip.ParseAddr(host); err != nil && !isName(host) {
		return "", 0, false, errAddress
	}
	return host, port, true, nil
}

// isName reports whether it may be a name of the DNS or of /etc/hosts.
func isName(text string) bool {
	return text != "" && len(text) <= 253 && !strings.ContainsFunc(text, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '-' || r == '_')
	})
}

// flagMentions reads a flag that names servers; others say nothing.
func flagMentions(program string, f flag, line int) ([]mention, error) {
	what := ""
	switch f.name {
	case "server", "master", "advertise-address":
		what = "apiserver"
	case "etcd-servers", "initial-cluster", "listen-client-urls":
		what = "etcd"
	default:
		return nil, nil
	}
	var out []mention
	var failed error
	for text := range strings.SplitSeq(strings.Trim(f.value, `"'`), ",") {
		if f.name == "initial-cluster" {
			_, text = cutMember(strings.TrimSpace(text))
		}
		if strings.TrimSpace(text) == "" || strings.Contains(text, "$(") { // the kubelet puts a variable there
			continue
		}
		host, port, ok, err := parseAddress(text)
		switch {
		case err != nil:
			failed = err
		case ok:
			out = append(out, mention{what, program, host, port, line})
		}
	}
	return out, failed
}
