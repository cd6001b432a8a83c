// SPDX-License-Identifier: Apache-2.0

// Package who answers the question the project is named after: who has this
// address, who else thinks so, and which addresses nobody has.
package who

import (
	"fmt"
	"net/netip"
	"slices"

	"whohas/claim"
	"whohas/claimants"
	"whohas/cluster"
	"whohas/explain"
	"whohas/rule"
	"whohas/snapshot"
)

// Verdict is the answer in one word.
type Verdict string

// The verdicts. Unclaimed means in what was read, and nothing more.
const (
	Unclaimed Verdict = "unclaimed"
	Owned     Verdict = "owned"
	Shared    Verdict = "shared"
	Contested Verdict = "contested"
)

// Answer is what is known of one address, or of the part of a range that nobody
// claims alone.
type Answer struct {
	Range    claim.Range
	Verdict  Verdict
	Claims   []Holding // on exactly this address
	Within   []Holding // ranges that it lies in or that overlap it: pools, CIDRs
	Findings []rule.Finding
}

// Holding is a claim and where it is effective.
type Holding struct {
	claim.Claim
	Effective string
}

// Of answers for an address or a range: for a range, one answer for each address
// in it that somebody claims, after the answer for the range itself.
func Of(asked claim.Range, v claim.View, f *cluster.Facts, findings []rule.Finding) []Answer {
	whole := Answer{Range: asked, Verdict: Unclaimed}
	single := map[netip.Addr][]claim.Claim{}
	for c := range v.Overlapping(asked) {
		if c.Range.IsSingle() && !asked.IsSingle() {
			single[c.Range.From] = append(single[c.Range.From], c)
			continue
		}
		whole.hold(c, f)
	}
	whole.judge(findings)
	at := map[netip.Addr][]rule.Finding{}
	for _, f := range findings {
		if ip := f.Address(); ip.IsValid() {
			at[ip] = append(at[ip], f)
		}
	}
	answers := []Answer{whole}
	for ip, claims := range single {
		a := Answer{Range: claim.Single(ip)}
		for _, c := range claims {
			a.hold(c, f)
		}
		for _, w := range whole.Within {
			if w.Range.Contains(ip) {
				a.Within = append(a.Within, w)
			}
		}
		a.judge(at[ip])
		answers = append(answers, a)
	}
	slices.SortFunc(answers[1:], func(a, b Answer) int { return a.Range.Compare(b.Range) })
	return answers
}

// hold enters a claim: on the address itself, or on a range around it.
func (a *Answer) hold(c claim.Claim, f *cluster.Facts) {
	h := Holding{c, effective(c, f)}
	if c.Range == a.Range && c.Role&ranges == 0 {
		a.Claims = append(a.Claims, h)
	} else {
		a.Within = append(a.Within, h)
	}
}

// ranges are the roles that claim room, not an address.
const ranges = claim.Pool | claim.ServiceRange | claim.PodRange

func (a *Answer) judge(findings []rule.Finding) {
	order := func(x, y Holding) int { return claim.Compare(x.Claim, y.Claim) }
	slices.SortFunc(a.Claims, order)
	slices.SortFunc(a.Within, order)
	for _, f := range findings {
		if f.Range.IsValid() && f.Range.Overlaps(a.Range) && (f.Range.IsSingle() || !a.Range.IsSingle()) {
			a.Findings = append(a.Findings, f)
		}
	}
	a.Verdict = a.verdict()
}

func (a *Answer) verdict() Verdict {
	for _, f := range a.Findings {
		if f.Severity >= rule.Warning && len(f.Owners()) > 1 {
			return Contested
		}
	}
	switch owners := a.owners(); {
	case len(owners) == 0:
		return Unclaimed
	case len(owners) == 1:
		return Owned
	case len(a.Findings) > 0 || a.agreed():
		return Shared // what was found is no more than a remark
	}
	return Contested
}

// agreed reports whether all who claim the address name one sharing key.
func (a *Answer) agreed() bool {
	key := a.Claims[0].Share
	return key != "" && !slices.ContainsFunc(a.Claims, func(h Holding) bool { return h.Share != key })
}

// owners lists on whose behalf the address itself is claimed. What only speaks
// of an address, as a kubeadm endpoint that is a node's, owns nothing beside it.
func (a *Answer) owners() []snapshot.Ref {
	var out []snapshot.Ref
	seen := map[snapshot.Ref]bool{}
	const speakers = claim.ControlPlane | claim.Listener | claim.Endpoint | claim.Observed
	for _, h := range a.Claims {
		// What a kernel does with an address makes it nobody's.
		if h.Role&speakers != 0 && len(a.Claims) > 1 || h.Role == claim.Observed && h.Origin.Host != "" {
			continue
		}
		if !seen[h.Owner] {
			seen[h.Owner] = true
			out = append(out, h.Owner)
		}
	}
	return out
}

// effective tells where a claim does something.
func effective(c claim.Claim, f *cluster.Facts) string {
	switch c.Role {
	case claim.Host, claim.Tunnel:
		return "on node " + c.Owner.Name
	case claim.PodIP:
		return onNode(c.Scope.Host)
	case claim.Listener:
		return onNode(c.Scope.Host) + ", port " + c.Ports.String()
	case claim.VIP:
		return vipScope(c, f)
	case claim.ClusterIP:
		return "in the whole cluster, on every node"
	case claim.Request:
		return "nowhere until its controller grants it"
	case claim.Pool:
		return "nowhere until it is handed out"
	case claim.ControlPlane:
		return "where nodes and clients reach the apiserver"
	case claim.Endpoint:
		return "as an endpoint of its Service"
	case claim.Reserved:
		return "outside the cluster"
	case claim.Observed:
		return observed(c)
	}
	return "in the whole cluster"
}

// observed tells where what a kernel shows does something: only there.
func observed(c claim.Claim) string {
	switch {
	case c.Scope.Host == "":
		return "in the whole cluster"
	case len(c.Ports) > 0:
		return onNode(c.Scope.Host) + ", port " + c.Ports.String()
	case c.Kind == claimants.KernelBypass.Kind:
		return onNode(c.Scope.Host) + ": what it sends there leaves it, whatever its devices hold"
	}
	return onNode(c.Scope.Host) + ", the whole address"
}

func onNode(name string) string {
	if name == "" {
		return "on its node"
	}
	return "on node " + name
}

// vipScope tells what the service proxy does with an external address, and on
// which nodes.
func vipScope(c claim.Claim, f *cluster.Facts) string {
	era := f.Behavior()
	if !era.Binds {
		if len(c.Ports) == 0 {
			return "the Service's ports on every node"
		}
		return c.Ports.String() + " on every node"
	}
	owner, ok := f.NodeWith(c.Range.From)
	if !ok || era.OwnerBinds {
		return fmt.Sprintf("the whole address on every node (%s)", era.Device)
	}
	var nodes []string
	for _, n := range f.Nodes {
		if n.Name != owner.Name {
			nodes = append(nodes, n.Name)
		}
	}
	return fmt.Sprintf("the whole address on %s (%s), not on its owner %s", explain.Names(nodes), era.Device, owner.Name)
}
