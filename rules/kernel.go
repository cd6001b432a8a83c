// SPDX-License-Identifier: Apache-2.0

package rules

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"whohas/bypass"
	"whohas/claim"
	"whohas/claimants"
	"whohas/cluster"
	"whohas/dataplane"
	"whohas/explain"
	"whohas/kubeproxy"
	"whohas/rule"
	"whohas/snapshot"
)

// theft is who holds an address that is another's, and what shows whose it is.
type theft struct{ held, owners []claim.Claim }

// stolen finds out of the hosts that deliver the key's address to themselves those
// that have no right to it.
func stolen(p *rule.Pass) theft {
	return takenFrom(p, claimants.KernelServiceAddress.Kind, claimants.KernelLocalRoute.Kind)
}

// takenFrom finds out of the hosts with claims of some kinds on the key's address those
// that have no right to it.
func takenFrom(p *rule.Pass, kinds ...claim.Kind) theft {
	var t theft
	owner := func(c *claim.Claim) bool {
		return c.Role&(claim.Host|claim.Tunnel|claim.ControlPlane|claim.Reserved) != 0 && c.Range == p.Key.Range
	}
	if !p.Key.Range.IsSingle() || !p.Any(owner) {
		return t
	}
	on := onKey(p, ^claim.Roles(0))
	r := rightsOn(on)
	for _, h := range ofKind(on, kinds...) {
		owners := ownersAgainst(p, h, r)
		if len(owners) == 0 {
			continue
		}
		t.held = append(t.held, h)
		if !sameClaims(t.owners, owners) { // mostly each host holds it against the same
			t.owners = append(t.owners, owners...)
		}
	}
	slices.SortFunc(t.owners, claim.Compare)
	t.owners = slices.CompactFunc(t.owners, func(a, b claim.Claim) bool { return claim.Compare(a, b) == 0 })
	return t
}

// passedOver parts the hosts that hold the key's address: those that deliver it to
// themselves, and those that pass over it by a routing rule.
func passedOver(p *rule.Pass, held []claim.Claim) (at, over []claim.Claim) {
	for _, h := range held {
		host := p.Objects.Host(h.Origin.Host)
		passes := false
		if host != nil {
			_, passes = bypass.Over(host, p.Key.Range.From)
		}
		if passes {
			over = append(over, h)
		} else {
			at = append(at, h)
		}
	}
	return at, over
}

func sameClaims(a, b []claim.Claim) bool {
	return len(a) > 0 && len(a) == len(b) && (&a[0] == &b[0] || slices.EqualFunc(a, b, func(x, y claim.Claim) bool { return claim.Compare(x, y) == 0 }))
}

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
	if r.whose = inRole(on, claim.Host); len(r.whose) == 0 {
		r.whose = inRole(on, claim.Tunnel)
	}
	for _, o := range r.whose {
		r.own[o.Owner] = true
	}
	return r
}

// onKey lists the claims in some roles on exactly the key's range.
func onKey(p *rule.Pass, roles claim.Roles) []claim.Claim {
	return slices.DeleteFunc(p.Others(roles), func(c claim.Claim) bool { return c.Range != p.Key.Range })
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
	if !byProxy || len(inRole(on, claim.ControlPlane|claim.Reserved)) == 0 || r.onLo[h.By] || slices.ContainsFunc(on, ofAPI) {
		return nil
	}
	host := p.Objects.Host(h.Origin.Host)
	servers := serversOf(host, p.Key.Range.From)
	serves := func(ports ...uint16) bool {
		return slices.ContainsFunc(servers, func(v dataplane.VirtualServer) bool { return slices.Contains(ports, v.Port) })
	}
	machine := isMachines(host, p.Key.Range.From)
	if planes := withoutHostsWord(inRole(on, claim.ControlPlane), machine); len(planes) > 0 && !balanceAPI(p, host, servers) {
		return planes
	}
	return slices.DeleteFunc(inRole(on, claim.Reserved), func(o claim.Claim) bool {
		switch o.Kind {
		case claimants.KernelGateway.Kind:
			return o.By != h.By // another host's gateway may be a router of this one's
		case claimants.StorageServer.Kind: // which may be a Service of this cluster
			return serves(storagePorts...)
		case claimants.HostResolver.Kind: // and so may the DNS server
			return serves(dnsPort) || !machine || slices.Contains(host.Unread, "ipvs")
		case claimants.HostTimeServer.Kind:
			return serves(ntpPort) || !machine || slices.Contains(host.Unread, "ipvs")
		case claimants.HostEtcd.Kind:
			return !machine
		}
		return false
	})
}

const (
	dnsPort = 53
	ntpPort = 123
)

// isMachines tells whether an address that a host's files speak of can be a machine's,
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

// serversOf lists a host's virtual servers on an address.
func serversOf(h *dataplane.Host, ip netip.Addr) []dataplane.VirtualServer {
	var out []dataplane.VirtualServer
	if h == nil {
		return nil
	}
	for _, v := range h.Servers {
		if v.Mark == 0 && v.IP.Unmap() == ip {
			out = append(out, v)
		}
	}
	return out
}

