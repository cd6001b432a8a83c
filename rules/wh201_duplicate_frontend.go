// SPDX-License-Identifier: Apache-2.0

package rules

import (
	"fmt"

	"whohas/claim"
	"whohas/cluster"
	"whohas/explain"
	"whohas/rule"
	"whohas/rules/internal/chain"
	"whohas/rules/internal/fix"
	"whohas/rules/internal/pick"
	"whohas/snapshot"
)

// DuplicateFrontend is two Services behind one door.
var DuplicateFrontend = add(rule.Rule{
	ID:       "WH201",
	Name:     "duplicate-frontend",
	Severity: rule.Error,
	Policy:   rule.Policy{None: "it takes two objects, of which an admission policy sees one"},
	Doc: rule.Doc{
		Problem: "Two Services have the same address, port and protocol among their external and load-balancer addresses, or ask for the same ClusterIP.",
		Effect:  "One of them gets the traffic, on each node the one that kube-proxy happened to write last or first: it changes with restarts and differs between nodes. Of two that ask for one ClusterIP the apiserver refuses the second.",
		Why:     "The apiserver keeps ClusterIPs unique, not external addresses; kube-proxy takes what it is told. A sharing key does not help: it allows different ports only.",
		Fix:     "Give one of them another port or address.",
		Since:   "0.1",
		Refs:    []string{"https://github.com/kubernetes/kubernetes/issues/69599", "https://github.com/kubernetes/kubernetes/issues/97110", "https://github.com/kube-vip/kube-vip/issues/1006"},
	},
	Subject: claim.VIP | claim.ClusterIP,
	Against: claim.VIP | claim.ClusterIP,
	Check: func(p *rule.Pass) {
		sameClusterIP(p)
		rivals, ports := sameFrontends(pick.InRole(p.Subjects(), claim.VIP))
		if len(rivals) < 2 {
			return
		}
		p.Report(rule.Finding{
			Severity:  rule.Error,
			Title:     fmt.Sprintf("%s: %s of %s is claimed by %s", p.Key.Range, ports, p.Key.Range, pick.Names(rivals)),
			Claimants: rule.Claimants(rule.Rival, rivals...),
			Chain: chain.SimpleChain(fmt.Sprintf("%s all have %s on %s", pick.Names(rivals), ports, p.Key.Range),
				"which of them gets the traffic is decided by each node on its own, and may change with every restart of kube-proxy", rivals,
				fix.RemoveAll(p, "leave the address to one of them; this takes it from all but the first", pick.LaterOwners(rivals))),
		})
	},
})

// sameClusterIP: one apiserver never gives a ClusterIP twice, so this is found in
// manifests and in dumps that were put together; whichever is applied second is
// refused.
func sameClusterIP(p *rule.Pass) {
	rivals := pick.InRole(p.Subjects(), claim.ClusterIP)
	services := map[snapshot.Ref]bool{}
	for _, c := range rivals {
		if c.By.Kind == cluster.ServiceKind.Kind {
			services[c.By] = true
		} else {
			services[c.Owner] = true // an IPAddress speaks for its Service
		}
	}
	if len(services) < 2 {
		return
	}
	p.Report(rule.Finding{
		Severity:  rule.Error,
		Title:     fmt.Sprintf("%s is the ClusterIP of %s", p.Key.Range, pick.Names(rivals)),
		Claimants: rule.Claimants(rule.Rival, rivals...),
		Chain: chain.SimpleChain(fmt.Sprintf("%s all ask for the ClusterIP %s", pick.Names(rivals), p.Key.Range),
			"the apiserver refuses whichever is applied second", rivals,
			explain.Fix{Text: "leave clusterIP out of all but one of them: the apiserver then allocates one"}),
	})
}

// sameFrontends lists the claims that share a port and protocol with a claim of
// another owner, and these ports. A claim without ports has those of all others. It
// looks at each claim once, not at each two: there may be thousands at one address.
func sameFrontends(vips []claim.Claim) (rivals []claim.Claim, ports claim.Ports) {
	f := pick.FrontendsOf(vips)
	seen := map[snapshot.Port]bool{}
	for _, c := range vips {
		shared := f.Shared(c)
		for _, p := range shared {
			if !seen[p] {
				seen[p] = true
				ports = append(ports, p)
			}
		}
		if len(shared) > 0 || len(c.Ports) == 0 && f.Some.Beside(c.Owner) {
			rivals = append(rivals, c)
		}
	}
	return rivals, ports
}
