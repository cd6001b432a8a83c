// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"

	"whohas/claim"
	"whohas/cluster"
	"whohas/dataplane"
	"whohas/kubeproxy"
	"whohas/snapshot"
)

// Target is an address that a service plane takes from its owner.
type Target struct {
	Address netip.Addr
	Owner   cluster.Node // zero where the address is no Node's
	Is      string       // what the address is, where it is no Node's: "the control plane's address"
	Lost    []string     // what clients of such an address lose; empty for a Node
	Service string       // who takes it: "Service demo/tomcat"
	Ports   claim.Ports  // the Service's ports
	API     bool         // the apiserver is reached at this address

	// Listens names what is known to listen on the address, by port.
	Listens map[snapshot.Port]string
	// Seen are the hosts in whose kernel the address was seen though it is not
	// theirs.
	Seen []Sight
	// Over are the hosts that hold the address and pass over their local table for it by a
	// routing rule, sorted: they lose next to nothing.
	Over []string
	// Held: what is told is what these hosts hold, whatever the proxy would do.
	Held *Hold
}

// Sight is an address in a host's kernel.
type Sight struct{ Host, Evidence string }

// Hold is how hosts hold an address.
type Hold struct {
	Device string
	Proxy  bool // a service proxy keeps it there
	Filter bool // the hosts reject other ports than the Service's
}

// Takeover tells what the nodes lose when a Service takes an address, by what
// the proxy of this cluster does with it.
func Takeover(t Target, f *cluster.Facts) []Impact {
	x := takeover{Target: t, f: f, era: f.Behavior()}
	if t.Held != nil {
		x.era = heldEra(x.era, t)
	}
	x.place()
	switch {
	case len(x.Over) > 0 && len(x.victims) == 0:
		x.over()
	case x.era.Binds:
		x.over()
		x.selfTalk()
		x.martians()
		x.filteredOwner()
		x.notReady()
		x.watchLoss()
	default:
		x.portOnly()
	}
	for i := range x.losses {
		x.losses[i].Certainty = x.certainty()
		x.losses[i].Evidence = append(x.losses[i].Evidence, x.sights()...)
		x.losses[i].Evidence = append(x.losses[i].Evidence, x.era.Source)
	}
	return x.losses
}

// heldEra is what hosts were seen to do.
func heldEra(e kubeproxy.Behavior, t Target) kubeproxy.Behavior {
	if !e.Binds || e.Assumed {
		e.Source = "linux net/ipv4/fib_frontend.c fib_add_ifaddr: an address of any device, up or down, is in the local table"
	}
	e.OwnerBinds = e.OwnerBinds && e.Binds
	e.Name, e.Binds, e.Assumed = "held", true, false
	e.Device, e.Filter = t.Held.Device, t.Held.Filter
	return e
}

// sights is the evidence of the first few hosts.
func (x *takeover) sights() []string {
	const most = 4
	var out []string
	for i, s := range x.Seen {
		if i == most {
			return append(out, "and "+strconv.Itoa(len(x.Seen)-i)+" hosts more")
		}
		out = append(out, s.Evidence)
	}
	return out
}

func (x *takeover) seen(host string) bool {
	return slices.ContainsFunc(x.Seen, func(s Sight) bool { return s.Host == host })
}

type takeover struct {
	Target
	f       *cluster.Facts
	era     kubeproxy.Behavior
	owner   string   // who has the address, for sentences
	victims []string // nodes other than the owner
	planes  []string // control-plane nodes among the victims
	losses  []Impact
}

func (x *takeover) certainty() Certainty {
	unseen := func(n string) bool { return !x.seen(n) }
	if x.era.Binds && len(x.victims) > 0 && !slices.ContainsFunc(x.victims, unseen) {
		return Observed
	}
	if x.era.Assumed || len(x.f.Nodes) == 0 {
		return Assumed
	}
	return Derived
}

