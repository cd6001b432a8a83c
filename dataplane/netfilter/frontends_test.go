// SPDX-License-Identifier: Apache-2.0

package netfilter_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"whohas/dataplane"
	"whohas/dataplane/netfilter"
)

// tell writes a frontend in one line.
func tell(f netfilter.Frontend) string {
	ports := ""
	switch {
	case f.Ports.First != f.Ports.Last:
		ports = fmt.Sprintf(":%d-%d", f.Ports.First, f.Ports.Last)
	case f.Ports.First != 0:
		ports = fmt.Sprintf(":%d", f.Ports.First)
	}
	where := f.Table + "/" + f.Chain
	if f.Map != "" {
		where += "@" + f.Map
	}
	text := fmt.Sprintf("%s%s/%s %s %s", f.To, ports, f.Proto, strings.Join(f.Hooks, ","), where)
	if !f.Service.IsZero() {
		text += fmt.Sprintf(" %s/%s:%s (%s)", f.Service.Namespace, f.Service.Name, f.Service.Port, f.Service.Role)
	}
	if len(f.When) > 0 {
		text += " when " + strings.Join(f.When, " and ")
	}
	return text
}

func TestFrontends(t *testing.T) {
	for _, tt := range []struct {
		name   string
		tables []dataplane.Table
		want   []string
	}{
		{"kube-proxy 1.21 and later, iptables", readSave(t, "kube-proxy-1.36.iptables"), []string{
			"5.6.7.8/32:80/TCP OUTPUT,PREROUTING nat/KUBE-SERVICES ns5/svc5:p80 (loadbalancer IP)",
			"127.0.0.0/8:3001/TCP OUTPUT,PREROUTING nat/KUBE-NODEPORTS ns2/svc2:p80 ()",
			"172.30.0.42/32:80/TCP OUTPUT,PREROUTING nat/KUBE-SERVICES ns2/svc2:p80 (cluster IP)",
			"192.168.99.22/32:80/TCP OUTPUT,PREROUTING nat/KUBE-SERVICES ns2/svc2:p80 (external IP)",
			"192.168.99.33/32:80/TCP OUTPUT,PREROUTING nat/KUBE-SERVICES ns4/svc4:p80 (external IP)",
		}},
		{"kube-proxy 1.20 and before, iptables", readSave(t, "kube-proxy-1.20.iptables"), []string{
			"10.96.0.20/32:80/TCP OUTPUT,PREROUTING nat/KUBE-SERVICES demo/tomcat:http (cluster IP)",
			"192.168.10.114/32:80/TCP OUTPUT,PREROUTING nat/KUBE-SERVICES demo/tomcat:http (external IP) when -m physdev ! --physdev-is-in and -m addrtype ! --src-type LOCAL",
			"192.168.10.114/32:80/TCP OUTPUT,PREROUTING nat/KUBE-SERVICES demo/tomcat:http (external IP) when -m addrtype --dst-type LOCAL",
		}},
		// A host port without an address, a negated one and a chain that nothing
		// leads to name none.
		{"portmap, docker, by hand", readSave(t, "containers.iptables"), []string{
			"192.0.2.5/32:8443/TCP OUTPUT,PREROUTING nat/CNI-DN-2e5c5c0cb2e5a0b6e6c1b",
			"192.0.2.6/32:53/UDP OUTPUT,PREROUTING nat/DOCKER when ! -i docker0",
			"192.0.2.8/32/ OUTPUT,PREROUTING nat/DOCKER",
			"192.0.2.9/32:1024-2048/TCP OUTPUT,PREROUTING nat/DOCKER",
			"192.0.2.11/32:7/TCP PREROUTING nat/LOOP-B",
		}},
		{"nftables", readJSON(t, "kube-proxy.nft.json"), []string{
			"1.1.1.0/24:1-5/TCP OUTPUT,PREROUTING kube-proxy/services",
			"1.1.1.1/32/TCP OUTPUT,PREROUTING kube-proxy/services",
			"9.9.9.7/32:81/TCP OUTPUT,PREROUTING kube-proxy/services@nodeport-x",
			"9.9.9.8/32:80/TCP OUTPUT,PREROUTING kube-proxy/services",
			"9.9.9.9/32:80/TCP OUTPUT,PREROUTING kube-proxy/services",
			"9.9.9.9/32:443/TCP OUTPUT,PREROUTING kube-proxy/services",
			"9.9.9.9/32:1000-2000/TCP OUTPUT,PREROUTING kube-proxy/services",
			"172.30.0.42/32:80/TCP OUTPUT,PREROUTING kube-proxy/services@service-ips ns2/svc2:p80 (service)",
			"192.0.2.5/32:8443/TCP OUTPUT,PREROUTING cni_hostport/hostip_hostports",
			"192.168.99.22/32:80/TCP OUTPUT,PREROUTING kube-proxy/services@service-ips ns2/svc2:p80 (external)",
		}},
		{"no tables", nil, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, f := range netfilter.Frontends(tt.tables) {
				got = append(got, tell(f))
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestFrontendIsWhole(t *testing.T) {
	got := netfilter.Frontends(readSave(t, "kube-proxy-1.36.iptables"))[4]
	want := `-d 192.168.99.33/32 -p tcp -m comment --comment "ns4/svc4:p80 external IP" -m tcp --dport 80 -j KUBE-EXT-4SW47YFZTEDKD3PK`
	if got.Rule != want || got.Backend != "legacy" || got.Family != "ip" {
		t.Errorf("got %+v", got)
	}
	for _, f := range netfilter.Frontends(readJSON(t, "kube-proxy.nft.json")) {
		if f.Map == "service-ips" && !strings.HasPrefix(f.Rule, `[{"concat":["`) || f.Backend != "nftables" || f.Family != "ip" {
			t.Errorf("got %+v", f)
		}
	}
}

// nft makes a table with one chain at prerouting that holds the rules, and a set.
func nft(rules ...string) []dataplane.Table {
	return []dataplane.Table{{Backend: "nftables", Family: "ip", Name: "t",
		Chains: []dataplane.Chain{{Name: "pre", Type: "nat", Hook: "prerouting", Rules: rules}, {Name: "filter", Type: "filter", Hook: "input", Rules: rules}},
		Maps: []dataplane.Map{
			{Name: "hosts", Type: []string{"ipv4_addr"}, Elements: []string{`"192.0.2.1"`, `{"prefix":{"addr":"192.0.2.8","len":29}}`}},
			{Name: "none", Type: []string{"ipv4_addr"}}}}}
}

func TestFrontendsOfNFT(t *testing.T) {
	const (
		daddr   = `{"payload":{"protocol":"ip","field":"daddr"}}`
		http    = `{"match":{"op":"==","left":{"payload":{"protocol":"tcp","field":"dport"}},"right":80}}`
		dnat    = `{"dnat":{"addr":"10.0.0.1"}}`
		address = `{"match":{"op":"==","left":` + daddr + `,"right":"192.0.2.1"}}`
	)
	for _, tt := range []struct {
		name, rule string
		want       []string
	}{
		{"a named set", `[{"match":{"op":"==","left":` + daddr + `,"right":"@hosts"}},` + http + `,` + dnat + `]`, []string{
			"192.0.2.1/32:80/TCP PREROUTING t/pre", "192.0.2.8/29:80/TCP PREROUTING t/pre"}},
		{"an empty set", `[{"match":{"op":"==","left":` + daddr + `,"right":"@none"}},` + http + `,` + dnat + `]`, nil},
		{"a set that is not there", `[{"match":{"op":"==","left":` + daddr + `,"right":"@gone"}},` + http + `,` + dnat + `]`, nil},
		{"not this address", `[{"match":{"op":"!=","left":` + daddr + `,"right":"192.0.2.1"}},` + http + `,` + dnat + `]`, nil},
		{"two that cannot both be", `[` + address + `,{"match":{"op":"==","left":` + daddr + `,"right":"192.0.2.2"}},` + dnat + `]`, nil},
		{"another condition", `[` + address + `,{"match":{"op":"==","left":{"meta":{"key":"iifname"}},"right":"eth0"}},` + http + `,` + dnat + `]`, []string{
			`192.0.2.1/32:80/TCP PREROUTING t/pre when {"match":{"left":{"meta":{"key":"iifname"}},"op":"==","right":"eth0"}}`}},
		{"an expression that nobody knows", `[` + address + `,` + http + `,{"zebra":1},` + dnat + `]`, []string{
			`192.0.2.1/32:80/TCP PREROUTING t/pre when {"zebra":1}`}},
		{"accepted before", `[` + address + `,` + http + `,{"accept":null},` + dnat + `]`, nil},
		{"a range of addresses is told as a condition, not as addresses", `[{"match":{"op":"==","left":` + daddr + `,"right":{"range":["192.0.2.1","192.0.2.5"]}}},` + http + `,` + dnat + `]`, nil},
		{"a verdict map in the rule", `[{"vmap":{"key":{"concat":[` + daddr + `,{"payload":{"protocol":"udp","field":"dport"}}]},"data":{"set":[[{"concat":["192.0.2.3",53]},{"jump":{"target":"pre2"}}],[{"concat":["192.0.2.4",53]},{"drop":null}]]}}}]`, nil},
		{"numbers for protocols", `[` + address + `,{"match":{"op":"==","left":{"meta":{"key":"l4proto"}},"right":{"set":[6,17]}}},{"match":{"op":"==","left":{"payload":{"protocol":"th","field":"dport"}},"right":53}},` + dnat + `]`, []string{
			"192.0.2.1/32:53/TCP PREROUTING t/pre", "192.0.2.1/32:53/UDP PREROUTING t/pre"}},
		{"no JSON", `[{`, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, f := range netfilter.Frontends(nft(tt.rule)) {
				got = append(got, tell(f))
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestServicesOfComments(t *testing.T) {
	for comment, want := range map[string]string{
		"demo/tomcat:http external IP":               "demo/tomcat:http (external IP)",
		"demo/tomcat cluster IP":                     "demo/tomcat: (cluster IP)",
		"demo/tomcat: loadbalancer IP":               "demo/tomcat: (loadbalancer IP)",
		"demo/tomcat:http":                           "demo/tomcat:http ()",
		"demo/tomcat:http has no endpoints":          "",
		"masquerade traffic for demo/tomcat:http":    "",
		"Demo/tomcat external IP":                    "",
		"demo/ external IP":                          "",
		"kubernetes service portals":                 "",
		`dnat name: "bridge" id: "0a1b2c/container"`: "",
	} {
		text := fmt.Sprintf("-d 192.0.2.1/32 -p tcp -m comment --comment %q -m tcp --dport 80 -j KUBE-SVC-X", comment)
		got := netfilter.Frontends([]dataplane.Table{{Name: "nat", Chains: []dataplane.Chain{{Name: "OUTPUT", Rules: []string{text}}, {Name: "KUBE-SVC-X", Rules: []string{"-j DNAT --to-destination 10.0.0.1"}}}}})
		if len(got) != 1 {
			t.Fatalf("%s: %d frontends", comment, len(got))
		}
		_, service, _ := strings.Cut(tell(got[0]), "nat/OUTPUT")
		if strings.TrimSpace(service) != want {
			t.Errorf("%s: %q, want %q", comment, service, want)
		}
	}
}

// TestFrontendsEnd: chains that jump to each other in every way end, and soon.
func TestFrontendsEnd(t *testing.T) {
	var nat dataplane.Table
	nat.Name = "nat"
	const n = 40
	for i := range n {
		c := dataplane.Chain{Name: fmt.Sprintf("C%d", i)}
		for j := range n {
			c.Rules = append(c.Rules, fmt.Sprintf("-p tcp -m tcp --dport %d:%d -j C%d", 10+j, 1000-j, j))
		}
		c.Rules = append(c.Rules, fmt.Sprintf("-d 192.0.2.%d/32 -j DNAT --to-destination 10.0.0.1", i))
		nat.Chains = append(nat.Chains, c)
	}
	nat.Chains[0].Name = "PREROUTING"
	if got := netfilter.Frontends([]dataplane.Table{nat}); len(got) < n {
		t.Errorf("%d frontends", len(got))
	}
}

func BenchmarkFrontends(b *testing.B) {
	nat := dataplane.Table{Name: "nat", Chains: []dataplane.Chain{{Name: "PREROUTING", Rules: []string{"-j KUBE-SERVICES"}}, {Name: "OUTPUT", Rules: []string{"-j KUBE-SERVICES"}}}}
	services := dataplane.Chain{Name: "KUBE-SERVICES"}
	for i := range 10000 {
		services.Rules = append(services.Rules, fmt.Sprintf(`-d 10.96.%d.%d/32 -p tcp -m comment --comment "demo/s%d:http cluster IP" -m tcp --dport 80 -j SVC%d`, i/256, i%256, i, i))
		nat.Chains = append(nat.Chains, dataplane.Chain{Name: fmt.Sprintf("SVC%d", i), Rules: []string{"-p tcp -m tcp -j DNAT --to-destination 10.0.0.1:80"}})
	}
	nat.Chains = append(nat.Chains, services)
	for b.Loop() {
		if got := netfilter.Frontends([]dataplane.Table{nat}); len(got) != 10000 {
			b.Fatal(len(got))
		}
	}
}
