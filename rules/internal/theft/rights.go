// SPDX-License-Identifier: Apache-2.0

package theft

import (
	"net/netip"
	"slices"

	"whohas/claim"
	"whohas/claimants"
	"whohas/cluster"
	"whohas/dataplane"
	"whohas/rule"
	"whohas/rules/internal/pick"
	"whohas/snapshot"
)

// rights is what shows who may hold an address, looked up for each of the many hosts
// that do.
type rights struct {
	on       []claim.Claim
	onDevice map[snapshot.Ref]bool // hosts that have it on a card
	onLo     map[snapshot.Ref]bool // hosts that have it by a local route
	whose    []claim.Claim         // nodes' own, else tunnels'
	own      map[snapshot.Ref]bool // their owners
}

func rightsOn(on []claim.Claim) rights {
	r := rights{on: on, onDevice: map[snapshot.Ref]bool{}, onLo: map[snapshot.Ref]bool{}, own: map[snapshot.Ref]bool{}}
	for _, c := range on {
		switch c.Kind {
		case claimants.KernelAddress.Kind:
			r.onDevice[c.By] = true
		case claimants.KernelLocalRoute.Kind:
			r.onLo[c.By] = true
		}
	}
	if r.whose = pick.InRole(on, claim.Host); len(r.whose) == 0 {
		r.whose = pick.InRole(on, claim.Tunnel)
	}
	for _, o := range r.whose {
		r.own[o.Owner] = true
	}
	return r
}

// ownersAgainst lists the claims that show that what a host holds is another's.
func ownersAgainst(p *rule.Pass, h claim.Claim, r rights) []claim.Claim {
	switch {
	case r.onDevice[h.By] || claimants.OwnByConfiguration(p.Objects.Host(h.Origin.Host), p.Key.Range.From):
		return nil // its own, or a virtual IP that it holds now
	case r.own[h.Owner]:
		return nil
	case len(r.whose) > 0:
		return r.whose
	}
	return ownersElsewhere(p, h, r)
}

// ownersElsewhere judges addresses that no node has for itself. On lo a host may
// have them on purpose: behind a balancer that leaves the destination as it is, or
// as one of many that announce it. On a service device it has them for a Service.
func ownersElsewhere(p *rule.Pass, h claim.Claim, r rights) []claim.Claim {
	on := r.on
	byProxy := h.Kind == claimants.KernelServiceAddress.Kind || h.Kind == claimants.KernelAwaitedAddress.Kind
	if !byProxy || len(pick.InRole(on, claim.ControlPlane|claim.Reserved)) == 0 || r.onLo[h.By] || slices.ContainsFunc(on, ofAPI) {
		return nil
	}
	host := p.Objects.Host(h.Origin.Host)
	servers := ServersOf(host, p.Key.Range.From)
	serves := func(ports ...uint16) bool {
		return slices.ContainsFunc(servers, func(v dataplane.VirtualServer) bool { return slices.Contains(ports, v.Port) })
	}
	machine := isMachines(host, p.Key.Range.From)
	if planes := withoutHostsWord(pick.InRole(on, claim.ControlPlane), machine); len(planes) > 0 && !BalanceAPI(p, host, servers) {
		return planes
	}
	return slices.DeleteFunc(pick.InRole(on, claim.Reserved), func(o claim.Claim) bool {
		switch o.Kind {
		case claimants.KernelGateway.Kind:
			return o.By != h.By // another host's gateway may be a router of this one's
		case claimants.StorageServer.Kind: // which may be a Service of this cluster
			return serves(StoragePorts...)
		case claimants.HostResolver.Kind: // and so may the DNS server
			return serves(DNSPort) || !machine || slices.Contains(host.Unread, "ipvs")
		case claimants.HostTimeServer.Kind:
			return serves(NTPPort) || !machine || slices.Contains(host.Unread, "ipvs")
		case claimants.HostEtcd.Kind:
			return !machine
		}
		return false
	})
}

// Ports of resolvers and time servers.
const (
	DNSPort = 53
	NTPPort = 123
)

// isMachines reports whether an address that a host's files speak of can be a machine's,
// and not a Service's: a network plugin's kubeconfig names the apiserver by its ClusterIP,
// and resolv.conf may name the cluster's DNS. Where the ClusterIPs are not known it must
// be in a subnet of the host's own.
func isMachines(h *dataplane.Host, ip netip.Addr) bool {
	is, known := claimants.IsClusterIP(h, ip)
	return !is && (known || claimants.OnSubnet(h, ip))
}

// withoutHostsWord leaves out what only hosts' files say of an address that may be a
// Service's.
func withoutHostsWord(planes []claim.Claim, machine bool) []claim.Claim {
	return slices.DeleteFunc(planes, func(o claim.Claim) bool { return !machine && o.Kind == claimants.HostServer.Kind })
}

// ofAPI tells the apiserver's own Service, whose ClusterIP kube-proxy may be told to
// reach the apiserver at.
func ofAPI(c claim.Claim) bool {
	return c.Role == claim.ClusterIP && c.Owner == cluster.ServiceKind.Ref("default", "kubernetes")
}

// StoragePorts are where NFS, iSCSI and Ceph are served.
var StoragePorts = []uint16{2049, 3260, 3300, 6789}
