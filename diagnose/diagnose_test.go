// SPDX-License-Identifier: Apache-2.0

package diagnose_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"whohas/check"
	"whohas/claim"
	"whohas/claimants"
	"whohas/cluster"
	"whohas/dataplane"
	"whohas/diagnose"
	"whohas/rules"
	"whohas/snapshot"
)

var (
	addr   = netip.MustParseAddr
	prefix = netip.MustParsePrefix
	master = addr("192.168.10.114")
	api    = netip.MustParseAddrPort("192.168.10.114:6443")
)

// worker is cdev02 of the incident while all is well.
func worker() dataplane.Host {
	return dataplane.Host{
		Name: "cdev02",
		Links: []dataplane.Link{
			{Index: 1, Name: "lo", Up: true, Carrier: true},
			{Index: 2, Name: "eth0", MAC: "52:54:00:00:00:02", Up: true, Carrier: true},
			{Index: 3, Name: "tunl0", Kind: "ipip", Up: true},
			{Index: 4, Name: "kube-ipvs0", Kind: "dummy", NoARP: true},
		},
		Addresses: []dataplane.Address{
			{Link: "lo", Prefix: prefix("127.0.0.1/8"), Scope: "host"},
			{Link: "eth0", Prefix: prefix("192.168.10.115/24"), Scope: "global"},
			{Link: "tunl0", Prefix: prefix("10.244.2.0/32"), Scope: "global"},
			{Link: "kube-ipvs0", Prefix: prefix("10.96.0.1/32"), Scope: "global"},
		},
		Routes: []dataplane.Route{
			{Table: 254, Type: "unicast", To: prefix("0.0.0.0/0"), Via: addr("192.168.10.1"), Link: "eth0"},
			{Table: 254, Type: "unicast", To: prefix("10.244.1.0/24"), Via: master, Link: "tunl0", Onlink: true, Protocol: "bird"},
		},
		Servers: []dataplane.VirtualServer{{Proto: "TCP", IP: addr("10.96.0.1"), Port: 443, Servers: []dataplane.RealServer{{IP: master, Port: 6443, Forward: "masq", Weight: 1}}}},
		Sets:    []dataplane.Set{{Name: "KUBE-CLUSTER-IP", Type: "hash:ip,port", Members: []string{"10.96.0.1,tcp:443"}}},
		Sysctls: map[string]string{"net.ipv4.conf.all.rp_filter": "0"},
		Agents: []dataplane.Agent{
			{Name: "containerd", PID: 5, Age: 9000}, {Name: "kube-proxy", PID: 7, Age: 9000, Health: map[string]string{"proxyMode": "ipvs"}},
			{Name: "kubelet", PID: 6, Age: 9000, Health: map[string]string{"healthz": "ok"}},
		},
		Configured: []dataplane.ConfiguredServer{{What: "apiserver", For: "kubelet", Host: "192.168.10.114", IP: master, Port: 6443, File: "/etc/kubernetes/kubelet.conf", Line: 5}},
		Sessions:   []dataplane.Session{{Name: "Mesh_1", Speaker: "bird", Peer: master, State: "Established"}, {Name: "Mesh_3", Speaker: "bird", Peer: addr("192.168.10.116"), State: "Established"}},
		Connects:   []dataplane.ConnectResult{{What: "apiserver", To: api, Result: "accepted", Local: addr("192.168.10.115")}},
		Replies:    []dataplane.AddressReply{{IP: addr("192.168.10.115"), Link: "eth0", Sent: 2}, {IP: master, Link: "eth0", Sent: 2, MACs: []string{"52:54:00:00:00:01"}}},
	}
}

// stolen is cdev02 with the master's address, as kube-proxy puts it there.
func stolen(h *dataplane.Host) {
	h.Addresses = append(h.Addresses, dataplane.Address{Link: "kube-ipvs0", Prefix: prefix("192.168.10.114/32"), Scope: "global"})
	h.Servers = append(h.Servers, dataplane.VirtualServer{Proto: "TCP", IP: master, Port: 80, Servers: []dataplane.RealServer{{IP: addr("10.244.3.7"), Port: 8080, Forward: "masq", Weight: 1}}},
		dataplane.VirtualServer{Proto: "TCP", IP: addr("10.96.0.80"), Port: 80, Servers: []dataplane.RealServer{{IP: addr("10.244.3.7"), Port: 8080, Forward: "masq", Weight: 1}}})
	h.Sets = append(h.Sets, dataplane.Set{Name: "KUBE-EXTERNAL-IP", Type: "hash:ip,port", Members: []string{"192.168.10.114,tcp:80"}})
	h.Sets[0].Members = append(h.Sets[0].Members, "10.96.0.80,tcp:80")
	h.Sessions[0].State, h.Sessions[0].Error = "Active", "Socket: Connection refused"
	h.Routes = h.Routes[:1]
	h.Connects[0] = dataplane.ConnectResult{What: "apiserver", To: api, Result: "refused", Local: master, Self: true}
	h.LogMatches = []dataplane.LogMatch{{Source: "kubelet", Pattern: "refused", Count: 31, Last: "dial tcp 192.168.10.114:6443: connect: connection refused"}}
	h.Sandboxes = []dataplane.Sandbox{{Namespace: "demo", Name: "tomcat-0", IP: addr("10.244.3.7"), From: "cni"}}
}

