// SPDX-License-Identifier: Apache-2.0

package rules

import (
	"fmt"
	"slices"

	"whohas/claim"
	"whohas/explain"
	"whohas/rule"
)

// ManualEndpoint sends a Service's traffic to whom it was not meant for.
var ManualEndpoint = add(rule.Rule{
	ID:       "WH211",
	Name:     "manual-endpoint",
	Severity: rule.Error,
	Doc: rule.Doc{
		Problem: "An EndpointSlice that no controller keeps leads to the apiserver, into a ServiceCIDR, or to a Pod of another namespace.",
		Effect:  "What comes to the Service, from a load balancer too, goes to an address of the writer's choice. The apiserver, or the Pod, sees a node or the balancer as its client: NetworkPolicies and firewalls that trust these let it in (CVE-2021-25740). An address out of a ServiceCIDR is nobody's, or another Service's.",
		Why:     "An EndpointSlice may name any address but loopback and link-local ones (kubernetes pkg/apis/core/validation/validation.go ValidateNonSpecialIP). Who may write EndpointSlices in one namespace reaches every other.",
		Fix:     "Delete the slice. Lead to another namespace by a Service there: with externalName, or by a route that its owner permits (ReferenceGrant).",
		Since:   "0.1",
		Refs:    []string{"https://github.com/kubernetes/kubernetes/issues/103675", "https://kubernetes.io/docs/concepts/services-networking/service/#services-without-selectors"},
	},
	Subject: claim.Endpoint,
	Against: claim.ControlPlane | claim.ServiceRange | claim.PodIP,
	Check: func(p *rule.Pass) {
		if to, owners := apiEndpoints(p); len(owners) > 0 {
			misled(p, rule.Error, to, owners, "the apiserver's address and port", "the Service's clients reach the apiserver, which sees a node's or the balancer's address instead of theirs")
			return
		}
		led := p.Subjects()
		if ranges := covering(p, p.Others(claim.ServiceRange)); len(ranges) > 0 {
			misled(p, rule.Warning, led, ranges, "in the ServiceCIDR "+ranges[0].Range.String(), "the address is no endpoint's: nobody answers, or the Service to which it is allocated")
			return
		}
		if to, pods := foreignPods(p, led); len(pods) > 0 {
			misled(p, rule.Warning, to, pods, "the address of "+names(pods), "the Service's clients reach a Pod of another namespace, past what guards that namespace")
		}
	},
})

// apiEndpoints lists what leads to a port on which the apiserver is reached, and what
// says so. Other ports of such a host are left alone: monitoring names etcd and the
// scheduler by hand.
func apiEndpoints(p *rule.Pass) (to, owners []claim.Claim) {
	for _, plane := range p.Others(claim.ControlPlane) {
		for _, s := range p.Subjects() {
			if shared, whole := s.Ports.Meet(plane.Ports); plane.Range != p.Key.Range || len(plane.Ports) == 0 || len(shared) == 0 && !whole {
				continue
			}
			if !slices.ContainsFunc(to, func(c claim.Claim) bool { return c.By == s.By }) {
				to = append(to, s)
			}
			if !slices.ContainsFunc(owners, func(c claim.Claim) bool { return claim.Compare(c, plane) == 0 }) {
				owners = append(owners, plane)
			}
		}
	}
	return to, owners
}

// foreignPods lists what leads to Pods of other namespaces, and these.
func foreignPods(p *rule.Pass, subjects []claim.Claim) (to, pods []claim.Claim) {
	for _, s := range subjects {
		others := slices.DeleteFunc(p.Others(claim.PodIP), func(c claim.Claim) bool {
			return c.Range != p.Key.Range || c.By.Namespace == "" || c.By.Namespace == s.By.Namespace
		})
		if len(others) > 0 {
			to, pods = append(to, s), others
		}
	}
	return to, pods
}

func misled(p *rule.Pass, severity rule.Severity, to, owners []claim.Claim, what, effect string) {
	p.Report(rule.Finding{
		Severity:  severity,
		Title:     fmt.Sprintf("%s leads to %s, %s", names(to), p.Key.Range, what),
		Claimants: append(rule.Claimants(rule.Intruder, to...), rule.Claimants(rule.Owner, owners...)...),
		Chain: simpleChain(fmt.Sprintf("%s, which no controller keeps, names %s: %s", names(to), p.Key.Range, what), effect, to,
			explain.Fix{Text: "delete what nobody keeps", Steps: deletions(to)}),
	})
}

// deletions are the steps that delete the objects which make claims.
func deletions(claims []claim.Claim) []explain.Step {
	var steps []explain.Step
	for _, c := range claims {
		steps = append(steps, explain.Step{Where: explain.Anywhere, Text: "see what it is for, and delete " + c.By.String(),
			Command: fmt.Sprintf("kubectl -n %s delete endpointslice %s", c.By.Namespace, c.By.Name)})
	}
	return steps
}
