// SPDX-License-Identifier: Apache-2.0

package report_test

import (
	"fmt"
	"io"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"testing"

	"whohas/check"
	"whohas/claim"
	"whohas/claimants"
	"whohas/dataplane"
	"whohas/report"
	"whohas/testkit/scenario"
	"whohas/who"
)

// worst are worlds of n objects, or of one object with n values, that are bad at one
// place: on one address, in one range, in one object.
var worst = map[string]func(n int) string{
	"Services on one address": each(func(i int) string {
		return service(i, "", fmt.Sprintf("externalIPs: [10.0.0.9], ports: [{port: %d}]", i%60_000+1))
	}),
	"Services on one address and port": each(func(i int) string { return service(i, "", "externalIPs: [10.0.0.9], ports: [{port: 80}]") }),
	"Services on a node's address":     each(func(i int) string { return service(i, "", "externalIPs: [10.0.0.1], ports: [{port: 80}]") }),
	"Services with one key": each(func(i int) string {
		return service(i, "annotations: {metallb.io/allow-shared-ip: k}", fmt.Sprintf("type: LoadBalancer, externalTrafficPolicy: Local, loadBalancerIP: 10.0.0.9, selector: {app: a}, ports: [{port: %d}]", i%60_000+1))
	}),
	"Services with a key each": each(func(i int) string {
		return service(i, fmt.Sprintf("annotations: {metallb.io/allow-shared-ip: k%d}", i), fmt.Sprintf("type: LoadBalancer, loadBalancerIP: 10.0.0.9, ports: [{port: %d}]", i%60_000+1))
	}),
	"Services of namespaces with one key": each(func(i int) string {
		return service(i, fmt.Sprintf(`namespace: n%d, annotations: {lbipam.cilium.io/sharing-key: k, lbipam.cilium.io/sharing-cross-namespace: "*"}`, i), fmt.Sprintf("type: LoadBalancer, loadBalancerIP: 10.0.0.9, ports: [{port: %d}]", i%60_000+1))
	}),
	"Services of one Gateway in another form": each(func(i int) string {
		return service(i, "labels: {gateway.networking.k8s.io/gateway-name: g}", "externalIPs: [010.0.0.9], ports: [{port: 80}]")
	}),
	"Services in another form": each(func(i int) string { return service(i, "", "externalIPs: [010.0.0.9], ports: [{port: 80}]") }),
	"bogus texts of a Service": values("externalIPs: [%s], ports: [{port: 80}]", func(i int) string { return fmt.Sprintf("x%d", i) }),
	"other forms in a Service": values("externalIPs: [%s], ports: [{port: 80}]", func(int) string { return "010.0.0.9" }),
	"addresses of a Service":   values("externalIPs: [%s], ports: [{port: 80}]", func(i int) string { return address(i) }),
	"ports of two Services": func(n int) string {
		var ports []string
		for i := range n {
			ports = append(ports, fmt.Sprintf("{port: %d}", i+1))
		}
		spec := "externalIPs: [10.0.0.1], ports: [" + strings.Join(ports, ", ") + "]"
		return service(1, "", spec) + service(2, "", spec)
	},
	"placeholders beside bogus texts": values(`externalIPs: ["${A},%s"], ports: [{port: 80}]`, func(i int) string { return fmt.Sprintf("x%d", i) }),
	"equal pools":                     each(func(i int) string { return pool(i, "10.0.0.0/8") }),
	"nested pools":                    each(func(i int) string { return pool(i, fmt.Sprintf("10.0.0.0-10.255.%d.%d", i/256, i%256)) }),
	"a chain of pools": each(func(i int) string {
		return pool(i, fmt.Sprintf("10.%d.%d.0-10.%d.%d.10", i/256, i%256, (i+1)/256, (i+1)%256))
	}),
	"pools that end one by one": each(func(i int) string { return pool(i, fmt.Sprintf("10.0.%d.%d-10.255.%d.%d", i/256, i%256, i/256, i%256)) }),
	"wide pools over narrow ones": each(func(i int) string {
		return pool(i, fmt.Sprintf("10.0.%d.%d/32", i/250, i%250)) + pool(i+100_000, fmt.Sprintf("10.0.0.0-10.0.255.%d", i%15))
	}),
	"Services in overlapping pools": each(func(i int) string {
		return pool(i, fmt.Sprintf("10.0.0.0-10.255.%d.%d", i/256, i%256)) + service(i, "", fmt.Sprintf("externalIPs: [%s], ports: [{port: 80}]", address(i)))
	}),
	"ranges of one pool": func(n int) string {
		var list []string
		for i := range n {
			list = append(list, fmt.Sprintf("10.0.0.0-10.255.%d.%d", i/256, i%256))
		}
		return pool(0, strings.Join(list, ", ")) + pool(1, "10.0.0.0/8")
	},
	"Nodes with one address": func(n int) string {
		return each(func(i int) string { return node(i+2, "10.0.0.9") })(n) + service(1, "", "externalIPs: [10.0.0.9], ports: [{port: 80}]")
	},
	"Nodes in one pool": func(n int) string {
		return each(func(i int) string { return node(i+2, address(i)) })(n) + pool(1, "10.0.0.0/8")
	},
	"Gateways on one address": each(func(i int) string {
		return fmt.Sprintf("---\napiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: g%d}\nspec: {gatewayClassName: c, addresses: [{value: 10.0.0.1}]}\n", i)
	}),
	"slices that lead to the apiserver": each(func(i int) string { return endpoints(i, "10.0.0.1") }),
	"slices that lead to a Pod": func(n int) string {
		return each(func(i int) string { return endpoints(i, "10.244.0.1") })(n) + pod(0, "10.244.0.1")
	},
	"a slice that leads to Pods": func(n int) string {
		var ips []string
		for i := range n {
			ips = append(ips, address(i))
		}
		return each(func(i int) string { return pod(i, address(i)) })(n) + endpoints(1, strings.Join(ips, ", "))
	},
	"Pods with one address": func(n int) string {
		return each(func(i int) string { return pod(i, "10.244.0.1") })(n) + service(1, "", "externalIPs: [10.244.0.1], ports: [{port: 80}]")
	},
	"permissions of an object": func(n int) string {
		var allows []string
		for i := range n {
			allows = append(allows, fmt.Sprintf("WH%d reason=r", i+1000))
		}
		return service(1, `annotations: {whohas.io/allow: "`+strings.Join(allows, ";")+`"}`, "externalIPs: [10.0.0.1], ports: [{port: 80}]")
	},
	"permissions of objects": each(func(i int) string {
		return service(i, "annotations: {whohas.io/allow: WH101 reason=r}", fmt.Sprintf("externalIPs: [%s], ports: [{port: 80}]", address(i))) + node(i+2, address(i))
	}),
}

