// SPDX-License-Identifier: Apache-2.0

package kubeproxy

import (
	"slices"
	"strings"

	"whohas/dataplane"
)

// Shown is the proxy that a host's kernel shows. The zero value shows none.
type Shown struct {
	Mode   dataplane.ProxyMode
	Router bool   // kube-router's, which works as IPVS mode does
	By     string // what in the kernel shows it
}

// Recognise reports a host's mode by what only that mode makes in the kernel. What an
// earlier mode left can outlive it: a device without virtual servers shows nothing, and of
// two modes neither is shown.
func Recognise(h *dataplane.Host) Shown {
	var all []Shown
	for _, device := range Devices() {
		if len(h.Servers) > 0 && slices.ContainsFunc(h.Links, func(l dataplane.Link) bool { return l.Name == device }) {
			all = append(all, Shown{dataplane.IPVS, device == RouterDevice, device + " and virtual servers"})
		}
	}
	for i := range h.Tables {
		if s := ofTable(&h.Tables[i]); s.Mode != dataplane.ModeUnknown {
			all = append(all, s)
		}
	}
	all = slices.CompactFunc(all, func(a, b Shown) bool { return a.Mode == b.Mode })
	if len(all) != 1 {
		return Shown{}
	}
	return all[0]
}

func ofTable(t *dataplane.Table) Shown {
	switch {
	case t.Backend == "nftables" && t.Name == NFTable:
		return Shown{Mode: dataplane.NFTables, By: "table " + NFTable + " of nftables"}
	case t.Backend != "nftables" && t.Name == "nat" && slices.ContainsFunc(t.Chains, func(c dataplane.Chain) bool { return strings.HasPrefix(c.Name, ServiceChainPrefix) }):
		return Shown{Mode: dataplane.IPTables, By: "chains " + ServiceChainPrefix + " in table nat"}
	}
	return Shown{}
}

// Filters reports whether a host rejects new connections to bound addresses on other ports
// than a Service's.
func Filters(h *dataplane.Host) bool {
	return slices.ContainsFunc(h.Tables, func(t dataplane.Table) bool {
		return t.Name == "filter" && slices.ContainsFunc(t.Chains, func(c dataplane.Chain) bool {
			return (c.Name == FilterChain || c.Name == RouterFilterChain) && len(c.Rules) > 0
		})
	})
}
