// SPDX-License-Identifier: Apache-2.0

package capture_test

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"whohas/dataplane"
	"whohas/snapshot"
	"whohas/source/capture"
)

var equal = cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{})

func same(t testing.TB, what string, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got, equal, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%s (-read by the host, +captured):\n%s", what, diff)
	}
}

// victim is a node of the incident: kube-proxy has put cdev01's address, a
// Service's external IP, on kube-ipvs0.
const victim = `the node does not answer since noon:
[root@cdev02 ~]# ip -d a
1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN group default qlen 1000
    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00 promiscuity 0 numtxqueues 1
    inet 127.0.0.1/8 scope host lo
       valid_lft forever preferred_lft forever
2: eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc fq_codel state UP group default qlen 1000
    link/ether 52:54:00:00:00:15 brd ff:ff:ff:ff:ff:ff promiscuity 0 numtxqueues 1
    altname enp1s0
    inet 192.168.10.115/24 brd 192.168.10.255 scope global dynamic eth0
       valid_lft 3000sec preferred_lft 3000sec
    inet6 fe80::5054:ff:fe00:15/64 scope link tentative dadfailed
       valid_lft forever preferred_lft forever
4: kube-ipvs0: <BROADCAST,NOARP> mtu 1500 qdisc noop state DOWN group default
    link/ether 3a:00:00:00:00:01 brd ff:ff:ff:ff:ff:ff promiscuity 0
    dummy numtxqueues 1
    inet 192.168.10.114/32 scope global kube-ipvs0
       valid_lft forever preferred_lft forever
5: cali1@if3: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1480 qdisc noqueue state UP group default
    link/ether ee:ee:ee:ee:ee:ee brd ff:ff:ff:ff:ff:ff link-netnsid 0 promiscuity 0
    veth numtxqueues 1
[root@cdev02 ~]# ipvsadm -Ln
IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn
TCP  192.168.10.114:80 rr persistent 10800
  -> 10.244.1.7:8080              Masq    1      0          0
  -> 10.244.0.7:8080              Masq    1      3          0
UDP  [2001:db8::10]:53 sh ops (sh-port)
FWM  5 wrr
  -> 10.244.1.8:0                 Route   0      0          0
[root@cdev02 ~]# ping -c1 192.168.10.114
64 bytes from 192.168.10.114: icmp_seq=1 ttl=64 time=0.03 ms
[root@cdev02 ~]# sudo ipset save 2>/dev/null
create KUBE-EXTERNAL-IP hash:ip,port family inet hashsize 1024 maxelem 65536 bucketsize 12
add KUBE-EXTERNAL-IP 192.168.10.114,tcp:80
create KUBE-NODE-PORT-TCP bitmap:port range 0-65535
add KUBE-NODE-PORT-TCP 30080
create ports hash:ip,port family inet comment
add ports 10.0.0.1,icmp:echo-request timeout 3 comment "a nomatch"
[root@cdev02 ~]#
`

