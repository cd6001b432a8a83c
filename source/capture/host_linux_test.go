// SPDX-License-Identifier: Apache-2.0

package capture_test

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"whohas/dataplane"
	"whohas/snapshot"
	"whohas/source/capture"
	"whohas/source/host"
)

// inside runs f in a fresh network namespace, on a thread that ends with it.
func inside(t testing.TB, f func()) {
	t.Helper()
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the runtime ends the thread
		err := unix.Unshare(unix.CLONE_NEWNET)
		if err == nil {
			defer func() { done <- nil }()
			f()
			return
		}
		done <- err
	}()
	if err := <-done; err != nil {
		t.Skipf("NOT RUN: a network namespace needs root: %v", err)
	}
}

func need(t testing.TB, tools ...string) {
	t.Helper()
	for _, name := range tools {
		if _, err := exec.LookPath(name); err != nil {
			t.Skipf("NOT RUN: %v", err)
		}
	}
}

// do runs a command in the thread's namespace.
func do(t testing.TB, line string) string {
	t.Helper()
	args := strings.Fields(line)
	out, err := exec.Command(args[0], args[1:]...).Output()
	if err != nil {
		t.Errorf("%s: %v", line, err)
	}
	return string(out)
}

// try runs a command that a kernel may lack the parts for.
func try(t testing.TB, line string) {
	t.Helper()
	args := strings.Fields(line)
	if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
		t.Logf("NOT RUN: %s: %s", line, out)
	}
}

