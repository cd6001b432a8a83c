// SPDX-License-Identifier: Apache-2.0

package rules

import (
	"fmt"
	"slices"
	"strings"

	"whohas/claim"
	"whohas/claimants"
	"whohas/command"
	"whohas/explain"
	"whohas/rule"
	"whohas/rules/internal/pick"
	"whohas/snapshot"
)

// ManualEndpoint sends a Service's traffic to whom it was not meant for.
var ManualEndpoint = add(rule.Rule{
	ID:       "WH211",
	Name:     "manual-endpoint",
	Severity: rule.Error,
	Policy:   rule.Policy{None: "endpoints are no Service: the webhook asks about them"},
	Doc: rule.Doc{
		Problem: "An EndpointSlice, or Endpoints, that no known controller keeps leads to the apiserver, into a ServiceCIDR, or to a Pod of another namespace.",
		Effect:  "What comes to the Service, from a load balancer too, goes to an address of the writer's choice. The apiserver, or the Pod, sees a node or the balancer as its client: NetworkPolicies and firewalls that trust these let it in (CVE-2021-25740). An address out of a ServiceCIDR is nobody's, or another Service's.",
		Why:     "An EndpointSlice may name any address but loopback and link-local ones (kubernetes pkg/apis/core/validation/validation.go ValidateNonSpecialIP). Who may write EndpointSlices in one namespace reaches every other.",
		Fix:     "Delete it. Lead to another namespace by a Service there: with externalName, or by a route that its owner permits (ReferenceGrant).",
		Since:   "0.1",
		Refs:    []string{"https://github.com/kubernetes/kubernetes/issues/103675", "https://kubernetes.io/docs/concepts/services-networking/service/#services-without-selectors"},
	},
	Subject: claim.Endpoint,
	Against: claim.ControlPlane | claim.ServiceRange | claim.PodIP,
	Check: func(p *rule.Pass) {
		byHand := handMade(p)
		var astray []misled
		if to, owners := apiEndpoints(p, byHand); len(owners) > 0 {
			astray = append(astray, misled{rule.Error, to, owners, "the apiserver's address and port",
				"the Service's clients reach the apiserver, which sees a node's or the balancer's address instead of theirs"})
		}
		byHand = slices.DeleteFunc(byHand, joins)
		if ranges := pick.Covering(p, p.Others(claim.ServiceRange)); len(ranges) > 0 && len(byHand) > 0 {
			astray = append(astray, misled{rule.Warning, byHand, ranges, "in the ServiceCIDR " + ranges[0].Range.String(),
				"the address is no endpoint's: nobody answers, or the Service to which it is allocated"})
		}
		if to, pods := foreignPods(p, byHand); len(pods) > 0 {
			astray = append(astray, misled{rule.Warning, to, pods, "the address of " + pick.Names(pods),
				"the Service's clients reach a Pod of another namespace, past what guards that namespace"})
		}
		if len(astray) > 0 {
			leadsAstray(p, astray)
		}
	},
})

// named reports whether a label says who keeps a slice.
func named(c claim.Claim) bool { return c.Kind == claimants.NamedEndpoint.Kind }

// keepers are who is known to make slices of which no object but a label says so: the
// control plane, and what joins clusters (cilium
// pkg/clustermesh/endpointslicesync/endpointslice_controller.go controllerName; submariner
// lighthouse pkg/agent/controller LabelValueManagedBy).
var keepers = []string{"endpointslice-controller.k8s.io", "endpointslice-mesh-controller.cilium.io", "lighthouse-agent.submariner.io"}

// joins reports whether a known keeper's label is on a slice. Anyone can write it: that is no
// proof, and enough where the slice leads to no more than another namespace.
func joins(c claim.Claim) bool { return named(c) && slices.Contains(keepers, c.Agent) }

// handMade leaves out what the control plane keeps, which goes by the Service: it makes
// the slices and the Endpoints of one with a selector, and puts right what others write
// there. Endpoints stand for their mirrors; where their Service is not known, the
// control plane's label is believed (kubernetes pkg/controller/endpoint, v1.33).
func handMade(p *rule.Pass) []claim.Claim {
	const kept = "endpointslice-controller.k8s.io"
	claims := p.Subjects()
	mirrored := map[snapshot.Ref]bool{}
	for _, c := range claims {
		mirrored[c.Owner] = mirrored[c.Owner] || c.Kind == claimants.ManualEndpoints.Kind
	}
	return slices.DeleteFunc(claims, func(c claim.Claim) bool {
		switch service := p.Object(c.Owner); {
		case c.Kind == claimants.ManualEndpoints.Kind:
			return service == nil && c.Agent == "endpoint-controller" || service != nil && hasSelector(service)
		case !named(c):
			return false
		case c.Agent == "endpointslicemirroring-controller.k8s.io" && mirrored[c.Owner]:
			return true
		default:
			return c.Agent == kept && service != nil && hasSelector(service)
		}
	})
}