func TestVictim(t *testing.T) {
	got, coverage := one(t, "dump.txt", victim)
	ip, net := netip.MustParseAddr, netip.MustParsePrefix
	want := dataplane.Host{
		Name: "cdev02",
		Links: []dataplane.Link{
			{Index: 1, Name: "lo", MTU: 65536, Up: true, Carrier: true},
			{Index: 2, Name: "eth0", MAC: "52:54:00:00:00:15", MTU: 1500, Up: true, Carrier: true},
			{Index: 4, Name: "kube-ipvs0", Kind: "dummy", MAC: "3a:00:00:00:00:01", MTU: 1500, NoARP: true},
			{Index: 5, Name: "cali1", Kind: "veth", MAC: "ee:ee:ee:ee:ee:ee", MTU: 1480, Up: true, Carrier: true},
		},
		Addresses: []dataplane.Address{
			{Link: "eth0", Prefix: net("192.168.10.115/24"), Scope: "global", Dynamic: true},
			{Link: "eth0", Prefix: net("fe80::5054:ff:fe00:15/64"), Scope: "link", Tentative: true, Failed: true},
			{Link: "kube-ipvs0", Prefix: net("192.168.10.114/32"), Scope: "global"},
			{Link: "lo", Prefix: net("127.0.0.1/8"), Scope: "host"},
		},
		Servers: []dataplane.VirtualServer{
			{Mark: 5, Scheduler: "wrr", Servers: []dataplane.RealServer{{IP: ip("10.244.1.8"), Forward: "route"}}},
			{Proto: "TCP", IP: ip("192.168.10.114"), Port: 80, Scheduler: "rr", Flags: 1, Persistent: 10800, Servers: []dataplane.RealServer{
				{IP: ip("10.244.0.7"), Port: 8080, Forward: "masq", Weight: 1}, {IP: ip("10.244.1.7"), Port: 8080, Forward: "masq", Weight: 1}}},
			{Proto: "UDP", IP: ip("2001:db8::10"), Port: 53, Scheduler: "sh", Flags: 0x14},
		},
		Sets: []dataplane.Set{
			{Name: "KUBE-EXTERNAL-IP", Type: "hash:ip,port", Members: []string{"192.168.10.114,tcp:80"}},
			{Name: "KUBE-NODE-PORT-TCP", Type: "bitmap:port", Members: []string{"30080"}},
			{Name: "ports", Type: "hash:ip,port", Members: []string{"10.0.0.1,icmp:8/0"}},
		},
		Unread: []string{"iptables", "listeners", "neighbours", "nftables", "policies", "routes", "sysctls"},
	}
	same(t, "host", want, got)
	wantCoverage := []snapshot.Coverage{
		read1("links", 4), read1("addresses", 4), absent1("routes"), absent1("policies"), absent1("neighbours"), read1("ipvs", 3), read1("ipset", 3),
		absent1("nftables"), absent1("iptables"), absent1("sysctls"), absent1("listeners"),
		{Source: "dump.txt", Status: snapshot.StatusPartial, Count: 1, Line: 1, Detail: "1 line not understood, the first: the node does not answer since noon:"},
		{Source: "dump.txt", Status: snapshot.StatusPartial, Count: 1, Line: 33, Detail: "1 line of other commands passed over"},
	}
	if diff := cmp.Diff(wantCoverage, coverage, cmpopts.IgnoreFields(snapshot.Coverage{}, "Line")); diff != "" {
		t.Errorf("coverage (-want +got):\n%s", diff)
	}
	if !strings.HasPrefix(strings.Split(victim, "\n")[coverage[12].Line-1], "64 bytes") {
		t.Errorf("line %d", coverage[12].Line)
	}
}

func read1(section string, n int) snapshot.Coverage {
	return snapshot.Coverage{Source: "host cdev02 " + section, Status: snapshot.StatusRead, Count: n, Complete: true}
}

func absent1(section string) snapshot.Coverage {
	return snapshot.Coverage{Source: "host cdev02 " + section, Status: snapshot.StatusAbsent, Detail: "not captured"}
}

func one(t testing.TB, name, text string) (dataplane.Host, []snapshot.Coverage) {
	t.Helper()
	hosts, coverage, err := capture.Parse(name, []byte(text))
	if err != nil || len(hosts) != 1 {
		t.Fatalf("%d hosts, %v", len(hosts), err)
	}
	return hosts[0], coverage
}