// build makes a state in which nothing moves by itself: no addresses of the
// kernel's own, no neighbours to look for.
func build(t testing.TB) {
	for _, line := range []string{
		"ip link set lo up",
		"ip link add w0 type veth peer name b0",
		"ip link set w0 address 02:00:00:00:00:01", "ip link set b0 address 02:00:00:00:00:02",
		"ip link add br0 address 02:00:00:00:00:03 type bridge",
		"sysctl -qw net.ipv6.conf.w0.addr_gen_mode=1 net.ipv6.conf.b0.addr_gen_mode=1 net.ipv6.conf.br0.addr_gen_mode=1",
		"sysctl -qw net.ipv4.conf.all.arp_ignore=1 net.ipv4.ip_forward=1 net.ipv6.conf.w0.disable_ipv6=0",
		"ip link set b0 master br0", "ip link set w0 up", "ip link set b0 up", "ip link set br0 up",
		"ip link add vx0 address 02:00:00:00:00:04 type vxlan id 42 local 192.168.10.115 dev w0 dstport 4789 nolearning",
		"ip addr add 192.168.10.115/24 dev w0", "ip addr add 192.168.10.200/24 dev w0", "ip addr add 192.168.10.114/32 dev br0",
		"ip addr add 10.9.0.1 peer 10.9.0.2/24 dev w0", "ip -6 addr add 2001:db8::1/64 dev w0 nodad",
		"ip addr add 10.8.0.1/24 dev w0 valid_lft 9999 preferred_lft 9999",
		"ip route add 10.1.0.0/16 nexthop via 192.168.10.1 weight 3 nexthop via 192.168.10.2",
		"ip route add blackhole 10.2.0.0/16 metric 7",
		"ip -6 route add unreachable ::ffff:0.0.0.0/96 metric 5",
		"ip route add 10.3.0.0/26 via 192.168.10.116 table 100 proto bird onlink dev w0",
		"ip route add 10.4.0.0/16 via inet6 fe80::1 dev w0",
		"ip route add 10.6.0.0/16 dev w0 scope link tos 0x10 proto 80",
		"ip route add 10.7.0.0/16 dev w0 proto static mtu 1400",
		"ip route add default via 192.168.10.1",
		"ip -6 route add default via 2001:db8::2",
		"ip -6 route add 2001:db8:9::/48 nexthop via 2001:db8::2 dev w0 weight 2 nexthop via 2001:db8::3 dev w0",
		"ip rule add pref 100 from 10.0.0.0/8 fwmark 0x10/0xff lookup 100",
		"ip rule add pref 101 blackhole to 10.9.0.0/16",
		"ip rule add pref 102 not iif w0 goto 200",
		"ip rule add pref 200 ipproto tcp dport 80-90 lookup main suppress_prefixlength 0",
		"ip rule add pref 201 uidrange 0-0 sport 53 tos 0x10 oif w0 prohibit",
		"ip rule add pref 202 fwmark 5 lookup local",
		"ip rule add pref 203 from 10.5.0.1 lookup main suppress_ifgroup 3",
		"ip -6 rule add pref 300 from 2001:db8:1::/48 unreachable",
		"ip neigh add 192.168.10.7 lladdr 02:00:00:00:00:07 dev w0 nud permanent",
		"ip -6 neigh add 2001:db8::7 lladdr 02:00:00:00:00:07 dev w0 nud permanent",
		"ip neigh add proxy 192.168.10.9 dev w0",
		"bridge fdb append 02:00:00:00:00:99 dev vx0 dst 192.168.10.116",
		"bridge fdb append 00:00:00:00:00:00 dev vx0 dst 192.168.10.117",
	} {
		do(t, line)
	}
	for _, line := range []string{
		"ip link add d0 type dummy", "ip link add tun0 type ipip local 192.168.10.115 remote 192.168.10.1",
		"ip link add gn0 type geneve id 3 remote 192.168.10.1", "ip link add link w0 name w0.5 type vlan id 5", "ip tuntap add t0 mode tap",
	} {
		try(t, line)
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

// captured runs commands as somebody does who then copies the terminal.
func captured(t testing.TB, commands ...string) []byte {
	var b strings.Builder
	for _, c := range commands {
		b.WriteString("[root@n1 ~]# " + c + "\n" + do(t, c))
	}
	return []byte(b.String())
}

func parse(t testing.TB, text []byte) (dataplane.Host, map[string]snapshot.Coverage) {
	t.Helper()
	hosts, lines, err := capture.Parse("n1.txt", text)
	if err != nil || len(hosts) != 1 {
		t.Errorf("%d hosts, %v:\n%s", len(hosts), err, text)
		return dataplane.Host{}, nil
	}
	coverage := map[string]snapshot.Coverage{}
	for _, c := range lines {
		coverage[strings.TrimPrefix(c.Source, "host n1 ")] = c
	}
	return hosts[0], coverage
}

func read(o host.Options) dataplane.Host {
	o.Name = "n1"
	h, _ := host.Read(context.Background(), o)
	return h
}

func only(sections ...string) host.Options {
	return host.Options{Skip: slices.DeleteFunc(host.Sections(), func(s string) bool { return slices.Contains(sections, s) })}
}

func whole(t testing.TB, coverage map[string]snapshot.Coverage, sections ...string) {
	t.Helper()
	for _, s := range sections {
		if c := coverage[s]; !c.Complete {
			t.Errorf("%s: %+v", s, c)
		}
	}
	if c, ok := coverage["n1.txt"]; ok {
		t.Errorf("not understood: %+v", c)
	}
}

// TestSameAsHost: what ip shows, as text and as JSON, is the state that
// source/host reads from the kernel.
func TestSameAsHost(t *testing.T) {
	need(t, "ip", "bridge", "sysctl")
	routing := []string{capture.Links, capture.Addresses, capture.Routes, capture.Rules, capture.Neighbours}
	inside(t, func() {
		build(t)
		want := read(only(routing...))
		for name, commands := range map[string][]string{
			"text":          {"ip -d addr", "ip route show table all", "ip rule", "ip -6 rule", "ip neigh", "ip neigh show proxy", "bridge fdb"},
			"short":         {"ip -d a", "ip -4 -d route show table all", "ip -6 ro ls table all", "ip -4 rule", "ip -6 rule list", "ip -4 n", "ip -6 neigh sh", "ip n s proxy", "bridge fdb show"},
			"one line each": {"ip -d -o addr", "ip -d -o link", "ip -o route show table all", "ip -o rule", "ip -6 -o rule", "ip -o neigh", "ip -o neigh show proxy", "bridge fdb"},
			"json":          {"ip -d -j addr", "ip -j route show table all", "ip -j rule", "ip -j -6 rule", "ip -j neigh", "ip -j neigh show proxy", "bridge -j fdb"},
			"pretty json":   {"ip -d -j -p addr", "ip -j -p -d route show table all", "ip -j -p rule", "ip -j -p -6 rule", "ip -j -p neigh", "ip -p -j neigh show proxy", "bridge -j -p fdb"},
		} {
			text := captured(t, commands...)
			got, coverage := parse(t, text)
			same(t, name+": links", want.Links, got.Links)
			same(t, name+": addresses", want.Addresses, got.Addresses)
			same(t, name+": routes", want.Routes, got.Routes)
			same(t, name+": policies", want.Rules, got.Rules)
			same(t, name+": neighbours", want.Neighbours, got.Neighbours)
			whole(t, coverage, routing...)
			if t.Failed() {
				t.Logf("%s:\n%s", name, text)
				return
			}
		}
	})
}

// TestScript: what the printed script captures is what source/host reads.
func TestScript(t *testing.T) {
	need(t, "sh", "ip", "bridge", "sysctl", "ss")
	if out, err := exec.Command("sh", "-n", "-c", capture.Script()).CombinedOutput(); err != nil {
		t.Fatalf("sh -n: %v\n%s", err, out)
	}
	inside(t, func() {
		build(t)
		for _, line := range []string{"iptables-nft -t nat -A OUTPUT -d 192.0.2.2 -p tcp --dport 80 -j DNAT --to-destination 10.0.0.2", "ip6tables-nft -A INPUT -s 2001:db8::1 -j DROP",
			"nft add table inet mine", "ipset create c hash:ip,port", "ipset add c 10.96.0.1,tcp:443"} {
			try(t, line)
		}
		for network, address := range map[string]string{"tcp4": "127.0.0.1:6443", "tcp6": "[::]:10250", "tcp": "[2001:db8::1]:80"} {
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
		want := read(host.Options{Userspace: true, Skip: []string{host.Sandboxes, host.LogMatches}})
		cmd := exec.Command("sh", "-c", capture.Script())
		text, err := cmd.Output()
		if err != nil {
			t.Errorf("%v\n%s", err, text)
		}
		hosts, lines, err := capture.Parse("x.txt", text)
		if err != nil || len(hosts) != 1 {
			t.Errorf("%v: %d hosts", err, len(hosts))
			return
		}
		got := hosts[0]
		name, _ := os.Hostname()
		if got.Name != strings.ToLower(name) {
			t.Errorf("host %q, want %q", got.Name, name)
		}
		got.Name = "n1"
		settled(want.Counters, got.Counters)
		same(t, "host", want, got)
		for _, c := range lines {
			if left := strings.HasSuffix(c.Source, " sandboxes") || strings.HasSuffix(c.Source, " notices"); c.Complete == left || left && c.Detail != "not captured" {
				t.Errorf("%+v", c)
			}
		}
		if t.Failed() {
			t.Logf("%s", text)
		}
	})
}

// settled lets the counters of the whole machine, which others move, differ by what
// was counted in between.
func settled(before, after map[string]uint64) {
	for key, n := range before {
		if later, ok := after[key]; ok && strings.HasPrefix(key, "rt_cache.") && later >= n {
			after[key] = n
		}
	}
}

// TestScriptWithoutTools: what is missing is said, and nothing is made up.
func TestScriptWithoutTools(t *testing.T) {
	need(t, "sh")
	dir := t.TempDir()
	for _, name := range []string{"sh", "uname", "head", "cat", "grep", "id", "sed"} {
		if path, err := exec.LookPath(name); err == nil {
			if err := os.Symlink(path, filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	script := strings.Replace(capture.Script(), "PATH=$PATH:/usr/sbin:/sbin:/usr/local/sbin", "PATH="+dir, 1)
	inside(t, func() {
		cmd := exec.Command(filepath.Join(dir, "sh"), "-c", script)
		cmd.Env = []string{"PATH=" + dir}
		text, err := cmd.Output()
		if err != nil {
			t.Errorf("%v\n%s", err, text)
		}
		hosts, lines, err := capture.Parse("x.txt", text)
		if err != nil || len(hosts) != 1 {
			t.Errorf("%v: %d hosts\n%s", err, len(hosts), text)
			return
		}
		h := hosts[0]
		if len(h.Links)+len(h.Addresses)+len(h.Routes)+len(h.Listeners) != 0 || len(h.Sysctls) == 0 {
			t.Errorf("%+v", h)
		}
		for _, c := range lines {
			section := c.Source[strings.LastIndexByte(c.Source, ' ')+1:]
			gone := slices.Contains([]string{capture.Links, capture.Addresses, capture.Routes, capture.Rules, capture.Neighbours, capture.Listeners, capture.Agents, capture.Configured}, section)
			if gone && (c.Status != snapshot.StatusAbsent || c.Complete || !strings.Contains(c.Detail, "not installed") || !slices.Contains(h.Unread, section)) {
				t.Errorf("%+v, unread %v", c, h.Unread)
			}
		}
		if t.Failed() {
			t.Logf("%s", text)
		}
	})
}