// owner makes the host cdev01, the master, whose address the others hold.
func owner(h *dataplane.Host) {
	h.Name = "cdev01"
	h.Links[1].MAC = "52:54:00:00:00:01"
	h.Addresses[1].Prefix = prefix("192.168.10.114/24")
	h.Routes = h.Routes[:1]
	h.Configured[0].For = "kubelet"
	h.Sessions = []dataplane.Session{{Name: "Mesh_2", Speaker: "bird", Peer: addr("192.168.10.115"), State: "Active"}, {Name: "Mesh_3", Speaker: "bird", Peer: addr("192.168.10.116"), State: "Connect"}}
	h.Connects[0].Local, h.Connects[0].Self = master, true
	h.Replies = []dataplane.AddressReply{
		{IP: master, Link: "eth0", Sent: 2, MACs: []string{"52:54:00:00:00:02", "52:54:00:00:00:03"}},
		{IP: addr("192.168.10.115"), Link: "eth0", Sent: 2, MACs: []string{"52:54:00:00:00:02"}},
		{IP: addr("192.168.10.116"), Link: "eth0", Sent: 2, MACs: []string{"52:54:00:00:00:03"}},
	}
	h.Neighbours = []dataplane.Neighbour{{Link: "eth0", IP: addr("192.168.10.115"), State: "FAILED"}, {Link: "eth0", IP: addr("192.168.10.116"), State: "FAILED"}}
}

