// SPDX-License-Identifier: Apache-2.0

package command

import (
	"net/netip"
	"strconv"
	"strings"
)

// Change is what a command does with a rule or a route.
type Change string

// The changes.
const (
	Add Change = "add"
	Del Change = "del"
)

// NopRule puts or takes a routing rule that does nothing, for others to lead to.
func NopRule(do Change, family, preference int) Line {
	if family == 6 {
		return Shell("ip -6 rule {} pref {} type nop protocol kernel", string(do), strconv.Itoa(preference))
	}
	return Shell("ip rule {} pref {} type nop protocol kernel", string(do), strconv.Itoa(preference))
}

// GotoRule puts or takes a routing rule that leads what goes to an address on to a
// later preference.
func GotoRule(do Change, preference int, to netip.Addr, next int) Line {
	if to.Is6() {
		return Shell("ip -6 rule {} pref {} to {} goto {} protocol kernel", string(do), strconv.Itoa(preference), to.WithZone("").String(), strconv.Itoa(next))
	}
	return Shell("ip rule {} pref {} to {} goto {} protocol kernel", string(do), strconv.Itoa(preference), to.String(), strconv.Itoa(next))
}

// LocalRule puts or takes the rule of the local table. protocol may be empty: then the
// first that has that preference is taken, whosever.
func LocalRule(do Change, family, preference int, protocol string) Line {
	pref := strconv.Itoa(preference)
	switch {
	case family == 6 && protocol == "":
		return Shell("ip -6 rule {} pref {} lookup local", string(do), pref)
	case family == 6:
		return Shell("ip -6 rule {} pref {} lookup local protocol {}", string(do), pref, protocol)
	case protocol == "":
		return Shell("ip rule {} pref {} lookup local", string(do), pref)
	}
	return Shell("ip rule {} pref {} lookup local protocol {}", string(do), pref, protocol)
}

// SourceRoute puts or takes a route to one address that says what to send from. via may
// be the zero Addr.
func SourceRoute(do Change, to, via netip.Addr, device string, source netip.Addr, metric int) Line {
	if why := deviceFault(device); why != "" {
		return refuse("%s", why)
	}
	if via.IsValid() {
		return Shell("ip -6 route {} {} via {} dev {} src {} metric {} protocol kernel", string(do), single(to), via.WithZone("").String(), device, source.String(), strconv.Itoa(metric))
	}
	return Shell("ip -6 route {} {} dev {} src {} metric {} protocol kernel", string(do), single(to), device, source.String(), strconv.Itoa(metric))
}

// Chain is lines of which each runs only if the one before it succeeded.
func Chain(lines ...Line) Line {
	texts := make([]string, len(lines))
	for i, l := range lines {
		if l.text == "" {
			return l
		}
		texts[i] = l.text
	}
	return Line{text: strings.Join(texts, " && ")}
}

// Pieces are a line's parts, each but the last ending with the && that leads to the next:
// a shell takes them one below the other. Text in quotes is left whole.
func (l Line) Pieces() []string {
	var out []string
	quoted, from := false, 0
	for i := 0; i < len(l.text); i++ {
		switch {
		case !quoted && l.text[i] == '\\':
			i++ // the next stands for itself
		case l.text[i] == '\'':
			quoted = !quoted
		case !quoted && strings.HasPrefix(l.text[i:], " && "):
			out = append(out, l.text[from:i+len(" &&")])
			from = i + len(" && ")
		}
	}
	return append(out, l.text[from:])
}
