// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"whohas/dataplane"
)

// rule is a Policy whose table may still be a name.
type rule struct {
	dataplane.Rule
	table string
	other map[string]string // selectors without a field, by their first word
}

// others lists the selectors that have no field, in the order in which the kernel
// gives them (linux net/core/fib_rules.c fib_nl_fill_rule).
func others() []string {
	return []string{"tos", "tun_id", "l3mdev", "uidrange", "sport", "dport", "ipproto", "suppress_ifgroup", "realms"}
}

// finish puts the other selectors into one text.
func (r *rule) finish() {
	var words []string
	for _, key := range others() {
		if value, ok := r.other[key]; ok {
			words = append(words, strings.TrimSpace(key+" "+value))
		}
	}
	r.Other = strings.Join(words, " ")
	if r.Mark != 0 && r.Mask == 0 {
		r.Mask = 0xffffffff // every bit: ip writes no mask
	}
	if r.Type != "" || r.Goto != 0 {
		r.table = ""
	}
}

// parseRule reads a line of ip rule (iproute2 v6.1 ip/iprule.c print_rule):
// "100:	from 10.0.0.0/8 fwmark 0x10/0xff lookup 100".
func (b *output) parseRule(f []string) bool {
	priority, ok := number(strings.TrimSuffix(f[0], ":"))
	if !ok || !strings.HasSuffix(f[0], ":") || len(f) < 3 {
		return false
	}
	r := rule{Rule: dataplane.Rule{Priority: priority, Family: 4}, other: map[string]string{}}
	if b.command.family == "6" || strings.Contains(word(f, "from")+word(f, "to"), ":") {
		r.Family = 6
	}
	if !r.words(f[1:]) {
		return false
	}
	r.finish()
	b.facts.any = true
	b.facts.rules = append(b.facts.rules, r)
	return true
}

func (r *rule) words(f []string) bool {
	for len(f) > 0 {
		switch f[0] {
		case "not":
			r.Not = true
		case "blackhole", "unreachable", "prohibit", "nop":
			r.Type = f[0]
		case "[detached]", "[unresolved]", "unresolved":
		default:
			if len(f) < 2 || !r.pair(f[0], f[1]) {
				return false
			}
			f = f[1:]
		}
		f = f[1:]
	}
	return true
}

func (r *rule) pair(key, value string) bool {
	ok := true
	switch key {
	case "from", "to":
		if value == "all" {
			return true
		}
		p, fine := destination(value, "")
		if ok = fine; key == "from" {
			r.From = p
		} else {
			r.To = p
		}
	case "iif":
		r.In = value
	case "oif":
		r.Out = value
	case "fwmark":
		ok = r.mark(value)
	case "lookup", "table":
		if value == "[l3mdev-table]" {
			r.other["l3mdev"] = ""
			return true
		}
		r.table = value
	case "goto":
		r.Goto, ok = number(value)
	case "suppress_prefixlength":
		r.Suppress, ok = number(value)
		r.Suppress++
	case "tos", "dsfield":
		var n int
		n, ok = tosOf(value)
		r.other["tos"] = fmt.Sprintf("0x%02x", n)
	case "realms":
		r.other["realms"] = realms(value)
	case "uidrange", "sport", "dport", "ipproto", "tun_id", "suppress_ifgroup":
		r.other[key] = value
	case "proto", "protocol":
		r.Protocol = ruleProtocol(value)
	default:
		return false
	}
	return ok
}

// ruleProtocol leaves out the kernel's name, as ip does without -d.
func ruleProtocol(name string) string {
	if name == "kernel" || name == "unspec" {
		return ""
	}
	return name
}

func (r *rule) mark(text string) bool {
	mark, mask, masked := strings.Cut(text, "/")
	n, err := strconv.ParseUint(mark, 0, 32)
	if err != nil {
		return false
	}
	r.Mark, r.Mask = uint32(n), 0xffffffff
	if masked {
		m, err := strconv.ParseUint(mask, 0, 32)
		if err != nil {
			return false
		}
		r.Mask = uint32(m)
	}
	return true
}

