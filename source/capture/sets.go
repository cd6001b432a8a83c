// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"fmt"
	"strconv"
	"strings"

	"whohas/dataplane"
)

// parseSets reads ipset save and ipset list (ipset v7.17, lib/session.c
// list_create, list_add):
//
//	create KUBE-CLUSTER-IP hash:ip,port family inet hashsize 1024 maxelem 65536
//	add KUBE-CLUSTER-IP 10.96.0.1,tcp:443
//
//	Name: KUBE-CLUSTER-IP
//	Type: hash:ip,port
//	...
//	Number of entries: 1
//	Members:
//	10.96.0.1,tcp:443
func (b *output) parseSets() {
	r := &setReader{b: b, at: map[string]int{}, entries: -1}
	for i, line := range b.lines {
		f := strings.Fields(line)
		if len(f) > 0 && !r.line(f) {
			b.complain(i)
		}
	}
	r.close()
}

type setReader struct {
	b       *output
	at      map[string]int
	name    string // of the set whose list comes
	members bool   // its members come
	entries int    // how many it says that there are; negative: it does not say
	begun   bool   // its type was read
}

func (r *setReader) line(f []string) bool {
	switch {
	case f[0] == "create" && len(f) > 2 && isSetType(f[2]):
		return r.create(f[1], f[2])
	case f[0] == "add" && len(f) > 2:
		return r.add(f[1], f[2:])
	case f[0] == "Name:" && len(f) == 2:
		r.close()
		r.name, r.members, r.entries, r.begun = f[1], false, -1, false
		return true
	case r.name == "":
		return false
	case r.members:
		return r.add(r.name, f)
	}
	return r.property(f)
}

// property reads a line of a list's head.
func (r *setReader) property(f []string) bool {
	switch f[0] {
	case "Type:":
		r.begun = len(f) == 2 && isSetType(f[1]) && r.create(r.name, f[1])
		return r.begun
	case "Number":
		r.entries, _ = strconv.Atoi(f[len(f)-1])
		return true
	case "Members:":
		r.members = r.begun
		return r.begun
	case "Revision:", "Header:", "References:", "Size":
		return true
	}
	return false
}

// close compares what a list says of itself with what was read of it.
func (r *setReader) close() {
	if r.name == "" {
		return
	}
	i, ok := r.at[r.name]
	if !ok || !r.members || r.entries >= 0 && len(r.b.facts.sets[i].Members) != r.entries {
		r.b.cut = true
	}
	r.name = ""
}

func (r *setReader) create(name, kind string) bool {
	if _, twice := r.at[name]; twice {
		return false
	}
	r.at[name] = len(r.b.facts.sets)
	r.b.facts.sets = append(r.b.facts.sets, dataplane.Set{Name: name, Type: kind})
	r.b.facts.any = true
	return true
}

// add keeps a member without its time-out, counters and comment, which say nothing
// of what is in the set.
func (r *setReader) add(name string, f []string) bool {
	i, ok := r.at[name]
	if !ok || !isMember(r.b.facts.sets[i].Type, f[0]) {
		return false
	}
	member := memberOf(f[0])
	for _, w := range f[1:] {
		if w == "nomatch" {
			member += " nomatch"
		}
		if strings.HasPrefix(w, `"`) { // a comment, the last
			break
		}
	}
	r.b.facts.sets[i].Members = append(r.b.facts.sets[i].Members, member)
	return true
}

// isMember reports whether a member has as many parts as the set's type, and where
// its first is an address, whether that is one.
func isMember(kind, text string) bool {
	_, dimensions, _ := strings.Cut(kind, ":")
	parts := strings.Split(text, ",")
	first, _, more := strings.Cut(dimensions, ",")
	if strings.Count(dimensions, ",")+1 != len(parts) {
		return false
	}
	if first == "ip" || first == "net" {
		_, ok := destination(parts[0], "")
		return ok && parts[0] != "default" && parts[0] != "all"
	}
	return first != "port" || more || isNumber(text)
}

// memberOf is a member in source/host's words, which has no names for the types of
// ICMP (ipset lib/icmp.c, lib/icmpv6.c).
func memberOf(text string) string {
	for prefix, names := range map[string]map[string]int{
		"icmp:":   {"echo-reply": 0, "pong": 0, "network-unreachable": 0x300, "host-unreachable": 0x301, "protocol-unreachable": 0x302, "port-unreachable": 0x303, "echo-request": 0x800, "ping": 0x800},
		"icmpv6:": {"no-route": 0x100, "communication-prohibited": 0x101, "port-unreachable": 0x104, "packet-too-big": 0x200, "echo-request": 0x8000, "ping": 0x8000, "echo-reply": 0x8100, "pong": 0x8100},
	} {
		parts := strings.Split(text, ",")
		for i, p := range parts {
			name, ok := strings.CutPrefix(p, prefix)
			if n, known := names[name]; ok && known {
				parts[i] = fmt.Sprintf("%s%d/%d", prefix, n>>8, n&0xff)
			}
		}
		text = strings.Join(parts, ",")
	}
	return text
}
