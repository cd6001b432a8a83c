// SPDX-License-Identifier: Apache-2.0

package cluster_test

import (
	"net/netip"
	"testing"

	"whohas/cluster"
)

func TestParseEndpoint(t *testing.T) {
	for text, want := range map[string]string{
		"192.168.10.114:6443": "192.168.10.114:6443", "192.168.10.114": "192.168.10.114:6443", "[fd00::1]:8443": "[fd00::1]:8443",
		"api.example.com:443": "api.example.com:443", "::ffff:10.0.0.1": "10.0.0.1:6443",
	} {
		if got := cluster.ParseEndpoint(text).String(); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

// TestWithoutAddress: what remains of the way to the apiserver.
func TestWithoutAddress(t *testing.T) {
	a, b := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")
	at := func(ip netip.Addr) cluster.Endpoint { return cluster.Endpoint{IP: ip, Port: 6443} }
	for _, tt := range []struct {
		name    string
		servers []cluster.Endpoint
		want    cluster.APICut
	}{
		{"nothing known", nil, cluster.APIUnknown},
		{"the only one", []cluster.Endpoint{at(a)}, cluster.APILost},
		{"one of two", []cluster.Endpoint{at(a), at(b)}, cluster.APIPartly},
		{"another", []cluster.Endpoint{at(b)}, cluster.APIReached},
		{"a name", []cluster.Endpoint{{Host: "api.example.com", Port: 6443}}, cluster.APIUnknown},
	} {
		if got := (&cluster.Facts{APIServers: tt.servers}).WithoutAddress(a); got != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, got, tt.want)
		}
	}
}

// TestSingleNode: one Node proves nothing unless all were read.
func TestSingleNode(t *testing.T) {
	one := []cluster.Node{{Name: "a"}}
	if !(&cluster.Facts{Nodes: one, NodesComplete: true}).SingleNode() || (&cluster.Facts{Nodes: one}).SingleNode() ||
		(&cluster.Facts{Nodes: append(one, one...), NodesComplete: true}).SingleNode() {
		t.Error("SingleNode wants exactly one Node and all Nodes read")
	}
}