func (x *takeover) place() {
	x.owner = x.Owner.Name
	if x.owner == "" {
		x.owner = x.Is
	}
	if x.victims = x.f.OtherNodes(x.Owner.Name); x.Held != nil || len(x.Over) > 0 {
		x.victims = slices.DeleteFunc(x.victims, func(n string) bool { return x.Held != nil && !x.seen(n) || slices.Contains(x.Over, n) })
	}
	for i := range x.f.Nodes {
		if n := &x.f.Nodes[i]; n.ControlPlane && n.Name != x.Owner.Name {
			if _, lost := slices.BinarySearch(x.victims, n.Name); lost {
				x.planes = append(x.planes, n.Name)
			}
		}
	}
	for _, s := range x.Seen { // a host of which no Node was read
		if x.Held != nil && s.Host != x.Owner.Name && !slices.Contains(x.victims, s.Host) && !slices.Contains(x.Over, s.Host) {
			x.victims = append(x.victims, s.Host)
		}
	}
	if x.Held != nil {
		slices.Sort(x.victims)
	}
	slices.Sort(x.planes)
}

// internal reports whether the address is the one that its owner's kubelet is
// reached at and sends from, and not a second one.
func (x *takeover) internal() bool { return slices.Contains(x.Owner.Internal, x.Address) }

// who names the victims, also where no Nodes were read.
func (x *takeover) who() string {
	if len(x.victims) == 0 {
		return "every other node"
	}
	if x.API && x.Owner.Name == "" && !x.era.OwnerBinds && x.Held == nil {
		return Names(x.victims) + ", but for the one that holds the address"
	}
	return Names(x.victims)
}

func (x *takeover) add(l Impact) { x.losses = append(x.losses, l) }

func (x *takeover) effect(from, to []string, flow dataplane.Flow, d dataplane.Disposition, basis string) Effect {
	return Effect{From: from, To: to, Flow: flow, Disposition: d, Basis: basis}
}

const (
	basisSelf    = "a local address is delivered to the node itself (linux net/ipv4/route.c ip_route_output_key, local table first)"
	basisFilter  = kubeproxy.FilterChain + " rejects new connections to bound addresses with icmp-port-unreachable"
	basisTwin    = kubeproxy.FilterChain + " rejects the first packet only: the second has the first one's tuple the other way round and counts as established (linux net/netfilter/nf_conntrack_core.c resolve_normal_ct; lab incident-1.36)"
	basisMartian = "a packet whose source is one of the receiver's own addresses is dropped whatever rp_filter is (linux net/ipv4/fib_frontend.c fib_validate_source)"
	basisNAT     = "rules match address, protocol and port, on whichever node the traffic meets first"
)

const (
	basisOver   = "a routing rule before the local table's leads to another table (linux net/core/fib_rules.c fib_rules_lookup; lab cure-by-rule-1.36)"
	basisOnlink = "a next hop is refused while the local table has it, whatever the rules say (linux net/ipv4/fib_semantics.c fib_check_nh_nongw; lab cure-by-rule-1.36)"
)

// over: who passes over the address by a routing rule loses what IPVS takes whatever the
// routes say, and routes that are made again.
func (x *takeover) over() {
	if len(x.Over) == 0 {
		return
	}
	ports := ""
	if len(x.Ports) > 0 {
		ports = fmt.Sprintf("; only %s stays the Service's", x.Ports)
	}
	l := Impact{Nodes: x.Over, Text: fmt.Sprintf("%s: %s is on %s, and a routing rule leads past it: they and %s reach each other%s, and new routes via %s are refused until it is off",
		Names(x.Over), x.Address, x.era.Device, x.owner, ports, x.Address), Evidence: []string{basisOnlink}}
	to := []string{x.owner}
	flows, _ := x.flowsToOwner()
	for _, flow := range flows {
		if !slices.Contains(x.Ports, snapshot.Port{Proto: flow.Proto, Number: flow.Port}) {
			l.Effects = append(l.Effects, x.effect(x.Over, to, flow, dataplane.Delivered, basisOver))
		}
	}
	for _, p := range x.Ports {
		l.Effects = append(l.Effects, x.effect(x.Over, to, dataplane.Flow{Proto: p.Proto, Port: p.Number, Name: x.Service}, dataplane.DeliveredElsewhere, "IPVS answers the Service's port on the node itself"))
	}
	x.add(l)
}

