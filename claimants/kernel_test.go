// SPDX-License-Identifier: Apache-2.0

package claimants

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"whohas/claim"
	"whohas/snapshot"
)

// cdev02 is the worker of the incident.
const cdev02 = `{"name": "cdev02",
 "links": [{"index": 1, "name": "lo"}, {"index": 2, "name": "eth0", "up": true}, {"index": 3, "name": "tunl0", "kind": "ipip"},
  {"index": 4, "name": "kube-ipvs0", "kind": "dummy"}, {"index": 5, "name": "nodelocaldns", "kind": "dummy"}, {"index": 6, "name": "docker0", "kind": "bridge"}],
 "addresses": [{"link": "lo", "prefix": "127.0.0.1/8"}, {"link": "eth0", "prefix": "192.168.10.115/24"}, {"link": "eth0", "prefix": "fe80::1/64"},
  {"link": "eth0", "prefix": "192.168.10.200/32"}, {"link": "tunl0", "prefix": "10.244.1.0/32"}, {"link": "docker0", "prefix": "172.17.0.1/16"},
  {"link": "kube-ipvs0", "prefix": "10.96.0.1/32"}, {"link": "kube-ipvs0", "prefix": "192.168.10.114/32"},
  {"link": "nodelocaldns", "prefix": "169.254.20.10/32"}, {"link": "nodelocaldns", "prefix": "10.96.0.10/32"}],
 "routes": [{"table": 254, "type": "unicast", "to": "0.0.0.0/0", "via": "192.168.10.1", "link": "eth0"}],
 "servers": [{"proto": "TCP", "ip": "192.168.10.114", "port": 80}, {"mark": 7, "proto": ""}],
 "listeners": [{"proto": "TCP", "ip": "::", "port": 10250, "process": "kubelet"}, {"proto": "TCP", "ip": "127.0.0.1", "port": 10248}]}`

// bare has nothing but loopback.
const bare = `{"name": "n1", "links": [{"index": 1, "name": "lo"}], "addresses": [{"link": "lo", "prefix": "127.0.0.1/8"}]}`

func onHost(links, rest string) string {
	return `{"name": "n1", "links": [{"index": 1, "name": "lo"}, ` + links + `], ` + rest + `}`
}