func hasSelector(service *snapshot.Object) bool { return selector(service) != "" }

// misled is what leads to whom it was not meant for, and what comes of that.
type misled struct {
	severity     rule.Severity
	to, owners   []claim.Claim
	what, effect string
}

// apiEndpoints lists what leads to a port on which the apiserver is reached, and what
// says so. Other ports of such a host are left alone: monitoring names etcd and the
// scheduler by hand.
func apiEndpoints(p *rule.Pass, byHand []claim.Claim) (to, owners []claim.Claim) {
	planes := slices.DeleteFunc(p.Others(claim.ControlPlane), func(c claim.Claim) bool { return c.Range != p.Key.Range || len(c.Ports) == 0 })
	api, named := pick.PortsOn(planes), pick.PortsOn(byHand)
	whole := false
	for _, s := range byHand {
		if len(planes) > 0 && (len(s.Ports) == 0 || pick.TakePort([]claim.Claim{s}, api)) {
			to, whole = append(to, s), whole || len(s.Ports) == 0
		}
	}
	for _, plane := range planes {
		if whole || pick.TakePort([]claim.Claim{plane}, named) {
			owners = append(owners, plane)
		}
	}
	return pick.Once(to), owners
}

// foreignPods lists what leads to Pods of other namespaces, and these.
func foreignPods(p *rule.Pass, subjects []claim.Claim) (to, pods []claim.Claim) {
	pods = slices.DeleteFunc(p.Others(claim.PodIP), func(c claim.Claim) bool {
		return c.Range != p.Key.Range || c.By.Namespace == ""
	})
	return foreigners(subjects, pods), pick.Once(foreigners(pods, subjects))
}

// foreigners keeps the claims beside which another namespace's stand.
func foreigners(claims, others []claim.Claim) []claim.Claim {
	var spaces pick.Holders
	for _, o := range others {
		spaces = spaces.And(snapshot.Ref{Namespace: o.By.Namespace})
	}
	return slices.DeleteFunc(slices.Clone(claims), func(c claim.Claim) bool { return !spaces.Beside(snapshot.Ref{Namespace: c.By.Namespace}) })
}

// leadsAstray reports all of it as one finding, the gravest first: without its gravest
// part it is still there, and not a new one.
func leadsAstray(p *rule.Pass, astray []misled) {
	var to, owners []claim.Claim
	var what []string
	var chain explain.Chain
	for _, m := range astray {
		to, owners, what = append(to, m.to...), append(owners, m.owners...), append(what, m.what)
		chain.Impacts = append(chain.Impacts, explain.Impact{Text: m.effect, Certainty: explain.Derived, Evidence: pick.Evidence(m.to)})
	}
	to = pick.Once(to)
	is := strings.Join(what, ", ")
	chain.Cause = explain.Link{Text: fmt.Sprintf("%s, which no known controller keeps, names %s: %s", pick.Names(to), p.Key.Range, is), Evidence: pick.Evidence(to)}
	chain.Fixes = []explain.Fix{{Text: "delete what nobody keeps", Steps: deletions(to)}}
	p.Report(rule.Finding{
		Severity:  astray[0].severity,
		Title:     fmt.Sprintf("%s leads to %s, %s", pick.Names(to), p.Key.Range, is),
		Claimants: append(rule.Claimants(rule.Intruder, to...), rule.Claimants(rule.Owner, owners...)...),
		Chain:     chain,
	})
}

// deletions are the steps that delete the objects which make claims.
func deletions(claims []claim.Claim) []explain.Step {
	var steps []explain.Step
	for _, c := range claims {
		steps = append(steps, explain.Step{Where: explain.Anywhere, Text: "see what it is for, and delete " + c.By.String(),
			Command: command.Object{Resource: strings.ToLower(c.By.Kind), Namespace: c.By.Namespace, Name: c.By.Name}.Delete()})
	}
	return steps
}
