// SPDX-License-Identifier: Apache-2.0

package dataplane

import (
	"net/netip"
	"slices"
	"strings"
)

// Host is what the kernel of one host, or of one network namespace, held at one
// moment. Every list is sorted by whoever fills it, so that two readings of the
// same state are equal. What could not be read is not in here: the source's
// coverage says so, and an empty list alone proves nothing.
type Host struct {
	Name       string             `json:"name"`             // the Node's name, or the host's
	Kernel     string             `json:"kernel,omitempty"` // its release: "6.1.176"
	Links      []Link             `json:"links,omitempty"`
	Addresses  []Address          `json:"addresses,omitempty"`
	Routes     []Route            `json:"routes,omitempty"`
	Rules      []Rule             `json:"policies,omitempty"` // ip rule
	Neighbours []Neighbour        `json:"neighbours,omitempty"`
	Servers    []VirtualServer    `json:"servers,omitempty"` // IPVS
	Sets       []Set              `json:"sets,omitempty"`    // ipset
	Tables     []Table            `json:"tables,omitempty"`  // netfilter, of every back end
	Sysctls    map[string]string  `json:"sysctls,omitempty"` // "net.ipv4.conf.all.arp_ignore"
	Listeners  []Listener         `json:"listeners,omitempty"`
	Agents     []Agent            `json:"agents,omitempty"`
	Configured []ConfiguredServer `json:"told,omitempty"` // what files say
	Sessions   []Session          `json:"sessions,omitempty"`
	Sandboxes  []Sandbox          `json:"sandboxes,omitempty"`
	LogMatches []LogMatch         `json:"notices,omitempty"`
	Counters   map[string]uint64  `json:"counters,omitempty"` // "rt_cache.in_martian_src"; of the whole machine, not of a namespace
	Connects   []ConnectResult    `json:"dials,omitempty"`
	Replies    []AddressReply     `json:"echoes,omitempty"`
	Unread     []string           `json:"unread,omitempty"` // the sections that are not here, or not whole: "ipvs", "iptables"
}

// Link is a network device.
type Link struct {
	Index   int        `json:"index"`
	Name    string     `json:"name"`
	Kind    string     `json:"kind,omitempty"` // as ip -d link says: "dummy", "veth", "bridge", "ipip"; empty: a card
	MAC     string     `json:"mac,omitempty"`
	MTU     int        `json:"mtu,omitempty"`
	Master  string     `json:"master,omitempty"` // the bridge, bond or vrf it belongs to
	Parent  string     `json:"parent,omitempty"` // the device below it, or a veth's other end, where that is in the same namespace
	Up      bool       `json:"up,omitempty"`     // by the administrator
	Carrier bool       `json:"carrier,omitempty"`
	NoARP   bool       `json:"noARP,omitempty"`
	Local   netip.Addr `json:"local,omitzero"`  // of a tunnel
	Remote  netip.Addr `json:"remote,omitzero"` // of a tunnel
	VNI     int        `json:"vni,omitempty"`
}

// Address is an address on a device.
type Address struct {
	Link      string       `json:"link"`
	Prefix    netip.Prefix `json:"prefix"` // the address with its length: 192.168.10.114/24; where there is a Peer, with the Peer's
	Peer      netip.Addr   `json:"peer,omitzero"`
	Scope     string       `json:"scope,omitempty"` // "global", "link", "host"
	Secondary bool         `json:"secondary,omitempty"`
	Failed    bool         `json:"failed,omitempty"`    // duplicate address detection found another holder
	Tentative bool         `json:"tentative,omitempty"` // detection has not ended
	Dynamic   bool         `json:"dynamic,omitempty"`   // has a lifetime: DHCP or a router gave it
}

// Route is an entry of a routing table, with one next hop; a route of several is
// as many entries.
type Route struct {
	Table    int          `json:"table"` // 255 is local, 254 main
	Type     string       `json:"type"`  // "unicast", "local", "broadcast", "blackhole", ...
	To       netip.Prefix `json:"to"`
	Via      netip.Addr   `json:"via,omitzero"`
	Link     string       `json:"link,omitempty"`
	Source   netip.Addr   `json:"source,omitzero"` // the preferred source
	Scope    string       `json:"scope,omitempty"`
	Protocol string       `json:"protocol,omitempty"` // "kernel", "bird", "static"
	Metric   int          `json:"metric,omitempty"`
	Onlink   bool         `json:"onlink,omitempty"`
	Weight   int          `json:"weight,omitempty"` // of one next hop of several; 0: the only one
	TOS      int          `json:"tos,omitempty"`
	Dead     bool         `json:"dead,omitempty"`  // its device is down: look-ups pass over it
	Other    string       `json:"other,omitempty"` // what is not modelled, in ip's words: "encap mpls ..."
}

// The routing tables that every kernel has (linux include/uapi/linux/rtnetlink.h).
const (
	TableLocal   = 255
	TableMain    = 254
	TableDefault = 253
)

