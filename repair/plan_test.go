// SPDX-License-Identifier: Apache-2.0

package repair_test

import (
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"whohas/bypass"
	"whohas/check"
	"whohas/claim"
	"whohas/claimants"
	"whohas/cluster"
	"whohas/dataplane"
	"whohas/diagnose"
	"whohas/explain"
	"whohas/repair"
	"whohas/rule"
	"whohas/rules"
	"whohas/snapshot"
)

var (
	addr   = netip.MustParseAddr
	prefix = netip.MustParsePrefix
)

// victim is cdev02 with the master's address, as one who has only a shell sees it.
func victim() dataplane.Host {
	return dataplane.Host{
		Name:  "cdev02",
		Links: []dataplane.Link{{Index: 1, Name: "lo", Up: true}, {Index: 2, Name: "eth0", Up: true, Carrier: true}, {Index: 3, Name: "kube-ipvs0", Kind: "dummy"}},
		Addresses: []dataplane.Address{
			{Link: "eth0", Prefix: prefix("192.168.10.115/24"), Scope: "global"},
			{Link: "kube-ipvs0", Prefix: prefix("192.168.10.114/32"), Scope: "global"},
		},
		Routes:     []dataplane.Route{{Table: 254, Type: "unicast", To: prefix("0.0.0.0/0"), Via: addr("192.168.10.1"), Link: "eth0"}},
		Servers:    []dataplane.VirtualServer{{Proto: "TCP", IP: addr("192.168.10.114"), Port: 80}},
		Configured: []dataplane.ConfiguredServer{{What: "apiserver", For: "kubelet", Host: "192.168.10.114", IP: addr("192.168.10.114"), Port: 6443, File: "/etc/kubernetes/kubelet.conf", Line: 5}},
	}
}

func plan(h dataplane.Host, owners ...claim.Claim) repair.Plan {
	into := &snapshot.Builder{}
	into.AddHost(h)
	s := into.Snapshot()
	seen := diagnose.Seen{Host: s.Host(h.Name), Snapshot: s, Facts: cluster.Infer(s, "", ""), View: claimants.View(s, owners...)}
	seen.Result = check.Run(check.Input{View: seen.View, Facts: seen.Facts, Objects: s, Coverage: s.Coverage, Rules: rules.All()})
	return repair.Make(seen, diagnose.Run(seen))
}

