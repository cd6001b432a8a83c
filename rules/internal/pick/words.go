// SPDX-License-Identifier: Apache-2.0

package pick

import (
	"cmp"
	"fmt"
	"strings"

	"whohas/claim"
	"whohas/claimants"
	"whohas/explain"
	"whohas/snapshot"
)

// KindOf finds the declared kind of an object, for its resource name.
func KindOf(r snapshot.Ref) snapshot.Kind {
	for _, c := range claimants.All() {
		if c.Of.Kind == r.Kind && c.Of.Group == r.Group {
			return c.Of
		}
	}
	return snapshot.Kind{Group: r.Group, Kind: r.Kind}
}

// Evidence cites claims: object, field, file and line.
func Evidence(claims []claim.Claim) []string {
	var out []string
	seen := map[string]bool{}
	for _, c := range claims {
		text := c.By.String() + " " + c.Origin.Field
		if c.Origin.Host != "" {
			text = seenAt(c)
		}
		if c.Origin.File != "" {
			text += fmt.Sprintf(" (%s:%d)", c.Origin.File, c.Origin.Line)
		}
		if !seen[text] {
			seen[text] = true
			out = append(out, text)
		}
	}
	return out
}

// seenAt cites a kernel: an address is on a device, all else in a table.
func seenAt(c claim.Claim) string {
	in := "in"
	if _, _, route := claimants.LocalRoute(c); !route && strings.Contains(c.Text, "/") {
		in = "on"
	}
	return fmt.Sprintf("%s: %s %s %s", c.Origin.Host, cmp.Or(c.Text, c.Range.String()), in, c.Origin.Table)
}

// Names lists who makes the claims, each once.
func Names(claims []claim.Claim) string {
	var out []string
	seen := map[string]bool{}
	for _, c := range claims {
		if n := c.By.String(); !seen[n] {
			seen[n] = true
			out = append(out, n)
		}
	}
	return explain.Names(out)
}

// ReservedFor says what the addresses are reserved for.
func ReservedFor(owners []claim.Claim) string {
	var words []string
	seen := map[string]bool{}
	for _, o := range owners {
		word := string(o.Kind)
		if w, ok := strings.CutPrefix(word, "declared."); ok {
			word = w
		}
		switch o.Kind {
		case claimants.KernelGateway.Kind:
			word = "gateway"
		case claimants.HostResolver.Kind:
			word = "dns"
		case claimants.HostTimeServer.Kind, claimants.HostEtcd.Kind, claimants.HostSession.Kind, claimants.KernelTunnelPeer.Kind, claimants.KernelNextHop.Kind:
			word = o.Owner.Name
		}
		if !seen[word] {
			seen[word] = true
			words = append(words, word)
		}
	}
	return strings.Join(words, ", ")
}
