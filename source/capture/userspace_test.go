// SPDX-License-Identifier: Apache-2.0

package capture_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"whohas/dataplane"
	"whohas/snapshot"
	"whohas/source/capture"
)

// shown is the output of one command, as somebody copies it, and what it says.
const (
	birdc16 = `BIRD v0.3.3+birdv1.6.8 ready.
name     proto    table    state  since       info
static1  Static   master   up     21:08:10
Mesh_192_168_10_114 BGP      master   start  21:08:12    Active        Socket: Connection refused
  Description:    Connection to BGP peer
  BGP state:          Active
    Neighbor address: 192.168.10.114
    Last error:       Socket: Connection refused
`
	birdc2 = `BIRD 2.0.12 ready.
Name       Proto      Table      State  Since         Info
n2         BGP        ---        down   2026-11-22 21:08:10
  Message:        Shutdown
  BGP state:          Down
    Neighbor address: fe80::2%w0
  Channel ipv4
    State:          DOWN
`
	calico = `Calico process is running.

IPv4 BGP status
+----------------+-------------------+-------+----------+--------------------------------+
|  PEER ADDRESS  |     PEER TYPE     | STATE |  SINCE   |              INFO              |
+----------------+-------------------+-------+----------+--------------------------------+
| 192.168.10.114 | node-to-node mesh | start | 21:08:12 | Active Socket: Connection      |
|                |                   |       |          | refused                        |
| 192.168.10.1   | global            | up    | 21:08:12 | Established                    |
+----------------+-------------------+-------+----------+--------------------------------+

IPv6 BGP status
+--------------+---------------+-------+----------+-------------+
| PEER ADDRESS |   PEER TYPE   | STATE |  SINCE   |    INFO     |
+--------------+---------------+-------+----------+-------------+
| fd00::114    | node specific | start | 21:08:12 | Connect     |
+--------------+---------------+-------+----------+-------------+
`
)

// stationCoverage are the lines of coverage about what runs on the host.
func stationCoverage(coverage []snapshot.Coverage) map[string]snapshot.Coverage {
	out := map[string]snapshot.Coverage{}
	for _, c := range coverage {
		if section := c.Source[strings.LastIndexByte(c.Source, ' ')+1:]; slices.Contains(capture.Userspace(), section) {
			out[section] = c
		}
	}
	return out
}

func TestSessionsByHand(t *testing.T) {
	ip := netip.MustParseAddr
	refused := dataplane.Session{Name: "Mesh_192_168_10_114", Speaker: "bird", Peer: ip("192.168.10.114"), State: "Active", Error: "Socket: Connection refused"}
	for _, tt := range []struct {
		command, text string
		want          []dataplane.Session
		detail        string // why it is not whole; empty: it is
	}{
		{"birdc show protocols all", birdc16, []dataplane.Session{refused}, "not whole: IPv6"},
		{"sudo birdcl -s /var/run/calico/bird.ctl show protocols all", birdc16, []dataplane.Session{refused}, "not whole: IPv6"},
		{"birdcl -s /run/bird6.ctl show protocols all", birdc2, []dataplane.Session{{Name: "n2", Speaker: "bird6", Peer: ip("fe80::2"), State: "Down", Error: "Shutdown"}}, ""},
		{"birdc show protocols all n2", birdc2, []dataplane.Session{{Name: "n2", Speaker: "bird", Peer: ip("fe80::2"), State: "Down", Error: "Shutdown"}}, "it was captured as birdc show protocols all n2"},
		{"birdc show protocols all", birdc2 + "...\n", []dataplane.Session{{Name: "n2", Speaker: "bird", Peer: ip("fe80::2"), State: "Down", Error: "Shutdown"}}, "a part was left out"},
		{"calicoctl node status", calico, []dataplane.Session{
			{Name: "Global_192_168_10_1", Speaker: "bird", Peer: ip("192.168.10.1"), State: "Established"}, refused,
			{Name: "Node_fd00__114", Speaker: "bird6", Peer: ip("fd00::114"), State: "Connect"}}, ""},
		{"calicoctl node status", strings.Replace(calico, "192.168.10.1  ", "192.168.x.1   ", 1), []dataplane.Session{refused,
			{Name: "Node_fd00__114", Speaker: "bird6", Peer: ip("fd00::114"), State: "Connect"}}, "1 line not understood"},
	} {
		h, coverage := one(t, "n1.txt", "[root@n1 ~]# "+tt.command+"\n"+tt.text+"[root@n1 ~]# \n")
		same(t, tt.command, tt.want, h.Sessions)
		got := stationCoverage(coverage)
		if c := got[capture.Sessions]; len(got) != 1 || c.Complete != (tt.detail == "") || !strings.Contains(c.Detail, tt.detail) || slices.Contains(h.Unread, capture.Sessions) == c.Complete {
			t.Errorf("%s: %+v, unread %v", tt.command, got, h.Unread)
		}
	}
}

