// SPDX-License-Identifier: Apache-2.0

package lab_test

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"whohas/dataplane"
	"whohas/explain"
	"whohas/rule"
	"whohas/rules"
	"whohas/testkit/scenario"
)

// TestEffectsAreOnRecord holds what check says of examples/incident against what
// the lab saw: each effect and each sentence names the probes of a scenario that
// show it. The scenarios are the incident with the same addresses, in every mode.
func TestEffectsAreOnRecord(t *testing.T) {
	for _, w := range worlds {
		t.Run(w.name, func(t *testing.T) {
			x := telling{T: t, world: w, seen: readRecord(t, w.scenario)}
			findings := w.check(t)
			if len(findings) == 0 {
				t.Fatal("check finds nothing in examples/incident")
			}
			for i := range findings {
				x.finding(&findings[i])
			}
		})
	}
}

// TestStatementsAreMade: what no explanation says any more needs no probe.
func TestStatementsAreMade(t *testing.T) {
	var all strings.Builder
	for _, w := range worlds {
		for _, f := range w.check(t) {
			for _, l := range f.Chain.Impacts {
				fmt.Fprintln(&all, l.Text)
			}
			for _, n := range f.Chain.Notes {
				fmt.Fprintln(&all, n.Text)
			}
			for _, place := range places(&f) {
				fmt.Fprintln(&all, place)
			}
		}
	}
	for _, s := range statements {
		if !strings.Contains(all.String(), s.says) {
			t.Errorf("no explanation of the incident says %q any more: take it out of the table", s.says)
		}
		if (s.probes == nil) == (s.unprobed == "") {
			t.Errorf("%q: want probes, or the reason why there are none", s.says)
		}
	}
}

// TestCitedScenarios: evidence from the lab names scenarios that there are.
func TestCitedScenarios(t *testing.T) {
	cited := 0
	for _, w := range worlds {
		for _, f := range w.check(t) {
			for _, e := range evidence(f.Chain) {
				for part := range strings.SplitSeq(e, "; ") {
					names, ok := strings.CutPrefix(part, "lab ")
					if !ok {
						continue
					}
					names, _, _ = strings.Cut(names, ":")
					names, _, _ = strings.Cut(names, ",")
					for name := range strings.SplitSeq(names, " and ") {
						cited++
						if _, err := os.Stat(filepath.Join("scenarios", name+".txtar")); err != nil {
							t.Errorf("%q: no scenario %s", e, name)
						}
					}
				}
			}
		}
	}
	if cited == 0 {
		t.Error("no evidence is from the lab")
	}
}

func evidence(c explain.Chain) []string {
	var all []string
	for _, l := range c.Impacts {
		all = append(all, l.Evidence...)
	}
	for _, n := range c.Notes {
		all = append(all, n.Evidence...)
	}
	return all
}

// world is examples/incident under a proxy, and the record of the scenario that
// shows it.
type world struct {
	name     string
	mode     dataplane.ProxyMode
	version  string
	port     uint16 // the Service's, where it is not the example's
	scenario string
	phase    string
}

var worlds = []world{
	{name: "ipvs 1.25", mode: dataplane.IPVS, version: "v1.25.9", scenario: "incident-1.25", phase: "during"},
	{name: "ipvs 1.36", mode: dataplane.IPVS, version: "v1.36.3", scenario: "incident-1.36", phase: "during"},
	{name: "iptables 1.25", mode: dataplane.IPTables, version: "v1.25.9", scenario: "iptables-1.25", phase: "port-80"},
	{name: "iptables 1.36", mode: dataplane.IPTables, version: "v1.36.3", scenario: "iptables-1.36", phase: "port-80"},
	{name: "nftables 1.36", mode: dataplane.NFTables, version: "v1.36.3", scenario: "nftables-1.36", phase: "port-80"},
	{name: "iptables 1.25, the apiserver's port", mode: dataplane.IPTables, version: "v1.25.9", port: 6443, scenario: "iptables-1.25", phase: "port-6443"},
	{name: "iptables 1.36, the apiserver's port", mode: dataplane.IPTables, version: "v1.36.3", port: 6443, scenario: "iptables-1.36", phase: "port-6443"},
	{name: "nftables 1.36, the apiserver's port", mode: dataplane.NFTables, version: "v1.36.3", port: 6443, scenario: "nftables-1.36", phase: "port-6443"},
}