// sights is where claims of kernels were seen.
func sights(held []claim.Claim) []explain.Sight {
	var out []explain.Sight
	seen := map[string]bool{}
	for _, h := range held {
		if !seen[h.Origin.Host] {
			seen[h.Origin.Host] = true
			out = append(out, explain.Sight{Host: h.Origin.Host, Evidence: evidence([]claim.Claim{h})[0]})
		}
	}
	return out
}

// takers are the claimants of a takeover: who takes, from whom, and the kernels
// that show it. What a kernel holds it holds on behalf of who takes.
func takers(p *rule.Pass, intruders, owners []claim.Claim) []rule.Claimant {
	held := slices.Clone(stolen(p).held)
	for i := range held {
		held[i].Owner = intruders[0].Owner
	}
	return claimantsOf(intruders, owners, held)
}

func claimantsOf(intruders, owners, witnesses []claim.Claim) []rule.Claimant {
	return slices.Concat(rule.Claimants(rule.Intruder, intruders...), rule.Claimants(rule.Owner, owners...), rule.Claimants(rule.Witness, witnesses...))
}

// listens names what is known to listen on the key's address.
func listens(p *rule.Pass) map[snapshot.Port]string {
	out := map[snapshot.Port]string{}
	for _, l := range p.Others(claim.Listener) {
		if l.Kind != claimants.KernelListener.Kind {
			continue
		}
		name, ok := strings.CutPrefix(l.Origin.Table, "socket of ")
		if !ok {
			name = "a listener of the host"
		}
		for _, port := range l.Ports {
			out[port] = name
		}
	}
	return out
}

// hostNames lists the hosts that claims were seen on, each once, sorted.
func hostNames(held []claim.Claim) []string {
	var out []string
	for _, h := range held {
		out = append(out, h.Origin.Host)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// ipsetNotes tell which field of a Service brought an address, by the set that
// kube-proxy put it in (kubernetes pkg/proxy/ipvs/ipset.go).
func ipsetNotes(p *rule.Pass, held []claim.Claim) []explain.Link {
	ip := p.Key.Range.From
	brought := map[string][]string{}
	for _, name := range hostNames(held) {
		sets := p.Objects.Host(name).Sets
		for i := range sets {
			s := &sets[i]
			if field := kubeproxy.SetField(s.Name); field != "" && s.Has(ip) {
				brought[field] = append(brought[field], fmt.Sprintf("%s: ipset %s", name, s.Name))
			}
		}
	}
	var notes []explain.Link
	for _, field := range []string{kubeproxy.FieldExternalIP, kubeproxy.FieldLoadBalancer, kubeproxy.FieldClusterIP} {
		if by := brought[field]; len(by) > 0 {
			notes = append(notes, explain.Link{Text: "it came through " + field + " of a Service", Evidence: by[:min(len(by), 4)]})
		}
	}
	return notes
}

// serverNotes tell where hosts lead the address's traffic.
func serverNotes(p *rule.Pass, held []claim.Claim) []explain.Link {
	var notes []explain.Link
	byText := map[string]int{}
	for _, name := range hostNames(held) {
		for _, v := range serversOf(p.Objects.Host(name), p.Key.Range.From) {
			text := fmt.Sprintf("IPVS leads %s to %s", netip.AddrPortFrom(v.IP, v.Port), realServers(v))
			i, ok := byText[text]
			if !ok {
				i = len(notes)
				byText[text] = i
				notes = append(notes, explain.Link{Text: text})
			}
			if e := "virtual server on " + name; len(notes[i].Evidence) < 4 {
				notes[i].Evidence = append(notes[i].Evidence, e)
			}
		}
	}
	return notes
}

func realServers(v dataplane.VirtualServer) string {
	if len(v.Servers) == 0 {
		return "no real server: whoever comes is refused"
	}
	texts := make([]string, len(v.Servers))
	for i, r := range v.Servers {
		texts[i] = netip.AddrPortFrom(r.IP, r.Port).String()
	}
	return explain.Names(texts)
}

// rejects reports whether a host that was read rejects new connections to bound addresses
// on other ports than a Service's.
func rejects(h *dataplane.Host) bool { return h != nil && kubeproxy.Filters(h) }

// ownerText says whose an address is.
func ownerText(p *rule.Pass, owners []claim.Claim) (text, is string, loses []string) {
	switch o := owners[0]; o.Role {
	case claim.Host:
		return fmt.Sprintf("belongs to %s %s", nodeOrHost(p, owners), nodeNames(owners)), "the node", nil
	case claim.Tunnel:
		return fmt.Sprintf("is the tunnel address of %s", nodeNames(owners)), "the tunnel of " + nodeNames(owners), []string{"tunnel"}
	case claim.ControlPlane:
		return "is the control plane's address", "the control plane", []string{"apiserver"}
	default:
		what := reservedFor(owners)
		return fmt.Sprintf("is reserved (%s)", what), "whoever has the reserved address", strings.Split(what, ", ")
	}
}

func deviceOf(held []claim.Claim) string {
	for _, h := range held {
		if h.Kind == claimants.KernelServiceAddress.Kind {
			return h.Origin.Table
		}
	}
	return cmp.Or(held[0].Origin.Table, "lo")
}
