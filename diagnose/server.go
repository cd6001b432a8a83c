// SPDX-License-Identifier: Apache-2.0

package diagnose

import (
	"fmt"
	"net/netip"
	"slices"

	"whohas/dataplane"
	"whohas/explain"
)

// apiserver is where the host looks for the apiserver, and who really answers.
func apiserver(x *examination) []Check {
	const name = "apiserver"
	if c, ok := x.notRead(name, "told"); ok && len(x.host.Configured) == 0 { // what is told is told
		return []Check{c}
	}
	var checks []Check
	seen := map[netip.AddrPort]bool{}
	for _, w := range x.host.Configured {
		to := netip.AddrPortFrom(w.IP, w.Port)
		if w.What != "apiserver" && w.What != "control-plane" || w.IP.IsValid() && (seen[to] || w.Port == 0 && x.portKnown(w.IP)) {
			continue
		}
		seen[to] = true
		checks = append(checks, x.server(name, w, to))
	}
	if len(checks) == 0 {
		return []Check{{Name: name, Outcome: Missing, Text: "no file on this host says where it is"}}
	}
	return checks
}

func (x *examination) server(name string, w dataplane.ConfiguredServer, to netip.AddrPort) Check {
	told := fmt.Sprintf("%s (%s)", place(w), x.readers(w))
	if !w.IP.IsValid() {
		return Check{Name: name, Outcome: Missing, Text: fmt.Sprintf("%s is told to go to %s, a name, which was not looked up", who(w), w.Host), Evidence: []string{told}}
	}
	i := slices.IndexFunc(x.host.Connects, func(d dataplane.ConnectResult) bool { return d.To == to })
	if i < 0 {
		return Check{Name: name, Outcome: x.unasked(to), Text: x.unaskedText(to), Evidence: []string{told}, about: to.Addr()}
	}
	d := x.host.Connects[i]
	evidence := []string{told, fmt.Sprintf("connection to %s: %s", to, d.Result)}
	if len(d.Names) > 0 {
		evidence = append(evidence, "certificate for "+explain.Names(d.Names))
	}
	c := Check{Name: name, Outcome: Problem, Evidence: evidence, about: to.Addr()}
	foreign := d.Self && x.ends(to.Addr())
	switch {
	case foreign && d.Result == "accepted":
		c.Text = fmt.Sprintf("%s is answered by this very host", to)
	case foreign:
		c.Text = fmt.Sprintf("a connection to %s ends on this very host: %s", to, d.Result)
	case d.Result == "accepted":
		c.Outcome, c.Text = OK, fmt.Sprintf("%s answers", to)
	case d.Self || to.Addr().IsLoopback():
		c.weight, c.Text = serverDown, fmt.Sprintf("nothing answers on %s of this host: %s", to, d.Result)
	default:
		c.weight, c.Text = serverDown, fmt.Sprintf("%s, another machine, does not answer: %s", to, d.Result)
	}
	return c
}

// portKnown reports whether another line names the port as well.
func (x *examination) portKnown(ip netip.Addr) bool {
	return slices.Contains(x.mine, ip) || slices.ContainsFunc(x.host.Configured, func(w dataplane.ConfiguredServer) bool {
		return w.What == "apiserver" && w.Port != 0 && w.IP == ip
	})
}

// readers names who was told the same.
func (x *examination) readers(w dataplane.ConfiguredServer) string {
	var names []string
	for _, o := range x.host.Configured {
		if o.What == w.What && o.IP == w.IP && o.Host == w.Host && o.Port == w.Port && !slices.Contains(names, who(o)) {
			names = append(names, who(o))
		}
	}
	return explain.Names(names)
}

func who(w dataplane.ConfiguredServer) string {
	if w.For == "" {
		return "somebody"
	}
	return w.For
}

func place(w dataplane.ConfiguredServer) string {
	if w.Line > 0 {
		return fmt.Sprintf("%s:%d", w.File, w.Line)
	}
	return w.File
}

// ends reports whether what the host sends to another's address ends on it.
func (x *examination) ends(ip netip.Addr) bool { return slices.Contains(x.held, ip) && !x.over(ip) }

// unasked judges an address that nobody connected to, as in a captured host: where
// the kernel would send is known all the same.
func (x *examination) unasked(to netip.AddrPort) Outcome {
	if x.ends(to.Addr()) {
		return Problem
	}
	return Missing
}

func (x *examination) unaskedText(to netip.AddrPort) string {
	if x.ends(to.Addr()) {
		return fmt.Sprintf("%s is an address that this host delivers to itself", to)
	}
	return fmt.Sprintf("%s was not asked", to)
}
