// SPDX-License-Identifier: Apache-2.0

package rules

import (
	"fmt"
	"slices"

	"whohas/claim"
	"whohas/cluster"
	"whohas/explain"
	"whohas/rule"
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
		rivals, ports := sameFrontends(inRole(p.Subjects(), claim.VIP))
		if len(rivals) < 2 {
			return
		}
		p.Report(rule.Finding{
			Severity:  rule.Error,
			Title:     fmt.Sprintf("%s: %s of %s is claimed by %s", p.Key.Range, ports, p.Key.Range, names(rivals)),
			Claimants: rule.Claimants(rule.Rival, rivals...),
			Chain: simpleChain(fmt.Sprintf("%s all have %s on %s", names(rivals), ports, p.Key.Range),
				"which of them gets the traffic is decided by each node on its own, and may change with every restart of kube-proxy", rivals,
				removeAll(p, "leave the address to one of them; this takes it from all but the first", laterOwners(rivals))),
		})
	},
})

// sameClusterIP: one apiserver never gives a ClusterIP twice, so this is found in
// manifests and in dumps that were put together; whichever is applied second is
// refused.
func sameClusterIP(p *rule.Pass) {
	rivals := inRole(p.Subjects(), claim.ClusterIP)
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
		Title:     fmt.Sprintf("%s is the ClusterIP of %s", p.Key.Range, names(rivals)),
		Claimants: rule.Claimants(rule.Rival, rivals...),
		Chain: simpleChain(fmt.Sprintf("%s all ask for the ClusterIP %s", names(rivals), p.Key.Range),
			"the apiserver refuses whichever is applied second", rivals,
			explain.Fix{Text: "leave clusterIP out of all but one of them: the apiserver then allocates one"}),
	})
}

// sameFrontends lists the claims that share a port and protocol with a claim of
// another owner, and these ports. A claim without ports has those of all others. It
// looks at each claim once, not at each two: there may be thousands at one address.
func sameFrontends(vips []claim.Claim) (rivals []claim.Claim, ports claim.Ports) {
	f := frontendsOf(vips)
	seen := map[snapshot.Port]bool{}
	for _, c := range vips {
		shared := f.shared(c)
		for _, p := range shared {
			if !seen[p] {
				seen[p] = true
				ports = append(ports, p)
			}
		}
		if len(shared) > 0 || len(c.Ports) == 0 && f.some.beside(c.Owner) {
			rivals = append(rivals, c)
		}
	}
	return rivals, ports
}

// frontends are who has a port, who has none and so all, and who has some.
type frontends struct {
	on          map[snapshot.Port]holders
	whole, some holders
}

func frontendsOf(claims []claim.Claim) frontends {
	f := frontends{on: map[snapshot.Port]holders{}}
	for _, c := range claims {
		if len(c.Ports) == 0 {
			f.whole = f.whole.and(c.Owner)
			continue
		}
		f.some = f.some.and(c.Owner)
		for _, p := range c.Ports {
			f.on[p] = f.on[p].and(c.Owner)
		}
	}
	return f
}

// shared lists the ports of a claim that another owner has as well.
func (f frontends) shared(c claim.Claim) claim.Ports {
	var ports claim.Ports
	for _, p := range c.Ports {
		if f.whole.beside(c.Owner) || f.on[p].beside(c.Owner) {
			ports = append(ports, p)
		}
	}
	return ports
}

// holders are the owners that have something: who came first, and whether there are
// others.
type holders struct {
	first         snapshot.Ref
	taken, shared bool
}

func (h holders) and(owner snapshot.Ref) holders {
	if !h.taken {
		return holders{first: owner, taken: true}
	}
	h.shared = h.shared || owner != h.first
	return h
}

func holdersOf(claims []claim.Claim) (h holders) {
	for _, c := range claims {
		h = h.and(c.Owner)
	}
	return h
}

// beside tells whether somebody else has it.
func (h holders) beside(owner snapshot.Ref) bool { return h.taken && (h.shared || h.first != owner) }

// laterOwners lists the claims of every owner but the first.
func laterOwners(claims []claim.Claim) []claim.Claim {
	return slices.DeleteFunc(slices.Clone(claims), func(c claim.Claim) bool { return claim.SameOwner(c, claims[0]) })
}
