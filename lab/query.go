// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
)

// Query is a question to a host or to the cluster: its answer is one line of
// text, in the same words each time, so that it can be compared and recorded.
type Query struct {
	Subject string // a host, a Pod, or "cluster"
	What    string
	Args    []string
	Want    []string // any of them; empty: whatever is seen is recorded
}

// String gives the query as it is written, without its want.
func (q Query) String() string {
	return strings.Join(append([]string{q.Subject, q.What}, q.Args...), " ")
}

// Met reports whether an answer is one of those wanted.
func (q Query) Met(answer string) bool { return len(q.Want) == 0 || slices.Contains(q.Want, answer) }

// cluster is the subject of questions to the apiserver.
const cluster = "cluster"

// queries are the questions. The form begins with whom they are asked of; doc
// says what is answered.
var queries = map[string]form{
	"ping":        {"HOST ping ADDRESS [from=ADDRESS]", "answered by HOST; port-unreachable, host-unreachable or network-unreachable, from ADDRESS if another says so; no answer"},
	"tcp":         {"HOST tcp ADDRESS:PORT", "answered by NAME; accepted, by who says no name; refused; no answer; host-unreachable"},
	"udp":         {"HOST udp ADDRESS:PORT", "answered by NAME; refused; no answer; host-unreachable"},
	"connections": {"HOST connections ADDRESS:PORT", "how many of those opened carry a line there and back: 90 of 100"},
	"arping":      {"HOST arping ADDRESS", "the hosts that answer a probe of RFC 5227 on eth0; nobody"},
	"route":       {"HOST route ADDRESS", "what the kernel would do with a packet, in the words of ip route get; unreachable: why"},
	"routes":      {"HOST routes PREFIX", "the main table's route; none"},
	"address":     {"HOST address ADDRESS", "the devices that hold it; none"},
	"neighbour":   {"HOST neighbour ADDRESS", "the host whose MAC stands there; FAILED; INCOMPLETE; none"},
	"link":        {"HOST link DEVICE", "up; down; none"},
	"sysctl":      {"HOST sysctl SETTING", "its value"},
	"bgp":         {"HOST bgp ADDRESS", "the session's state: Established, Active, ..."},
	"server":      {"HOST server ADDRESS:PORT", "the real servers of an IPVS service; no real server; none"},
	"set":         {"HOST set MEMBER", "the ipsets that have it; none"},
	"component":   {"HOST component COMPONENT", "running; stopped"},
	"mode":        {"HOST mode", "the mode in which its kube-proxy says it runs"},
	"diagnose":    {"HOST diagnose", "whohas diagnose there: cause RULE ADDRESS; not-this; healthy; unknown"},
	"node":        {"cluster node NODE", "Ready; NotReady; Unknown, when the control plane has lost sight of it"},
	"lease":       {"cluster lease NODE", "fresh; stale, by its duration"},
}

// ofComponents are the questions to what runs on a host.
var ofComponents = []string{"bgp", "component", "mode", "node", "lease"}

// NeedsCluster reports whether the question is about a cluster.
func (q Query) NeedsCluster() bool { return slices.Contains(ofComponents, q.What) }

// Questions lists what can be asked, sorted.
func Questions() []string { return slices.Sorted(maps.Keys(queries)) }

// query reads "SUBJECT WHAT ARGS... [= WANT | WANT...]".
func (p *parser) query(line int, words []string) Query {
	var q Query
	if i := slices.Index(words, "="); i >= 0 {
		for want := range strings.SplitSeq(strings.Join(words[i+1:], " "), "|") {
			q.Want = append(q.Want, strings.TrimSpace(want))
		}
		if slices.Contains(q.Want, "") {
			p.fail(line, "nothing stands behind = or |: want = WANT | WANT...")
		}
		words = words[:i]
	}
	if len(words) < 2 {
		p.fail(line, "want HOST QUESTION... = WANT, HOST$ COMMAND, or a verb: %s", strings.Join(verbNames(), ", "))
		return q
	}
	q.Subject, q.What, q.Args = words[0], words[1], words[2:]
	known, ok := queries[q.What]
	if !ok {
		p.fail(line, "%s: no such question; want one of %s", q.What, strings.Join(Questions(), ", "))
		return q
	}
	p.queryArgs(line, known, q)
	return q
}

// queryArgs holds a question's arguments against its form.
func (p *parser) queryArgs(line int, f form, q Query) {
	kinds := strings.Fields(f.text)
	if (kinds[0] == cluster) != (q.Subject == cluster) {
		p.fail(line, "want %s", f.text)
	}
	kinds = kinds[2:]
	need := slices.IndexFunc(kinds, func(k string) bool { return strings.HasPrefix(k, "[") })
	if need < 0 {
		need = len(kinds)
	}
	if len(q.Args) < need || len(q.Args) > len(kinds) {
		p.fail(line, "want %s", f.text)
		return
	}
	for i, arg := range q.Args {
		if err := valid(kinds[i], arg); err != nil {
			p.fail(line, "%s: %v: want %s", arg, err, f.text)
		}
	}
}

// valid reports whether a word is what a form has in its place.
func valid(kind, word string) error {
	switch kind {
	case "ADDRESS":
		_, err := address(word)
		return err
	case "[from=ADDRESS]":
		from, ok := strings.CutPrefix(word, "from=")
		if !ok {
			return fmt.Errorf("no from=")
		}
		_, err := address(from)
		return err
	case "ADDRESS:PORT":
		at, err := netip.ParseAddrPort(word)
		if err != nil {
			return fmt.Errorf("no address and port")
		}
		_, err = address(at.Addr().String())
		return err
	case "PREFIX":
		_, err := prefix(word)
		return err
	case "NAME":
		return name(word)
	case "COMPONENT":
		if !slices.Contains(components, word) {
			return fmt.Errorf("no component: one of %s", strings.Join(components, ", "))
		}
	case "PORT":
		return port(word)
	case "NUMBER":
		return number(word)
	}
	return nil
}
