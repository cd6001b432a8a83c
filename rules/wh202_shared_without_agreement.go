// SPDX-License-Identifier: Apache-2.0

package rules

import (
	"fmt"
	"slices"
	"strings"

	"whohas/claim"
	"whohas/rule"
	"whohas/rules/internal/chain"
	"whohas/rules/internal/fix"
	"whohas/rules/internal/pick"
	"whohas/snapshot"
)

// SharedWithoutAgreement is two Services on one address that never said so.
var SharedWithoutAgreement = add(rule.Rule{
	ID:       "WH202",
	Name:     "shared-without-agreement",
	Severity: rule.Error,
	Policy:   rule.Policy{None: "it takes two objects, of which an admission policy sees one"},
	Doc: rule.Doc{
		Problem: "Several Services have, or ask for, one external or load-balancer address, and no sharing key says that they mean to; or their controller will not let them share it.",
		Effect:  "Nothing breaks while the ports differ. But whoever removes, moves or restricts the address for one Service does it for all; and a controller that shares only by agreement, or was asked for one port twice, refuses one of them.",
		Why:     "MetalLB and Cilium share an address only between Services with the same key; MetalLB also wants equal selectors with externalTrafficPolicy Local, Cilium a permission across namespaces. An address in externalIPs has no such word at all.",
		Fix:     "Give each Service its own address, or state the agreement: metallb.io/allow-shared-ip or lbipam.cilium.io/sharing-key with one value on all of them.",
		Since:   "0.1",
		Refs:    []string{"https://metallb.io/usage/#ip-address-sharing", "https://docs.cilium.io/en/stable/network/lb-ipam/#sharing-keys"},
	},
	After:   []*rule.Rule{ExternalIPIsNode, LBIPIsNode, LBRequestIsNode, DuplicateFrontend},
	Subject: claim.VIP | claim.Request,
	Against: claim.VIP | claim.Request | claim.Host,
	Check: func(p *rule.Pass) {
		sharers := pick.WithoutGateways(p.Subjects())
		// A node's address is another matter: WH101 to WH103 speak about it.
		if owners(sharers) < 2 || len(p.Others(claim.Host)) > 0 {
			return
		}
		refusal, agreed := agreement(p, sharers)
		if agreed {
			return
		}
		severity, title := rule.Warning, fmt.Sprintf("%s is shared by %s without an agreement", p.Key.Range, pick.Names(sharers))
		cause, effect := "no common sharing key says that they mean to", "what is done to the address for one of them is done to all"
		if refusal != "" {
			severity, title = rule.Error, fmt.Sprintf("%s cannot be shared by %s", p.Key.Range, pick.Names(sharers))
			cause, effect = refusal, "the controller refuses the address to one of them; which one may change when it restarts"
		}
		p.Report(rule.Finding{
			Severity:  severity,
			Title:     title,
			Claimants: rule.Claimants(rule.Rival, sharers...),
			Chain: chain.SimpleChain(fmt.Sprintf("%s all claim %s: %s", pick.Names(sharers), p.Key.Range, cause), effect, sharers,
				fix.RemoveAll(p, "leave the address to one of them, or state the agreement; this takes it from all but the first", pick.LaterOwners(sharers))),
		})
	},
})

// owners counts on whose behalf claims are made.
func owners(claims []claim.Claim) int {
	seen := map[snapshot.Ref]bool{}
	for _, c := range claims {
		seen[c.Owner] = true
	}
	return len(seen)
}

// agreement reports whether all sharers agree, each with each other owner's, and if not,
// why the controller will refuse one of them where it is known to. Each with each,
// because what a third one does makes no pair better; but each is looked at once, for
// there may be thousands at one address.
func agreement(p *rule.Pass, sharers []claim.Claim) (refusal string, agreed bool) {
	if ports := twiceAskedFor(sharers); len(ports) > 0 {
		return ports.String() + " of one address can be granted to one of them only", false
	}
	keyed := slices.DeleteFunc(slices.Clone(sharers), func(c claim.Claim) bool { return c.Share == "" })
	if owners(keyed) > 1 {
		if slices.ContainsFunc(keyed, func(c claim.Claim) bool { return c.Share != keyed[0].Share }) {
			return "their sharing keys differ", false
		}
		if why := refusedDespiteKey(p, keyed); why != "" {
			return why, false
		}
	}
	return "", len(keyed) == len(sharers)
}

