// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"

	"whohas/claim"
	"whohas/claimants"
	"whohas/dataplane"
	"whohas/kubeproxy"
	"whohas/probe"
	"whohas/snapshot"
)

// askWire asks who answers for this host's own addresses, for those that evidence
// says are another host's, and for those that its ipsets have as external.
func (in *Options) askWire(ctx context.Context, h *dataplane.Host) ([]dataplane.AddressReply, snapshot.Coverage) {
	c := snapshot.Coverage{Source: "host " + h.Name + " wire", Status: snapshot.StatusRead, Complete: true}
	if in.Silent {
		c.Status, c.Complete, c.Detail = snapshot.StatusAbsent, false, "nobody was asked: --no-probe"
		return nil, c
	}
	targets := WireTargets(h, in.Owners)
	if more := len(targets) - probe.Most; more > 0 {
		targets = targets[:probe.Most]
		c.Status, c.Complete, c.Detail = snapshot.StatusPartial, false, fmt.Sprintf("%d more addresses were not asked about", more)
	}
	echoes, err := probe.Ask(ctx, targets)
	c.Count = len(echoes)
	if err != nil {
		c.Status, c.Complete, c.Detail = snapshot.StatusPartial, false, firstLine(err)
		if errors.Is(err, os.ErrPermission) && len(echoes) == 0 {
			c.Status, c.Detail = snapshot.StatusDenied, "not permitted: needs root"
		}
	}
	return echoes, c
}

// WireTargets are the addresses to ask about, on the links that they are on: the
// host's own first, then those with evidence. ClusterIPs are on no wire.
func WireTargets(h *dataplane.Host, owners []claim.Claim) []probe.Target {
	var own, others []probe.Target
	cards := slices.DeleteFunc(slices.Clone(h.Addresses), func(a dataplane.Address) bool { return !OnWire(h, a) })
	add := func(ip netip.Addr) {
		for _, a := range cards {
			t := probe.Target{Link: a.Link, IP: ip}
			if !a.Prefix.Masked().Contains(ip) || slices.Contains(own, t) || slices.Contains(others, t) {
				continue
			}
			if a.Prefix.Addr() == ip {
				own = append(own, t)
			} else {
				others = append(others, t)
			}
		}
	}
	for _, a := range h.Addresses {
		add(a.Prefix.Addr())
	}
	for _, ip := range evident(h, owners) {
		add(ip)
	}
	return append(own, others...)
}

// OnWire reports the addresses by which a host is on an Ethernet.
func OnWire(h *dataplane.Host, a dataplane.Address) bool {
	if a.Prefix.IsSingleIP() || a.Scope == "host" || a.Prefix.Addr().IsLinkLocalUnicast() || kubeproxy.IsDevice(a.Link) {
		return false
	}
	return slices.ContainsFunc(h.Links, func(l dataplane.Link) bool {
		return l.Name == a.Link && l.MAC != "" && !l.NoARP && l.Up && l.Carrier
	})
}

// evident are the addresses that are worth asking about.
func evident(h *dataplane.Host, owners []claim.Claim) []netip.Addr {
	alone := &snapshot.Builder{}
	alone.AddHost(*h)
	var out []netip.Addr
	for c := range claimants.View(alone.Snapshot(), owners...).All() {
		if c.Range.IsSingle() && c.Role&(claim.ControlPlane|claim.Reserved|claim.Host) != 0 {
			out = append(out, c.Range.From)
		}
	}
	for _, set := range h.Sets {
		if field := kubeproxy.SetField(set.Name); field != kubeproxy.FieldExternalIP && field != kubeproxy.FieldLoadBalancer {
			continue
		}
		for _, m := range set.Members {
			first, _, _ := strings.Cut(m, ",")
			if ip, err := netip.ParseAddr(first); err == nil {
				out = append(out, ip.Unmap())
			}
		}
	}
	slices.SortFunc(out, netip.Addr.Compare)
	return slices.Compact(out)
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}
