// SPDX-License-Identifier: Apache-2.0

package claimants

import (
	"slices"

	"whohas/claim"
	"whohas/snapshot"
)

// Evidence are the roles in which claims say whose an address is, or what addresses
// are there for. Whoever takes an address claims in none of them (takes): so a
// claimant's role alone decides whether a change may take its claims back
// (decision 0020).
const Evidence = claim.Host | claim.ControlPlane | claim.Tunnel | claim.PodIP | claim.ClusterIP | claim.ServiceRange |
	claim.PodRange | claim.Reserved | claim.Listener | claim.Observed

// Change is the claims of a base with those of a change: objects of the change stand
// in the place of their namesakes as far as they take addresses, and what the base's
// say of owners stays.
type Change struct {
	// ByBase leaves out what the change says of owners; ByBoth has it beside what the
	// base says.
	ByBase, ByBoth claim.View
	// ByObjects is ByBoth without what the change's kernels show: another reading of a
	// host excuses nothing that its objects do.
	ByObjects claim.View
	Base, Own claim.View // of each alone
	Says      bool       // ByBase and ByBoth differ
	Replaced  map[snapshot.Ref]bool
}

// Compare makes the views of a change. Neither snapshot is changed; more is claimed
// in the base, beside it.
func Compare(base, change *snapshot.Snapshot, more ...claim.Claim) Change {
	c := Change{Base: View(base, more...), Own: View(change), Replaced: names(change)}
	standing := standing(base, change)
	kept := claim.Through(c.Base, func(x claim.Claim) (claim.Claim, bool) {
		return x, x.Role&takes == 0 || !c.Replaced[x.By] || x.Kind == ServiceIngress.Kind && standing[x.By]
	})
	forged := c.forged(base)
	own := claim.Through(c.Own, func(x claim.Claim) (claim.Claim, bool) {
		if forged[x.By] && x.Role&takes != 0 {
			x.Owner = x.By
		}
		return x, true
	})
	c.ByBase = claim.Join(kept, claim.Through(own, func(x claim.Claim) (claim.Claim, bool) { return x, x.Role&takes != 0 }))
	c.ByBoth = claim.Join(kept, own)
	c.ByObjects = claim.Join(kept, claim.Through(own, func(x claim.Claim) (claim.Claim, bool) { return x, x.By.Kind != "Host" }))
	for range c.Own.In(Evidence) {
		c.Says = true
		break
	}
	return c
}

func names(s *snapshot.Snapshot) map[snapshot.Ref]bool {
	all := make(map[snapshot.Ref]bool, len(s.Objects)+len(s.Pods)+len(s.Slices)+len(s.Hosts))
	for _, o := range s.Objects {
		all[o.Ref] = true
	}
	for i := range s.Pods {
		all[s.Pods[i].Ref()] = true
	}
	for i := range s.Slices {
		all[s.Slices[i].Ref] = true
	}
	for i := range s.Hosts {
		all[HostRef(s.Hosts[i].Name)] = true
	}
	return all
}

// standing are the Services of a change whose status stays as the base has it: an
// apply leaves the status alone, whatever a manifest says or leaves out there, and a
// controller has no reason to give an address back while the Service is one of type
// LoadBalancer and asks for the same.
func standing(base, change *snapshot.Snapshot) map[snapshot.Ref]bool {
	all := map[snapshot.Ref]bool{}
	for _, o := range change.Kind(serviceKind) {
		was := base.First(o.Ref)
		if was != nil && isLoadBalancer(o) && programmed(o) && slices.Equal(asked(was), asked(o)) {
			all[o.Ref] = true
		}
	}
	return all
}

// asked are the addresses that a Service asks for.
func asked(o *snapshot.Object) []string {
	var texts []string
	for _, x := range Claims(o) {
		if x.Role == claim.Request {
			texts = append(texts, x.Range.String()+" "+string(x.Kind))
		}
	}
	slices.Sort(texts)
	return texts
}

// forged are the objects of a change that take an address on behalf of an owner who
// is the base's, and for whom they do not in the base: whose Service a Gateway's
// controller made is no statement of the Service's author.
func (c *Change) forged(base *snapshot.Snapshot) map[snapshot.Ref]bool {
	all := map[snapshot.Ref]bool{}
	for x := range c.Own.In(takes) {
		if x.Owner == x.By || all[x.By] || base.First(x.Owner) == nil {
			continue
		}
		known := false
		for was := range c.Base.Of(x.By) {
			known = known || was.Owner == x.Owner
		}
		if !known {
			all[x.By] = true
		}
	}
	return all
}