// TestNotWhole: what is cut, narrowed, not named or not understood completes
// nothing.
func TestNotWhole(t *testing.T) {
	addr := "2: eth0: <UP> mtu 1500 state UP\n    link/ether 52:54:00:00:00:15 brd ff:ff:ff:ff:ff:ff\n    inet 192.168.10.115/24 scope global eth0\n"
	forever := "       valid_lft forever preferred_lft forever\n"
	list := "IP Virtual Server version 1.2.1 (size=4096)\nTCP  10.0.0.1:80 rr\n  -> 10.0.0.2:80 Masq 1 0 0\n"
	for _, tt := range []struct{ name, text, section, detail string }{
		{"cut", "# ip a\n" + addr + forever + "...\n", capture.Addresses, "a part was left out"},
		{"ends early", "# ip a\n" + addr, capture.Addresses, "a part was left out"},
		{"one device", "# ip a show eth0\n" + addr + forever, capture.Addresses, "it was captured as ip a show eth0"},
		{"piped", "# ip a | grep -A9 eth0\n" + addr + forever, capture.Addresses, "it was captured as ip a | grep -A9 eth0"},
		{"one family", "# ip -4 a\n" + addr + forever, capture.Addresses, "not whole: IPv6"},
		{"no command", addr + forever, capture.Addresses, "nothing tells which command printed it"},
		{"no kinds", "# ip a\n" + addr + forever, capture.Links, "not whole: what kind of device each is"},
		{"masked", "# ip a\n" + addr + forever + "    inet6 240e:390:xxxx::1/64 scope global\n" + forever, capture.Addresses, "1 line not understood"},
		{"main only", "# ip r\ndefault via 192.168.10.1 dev eth0\n", capture.Routes, "it was captured as ip r"},
		{"a note", "# ip route show table all\nlocal 10.0.0.1 dev kube-ipvs0 table local proto kernel scope host src 10.0.0.1 -- ipvs\n", capture.Routes, "1 line not understood"},
		{"a table's name", "# ip route show table all\n10.0.0.0/8 dev eth0 table mine\n", capture.Routes, "the number of table mine is not known"},
		{"names", "# ipvsadm -L\nTCP  10.0.0.1:443 rr\n  -> master1:6443 Masq 1 0 0\n", capture.IPVS, "1 line not understood"},
		{"masked server", "# ipvsadm -Ln\n" + list + "TCP  <prefix>.20:3129 rr\n  -> 10.0.0.3:80 Masq 1 0 0\n", capture.IPVS, "2 lines not understood"},
		{"twice", "# ipvsadm -Ln\n" + list + "# ipvsadm -Sn\n-A -t 10.0.0.9:80 -s rr\n", capture.IPVS, "captured twice, and the captures differ"},
		{"members missing", "# ipset list\nName: a\nType: hash:ip\nNumber of entries: 2\nMembers:\n10.0.0.1\n", capture.IPSet, "a part was left out"},
		{"no COMMIT", "# iptables-save\n*nat\n:OUTPUT ACCEPT [0:0]\n-A OUTPUT -d 10.0.0.1/32 -j ACCEPT\n", capture.IPTables, "a part was left out"},
		{"failed", "### whohas: run ipvsadm -Sn\n-A -t 10.0.0.9:80 -s rr\n### whohas: exit 124\n", capture.IPVS, "ipvsadm -Sn ended with status 124"},
		{"broken JSON", "# ip -j a\n[{\"ifindex\":1,\"ifname\":\"lo\",\n", capture.Links, "not captured"},
	} {
		_, coverage, err := capture.Parse("n.txt", []byte(tt.text+"# uname -n\nn1\n### whohas: run id -u\n0\n### whohas: exit 0\n"))
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		i := slices.IndexFunc(coverage, func(c snapshot.Coverage) bool { return c.Source == "host n1 "+tt.section })
		if i < 0 || coverage[i].Complete || !strings.Contains(coverage[i].Detail, tt.detail) {
			t.Errorf("%s: want %q in %+v", tt.name, tt.detail, coverage)
		}
	}
}

// TestAbsent: a tool that says that there is nothing is believed, one that is not
// there or may not look proves nothing.
func TestAbsent(t *testing.T) {
	for _, tt := range []struct {
		text     string
		status   snapshot.Status
		complete bool
	}{
		{"Can't initialize ipvs: Protocol not available\n", snapshot.StatusAbsent, true},
		{"-bash: ipvsadm: command not found\n", snapshot.StatusAbsent, false},
		{"Can't initialize ipvs: Permission denied (you must be root)\n", snapshot.StatusDenied, false},
		{"", snapshot.StatusAbsent, false},
	} {
		h, coverage := one(t, "n.txt", "$ ipvsadm -Ln\n"+tt.text+"$ ip -4 rule\n0:\tfrom all lookup local\n")
		c := coverage[5]
		if c.Status != tt.status || c.Complete != tt.complete || slices.Contains(h.Unread, capture.IPVS) == tt.complete {
			t.Errorf("%q: %+v", tt.text, c)
		}
	}
}

