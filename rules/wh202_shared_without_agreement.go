// SPDX-License-Identifier: Apache-2.0

package rules

import (
	"fmt"
	"slices"
	"strings"

	"whohas/claim"
	"whohas/rule"
	"whohas/snapshot"
)

// SharedWithoutAgreement is two Services on one address that never said so.
var SharedWithoutAgreement = add(rule.Rule{
	ID:       "WH202",
	Name:     "shared-without-agreement",
	Severity: rule.Error,
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
		sharers := withoutGateways(p.Subjects())
		// A node's address is another matter: WH101 to WH103 speak about it.
		if owners(sharers) < 2 || len(p.Others(claim.Host)) > 0 {
			return
		}
		refusal, agreed := agreement(p, sharers)
		if agreed {
			return
		}
		severity, title := rule.Warning, fmt.Sprintf("%s is shared by %s without an agreement", p.Key.Range, names(sharers))
		cause, effect := "no common sharing key says that they mean to", "what is done to the address for one of them is done to all"
		if refusal != "" {
			severity, title = rule.Error, fmt.Sprintf("%s cannot be shared by %s", p.Key.Range, names(sharers))
			cause, effect = refusal, "the controller refuses the address to one of them; which one may change when it restarts"
		}
		p.Report(rule.Finding{
			Severity:  severity,
			Title:     title,
			Claimants: rule.Claimants(rule.Rival, sharers...),
			Chain: simpleChain(fmt.Sprintf("%s all claim %s: %s", names(sharers), p.Key.Range, cause), effect, sharers,
				removeAll(p, "leave the address to one of them, or state the agreement; this takes it from all but the first", laterOwners(sharers))),
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

// agreement tells whether all sharers agree, two by two, and if not, why the
// controller will refuse one of them where it is known to. Two by two, because
// what a third one does makes no pair better.
func agreement(p *rule.Pass, sharers []claim.Claim) (refusal string, agreed bool) {
	agreed = true
	for i, a := range sharers {
		for _, b := range sharers[i+1:] {
			if claim.SameOwner(a, b) {
				continue
			}
			if why := refused(p, a, b); why != "" {
				return why, false
			}
			agreed = agreed && a.Share != "" && b.Share != ""
		}
	}
	return "", agreed
}

// refused says why two claims cannot both be granted, or "". Two that were
// granted one port are WH201's.
func refused(p *rule.Pass, a, b claim.Claim) string {
	if shared, _ := a.Ports.Meet(b.Ports); len(shared) > 0 && (a.Role|b.Role)&claim.Request != 0 {
		return shared.String() + " of one address can be granted to one of them only"
	}
	switch {
	case a.Share == "" || b.Share == "":
		return ""
	case a.Share != b.Share:
		return "their sharing keys differ"
	}
	return refusedDespiteKey(p, a, b)
}

func refusedDespiteKey(p *rule.Pass, a, b claim.Claim) string {
	x, y := p.Object(a.By), p.Object(b.By)
	switch {
	case x == nil || y == nil:
	case strings.HasPrefix(a.Share, "metallb:") && (local(x) || local(y)) && !sameSelector(x, y):
		return "externalTrafficPolicy Local with different selectors is not shared by MetalLB"
	case strings.HasPrefix(a.Share, "cilium:") && a.By.Namespace != b.By.Namespace && !(permits(x, y) && permits(y, x)):
		return "they are in different namespaces, and not both permit it by lbipam.cilium.io/sharing-cross-namespace"
	}
	return ""
}

func local(o *snapshot.Object) bool {
	return o.Field("spec", "externalTrafficPolicy").Text() == "Local"
}

func sameSelector(a, b *snapshot.Object) bool {
	return selector(a) == selector(b)
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

func permits(a, b *snapshot.Object) bool {
	text := a.Annotation("lbipam.cilium.io/sharing-cross-namespace").Text()
	if text == "" {
		text = a.Annotation("io.cilium/lb-ipam-sharing-cross-namespace").Text()
	}
	allowed := strings.Split(text, ",")
	return slices.Contains(allowed, "*") || slices.Contains(allowed, b.Ref.Namespace)
}