// selfTalk: a node that has bound the address delivers it to itself.
func (x *takeover) selfTalk() {
	flows, loses := x.flowsToOwner()
	to := []string{x.owner}
	l := Impact{
		Nodes: x.victims, Lost: loses,
		Text: fmt.Sprintf("%s: %s %s %s, so traffic to it never leaves the node", x.who(), x.Address, x.verb(), x.era.Device),
	}
	for _, flow := range flows {
		if !slices.Contains(x.Ports, snapshot.Port{Proto: flow.Proto, Number: flow.Port}) {
			l.Effects = append(l.Effects, x.selfDelivered(flow)...)
		}
	}
	for _, p := range x.Ports {
		l.Effects = append(l.Effects, x.effect(x.victims, to, dataplane.Flow{Proto: p.Proto, Port: p.Number, Name: x.Service}, dataplane.DeliveredElsewhere, "IPVS answers the Service's port on the node itself"))
	}
	l.Text += ": " + x.pingSentence()
	x.add(l)
}

func (x *takeover) verb() string {
	if x.certainty() == Observed {
		return "is on"
	}
	return "goes on"
}

// selfDelivered is what becomes of a flow that a victim delivers to itself.
func (x *takeover) selfDelivered(flow dataplane.Flow) []Effect {
	to := []string{x.owner}
	switch {
	case flow.Name == "vxlan":
		// Encapsulation to a local address never becomes a packet: it comes
		// straight back out of the node's own device, past every filter.
		return []Effect{x.effect(x.victims, to, flow, dataplane.DeliveredElsewhere, "linux drivers/net/vxlan encap_bypass_if_local")}
	case x.f.KubeRouter && flow.Proto == "ICMP":
		return []Effect{x.effect(x.victims, to, flow, dataplane.DeliveredElsewhere, x.era.Source)}
	case x.era.Filter && twin(flow) && !x.f.KubeRouter: // whose filter asks for no state
		return []Effect{x.effect(x.victims, to, flow, dataplane.DeliveredElsewhere, basisTwin)}
	case x.era.Filter:
		return []Effect{x.effect(x.victims, to, flow, dataplane.Refused, basisFilter)}
	case flow.Name == "apiserver" || flow.Name == "etcd":
		// Another control-plane node has servers of its own there; a worker none.
		workers := slices.DeleteFunc(slices.Clone(x.victims), func(n string) bool { return slices.Contains(x.planes, n) })
		var effects []Effect
		if len(workers) > 0 || len(x.planes) == 0 {
			effects = append(effects, x.effect(workers, to, flow, dataplane.Refused, basisSelf))
		}
		if len(x.planes) > 0 {
			effects = append(effects, x.effect(x.planes, to, flow, dataplane.DeliveredElsewhere, basisSelf))
		}
		return effects
	case flow.Name == "dns":
		return []Effect{x.effect(x.victims, to, flow, dataplane.Refused, basisSelf)}
	}
	// Ping, and what every node runs itself (kubelet, BIRD, the tunnel's end):
	// it answers in the owner's name.
	return []Effect{x.effect(x.victims, to, flow, dataplane.DeliveredElsewhere, basisSelf)}
}

// twin tells the flows that look the same in both directions once a node sends
// them to itself: without ports, or from a port to the same one. The first packet
// is new and rejected; conntrack takes the second for its answer.
func twin(flow dataplane.Flow) bool { return flow.Name == "ipip" || flow.Name == "wireguard" }

func (x *takeover) pingSentence() string {
	switch {
	case x.f.KubeRouter:
		return "ping is answered by the node itself, other ports are refused"
	case x.era.Filter:
		return "ping and every port but the Service's are refused (Destination Port Unreachable)"
	}
	return "ping says ok, because each node answers itself"
}

// flowsToOwner lists what nodes want from the address, and in words.
func (x *takeover) flowsToOwner() ([]dataplane.Flow, []string) {
	flows := []dataplane.Flow{{Proto: "ICMP", Name: "ping"}}
	if x.Owner.Name == "" {
		if x.API {
			flows = append(flows, dataplane.Flow{Proto: "TCP", Port: x.APIPort(x.f), Name: "apiserver"})
		}
		for _, l := range x.Lost {
			if l == "dns" {
				flows = append(flows, dataplane.Flow{Proto: "UDP", Port: 53, Name: "dns"})
			}
		}
		return flows, x.Lost
	}
	var loses []string
	want := func(ok bool, proto string, port uint16, name string) {
		if ok {
			flows = append(flows, dataplane.Flow{Proto: proto, Port: port, Name: name})
			loses = append(loses, lostBy(name))
		}
	}
	want(x.API || x.Owner.ControlPlane && x.internal(), "TCP", x.APIPort(x.f), "apiserver")
	want(x.internal(), "TCP", 10250, "kubelet")
	want(x.internal() && x.Owner.ControlPlane && len(x.planes) > 0, "TCP", 2380, "etcd")
	// A second address that stands in an annotation is the network plugin's.
	if x.internal() || !slices.Contains(x.Owner.Addresses, x.Address) {
		want(x.f.CNI.BGP, "TCP", 179, "bgp")
		x.wantTunnel(want)
	}
	return flows, loses
}

