// SPDX-License-Identifier: Apache-2.0

package claimants

import (
	"whohas/claim"
	"whohas/cluster"
	"whohas/snapshot"
)

// PodAddress is a running Pod's own address.
var PodAddress = add(Claimant{
	Kind: "pod.ip",
	Role: claim.PodIP,
	Doc:  "`status.podIPs` of a Pod that has its own network: the CNI gave it the address.",
	Of:   snapshot.PodKind,
	Pod: func(p *snapshot.Pod, yield Yield) {
		if p.HostNetwork || p.Finished {
			return
		}
		podAddresses(p, yield, claim.Claim{Scope: claim.Scope{Host: p.Node, Namespace: p.Namespace, Pod: p.Name}})
	},
})

// PodHostNetwork is the address of a Pod in its node's network: the node's.
var PodHostNetwork = add(Claimant{
	Kind: "pod.hostIP",
	Role: claim.Host,
	Doc:  "`status.podIPs` of a Pod with hostNetwork: its node's own address, which shows whose it is even where Nodes may not be read.",
	Of:   snapshot.PodKind,
	Pod: func(p *snapshot.Pod, yield Yield) {
		if p.HostNetwork && !p.Finished && p.Node != "" {
			podAddresses(p, yield, claim.Claim{Owner: cluster.NodeKind.Ref("", p.Node)})
		}
	},
})

func podAddresses(p *snapshot.Pod, yield Yield, c claim.Claim) {
	for _, ip := range p.IPs {
		c.Range = claim.Single(ip)
		c.Origin = snapshot.Origin{File: p.File, Line: p.Line, Field: "status.podIPs"}
		yield(c)
	}
}

// PodHostPort is a port that a Pod takes on its node.
var PodHostPort = add(Claimant{
	Kind: "pod.hostPort",
	Role: claim.Listener,
	Doc:  "`hostPort` of a container: a port of the node's address.",
	Of:   snapshot.PodKind,
	Pod: func(p *snapshot.Pod, yield Yield) {
		if p.Finished {
			return
		}
		for _, hp := range p.HostPorts {
			ip := hp.IP
			if !ip.IsValid() {
				continue
			}
			yield(claim.Claim{
				Range: claim.Single(ip), Ports: claim.Ports{hp.Port},
				Scope:  claim.Scope{Host: p.Node},
				Origin: snapshot.Origin{File: p.File, Line: p.Line, Field: "spec.containers[].ports[].hostPort"},
			})
		}
	},
})
