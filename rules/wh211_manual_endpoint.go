// SPDX-License-Identifier: Apache-2.0

package rules

import (
	"fmt"
	"slices"
	"strings"

	"whohas/claim"
	"whohas/command"
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
		var astray []misled
		if to, owners := apiEndpoints(p); len(owners) > 0 {
			astray = append(astray, misled{rule.Error, to, owners, "the apiserver's address and port",
				"the Service's clients reach the apiserver, which sees a node's or the balancer's address instead of theirs"})
		}
		if ranges := covering(p, p.Others(claim.ServiceRange)); len(ranges) > 0 {
			astray = append(astray, misled{rule.Warning, p.Subjects(), ranges, "in the ServiceCIDR " + ranges[0].Range.String(),
				"the address is no endpoint's: nobody answers, or the Service to which it is allocated"})
		}
		if to, pods := foreignPods(p, p.Subjects()); len(pods) > 0 {
			astray = append(astray, misled{rule.Warning, to, pods, "the address of " + names(pods),
				"the Service's clients reach a Pod of another namespace, past what guards that namespace"})
		}
		if len(astray) > 0 {
			leadsAstray(p, astray)
		}
	},
})

// misled is what leads to whom it was not meant for, and what comes of that.
type misled struct {
	severity     rule.Severity
	to, owners   []claim.Claim
	what, effect string
}

// apiEndpoints lists what leads to a port on which the apiserver is reached, and what
// says so. Other ports of such a host are left alone: monitoring names etcd and the
// scheduler by hand.
func apiEndpoints(p *rule.Pass) (to, owners []claim.Claim) {
	for _, plane := range p.Others(claim.ControlPlane) {
		for _, s := range p.Subjects() {
			if shared, whole := s.Ports.Meet(plane.Ports); plane.Range != p.Key.Range || len(plane.Ports) == 0 || len(shared) == 0 && !whole {
				continue
			}
			to = append(to, s)
			if !slices.ContainsFunc(owners, func(c claim.Claim) bool { return claim.Compare(c, plane) == 0 }) {
				owners = append(owners, plane)
			}
		}
	}
	return once(to), owners
}

// foreignPods lists what leads to Pods of other namespaces, and these.
func foreignPods(p *rule.Pass, subjects []claim.Claim) (to, pods []claim.Claim) {
	for _, s := range subjects {
		others := slices.DeleteFunc(p.Others(claim.PodIP), func(c claim.Claim) bool {
			return c.Range != p.Key.Range || c.By.Namespace == "" || c.By.Namespace == s.By.Namespace
		})
		if len(others) > 0 {
			to, pods = append(to, s), append(pods, others...)
		}
	}
	return to, once(pods)
}

// leadsAstray reports all of it as one finding, the gravest first: without its gravest
// part it is still there, and not a new one.
func leadsAstray(p *rule.Pass, astray []misled) {
	var to, owners []claim.Claim
	var what []string
	var chain explain.Chain
	for _, m := range astray {
		to, owners, what = append(to, m.to...), append(owners, m.owners...), append(what, m.what)
		chain.Losses = append(chain.Losses, explain.Loss{Text: m.effect, Certainty: explain.Derived, Evidence: evidence(m.to)})
	}
	to = once(to)
	is := strings.Join(what, ", ")
	chain.Cause = explain.Link{Text: fmt.Sprintf("%s, which no controller keeps, names %s: %s", names(to), p.Key.Range, is), Evidence: evidence(to)}
	chain.Fixes = []explain.Fix{{Text: "delete what nobody keeps", Steps: deletions(to)}}
	p.Report(rule.Finding{
		Severity:  astray[0].severity,
		Title:     fmt.Sprintf("%s leads to %s, %s", names(to), p.Key.Range, is),
		Claimants: append(rule.Claimants(rule.Intruder, to...), rule.Claimants(rule.Owner, owners...)...),
		Chain:     chain,
	})
}

// once keeps the first claim of each object.
func once(claims []claim.Claim) []claim.Claim {
	var out []claim.Claim
	for _, c := range claims {
		if !slices.ContainsFunc(out, func(o claim.Claim) bool { return o.By == c.By }) {
			out = append(out, c)
		}
	}
	return out
}

// deletions are the steps that delete the objects which make claims.
func deletions(claims []claim.Claim) []explain.Step {
	var steps []explain.Step
	for _, c := range claims {
		steps = append(steps, explain.Step{Where: explain.Anywhere, Text: "see what it is for, and delete " + c.By.String(),
			Command: command.Object{Resource: "endpointslice", Namespace: c.By.Namespace, Name: c.By.Name}.Delete()})
	}
	return steps
}