// few is the cluster in which the worst happens: one node, where the apiserver is.
const few = `apiVersion: v1
kind: Node
metadata: {name: n1}
status: {addresses: [{type: InternalIP, address: 10.0.0.1}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: kubernetes, namespace: default, labels: {kubernetes.io/service-name: kubernetes}}
addressType: IPv4
endpoints: [{addresses: [10.0.0.1]}]
ports: [{port: 6443}]
`

func each(object func(i int) string) func(int) string {
	return func(n int) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(object(i))
		}
		return b.String()
	}
}

// values is one Service with n values.
func values(spec string, value func(i int) string) func(int) string {
	return func(n int) string {
		list := make([]string, n)
		for i := range list {
			list[i] = value(i)
		}
		return service(0, "", fmt.Sprintf(spec, strings.Join(list, ",")))
	}
}

func address(i int) string { return fmt.Sprintf("10.1.%d.%d", i/250, i%250+1) }

func service(i int, meta, spec string) string {
	if meta != "" {
		meta = ", " + meta
	}
	return fmt.Sprintf("---\napiVersion: v1\nkind: Service\nmetadata: {name: s%d%s}\nspec: {%s}\n", i, meta, spec)
}

func pool(i int, ranges string) string {
	return fmt.Sprintf("---\napiVersion: metallb.io/v1beta1\nkind: IPAddressPool\nmetadata: {name: p%d, namespace: m}\nspec: {addresses: [%s]}\n", i, ranges)
}

