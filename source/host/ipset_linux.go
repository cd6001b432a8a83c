// SPDX-License-Identifier: Apache-2.0

package host

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"whohas/dataplane"
)

// readSets lists all ipsets. The library's list is not used: it gives a set of many
// members as many sets, writes to the log what it does not know, and knows no lists
// of sets (github.com/vishvananda/netlink v1.3.1 ipset_linux.go).
func readSets(ctx context.Context, k kernel) ([]dataplane.Set, error) {
	if there, err := k.has("ip_set", ipsetSymbol); err != nil || !there {
		return nil, orError(err, absent{"no ip_set in this kernel"})
	}
	s, err := open(unix.NETLINK_NETFILTER)
	if err != nil {
		return nil, err
	}
	defer s.close()
	header := &nl.Nfgenmsg{NfgenFamily: unix.AF_INET, Version: nl.NFNETLINK_V0}
	list, err := whole(ctx, func() ([][]byte, error) {
		return s.dump(ctx, unix.NFNL_SUBSYS_IPSET<<8|nl.IPSET_CMD_LIST, header, nl.NewRtAttr(nl.IPSET_ATTR_PROTOCOL, nl.Uint8Attr(nl.IPSET_PROTOCOL)))
	})
	return sets(list), setError(err)
}

func setError(err error) error {
	if err == nil || errors.Is(err, changed) {
		return err
	}
	return fmt.Errorf("list ipsets: %w", err)
}

// sets puts the messages together: a large set comes in several, of which only the
// first tells its type.
func sets(messages [][]byte) []dataplane.Set {
	var out []dataplane.Set
	index := map[string]int{}
	for _, m := range messages {
		name, kind, members := setPart(m[min(len(m), nl.SizeofNfgenmsg):])
		i, ok := index[name]
		if !ok {
			i = len(out)
			index[name] = i
			out = append(out, dataplane.Set{Name: name})
		}
		out[i].Type = cmp.Or(out[i].Type, kind)
		for _, data := range members {
			out[i].Members = append(out[i].Members, setMember(out[i].Type, data))
		}
	}
	for i := range out {
		if out[i].Type != "list:set" { // whose order counts
			slices.Sort(out[i].Members)
			out[i].Members = slices.Compact(out[i].Members)
		}
	}
	slices.SortFunc(out, func(a, b dataplane.Set) int { return strings.Compare(a.Name, b.Name) })
	return out
}

func setPart(m []byte) (name, kind string, members [][]byte) {
	for a, v := range attributes(m) {
		switch a {
		case nl.IPSET_ATTR_SETNAME:
			name = text(v)
		case nl.IPSET_ATTR_TYPENAME:
			kind = text(v)
		case nl.IPSET_ATTR_ADT:
			for inner, data := range attributes(v) {
				if inner == nl.IPSET_ATTR_DATA {
					members = append(members, data)
				}
			}
		}
	}
	return name, kind, members
}

// setMember writes a member in ipset's words. Time-outs, counters and comments are
// left out: they say nothing of what is in the set.
func setMember(kind string, data []byte) string {
	values := map[int][]byte{}
	for a, v := range attributes(data) {
		values[a] = v
	}
	method, dimensions, _ := strings.Cut(kind, ":")
	var parts []string
	second := false
	for _, dimension := range strings.Split(dimensions, ",") {
		switch dimension {
		case "ip", "net":
			parts = append(parts, setAddress(values, second))
			second = true
		case "port":
			parts = append(parts, setPort(method, values))
		case "mac":
			parts = append(parts, strings.ToUpper(net.HardwareAddr(values[nl.IPSET_ATTR_ETHER]).String()))
		case "iface":
			parts = append(parts, setInterface(values))
		case "mark":
			parts = append(parts, fmt.Sprintf("0x%08x", netNumber(values[nl.IPSET_ATTR_MARK])))
		case "set":
			parts = append(parts, text(values[nl.IPSET_ATTR_NAME]))
		default:
			parts = append(parts, "?") // a type that nobody knows yet
		}
	}
	member := strings.Join(parts, ",")
	if setFlags(values)&nl.IPSET_FLAG_NOMATCH != 0 {
		member += " nomatch"
	}
	return member
}

func setFlags(values map[int][]byte) uint64 { return netNumber(values[nl.IPSET_ATTR_CADT_FLAGS]) }

// setAddress is the first or second address, with its length where that is not
// the longest.
func setAddress(values map[int][]byte, second bool) string {
	at, length := nl.IPSET_ATTR_IP, nl.IPSET_ATTR_CIDR
	if second {
		at, length = nl.IPSET_ATTR_IP2, nl.IPSET_ATTR_CIDR2
	}
	for kind, v := range attributes(values[at]) {
		family := unix.AF_INET
		if kind == nl.IPSET_ATTR_IPADDR_IPV6 {
			family = unix.AF_INET6
		}
		ip := rawAddr(family, v)
		if bits, ok := values[length]; ok && int(netNumber(bits)) != ip.BitLen() {
			return fmt.Sprintf("%s/%d", ip, netNumber(bits))
		}
		return ip.String()
	}
	return "?"
}

// setPort is "tcp:80" in a hash, and "80" in a bitmap of ports.
func setPort(method string, values map[int][]byte) string {
	port := netNumber(values[nl.IPSET_ATTR_PORT])
	if method == "bitmap" {
		return fmt.Sprint(port)
	}
	proto := netNumber(values[nl.IPSET_ATTR_PROTO])
	name := protocolName(int(proto))
	switch proto {
	case unix.IPPROTO_ICMP:
		return fmt.Sprintf("icmp:%d/%d", port>>8, port&0xff)
	case unix.IPPROTO_ICMPV6:
		return fmt.Sprintf("icmpv6:%d/%d", port>>8, port&0xff)
	}
	return fmt.Sprintf("%s:%d", name, port)
}

func setInterface(values map[int][]byte) string {
	name := text(values[nl.IPSET_ATTR_IFACE])
	if setFlags(values)&nl.IPSET_FLAG_PHYSDEV != 0 {
		name = "physdev:" + name
	}
	return name
}