// TestTargets: what may be taken off, and every reason not to.
func TestTargets(t *testing.T) {
	for _, c := range []struct {
		name    string
		change  func(*dataplane.Host)
		targets []repair.Target
		refused string
	}{
		{"a victim", func(*dataplane.Host) {}, []repair.Target{{Device: "kube-ipvs0", Prefix: prefix("192.168.10.114/32"),
			Evidence: []string{"cdev02: 192.168.10.114 in /etc/kubernetes/kubelet.conf:5"}}}, ""},
		{"kube-router's", func(h *dataplane.Host) {
			h.Links[2].Name, h.Addresses[1].Link = "kube-dummy-if", "kube-dummy-if"
		}, []repair.Target{{Device: "kube-dummy-if", Prefix: prefix("192.168.10.114/32"),
			Evidence: []string{"cdev02: 192.168.10.114 in /etc/kubernetes/kubelet.conf:5"}}}, ""},
		{"no evidence whose it is", func(h *dataplane.Host) { h.Configured = nil }, nil, "there is nothing to repair here"},
		{"its own, bound beside its card as kube-proxy up to 1.25 does", func(h *dataplane.Host) {
			h.Addresses[0].Prefix = prefix("192.168.10.114/24")
		}, nil, "there is nothing to repair here"},
		{"a ClusterIP", func(h *dataplane.Host) {
			h.Sets = []dataplane.Set{{Name: "KUBE-CLUSTER-IP", Type: "hash:ip,port", Members: []string{"192.168.10.114,tcp:80"}}}
			h.Sessions = []dataplane.Session{{Name: "Mesh", Speaker: "bird", Peer: addr("192.168.10.114"), State: "Active"}}
		}, nil, "192.168.10.114 is among kube-proxy's ClusterIPs"},
		{"its own by its static Pod, and lost from its card: ifup found it taken", func(h *dataplane.Host) {
			h.Configured = append(h.Configured, dataplane.ConfiguredServer{What: "apiserver", For: "kube-apiserver", Host: "192.168.10.114", IP: addr("192.168.10.114"), File: "/etc/kubernetes/manifests/kube-apiserver.yaml"})
		}, nil, "there is nothing to repair here"},
		{"its own by its kubelet's flag", func(h *dataplane.Host) {
			h.Agents = []dataplane.Agent{{Name: "kubelet", Flags: map[string]string{"node-ip": "192.168.10.114"}}}
		}, nil, "there is nothing to repair here"},
		{"two addresses at once", func(h *dataplane.Host) {
			h.Addresses = append(h.Addresses, dataplane.Address{Link: "kube-ipvs0", Prefix: prefix("192.168.10.116/32"), Scope: "global"})
			h.Sessions = []dataplane.Session{{Name: "Mesh", Speaker: "bird", Peer: addr("192.168.10.116"), State: "Active"}}
		}, []repair.Target{
			{Device: "kube-ipvs0", Prefix: prefix("192.168.10.114/32"), Evidence: []string{"cdev02: 192.168.10.114 in /etc/kubernetes/kubelet.conf:5"}},
			{Device: "kube-ipvs0", Prefix: prefix("192.168.10.116/32"), Evidence: []string{"cdev02: 192.168.10.116 in bird's session Mesh"}},
		}, ""},
		{"a balancer of the apiserver", func(h *dataplane.Host) {
			h.Servers = []dataplane.VirtualServer{{Proto: "TCP", IP: addr("192.168.10.114"), Port: 6443, Servers: []dataplane.RealServer{{IP: addr("192.168.10.120"), Port: 6443}, {IP: addr("192.168.10.121"), Port: 6443}}}}
		}, nil, "there is nothing to repair here"},
		{"the apiserver's port, and a Pod behind it", func(h *dataplane.Host) {
			h.Servers = []dataplane.VirtualServer{{Proto: "TCP", IP: addr("192.168.10.114"), Port: 6443, Servers: []dataplane.RealServer{{IP: addr("10.244.3.7"), Port: 6443}}}}
			h.Routes = append(h.Routes, dataplane.Route{Table: 254, Type: "unicast", To: prefix("10.244.3.0/24"), Via: addr("192.168.10.116"), Link: "tunl0", Protocol: "bird"})
		}, []repair.Target{{Device: "kube-ipvs0", Prefix: prefix("192.168.10.114/32"),
			Evidence: []string{"cdev02: 192.168.10.114 in /etc/kubernetes/kubelet.conf:5"}}}, ""},
		{"taken off by somebody, and back at kube-proxy's next sync", func(h *dataplane.Host) {
			h.Addresses = h.Addresses[:1]
			h.Sets = []dataplane.Set{{Name: "KUBE-CLUSTER-IP", Type: "hash:ip,port"}, {Name: "KUBE-EXTERNAL-IP", Type: "hash:ip,port", Members: []string{"192.168.10.114,tcp:80"}}}
		}, []repair.Target{{Device: "kube-ipvs0", Prefix: prefix("192.168.10.114/32"),
			Evidence: []string{"cdev02: 192.168.10.114 in /etc/kubernetes/kubelet.conf:5"}}}, ""},
		{"on lo alone", func(h *dataplane.Host) { h.Addresses[1].Link = "lo" }, nil, "there is nothing to repair here"},
		{"healed", func(h *dataplane.Host) { h.Addresses = h.Addresses[:1] }, nil, "there is nothing to repair here"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := victim()
			c.change(&h)
			p := plan(h)
			if diff := cmp.Diff(c.targets, p.Targets, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
				t.Errorf("targets (-want +got):\n%s", diff)
			}
			if got := strings.Join(p.Refused, "; "); !strings.Contains(got, c.refused) || c.refused == "" && got != "" {
				t.Errorf("refused %q, want %q", got, c.refused)
			}
		})
	}
}