func TestToldByHand(t *testing.T) {
	config := "apiVersion: v1\nkind: Config\nclusters:\n- cluster:\n    certificate-authority-data: DATA+OMITTED\n    server: https://192.168.10.114:6443\n  name: kubernetes\n"
	for _, tt := range []struct {
		command, text string
		want          []string
	}{
		{"cat /etc/kubernetes/kubelet.conf", config, []string{"apiserver kubelet 192.168.10.114:6443 /etc/kubernetes/kubelet.conf:6"}},
		{"cat /etc/kubernetes/kubelet.conf | grep server", "    server: https://192.168.10.114:6443\n", []string{"apiserver kubelet 192.168.10.114:6443 /etc/kubernetes/kubelet.conf:0"}},
		{"sudo grep server /etc/kubernetes/*.conf", "/etc/kubernetes/admin.conf:    server: https://192.168.10.20:6443\n/etc/kubernetes/kubelet.conf:    server: https://192.168.10.114:6443\n/etc/kubernetes/mine.conf:    server: https://10.0.0.1\n",
			[]string{"apiserver kubectl 192.168.10.20:6443 /etc/kubernetes/admin.conf:0", "apiserver kubelet 192.168.10.114:6443 /etc/kubernetes/kubelet.conf:0"}},
		{"grep -n 'server:' /etc/kubernetes/kubelet.conf", "5:    server: https://192.168.10.114:6443\n", []string{"apiserver kubelet 192.168.10.114:6443 /etc/kubernetes/kubelet.conf:5"}},
		{"grep -rn server /etc/kubernetes", "/etc/kubernetes/kubelet.conf:5:    server: https://192.168.10.114:6443\n", []string{"apiserver kubelet 192.168.10.114:6443 /etc/kubernetes/kubelet.conf:5"}},
		{"cat /etc/resolv.conf", "# made by somebody\nnameserver 192.168.10.1\nnameserver fd00::53\noptions ndots:5\n", []string{"resolver  192.168.10.1:53 /etc/resolv.conf:2", "resolver  [fd00::53]:53 /etc/resolv.conf:3"}},
	} {
		text := "[root@n1 ~]# " + tt.command + "\n" + tt.text + "[root@n1 ~]# ip rule\n0:\tfrom all lookup local\n"
		h, coverage := one(t, "n1.txt", text)
		var got []string
		for _, w := range h.Configured {
			got = append(got, fmt.Sprint(w.What, " ", w.For, " ", netip.AddrPortFrom(w.IP, w.Port), " ", w.File, ":", w.Line))
		}
		same(t, tt.command, tt.want, got)
		lines := stationCoverage(coverage)
		if c := lines[capture.Configured]; len(lines) != 1 || c.Status != snapshot.StatusPartial || !strings.Contains(c.Detail, "it was captured as") || !slices.Contains(h.Unread, capture.Configured) {
			t.Errorf("%s: %+v, unread %v", tt.command, lines, h.Unread)
		}
		if !capture.Looks([]byte(text)) || len(h.Rules) != 1 {
			t.Errorf("%s: not a capture, or not to its end: %+v", tt.command, h)
		}
	}
}

// TestToldIsNoDump: a kubeconfig is no dump of objects, and what stands behind one
// may be.
func TestToldIsNoDump(t *testing.T) {
	for text, want := range map[string]bool{
		"$ cat /etc/kubernetes/kubelet.conf\napiVersion: v1\nkind: Config\nclusters:\n- cluster:\n    server: https://10.0.0.1\n":           true,
		"# cat /etc/kubernetes/kubelet.conf\napiVersion: v1\nkind: ConfigMap\ndata:\n  kubeconfig.conf: |-\n    server: https://10.0.0.1\n": false,
	} {
		if got := capture.Looks([]byte(text)); got != want {
			t.Errorf("Looks(%q) = %v", text, got)
		}
	}
}

