// SPDX-License-Identifier: Apache-2.0

//go:build linux

package runner

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"whohas/dataplane"
	"whohas/lab"
	"whohas/lab/guest"
	"whohas/lab/kernel"
	"whohas/snapshot"
	"whohas/source/bundle"
)

// TestMain lets the test binary be a kernel's first process, as the lab's own
// program is.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == kernel.Confined {
		os.Exit(kernel.Confine(os.Args[2]))
	}
	if len(os.Args) > 2 && os.Args[1] == Inside {
		if err := guest.Main(os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, "guest:", err)
			os.Exit(2)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// TestPlan: every scenario runs once on each of its back ends; those of the kernel
// alone have a kernel of their own; what stands on the same ground comes in a row.
func TestPlan(t *testing.T) {
	scenario := func(name, proxy string, mode dataplane.ProxyMode, backends ...lab.Backend) *lab.Scenario {
		s := &lab.Scenario{Name: name, Backends: backends, Steps: make([]lab.Step, 10)}
		if proxy != "" {
			s.Cluster = lab.Cluster{ControlPlane: "a", Proxy: lab.Proxy{Version: proxy, Mode: mode}}
		}
		return s
	}
	lanes := Plan([]*lab.Scenario{
		scenario("k1", "", "", lab.UML),
		scenario("i1", "1.36", "ipvs", lab.UML),
		scenario("t1", "1.36", "iptables", lab.UML, lab.Namespaces),
		scenario("i2", "1.36", "ipvs", lab.UML),
		scenario("o1", "1.25", "ipvs", lab.UML),
		scenario("n1", "1.36", "nftables", lab.Namespaces),
		scenario("k2", "", "", lab.UML),
	})
	var got []string
	row := map[lab.Backend]string{}
	for i, l := range lanes {
		alone := l.Scenarios[0].KernelOnly()
		for _, s := range l.Scenarios {
			got = append(got, string(l.Backend)+" "+s.Name)
			row[l.Backend] += s.Name + " "
			if s.KernelOnly() != alone {
				t.Errorf("%s shares a kernel with %s", s.Name, l.Scenarios[0].Name)
			}
		}
		if i > 0 && effort(l.Scenarios...) > effort(lanes[i-1].Scenarios...) {
			t.Errorf("lane %d is longer than the one before it", i)
		}
	}
	slices.Sort(got)
	want := []string{"netns n1", "netns t1", "uml i1", "uml i2", "uml k1", "uml k2", "uml o1", "uml t1"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what runs (-want +got):\n%s", diff)
	}
	if !strings.Contains(row[lab.UML], "i1 i2") {
		t.Errorf("i1 and i2 stand on the same ground and are apart: %s", row[lab.UML])
	}
}

func TestRecordName(t *testing.T) {
	s := &lab.Scenario{Name: "x", Backends: []lab.Backend{lab.Namespaces, lab.UML}}
	if first, second := RecordName(s, lab.Namespaces), RecordName(s, lab.UML); first != "x" || second != "x.uml" {
		t.Errorf("records are %s and %s, want x and x.uml", first, second)
	}
}

// sample is a run with one snapshot of one host.
func sample(t *testing.T, change func(*dataplane.Host)) *lab.Run {
	t.Helper()
	h := dataplane.Host{
		Name:      "a",
		Links:     []dataplane.Link{{Index: 2, Name: "kube-ipvs0", Kind: "dummy"}},
		Addresses: []dataplane.Address{{Link: "kube-ipvs0", Prefix: netip.MustParsePrefix("192.168.10.114/32")}},
		Listeners: []dataplane.Listener{{Proto: "TCP", Port: 6443, PID: 12}},
		Sets:      []dataplane.Set{{Name: "KUBE-CLUSTER-IP", Type: "hash:ip,port", Members: []string{"10.96.0.1,tcp:443", "10.96.7.8,tcp:80"}}},
		Tables: []dataplane.Table{{Backend: "nft", Family: "ip", Name: "nat", Chains: []dataplane.Chain{
			{Name: "KUBE-SERVICES", Policy: "-", Rules: []string{"-d 10.96.0.1/32 -j KUBE-SVC-A", "-d 10.96.7.8/32 -j KUBE-SVC-B"}},
		}}},
	}
	change(&h)
	var into snapshot.Builder
	into.AddHost(h)
	var file bytes.Buffer
	if err := bundle.Write(&file, into.Snapshot(), "test"); err != nil {
		t.Fatal(err)
	}
	return &lab.Run{
		Scenario: "x", Backend: lab.UML, Files: map[string][]byte{"one.snapshot": file.Bytes()},
		Events: []lab.Event{
			{Kind: lab.Began}, {Kind: lab.Versions, Text: "kernel 6.1\n"},
			{Kind: lab.Saw, Phase: "before", Text: "a ping b", Answer: "answered by b", At: 3},
			{Kind: lab.Did, Phase: "fault", Text: "apply"},
			{Kind: lab.Saw, Phase: "fault", Text: "a ping b", Answer: "no answer", Want: []string{"no answer"}},
			{Kind: lab.Saw, Phase: "fault", Text: "a tcp b", Answer: "refused", Want: []string{"refused", "no answer"}},
			{Kind: lab.Ended},
		},
	}
}

func TestObserved(t *testing.T) {
	want := `[before]
a ping b: answered by b
[fault]
a ping b: no answer
a tcp b: refused | no answer
`
	if diff := cmp.Diff(want, sample(t, func(*dataplane.Host) {}).Observed()); diff != "" {
		t.Errorf("observed (-want +got):\n%s", diff)
	}
}

// TestCompare: what differs from the record is named, with its phase or its
// host; what is another in each run is no difference.
func TestCompare(t *testing.T) {
	same := func(*dataplane.Host) {}
	for _, c := range []struct {
		name string
		host func(*dataplane.Host)
		run  func(*lab.Run)
		want []string
	}{
		{"the same", same, func(*lab.Run) {}, nil},
		{"times and versions", same, func(r *lab.Run) { r.Events[2].At, r.Events[1].Text = 99, "kernel 6.2\n" }, nil},
		{"another of the answers allowed", same, func(r *lab.Run) { r.Events[5].Answer = "no answer" }, nil},
		{"chance", func(h *dataplane.Host) {
			h.Links[0].Index, h.Listeners[0].PID = 9, 99
			h.Sets[0].Members[1] = "10.96.44.5,tcp:80"
			h.Tables[0].Chains[0].Rules = []string{"-d 10.96.44.5/32 -j KUBE-SVC-B", "-d 10.96.0.1/32 -j KUBE-SVC-A"}
		}, func(*lab.Run) {}, nil},
		{"an answer", same, func(r *lab.Run) { r.Events[4].Answer = "answered by b" }, []string{
			"observed.txt: -[fault] a ping b: no answer", "observed.txt: +[fault] a ping b: answered by b",
		}},
		{"a phase", same, func(r *lab.Run) { r.Events[2].Phase = "fault" }, []string{
			"observed.txt: -[before] a ping b: answered by b", "observed.txt: +[fault] a ping b: answered by b",
		}},
		{"an order", same, func(r *lab.Run) { r.Events[4], r.Events[5] = r.Events[5], r.Events[4] }, []string{
			"observed.txt: the order of the lines differs",
		}},
		{"an answer more", same, func(r *lab.Run) { r.Events = slices.Insert(r.Events, 4, r.Events[4]) }, []string{
			"observed.txt: +[fault] a ping b: no answer",
		}},
		{"an address", func(h *dataplane.Host) { h.Addresses = nil }, func(*lab.Run) {}, []string{
			`one.snapshot: -a: ["address",{"link":"kube-ipvs0","prefix":"192.168.10.114/32"}]`,
		}},
		{"a rule", func(h *dataplane.Host) { h.Tables[0].Chains[0].Rules[1] = "-j KUBE-SVC-C" }, func(*lab.Run) {}, []string{
			`one.snapshot: -a: ["rule","nft","ip","nat","KUBE-SERVICES","-d 10.96.x.x/32 -j KUBE-SVC-B"]`,
			`one.snapshot: +a: ["rule","nft","ip","nat","KUBE-SERVICES","-j KUBE-SVC-C"]`,
		}},
		{"a snapshot less", same, func(r *lab.Run) { delete(r.Files, "one.snapshot") }, []string{"one.snapshot: not in this run"}},
		{"a snapshot more", same, func(r *lab.Run) { r.Files["two.snapshot"] = r.Files["one.snapshot"] }, []string{"two.snapshot: not on record"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			recorded := filepath.Join(t.TempDir(), "x")
			if err := Keep(recorded, sample(t, same)); err != nil {
				t.Fatal(err)
			}
			r := sample(t, c.host)
			c.run(r)
			got, err := Compare(recorded, r)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("differences (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCompareWithNothing(t *testing.T) {
	got, err := Compare(filepath.Join(t.TempDir(), "none"), sample(t, func(*dataplane.Host) {}))
	if err != nil || len(got) != 1 || !strings.Contains(got[0], "nothing is on record") {
		t.Errorf("got %q, %v", got, err)
	}
}

// TestPassing: chains that come and go by themselves are no difference; one rule in
// a base chain is, and so is another policy.
func TestPassing(t *testing.T) {
	host := func(chains ...dataplane.Chain) dataplane.Host {
		return dataplane.Host{Name: "a", Tables: []dataplane.Table{{Backend: "legacy", Family: "ip", Name: "filter", Chains: chains}}}
	}
	none := facts(host())
	for _, c := range []dataplane.Chain{
		{Name: "KUBE-KUBELET-CANARY", Policy: "-"}, {Name: "KUBE-IPTABLES-HINT", Policy: "-"}, {Name: "INPUT", Policy: "ACCEPT"},
	} {
		if diff := cmp.Diff(none, facts(host(c))); diff != "" {
			t.Errorf("%s: %s", c.Name, diff)
		}
	}
	for _, c := range []dataplane.Chain{
		{Name: "KUBE-SERVICES", Policy: "-"}, {Name: "INPUT", Policy: "DROP"}, {Name: "INPUT", Policy: "ACCEPT", Rules: []string{"-j DROP"}},
	} {
		if slices.Equal(none, facts(host(c))) {
			t.Errorf("%+v is no fact", c)
		}
	}
}

// TestPatient: what is waited for has more time, what is held has not, and the
// scenarios themselves stay as they were.
func TestPatient(t *testing.T) {
	s := &lab.Scenario{Limit: time.Minute, Steps: []lab.Step{
		{Verb: lab.Wait, For: 90 * time.Second}, {Verb: lab.Hold, For: time.Second}, {Verb: lab.Sleep, For: time.Second}, {Verb: lab.Finish, For: time.Second},
	}}
	got := patient([]*lab.Scenario{s}, 3)[0]
	if want := []time.Duration{270 * time.Second, time.Second, time.Second, 3 * time.Second}; got.Limit != 3*time.Minute ||
		!slices.EqualFunc(got.Steps, want, func(s lab.Step, d time.Duration) bool { return s.For == d }) {
		t.Errorf("got %+v", got)
	}
	if s.Limit != time.Minute || s.Steps[0].For != 90*time.Second {
		t.Errorf("the scenario was changed: %+v", s)
	}
}

// TestFull: with the components' own periods, waits are longer than the hold time,
// and the scenarios themselves stay as they were.
func TestFull(t *testing.T) {
	s := &lab.Scenario{
		Cluster: lab.Cluster{Grace: 20 * time.Second}, Limit: time.Minute,
		Steps: []lab.Step{{Verb: lab.Wait, For: 90 * time.Second}, {Verb: lab.Hold, For: time.Second}},
	}
	got := full([]*lab.Scenario{s})[0]
	if got.Cluster.Grace != 0 || got.Steps[0].For <= got.Cluster.HoldTime || got.Steps[1].For != time.Second {
		t.Errorf("got %+v", got)
	}
	if s.Steps[0].For != 90*time.Second || s.Cluster.Grace == 0 {
		t.Errorf("the scenario was changed: %+v", s)
	}
}