// TestFarOwner: an address on none of this host's subnets may be a ClusterIP, where those
// are not known; somebody who knows says that it is a machine's.
func TestFarOwner(t *testing.T) {
	h := victim()
	h.Addresses[0].Prefix = prefix("10.9.0.115/24")
	h.Sessions = []dataplane.Session{{Name: "Mesh", Speaker: "bird", Peer: addr("192.168.10.114"), State: "Active"}}
	if p := plan(h); len(p.Targets) > 0 || !strings.Contains(strings.Join(p.Refused, ""), "on none of this host's subnets") {
		t.Errorf("%+v, %q", p.Targets, p.Refused)
	}
	ref := snapshot.Ref{Kind: "Declared", Name: "another host"}
	said := claim.Claim{Range: claim.Single(addr("192.168.10.114")), Kind: "declared.another host", Role: claim.Reserved, By: ref, Owner: ref}
	if p := plan(h, said); len(p.Targets) != 1 || len(p.Refused) > 0 {
		t.Errorf("%+v, %q", p.Targets, p.Refused)
	}
}

// TestPlan: the hosts first, then the claim where kubectl works, the hosts again, and the
// look.
func TestPlan(t *testing.T) {
	p := plan(victim())
	const put = "ip rule add pref 1 type nop protocol kernel && ip rule add pref 0 to 192.168.10.114 goto 1 protocol kernel && " +
		"ip rule add pref 0 lookup local protocol boot && ip rule del pref 0 lookup local && " +
		"ip rule add pref 0 lookup local protocol kernel && ip rule del pref 0 lookup local protocol boot"
	want := [][]string{
		{"each host that holds it", ""},
		{"each host that holds it", "ip -o addr show to 192.168.10.114"},
		{"each host that holds it", "sudo whohas repair --apply"},
		{"each host that holds it", put},
		{"each host that holds it", "for i in $(seq 1200); do ip addr del 192.168.10.114/32 dev kube-ipvs0 2>/dev/null; sleep 0.1; done"},
		{"the host whose address it is (its own way to the apiserver does not leave the host; from here kubectl does not work)", "kubectl get services -A -o wide | grep -F 192.168.10.114"},
		{"each host that holds it", "ip rule del pref 0 to 192.168.10.114 goto 1 protocol kernel && ip rule del pref 1 type nop protocol kernel"},
		{"each host", "ip -o addr show to 192.168.10.114"},
		{explain.Anywhere, "kubectl get nodes"},
		{"the other hosts of the network", "ip neigh flush to 192.168.10.114"},
	}
	var got [][]string
	for _, s := range slices.Concat(p.Hosts, p.Claims, p.Back, p.After) {
		got = append(got, []string{s.Where, s.Line().String()})
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
	if len(p.Withdrawals) != 0 {
		t.Errorf("%d withdrawals without an object", len(p.Withdrawals))
	}
}

// TestScript: a shell takes it, and it names the address and nothing unfilled.
func TestScript(t *testing.T) {
	for _, ip := range []string{"192.168.10.114", "2001:db8::114"} {
		text := repair.Script(repair.Plan{Address: addr(ip)})
		if !strings.Contains(text, "ip="+ip+" bits=") || strings.Contains(text, "%!") {
			t.Errorf("%s: %s", ip, text)
		}
		cmd := exec.Command("sh", "-n")
		cmd.Stdin = strings.NewReader(text)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s", ip, err, out)
		}
	}
}

