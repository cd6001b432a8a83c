// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"whohas/dataplane"
)

// parseIPJSON reads what ip -j and bridge -j print: a list of objects, whose
// members are as iproute2 v6.1 names them.
func (b *output) parseIPJSON() {
	b.decode(func(dec *json.Decoder) error {
		var list []map[string]any
		if err := dec.Decode(&list); err != nil {
			return err
		}
		for _, o := range list {
			if len(o) > 0 && !b.object(o) { // a filter leaves empty ones
				b.faults.add(b.line, fmt.Sprint(o))
			}
		}
		return nil
	})
	b.facts.kinds = len(b.facts.devices) > 0 && !slices.ContainsFunc(b.facts.devices, func(d device) bool { return !d.detailed })
}

type object = map[string]any

func (b *output) object(o object) bool {
	switch b.command.kind {
	case ofDevices:
		return b.deviceObject(o)
	case ofRoutes:
		return b.routeObject(o)
	case ofRules:
		return b.ruleObject(o)
	case ofNeigh:
		return b.neighbourObject(o)
	}
	return b.forwardObject(o)
}

// text is a member as a text: some versions write numbers as texts.
func text(o object, key string) string {
	switch v := o[key].(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	}
	return ""
}

func integer(o object, key string) int {
	n, _ := number(text(o, key))
	return n
}

// has reports whether a member stands there, be it null: ip's way to say yes.
func has(o object, key string) bool {
	v, ok := o[key]
	return ok && v != false
}