// realms is the number that the kernel keeps: ip writes "from/to".
func realms(text string) string {
	from, to, both := strings.Cut(text, "/")
	if !both {
		from, to = "0", text
	}
	high, ok := number(from)
	low, fine := number(to)
	if !ok || !fine {
		return text
	}
	return fmt.Sprintf("%#x", high<<16|low)
}

func isNeighbourState(text string) bool {
	return slices.Contains([]string{"PERMANENT", "REACHABLE", "STALE", "DELAY", "PROBE", "INCOMPLETE", "FAILED", "NOARP"}, text)
}

// parseNeighbour reads a line of ip neigh (iproute2 v6.1 ip/ipneigh.c print_neigh):
// "192.168.10.7 dev w0 lladdr 02:00:00:00:00:07 PERMANENT".
func (b *output) parseNeighbour(f []string) bool {
	ip, ok := addrOf(f[0])
	if !ok || len(f) < 3 {
		return false
	}
	n := dataplane.Neighbour{IP: ip}
	for f = f[1:]; len(f) > 0; f = f[1:] {
		switch {
		case f[0] == "proxy":
			n.Proxy = true
		case isNeighbourState(f[0]):
			n.State = f[0]
		case slices.Contains([]string{"router", "extern_learn", "extern_valid", "managed", "offload", "self", "use", "sticky", "NONE"}, f[0]):
		case len(f) < 2:
			return false
		case f[0] == "dev":
			n.Link, f = f[1], f[1:]
		case f[0] == "lladdr":
			if isMAC(f[1]) {
				n.MAC = strings.ToLower(f[1])
			}
			f = f[1:]
		case slices.Contains([]string{"ref", "used", "probes", "proto", "protocol", "state", "nud"}, f[0]):
			f = f[1:]
		default:
			return false
		}
	}
	return b.neighbour(n)
}

// neighbour keeps what source/host keeps: no entry that stands for no neighbour.
func (b *output) neighbour(n dataplane.Neighbour) bool {
	if n.Link == "" || n.State == "" && !n.Proxy && !n.Forward {
		return false
	}
	b.facts.any = true
	if n.Proxy {
		n.State = ""
	}
	if n.Proxy || n.Forward || n.State != "NOARP" {
		b.facts.neighbours = append(b.facts.neighbours, n)
	}
	return true
}

// parseForward reads a line of bridge fdb (iproute2 v6.1 bridge/fdb.c print_fdb):
// "02:00:00:00:00:99 dev vx0 dst 192.168.10.116 self permanent".
func (b *output) parseForward(f []string) bool {
	if !isMAC(f[0]) {
		return false
	}
	n := dataplane.Neighbour{MAC: strings.ToLower(f[0]), State: "REACHABLE", Forward: true}
	master := false
	for f = f[1:]; len(f) > 0; f = f[1:] {
		switch {
		case forwardState(f[0]) != "":
			n.State = forwardState(f[0])
		case slices.Contains([]string{"self", "router", "extern_learn", "offload", "sticky", "locked", "added_by_user"}, f[0]):
		case len(f) < 2:
			return false
		case f[0] == "dev":
			n.Link, f = f[1], f[1:]
		case f[0] == "dst":
			ip, ok := addrOf(f[1])
			if !ok {
				return false
			}
			n.IP, f = ip, f[1:]
		case f[0] == "master":
			master, f = true, f[1:]
		case slices.Contains([]string{"vlan", "port", "vni", "src_vni", "via", "linkNetNsId", "link-netnsid", "used", "nhid", "updated"}, f[0]):
			f = f[1:]
		default:
			return false
		}
	}
	return b.forward(n, master)
}

// forwardState gives ip's word for bridge's (bridge/fdb.c state_n2a); a learnt entry
// has none.
func forwardState(text string) string {
	switch text {
	case "permanent":
		return "PERMANENT"
	case "static":
		return "NOARP"
	case "stale":
		return "STALE"
	}
	return ""
}

// forward leaves out the multicast addresses that cards listen to.
func (b *output) forward(n dataplane.Neighbour, master bool) bool {
	first, err := strconv.ParseUint(n.MAC[:2], 16, 8)
	if err != nil || n.Link == "" {
		return false
	}
	b.facts.any = true
	if first&1 == 0 && (master || n.IP.IsValid()) {
		b.facts.neighbours = append(b.facts.neighbours, n)
	}
	return true
}
