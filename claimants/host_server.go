// SPDX-License-Identifier: Apache-2.0

package claimants

import (
	"fmt"

	"whohas/claim"
	"whohas/dataplane"
	"whohas/snapshot"
)

// HostServer is where a host's own files say that the apiserver is.
var HostServer = add(Claimant{
	Kind: "host.server",
	Role: claim.ControlPlane,
	Doc:  "A server in a kubeconfig, a static Pod or the agent's configuration on a host: its kubelet or kube-proxy reaches the apiserver there. It needs no apiserver to be known.",
	Host: func(h *dataplane.Host, yield Yield) {
		for _, w := range told(h, "apiserver", "control-plane") {
			c := toldClaim(h, w)
			c.Owner = controlPlane
			yield(c)
		}
	},
})

// HostEtcd is where a host's own files say that etcd is.
var HostEtcd = add(Claimant{
	Kind: "host.etcd",
	Role: claim.Reserved,
	Doc:  "An etcd server in a static Pod of a host: its apiserver keeps its objects there, or its etcd has it for a peer.",
	Host: func(h *dataplane.Host, yield Yield) { yieldTold(h, "etcd", yield) },
})

// HostResolver is a DNS server of a host.
var HostResolver = add(Claimant{
	Kind: "host.resolver",
	Role: claim.Reserved,
	Doc:  "A nameserver in a host's resolv.conf: the host and its Pods resolve names there.",
	Host: func(h *dataplane.Host, yield Yield) { yieldTold(h, "resolver", yield) },
})

// HostTimeServer is whom a host takes the time from.
var HostTimeServer = add(Claimant{
	Kind: "host.ntp",
	Role: claim.Reserved,
	Doc:  "A time server in a host's chrony.conf, ntp.conf or timesyncd.conf: clocks that drift apart break certificates, leases and etcd.",
	Host: func(h *dataplane.Host, yield Yield) { yieldTold(h, "ntp", yield) },
})

func yieldTold(h *dataplane.Host, what string, yield Yield) {
	for _, w := range told(h, what) {
		c := toldClaim(h, w)
		c.Owner = snapshot.Ref{Kind: "Reserved", Name: what}
		yield(c)
	}
}

// told lists what a host was told about servers whose address can be another's.
func told(h *dataplane.Host, whats ...string) []dataplane.ConfiguredServer {
	var out []dataplane.ConfiguredServer
	for _, w := range h.Configured {
		for _, what := range whats {
			if w.What == what && ofOneHost(plain(w.IP)) {
				out = append(out, w)
			}
		}
	}
	return out
}

func toldClaim(h *dataplane.Host, w dataplane.ConfiguredServer) claim.Claim {
	table := w.File
	if w.Line > 0 {
		table = fmt.Sprintf("%s:%d", w.File, w.Line)
	}
	c := kernelClaim(h, plain(w.IP), table)
	c.Text, c.Scope = plain(w.IP).String(), claim.Scope{}
	if w.Port != 0 {
		c.Ports = claim.Ports{{Proto: "TCP", Number: w.Port}}
		if w.What == "ntp" {
			c.Ports[0].Proto = "UDP"
		}
	}
	return c
}