func list(o object, key string) []string {
	var out []string
	values, _ := o[key].([]any)
	for _, v := range values {
		if s, ok := v.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

func objects(o object, key string) []object {
	var out []object
	values, _ := o[key].([]any)
	for _, v := range values {
		if m, ok := v.(object); ok {
			out = append(out, m)
		}
	}
	return out
}

func (b *output) deviceObject(o object) bool {
	name := text(o, "ifname")
	if name == "" {
		return false
	}
	whole := true
	if _, ok := o["mtu"]; ok {
		b.facts.any = true
		b.facts.devices = append(b.facts.devices, deviceOf(o, name))
	}
	for _, info := range objects(o, "addr_info") {
		if len(info) > 0 && !b.addressObject(name, info) {
			whole = false
		}
	}
	return whole
}

func deviceOf(o object, name string) device {
	d := device{Link: dataplane.Link{Index: integer(o, "ifindex"), Name: name, Parent: text(o, "link"), MTU: integer(o, "mtu"),
		Master: text(o, "master"), MAC: macOf(text(o, "address"))}}
	d.flags(list(o, "flags"))
	if has(o, "link_netnsid") || has(o, "link_netns") {
		d.Parent = ""
	} else if n := integer(o, "link_index"); d.Parent == "" && n != 0 {
		d.Parent = fmt.Sprintf("if%d", n)
	}
	_, d.detailed = o["promiscuity"]
	info, _ := o["linkinfo"].(object)
	d.Kind = kindOf(text(info, "info_kind"))
	data, _ := info["info_data"].(object)
	for _, key := range []string{"local", "local6", "remote", "remote6", "group", "group6", "id", "link"} {
		if value := text(data, key); value != "" {
			d.property(strings.TrimSuffix(key, "6"), value)
		}
	}
	return d
}

func (b *output) addressObject(link string, o object) bool {
	local, ok := addrOf(text(o, "local"))
	bits, fine := number(text(o, "prefixlen"))
	family := text(o, "family")
	if !ok || !fine || bits > local.BitLen() || local.Is4() != (family == "inet") || text(o, "scope") == "" {
		return false
	}
	a := dataplane.Address{Link: link, Prefix: netip.PrefixFrom(local, bits), Scope: text(o, "scope"), Secondary: has(o, "secondary") && local.Is4(),
		Failed: has(o, "dadfailed"), Tentative: has(o, "tentative"), Dynamic: has(o, "dynamic")}
	if peer, ok := addrOf(text(o, "address")); ok {
		a.Peer = peer
	}
	b.facts.any = true
	b.facts.addresses = append(b.facts.addresses, a)
	return true
}

func (b *output) routeObject(o object) bool {
	r := route{Route: dataplane.Route{Type: "unicast", Protocol: "boot", Scope: "global", Source: pointOf(text(o, "prefsrc")), Metric: integer(o, "metric")}, table: "main"}
	if b.command.table != "" && b.command.table != "all" {
		r.table = b.command.table
	}
	for key, to := range map[string]*string{"type": &r.Type, "scope": &r.Scope, "table": &r.table} {
		if value := text(o, key); value != "" {
			*to = value
		}
	}
	if p := text(o, "protocol"); p != "" {
		r.Protocol = protocolOf(p)
	}
	r.TOS, _ = tosOf(text(o, "tos"))
	family := b.command.family
	if _, ok := o["pref"]; ok { // only of IPv6
		family = "6"
	}
	var ok bool
	if r.To, ok = destination(text(o, "dst"), family); !ok || !isRouteType(r.Type) {
		return false
	}
	b.facts.any = true
	hops := objects(o, "nexthops")
	if len(hops) == 0 {
		b.facts.routes = append(b.facts.routes, r.on(o))
	}
	for _, h := range hops {
		one := r.on(h)
		one.Weight = integer(h, "weight")
		b.facts.routes = append(b.facts.routes, one)
	}
	return true
}

// on is the route over a next hop.
func (r route) on(o object) route {
	r.Link, r.Via = text(o, "dev"), pointOf(text(o, "gateway"))
	if via, ok := o["via"].(object); ok {
		r.Via = pointOf(text(via, "host"))
	}
	flags := list(o, "flags")
	r.Onlink, r.Dead = slices.Contains(flags, "onlink"), slices.Contains(flags, "dead")
	if kind := text(o, "encap"); kind != "" {
		r.Other = "encap " + kind
	}
	return r
}

func (b *output) ruleObject(o object) bool {
	if _, ok := o["priority"]; !ok {
		return false
	}
	r := rule{Rule: dataplane.Rule{Priority: integer(o, "priority"), Family: 4, Not: has(o, "not"), In: text(o, "iif"), Out: text(o, "oif"), Goto: integer(o, "goto"), Protocol: ruleProtocol(text(o, "protocol"))},
		table: text(o, "table"), other: map[string]string{}}
	ok := r.selectors(o)
	if b.command.family == "6" || r.From.Addr().Is6() || r.To.Addr().Is6() {
		r.Family = 6
	}
	switch action := text(o, "action"); action {
	case "", "blackhole", "unreachable", "prohibit", "nop":
		r.Type = action
	default:
		ok = false
	}
	if !ok {
		return false
	}
	r.finish()
	b.facts.any = true
	b.facts.rules = append(b.facts.rules, r)
	return true
}

func (r *rule) selectors(o object) bool {
	ok := true
	for key, to := range map[string]*netip.Prefix{"src": &r.From, "dst": &r.To} {
		value := text(o, key)
		if value == "" || value == "all" {
			continue
		}
		if _, short := o[key+"len"]; short {
			value += "/" + text(o, key+"len")
		}
		p, fine := destination(value, "")
		*to, ok = p, ok && fine
	}
	if value := text(o, "fwmark"); value != "" {
		if mask := text(o, "fwmask"); mask != "" {
			value += "/" + mask
		}
		ok = r.mark(value) && ok
	}
	if _, there := o["suppress_prefixlen"]; there {
		r.Suppress = integer(o, "suppress_prefixlen") + 1
	}
	if has(o, "l3mdev") {
		r.other["l3mdev"] = ""
	}
	for key, value := range map[string]string{"tos": text(o, "tos"), "tun_id": text(o, "tun_id"), "ipproto": text(o, "ipproto"), "suppress_ifgroup": text(o, "suppress_ifgroup"),
		"uidrange": span(o, "uid_start", "uid_end"), "sport": text(o, "sport") + span(o, "sport_start", "sport_end"), "dport": text(o, "dport") + span(o, "dport_start", "dport_end")} {
		if value != "" {
			ok = (key != "tos" || r.pair(key, value)) && ok
			if key != "tos" {
				r.other[key] = value
			}
		}
	}
	if to := text(o, "flow_to"); to != "" {
		from := text(o, "flow_from")
		if from == "" {
			from = "0"
		}
		r.other["realms"] = realms(from + "/" + to)
	}
	return ok
}

func span(o object, first, last string) string {
	if text(o, first) == "" {
		return ""
	}
	return text(o, first) + "-" + text(o, last)
}

func (b *output) neighbourObject(o object) bool {
	ip, ok := addrOf(text(o, "dst"))
	if !ok {
		return false
	}
	n := dataplane.Neighbour{IP: ip, Link: text(o, "dev"), Proxy: has(o, "proxy"), MAC: macText(text(o, "lladdr"))}
	if states := list(o, "state"); len(states) > 0 {
		n.State = states[0]
	}
	if n.State == "NONE" && !n.Proxy {
		return true
	}
	return b.neighbour(n)
}

// macText is an Ethernet address, be it zero: in a tunnel's database that is every
// other.
func macText(text string) string {
	if !isMAC(text) {
		return ""
	}
	return strings.ToLower(text)
}

func (b *output) forwardObject(o object) bool {
	n := dataplane.Neighbour{MAC: macText(text(o, "mac")), Link: text(o, "ifname"), State: "REACHABLE", Forward: true}
	if n.MAC == "" {
		return false
	}
	if state := text(o, "state"); state != "" {
		if n.State = forwardState(state); n.State == "" {
			return false
		}
	}
	if dst := text(o, "dst"); dst != "" {
		var ok bool
		if n.IP, ok = addrOf(dst); !ok {
			return false
		}
	}
	return b.forward(n, text(o, "master") != "")
}