// TestOnlyPlanned: in a mode that takes ports alone nothing is taken away by itself;
// an address may be claimed on purpose there.
func TestOnlyPlanned(t *testing.T) {
	for mode, want := range map[dataplane.ProxyMode]int{dataplane.IPVS: 1, dataplane.IPTables: 0, dataplane.NFTables: 0, dataplane.EBPF: 0} {
		h := victim()
		into := &snapshot.Builder{}
		into.AddHost(h)
		s := into.Snapshot()
		seen := diagnose.Seen{Host: s.Host(h.Name), Snapshot: s, Facts: cluster.Infer(s, mode, "test"), View: claimants.View(s)}
		edit := &snapshot.Edit{Kind: cluster.ServiceKind, On: cluster.ServiceKind.Ref("demo", "tomcat")}
		cause := &rule.Finding{Rule: rules.ExternalIPIsNode, Severity: rule.Critical, Range: claim.Single(addr("192.168.10.114")),
			Chain: explain.Chain{Fixes: []explain.Fix{{Steps: []explain.Step{{Text: "take it out", Edit: edit}}}}}}
		p := repair.Make(seen, diagnose.Diagnosis{Host: h.Name, Cause: cause})
		if len(p.Withdrawals) != want || len(p.Claims) != 1 {
			t.Errorf("%s: %d withdrawals, want %d; %d steps at the API, want 1", mode, len(p.Withdrawals), want, len(p.Claims))
		}
	}
}

// TestTakenPorts: a port that the Service itself claims is said, with its own step; another
// is not.
func TestTakenPorts(t *testing.T) {
	h := victim()
	ip := netip.MustParseAddr("192.168.10.114")
	h.Servers = []dataplane.VirtualServer{{Proto: "TCP", IP: ip, Port: 80}, {Proto: "TCP", IP: ip, Port: 6443}}
	p := plan(h)
	if len(p.Ports) != 1 || !strings.Contains(p.Ports[0].Text, "port 6443 of 192.168.10.114, where this host reaches the apiserver") ||
		!strings.Contains(p.Ports[0].Line().String(), "ipvsadm -D -t 192.168.10.114:6443") {
		t.Errorf("%+v", p.Ports)
	}
}

// TestHold: on a kernel whose rules have no protocol, beside systemd-networkd, the address
// is held off, and the plan says why.
func TestHold(t *testing.T) {
	for _, c := range []struct {
		kernel, agent string
		hold          bool
	}{
		{"3.10.0-1160.el7.x86_64", "systemd-network", true}, {"4.16.18", "systemd-network", true}, {"3.10.0-1160.el7.x86_64", "kubelet", false},
		{"4.18.0-553.el8", "systemd-network", false}, {"6.1.176", "systemd-network", false}, {"", "systemd-network", false},
	} {
		h := victim()
		h.Kernel, h.Agents = c.kernel, []dataplane.Agent{{Name: c.agent}}
		p := plan(h)
		if got := p.Hold != ""; got != c.hold || c.hold && !strings.Contains(p.Hold, "systemd-networkd runs here") {
			t.Errorf("%+v: %q", c, p.Hold)
		}
	}
}

// TestStandingRules: an earlier repair's rules are found, and there is something to finish.
func TestStandingRules(t *testing.T) {
	h := victim()
	h.Addresses = h.Addresses[:1]
	h.Rules = []dataplane.Rule{{Family: 4, To: netip.MustParsePrefix("192.168.10.114/32"), Goto: 1}, {Family: 4, Table: 255},
		{Family: 4, Priority: 1, Type: "nop"}, {Family: 4, Priority: 32766, Table: 254}}
	changes, err := bypass.Put(&h, bypass.Shield, addr("192.168.10.116")) // which is nobody's repair
	if err != nil {
		t.Fatal(err)
	}
	h = *bypass.After(&h, changes)
	p := plan(h)
	if len(p.Refused) > 0 || len(p.Targets) != 1 || len(p.Standing) != 1 || len(p.Back) != 2 || !strings.Contains(p.Title, "an earlier repair's routing rules stand here, for 192.168.10.114") {
		t.Errorf("%+v", p)
	}
}
