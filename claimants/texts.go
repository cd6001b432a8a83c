// SPDX-License-Identifier: Apache-2.0

package claimants

import (
	"encoding/json"
	"net"
	"net/netip"
	"strings"

	"whohas/claim"
	"whohas/snapshot"
)

// part makes a field of its own of a part of a field's text.
func part(f snapshot.Field, text string) snapshot.Field {
	v := *f.Value
	v.Text = text
	f.Value = &v
	return f
}

// items lists the given items of a list of texts.
func items(f snapshot.Field) []snapshot.Field {
	var out []snapshot.Field
	for item := range f.Items() {
		if given(item) {
			out = append(out, item)
		}
	}
	return out
}

// withoutPrefix is the address of "192.168.10.114/24": a host's address with
// its subnet, or a single host in CIDR notation.
func withoutPrefix(text string) string {
	address, _, _ := strings.Cut(text, "/")
	return strings.TrimSpace(address)
}

// hostOf is the host of "host", "host:port", "[v6]" and "[v6]:port". An IPv6
// address without brackets has no port.
func hostOf(text string) string {
	text = strings.TrimSpace(text)
	if host, _, err := net.SplitHostPort(text); err == nil {
		return host
	}
	return strings.TrimSuffix(strings.TrimPrefix(text, "["), "]")
}

// jsonStrings reads a JSON array of strings; ok is false for everything else.
func jsonStrings(text string) (list []string, ok bool) {
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		return nil, false
	}
	return list, true
}

// ofOneHost reports whether an address can name one host to all others: the
// unspecified, loopback and link-local addresses mean another host on each.
func ofOneHost(ip netip.Addr) bool {
	return ip.IsValid() && !ip.IsUnspecified() && !ip.IsLoopback() && !ip.IsLinkLocalUnicast()
}

// withoutEnds is a CIDR's range less its first and last address, for pools that
// keep these back; one or two addresses are left whole.
func withoutEnds(r claim.Range) claim.Range {
	if !r.IsValid() || r.IsSingle() || r.From.Next() == r.To {
		return r
	}
	return claim.Range{From: r.From.Next(), To: r.To.Prev()}
}

// annotations gives the field paths of annotations.
func annotations(keys ...string) []string {
	var paths []string
	for _, k := range keys {
		paths = append(paths, "metadata.annotations."+k)
	}
	return paths
}
