// SPDX-License-Identifier: Apache-2.0

package host

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"whohas/dataplane"
)

func readPolicies(ctx context.Context, k rtnetlink) ([]dataplane.Rule, error) {
	var out []dataplane.Rule
	for _, family := range []int{unix.AF_INET, unix.AF_INET6} {
		list, err := whole(ctx, func() ([][]byte, error) { return k.Rules(ctx, family) })
		for _, m := range list {
			// A message with another family belongs to somebody else's rules.
			if p, ok := policy(m); ok && p.Family == familyNumber(family) {
				out = append(out, p)
			}
		}
		if err != nil && !errors.Is(err, unix.EAFNOSUPPORT) { // a kernel without IPv6 has no such rules
			return out, err
		}
	}
	slices.SortStableFunc(out, func(a, b dataplane.Rule) int { return cmp.Or(a.Family-b.Family, a.Priority-b.Priority) })
	return out, nil // rules of one priority keep the kernel's order, in which it asks them
}

func familyNumber(family int) int {
	if family == unix.AF_INET6 {
		return 6
	}
	return 4
}

// policy reads a struct fib_rule_hdr and its attributes (linux
// include/uapi/linux/fib_rules.h); the header has the form of a route's.
func policy(m []byte) (dataplane.Rule, bool) {
	if len(m) < unix.SizeofRtMsg {
		return dataplane.Rule{}, false
	}
	h := nl.DeserializeRtMsg(m)
	p := dataplane.Rule{Family: familyNumber(int(h.Family)), Table: int(h.Table), Not: h.Flags&fibRuleInvert != 0, Type: policyType(h.Type)}
	var other []string
	if h.Tos != 0 {
		other = append(other, fmt.Sprintf("tos 0x%02x", h.Tos))
	}
	for kind, v := range attributes(m[unix.SizeofRtMsg:]) {
		if word := policyAttribute(&p, h, kind, v); word != "" {
			other = append(other, word)
		}
	}
	if p.Type != "" || p.Goto != 0 {
		p.Table = 0
	}
	p.Other = strings.Join(other, " ")
	return p, h.Family == unix.AF_INET || h.Family == unix.AF_INET6
}

// What golang.org/x/sys/unix has no names for (linux include/uapi/linux/fib_rules.h).
const (
	fibRuleInvert = 0x2
	fraDSCP       = 25 // these three later than Linux 6.12
	fraSportMask  = 28 // also where every bit counts
	fraDportMask  = 29
)

// policyType names what is no look-up; a goto is told by its target.
func policyType(action uint8) string {
	switch action {
	case unix.FR_ACT_TO_TBL, unix.FR_ACT_GOTO:
		return ""
	case unix.FR_ACT_NOP:
		return "nop"
	case unix.FR_ACT_BLACKHOLE:
		return "blackhole"
	case unix.FR_ACT_UNREACHABLE:
		return "unreachable"
	case unix.FR_ACT_PROHIBIT:
		return "prohibit"
	}
	return fmt.Sprintf("action %d", action)
}

// policyAttribute puts an attribute into the policy, or gives ip's words for one
// that has no field there.
func policyAttribute(p *dataplane.Rule, h *nl.RtMsg, kind int, v []byte) string {
	n := number(v)
	switch kind {
	case unix.FRA_SRC:
		p.From = netip.PrefixFrom(rawAddr(int(h.Family), v), int(h.Src_len))
	case unix.FRA_DST:
		p.To = netip.PrefixFrom(rawAddr(int(h.Family), v), int(h.Dst_len))
	case unix.FRA_IIFNAME:
		p.In = text(v)
	case unix.FRA_OIFNAME:
		p.Out = text(v)
	case unix.FRA_GOTO:
		p.Goto = int(n)
	case unix.FRA_PRIORITY:
		p.Priority = int(n)
	case unix.FRA_TABLE:
		p.Table = int(n)
	case unix.FRA_FWMARK:
		p.Mark = uint32(n)
	case unix.FRA_FWMASK:
		p.Mask = uint32(n)
	case unix.FRA_SUPPRESS_PREFIXLEN:
		p.Suppress = int(int32(n)) + 1 // -1: none
	case unix.FRA_PROTOCOL:
		p.Protocol = ruleProtocol(int(n))
	default:
		return policyWords(kind, v)
	}
	return ""
}

// ruleProtocol names who made a rule. The kernel's own are so many that they are not
// named, as ip does not (iproute2 ip/iprule.c print_rule).
func ruleProtocol(n int) string {
	if n == unix.RTPROT_KERNEL || n == unix.RTPROT_UNSPEC {
		return ""
	}
	return routeProtocol(n)
}

func policyWords(kind int, v []byte) string {
	n := number(v)
	switch kind {
	case unix.FRA_PAD:
		return ""
	case unix.FRA_SUPPRESS_IFGROUP:
		if int32(n) < 0 {
			return ""
		}
		return fmt.Sprintf("suppress_ifgroup %d", n)
	case unix.FRA_L3MDEV:
		return "l3mdev"
	case unix.FRA_TUN_ID:
		return fmt.Sprintf("tun_id %d", netNumber(v))
	case unix.FRA_UID_RANGE:
		return "uidrange " + span(v, 4)
	case unix.FRA_IP_PROTO:
		return "ipproto " + protocolName(int(n))
	case unix.FRA_SPORT_RANGE:
		return "sport " + span(v, 2)
	case unix.FRA_DPORT_RANGE:
		return "dport " + span(v, 2)
	case fraDSCP:
		return fmt.Sprintf("dscp %d", n)
	case fraSportMask, fraDportMask:
		if n == 0xffff {
			return ""
		}
	case unix.FRA_FLOW:
		return fmt.Sprintf("realms %#x", n)
	}
	return fmt.Sprintf("attribute %d", kind)
}

// span is a range of two numbers.
func span(v []byte, size int) string {
	if len(v) < 2*size {
		return "?"
	}
	first, last := number(v[:size]), number(v[size:2*size])
	if first == last && size == 2 {
		return fmt.Sprint(first)
	}
	return fmt.Sprintf("%d-%d", first, last)
}

// protocolName names the protocols that have ports or are asked for often.
func protocolName(n int) string {
	switch n {
	case unix.IPPROTO_ICMP:
		return "icmp"
	case unix.IPPROTO_TCP:
		return "tcp"
	case unix.IPPROTO_UDP:
		return "udp"
	case unix.IPPROTO_DCCP:
		return "dccp"
	case unix.IPPROTO_ICMPV6:
		return "ipv6-icmp"
	case unix.IPPROTO_SCTP:
		return "sctp"
	case unix.IPPROTO_UDPLITE:
		return "udplite"
	}
	return fmt.Sprint(n)
}
