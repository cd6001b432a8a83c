// SPDX-License-Identifier: Apache-2.0

package host_test

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sys/unix"

	"whohas/dataplane"
	"whohas/snapshot"
	"whohas/source/host"
)

var equalAddresses = cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{})

// inside runs f in a fresh network namespace, on a thread that ends with it.
func inside(t testing.TB, f func()) {
	t.Helper()
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the runtime ends the thread
		err := unix.Unshare(unix.CLONE_NEWNET)
		if err == nil {
			func() {
				defer func() {
					done <- nil
				}()
				f()
			}()
			return
		}
		done <- err
	}()
	if err := <-done; err != nil {
		t.Skipf("NOT RUN: a network namespace needs root: %v", err)
	}
}

// do runs a command in the thread's namespace and gives its output.
func do(t testing.TB, line string) string {
	t.Helper()
	args := strings.Fields(line)
	out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
	if err != nil {
		t.Errorf("%s: %v\n%s", line, err, out)
	}
	return string(out)
}

// need reports whether the tools are installed; what is not tested is said.
func need(t testing.TB, tools ...string) bool {
	t.Helper()
	for _, name := range tools {
		if _, err := exec.LookPath(name); err != nil {
			t.Logf("NOT RUN: %v", err)
			return false
		}
	}
	return true
}

// build makes the devices that most tests look at: w0 with the node's address, and
// its other end in a bridge.
func build(t testing.TB) {
	for _, line := range []string{
		"ip link set lo up",
		"ip link add w0 type veth peer name b0",
		"ip link set w0 address 02:00:00:00:00:01", "ip link set b0 address 02:00:00:00:00:02",
		"ip link add br0 address 02:00:00:00:00:03 type bridge",
		"sysctl -qw net.ipv6.conf.w0.addr_gen_mode=1 net.ipv6.conf.b0.addr_gen_mode=1 net.ipv6.conf.br0.addr_gen_mode=1",
		"ip link set b0 master br0", "ip link set w0 up", "ip link set b0 up", "ip link set br0 up",
		"ip addr add 192.168.10.115/24 dev w0", "ip addr add 192.168.10.200/24 dev w0", "ip addr add 192.168.10.114/32 dev br0",
		"ip addr add 10.9.0.1 peer 10.9.0.2/24 dev w0", "ip -6 addr add 2001:db8::1/64 dev w0 nodad",
	} {
		do(t, line)
	}
	ready(t)
}

