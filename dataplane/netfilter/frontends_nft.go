// SPDX-License-Identifier: Apache-2.0

package netfilter

import (
	"cmp"
	"encoding/json"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"whohas/dataplane"
)

// nftBases are the base chains of type nat in which destinations can be rewritten.
func nftBases(t *dataplane.Table) []base {
	var out []base
	for _, c := range t.Chains {
		if c.Type == "nat" && (c.Hook == "prerouting" || c.Hook == "output") {
			out = append(out, base{c.Name, strings.ToUpper(c.Hook)})
		}
	}
	return out
}

func nftBranches(t *dataplane.Table) map[string][]branch {
	out := make(map[string][]branch, len(t.Chains))
	sets := make(map[string]*dataplane.Map, len(t.Maps))
	for i := range t.Maps {
		sets[t.Maps[i].Name] = &t.Maps[i]
	}
	for _, c := range t.Chains {
		for _, text := range c.Rules {
			r := nftRule{sets: sets, text: text, dests: []dest{{}}}
			r.read()
			out[c.Name] = append(out[c.Name], r.out...)
		}
	}
	return out
}

// nftRule follows one rule's expressions.
type nftRule struct {
	sets  map[string]*dataplane.Map
	text  string
	dests []dest
	when  []string
	out   []branch
}

type object = map[string]any

func (r *nftRule) read() {
	v, err := decode([]byte(r.text))
	list, _ := v.([]any)
	if err != nil {
		return
	}
	for _, e := range list {
		for name, arg := range asObject(e) {
			if !r.expression(name, arg) {
				return
			}
		}
	}
}

// idle are the statements that every packet passes.
var idle = []string{"comment", "counter", "log", "mangle", "set", "notrack", "flow", "last"}

// expression follows one expression; false ends the rule.
func (r *nftRule) expression(name string, arg any) bool {
	switch name {
	case "match":
		r.match(asObject(arg))
	case "vmap":
		r.vmap(asObject(arg), "")
	case "jump", "goto":
		target, _ := asObject(arg)["target"].(string)
		r.add(branch{dests: r.dests, target: target, rule: r.text, service: serviceOfChain(target)})
		return false
	case "dnat", "redirect":
		r.rewrite(asObject(arg))
		return false
	case "accept", "drop", "return", "reject", "queue", "snat", "masquerade", "tproxy", "continue":
		return name == "continue"
	default:
		if !slices.Contains(idle, name) {
			r.condition(object{name: arg})
		}
	}
	return true
}

func (r *nftRule) add(b branch) {
	if len(b.dests) > 0 {
		b.when = slices.Clone(r.when)
		r.out = append(r.out, b)
	}
}

func (r *nftRule) condition(v any) {
	if text, err := compact(v); err == nil {
		r.when = append(r.when, text)
	}
}

// match narrows the destinations, or is a condition of another sort.
func (r *nftRule) match(m object) {
	op, _ := m["op"].(string)
	k, ok := keyOf(m["left"])
	if op != "==" && op != "in" || !ok {
		r.condition(object{"match": m})
		return
	}
	members, known := r.members(m["right"])
	if !known {
		r.condition(object{"match": m})
		return
	}
	var found []dest
	for _, v := range members {
		d, ok := k.dest(v.key)
		if !ok { // a value of another form: nobody knows what it narrows to
			r.condition(object{"match": m})
			return
		}
		found = append(found, d)
	}
	if k.partial {
		r.condition(object{"match": m})
	}
	r.dests = meet(r.dests, found)
}

func meet(a, b []dest) []dest {
	var out []dest
	for _, x := range a {
		for _, y := range b {
			if d, ok := x.and(y); ok {
				out = append(out, d)
			}
		}
	}
	return out
}

// rewrite is dnat or redirect. Where the new destination is looked up by the old
// one, the map's elements name the addresses.
func (r *nftRule) rewrite(arg object) {
	for _, part := range []string{"addr", "port"} {
		if lookup, ok := asObject(arg[part])["map"]; ok {
			if _, ok := keyOf(asObject(lookup)["key"]); ok {
				r.vmap(asObject(lookup), part)
				return
			}
		}
	}
	r.add(branch{dests: r.dests, nat: true, rule: r.text})
}

// vmap makes a branch of each element of the map; part tells that its values are
// no verdicts but new destinations.
func (r *nftRule) vmap(m object, part string) {
	k, ok := keyOf(m["key"])
	name, _ := m["data"].(string)
	name = strings.TrimPrefix(name, "@")
	before := r.when
	defer func() { r.when = before }() // what follows the lookup does not depend on it
	if !ok || k.partial {
		r.condition(object{"vmap": m})
	}
	elements, _ := r.members(m["data"]) // of a map that is not there no packet finds anything
	for _, e := range elements {
		b := branch{dests: r.dests, nat: part != "", rule: r.text}
		if d, known := k.dest(e.key); ok && known {
			b.dests = meet(r.dests, []dest{d})
		}
		if name != "" {
			b.inMap, b.rule = name, e.text
		}
		if !b.nat {
			verdict := asObject(e.value)
			to := asObject(verdict["goto"])
			if to == nil {
				to = asObject(verdict["jump"])
			}
			if b.target, _ = to["target"].(string); b.target == "" {
				continue
			}
			b.service = serviceOfChain(b.target)
		}
		r.add(b)
	}
}