func (x *takeover) wantTunnel(want func(bool, string, uint16, string)) {
	switch x.f.CNI.Encap {
	case cluster.IPIP:
		want(true, "4", 0, "ipip")
	case cluster.VXLAN:
		want(true, "UDP", 4789, "vxlan")
	case cluster.WireGuard:
		want(true, "UDP", 51820, "wireguard")
	}
}

// lostBy is what people lose when a flow is lost: of every encapsulation the
// tunnel.
func lostBy(flow string) string {
	switch flow {
	case "ipip", "vxlan", "wireguard":
		return "tunnel"
	}
	return flow
}

// APIPort is the port at which the apiserver is reached.
func (t Target) APIPort(f *cluster.Facts) uint16 {
	for _, e := range f.APIServers {
		if e.IP == t.Address && e.Port != 0 {
			return e.Port
		}
	}
	return 6443
}

// TakesAPI reports whether one of the Service's ports is the apiserver's.
func (t Target) TakesAPI(f *cluster.Facts) bool {
	return t.API && slices.Contains(t.Ports, snapshot.Port{Proto: "TCP", Number: t.APIPort(f)})
}

// martians: the nodes that hold the address drop everything its owner sends.
func (x *takeover) martians() {
	loses := []string{"ping"}
	text := fmt.Sprintf("%s reaches none of them: they drop its packets as martians, first time-outs, then Destination Host Unreachable once its ARP entries expire", x.owner)
	if x.Owner.Name != "" && !x.internal() {
		text = fmt.Sprintf("what %s sends from this address is dropped by them as martian", x.owner)
	} else if x.Owner.Name != "" {
		loses = append(loses, "kubelet")
		if len(x.planes) > 0 && !x.Owner.ControlPlane {
			loses = append(loses, "apiserver")
		}
	}
	flow := dataplane.Flow{Name: "everything"}
	x.add(Impact{
		Nodes: nonEmpty(x.Owner.Name), Lost: loses,
		Text: text,
		Effects: []Effect{
			x.effect(nonEmpty(x.owner), x.victims, flow, dataplane.Dropped, basisMartian),
			x.effect(nonEmpty(x.owner), x.victims, dataplane.Flow{Name: "arp request"}, dataplane.NoNeighbour, "linux net/ipv4/arp.c arp_process: a request from an own address fails ip_route_input"),
		},
	})
}

// filteredOwner: in the releases without the owner guard the owner rejects its
// own ports too.
func (x *takeover) filteredOwner() {
	if !x.era.Filter || !x.era.OwnerBinds || x.Owner.Name == "" || x.f.KubeRouter {
		return
	}
	x.add(Impact{
		Nodes: []string{x.Owner.Name}, Lost: []string{"ssh", "kubelet", "apiserver"},
		Text:    fmt.Sprintf("%s rejects every new connection to its own address but the Service's port (kubernetes#117613)", x.owner),
		Effects: []Effect{x.effect([]string{"outside"}, []string{x.owner}, dataplane.Flow{Name: "everything"}, dataplane.Refused, basisFilter)},
	})
}

const notReadyAfter = "NotReady about 40 s later (node-monitor-grace-period; 50 s from 1.32)"

// notReady: whose kubelet no longer renews its lease.
func (x *takeover) notReady() {
	switch cut := x.f.WithoutAddress(x.Address); {
	case x.API && cut != cluster.APIReached:
		hedge := ""
		if cut == cluster.APIPartly {
			hedge = " where their kubelet uses this one of several apiservers"
		}
		x.add(Impact{Nodes: x.victims, Lost: []string{"node-lease"}, Text: fmt.Sprintf("%s: the kubelet no longer reaches the apiserver%s, %s", x.who(), hedge, notReadyAfter)})
	case x.internal() && !x.Owner.ControlPlane && len(x.planes) > 0:
		x.add(Impact{Nodes: []string{x.Owner.Name}, Lost: []string{"node-lease"}, Text: fmt.Sprintf("%s: its kubelet no longer reaches the apiserver on %s, %s", x.owner, Names(x.planes), notReadyAfter)})
	}
}

