// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"fmt"
	"net/netip"
	"strings"
)

// ParseAddr reads an address as the apiserver does (k8s.io/utils/net
// ParseIPSloppy): parts may have any number of leading zeros, and IPv4 parts are
// decimal all the same; IPv4-mapped IPv6 is unmapped. canonical reports whether the
// text is the form that netip prints; a zone, which no field of the API admits,
// is dropped and makes the text non-canonical.
func ParseAddr(text string) (ip netip.Addr, canonical bool, err error) {
	trimmed := strings.TrimSpace(text)
	ip, err = netip.ParseAddr(trimmed)
	if err != nil {
		ip, err = netip.ParseAddr(withoutLeadingZeros(trimmed))
	}
	if err != nil {
		return netip.Addr{}, false, fmt.Errorf("not an ip address: %q", text)
	}
	ip = ip.WithZone("").Unmap()
	return ip, ip.String() == text, nil
}

// withoutLeadingZeros drops them from each part of an address.
func withoutLeadingZeros(text string) string {
	var out strings.Builder
	begin := true
	for i := range len(text) {
		c := text[i]
		if begin && c == '0' && i+1 < len(text) && text[i+1] != '.' && text[i+1] != ':' {
			continue
		}
		begin = c == '.' || c == ':'
		out.WriteByte(c)
	}
	return out.String()
}

// Unresolved reports whether the text is a placeholder that some other tool fills
// in (Helm, Flux, envsubst, Jinja, Kustomize replacements, a documentation's
// <...>): it is not a wrong address, its value is only not known here.
func Unresolved(text string) bool {
	return strings.Contains(text, "{{") || strings.Contains(text, "${") || strings.Contains(text, "$(") ||
		strings.Contains(text, "{%") || strings.HasPrefix(text, "$") || strings.Contains(text, "<") ||
		strings.HasPrefix(text, "%") || strings.HasPrefix(text, "__")
}
