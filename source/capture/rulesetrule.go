// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"slices"
	"strconv"
	"strings"
)

// chain reads a line of a chain: its hook, or a rule.
func (r *rulesetReader) chain(text string, f []string) bool {
	switch {
	case f[0] == "comment" && len(tokens(text)) == 2:
		return true
	case f[0] == "type" && slices.Contains(f, "hook"):
		return r.hook(text)
	case f[0] == "policy" && len(f) == 2:
		r.inner["policy"] = strings.Trim(f[1], ";")
		return true
	}
	rule := object{"family": r.family, "table": r.table, "chain": r.inner["name"]}
	words := tokens(text)
	if n := len(words); n > 2 && words[n-2] == "comment" {
		rule["comment"] = strings.Trim(words[n-1], `"`)
		words = words[:n-2]
	}
	expr, ok := r.statements(words)
	if !ok {
		return false
	}
	rule["expr"] = expr
	r.objects = append(r.objects, object{"rule": rule})
	return true
}

// hook reads "type nat hook prerouting priority dstnat + 10; policy accept;".
func (r *rulesetReader) hook(text string) bool {
	head, policy, _ := strings.Cut(text, ";")
	f := strings.Fields(head)
	priority, ok := priorityOf(f[slices.Index(f, "priority")+1:])
	kind, hook := word(f, "type"), word(f, "hook")
	if !ok || !slices.Contains(f, "priority") || hook == "" {
		return false
	}
	r.inner["type"], r.inner["hook"], r.inner["prio"] = kind, hook, priority
	if device := word(f, "device"); device != "" {
		r.inner["dev"] = strings.Trim(device, `"`)
	}
	r.inner["policy"] = "accept"
	if p := strings.Fields(strings.Trim(policy, "; ")); len(p) == 2 && p[0] == "policy" {
		r.inner["policy"] = p[1]
	}
	return true
}

// priorityOf reads a number, or a name and what is added to it (nft(8) "Standard
// priority names").
func priorityOf(f []string) (int, bool) {
	if len(f) == 0 {
		return 0, false
	}
	n, known := map[string]int{"raw": -300, "mangle": -150, "dstnat": -100, "filter": 0, "security": 50, "srcnat": 100}[f[0]]
	if !known {
		n, err := strconv.Atoi(f[0])
		return n, err == nil && len(f) == 1
	}
	if len(f) == 3 {
		more, err := strconv.Atoi(f[1] + f[2])
		return n + more, err == nil
	}
	return n, len(f) == 1
}

// statements reads a rule's words; false: one of them has no meaning here.
func (r *rulesetReader) statements(words []string) ([]any, bool) {
	var out []any
	for len(words) > 0 {
		if v, n := r.statement(words); n > 0 {
			out, words = append(out, v), words[n:]
			continue
		}
		v, n := match(words)
		if n == 0 {
			return nil, false
		}
		out, words = append(out, v), words[n:]
	}
	return out, len(out) > 0
}

func (r *rulesetReader) statement(w []string) (any, int) {
	if v, ok := verdict(w[:1]); ok {
		return v, 1
	}
	if len(w) >= 2 {
		if v, ok := verdict(w[:2]); ok {
			return v, 2
		}
	}
	switch {
	case w[0] == "counter" && len(w) >= 5 && w[1] == "packets" && w[3] == "bytes":
		return object{"counter": object{}}, 5
	case w[0] == "dnat" && len(w) >= 3 && w[1] == "to":
		to, ok := target(w[2])
		if ok && len(w) == 3 {
			return object{"dnat": to}, 3
		}
	case w[0] == "reject" && len(w) == 1 && (r.family == "ip" || r.family == "ip6"):
		kind := map[string]string{"ip": "icmp", "ip6": "icmpv6"}[r.family]
		return object{"reject": object{"type": kind, "expr": "port-unreachable"}}, 1
	case w[0] == "masquerade" && len(w) == 1:
		return object{"masquerade": nil}, 1
	case w[0] == "masquerade" && len(w) == 2 && w[1] == "fully-random":
		return object{"masquerade": object{"flags": w[1]}}, 2
	}
	return nil, 0
}

// target is 10.0.0.9:53, [fd00::1]:53 or an address.
func target(text string) (object, bool) {
	if at, ok := endpoint(text); ok {
		return object{"addr": at.Addr().String(), "port": at.Port()}, true
	}
	a, ok := addrOf(text)
	return object{"addr": a.String()}, ok
}

// match reads "ip daddr . meta l4proto . th dport vmap @service-ips" and "ip saddr
// != 10.0.0.0/8".
func match(w []string) (any, int) {
	left, n := key(w)
	if n == 0 || n >= len(w) {
		return nil, 0
	}
	op := "=="
	switch w[n] {
	case "vmap":
		if n+1 >= len(w) {
			return nil, 0
		}
		data, ok := right(w[n+1])
		return object{"vmap": object{"key": left, "data": data}}, (n + 2) * one(ok)
	case "!=":
		op = w[n]
		n++
	}
	if n >= len(w) {
		return nil, 0
	}
	value, ok := right(w[n])
	return object{"match": object{"op": op, "left": left, "right": value}}, (n + 1) * one(ok)
}

func one(ok bool) int {
	if ok {
		return 1
	}
	return 0
}

// key reads what a match looks at.
func key(w []string) (any, int) {
	var parts []any
	n := 0
	for {
		part, used := part(w[n:])
		if used == 0 {
			return nil, 0
		}
		parts = append(parts, part)
		n += used
		if n >= len(w) || w[n] != "." {
			break
		}
		n++
	}
	if len(parts) == 1 {
		return parts[0], n
	}
	return object{"concat": parts}, n
}

func part(w []string) (any, int) {
	switch {
	case len(w) >= 4 && w[0] == "numgen" && (w[1] == "random" || w[1] == "inc") && w[2] == "mod":
		n, ok := number(w[3])
		return object{"numgen": object{"mode": w[1], "mod": n, "offset": 0}}, 4 * one(ok)
	case len(w) < 2:
		return nil, 0
	case w[0] == "meta" && w[1] == "l4proto":
		return object{"meta": object{"key": w[1]}}, 2
	case w[0] == "iifname" || w[0] == "oifname":
		return object{"meta": object{"key": w[0]}}, 1
	case (w[0] == "ip" || w[0] == "ip6") && (w[1] == "saddr" || w[1] == "daddr" || w[1] == "protocol" || w[1] == "nexthdr"),
		slices.Contains([]string{"tcp", "udp", "sctp", "th"}, w[0]) && (w[1] == "sport" || w[1] == "dport"):
		return object{"payload": object{"protocol": w[0], "field": w[1]}}, 2
	}
	return nil, 0
}

// right is the name of a set, an anonymous one, or a value.
func right(w string) (any, bool) {
	switch {
	case strings.HasPrefix(w, "@"):
		return w, len(w) > 1
	case strings.HasPrefix(w, "{"):
		list, ok := elements(w)
		return object{"set": list}, ok && len(list) > 0
	}
	return value(w)
}
