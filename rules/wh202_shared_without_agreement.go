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
	Severity: rule.Warning,
	Doc: rule.Doc{
		Problem: "Several Services have one external or load-balancer address on different ports, and no sharing key says that they mean to.",
		Effect:  "Nothing breaks while the ports differ. But whoever removes, moves or restricts the address for one Service does it for all; and a controller that shares only by agreement refuses one of them.",
		Why:     "MetalLB and Cilium share an address only between Services with the same key; MetalLB also wants equal selectors with externalTrafficPolicy Local, Cilium a permission across namespaces. An address in externalIPs has no such word at all.",
		Fix:     "Give each Service its own address, or state the agreement: metallb.io/allow-shared-ip or lbipam.cilium.io/sharing-key with one value on all of them.",
		Since:   "0.1",
		Refs:    []string{"https://metallb.io/usage/#ip-address-sharing", "https://docs.cilium.io/en/stable/network/lb-ipam/#sharing-keys"},
	},
	After:   []*rule.Rule{ExternalIPIsNode, LBIPIsNode, LBRequestIsNode, DuplicateFrontend},
	Subject: claim.VIP | claim.Request,
	Check: func(p *rule.Pass) {
		sharers := serviceRequests(p.Subjects())
		// A node's address is another matter: WH101 to WH103 speak about it.
		if owners(sharers) < 2 || len(p.Others(claim.Host)) > 0 {
			return
		}
		refusal, agreed := agreement(p, sharers)
		if agreed {
			return
		}
		severity, effect := rule.Warning, "what is done to the address for one of them is done to all"
		if refusal != "" {
			severity, effect = rule.Error, refusal
		}
		p.Report(rule.Finding{
			Severity:  severity,
			Title:     fmt.Sprintf("%s is shared by %s without an agreement", p.Key.Range, names(sharers)),
			Claimants: rule.Claimants(rule.Rival, sharers...),
			Chain: simpleChain(fmt.Sprintf("%s have %s, on different ports, with no common sharing key", names(sharers), p.Key.Range), effect, sharers,
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

// agreement tells whether all sharers have one key, and if they have not or if
// the key is not enough, why the controller will refuse one of them.
func agreement(p *rule.Pass, sharers []claim.Claim) (refusal string, agreed bool) {
	keys := map[string]bool{}
	for _, s := range sharers {
		keys[s.Share] = true
	}
	if len(keys) > 1 {
		if !keys[""] {
			return "their sharing keys differ: the controller refuses one of them", false
		}
		return "", false
	}
	if keys[""] {
		return "", false
	}
	refusal = refusedDespiteKey(p, sharers)
	return refusal, refusal == ""
}

func refusedDespiteKey(p *rule.Pass, sharers []claim.Claim) string {
	var objects []*snapshot.Object
	for _, s := range sharers {
		if o := p.Object(s.By); o != nil && !slices.Contains(objects, o) {
			objects = append(objects, o)
		}
	}
	for _, a := range objects {
		for _, b := range objects {
			switch {
			case a.Ref == b.Ref:
			case strings.HasPrefix(sharers[0].Share, "metallb:") && (local(a) || local(b)) && !sameSelector(a, b):
				return "externalTrafficPolicy Local with different selectors: MetalLB refuses to share"
			case strings.HasPrefix(sharers[0].Share, "cilium:") && a.Ref.Namespace != b.Ref.Namespace && !permits(a, b):
				return "they are in different namespaces without lbipam.cilium.io/sharing-cross-namespace: Cilium refuses to share"
			}
		}
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