// The example's Service has one port and the scenarios' another, which leads to
// the same Pod; the addresses are the same.
const examplePort, labPort = 8080, 80

const stolen = "192.168.10.114"

var addresses = map[string]string{"cdev01": stolen, "cdev02": "192.168.10.115", "cdev03": "192.168.10.116"}

// tunnelled is an address of the owner's that its tunnel leads to.
const tunnelled = "10.244.1.1"

// check runs the check on examples/incident as it is in this world.
func (w world) check(t *testing.T) []rule.Finding {
	t.Helper()
	files, err := filepath.Glob("../examples/incident/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("examples/incident: %v, %d files", err, len(files))
	}
	var all txtar.Archive
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		text = []byte(strings.ReplaceAll(string(text), "v1.25.9", w.version))
		if w.port != 0 {
			text = []byte(strings.ReplaceAll(string(text), fmt.Sprintf("  port: %d\n", examplePort), fmt.Sprintf("  port: %d\n", w.port)))
		}
		all.Files = append(all.Files, txtar.File{Name: file, Data: text})
	}
	s, err := scenario.Parse("examples/incident", txtar.Format(&all))
	if err != nil {
		t.Fatal(err)
	}
	return s.CheckAs(s.Snapshot, w.mode, rules.All()).Findings
}

// telling is an explanation that is held against a record.
type telling struct {
	*testing.T
	world
	seen record
}

func (x telling) finding(f *rule.Finding) {
	for _, l := range f.Chain.Impacts {
		for _, e := range l.Effects {
			x.effect(e)
		}
		x.sentence(l.Text, l.Nodes)
		x.loses(l)
	}
	for _, n := range f.Chain.Notes {
		x.sentence(n.Text, nil)
	}
	for _, place := range places(f) {
		x.sentence(place, nil)
	}
}

// places are where steps are done of which is said how the apiserver is reached.
func places(f *rule.Finding) []string {
	var all []string
	for _, fix := range f.Chain.Fixes {
		for _, s := range fix.Steps {
			if strings.Contains(s.Where, "the apiserver") {
				all = append(all, s.Where)
			}
		}
	}
	return all
}

// effect looks for the probes of one effect, from and to each of its nodes.
func (x telling) effect(e explain.Effect) {
	if len(e.From) == 0 || len(e.To) == 0 || e.Basis == "" {
		x.Errorf("%+v: an effect without nodes or without a basis", e)
	}
	for _, from := range e.From {
		for _, to := range e.To {
			list := x.probes(from, to, e)
			if len(list) == 0 {
				x.Errorf("%s > %s %s %s: no probe is known for it", from, to, e.Flow, e.Disposition)
			}
			for _, p := range list {
				x.shows(p, fmt.Sprintf("%s > %s %s %s", from, to, e.Flow, e.Disposition))
			}
		}
	}
}

// probe is a question in a phase of the record and what its answer must be.
type probe struct {
	phase, query string
	want         []string // any of them; each that the scenario allows must be one
	not          []string // where want is empty: none of these
	command      string   // a step that must have run instead, and so succeeded
}

// shows looks a probe up.
func (x telling) shows(p probe, what string) {
	if p.command != "" {
		if !strings.Contains(x.seen.timeline, "  "+p.command+"\n") {
			x.Errorf("%s: no step %q in the time line of %s", what, p.command, x.scenario)
		}
		return
	}
	answers, ok := x.seen.phases[p.phase][p.query]
	if !ok {
		x.Errorf("%s: no probe %q in phase %s of %s", what, p.query, p.phase, x.scenario)
	}
	for _, a := range answers {
		if len(p.want) > 0 && !slices.Contains(p.want, a) || slices.Contains(p.not, a) {
			x.Errorf("%s: %s saw %q at %q in phase %s, want %q", what, x.scenario, a, p.query, p.phase, p.want)
		}
	}
}