var scenes = []struct {
	name   string
	change func(*dataplane.Host)
	want   string   // verdict, and the cause
	checks []string // the problems and what explains them, the unknown
	says   []string // in title, service or next
}{
	{"all is well", func(*dataplane.Host) {}, "healthy", nil, []string{"cdev02 holds no address that is known to be another's"}},

	{"the incident on a victim", stolen, "cause WH110 192.168.10.114", []string{
		"problem kubelet <- WH110", "problem apiserver <- WH110", "problem service addresses <- WH110", "problem routes <- WH110", "problem bgp <- WH110", "problem tunnel <- WH110",
	}, []string{
		"192.168.10.114 is the control plane's address, and cdev02 holds it on kube-ipvs0",
		"its name is not known here; it serves 192.168.10.114:80/TCP by Pod demo/tomcat-0 (10.244.3.7); the ClusterIP with the same real servers is 10.96.0.80:80",
		"sudo whohas repair --apply", "rebooting the node",
	}},
	{"another node's address: the way to the apiserver stays", func(h *dataplane.Host) {
		h.Addresses = append(h.Addresses, dataplane.Address{Link: "kube-ipvs0", Prefix: prefix("192.168.10.116/32"), Scope: "global"})
		h.Sessions[1].State = "Active"
	}, "cause WH110 192.168.10.116", []string{"problem service addresses <- WH110", "problem routes <- WH110", "problem bgp <- WH110", "problem tunnel <- WH110"}, nil},
	{"the address is off, and kube-proxy will put it back", func(h *dataplane.Host) {
		stolen(h)
		h.Addresses = slices.DeleteFunc(h.Addresses, func(a dataplane.Address) bool { return a.Prefix.Addr() == master })
		h.Sets = append(h.Sets, dataplane.Set{Name: "KUBE-EXTERNAL-IP", Type: "hash:ip,port", Members: []string{"192.168.10.114,tcp:80"}})
		h.Connects[0].Self, h.Connects[0].Result = false, "accepted"
	}, "cause WH114 192.168.10.114", []string{"problem kubelet <- WH114", "problem service addresses <- WH114", "problem bgp <- WH114", "problem tunnel <- WH114"},
		[]string{"kube-proxy on cdev02 puts it back on kube-ipvs0 at its next sync", "if no other repair is at work here"}},
	{"the address is off, and the apiserver not there all the same: that is another matter", func(h *dataplane.Host) {
		stolen(h)
		h.Addresses = slices.DeleteFunc(h.Addresses, func(a dataplane.Address) bool { return a.Prefix.Addr() == master })
		h.Sets = append(h.Sets, dataplane.Set{Name: "KUBE-EXTERNAL-IP", Type: "hash:ip,port", Members: []string{"192.168.10.114,tcp:80"}})
		h.Connects[0].Self, h.Connects[0].Result = false, "network unreachable"
	}, "cause WH114 192.168.10.114", []string{"problem kubelet <- WH114", "problem apiserver", "problem service addresses <- WH114", "problem bgp <- WH114", "problem tunnel <- WH114"}, nil},
	{"the incident, and a router that is down: not every session is explained", func(h *dataplane.Host) {
		stolen(h)
		h.Sessions = append(h.Sessions, dataplane.Session{Name: "Router", Speaker: "bird", Peer: addr("192.168.10.1"), State: "Active"})
	}, "cause WH110 192.168.10.114", []string{
		"problem kubelet <- WH110", "problem apiserver <- WH110", "problem service addresses <- WH110", "problem routes <- WH110",
		"problem bgp <- WH110", "problem bgp", "problem tunnel <- WH110",
	}, nil},
	{"the incident, and a cable out: not everything is explained", func(h *dataplane.Host) {
		stolen(h)
		h.Links[1].Carrier = false
	}, "cause WH110 192.168.10.114", []string{
		"problem kubelet <- WH110", "problem apiserver <- WH110", "problem service addresses <- WH110", "problem links", "problem routes <- WH110", "problem bgp <- WH110", "problem tunnel <- WH110",
	}, nil},

	{"the incident on the owner", owner, "cause WH112 192.168.10.114", []string{
		"problem neighbours <- WH112", "problem duplicate addresses <- WH112", "problem bgp <- WH112", "problem bgp <- WH112", "problem tunnel <- WH112",
	}, []string{"192.168.10.115 (52:54:00:00:00:02) and 192.168.10.116 (52:54:00:00:00:03) answer for it", "the address must go from there, never from here"}},
	{"the owner, with strictARP on the nodes: their silence is not taken for health", func(h *dataplane.Host) {
		owner(h)
		h.Replies = h.Replies[:1]
		h.Replies[0].MACs = nil
	}, "unknown", []string{"problem neighbours", "problem bgp", "problem bgp", "problem tunnel"}, []string{"holding one of this host's own addresses"}},
	{"a foreign machine has this node's address", func(h *dataplane.Host) {
		h.Replies[0].MACs = []string{"00:11:22:33:44:55"}
	}, "not-this", []string{"problem duplicate addresses"}, []string{"00:11:22:33:44:55 answers for 192.168.10.115, which is this host's own; nothing here says that it is a node"}},
	{"the kernel itself found a duplicate", func(h *dataplane.Host) {
		h.Addresses = append(h.Addresses, dataplane.Address{Link: "eth0", Prefix: prefix("2001:db8::115/64"), Scope: "global", Failed: true})
	}, "not-this", []string{"problem duplicate addresses"}, []string{"the kernel found another holder of 2001:db8::115"}},

	{"the apiserver is dead", func(h *dataplane.Host) {
		h.Connects[0].Result = "refused"
	}, "not-this", []string{"problem apiserver"}, []string{"192.168.10.114:6443, another machine, does not answer: refused"}},
	{"the apiserver is dead, seen from its own host", func(h *dataplane.Host) {
		owner(h)
		h.Sessions, h.Neighbours, h.Replies = nil, nil, h.Replies[:1]
		h.Replies[0].MACs, h.Connects[0].Result = nil, "refused"
	}, "not-this", []string{"problem apiserver"}, []string{"nothing answers on 192.168.10.114:6443 of this host: refused"}},
	{"a firewall of this host", func(h *dataplane.Host) {
		h.Connects[0].Result = "no answer"
		h.Tables = []dataplane.Table{{Backend: "legacy", Family: "ip", Name: "filter", Chains: []dataplane.Chain{
			{Name: "KUBE-FIREWALL", Rules: []string{"-j DROP"}}, {Name: "OUTPUT", Policy: "ACCEPT", Rules: []string{"-p tcp -m tcp --dport 6443 -j DROP"}}}}}
	}, "not-this", []string{"problem apiserver", "problem firewall"}, []string{"look at this: firewall: a rule of this host refuses what goes to the apiserver"}},
	{"a firewall of this host that is about something else", func(h *dataplane.Host) {
		h.Tables = []dataplane.Table{{Backend: "legacy", Family: "ip", Name: "filter", Chains: []dataplane.Chain{{Name: "INPUT", Policy: "DROP", Rules: []string{"-p tcp -m tcp --dport 64430 -j DROP", "-d 192.168.10.11/32 -j REJECT"}}}}}
	}, "healthy", nil, []string{"none names the apiserver"}},
	{"a link down", func(h *dataplane.Host) { h.Links[1].Up = false }, "not-this", []string{"problem links"}, []string{"eth0 is down"}},
	{"no default route", func(h *dataplane.Host) { h.Routes = h.Routes[1:] }, "not-this", []string{"problem routes"}, []string{"there is no default route"}},
	{"no kubelet", func(h *dataplane.Host) { h.Agents = h.Agents[:2] }, "not-this", []string{"problem kubelet"}, []string{"no kubelet runs here"}},
	{"the kubelet waits for the runtime", func(h *dataplane.Host) {
		h.LogMatches = []dataplane.LogMatch{{Source: "kubelet", Pattern: "pleg", Count: 4, Last: "PLEG is not healthy: pleg was last seen active 5m0s ago"}}
	}, "not-this", []string{"problem container runtime"}, nil},
	{"kube-proxy fell back", func(h *dataplane.Host) {
		h.Servers, h.Addresses = nil, h.Addresses[:3]
		h.Tables = []dataplane.Table{{Backend: "legacy", Family: "ip", Name: "nat", Chains: []dataplane.Chain{{Name: "KUBE-SVC-AAAA"}}}}
	}, "not-this", []string{"problem kube-proxy"}, []string{"it says ipvs, and the kernel shows iptables"}},

	{"a healthy external address, of which nothing says whose it is", func(h *dataplane.Host) {
		h.Addresses = append(h.Addresses, dataplane.Address{Link: "kube-ipvs0", Prefix: prefix("192.168.10.200/32"), Scope: "global"})
		h.Replies = append(h.Replies, dataplane.AddressReply{IP: addr("192.168.10.200"), Link: "eth0", Sent: 2, MACs: []string{"52:54:00:00:00:01", "52:54:00:00:00:03"}})
	}, "healthy", []string{"unknown service addresses"}, nil},
	{"a virtual IP of keepalived on this host's card", func(h *dataplane.Host) {
		h.Addresses = append(h.Addresses, dataplane.Address{Link: "eth0", Prefix: prefix("192.168.10.100/32"), Scope: "global"})
		h.Configured[0].IP, h.Configured[0].Host = addr("192.168.10.100"), "192.168.10.100"
		h.Connects[0] = dataplane.ConnectResult{What: "apiserver", To: netip.MustParseAddrPort("192.168.10.100:6443"), Result: "accepted", Self: true}
		h.Replies = append(h.Replies, dataplane.AddressReply{IP: addr("192.168.10.100"), Link: "eth0", Sent: 2})
	}, "healthy", nil, nil},
	{"a victim without root: its kubeconfig is closed, so that nobody says whose the address is", func(h *dataplane.Host) {
		stolen(h)
		h.Configured, h.Sessions, h.LogMatches, h.Connects, h.Sets, h.Routes = nil, nil, nil, nil, nil, h.Routes[:1]
		h.Unread = []string{"ipset", "told"}
	}, "unknown", []string{"unknown apiserver", "unknown service addresses"}, []string{"could not be read: told"}},
	{"two cards on one wire", func(h *dataplane.Host) {
		h.Links = append(h.Links, dataplane.Link{Index: 9, Name: "eth1", MAC: "52:54:00:00:00:12", Up: true, Carrier: true})
		h.Replies[0].MACs = []string{"52:54:00:00:00:12"}
	}, "healthy", nil, nil},
	{"a balancer of the apiserver on every node", func(h *dataplane.Host) {
		vip := addr("192.168.10.200")
		h.Configured[0].IP, h.Configured[0].Host = vip, "192.168.10.200"
		h.Addresses = append(h.Addresses, dataplane.Address{Link: "kube-ipvs0", Prefix: prefix("192.168.10.200/32"), Scope: "global"})
		h.Servers = append(h.Servers, dataplane.VirtualServer{Proto: "TCP", IP: vip, Port: 6443, Servers: []dataplane.RealServer{{IP: addr("192.168.10.114"), Port: 6443}, {IP: addr("192.168.10.117"), Port: 6443}}})
		h.Connects[0] = dataplane.ConnectResult{What: "apiserver", To: netip.MustParseAddrPort("192.168.10.200:6443"), Result: "accepted", Self: true}
	}, "healthy", []string{"unknown service addresses"}, nil},
	{"a tunnel device of the kernel's own that nobody uses", func(h *dataplane.Host) {
		h.Links[2].Up = false
		h.Addresses, h.Routes, h.Sessions = append(h.Addresses[:2:2], h.Addresses[3]), h.Routes[:1], nil
	}, "healthy", nil, nil},
	{"nothing could be read", func(h *dataplane.Host) {
		*h = dataplane.Host{Name: "cdev02", Unread: []string{"addresses", "agents", "iptables", "links", "neighbours", "notices", "routes", "sessions", "sysctls", "told"}}
	}, "unknown", []string{
		"unknown kubelet", "unknown apiserver", "unknown kube-proxy", "unknown service addresses", "unknown links", "unknown routes", "unknown neighbours", "unknown duplicate addresses",
		"unknown reverse-path filter", "unknown firewall", "unknown selinux", "unknown bgp", "unknown tunnel", "unknown container runtime",
	}, []string{"could not be read: addresses"}},
}