func TestIfconfig(t *testing.T) {
	for _, text := range []string{
		"w0: flags=4163<UP,BROADCAST,RUNNING,MULTICAST>  mtu 1500\n        inet 192.168.10.115  netmask 255.255.255.0  broadcast 192.168.10.255\n        inet6 fe80::1  prefixlen 64  scopeid 0x20<link>\n        ether 02:00:00:00:00:01  txqueuelen 1000  (Ethernet)\n        RX packets 8  bytes 644 (644.0 B)\n\nlo: flags=73<UP,LOOPBACK,RUNNING>  mtu 65536\n        inet 127.0.0.1  netmask 255.0.0.0\n        loop  txqueuelen 1000  (Local Loopback)\n",
		"w0        Link encap:Ethernet  HWaddr 02:00:00:00:00:01\n          inet addr:192.168.10.115  Bcast:192.168.10.255  Mask:255.255.255.0\n          inet6 addr: fe80::1/64 Scope:Link\n          UP BROADCAST RUNNING MULTICAST  MTU:1500  Metric:1\n          RX packets:8 errors:0\n          collisions:0 txqueuelen:1000\n\nlo        Link encap:Local Loopback\n          inet addr:127.0.0.1  Mask:255.0.0.0\n          UP LOOPBACK RUNNING  MTU:65536  Metric:1\n",
	} {
		h, coverage := one(t, "n1.txt", "$ ifconfig -a\n"+text)
		net := netip.MustParsePrefix
		same(t, "links", []dataplane.Link{{Name: "lo", MTU: 65536, Up: true, Carrier: true}, {Name: "w0", MAC: "02:00:00:00:00:01", MTU: 1500, Up: true, Carrier: true}}, h.Links)
		same(t, "addresses", []dataplane.Address{{Link: "lo", Prefix: net("127.0.0.1/8"), Scope: "host"},
			{Link: "w0", Prefix: net("192.168.10.115/24"), Scope: "global"}, {Link: "w0", Prefix: net("fe80::1/64"), Scope: "link"}}, h.Addresses)
		if len(coverage) != 11 || coverage[1].Complete {
			t.Errorf("%+v", coverage)
		}
	}
}

func TestListeners(t *testing.T) {
	for name, text := range map[string]string{
		"ss": "# ss -lntup\nNetid State  Recv-Q Send-Q Local Address:Port Peer Address:PortProcess\nudp UNCONN 0 0 0.0.0.0:4789 0.0.0.0:*\n" +
			"tcp LISTEN 0 4096 127.0.0.1:6443 0.0.0.0:* users:((\"kube-apiserver\",pid=12,fd=7),(\"x\",pid=9,fd=1))\ntcp LISTEN 0 4096 *:10250 *:* users:((\"kubelet\",pid=3,fd=7))\n",
		"netstat": "# netstat -lntup\nActive Internet connections (only servers)\nProto Recv-Q Send-Q Local Address Foreign Address State PID/Program name\n" +
			"tcp 0 0 127.0.0.1:6443 0.0.0.0:* LISTEN 9/x\ntcp6 0 0 :::10250 :::* LISTEN 3/kubelet\nudp 0 0 0.0.0.0:4789 0.0.0.0:* -\n",
	} {
		h, coverage := one(t, "n1.txt", text)
		ip := netip.MustParseAddr
		same(t, name, []dataplane.Listener{{Proto: "TCP", IP: ip("127.0.0.1"), Port: 6443, Process: "x", PID: 9},
			{Proto: "TCP", IP: ip("::"), Port: 10250, Process: "kubelet", PID: 3}, {Proto: "UDP", IP: ip("0.0.0.0"), Port: 4789}}, h.Listeners)
		if c := coverage[10]; !c.Complete || c.Count != 3 {
			t.Errorf("%s: %+v", name, c)
		}
	}
}

// TestIptablesHeadings: back end and family are what the headings say.
func TestIptablesHeadings(t *testing.T) {
	table := "*nat\n:OUTPUT ACCEPT [0:0]\n-A OUTPUT -j ACCEPT\nCOMMIT\n"
	h, _ := one(t, "n1.txt", "# Generated by iptables-save v1.8.9 (nf_tables) on x\n"+table+"# Completed on x\n# Generated by ip6tables-save v1.8.9 on x\n"+table)
	chains := []dataplane.Chain{{Name: "OUTPUT", Policy: "ACCEPT", Rules: []string{"-j ACCEPT"}}}
	same(t, "tables", []dataplane.Table{{Backend: "nft", Family: "ip", Name: "nat", Chains: chains}, {Backend: "legacy", Family: "ip6", Name: "nat", Chains: chains}}, h.Tables)
}

// TestHosts: prompts of several hosts in one file are several hosts.
func TestHosts(t *testing.T) {
	rule := "0:\tfrom all lookup local\n"
	hosts, _, err := capture.Parse("x.txt", []byte("[root@a ~]# ip rule\n"+rule+"root@b:~$ hostname\nb.example\nroot@b:~$ ip -6 rule\n"+rule))
	if err != nil || len(hosts) != 2 || hosts[0].Name != "a" || hosts[1].Name != "b.example" || hosts[0].Rules[0].Family != 4 || hosts[1].Rules[0].Family != 6 {
		t.Errorf("%v: %+v", err, hosts)
	}
}

