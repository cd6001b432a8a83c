// SPDX-License-Identifier: Apache-2.0

package node

import (
	"testing"

	"whohas/dataplane"
	"whohas/snapshot"
)

// TestNodeName: a host whose kubelet was given another name is that Node.
func TestNodeName(t *testing.T) {
	agent := func(name, override string) dataplane.Host {
		return dataplane.Host{Name: "ip-10-0-1-15", Agents: []dataplane.Agent{{Name: name, Flags: map[string]string{"hostname-override": override}}}}
	}
	for _, c := range []struct {
		host dataplane.Host
		want string
	}{
		{agent("kubelet", "CDEV02.example "), "cdev02.example"},
		{agent("k3s", "cdev02"), "cdev02"},
		{agent("kube-proxy", "cdev02"), ""}, // which is told the Node's name where the kubelet takes the host's own
		{agent("kubelet", ""), ""},
		{dataplane.Host{Name: "a"}, ""},
	} {
		if got := nodeName(&c.host); got != c.want {
			t.Errorf("%v: %q, want %q", c.host.Agents, got, c.want)
		}
	}
	h := agent("kubelet", "cdev02")
	coverage := []snapshot.Coverage{{Source: "host ip-10-0-1-15 links"}, {Source: "cluster"}}
	rename(&h, coverage, "cdev02")
	if h.Name != "cdev02" || coverage[0].Source != "host cdev02 links" || coverage[1].Source != "cluster" {
		t.Errorf("%s, %v", h.Name, coverage)
	}
}