func TestDiagnose(t *testing.T) {
	for _, s := range scenes {
		t.Run(s.name, func(t *testing.T) {
			h := worker()
			s.change(&h)
			d := diagnose.Run(see(h))
			if got := verdict(d); got != s.want {
				t.Errorf("verdict %q, want %q: %s", got, s.want, d.Title)
			}
			var checks []string
			for _, c := range d.Checks {
				switch {
				case c.Outcome == diagnose.OK:
				case c.Because != "":
					checks = append(checks, fmt.Sprintf("%s %s <- %s", c.Outcome, c.Name, c.Because))
				default:
					checks = append(checks, fmt.Sprintf("%s %s", c.Outcome, c.Name))
				}
			}
			if diff := cmp.Diff(s.checks, checks); diff != "" {
				t.Errorf("checks (-want +got):\n%s\n%s", diff, text(d))
			}
			for _, want := range s.says {
				if !strings.Contains(text(d), want) {
					t.Errorf("it does not say %q:\n%s", want, text(d))
				}
			}
		})
	}
}

// TestServicesUnread: an apiserver answers, and does not tell its Services: one may
// claim an address of this host all the same.
func TestServicesUnread(t *testing.T) {
	for _, c := range []struct {
		status snapshot.Status
		says   bool
	}{{snapshot.StatusRead, false}, {snapshot.StatusUnreadable, true}, {snapshot.StatusDenied, true}} {
		seen := see(worker())
		seen.Snapshot.Coverage = append(seen.Snapshot.Coverage, snapshot.Coverage{Source: "services", Status: c.status, Detail: "time is up", Complete: c.status == snapshot.StatusRead})
		d := diagnose.Run(seen)
		if says := strings.Contains(d.Title, "(not everything could be read: Services: time is up)"); says != c.says || d.Verdict != diagnose.Healthy {
			t.Errorf("%s: %s %q", c.status, d.Verdict, d.Title)
		}
	}
}

