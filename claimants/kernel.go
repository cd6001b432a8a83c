// SPDX-License-Identifier: Apache-2.0

package claimants

import (
	"net/netip"
	"slices"

	"whohas/claim"
	"whohas/cluster"
	"whohas/dataplane"
	"whohas/kubeproxy"
	"whohas/snapshot"
)

// HostRef names a host that says what its kernel holds: not its Node, which is an
// object and may say something else.
func HostRef(name string) snapshot.Ref { return snapshot.Ref{Kind: "Host", Name: name} }

// kernelClaim is what every claim of a host has in common: it is made on behalf of
// the Node of that name and is effective on that host.
func kernelClaim(h *dataplane.Host, ip netip.Addr, table string) claim.Claim {
	return claim.Claim{
		Range: claim.Single(ip), Owner: cluster.NodeKind.Ref("", h.Name), Scope: claim.Scope{Host: h.Name},
		Origin: snapshot.Origin{Host: h.Name, Table: table},
	}
}

// plain is an address without a zone: claims have none.
func plain(ip netip.Addr) netip.Addr { return ip.WithZone("") }

func linkOf(h *dataplane.Host, name string) dataplane.Link {
	for _, l := range h.Links {
		if l.Name == name {
			return l
		}
	}
	return dataplane.Link{Name: name, Kind: "unknown"}
}

// tunnelKinds are the devices that packets leave in other packets.
var tunnelKinds = []string{"ipip", "sit", "ip6tnl", "gre", "gretap", "ip6gre", "vxlan", "geneve", "wireguard"}

// isTunnel tells the devices of network plugins that carry Pods' traffic.
// cilium_host is a veth pair's end that holds the router's address.
func isTunnel(l dataplane.Link) bool {
	return slices.Contains(tunnelKinds, l.Kind) || l.Name == "cilium_host"
}

// isDummy tells the devices that lead nowhere: an address there is delivered to
// the host itself and to no wire.
func isDummy(l dataplane.Link) bool { return l.Name == "lo" || l.Kind == "dummy" }

// cardKinds are the devices by which a host is on a network, beside cards.
var cardKinds = []string{"", "bond", "team", "vlan", "macvlan", "ipvlan", "ipoib"}

func isCard(l dataplane.Link) bool { return l.Name != "lo" && slices.Contains(cardKinds, l.Kind) }

// reachesNetwork reports whether a host has its own addresses on a device: a card, a
// bridge around one, whatever carries the default route, and the veth by which a
// container is on a subnet. docker0 and cni0 are bridges without a card, and the
// veths that lead to containers have no address or a /32 (cni plugins/main/ptp).
func reachesNetwork(h *dataplane.Host, l dataplane.Link, a dataplane.Address) bool {
	switch {
	case isCard(l), carriesDefault(h, l.Name):
		return true
	case l.Kind == "veth" && l.Master == "":
		return !a.Prefix.IsSingleIP()
	case l.Kind != "bridge":
		return false
	}
	return slices.ContainsFunc(h.Links, func(port dataplane.Link) bool { return port.Master == l.Name && isCard(port) })
}

func carriesDefault(h *dataplane.Host, link string) bool {
	return slices.ContainsFunc(h.Routes, func(r dataplane.Route) bool { return isDefault(r) && r.Link == link })
}

// isDefault tells the routes that everything without a better one takes. Other
// tables are for some traffic only.
func isDefault(r dataplane.Route) bool {
	return r.Type == "unicast" && (r.Table == dataplane.TableMain || r.Table == dataplane.TableDefault) && (!r.To.IsValid() || r.To.Bits() == 0)
}

// borrowed reports whether an address that stands on a card is no host's own: VRRP
// and kube-vip put a virtual IP there, as a /32 or /128 beside the host's own
// address (keepalived vrrp_ipaddress.c; kube-vip pkg/vip/address.go), keepalived
// also with the subnet's length, which the kernel then calls secondary, or on a
// macvlan of its own (use_vmac). One that packets are sent from by default is the
// host's own, and so is one of IPv6 that has a lifetime: DHCPv6 gives a /128.
func borrowed(h *dataplane.Host, a dataplane.Address, l dataplane.Link) bool {
	ip := plain(a.Prefix.Addr())
	full := a.Prefix.IsSingleIP()
	switch {
	case a.Failed:
		return true
	case isSource(h, ip), ip.Is6() && (a.Dynamic || !full):
		return false
	case full && (l.Kind == "macvlan" || l.Kind == "ipvlan"):
		return !carriesDefault(h, l.Name)
	}
	return a.Secondary || full && slices.ContainsFunc(h.Addresses, func(o dataplane.Address) bool {
		other := plain(o.Prefix.Addr())
		return o.Link == a.Link && other != ip && other.Is4() == ip.Is4() && ofOneHost(other)
	})
}

// isSource reports whether a route names an address as what packets are sent from.
func isSource(h *dataplane.Host, ip netip.Addr) bool {
	return slices.ContainsFunc(h.Routes, func(r dataplane.Route) bool {
		return r.Table == dataplane.TableMain && isDefault(r) && r.Source.IsValid() && plain(r.Source) == ip
	})
}

// ownAddresses are the addresses that are the host's and nobody else's.
func ownAddresses(h *dataplane.Host) []netip.Addr {
	var own []netip.Addr
	for _, a := range h.Addresses {
		if ip := plain(a.Prefix.Addr()); ofOneHost(ip) && addressRole(h, a) == claim.Host {
			own = append(own, ip)
		}
	}
	return own
}

// addressRole is what an address on a device means.
func addressRole(h *dataplane.Host, a dataplane.Address) claim.Role {
	l := linkOf(h, a.Link)
	switch {
	case kubeproxy.IsDevice(l.Name), isDummy(l):
	case isTunnel(l):
		return claim.Tunnel
	case reachesNetwork(h, l, a) && !borrowed(h, a, l):
		return claim.Host
	}
	return claim.Observed
}
