// SPDX-License-Identifier: Apache-2.0

// Package probe asks a link who answers for an address: for IPv4 with the ARP
// probe of RFC 5227, for IPv6 with the Neighbour Solicitation of duplicate address
// detection (RFC 4862, 5.4.2). Neither names a sender's address, so that nobody
// learns or forgets a neighbour by it.
//
// An answer shows that a station of that MAC answers for the address on that link
// now, and no more. It does not show whose the address is: with arp_ignore 0, as
// Linux comes, a host answers at every card for every address that it holds
// anywhere (net/ipv4/arp.c, arp_process), also for a Service's on kube-ipvs0, and
// so any node may answer (lab scenario strict-arp-off); where the owner is down,
// a node that only has the Service answers alone (owner-down). An answer can also
// be forged.
//
// Silence proves as little. With arp_ignore 1 a node hides an address of
// kube-ipvs0, and talks to itself all the same (owner-down, phase hidden). An IPv6
// address is answered for on its own device only (net/ipv6/ndisc.c, ndisc_recv_ns).
// A Linux proxy (proxy_arp) does not answer a probe: arp_process is done with a
// request without a sender's address before it comes to proxies.
//
// Probes are not quite harmless: who is just about to take the address hears in
// one that somebody else is, too, and lets it be (RFC 5227, 2.1.1; RFC 4862, 5.4.3).
// Ask only for addresses that somebody is known to hold, or to want.
package probe

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"
)

// Most is how many targets can be asked for at once.
const Most = 64

const (
	probes   = 2                      // that are sent for each target
	interval = 200 * time.Millisecond // between two
	window   = time.Second            // for answers after the last
	mostMACs = 32                     // that are kept for a target: an AddressReply of 32 has 32 or more
)

// Target is an address, and the link that is asked who answers for it.
type Target struct {
	Link string
	IP   netip.Addr
}

func (t Target) compare(o Target) int {
	return cmp.Or(t.IP.Compare(o.IP), cmp.Compare(t.Link, o.Link))
}

// TargetError is why nothing can be said of a target.
type TargetError struct {
	Target Target
	Err    error
}

func (e *TargetError) Error() string {
	return fmt.Sprintf("ask %s for %s: %v", cmp.Or(e.Target.Link, "no link"), e.Target.IP, e.Err)
}

func (e *TargetError) Unwrap() error { return e.Err }

// tidy gives each target once, sorted, addresses unmapped and without a zone. Those
// that no host can hold on a link are errors.
func tidy(targets []Target) ([]Target, []*TargetError) {
	all := make([]Target, 0, len(targets))
	for _, t := range targets {
		all = append(all, Target{t.Link, t.IP.Unmap().WithZone("")})
	}
	slices.SortFunc(all, Target.compare)
	var good []Target
	var bad []*TargetError
	for _, t := range slices.Compact(all) {
		if err := askable(t.IP); err != nil {
			bad = append(bad, &TargetError{t, err})
			continue
		}
		good = append(good, t)
	}
	return good, bad
}

func askable(ip netip.Addr) error {
	switch {
	case !ip.IsValid():
		return errors.New("not an address")
	case ip.IsUnspecified(), ip.IsMulticast(), ip.IsLoopback(), ip == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return errors.New("no host's address on a link")
	}
	return nil
}

// join puts errors in the order of their targets; nil for none.
func join(list []*TargetError) error {
	slices.SortStableFunc(list, func(a, b *TargetError) int { return a.Target.compare(b.Target) })
	var all []error
	for _, e := range list {
		all = append(all, e)
	}
	return errors.Join(all...)
}

// mac is an Ethernet address.
type mac [6]byte

func (m mac) String() string { return net.HardwareAddr(m[:]).String() }

// texts are addresses as an AddressReply has them.
func texts(macs map[mac]bool) []string {
	var out []string
	for m := range macs {
		out = append(out, m.String())
	}
	slices.Sort(out)
	return out
}
