// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"cmp"
	"slices"
	"strings"

	"whohas/dataplane"
	"whohas/snapshot"
)

// sighting is the proxy mode that a host's kernel shows, and by what.
type sighting struct {
	host   string
	mode   dataplane.ProxyMode
	router bool // kube-router's, which works as IPVS mode does
	sign   string
}

// sightings are the hosts that show a mode, by name. A host that shows none, or
// of which the tables could not be read, says nothing.
type sightings []sighting

func observe(hosts []dataplane.Host) sightings {
	var out sightings
	for i := range hosts {
		if s, ok := sight(&hosts[i]); ok {
			out = append(out, s)
		}
	}
	return out
}

// sight tells a host's mode by what only that mode makes in the kernel. What an
// earlier mode left can outlive it: a device without virtual servers is no sign,
// and of two signs none is.
func sight(h *dataplane.Host) (sighting, bool) {
	var signs []sighting
	for _, device := range []string{"kube-ipvs0", "kube-dummy-if"} {
		if len(h.Servers) > 0 && slices.ContainsFunc(h.Links, func(l dataplane.Link) bool { return l.Name == device }) {
			signs = append(signs, sighting{h.Name, dataplane.IPVS, device == "kube-dummy-if", device + " and virtual servers"})
		}
	}
	for i := range h.Tables {
		if mode, sign := tableSign(&h.Tables[i]); mode != dataplane.ModeUnknown {
			signs = append(signs, sighting{host: h.Name, mode: mode, sign: sign})
		}
	}
	signs = slices.CompactFunc(signs, func(a, b sighting) bool { return a.mode == b.mode })
	if len(signs) != 1 {
		return sighting{}, false
	}
	return signs[0], true
}

// ShownMode is the proxy mode that a host's kernel shows, and by what; unknown where
// it shows none, or two.
func ShownMode(h *dataplane.Host) (mode dataplane.ProxyMode, sign string) {
	s, _ := sight(h)
	return s.mode, s.sign
}

// tableSign: IPVS mode has a chain KUBE-SERVICES as well, but no KUBE-SVC- chains
// (kubernetes pkg/proxy/ipvs/proxier.go iptablesChains), and nftables mode has a
// table of its own (pkg/proxy/nftables/proxier.go kubeProxyTable).
func tableSign(t *dataplane.Table) (dataplane.ProxyMode, string) {
	switch {
	case t.Backend == "nftables" && t.Name == "kube-proxy":
		return dataplane.NFTables, "table kube-proxy of nftables"
	case t.Backend != "nftables" && t.Name == "nat" && slices.ContainsFunc(t.Chains, func(c dataplane.Chain) bool { return strings.HasPrefix(c.Name, "KUBE-SVC-") }):
		return dataplane.IPTables, "chains KUBE-SVC- in table nat"
	}
	return dataplane.ModeUnknown, ""
}

// agreed is the mode that all of them show, or unknown.
func (s sightings) agreed() dataplane.ProxyMode {
	mode := s[0].mode
	for _, one := range s[1:] {
		if one.mode != mode {
			return dataplane.ModeUnknown
		}
	}
	return mode
}

// corrects tells whether what hosts show beats a configured mode: an older
// kube-proxy silently falls back to iptables where a module of ipvs is missing (seen
// with 1.25.9 without ip_vs_wrr), and one that was not restarted runs as it was told
// before. What an eBPF proxy replaced may still lie about, and says nothing.
func (s sightings) corrects(configured dataplane.ProxyMode) bool {
	return len(s) > 0 && configured != dataplane.EBPF && s.agreed() != configured
}

// observed concludes the mode from hosts.
func (f *Facts) observed(s sightings, but string) {
	first := s[0]
	f.Mode = s.agreed()
	from := "host " + first.host + ": " + first.sign
	if f.Mode == dataplane.ModeUnknown {
		other := s[slices.IndexFunc(s, func(o sighting) bool { return o.mode != first.mode })]
		from += " (" + first.mode.String() + "), but host " + other.host + ": " + other.sign + " (" + other.mode.String() + ")"
	} else {
		f.ModeFrom = from + but
	}
	f.KubeRouter = f.Mode == dataplane.IPVS && slices.ContainsFunc(s, func(o sighting) bool { return o.router })
	f.conclude("proxy mode", f.Mode.String(), cmp.Or(f.ModeFrom, from+but), snapshot.Origin{})
}