func see(h dataplane.Host, objects ...claim.Claim) diagnose.Seen {
	into := &snapshot.Builder{}
	into.AddHost(h)
	for _, section := range []string{"links", "addresses", "routes", "neighbours", "ipvs", "ipset", "iptables", "sysctls", "agents", "told", "sessions", "sandboxes", "notices", "counters"} {
		status := snapshot.StatusRead
		if slices.Contains(h.Unread, section) {
			status = snapshot.StatusDenied
		}
		into.Cover(snapshot.Coverage{Source: "host " + h.Name + " " + section, Status: status, Complete: status == snapshot.StatusRead})
	}
	s := into.Snapshot()
	seen := diagnose.Seen{Host: s.Host(h.Name), Snapshot: s, Facts: cluster.Infer(s, "", ""), View: claimants.View(s, objects...)}
	seen.Result = check.Run(check.Input{View: seen.View, Facts: seen.Facts, Objects: s, Coverage: s.Coverage, Rules: rules.All()})
	return seen
}

func verdict(d diagnose.Diagnosis) string {
	if d.Cause == nil {
		return string(d.Verdict)
	}
	return fmt.Sprintf("%s %s %s", d.Verdict, d.Cause.Rule.ID, d.Cause.Place())
}

// text is everything that a diagnosis says.
func text(d diagnose.Diagnosis) string {
	lines := []string{d.Title}
	for _, c := range d.Checks {
		lines = append(lines, fmt.Sprintf("%s %s: %s %q", c.Outcome, c.Name, c.Text, c.Evidence))
	}
	for _, l := range slices.Concat(d.Service, d.Ineffective) {
		lines = append(lines, l.Text)
	}
	for _, s := range d.Next {
		lines = append(lines, s.Text+": "+s.Line().String())
	}
	return strings.Join(lines, "\n")
}