// Rule is an entry of the routing policy, which ip calls a rule.
type Rule struct {
	Priority int          `json:"priority"`
	Family   int          `json:"family"` // 4 or 6
	Not      bool         `json:"not,omitempty"`
	From     netip.Prefix `json:"from,omitzero"`
	To       netip.Prefix `json:"to,omitzero"`
	In       string       `json:"in,omitempty"`  // iif
	Out      string       `json:"out,omitempty"` // oif
	Mark     uint32       `json:"mark,omitempty"`
	Mask     uint32       `json:"mask,omitempty"`
	Type     string       `json:"type,omitempty"`  // "", "nop", "blackhole", "unreachable", "prohibit"
	Table    int          `json:"table,omitempty"` // looked up
	Goto     int          `json:"goto,omitempty"`
	Suppress int          `json:"suppress,omitempty"` // suppress_prefixlength plus one; 0: none
	Protocol string       `json:"protocol,omitempty"` // who made it: "boot", "static"; empty: the kernel, or not told
	Other    string       `json:"other,omitempty"`    // selectors that are not modelled, in ip's words
}

// Neighbour is an entry of the neighbour table, or of a bridge's or vxlan's
// forwarding database, where Forward says so.
type Neighbour struct {
	Link    string     `json:"link"`
	IP      netip.Addr `json:"ip,omitzero"`
	MAC     string     `json:"mac,omitempty"`
	State   string     `json:"state,omitempty"` // "REACHABLE", "FAILED", "PERMANENT", ...
	Proxy   bool       `json:"proxy,omitempty"`
	Forward bool       `json:"forward,omitempty"` // IP is the tunnel's far end for MAC
}

// VirtualServer is an IPVS service.
type VirtualServer struct {
	Proto      string       `json:"proto"` // TCP, UDP, SCTP; empty where Mark is set
	IP         netip.Addr   `json:"ip,omitzero"`
	Port       uint16       `json:"port,omitempty"`
	Mark       uint32       `json:"mark,omitempty"`
	Scheduler  string       `json:"scheduler,omitempty"`
	Flags      uint32       `json:"flags,omitempty"`      // as ip_vs.h has them, without the kernel's own 2 (hashed)
	Persistent uint32       `json:"persistent,omitempty"` // seconds; 0: not
	Servers    []RealServer `json:"servers,omitempty"`
}

// RealServer is a destination of a VirtualServer.
type RealServer struct {
	IP      netip.Addr `json:"ip"`
	Port    uint16     `json:"port"`
	Forward string     `json:"forward"` // "masq", "route", "tunnel", "local"
	Weight  int        `json:"weight"`
}

// Set is an ipset.
type Set struct {
	Name    string   `json:"name"`
	Type    string   `json:"type"`              // "hash:ip,port"
	Members []string `json:"members,omitempty"` // in ipset's words: "192.168.10.114,tcp:80"; sorted
}

// Has reports whether a member begins with an address. A large cluster's set has ten
// thousand, and is asked about as many addresses: it is searched, not read.
func (s *Set) Has(ip netip.Addr) bool {
	text := ip.String()
	i, _ := slices.BinarySearch(s.Members, text)
	for ; i < len(s.Members) && strings.HasPrefix(s.Members[i], text); i++ {
		if rest := s.Members[i][len(text):]; rest == "" || rest[0] == ',' {
			return true
		}
	}
	return false
}

// Table is a netfilter table of one back end.
type Table struct {
	Backend string  `json:"backend"` // "legacy": iptables-legacy-save; "nft": iptables-nft-save; "nftables": nft -j list ruleset
	Family  string  `json:"family"`  // "ip", "ip6", "inet", ...
	Name    string  `json:"name"`    // "nat", "filter", "kube-proxy"
	Chains  []Chain `json:"chains,omitempty"`
	Maps    []Map   `json:"maps,omitempty"` // of nftables: its sets and maps
}

// Chain is a chain with its rules, in their order.
type Chain struct {
	Name     string   `json:"name"`
	Policy   string   `json:"policy,omitempty"` // of a base chain, in capitals: "ACCEPT"; "-" or empty: none
	Type     string   `json:"type,omitempty"`   // of nftables' base chains: "nat"
	Hook     string   `json:"hook,omitempty"`
	Priority int      `json:"priority,omitempty"`
	Devices  []string `json:"devices,omitempty"` // of a base chain on a device's hook: ingress, egress
	Rules    []string `json:"rules,omitempty"`   // iptables-save's words without "-A CHAIN"; of nftables the JSON array of its expressions, behind which {"comment":"..."} stands if it has one
}

// Map is a set or map of nftables.
type Map struct {
	Name     string   `json:"name"`
	Type     []string `json:"type"`               // "ipv4_addr", "inet_proto", "inet_service"
	Verdict  string   `json:"verdict,omitempty"`  // what a map maps to: "verdict"; empty: a set
	Elements []string `json:"elements,omitempty"` // each as nft's JSON
}

// Listener is a socket that waits for traffic.
type Listener struct {
	Proto   string     `json:"proto"` // TCP, UDP
	IP      netip.Addr `json:"ip"`    // unspecified: every address
	Port    uint16     `json:"port"`
	Device  string     `json:"device,omitempty"`  // bound to it
	Process string     `json:"process,omitempty"` // its name; empty: not known
	PID     int        `json:"pid,omitempty"`
}