// member is an element of a set or map.
type member struct {
	key, value any
	text       string
}

// members lists what a right-hand side holds: a named set, an anonymous one, or
// one value; false: it names a set that is not there.
func (r *nftRule) members(v any) ([]member, bool) {
	switch v := v.(type) {
	case string:
		if name, ok := strings.CutPrefix(v, "@"); ok {
			return r.named(name)
		}
	case map[string]any:
		if set, ok := v["set"]; ok {
			return inline(set), true
		}
	case []any:
		return inline(v), true
	}
	return []member{{key: v}}, true
}

func inline(set any) []member {
	var out []member
	list, ok := set.([]any)
	if !ok {
		list = []any{set}
	}
	for _, v := range list {
		out = append(out, memberOf(v, ""))
	}
	return out
}

func (r *nftRule) named(name string) ([]member, bool) {
	m := r.sets[name]
	if m == nil {
		return nil, false
	}
	var out []member
	for _, text := range m.Elements {
		if v, err := decode([]byte(text)); err == nil {
			out = append(out, memberOf(v, text))
		}
	}
	return out, true
}

func memberOf(v any, text string) member {
	m := member{key: v, text: text}
	if pair, ok := v.([]any); ok && len(pair) == 2 {
		m.key, m.value = pair[0], pair[1]
	}
	if e := asObject(asObject(m.key)["elem"]); e != nil {
		m.key = e["val"]
	}
	return m
}

// key is what a match or lookup asks, part by part.
type key struct {
	parts   []string // "to", "proto", "port", "" for anything else
	proto   string   // that a part implies: of "tcp dport" TCP
	partial bool     // a part is something else
}

// keyOf reads a left-hand side; false: nothing in it is of a destination.
func keyOf(v any) (key, bool) {
	list, ok := asObject(v)["concat"].([]any)
	if !ok {
		list = []any{v}
	}
	var k key
	useful := false
	for _, e := range list {
		part, proto := partOf(asObject(e))
		k.parts = append(k.parts, part)
		k.proto = cmp.Or(k.proto, proto)
		useful = useful || part != ""
		k.partial = k.partial || part == ""
	}
	return k, useful
}

func partOf(e object) (part, proto string) {
	payload := asObject(e["payload"])
	from, _ := payload["protocol"].(string)
	field, _ := payload["field"].(string)
	switch {
	case asObject(e["meta"])["key"] == "l4proto", from == "ip" && field == "protocol", from == "ip6" && field == "nexthdr":
		return "proto", ""
	case (from == "ip" || from == "ip6") && field == "daddr":
		return "to", ""
	case field == "dport" && from == "th":
		return "port", ""
	case field == "dport":
		return "port", strings.ToUpper(from)
	}
	return "", ""
}

// dest reads a value as the key's parts say.
func (k key) dest(v any) (dest, bool) {
	values, ok := asObject(v)["concat"].([]any)
	if !ok {
		values = []any{v}
	}
	if len(values) != len(k.parts) {
		return dest{}, false
	}
	d := dest{proto: k.proto}
	for i, part := range k.parts {
		if !d.set(part, values[i]) {
			return dest{}, false
		}
	}
	return d, true
}

func (d *dest) set(part string, v any) bool {
	switch part {
	case "to":
		d.to = prefixOf(v)
		return d.to.IsValid()
	case "proto":
		text := textOf(v)
		d.proto = protocol(text)
		return text != ""
	case "port":
		var ok bool
		d.ports, ok = portsOf(v)
		return ok
	}
	return true
}

func prefixOf(v any) netip.Prefix {
	if p := asObject(asObject(v)["prefix"]); p != nil {
		return parsePrefix(textOf(p["addr"]) + "/" + textOf(p["len"]))
	}
	return parsePrefix(textOf(v))
}

func portsOf(v any) (PortRange, bool) {
	if ends, ok := asObject(v)["range"].([]any); ok && len(ends) == 2 {
		return portRange(textOf(ends[0]), textOf(ends[1]))
	}
	text := textOf(v)
	if _, err := strconv.Atoi(text); err != nil {
		return PortRange{}, false
	}
	return portRange(text, text)
}

func textOf(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	}
	return ""
}

func asObject(v any) object {
	o, _ := v.(object)
	return o
}