// ready waits until the devices that are up carry, and the kernel has done what it does
// then: it does so by itself, and late where it has much to do (linux
// net/core/link_watch.c).
func ready(t testing.TB) {
	for range 1200 {
		out, before := do(t, "ip -o link show up"), do(t, "ip route show table all")
		if strings.Count(out, "state UP") == 3 {
			time.Sleep(50 * time.Millisecond)
			if do(t, "ip route show table all") == before {
				return
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Error("the devices do not come up")
}

func read(t testing.TB, o host.Options) (dataplane.Host, map[string]snapshot.Coverage) {
	t.Helper()
	o.Name = "n1"
	h, lines := host.Read(context.Background(), o)
	coverage := map[string]snapshot.Coverage{}
	for _, c := range lines {
		coverage[strings.TrimPrefix(c.Source, "host n1 ")] = c
	}
	if len(coverage) != len(host.Sections()) {
		t.Errorf("coverage of %d sections: %v", len(coverage), lines)
	}
	return h, coverage
}

// only skips every other section.
func only(sections ...string) host.Options {
	return host.Options{Skip: slices.DeleteFunc(host.Sections(), func(s string) bool { return slices.Contains(sections, s) })}
}

func same(t *testing.T, what string, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got, equalAddresses); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestReadRouting(t *testing.T) {
	if !need(t, "ip", "bridge", "sysctl") {
		t.Skip()
	}
	inside(t, func() {
		build(t)
		for _, line := range []string{
			"ip link add vx0 address 02:00:00:00:00:04 type vxlan id 42 local 192.168.10.115 dev w0 dstport 4789 nolearning",
			"ip route add 10.1.0.0/16 nexthop via 192.168.10.1 weight 3 nexthop via 192.168.10.2",
			"ip route add blackhole 10.2.0.0/16 metric 7",
			"ip -6 route add unreachable ::ffff:0.0.0.0/96 metric 5", // no default route of IPv4
			"ip route add 10.3.0.0/26 via 192.168.10.116 table 100 proto bird onlink dev w0",
			"ip route add 10.4.0.0/16 via inet6 fe80::1 dev w0",
			"ip rule add pref 100 from 10.0.0.0/8 fwmark 0x10/0xff lookup 100",
			"ip rule add pref 101 blackhole to 10.9.0.0/16",
			"ip rule add pref 102 not iif w0 goto 200",
			"ip rule add pref 200 ipproto tcp dport 80-90 lookup main suppress_prefixlength 0",
			"ip rule add pref 201 uidrange 0-0 sport 53 tos 0x10 oif w0 prohibit",
			"ip -6 rule add pref 300 from 2001:db8:1::/48 unreachable",
			"ip neigh add 192.168.10.7 lladdr 02:00:00:00:00:07 dev w0 nud permanent",
			"ip neigh add proxy 192.168.10.9 dev w0",
			"bridge fdb append 02:00:00:00:00:99 dev vx0 dst 192.168.10.116",
		} {
			do(t, line)
		}
		h, coverage := read(t, only(host.Links, host.Addresses, host.Routes, host.Rules, host.Neighbours))
		ip, net := netip.MustParseAddr, netip.MustParsePrefix
		for i := range h.Links {
			h.Links[i].Index = 0 // the kernel's choice
		}
		slices.SortFunc(h.Links, func(a, b dataplane.Link) int { return strings.Compare(a.Name, b.Name) })
		same(t, "links", []dataplane.Link{
			{Name: "b0", Kind: "veth", MAC: "02:00:00:00:00:02", MTU: 1500, Master: "br0", Parent: "w0", Up: true, Carrier: true},
			{Name: "br0", Kind: "bridge", MAC: "02:00:00:00:00:03", MTU: 1500, Up: true, Carrier: true},
			{Name: "lo", MTU: 65536, Up: true, Carrier: true},
			{Name: "vx0", Kind: "vxlan", MAC: "02:00:00:00:00:04", MTU: 1450, Parent: "w0", Local: ip("192.168.10.115"), VNI: 42},
			{Name: "w0", Kind: "veth", MAC: "02:00:00:00:00:01", MTU: 1500, Parent: "b0", Up: true, Carrier: true},
		}, h.Links)
		same(t, "addresses", []dataplane.Address{
			{Link: "br0", Prefix: net("192.168.10.114/32"), Scope: "global"},
			{Link: "lo", Prefix: net("127.0.0.1/8"), Scope: "host"},
			{Link: "lo", Prefix: net("::1/128"), Scope: "host"},
			{Link: "w0", Prefix: net("10.9.0.1/24"), Peer: ip("10.9.0.2"), Scope: "global"},
			{Link: "w0", Prefix: net("192.168.10.115/24"), Scope: "global"},
			{Link: "w0", Prefix: net("192.168.10.200/24"), Scope: "global", Secondary: true},
			{Link: "w0", Prefix: net("2001:db8::1/64"), Scope: "global"},
		}, h.Addresses)
		routes := slices.DeleteFunc(slices.Clone(h.Routes), func(r dataplane.Route) bool {
			return r.Table == dataplane.TableLocal && r.To != net("192.168.10.114/32") || r.Protocol == "kernel" && r.Table != dataplane.TableLocal
		})
		same(t, "routes", []dataplane.Route{
			{Table: 100, Type: "unicast", To: net("10.3.0.0/26"), Via: ip("192.168.10.116"), Link: "w0", Scope: "global", Protocol: "bird", Onlink: true},
			{Table: 254, Type: "unicast", To: net("10.1.0.0/16"), Via: ip("192.168.10.1"), Link: "w0", Scope: "global", Protocol: "boot", Weight: 3},
			{Table: 254, Type: "unicast", To: net("10.1.0.0/16"), Via: ip("192.168.10.2"), Link: "w0", Scope: "global", Protocol: "boot", Weight: 1},
			{Table: 254, Type: "blackhole", To: net("10.2.0.0/16"), Scope: "global", Protocol: "boot", Metric: 7},
			{Table: 254, Type: "unicast", To: net("10.4.0.0/16"), Via: ip("fe80::1"), Link: "w0", Scope: "global", Protocol: "boot"},
			{Table: 254, Type: "unreachable", To: net("::ffff:0.0.0.0/96"), Link: "lo", Scope: "global", Protocol: "boot", Metric: 5},
			{Table: 255, Type: "local", To: net("192.168.10.114/32"), Link: "br0", Source: ip("192.168.10.114"), Scope: "host", Protocol: "kernel"},
		}, routes)
		same(t, "policies", []dataplane.Rule{
			{Priority: 0, Family: 4, Table: 255},
			{Priority: 100, Family: 4, From: net("10.0.0.0/8"), Mark: 0x10, Mask: 0xff, Table: 100},
			{Priority: 101, Family: 4, To: net("10.9.0.0/16"), Type: "blackhole"},
			{Priority: 102, Family: 4, Not: true, In: "w0", Goto: 200},
			{Priority: 200, Family: 4, Table: 254, Suppress: 1, Other: "dport 80-90 ipproto tcp"},
			{Priority: 201, Family: 4, Out: "w0", Type: "prohibit", Other: "tos 0x10 uidrange 0-0 sport 53"},
			{Priority: 32766, Family: 4, Table: 254},
			{Priority: 32767, Family: 4, Table: 253},
			{Priority: 0, Family: 6, Table: 255},
			{Priority: 300, Family: 6, From: net("2001:db8:1::/48"), Type: "unreachable"},
			{Priority: 32766, Family: 6, Table: 254},
		}, h.Rules)
		neighbours := slices.DeleteFunc(slices.Clone(h.Neighbours), func(n dataplane.Neighbour) bool { return n.Link == "b0" || n.Link == "br0" })
		same(t, "neighbours", []dataplane.Neighbour{
			{Link: "vx0", IP: ip("192.168.10.116"), MAC: "02:00:00:00:00:99", State: "PERMANENT", Forward: true},
			{Link: "w0", IP: ip("192.168.10.7"), MAC: "02:00:00:00:00:07", State: "PERMANENT"},
			{Link: "w0", IP: ip("192.168.10.9"), Proxy: true},
		}, neighbours)
		for _, name := range []string{host.Links, host.Addresses, host.Routes, host.Rules, host.Neighbours} {
			if c := coverage[name]; c.Status != snapshot.StatusRead || !c.Complete || c.Count == 0 {
				t.Errorf("coverage of %s: %+v", name, c)
			}
		}
		if c := coverage[host.IPVS]; c.Status != snapshot.StatusAbsent || c.Complete || c.Detail != "left out" {
			t.Errorf("coverage of what was left out: %+v", c)
		}
		if h.Name != "n1" || h.Kernel == "" || !slices.Contains(h.Unread, host.IPVS) || slices.Contains(h.Unread, host.Routes) {
			t.Errorf("host %q of kernel %q, unread %v", h.Name, h.Kernel, h.Unread)
		}
	})
}

func TestReadNetfilter(t *testing.T) {
	if !need(t, "nft", "iptables-nft", "iptables-nft-save", "ip6tables-nft") {
		t.Skip()
	}
	inside(t, func() {
		for _, line := range []string{
			"nft add table inet mine",
			"nft add chain inet mine pre { type nat hook prerouting priority -100 ; }",
			"nft add rule inet mine pre ip daddr 192.0.2.1 tcp dport 80 counter dnat ip to 10.0.0.1:8080",
			"iptables-nft -t nat -A PREROUTING -d 192.0.2.2 -p tcp --dport 80 -j DNAT --to-destination 10.0.0.2",
			"ip6tables-nft -A INPUT -s 2001:db8::1 -j DROP",
			"nft add table ip raw", // of a name of iptables', but of a form that it does not know
			"nft add chain ip raw other",
			"nft add rule ip raw other ct mark set 3",
		} {
			do(t, line)
		}
		before, err := exec.Command("nft", "list", "ruleset").Output()
		if err != nil {
			t.Error(err)
		}
		h, coverage := read(t, only(host.NFTables, host.IPTables))
		chain := func(name string, rules ...string) dataplane.Chain {
			return dataplane.Chain{Name: name, Policy: "ACCEPT", Rules: rules}
		}
		same(t, "tables", []dataplane.Table{
			{Backend: "nftables", Family: "inet", Name: "mine", Chains: []dataplane.Chain{{Name: "pre", Policy: "ACCEPT", Type: "nat", Hook: "prerouting", Priority: -100, Rules: []string{
				`[{"match":{"left":{"payload":{"field":"daddr","protocol":"ip"}},"op":"==","right":"192.0.2.1"}},{"match":{"left":{"payload":{"field":"dport","protocol":"tcp"}},"op":"==","right":80}},{"counter":{}},{"dnat":{"addr":"10.0.0.1","family":"ip","port":8080}}]`}}}},
			{Backend: "nft", Family: "ip", Name: "nat", Chains: []dataplane.Chain{
				chain("INPUT"), chain("OUTPUT"), chain("POSTROUTING"), chain("PREROUTING", "-d 192.0.2.2/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.0.0.2")}},
			{Backend: "nftables", Family: "ip", Name: "raw", Chains: []dataplane.Chain{{Name: "other", Rules: []string{`[{"mangle":{"key":{"ct":{"key":"mark"}},"value":3}}]`}}}},
			{Backend: "nft", Family: "ip6", Name: "filter", Chains: []dataplane.Chain{chain("FORWARD"), chain("INPUT", "-s 2001:db8::1/128 -j DROP"), chain("OUTPUT")}},
		}, h.Tables)
		for _, name := range []string{host.NFTables, host.IPTables} {
			if c := coverage[name]; c.Status != snapshot.StatusRead || !c.Complete {
				t.Errorf("coverage: %+v", c)
			}
		}
		after, err := exec.Command("nft", "list", "ruleset").Output()
		if err != nil || string(before) != string(after) {
			t.Errorf("reading has changed the ruleset (%v):\n%s", err, cmp.Diff(string(before), string(after)))
		}
	})
}

func TestReadLegacyIPTables(t *testing.T) {
	if !need(t, "iptables-legacy", "iptables-legacy-save") {
		t.Skip()
	}
	inside(t, func() {
		if out, err := exec.Command("iptables-legacy", "-A", "INPUT", "-s", "192.0.2.1", "-j", "DROP").CombinedOutput(); err != nil {
			t.Logf("NOT RUN: this kernel has no legacy tables: %s", out)
			return
		}
		h, _ := read(t, only(host.NFTables, host.IPTables))
		same(t, "tables", []dataplane.Table{{Backend: "legacy", Family: "ip", Name: "filter", Chains: []dataplane.Chain{
			{Name: "FORWARD", Policy: "ACCEPT"}, {Name: "INPUT", Policy: "ACCEPT", Rules: []string{"-s 192.0.2.1/32 -j DROP"}}, {Name: "OUTPUT", Policy: "ACCEPT"}}}}, h.Tables)
		names, err := os.ReadFile("/proc/thread-self/net/ip_tables_names")
		if err != nil || string(names) != "filter\n" {
			t.Errorf("reading has made tables: %q, %v", names, err)
		}
	})
}

func TestReadSets(t *testing.T) {
	if !need(t, "ipset") {
		t.Skip()
	}
	inside(t, func() {
		if out, err := exec.Command("ipset", "create", "KUBE-CLUSTER-IP", "hash:ip,port").CombinedOutput(); err != nil {
			t.Logf("NOT RUN: no ipset in this kernel: %s", out)
			return
		}
		for _, line := range []string{
			"ipset add KUBE-CLUSTER-IP 10.96.0.1,tcp:443", "ipset add KUBE-CLUSTER-IP 10.96.0.10,udp:53",
			"ipset create net hash:net timeout 600", "ipset add net 10.0.0.0/8", "ipset add net 10.1.0.0/16 nomatch", "ipset add net 192.0.2.1",
			"ipset create ports bitmap:port range 0-65535", "ipset add ports 30080",
			"ipset create loop hash:ip,port,ip", "ipset add loop 10.0.0.1,tcp:80,10.0.0.1",
			"ipset create ranges hash:ip,port,net", "ipset add ranges 10.0.0.1,tcp:80,10.0.0.0/24",
			"ipset create six hash:ip family inet6", "ipset add six 2001:db8::5",
			"ipset create list list:set", "ipset add list net", "ipset add list KUBE-CLUSTER-IP",
			"ipset create empty hash:ip",
		} {
			do(t, line)
		}
		h, _ := read(t, only(host.IPSet))
		same(t, "sets", []dataplane.Set{
			{Name: "KUBE-CLUSTER-IP", Type: "hash:ip,port", Members: []string{"10.96.0.1,tcp:443", "10.96.0.10,udp:53"}},
			{Name: "empty", Type: "hash:ip"},
			{Name: "list", Type: "list:set", Members: []string{"net", "KUBE-CLUSTER-IP"}},
			{Name: "loop", Type: "hash:ip,port,ip", Members: []string{"10.0.0.1,tcp:80,10.0.0.1"}},
			{Name: "net", Type: "hash:net", Members: []string{"10.0.0.0/8", "10.1.0.0/16 nomatch", "192.0.2.1"}},
			{Name: "ports", Type: "bitmap:port", Members: []string{"30080"}},
			{Name: "ranges", Type: "hash:ip,port,net", Members: []string{"10.0.0.1,tcp:80,10.0.0.0/24"}},
			{Name: "six", Type: "hash:ip", Members: []string{"2001:db8::5"}},
		}, h.Sets)
	})
}

// TestReadLargeSet: a set that comes in many messages is one set.
func TestReadLargeSet(t *testing.T) {
	if !need(t, "ipset") {
		t.Skip()
	}
	inside(t, func() {
		var script strings.Builder
		script.WriteString("create large hash:ip\n")
		const n = 5000
		ip := netip.MustParseAddr("10.0.0.0")
		for range n {
			script.WriteString("add large " + ip.String() + "\n")
			ip = ip.Next()
		}
		restore := exec.Command("ipset", "restore")
		restore.Stdin = strings.NewReader(script.String())
		if out, err := restore.CombinedOutput(); err != nil {
			t.Logf("NOT RUN: no ipset in this kernel: %s", out)
			return
		}
		h, _ := read(t, only(host.IPSet))
		if len(h.Sets) != 1 || len(h.Sets[0].Members) != n || h.Sets[0].Type != "hash:ip" {
			t.Errorf("%d sets", len(h.Sets))
		}
	})
}

func TestReadListenersAndSysctls(t *testing.T) {
	if !need(t, "ip", "sysctl") {
		t.Skip()
	}
	inside(t, func() {
		build(t)
		do(t, "sysctl -qw net.ipv4.conf.all.arp_ignore=1 net.ipv4.ip_forward=1")
		for network, address := range map[string]string{"tcp4": "127.0.0.1:6443", "tcp6": "[::]:10250", "tcp": "[::ffff:192.168.10.115]:80"} {
			l, err := net.Listen(network, address)
			if err != nil {
				t.Error(err)
				return
			}
			defer l.Close()
		}
		u, err := net.ListenPacket("udp4", "0.0.0.0:4789")
		if err != nil {
			t.Error(err)
			return
		}
		defer u.Close()
		if c, err := net.Dial("udp4", "192.168.10.115:53"); err != nil { // connected: waits for nobody
			t.Error(err)
		} else {
			defer c.Close()
		}
		h, coverage := read(t, only(host.Listeners, host.Sysctls))
		comm, err := os.ReadFile("/proc/self/comm")
		if err != nil {
			t.Error(err)
		}
		me := dataplane.Listener{Process: strings.TrimSpace(string(comm)), PID: os.Getpid()}
		at := func(proto, ip string, port uint16) dataplane.Listener {
			l := me
			l.Proto, l.IP, l.Port = proto, netip.MustParseAddr(ip), port
			return l
		}
		same(t, "listeners", []dataplane.Listener{
			at("TCP", "192.168.10.115", 80), at("TCP", "127.0.0.1", 6443), at("TCP", "::", 10250), at("UDP", "0.0.0.0", 4789),
		}, h.Listeners)
		for key, want := range map[string]string{"net.ipv4.conf.all.arp_ignore": "1", "net.ipv4.ip_forward": "1", "net.ipv4.conf.w0.rp_filter": "0",
			"net.ipv4.conf.br0.accept_local": "0", "net.ipv4.conf.default.forwarding": "1", "net.ipv6.conf.all.forwarding": "0"} {
			if got := h.Sysctls[key]; got != want {
				t.Errorf("%s is %q, want %q", key, got, want)
			}
		}
		if c := coverage[host.Sysctls]; c.Status != snapshot.StatusRead || c.Count != len(h.Sysctls) {
			t.Errorf("coverage %+v", c)
		}
	})
}

// TestReadTwice: an unchanged namespace reads the same again, whatever is in it.
func TestReadTwice(t *testing.T) {
	if !need(t, "ip", "sysctl", "nft", "iptables-nft") {
		t.Skip()
	}
	inside(t, func() {
		build(t)
		do(t, "iptables-nft -t nat -A OUTPUT -d 192.0.2.2 -p tcp --dport 80 -j DNAT --to-destination 10.0.0.2")
		do(t, "nft add table ip kube-proxy")
		do(t, "nft add map ip kube-proxy m { type ipv4_addr . inet_proto . inet_service : verdict ; }")
		for _, e := range []string{"192.0.2.9 . tcp . 80", "192.0.2.8 . udp . 53", "192.0.2.7 . tcp . 443"} {
			do(t, "nft add element ip kube-proxy m { "+e+" : drop }")
		}
		everything := host.Options{Skip: []string{host.Neighbours}} // which learn and forget by themselves
		first, _ := read(t, everything)
		second, _ := read(t, everything)
		same(t, "two readings", first, second)
		text, err := json.Marshal(first)
		if err != nil {
			t.Error(err)
		}
		var back dataplane.Host
		if err := json.Unmarshal(text, &back); err != nil {
			t.Error(err)
		}
		same(t, "through JSON", first, back)
	})
}

// TestReadLeavesTheThreadAlone: another namespace than the process's is read.
func TestReadLeavesTheThreadAlone(t *testing.T) {
	inside(t, func() {
		h, _ := read(t, only(host.Links))
		if len(h.Links) == 0 || slices.ContainsFunc(h.Links, func(l dataplane.Link) bool { return l.Up }) {
			t.Errorf("a fresh namespace has only devices that are down: %v", h.Links)
		}
	})
}

const asNobody = "WHOHAS_TEST_READ"

// TestReadUnprivileged: what a user may not see is coverage, and stops nothing.
func TestReadUnprivileged(t *testing.T) {
	if os.Getenv(asNobody) != "" {
		h, lines := host.Read(context.Background(), host.Options{Name: "n1"})
		if err := json.NewEncoder(os.Stdout).Encode(map[string]any{"host": h, "coverage": lines}); err != nil {
			t.Fatal(err)
		}
		os.Exit(0)
	}
	if os.Geteuid() != 0 {
		t.Skip("NOT RUN: only root can become nobody")
	}
	dir, err := os.MkdirTemp("/dev/shm", "whohas-test-") // which nobody can reach, unlike a test's own folder
	if err != nil {
		t.Skipf("NOT RUN: %v", err)
	}
	defer os.RemoveAll(dir)
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	path := dir + "/test"
	if err := os.WriteFile(path, self, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Chmod(dir, 0o755), os.Chmod(path, 0o755)); err != nil { // whatever the umask
		t.Fatal(err)
	}
	inside(t, func() {
		do(t, "ip link set lo up")
		cmd := exec.Command(path, "-test.run", "^TestReadUnprivileged$")
		cmd.Dir = "/"
		cmd.Env = append(os.Environ(), asNobody+"=1")
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		out, err := cmd.Output()
		if err != nil {
			t.Errorf("%v\n%s", err, out)
			return
		}
		var got struct {
			Host     dataplane.Host
			Coverage []snapshot.Coverage
		}
		if err := json.Unmarshal(out, &got); err != nil {
			t.Errorf("%v\n%s", err, out)
			return
		}
		if len(got.Host.Links) == 0 || len(got.Host.Routes) == 0 || len(got.Host.Sysctls) == 0 {
			t.Errorf("what everyone may see is not there: %s", out)
		}
		for _, c := range got.Coverage {
			name := strings.TrimPrefix(c.Source, "host n1 ")
			closed := name == host.NFTables || name == host.IPTables || name == host.IPSet
			switch {
			case closed && c.Status == snapshot.StatusRead:
				t.Errorf("%s: read by nobody: %+v", name, c)
			case closed && !c.Complete && !slices.Contains(got.Host.Unread, name):
				t.Errorf("%s: not in Unread %v", name, got.Host.Unread)
			case !closed && c.Status != snapshot.StatusRead && c.Status != snapshot.StatusAbsent && name != host.Listeners:
				t.Errorf("%s: %+v", name, c)
			}
		}
	})
}

func BenchmarkRead(b *testing.B) {
	inside(b, func() {
		do(b, "ip link set lo up")
		var script strings.Builder
		ip := netip.MustParseAddr("10.96.0.0")
		for range 5000 {
			script.WriteString("addr add " + ip.String() + "/32 dev lo\n")
			ip = ip.Next()
		}
		batch := exec.Command("ip", "-batch", "-")
		batch.Stdin = strings.NewReader(script.String())
		if out, err := batch.CombinedOutput(); err != nil {
			b.Errorf("%v\n%s", err, out)
			return
		}
		o := only(host.Links, host.Addresses, host.Routes, host.Rules)
		for b.Loop() {
			host.Read(context.Background(), o)
		}
	})
}
