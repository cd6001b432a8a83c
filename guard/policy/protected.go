// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"whohas/claim"
	"whohas/claimants"
	"whohas/cluster"
	"whohas/explain"
	"whohas/snapshot"
)

// protected is whose the addresses are that no Service may take.
type protected struct {
	at     map[netip.Addr][]part
	ranges map[claim.Range][]part
	// nodes are those that a policy with Nodes as parameters reads from their Node.
	nodes map[placed]bool
}

// placed is a part at its place.
type placed struct {
	claim.Range
	part
}

// part is one owner of an address, in one role, as the policy needs to know it.
type part struct {
	role  string
	ports string // what they mean depends on the role
	owner string
}

// The roles of parts.
const (
	roleHost     = "host"     // ports: on which this host listens beside what all do
	roleListener = "listen"   // the same, where the policy reads the host from its Node
	roleAPI      = "api"      // ports: the apiserver's
	roleHostAPI  = "hostapi"  // the same at a host's own address, where only these ports count (WH106)
	roleTunnel   = "tunnel"   //
	roleReserved = "reserved" // ports: a Service with one of these is the server itself (WH108)
)

// String is the part in the policy: ROLE|PORTS|OWNER.
func (p part) String() string { return p.role + "|" + p.ports + "|" + p.owner }

// text joins the parts of an address.
func text(parts []part) string {
	var out []string
	for _, p := range parts {
		out = append(out, p.String())
	}
	slices.Sort(out)
	return strings.Join(slices.Compact(out), ";")
}

func (p protected) empty() bool { return len(p.at) == 0 && len(p.ranges) == 0 }

// protect gathers the claims of those who own addresses.
func protect(in Input) protected {
	p := protected{at: map[netip.Addr][]part{}, ranges: map[claim.Range][]part{}, nodes: map[placed]bool{}}
	hosts := map[claim.Range][]claim.Claim{}
	apis := map[claim.Range]bool{}
	for c := range in.Claims.In(claim.Host | claim.ControlPlane) {
		if c.Role == claim.Host {
			hosts[c.Range] = append(hosts[c.Range], c)
		} else {
			apis[c.Range] = true
		}
	}
	for c := range in.Claims.In(claim.Host | claim.ControlPlane | claim.Tunnel | claim.Reserved) {
		if !c.Range.IsValid() || c.Kind == claimants.KernelNextHop.Kind && len(hosts[c.Range]) > 0 {
			continue // the rules on nodes know more of a next hop that is a node (WH108 knownBetter)
		}
		own := part{role: roleHost, owner: plain(ownerName(c))}
		switch c.Role {
		case claim.Host:
			own.ports = listened(in, c.Range, hosts[c.Range], apis)
		case claim.ControlPlane:
			own.role, own.ports = roleAPI, portTexts(c.Ports)
			if len(hosts[c.Range]) > 0 {
				own.role = roleHostAPI
			}
		case claim.Tunnel:
			own.role = roleTunnel
		case claim.Reserved:
			own.role, own.ports = roleReserved, servedPorts(c.Kind)
		}
		p.add(c, own)
	}
	return p
}

func (p protected) add(c claim.Claim, own part) {
	if readFromNode(c) {
		p.nodes[placed{c.Range, own}] = true
	}
	if c.Range.IsSingle() {
		p.at[c.Range.From] = append(p.at[c.Range.From], own)
	} else {
		p.ranges[c.Range] = append(p.ranges[c.Range], own)
	}
}

// ownerName is a node's name alone, and others' with their kind.
func ownerName(c claim.Claim) string {
	switch {
	case c.Owner.Kind == cluster.NodeKind.Kind && c.Owner.Group == "":
		return c.Owner.Name
	case c.Role == claim.ControlPlane:
		return c.By.String()
	case c.Role == claim.Reserved && c.Owner.Kind == "Reserved":
		return c.Owner.Name
	}
	return c.Owner.String()
}

// plain takes out of a name what means something in the policy's texts.
func plain(name string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(";|'\\", r) || r < ' ' || r == 0x7f {
			return '_'
		}
		return r
	}, name)
}

// servedPorts are the ports with which a Service at a reserved address is taken for
// the server itself (rules/wh108_claims_reserved.go notTheServer).
func servedPorts(k claim.Kind) string {
	switch k {
	case claimants.StorageServer.Kind:
		return "2049,3260,3300,6789"
	case claimants.HostResolver.Kind:
		return "53"
	case claimants.HostTimeServer.Kind:
		return "123"
	}
	return ""
}

func portTexts(ports claim.Ports) string {
	var out []string
	for _, p := range ports {
		out = append(out, portText(p))
	}
	slices.Sort(out)
	return strings.Join(slices.Compact(out), ",")
}

