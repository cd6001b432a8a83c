// SPDX-License-Identifier: Apache-2.0

package dataplane

import "net/netip"

// Agent is a program that keeps a host in its cluster, running in the host's own
// network namespace: a kubelet, a kube-proxy, a routing daemon.
type Agent struct {
	Name   string            `json:"name"` // as its process is called: "kubelet", "kube-proxy", "bird", "k3s-server"
	PID    int               `json:"pid"`
	Age    int               `json:"age"`              // seconds since it started
	Flags  map[string]string `json:"flags,omitempty"`  // of its command line those few that are about addresses and files
	Health map[string]string `json:"health,omitempty"` // what it answers on loopback: "healthz" to "ok", "proxyMode" to "ipvs"
}

// ConfiguredServer is a place where a file of the host says that a server is.
type ConfiguredServer struct {
	What string     `json:"what"`          // "apiserver", "etcd", "resolver", "ntp", "control-plane"
	For  string     `json:"for,omitempty"` // who is told: "kubelet", "kube-proxy", "kube-apiserver"
	Host string     `json:"host"`          // as written: an address, or a name, which is not looked up
	IP   netip.Addr `json:"ip,omitzero"`
	Port uint16     `json:"port,omitempty"`
	File string     `json:"file"`
	Line int        `json:"line,omitempty"`
}

// Session is a BGP session of a routing daemon of this host.
type Session struct {
	Name    string     `json:"name"`    // the daemon's: "Mesh_192_168_10_114"
	Speaker string     `json:"speaker"` // "bird"
	Peer    netip.Addr `json:"peer,omitzero"`
	State   string     `json:"state"`           // "Established", "Active", ...
	Error   string     `json:"error,omitempty"` // the last one, in the daemon's words
}

// ConnectResult is a connection that was tried from the host.
type ConnectResult struct {
	What   string         `json:"what"` // whom it was meant for: "apiserver"
	To     netip.AddrPort `json:"to"`
	Result string         `json:"result"`          // "accepted", "refused", "no answer", "no route to host", ...
	Local  netip.Addr     `json:"local,omitzero"`  // the address it was sent from
	Self   bool           `json:"self,omitempty"`  // the other end is this very host
	Names  []string       `json:"names,omitempty"` // what the certificate of who answered says
}

// LogMatch is what logs say again and again: the lines of one sort, of one program.
type LogMatch struct {
	Source  string `json:"source"` // "kubelet", "kernel", "audit"
	Pattern string `json:"sign"`   // the sort: "pleg", "lease", "martian", "denial"
	Count   int    `json:"count"`
	Last    string `json:"last"` // the last line
}

// Sandbox is a Pod as the container runtime or the network plugin knows it.
type Sandbox struct {
	Namespace string     `json:"namespace,omitempty"` // empty: not known
	Name      string     `json:"name,omitempty"`
	IP        netip.Addr `json:"ip"`
	From      string     `json:"from"` // the file or program that says so
}

// AddressReply is who answered a probe for an address on a link.
type AddressReply struct {
	IP   netip.Addr `json:"ip"`
	Link string     `json:"link"`
	Sent int        `json:"sent"`
	MACs []string   `json:"macs,omitempty"` // sorted; none: silence
}
