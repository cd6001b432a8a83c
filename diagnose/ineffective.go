// SPDX-License-Identifier: Apache-2.0

package diagnose

import (
	"slices"

	"whohas/explain"
	"whohas/rule"
)

// useless lists the fixes that everybody tries, each with why it does not help. All
// of them were tried in the lab, on the same state.
func (x *examination) useless(cause *rule.Finding) []explain.Link {
	switch {
	case cause.Rule.Outage == rule.Redirected:
		return []explain.Link{
			{Text: "restarting kube-proxy: its own rule blocks it again", Evidence: []string{"lab iptables-1.36, phase reconnect"}},
			{Text: "checking with ping, or another port: only one port is taken", Evidence: []string{"lab iptables-1.36"}},
		}
	case !slices.Contains(x.held, cause.Address()), x.over(cause.Address()): // by rule they reach the owner
		return nil
	}
	links := []explain.Link{
		{Text: "rebooting the node: kube-proxy lists the Service and takes the address again", Evidence: []string{"lab useless-cures, phase reboot"}},
		{Text: "deleting the address once: kube-proxy puts it back within 30 s, unless it has learned of the change before", Evidence: []string{"lab repair-once"}},
		{Text: "restarting BIRD or calico-node, resetting the CNI: their packets to the owner end on this host like all others", Evidence: []string{"lab useless-cures, phases bird-restart and cni-reset"}},
		{Text: "static routes, another default route: the local table is asked first", Evidence: []string{"lab useless-cures, phases static-route and default-route; linux net/ipv4/fib_rules.c"}},
		{Text: "rp_filter and accept_local: a packet from one of the receiver's own addresses is dropped by another check", Evidence: []string{"lab useless-cures, phase reverse-path; linux net/ipv4/fib_frontend.c fib_validate_source"}},
	}
	if x.leadsToAPI(cause.Address()) {
		links = append(links, explain.Link{Text: "restarting kube-proxy with the address in place: it cannot reach the apiserver to hear anything new", Evidence: []string{"lab useless-cures, phase proxy-restart"}})
	}
	return links
}