func portText(p snapshot.Port) string { return p.Proto + "/" + strconv.Itoa(int(p.Number)) }

// commonPorts are those on which every host listens.
func commonPorts(f *cluster.Facts) []string {
	return listenedBy(cluster.Node{}, false, f)
}

// planePorts are those on which a node of the control plane listens beside.
func planePorts(f *cluster.Facts) []string {
	common := commonPorts(f)
	return slices.DeleteFunc(listenedBy(cluster.Node{ControlPlane: true}, false, f), func(p string) bool { return slices.Contains(common, p) })
}

// listened are the ports on which the host at an address listens beside the common
// ones. Under a proxy that takes whole addresses nobody asks for them.
func listened(in Input, at claim.Range, claims []claim.Claim, apis map[claim.Range]bool) string {
	if in.Facts.Behavior().Binds {
		return ""
	}
	var named []string
	for _, c := range claims {
		named = append(named, c.Owner.Name)
	}
	node, _ := in.Facts.NodeOf(at.From, named) // rules/takeover.go hostOwner
	common := commonPorts(in.Facts)
	ports := listenedBy(node, servesAPI(in, at, apis), in.Facts)
	return strings.Join(slices.DeleteFunc(ports, func(p string) bool { return slices.Contains(common, p) }), ",")
}

// servesAPI reports whether the apiserver is reached at an address (rules/takeover.go).
func servesAPI(in Input, at claim.Range, apis map[claim.Range]bool) bool {
	return apis[at] || slices.ContainsFunc(in.Facts.APIServers, func(e cluster.Endpoint) bool { return at.Contains(e.IP) })
}

// listenedBy asks the rules' own word about each port that they know.
func listenedBy(n cluster.Node, api bool, f *cluster.Facts) []string {
	numbers := []uint16{22, 179, 2379, 2380, 6443, 10250}
	for _, e := range f.APIServers {
		numbers = append(numbers, e.Port)
	}
	var out []string
	for _, n16 := range numbers {
		port := snapshot.Port{Proto: "TCP", Number: n16}
		if explain.HostListener(port, n, api, f) != "" {
			out = append(out, portText(port))
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// readFromNode reports whether a policy with Nodes as parameters reads a claim itself.
func readFromNode(c claim.Claim) bool {
	if c.By.Kind != cluster.NodeKind.Kind || c.By.Group != "" {
		return false
	}
	return c.Kind == claimants.NodeInternalIP.Kind || c.Kind == claimants.NodeExternalIP.Kind ||
		slices.ContainsFunc(claimants.All(), func(w *claimants.Claimant) bool { return w.Kind == c.Kind && len(annotated(w)) > 0 })
}

// annotationKeys are the annotations of Nodes that hold addresses in a role.
func annotationKeys(role claim.Role) []string {
	var keys []string
	for _, w := range claimants.All() {
		if w.Role == role {
			keys = append(keys, annotated(w)...)
		}
	}
	slices.Sort(keys)
	return keys
}

// annotated are the annotations that a way of claiming reads of a Node.
func annotated(w *claimants.Claimant) []string {
	var keys []string
	if w.Of == cluster.NodeKind {
		for _, f := range w.Fields {
			if key, ok := strings.CutPrefix(f, "metadata.annotations."); ok {
				keys = append(keys, key)
			}
		}
	}
	return keys
}

// sorted lists the addresses in their order.
func (p protected) sorted() []netip.Addr {
	return slices.SortedFunc(maps.Keys(p.at), netip.Addr.Compare)
}

// sortedRanges lists the ranges in their order.
func (p protected) sortedRanges() []claim.Range {
	return slices.SortedFunc(maps.Keys(p.ranges), claim.Range.Compare)
}

// beside is what the policy cannot read from Nodes that are its parameters. Of a
// node that has more to listen on than others, the ports are left: a Node does not
// say where the apiserver is reached.
func (p protected) beside() map[netip.Addr][]part {
	out := map[netip.Addr][]part{}
	for ip, parts := range p.at {
		for _, x := range parts {
			switch {
			case !p.nodes[placed{claim.Single(ip), x}]:
				out[ip] = append(out[ip], x)
			case x.ports != "":
				out[ip] = append(out[ip], part{role: roleListener, ports: x.ports, owner: x.owner})
			}
		}
	}
	return out
}

// size is about how many characters the literal form's maps will have.
func (p protected) size() int {
	hosts, others := split(p.at)
	n := 0
	for _, m := range []map[netip.Addr]string{hosts, others} {
		for ip, t := range m {
			n += len(ip.String()) + len(t) + len("'':'',\n")
		}
	}
	return n
}