// watchLoss: the nodes cannot learn of the fix.
func (x *takeover) watchLoss() {
	if !x.API || x.f.WithoutAddress(x.Address) == cluster.APIReached || x.Held != nil && !x.Held.Proxy {
		return
	}
	x.add(Impact{
		Nodes: x.victims, Lost: []string{"kube-proxy-watch"},
		Text:     "kube-proxy on these nodes loses its watch: it will not hear that the claim was removed, and its next sync, within 30 s, puts a deleted address back unless the watch is back first",
		Evidence: []string{"kubernetes pkg/proxy/apis/config/v1alpha1/defaults.go: ipvs.syncPeriod 30 s; lab repair-once: one deletion on each node is a race"},
	})
}

// portOnly: the proxies that match address and port take nothing else.
func (x *takeover) portOnly() {
	where, d := "on every node it meets first", dataplane.DeliveredElsewhere
	from := x.victims
	switch {
	case x.era.AtOwner:
		where = "where the address really is"
	case x.era.PodsOnly:
		where = "for Pods and traffic from outside"
	case x.f.Mode == dataplane.IPVS:
		where = "for what the nodes themselves send, and at its owner (kube-proxy up to 1.10 does not bind the address)"
	}
	ports := x.Ports.String()
	if ports == "" {
		ports = "the Service's ports"
	}
	l := Impact{Nodes: from, Text: fmt.Sprintf("only %s of %s goes to %s, %s; ping and all other ports are untouched", ports, x.Address, x.Service, where)}
	for _, p := range x.Ports {
		flow := dataplane.Flow{Proto: p.Proto, Port: p.Number, Name: cmp.Or(HostListener(p, x.Owner, x.API, x.f), x.Listens[p])}
		if flow.Name != "" {
			l.Lost = append(l.Lost, flow.Name)
		}
		l.Effects = append(l.Effects, x.effect(from, nonEmpty(x.owner), flow, d, basisNAT))
	}
	l.Effects = append(l.Effects, x.effect(from, nonEmpty(x.owner), dataplane.Flow{Proto: "ICMP", Name: "ping"}, dataplane.Delivered, basisNAT))
	x.add(l)
	if x.API && slices.Contains(l.Lost, "apiserver") {
		x.connectAnew()
	}
}

// connectAnew: rules of address translation are asked once a connection (linux
// net/netfilter/nf_nat_core.c nf_nat_inet_fn: a new one's first packet), so that
// who is connected to the apiserver stays so.
func (x *takeover) connectAnew() {
	hedge := ""
	switch x.f.WithoutAddress(x.Address) {
	case cluster.APIReached:
		return
	case cluster.APIPartly:
		hedge = " where it uses this one of several apiservers"
	}
	lab := []string{"lab iptables-1.36, phases established and reconnect: nodes stay Ready until their kubelet starts again; a kube-proxy that starts again keeps its old rules"}
	x.add(Impact{
		Nodes: x.victims, Lost: []string{"node-lease"}, Evidence: lab,
		Text: fmt.Sprintf("%s: what is connected to the apiserver stays connected; a kubelet that opens a new connection does not reach it%s, %s", x.who(), hedge, notReadyAfter),
	})
	x.add(Impact{
		Nodes: x.victims, Lost: []string{"kube-proxy-watch"}, Evidence: lab,
		Text: "a kube-proxy on these nodes that opens a new connection will not learn that the claim was removed, and its rules stay as they are",
	})
}

// HostListener names what listens on a node's own port, or "".
func HostListener(p snapshot.Port, n cluster.Node, api bool, f *cluster.Facts) string {
	if p.Proto != "TCP" {
		return ""
	}
	for _, e := range f.APIServers {
		if api && e.Port == p.Number {
			return "apiserver"
		}
	}
	plane := n.ControlPlane || api
	switch p.Number {
	case 22:
		return "ssh"
	case 10250:
		return "kubelet"
	case 6443:
		if plane {
			return "apiserver"
		}
	case 2379, 2380:
		if plane {
			return "etcd"
		}
	case 179:
		if f.CNI.BGP {
			return "bgp"
		}
	}
	return ""
}

func nonEmpty(name string) []string {
	if name == "" {
		return nil
	}
	return []string{name}
}
