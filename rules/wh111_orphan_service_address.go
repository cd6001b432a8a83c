// SPDX-License-Identifier: Apache-2.0

package rules

import (
	"fmt"

	"whohas/claim"
	"whohas/claimants"
	"whohas/cluster"
	"whohas/explain"
	"whohas/kubeproxy"
	"whohas/rule"
	"whohas/rules/internal/fix"
	"whohas/rules/internal/pick"
	"whohas/rules/internal/theft"
	"whohas/snapshot"
)

// OrphanServiceAddress is what a proxy has left behind.
var OrphanServiceAddress = add(rule.Rule{
	ID:       "WH111",
	Name:     "orphan-service-address",
	Severity: rule.Warning,
	Policy:   rule.Policy{None: "no write brings it: a host shows it"},
	Doc: rule.Doc{
		Problem: "A host holds an address on " + kubeproxy.IPVSDevice + " or " + kubeproxy.RouterDevice + " that no Service claims.",
		Effect:  "The host takes all traffic to the address for its own. As long as nobody else has it, little is lost; whoever gets it next is not reached from this host.",
		Why:     "kube-proxy takes such addresses off at its next sync, 30 s at the latest. If one stays, kube-proxy there does not run, has changed its mode, or no longer hears from the apiserver. Addresses that were put there by hand go the same way.",
		Fix:     "See why kube-proxy does not work on this host. Restart it, then delete the address.",
		Since:   "kube-proxy 1.11 (IPVS)",
		Refs:    []string{"https://github.com/kubernetes/kubernetes/issues/104679", "https://github.com/kubernetes-sigs/kubespray/issues/5254"},
	},
	After:   []*rule.Rule{StolenAddress},
	Subject: claim.Observed,
	Check: func(p *rule.Pass) {
		onDevice := func(c *claim.Claim) bool {
			return c.Kind == claimants.KernelServiceAddress.Kind && c.Range == p.Key.Range
		}
		if !p.Key.Range.IsSingle() || !p.Any(onDevice) || claimedByService(p) {
			return
		}
		if !snapshot.Complete(p.Coverage, cluster.ServiceKind) {
			if len(theft.Stolen(p).Held) == 0 {
				p.Inconclusively("all Services")
			}
			return
		}
		held := pick.OfKind(p.Subjects(), claimants.KernelServiceAddress.Kind)
		hosts := explain.Names(pick.HostNames(held))
		cause := fmt.Sprintf("%s of %s: %s, which no Service claims", pick.DeviceOf(held), hosts, p.Key.Range)
		p.Report(rule.Finding{
			Severity:  rule.Warning,
			Title:     fmt.Sprintf("no Service claims %s, and %s %s it on %s", p.Key.Range, hosts, theft.Verb(held, "holds", "hold"), pick.DeviceOf(held)),
			Claimants: rule.Claimants(rule.Intruder, held...),
			Chain: explain.Chain{
				Cause: explain.Link{Text: cause, Evidence: pick.Evidence(held[:min(len(held), 4)])},
				Impacts: []explain.Impact{{Text: "traffic from these hosts to the address never leaves them", Nodes: pick.HostNames(held),
					Certainty: explain.Observed, Evidence: pick.Evidence(held[:min(len(held), 4)])}},
				Notes: append(theft.IpsetNotes(p, held), theft.ServerNotes(p, held)...),
				Fixes: []explain.Fix{{Text: "kube-proxy must be restarted, and then the address must go",
					Steps: append([]explain.Step{explain.RestartProxy(p.Facts, pick.HostNames(held))}, fix.TakeOff(held, atOnce)...)}},
			},
		})
	},
})

// claimedByService reports whether a Service claims the key's address in any way.
func claimedByService(p *rule.Pass) bool {
	return p.Any(func(c *claim.Claim) bool {
		return c.By.Kind == cluster.ServiceKind.Kind && c.By.Group == "" && c.Range == p.Key.Range
	})
}
