// SPDX-License-Identifier: Apache-2.0

package bypass

import (
	"net/netip"
	"slices"

	"whohas/command"
	"whohas/dataplane"
)

// Usual is a host with the rules that the kernel makes, and a default route: what most
// hosts are that were not read.
func Usual(ip netip.Addr) *dataplane.Host {
	h := &dataplane.Host{Routes: []dataplane.Route{{Table: dataplane.TableMain, Type: "unicast", To: netip.PrefixFrom(ip, 0).Masked()}}}
	for _, family := range []int{4, 6} {
		h.Rules = append(h.Rules,
			dataplane.Rule{Family: family, Priority: 0, Table: dataplane.TableLocal},
			dataplane.Rule{Family: family, Priority: 32766, Table: dataplane.TableMain})
	}
	return h
}

// Commands are what a person types on a host to pass over its local table for an address,
// and to take that back. put is zero where the host does it already. Of a host whose rules
// were not read, the kernel's own are assumed.
func Commands(h *dataplane.Host, ip netip.Addr) (put, back command.Line, err error) {
	if h == nil || !slices.ContainsFunc(h.Rules, func(r dataplane.Rule) bool { return r.Family == familyOf(ip) }) {
		h = Usual(ip)
	}
	changes, err := Put(h, Repair, ip)
	if err != nil {
		return put, back, err
	}
	if len(changes) > 0 {
		put = Lines(changes)
	}
	if undo := Take(After(h, changes), Repair, ip); len(undo) > 0 {
		back = Lines(undo)
	}
	return put, back, nil
}

// After is a host as it is when changes have been made. The host itself stays as it is.
func After(h *dataplane.Host, changes []Change) *dataplane.Host {
	after := *h
	after.Rules, after.Routes = slices.Clone(h.Rules), slices.Clone(h.Routes)
	for _, c := range changes {
		rule, route := c.Rule, c.Route
		switch {
		case route.Table != 0 && c.Take:
			after.Routes = slices.DeleteFunc(after.Routes, func(r dataplane.Route) bool { return r == route })
		case route.Table != 0:
			after.Routes = append(after.Routes, route)
		case !c.Take:
			after.Rules = put(after.Rules, rule)
		default:
			if i := slices.Index(after.Rules, rule); i >= 0 {
				after.Rules = slices.Delete(after.Rules, i, i+1)
			}
		}
	}
	return &after
}