// twiceAskedFor lists ports that are asked for and that another owner has or asks for
// as well. Two that were granted one port are WH201's.
func twiceAskedFor(sharers []claim.Claim) claim.Ports {
	all, asked := pick.FrontendsOf(sharers), pick.FrontendsOf(pick.InRole(sharers, claim.Request))
	for _, c := range sharers {
		others := asked
		if c.Role == claim.Request {
			others = all
		}
		if ports := others.Shared(c); len(ports) > 0 {
			return ports
		}
	}
	return nil
}

// refusedDespiteKey says why claims of one key cannot all be granted, or "".
func refusedDespiteKey(p *rule.Pass, keyed []claim.Claim) string {
	keyed = slices.DeleteFunc(slices.Clone(keyed), func(c claim.Claim) bool { return p.Object(c.By) == nil })
	switch {
	case len(keyed) == 0:
	case strings.HasPrefix(keyed[0].Share, "metallb:") && localElsewhere(p, keyed):
		return "externalTrafficPolicy Local with different selectors is not shared by MetalLB"
	case strings.HasPrefix(keyed[0].Share, "cilium:") && !permitted(p, keyed):
		return "they are in different namespaces, and not both permit it by lbipam.cilium.io/sharing-cross-namespace"
	}
	return ""
}

// localElsewhere reports whether a claim whose traffic stays local has another selector
// than a claim of another owner.
func localElsewhere(p *rule.Pass, keyed []claim.Claim) bool {
	type side struct {
		owner    snapshot.Ref
		selector string
	}
	sides := map[side]int{} // how many there are of an owner, of a selector, of both
	locals := map[side]bool{}
	for _, c := range keyed {
		o := p.Object(c.By)
		x := side{c.Owner, selector(o)}
		if sides[x]++; sides[x] == 1 {
			sides[side{owner: x.owner, selector: "\x00any"}]++
			sides[side{selector: x.selector}]++
			sides[side{selector: "\x00any"}]++
		}
		if local(o) {
			locals[x] = true
		}
	}
	for x := range locals { // all, less its owner's and its selector's, of which it is both
		if sides[side{selector: "\x00any"}]-sides[side{owner: x.owner, selector: "\x00any"}]-sides[side{selector: x.selector}]+1 > 0 {
			return true
		}
	}
	return false
}

// permitted reports whether claims permit each other's namespaces.
func permitted(p *rule.Pass, keyed []claim.Claim) bool {
	spaces := map[string]bool{}
	for _, c := range keyed {
		spaces[c.By.Namespace] = true
	}
	for _, c := range keyed {
		if !permits(p.Object(c.By), spaces) {
			return false
		}
	}
	return true
}

func local(o *snapshot.Object) bool {
	return o.Field("spec", "externalTrafficPolicy").Text() == "Local"
}

// selector is a Service's selector in one order.
func selector(o *snapshot.Object) string {
	var parts []string
	for k, v := range o.Field("spec", "selector").Entries() {
		parts = append(parts, k+"="+v.Text())
	}
	slices.Sort(parts)
	return strings.Join(parts, ",")
}

// permits reports whether an object permits all of some namespaces, its own in any case.
func permits(o *snapshot.Object, spaces map[string]bool) bool {
	text := o.Annotation("lbipam.cilium.io/sharing-cross-namespace").Text()
	if text == "" {
		text = o.Annotation("io.cilium/lb-ipam-sharing-cross-namespace").Text()
	}
	allowed := map[string]bool{o.Ref.Namespace: true}
	for space := range strings.SplitSeq(text, ",") {
		if space == "*" {
			return true
		}
		if spaces[space] {
			allowed[space] = true
		}
	}
	return len(allowed) == len(spaces)
}