// probes are the probes that show an effect.
func (x telling) probes(from, to string, e explain.Effect) []probe {
	at := addresses[to]
	ask := func(want []string, form string, a ...any) probe {
		return probe{phase: x.phase, query: from + " " + fmt.Sprintf(form, a...), want: want}
	}
	switch flow := e.Flow; {
	case flow.Name == "everything":
		silent := outcomes(from, to, dataplane.Dropped)
		return []probe{ask(silent, "ping %s", at), ask(silent, "tcp %s:10250", at), ask(silent, "udp %s:7", at)}
	case flow.Name == "arp request":
		return []probe{{phase: "expired", query: from + " neighbour " + at, want: outcomes(from, to, e.Disposition)}}
	case flow.Proto == "ICMP":
		return []probe{ask(outcomes(from, to, e.Disposition), "ping %s", at)}
	case flow.Name == "ipip":
		return x.tunnel(from, e.Disposition)
	case flow.Name == "bgp":
		// The session is lost, and the port shows how.
		session := ask(nil, "bgp %s", at)
		session.not = []string{"Established"}
		return append(x.tcp(from, to, e), session)
	case flow.Proto == "TCP":
		return x.tcp(from, to, e)
	}
	return nil
}

// tcp are the probes of a port. A server that says no name may be anybody's: that
// the sender has no other way than to itself shows whose it is.
func (x telling) tcp(from, to string, e explain.Effect) []probe {
	port := e.Flow.Port
	ofService := strings.HasPrefix(e.Flow.Name, "Service ") || e.Disposition == dataplane.DeliveredElsewhere && !x.binds()
	if port == examplePort {
		port = labPort
	}
	p := probe{phase: x.phase, query: fmt.Sprintf("%s tcp %s:%d", from, addresses[to], port), want: outcomes(from, to, e.Disposition)}
	switch {
	case ofService:
		p.want = []string{"answered by tomcat"}
	case e.Disposition == dataplane.DeliveredElsewhere:
		p.want = append(p.want, "accepted")
		return []probe{p, {phase: x.phase, query: from + " route " + addresses[to], want: []string{"local dev lo src " + stolen}}}
	}
	return []probe{p}
}

func (x telling) binds() bool { return x.mode == dataplane.IPVS }

// tunnel are the probes of the tunnel to the owner. What becomes of its own packets
// no probe is told: the counter of the sender's tunnel grows, since they come back
// out of it.
func (x telling) tunnel(from string, d dataplane.Disposition) []probe {
	if d != dataplane.DeliveredElsewhere {
		return nil
	}
	const received = "rx() { set -- $(grep tunl0: /proc/net/dev); echo $3; }"
	return []probe{
		{phase: x.phase, query: from + " ping " + tunnelled, want: []string{"no answer"}},
		{command: fmt.Sprintf("%s$ %s; n=$(rx); ping -q -c 1 -W 1 %s; test $(rx) -gt $n", from, received, tunnelled)},
	}
}

// outcomes are the answers that show a disposition.
func outcomes(from, to string, d dataplane.Disposition) []string {
	at := addresses[to]
	switch d {
	case dataplane.Delivered:
		return []string{"answered by " + to, "accepted"}
	case dataplane.DeliveredElsewhere:
		return []string{"answered by " + from}
	case dataplane.Refused:
		return []string{"refused", "port-unreachable from " + at}
	case dataplane.Dropped:
		return []string{"no answer", "host-unreachable", "host-unreachable from " + addresses[from]}
	case dataplane.NoNeighbour:
		return []string{"FAILED", "INCOMPLETE"}
	}
	return nil
}

// loses holds what is said to be lost against the effects that say how.
func (x telling) loses(l explain.Impact) {
	if len(l.Effects) == 0 {
		return // then the sentence has a probe
	}
	for _, what := range l.Lost {
		ok := slices.ContainsFunc(l.Effects, func(e explain.Effect) bool {
			return e.Disposition != dataplane.Delivered && (e.Flow.Name == what || e.Flow.Name == "everything" || e.Flow.Name == "ipip" && what == "tunnel")
		})
		if !ok {
			x.Errorf("%q: loses %s, and no effect says how", l.Text, what)
		}
	}
}

