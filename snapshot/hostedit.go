// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"fmt"
	"net/netip"
	"slices"

	"whohas/command"
	"whohas/dataplane"
)

// HostEdit takes an address from a host: off a device, or, where no device has
// it, out of a routing table.
type HostEdit struct {
	Host   string
	Link   string       // the device, or the device of the route
	Prefix netip.Prefix // as it stands there: 192.168.10.114/32
	Table  int          // of a route of type local; 0: the address is on Link
}

func (e *HostEdit) command() command.Line {
	if e.Table == 0 {
		return command.DeleteAddress(e.Prefix, e.Link)
	}
	return command.DeleteLocalRoute(e.Prefix, e.Link, e.Table)
}

// applyHost edits a host. With an address goes its route in the local table
// (linux net/ipv4/fib_frontend.c fib_del_ifaddr).
func (s *Snapshot) applyHost(e *HostEdit) error {
	at := slices.IndexFunc(s.Hosts, func(h dataplane.Host) bool { return h.Name == e.Host })
	if at < 0 {
		return fmt.Errorf("edit host %s: no such host", e.Host)
	}
	h := s.Hosts[at]
	table := e.Table
	had := len(h.Addresses) + len(h.Routes)
	if table == 0 {
		table = dataplane.TableLocal
		h.Addresses = slices.DeleteFunc(slices.Clone(h.Addresses), func(a dataplane.Address) bool { return a.Link == e.Link && a.Prefix == e.Prefix })
		if len(h.Addresses) == len(s.Hosts[at].Addresses) {
			return fmt.Errorf("edit host %s: %s is not on %s", e.Host, e.Prefix, e.Link)
		}
	}
	h.Routes = slices.DeleteFunc(slices.Clone(h.Routes), func(r dataplane.Route) bool {
		return r.Table == table && r.Type == "local" && r.Link == e.Link && r.To.IsSingleIP() && r.To.Addr() == e.Prefix.Addr()
	})
	if len(h.Addresses)+len(h.Routes) == had {
		return fmt.Errorf("edit host %s: no local route to %s in table %d", e.Host, e.Prefix, table)
	}
	s.Hosts[at] = h
	return nil
}