// TestStationMarked: what the script says of each section that cannot be read whole.
func TestStationMarked(t *testing.T) {
	const stat = " S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 100\n"
	for _, tt := range []struct {
		name, text, section, detail string
		status                      snapshot.Status
	}{
		{"no namespace", "run agents\nuptime 5.00 1.00\ndenied 7\n### whohas: exit 0\n", capture.Agents, "the network namespaces of 1 processes are not known", snapshot.StatusPartial},
		{"a strange process", "run agents\nuptime 5.00 1.00\nprocess x (kubelet)" + stat + "### whohas: exit 0\n", capture.Agents, "1 line not understood", snapshot.StatusPartial},
		{"agents cut", "run agents\nuptime 5.00 1.00\n", capture.Agents, "its end is not there", snapshot.StatusPartial},
		{"a file that may not be read", "run told kubeconfig kubectl /etc/kubernetes/admin.conf\n### whohas: said Permission denied\n### whohas: exit 1\n### whohas: run told\n### whohas: exit 0\n", capture.Configured, "/etc/kubernetes/admin.conf: not permitted", snapshot.StatusPartial},
		{"cut between files", "run told kubeconfig kubectl /etc/kubernetes/admin.conf\n5:server https://10.0.0.1\n### whohas: exit 0\n", capture.Configured, "", snapshot.StatusPartial},
		{"no birdc", "missing sessions birdcl is not installed\n", capture.Sessions, "birdcl is not installed", snapshot.StatusAbsent},
		{"and FRR", "run birdcl -s /run/bird.ctl show protocols all\n" + birdc2 + "\n### whohas: exit 0\n### whohas: missing sessions FRR\n", capture.Sessions, "FRR", snapshot.StatusPartial},
		{"it hangs", "run birdcl -s /run/bird.ctl show protocols all\n\n### whohas: exit 124\n### whohas: run sessions\n### whohas: exit 0\n", capture.Sessions, "took too long", snapshot.StatusPartial},
		{"strange counters", "run counters\n/proc/net/snmp:Ip: OutNoRoutes InAddrErrors\n/proc/net/snmp:Ip: 1\n### whohas: exit 0\n", capture.Counters, "1 line not understood", snapshot.StatusPartial},
		{"no counters", "run counters\n### whohas: exit 0\n", capture.Counters, "", snapshot.StatusAbsent},
	} {
		h, coverage := one(t, "n1.txt", "### whohas: capture 1\n### whohas: host n1\n### whohas: run id -u\n0\n### whohas: exit 0\n### whohas: "+tt.text)
		c, ok := stationCoverage(coverage)[tt.section]
		if !ok || c.Complete || c.Status != tt.status || !strings.Contains(c.Detail, tt.detail) || !slices.Contains(h.Unread, tt.section) {
			t.Errorf("%s: %+v, unread %v", tt.name, c, h.Unread)
		}
	}
	h, coverage := one(t, "n1.txt", "### whohas: host n1\n### whohas: run birdcl -s /run/bird.ctl show protocols all\n\n### whohas: said Unable to connect to server control socket (/run/bird.ctl): Connection refused\n### whohas: exit 1\n### whohas: run sessions\n### whohas: exit 0\n")
	if c := stationCoverage(coverage)[capture.Sessions]; !c.Complete || len(h.Sessions) != 0 {
		t.Errorf("a daemon that has ended: %+v", c)
	}
}

// TestNoRootNoTold: who is not root cannot know that there are no further files.
func TestNoRootNoTold(t *testing.T) {
	_, coverage := one(t, "n1.txt", "### whohas: host n1\n### whohas: run id -u\n1000\n### whohas: exit 0\n### whohas: run told\n### whohas: exit 0\n")
	if c := stationCoverage(coverage)[capture.Configured]; c.Complete || !strings.Contains(c.Detail, "not captured by root") {
		t.Errorf("%+v", c)
	}
}

func TestAgents(t *testing.T) {
	const from4 = " 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 "
	h, _ := one(t, "n1.txt", "### whohas: host n1\n### whohas: run agents\nuptime 100.5 1.00\n"+
		"process 5 (nginx) S 1"+from4+"5050\nprocess 6 (nginx) S 5"+from4+"5050\nprocess 7 (kube-controller) S 1"+from4+"1000\nprocess 8 (k3s-server) S 1"+from4+"99999\n"+
		"answer 10248/healthz refused\nanswer 10256/healthz {\"lastUpdated\": \"2026-11-22T20:00:00.5Z\"} 503\nanswer 10249/proxyMode iptables 200\nanswer 1/x ok 200\n### whohas: exit 0\n")
	same(t, "agents", []dataplane.Agent{
		{Name: "k3s-server", PID: 8, Health: map[string]string{"healthz": "refused", "proxyHealthz": "503", "lastUpdated": "2026-11-22T20:00:00.5Z", "metrics": "ok", "proxyMode": "iptables"}},
		{Name: "kube-controller-manager", PID: 7, Age: 90},
		{Name: "nginx", PID: 5, Age: 50},
	}, h.Agents)
}

func TestCounters(t *testing.T) {
	h, coverage := one(t, "n1.txt", "### whohas: host n1\n### whohas: run counters\n"+
		"/proc/self/net/stat/rt_cache:entries in_martian_dst in_martian_src\n/proc/self/net/stat/rt_cache:01 00000002 0000000f\n/proc/self/net/stat/rt_cache:01 00000001 00000010\n"+
		"/proc/self/net/netstat:TcpExt: ArpFilter IPReversePathFilter\n/proc/self/net/netstat:TcpExt: 1 17\n"+
		"/proc/self/net/snmp:Ip: Forwarding InAddrErrors OutNoRoutes\n/proc/self/net/snmp:Ip: 1 7 18446744073709551615\n### whohas: exit 0\n")
	same(t, "counters", map[string]uint64{"rt_cache.in_martian_dst": 3, "rt_cache.in_martian_src": 31, "TcpExt.IPReversePathFilter": 17,
		"Ip.InAddrErrors": 7, "Ip.OutNoRoutes": 1<<64 - 1}, h.Counters)
	if c := stationCoverage(coverage)[capture.Counters]; !c.Complete || c.Count != 5 {
		t.Errorf("%+v", c)
	}
}