// statement is something that explanations say in words, and the probes that show
// it; without probes, unprobed says why the lab has none.
type statement struct {
	says     string
	probes   func(x telling, node string) []probe
	unprobed string
}

// sentence finds what a sentence states. One that states nothing that is known
// here is one that nobody has probed.
func (x telling) sentence(text string, nodes []string) {
	found := false
	for _, s := range statements {
		if !strings.Contains(text, s.says) {
			continue
		}
		found = true
		if s.probes == nil {
			continue
		}
		for _, n := range nodesOf(text, nodes) {
			for _, p := range s.probes(x, n) {
				x.shows(p, fmt.Sprintf("%q of %s", s.says, n))
			}
		}
	}
	if !found {
		x.Errorf("%q: no probe is known for this sentence", text)
	}
}

// nodesOf are the nodes that a sentence is about; of a note that names none, the
// victims.
func nodesOf(text string, nodes []string) []string {
	if len(nodes) > 0 {
		return nodes
	}
	for _, n := range slices.Sorted(maps.Keys(addresses)) {
		if strings.HasPrefix(text, n+" ") || strings.HasPrefix(text, n+",") {
			return []string{n}
		}
	}
	return []string{"cdev02", "cdev03"}
}

var statements = []statement{
	{says: "goes on kube-ipvs0, so traffic to it never leaves the node", probes: func(x telling, node string) []probe {
		return []probe{
			{phase: "fault", query: node + " address " + stolen, want: []string{"kube-ipvs0"}},
			{phase: x.phase, query: node + " route " + stolen, want: []string{"local dev lo src " + stolen}},
		}
	}},
	{says: "ping says ok, because each node answers itself", probes: func(x telling, node string) []probe {
		return []probe{{phase: x.phase, query: node + " ping " + stolen, want: []string{"answered by " + node}}}
	}},
	// A server of the node's own listens on port 7: it is not the port that is closed.
	{says: "ping and every port but the Service's are refused (Destination Port Unreachable)", probes: func(x telling, node string) []probe {
		return []probe{
			{phase: x.phase, query: node + " ping " + stolen, want: []string{"port-unreachable from " + stolen}},
			{phase: x.phase, query: node + " tcp " + stolen + ":7", want: []string{"refused"}},
			{phase: x.phase, query: node + " tcp " + stolen + ":80", want: []string{"answered by tomcat"}},
		}
	}},
	{says: "reaches none of them: they drop its packets as martians, first time-outs, then Destination Host Unreachable once its ARP entries expire", probes: func(x telling, node string) []probe {
		var all []probe
		for _, victim := range []string{"cdev02", "cdev03"} {
			q := node + " ping " + addresses[victim]
			all = append(all, probe{phase: x.phase, query: q, want: []string{"no answer"}},
				probe{phase: "expired", query: q, want: []string{"host-unreachable", "host-unreachable from " + addresses[node]}})
		}
		return all
	}},
	{says: "goes to Service demo/tomcat, on every node it meets first", probes: func(x telling, node string) []probe {
		var all []probe
		for _, from := range []string{node, "cdev01", "bystander"} {
			all = append(all, probe{phase: x.phase, query: fmt.Sprintf("%s tcp %s:%d", from, stolen, cmp.Or(x.port, labPort)), want: []string{"answered by tomcat"}})
		}
		return all
	}},
	{says: "ping and all other ports are untouched", probes: func(x telling, node string) []probe {
		all := []probe{
			{phase: x.phase, query: node + " ping " + stolen, want: []string{"answered by cdev01"}},
			{phase: x.phase, query: node + " tcp " + stolen + ":10250", want: []string{"accepted"}},
		}
		if x.port != 6443 {
			all = append(all, probe{phase: x.phase, query: node + " tcp " + stolen + ":6443", want: []string{"accepted"}})
		}
		return all
	}},
	{says: "the kubelet no longer reaches the apiserver", probes: func(x telling, node string) []probe {
		return []probe{{phase: x.phase, query: "cluster node " + node, want: []string{"Unknown"}}}
	}},
	{says: "what is connected to the apiserver stays connected", probes: func(_ telling, node string) []probe {
		return []probe{{phase: "established", query: "cluster node " + node, want: []string{"Ready"}}}
	}},
	// In the scenario only cdev03 connects again.
	{says: "a kubelet that opens a new connection does not reach it", probes: func(telling, string) []probe {
		return []probe{
			{phase: "reconnect", query: "cluster node cdev03", want: []string{"Unknown"}},
			{phase: "reconnect", query: "cluster node cdev02", want: []string{"Ready"}},
		}
	}},
	{says: "that opens a new connection will not learn that the claim was removed, and its rules stay as they are", probes: func(telling, string) []probe {
		return []probe{
			{phase: "reconnect", query: "cdev03 tcp " + stolen + ":6443", want: []string{"answered by tomcat"}},
			{phase: "reconnect", query: "cdev02 tcp " + stolen + ":6443", want: []string{"accepted"}},
		}
	}},
	{says: "the apiserver's loopback, which the Service does not take", probes: func(x telling, node string) []probe {
		return []probe{
			{phase: x.phase, query: node + " tcp 127.0.0.1:6443", want: []string{"accepted"}},
			{phase: x.phase, query: node + " tcp " + stolen + ":6443", want: []string{"answered by tomcat"}},
			{phase: x.phase, query: "bystander tcp " + stolen + ":6443", want: []string{"answered by tomcat"}},
		}
	}},
	{says: "its own way to the apiserver does not leave the node", probes: func(x telling, node string) []probe {
		return []probe{{phase: x.phase, query: node + " tcp " + stolen + ":6443", want: []string{"accepted"}}}
	}},
	{says: "NotReady about 40 s later (node-monitor-grace-period; 50 s from 1.32)",
		unprobed: "the times are Kubernetes' defaults; the scenarios set 20 s, to be done sooner"},
	{says: "it will not hear that the claim was removed", probes: func(_ telling, node string) []probe {
		return []probe{{phase: "naive", query: node + " address " + stolen, want: []string{"kube-ipvs0"}}}
	}},
	{says: "its next sync, within 30 s, puts a deleted address back unless the watch is back first",
		unprobed: "a race: repair-once allows both of its ends"},
	{says: "removing the claim alone does not heal a node whose way to the apiserver is this address", probes: func(_ telling, node string) []probe {
		return []probe{
			{phase: "naive", query: node + " address " + stolen, want: []string{"kube-ipvs0"}},
			{phase: "naive", query: "cluster node " + node, want: []string{"Unknown"}},
		}
	}},
	{says: "itself does not bind the address: everything looks right there", probes: func(_ telling, node string) []probe {
		return []probe{{phase: "fault", query: node + " address " + stolen, want: []string{"eth0"}}}
	}},
}

// record is what a scenario's run showed.
type record struct {
	phases   map[string]map[string][]string // phase, query, answers
	timeline string
}

func readRecord(t *testing.T, name string) record {
	t.Helper()
	folder := filepath.Join("recorded", name)
	observed, err := os.ReadFile(filepath.Join(folder, "observed.txt"))
	if err != nil {
		t.Fatalf("scenario %s is not on record: %v", name, err)
	}
	timeline, err := os.ReadFile(filepath.Join(folder, "timeline.txt"))
	if err != nil {
		t.Fatalf("scenario %s is not on record: %v", name, err)
	}
	r := record{phases: map[string]map[string][]string{}, timeline: string(timeline)}
	phase := ""
	for line := range strings.Lines(string(observed)) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") {
			phase = strings.Trim(line, "[]")
			r.phases[phase] = map[string][]string{}
			continue
		}
		query, answer, _ := strings.Cut(line, ": ")
		r.phases[phase][query] = append(r.phases[phase][query], strings.Split(answer, " | ")...)
	}
	return r
}
