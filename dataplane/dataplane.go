// SPDX-License-Identifier: Apache-2.0

// Package dataplane holds the Linux host as values, and the words in which packets
// and their fates are told: proxy modes, flows, dispositions.
package dataplane

import "fmt"

// ProxyMode is how service addresses are realised on the nodes.
type ProxyMode string

// The proxy modes. The zero value is unknown: no configuration was found.
const (
	ModeUnknown ProxyMode = ""
	IPVS        ProxyMode = "ipvs"
	IPTables    ProxyMode = "iptables"
	NFTables    ProxyMode = "nftables"
	EBPF        ProxyMode = "ebpf"
)

// ParseProxyMode reads a mode as --proxy-mode takes it.
func ParseProxyMode(text string) (ProxyMode, error) {
	switch m := ProxyMode(text); m {
	case IPVS, IPTables, NFTables, EBPF:
		return m, nil
	}
	return ModeUnknown, fmt.Errorf("proxy mode %q: want ipvs, iptables, nftables or ebpf", text)
}

// String gives "unknown" for the zero value.
func (m ProxyMode) String() string {
	if m == ModeUnknown {
		return "unknown"
	}
	return string(m)
}

// Flow is one sort of traffic to or from an address.
type Flow struct {
	Proto string // TCP, UDP, ICMP, "4" for IPIP
	Port  uint16 // 0: none, or every port
	Name  string // "apiserver", "kubelet", "ping", "bgp", "ipip"
}

// String gives "apiserver (6443/TCP)" or "ping".
func (f Flow) String() string {
	switch {
	case f.Port == 0:
		return f.Name
	case f.Name == "":
		return fmt.Sprintf("%d/%s", f.Port, f.Proto)
	}
	return fmt.Sprintf("%s (%d/%s)", f.Name, f.Port, f.Proto)
}

// Disposition is the fate of a flow.
type Disposition int

// The dispositions. Unknown is the zero value: what is not modelled is never
// called delivered.
const (
	Unknown            Disposition = iota
	Delivered                      // reaches the host meant
	DeliveredElsewhere             // reaches another host, or the sender itself, which answers in its name
	Refused                        // answered with a reset or an ICMP error by somebody else
	Dropped                        // vanishes
	NoRoute
	NoNeighbour
	Loop
)

var dispositionNames = [...]string{"unknown", "delivered", "delivered-elsewhere", "refused", "dropped", "no-route", "no-neighbour", "loop"}

// String is the disposition's name.
func (d Disposition) String() string {
	if int(d) < len(dispositionNames) {
		return dispositionNames[d]
	}
	return "unknown"
}