func node(i int, ip string) string {
	return fmt.Sprintf("---\napiVersion: v1\nkind: Node\nmetadata: {name: n%d}\nstatus: {addresses: [{type: InternalIP, address: %s}]}\n", i, ip)
}

func pod(i int, ip string) string {
	return fmt.Sprintf("---\napiVersion: v1\nkind: Pod\nmetadata: {name: p%d, namespace: shop}\nspec: {nodeName: n1}\nstatus: {phase: Running, podIP: %s, podIPs: [{ip: %s}]}\n", i, ip, ip)
}

func endpoints(i int, ips string) string {
	return fmt.Sprintf("---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: e%d, namespace: demo, labels: {kubernetes.io/service-name: web}}\naddressType: IPv4\nendpoints: [{addresses: [%s]}]\nports: [{port: 6443}]\n", i, ips)
}

// cost is what a world takes: bytes allocated and bytes written, by step.
func cost(t *testing.T, text string) map[string]uint64 {
	s, err := scenario.Parse("worst", []byte("-- w.yaml --\n"+few+text+"-- want --\n"))
	if err != nil {
		t.Fatal(err)
	}
	s.Mode = dataplane.IPVS
	out := map[string]uint64{}
	var r *report.Report
	out["check"] = allocated(func() { r = of(s) })
	for name, format := range everyFormat(report.TextOptions{}) {
		var size counter
		out[name] = allocated(func() { err = format(&size, r) })
		if err != nil {
			t.Fatal(err)
		}
		out[name+" written"] = uint64(size)
	}
	found := check.Result{Findings: r.Findings, Hidden: r.Hidden}
	out["worse than itself"] = allocated(func() {
		if worse := check.Worse(found, found); len(worse.Findings) > 0 {
			t.Errorf("worse than itself: %s", worse.Findings[0].Title)
		}
	})
	all, view := claim.PrefixRange(netip.MustParsePrefix("10.0.0.0/8")), claimants.View(s.Snapshot)
	out["who"] = allocated(func() { who.Of(all, view, r.Facts, r.Findings) })
	out["free"] = allocated(func() { who.FreeIn(all, 10, view, r.Facts) })
	return out
}

func allocated(do func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	do()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

type counter uint64

func (c *counter) Write(b []byte) (int, error) { *c += counter(len(b)); return len(b), nil }

var _ io.Writer = (*counter)(nil)

// still are the steps that grow with the square: each address of a range that is asked
// about names all pools around it, and each node that is taken all nodes that lose it.
var still = map[string][]string{
	"Services in overlapping pools": {"who"},
	"wide pools over narrow ones":   {"who"},
	"permissions of objects":        {"check", "json", "json written", "who"},
}

// TestGrowth: four times as much takes no more than about four times as much memory,
// and as long a report. What is below a mebibyte is not looked at.
func TestGrowth(t *testing.T) {
	const n, most = 150, 8 // a slice that doubles makes six of four; its square is sixteen
	for name, world := range worst {
		t.Run(name, func(t *testing.T) {
			small, large := cost(t, world(n)), cost(t, world(4*n))
			for step, got := range large {
				if !slices.Contains(still[name], step) && got > 1<<20 && got > most*max(small[step], 1<<16) {
					t.Errorf("%s: %d KiB for %d, %d KiB for %d", step, small[step]>>10, n, got>>10, 4*n)
				}
			}
		})
	}
}
