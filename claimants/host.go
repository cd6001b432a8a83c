// SPDX-License-Identifier: Apache-2.0

package claimants

import (
	"net/netip"
	"slices"
	"strings"

	"whohas/dataplane"
	"whohas/kubeproxy"
)

// IsClusterIP reports whether kube-proxy has an address among the ClusterIPs of a host
// . known is false
// where nobody can tell: the sets were not read, or the proxy keeps none, as
// kube-router.
func IsClusterIP(h *dataplane.Host, ip netip.Addr) (is, known bool) {
	for i := range h.Sets {
		s := &h.Sets[i]
		if !kubeproxy.IsClusterIPSet(s.Name) {
			continue
		}
		if known = true; s.Has(ip) {
			return true, true
		}
	}
	return false, known && !slices.Contains(h.Unread, "ipset")
}

// OnSubnet reports whether an address lies in a subnet of one of a host's cards: where
// other hosts are, and no ClusterIP.
func OnSubnet(h *dataplane.Host, ip netip.Addr) bool {
	return slices.ContainsFunc(h.Addresses, func(a dataplane.Address) bool {
		return !kubeproxy.IsDevice(a.Link) && !a.Prefix.IsSingleIP() && reachesNetwork(h, linkOf(h, a.Link), a) && a.Prefix.Masked().Contains(ip)
	})
}

// OwnByConfiguration reports whether a host's own configuration has an address for the
// host itself: its apiserver advertises it, its kubelet was given it, or one of the
// cluster's servers listens on it. Such a host may have lost the address from its card,
// since ifup finds it taken, and is its owner all the same.
func OwnByConfiguration(h *dataplane.Host, ip netip.Addr) bool {
	for _, w := range h.Configured {
		if w.What == "apiserver" && w.For == "kube-apiserver" && plain(w.IP) == ip {
			return true
		}
	}
	for _, a := range h.Agents {
		for _, flag := range []string{"advertise-address", "node-ip"} {
			for text := range strings.SplitSeq(a.Flags[flag], ",") {
				if own, err := netip.ParseAddr(strings.TrimSpace(text)); err == nil && own.Unmap() == ip {
					return true
				}
			}
		}
	}
	return slices.ContainsFunc(h.Listeners, func(l dataplane.Listener) bool {
		return plain(l.IP) == ip && slices.Contains([]string{"kube-apiserver", "etcd", "kubelet"}, l.Process)
	})
}
