// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"net/netip"
	"testing"

	"whohas/dataplane"
	"whohas/diagnose"
	"whohas/internal/config"
	"whohas/report"
	"whohas/snapshot"
	"whohas/source/node"
)

// largeHost is a node of a large cluster in the outage: 10,000 virtual servers and
// 15,000 addresses on kube-ipvs0 beside the stolen one (lab diagnose-large).
func largeHost() dataplane.Host {
	h := dataplane.Host{Name: "cdev02", Kernel: "6.1.0", Links: []dataplane.Link{
		{Index: 1, Name: "lo", Up: true, Carrier: true},
		{Index: 2, Name: "eth0", MAC: "52:54:00:00:00:02", Up: true, Carrier: true},
		{Index: 3, Name: "kube-ipvs0", Kind: "dummy", NoARP: true},
	}}
	cluster := dataplane.Set{Name: "KUBE-CLUSTER-IP", Type: "hash:ip,port"}
	add := func(link, prefix string) {
		p := netip.MustParsePrefix(prefix)
		h.Addresses = append(h.Addresses, dataplane.Address{Link: link, Prefix: p, Scope: "global"})
		h.Routes = append(h.Routes, dataplane.Route{Table: dataplane.TableLocal, Type: "local", To: netip.PrefixFrom(p.Addr(), p.Addr().BitLen()), Link: link})
	}
	add("eth0", "192.168.10.115/24")
	add("kube-ipvs0", "192.168.10.114/32")
	for i := range 15000 {
		ip := fmt.Sprintf("10.97.%d.%d", i/250+1, i%250+1)
		add("kube-ipvs0", ip+"/32")
		if i < 10000 {
			h.Servers = append(h.Servers, dataplane.VirtualServer{Proto: "TCP", IP: netip.MustParseAddr(ip), Port: 80, Scheduler: "rr",
				Servers: []dataplane.RealServer{{IP: netip.MustParseAddr("10.244.3.7"), Port: 8080, Forward: "masq", Weight: 1}}})
			cluster.Members = append(cluster.Members, ip+",tcp:80")
		}
	}
	h.Sets = []dataplane.Set{cluster, {Name: "KUBE-EXTERNAL-IP", Type: "hash:ip,port", Members: []string{"192.168.10.114,tcp:80"}}}
	h.Configured = []dataplane.ConfiguredServer{{What: "apiserver", For: "kubelet", IP: netip.MustParseAddr("192.168.10.114"), Port: 6443, File: "/etc/kubernetes/kubelet.conf", Line: 6}}
	return h
}

// BenchmarkLargeHost is what a diagnosis does once the host has been read.
func BenchmarkLargeHost(b *testing.B) {
	h := largeHost()
	for b.Loop() {
		wire := node.WireTargets(&h, nil)
		into := &snapshot.Builder{}
		into.AddHost(h)
		seen, err := (&env{end: newEnding()}).judged(b.Context(), looked{snapshot: into.Snapshot(), config: &config.Config{}, node: "cdev02"}, &inputs{})
		if err != nil {
			b.Fatal(err)
		}
		d := diagnose.Run(seen)
		if d.Cause == nil || d.Cause.Place() != "192.168.10.114" || len(wire) == 0 {
			b.Fatalf("%s, %d targets", d.Title, len(wire))
		}
		_ = report.Diagnosis{Diagnosis: d}
	}
}
