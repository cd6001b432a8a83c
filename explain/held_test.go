// SPDX-License-Identifier: Apache-2.0

package explain_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"whohas/cluster"
	"whohas/dataplane"
	"whohas/explain"
)

func seen(hosts ...string) []explain.Sight {
	var out []explain.Sight
	for _, h := range hosts {
		out = append(out, explain.Sight{Host: h, Evidence: h + ": 192.168.10.114/32 on kube-ipvs0"})
	}
	return out
}

// TestSeen: what all victims show is observed; what one of them does not show is
// derived, and what is seen is cited all the same.
func TestSeen(t *testing.T) {
	for _, tt := range []struct {
		hosts []string
		mode  dataplane.ProxyMode
		want  explain.Certainty
		text  string
	}{
		{[]string{"cdev02", "cdev03"}, dataplane.IPVS, explain.Observed, "is on kube-ipvs0"},
		{[]string{"cdev02"}, dataplane.IPVS, explain.Derived, "goes on kube-ipvs0"},
		{[]string{"cdev02", "cdev03"}, dataplane.IPTables, explain.Derived, "only the Service's ports"},
		{nil, dataplane.IPVS, explain.Derived, "goes on kube-ipvs0"},
	} {
		f := incident(tt.mode, "v1.25.9")
		losses := explain.Takeover(explain.Target{Address: f.Nodes[0].Addresses[0], Owner: f.Nodes[0], API: true, Seen: seen(tt.hosts...)}, f)
		for _, l := range losses {
			if l.Certainty != tt.want {
				t.Errorf("%v, %s: %q is %s", tt.hosts, tt.mode, l.Text, l.Certainty)
			}
			for _, h := range tt.hosts {
				if !slices.ContainsFunc(l.Evidence, func(e string) bool { return strings.HasPrefix(e, h+": ") }) {
					t.Errorf("%v: %q does not cite %s", tt.hosts, l.Text, h)
				}
			}
		}
		if !strings.Contains(losses[0].Text, tt.text) {
			t.Errorf("%v, %s: %q lacks %q", tt.hosts, tt.mode, losses[0].Text, tt.text)
		}
	}
}

// TestHeld: of an address that hosts hold only they are told, whatever the mode.
func TestHeld(t *testing.T) {
	filtered := []string{
		"cdev03 > cdev01 ping refused", "cdev03 > cdev01 apiserver (6443/TCP) refused", "cdev03 > cdev01 kubelet (10250/TCP) refused",
		"cdev03 > cdev01 bgp (179/TCP) refused", "cdev03 > cdev01 ipip delivered-elsewhere", "cdev01 > cdev03 everything dropped", "cdev01 > cdev03 arp request no-neighbour",
	}
	open := []string{
		"cdev03 > cdev01 ping delivered-elsewhere", "cdev03 > cdev01 apiserver (6443/TCP) refused", "cdev03 > cdev01 kubelet (10250/TCP) delivered-elsewhere",
		"cdev03 > cdev01 bgp (179/TCP) delivered-elsewhere", "cdev03 > cdev01 ipip delivered-elsewhere", "cdev01 > cdev03 everything dropped", "cdev01 > cdev03 arp request no-neighbour",
	}
	for _, tt := range []struct {
		name  string
		facts *cluster.Facts
		hold  explain.Hold
		want  []string
		seals bool
	}{
		{"ipvs that filters", incident(dataplane.IPVS, "v1.36.3"), explain.Hold{Device: "kube-ipvs0", Proxy: true, Filter: true}, filtered, true},
		{"a device left behind", incident(dataplane.IPTables, "v1.36.3"), explain.Hold{Device: "kube-ipvs0", Proxy: true}, open, true},
		{"by hand", incident(dataplane.IPTables, "v1.36.3"), explain.Hold{Device: "lo"}, open, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := tt.facts
			losses := explain.Takeover(explain.Target{Address: f.Nodes[0].Addresses[0], Owner: f.Nodes[0], API: true, Seen: seen("cdev03"), Held: &tt.hold}, f)
			if diff := cmp.Diff(tt.want, flows(losses)); diff != "" {
				t.Errorf("flows (-want +got):\n%s", diff)
			}
			seals := slices.ContainsFunc(losses, func(l explain.Impact) bool { return slices.Contains(l.Lost, "kube-proxy-watch") })
			if seals != tt.seals {
				t.Errorf("kube-proxy loses its watch: %v", seals)
			}
			for _, l := range losses {
				if l.Certainty != explain.Observed || !strings.Contains(losses[0].Text, "is on "+tt.hold.Device) {
					t.Errorf("%s %s", l.Certainty, l.Text)
				}
			}
		})
	}
}

// TestHeldWithoutNodes: where no Node was read the hosts themselves are told of.
func TestHeldWithoutNodes(t *testing.T) {
	losses := explain.Takeover(explain.Target{Is: "the control plane", Lost: []string{"apiserver"}, API: true, Seen: seen("cdev02"),
		Held: &explain.Hold{Device: "kube-ipvs0", Proxy: true}}, &cluster.Facts{})
	if got := losses[0]; !slices.Equal(got.Nodes, []string{"cdev02"}) || got.Certainty != explain.Observed {
		t.Errorf("%+v", got)
	}
}
