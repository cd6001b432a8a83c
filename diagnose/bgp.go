// SPDX-License-Identifier: Apache-2.0

package diagnose

import (
	"fmt"
	"net/netip"
	"slices"

	"whohas/cluster"
	"whohas/dataplane"
	"whohas/explain"
)

// bgp looks at the sessions of the host's routing daemon.
func bgp(x *examination) []Check {
	const name = "bgp"
	if c, ok := x.notRead(name, "sessions"); ok && len(x.host.Sessions) == 0 {
		return []Check{c}
	}
	if len(x.host.Sessions) == 0 {
		return []Check{{Name: name, Outcome: OK, Text: "no routing daemon with sessions runs here"}}
	}
	var up int
	var checks []Check
	for _, s := range x.host.Sessions {
		if s.State == "Established" {
			up++
			continue
		}
		c := Check{Name: name, Outcome: Problem, weight: byItself, about: s.Peer,
			Text: fmt.Sprintf("the session with %s is not up: %s", s.Peer, s.State), Evidence: []string{s.Speaker + ": " + s.Name}}
		if s.Error != "" {
			c.Evidence = append(c.Evidence, "last error: "+s.Error)
		}
		checks = append(checks, c)
	}
	if up > 0 || len(checks) == 0 {
		checks = append(checks, Check{Name: name, Outcome: OK, Text: plural(up, "session is", "sessions are") + " up"})
	}
	return checks
}

// tunnel looks at the device that carries Pods' traffic, and its routes. One whose
// routes are gone has not vanished: they go with the sessions (semantics of BIRD), and
// the device with the network plugin's data store.
func tunnel(x *examination) []Check {
	const name = "tunnel"
	if c, ok := x.notRead(name, "links", "routes"); ok {
		return []Check{c}
	}
	i := slices.IndexFunc(x.host.Links, func(d dataplane.Link) bool {
		return d.Name == "tunl0" && x.Facts.CNI.Encap == cluster.IPIP || d.Kind == "vxlan" || d.Kind == "wireguard"
	})
	if i < 0 {
		return []Check{{Name: name, Outcome: OK, Text: "no tunnel for Pods' traffic is known here"}}
	}
	d := x.host.Links[i]
	through := 0
	for _, r := range x.host.Routes {
		if r.Link == d.Name && r.Type == "unicast" {
			through++
		}
	}
	if !d.Up && through == 0 && !x.hasAddress(d.Name) { // the kernel's own, which nobody has set up
		return []Check{{Name: name, Outcome: OK, Text: d.Name + " is there and not in use"}}
	}
	if !d.Up {
		return []Check{{Name: name, Outcome: Problem, Text: d.Name + " is down", weight: weakSign}}
	}
	var lost []string
	for _, s := range x.host.Sessions {
		if s.State != "Established" && d.Name == "tunl0" && !x.routeVia(s.Peer) {
			lost = append(lost, s.Peer.String())
		}
	}
	if len(lost) > 0 {
		return []Check{{Name: name, Outcome: Problem, Text: fmt.Sprintf("no route leads through %s to %s", d.Name, explain.Names(lost)), weight: byItself, about: netipOf(lost[0]),
			Evidence: []string{plural(through, "route leads", "routes lead") + " through " + d.Name}}}
	}
	return []Check{{Name: name, Outcome: OK, Text: fmt.Sprintf("%s is up; %s through it", d.Name, plural(through, "route leads", "routes lead"))}}
}

func (x *examination) hasAddress(link string) bool {
	return slices.ContainsFunc(x.host.Addresses, func(a dataplane.Address) bool { return a.Link == link })
}

func (x *examination) routeVia(ip netip.Addr) bool {
	return slices.ContainsFunc(x.host.Routes, func(r dataplane.Route) bool { return r.Via.IsValid() && r.Via == ip })
}

func netipOf(text string) netip.Addr {
	ip, _ := netip.ParseAddr(text)
	return ip.Unmap()
}