var kernelScenes = []scene{
	{"a card, a tunnel, a virtual IP and a bridge", "kernel.address", cdev02, []string{
		`tunnel 10.244.1.0 "10.244.1.0/32" for Node cdev02`,
		`observed 172.17.0.1 "172.17.0.1/16" for Node cdev02`,
		`host 192.168.10.115 "192.168.10.115/24" for Node cdev02`,
		`observed 192.168.10.200 "192.168.10.200/32" for Node cdev02`,
	}},
	{"keepalived's, with the subnet's length", "kernel.address", onHost(`{"index": 2, "name": "eth0"}`,
		`"addresses": [{"link": "eth0", "prefix": "10.0.0.5/24"}, {"link": "eth0", "prefix": "10.0.0.100/24", "secondary": true}]`), []string{
		`host 10.0.0.5 "10.0.0.5/24" for Node n1`, `observed 10.0.0.100 "10.0.0.100/24" for Node n1`,
	}},
	{"keepalived's, on a device of its own", "kernel.address", onHost(`{"index": 2, "name": "vrrp.51", "kind": "macvlan"}`,
		`"addresses": [{"link": "vrrp.51", "prefix": "10.0.0.100/32"}]`), []string{`observed 10.0.0.100 "10.0.0.100/32" for Node n1`}},
	{"a cloud's card with a /32, and a virtual IP", "kernel.address", onHost(`{"index": 2, "name": "ens4"}`,
		`"addresses": [{"link": "ens4", "prefix": "10.128.0.5/32", "dynamic": true}, {"link": "ens4", "prefix": "10.128.0.100/32"}],
		 "routes": [{"table": 254, "type": "unicast", "to": "0.0.0.0/0", "via": "10.128.0.1", "link": "ens4", "source": "10.128.0.5"}]`), []string{
		`host 10.128.0.5 "10.128.0.5/32" for Node n1`, `observed 10.128.0.100 "10.128.0.100/32" for Node n1`,
	}},
	{"a single /32", "kernel.address", onHost(`{"index": 2, "name": "ens4"}`, `"addresses": [{"link": "ens4", "prefix": "10.128.0.5/32"}]`),
		[]string{`host 10.128.0.5 "10.128.0.5/32" for Node n1`}},
	{"IPv6: temporary, of DHCP, and a virtual IP", "kernel.address", onHost(`{"index": 2, "name": "eth0"}`,
		`"addresses": [{"link": "eth0", "prefix": "2001:db8::a/64", "secondary": true, "dynamic": true}, {"link": "eth0", "prefix": "2001:db8::b/128", "dynamic": true},
		  {"link": "eth0", "prefix": "2001:db8::c/128"}, {"link": "eth0", "prefix": "2001:db8::d/64", "failed": true}]`), []string{
		`host 2001:db8::a "2001:db8::a/64" for Node n1`, `host 2001:db8::b "2001:db8::b/128" for Node n1`,
		`observed 2001:db8::c "2001:db8::c/128" for Node n1`, `observed 2001:db8::d "2001:db8::d/64" for Node n1`,
	}},
	{"a container, a bridge around a card, a bond", "kernel.address", onHost(
		`{"index": 2, "name": "eth0", "kind": "veth"}, {"index": 3, "name": "br0", "kind": "bridge"}, {"index": 4, "name": "eno1", "master": "br0"},
		 {"index": 5, "name": "cni0", "kind": "bridge"}, {"index": 6, "name": "veth1", "kind": "veth", "master": "cni0"}, {"index": 7, "name": "bond0", "kind": "bond"}`,
		`"addresses": [{"link": "eth0", "prefix": "10.1.0.2/24"}, {"link": "br0", "prefix": "10.2.0.2/24"}, {"link": "cni0", "prefix": "10.244.1.1/24"}, {"link": "bond0", "prefix": "10.3.0.2/24"}],
		 "routes": [{"table": 254, "type": "unicast", "to": "0.0.0.0/0", "via": "10.1.0.1", "link": "eth0"}]`), []string{
		`host 10.1.0.2 "10.1.0.2/24" for Node n1`, `host 10.2.0.2 "10.2.0.2/24" for Node n1`,
		`host 10.3.0.2 "10.3.0.2/24" for Node n1`, `observed 10.244.1.1 "10.244.1.1/24" for Node n1`,
	}},
	{"a container without a default route, and a way to one", "kernel.address", onHost(
		`{"index": 2, "name": "eth0", "kind": "veth"}, {"index": 3, "name": "veth1", "kind": "veth"}, {"index": 4, "name": "cilium_host", "kind": "veth"}`,
		`"addresses": [{"link": "eth0", "prefix": "10.1.0.2/24"}, {"link": "eth0", "prefix": "10.1.0.100/32"}, {"link": "veth1", "prefix": "10.244.1.1/32"}, {"link": "cilium_host", "prefix": "10.244.1.2/32"}]`), []string{
		`host 10.1.0.2 "10.1.0.2/24" for Node n1`, `observed 10.1.0.100 "10.1.0.100/32" for Node n1`,
		`observed 10.244.1.1 "10.244.1.1/32" for Node n1`, `tunnel 10.244.1.2 "10.244.1.2/32" for Node n1`,
	}},
	{"taken off kube-ipvs0, and still served", "kernel.awaitedAddress", onHost(`{"index": 3, "name": "kube-ipvs0", "kind": "dummy"}`,
		`"servers": [{"proto": "TCP", "ip": "192.168.10.114", "port": 80}, {"proto": "UDP", "ip": "192.168.10.114", "port": 53}, {"proto": "TCP", "ip": "2001:db8::7", "port": 80}, {"proto": "TCP", "ip": "10.96.0.1", "port": 443}, {"mark": 7, "proto": ""}],
		 "sets": [{"name": "KUBE-CLUSTER-IP", "members": ["10.96.0.1,tcp:443"]}, {"name": "KUBE-EXTERNAL-IP", "members": ["192.168.10.114,tcp:80"]}, {"name": "KUBE-6-LOAD-BALANCER", "members": ["2001:db8::7,tcp:80"]}]`), []string{
		`observed 192.168.10.114 "192.168.10.114/32" for Node n1`, `observed 2001:db8::7 "2001:db8::7/128" for Node n1`,
	}},
	{"it is on kube-ipvs0", "kernel.awaitedAddress", onHost(`{"index": 3, "name": "kube-ipvs0", "kind": "dummy"}`,
		`"addresses": [{"link": "kube-ipvs0", "prefix": "192.168.10.114/32"}], "servers": [{"proto": "TCP", "ip": "192.168.10.114", "port": 80}],
		 "sets": [{"name": "KUBE-EXTERNAL-IP", "members": ["192.168.10.114,tcp:80"]}]`), nil},
	{"no device of kube-proxy", "kernel.awaitedAddress", onHost(`{"index": 2, "name": "eth0"}`,
		`"servers": [{"proto": "TCP", "ip": "192.168.10.114", "port": 80}], "sets": [{"name": "KUBE-EXTERNAL-IP", "members": ["192.168.10.114,tcp:80"]}]`), nil},
	{"addresses not read", "kernel.awaitedAddress", onHost(`{"index": 3, "name": "kube-ipvs0", "kind": "dummy"}`,
		`"unread": ["addresses"], "servers": [{"proto": "TCP", "ip": "192.168.10.114", "port": 80}], "sets": [{"name": "KUBE-EXTERNAL-IP", "members": ["192.168.10.114,tcp:80"]}]`), nil},
	{"loopback", "kernel.address", bare, nil},

	{"a ClusterIP and a node's", "kernel.serviceAddress", cdev02, []string{
		`observed 10.96.0.1 "10.96.0.1/32" for Node cdev02`, `observed 192.168.10.114 "192.168.10.114/32" for Node cdev02`,
	}},
	{"kube-router's", "kernel.serviceAddress", onHost(`{"index": 2, "name": "kube-dummy-if", "kind": "dummy"}`,
		`"addresses": [{"link": "kube-dummy-if", "prefix": "10.96.0.1/32"}]`), []string{`observed 10.96.0.1 "10.96.0.1/32" for Node n1`}},
	{"another dummy", "kernel.serviceAddress", onHost(`{"index": 2, "name": "dummy0", "kind": "dummy"}`,
		`"addresses": [{"link": "dummy0", "prefix": "10.96.0.1/32"}]`), nil},

	{"node-local DNS", "kernel.localRoute", cdev02, []string{`observed 10.96.0.10 "10.96.0.10/32" for Node cdev02`}},
	{"on lo, and a route alone", "kernel.localRoute", `{"name": "n1", "links": [{"index": 1, "name": "lo"}],
		"addresses": [{"link": "lo", "prefix": "10.0.0.53/32"}],
		"routes": [{"table": 255, "type": "local", "to": "10.0.0.53/32", "link": "lo"}, {"table": 255, "type": "local", "to": "10.0.0.80/32", "link": "eth0"}]}`, []string{
		`observed 10.0.0.53 "10.0.0.53/32" for Node n1`, `observed 10.0.0.80 "10.0.0.80/32" for Node n1`,
	}},
	{"a transparent proxy's, and a card's own", "kernel.localRoute", onHost(`{"index": 2, "name": "eth0"}`,
		`"addresses": [{"link": "eth0", "prefix": "10.0.0.5/24"}],
		 "routes": [{"table": 100, "type": "local", "to": "0.0.0.0/0", "link": "lo"}, {"table": 255, "type": "local", "to": "10.0.0.5/32", "link": "eth0"},
		  {"table": 255, "type": "broadcast", "to": "10.0.0.255/32", "link": "eth0"}, {"table": 255, "type": "local", "to": "127.0.0.1/32", "link": "lo"}]`), nil},
	{"where addresses could not be read", "kernel.localRoute", `{"name": "n1", "unread": ["addresses"],
		"routes": [{"table": 255, "type": "local", "to": "10.0.0.5/32", "link": "eth0"}]}`, nil},

	{"of an address", "kernel.virtualServer", cdev02, []string{"observed 192.168.10.114 80/TCP for Node cdev02"}},
	{"of a mark", "kernel.virtualServer", `{"name": "n1", "servers": [{"mark": 7, "proto": ""}]}`, nil},

	{"kube-proxy's and another's", "kernel.nat", `{"name": "n1", "tables": [{"backend": "nft", "family": "ip", "name": "nat", "chains": [
		{"name": "PREROUTING", "policy": "ACCEPT", "rules": ["-j KUBE-SERVICES", "-d 192.168.10.114/32 -p tcp -m tcp --dport 6443 -j DNAT --to-destination 10.244.1.7:8080",
		  "-d 192.168.10.114/32 -p tcp -m tcp --dport 100:102 -j DNAT --to-destination 10.244.1.7", "-d 192.168.20.0/24 -j DNAT --to-destination 10.244.1.7"]},
		{"name": "KUBE-SERVICES", "rules": ["-d 192.168.10.115/32 -p tcp -m comment --comment \"demo/tomcat:http external IP\" -m tcp --dport 80 -j KUBE-EXT-A"]},
		{"name": "KUBE-EXT-A", "rules": ["-j KUBE-SVC-A"]}, {"name": "KUBE-SVC-A", "rules": ["-j KUBE-SEP-A"]},
		{"name": "KUBE-SEP-A", "rules": ["-p tcp -m tcp -j DNAT --to-destination 10.244.1.7:8080"]}]}]}`, []string{
		"observed 192.168.10.114 100/TCP, 101/TCP, 102/TCP for Node n1",
		"observed 192.168.10.114 6443/TCP for Node n1",
		"observed 192.168.10.115 80/TCP for Service demo/tomcat",
		"observed 192.168.20.0/24 for Node n1",
	}},
	{"of loopback, of everything, and of nothing", "kernel.nat", `{"name": "n1", "tables": [{"backend": "legacy", "family": "ip", "name": "nat", "chains": [
		{"name": "OUTPUT", "policy": "ACCEPT", "rules": ["-d 127.0.0.1/32 -p tcp -m tcp --dport 6443 -j DNAT --to-destination 10.0.0.1:6443",
		  "-p tcp -m tcp --dport 80 -j REDIRECT --to-ports 15001", "-d 192.168.10.114/32 -j ACCEPT"]}]}]}`, nil},

	{"of every address", "kernel.listener", cdev02, []string{"listener 192.168.10.115 10250/TCP for Node cdev02"}},
	{"of one address", "kernel.listener", `{"name": "n1", "listeners": [{"proto": "UDP", "ip": "10.0.0.9", "port": 53}]}`, []string{"listener 10.0.0.9 53/UDP for Node n1"}},
	{"loopback, and what kube-proxy keeps for a Service", "kernel.listener", onHost(`{"index": 2, "name": "eth0"}`,
		`"addresses": [{"link": "eth0", "prefix": "10.0.0.5/24"}],
		 "listeners": [{"proto": "TCP", "ip": "127.0.0.1", "port": 10248}, {"proto": "TCP", "ip": "0.0.0.0", "port": 30080, "process": "kube-proxy"}]`), nil},
	{"IPv4 alone takes no IPv6", "kernel.listener", onHost(`{"index": 2, "name": "eth0"}`,
		`"addresses": [{"link": "eth0", "prefix": "2001:db8::5/64"}], "listeners": [{"proto": "TCP", "ip": "0.0.0.0", "port": 22}]`), nil},

	{"of the default route", "kernel.gateway", cdev02, []string{`reserved 192.168.10.1 for Reserved gateway`}},
	{"link-local, of another table, of one subnet", "kernel.gateway", `{"name": "n1", "routes": [
		{"table": 254, "type": "unicast", "to": "::/0", "via": "fe80::1", "link": "eth0"}, {"table": 100, "type": "unicast", "to": "0.0.0.0/0", "via": "10.0.0.1", "link": "eth1"},
		{"table": 254, "type": "unicast", "to": "10.9.0.0/16", "via": "10.0.0.2", "link": "eth0"}, {"table": 254, "type": "blackhole", "to": "0.0.0.0/0"}]}`, nil},

	{"a shield's rule", "kernel.bypass", `{"name": "n1", "routes": [{"table": 254, "type": "unicast", "to": "10.0.0.0/24", "link": "eth0"}], "policies": [
		{"priority": 0, "family": 4, "to": "10.0.0.114/32", "goto": 2}, {"priority": 0, "family": 4, "table": 255}, {"priority": 2, "family": 4, "type": "nop"},
		{"priority": 32766, "family": 4, "table": 254}]}`, []string{`observed 10.0.0.114 for Node n1`}},
	{"rules of others to one address", "kernel.bypass", `{"name": "n1", "policies": [{"priority": 0, "family": 4, "table": 255},
		{"priority": 100, "family": 4, "to": "10.0.0.114/32", "table": 100}, {"priority": 200, "family": 4, "to": "10.0.0.115/32", "goto": 300, "protocol": "static"}]}`, nil},
}

// TestKernelOrigins: what a kernel shows names the host and the table, and no file.
func TestKernelOrigins(t *testing.T) {
	want := map[snapshot.Origin]bool{}
	var got []string
	for _, c := range claimed(t, cdev02) {
		if c.By != HostRef("cdev02") || c.Origin.Host != "cdev02" || c.Origin.Table == "" || c.Origin.File != "" {
			t.Errorf("%s by %s at %+v", c.Kind, c.By, c.Origin)
		}
		if c.Role == claim.Observed && c.Scope.Host != "cdev02" {
			t.Errorf("%s on %s is effective in %+v", c.Kind, c.Range, c.Scope)
		}
		if !want[c.Origin] {
			want[c.Origin] = true
			got = append(got, c.Origin.Table)
		}
	}
	slices.Sort(got)
	if diff := cmp.Diff([]string{"docker0", "eth0", "ipvs", "kube-ipvs0", "nodelocaldns", "routing table main", "socket of kubelet", "tunl0"}, got); diff != "" {
		t.Errorf("tables (-want +got):\n%s", diff)
	}
}