func TestReadDirectory(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"cdev02/ip_rule":            "0:\tfrom all lookup local\n",
		"cdev02/ip_-6_rule.txt":     "0:\tfrom all lookup local\n",
		"cdev02/notes.md":           "nothing\n",
		"cdev03/ipvsadm_-Ln.txt":    "IP Virtual Server version 1.2.1 (size=4096)\n",
		"cdev03/deep/ipset-save":    "create a hash:ip family inet\n",
		"cdev03/service.yaml":       "apiVersion: v1\nkind: Service\n",
		"cdev03/deep/binary":        "\x00\x01",
		"cdev03/deep/prompted.text": "root@cdev04:~# ip rule\n0:\tfrom all lookup local\n",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	hosts, coverage, err := capture.Read(context.Background(), dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, h := range hosts {
		names = append(names, h.Name)
	}
	if diff := cmp.Diff([]string{"cdev02", "cdev04", "cdev03"}, names); diff != "" {
		t.Errorf("hosts (-want +got):\n%s", diff)
	}
	if len(hosts[1].Sets) != 1 || len(hosts[1].Rules) != 1 || slices.Contains(hosts[0].Unread, capture.Rules) {
		t.Errorf("%+v", hosts)
	}
	passed := 0
	for _, c := range coverage {
		if c.Status == snapshot.StatusUnreadable && !c.Failed {
			passed++
		}
	}
	if passed != 3 {
		t.Errorf("%d files passed over: %+v", passed, coverage)
	}
	if _, _, err := capture.Read(context.Background(), filepath.Join(dir, "none")); err == nil {
		t.Error("a path that is not there was read")
	}
}

func TestLooks(t *testing.T) {
	for text, want := range map[string]bool{
		victim: true,
		"1: lo: <LOOPBACK> mtu 65536\n    inet 127.0.0.1/8 scope host lo\n":                                true,
		"[{\"ifindex\":1,\"ifname\":\"lo\",\"mtu\":1,\"addr_info\":[]}]":                                   true,
		"{\"nftables\": [{\"metainfo\": {}}]}":                                                             true,
		"### whohas: capture 1\n### whohas: host n1\n### whohas: run ipset save\n### whohas: exit 0\n":     true,
		"$ kubectl get svc -o yaml\napiVersion: v1\nkind: Service\n$ ip rule\n0:\tfrom all lookup local\n": true,
		"":        false,
		"hello\n": false,
		"apiVersion: v1\nkind: ConfigMap\ndata:\n  dump: |\n    1: lo: <LOOPBACK> mtu 65536\n":      false,
		"# ip addr\n# create a hash:ip\napiVersion: v1\nkind: Service\n":                            false,
		"create a hash:ip\napiVersion: v1\n":                                                        false,
		"apiVersion: v1\nkind: ConfigMap\ndata:\n  dump: |-\n\n    x\n---\ncreate a hash:ip\n":      false,
		"{\"apiVersion\":\"v1\",\"kind\":\"List\",\"items\":[{\"dst\":\"10.0.0.1\",\"flags\":[]}]}": false,
		"[{\"type\":\"Ready\",\"status\":\"True\"}]":                                                false,
		"{\"format\":\"whohas/snapshot\",\"version\":1}\n":                                          false,
	} {
		if got := capture.Looks([]byte(text)); got != want {
			t.Errorf("Looks(%q) = %v", text, got)
		}
	}
}

// TestHostile: what is too large or no text is refused.
func TestHostile(t *testing.T) {
	for _, text := range [][]byte{[]byte("1: lo: <UP> mtu 1\n\x00"), make([]byte, 64<<20+1)} {
		if _, _, err := capture.Parse("x", text); err == nil {
			t.Errorf("%d bytes were read", len(text))
		}
	}
	long := "# ip rule\n0:\tfrom all lookup local\n" + strings.Repeat("x", 2<<20) + "\n"
	h, coverage := one(t, "n1.txt", long)
	if len(h.Rules) != 1 || coverage[3].Complete {
		t.Errorf("%+v", coverage)
	}
}
