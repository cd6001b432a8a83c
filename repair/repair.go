// SPDX-License-Identifier: Apache-2.0

// Package repair plans how a host, and its cluster, get back an address that a
// service proxy has taken: what to do, where, in the order that works, and what may
// be done here by itself. It is pure: package heal does the part that touches a
// kernel, package withdraw the part that touches the API.
package repair

import (
	"net/netip"

	"whohas/explain"
	"whohas/rule"
	"whohas/snapshot"
)

// Target is an address that this host may pass over, or that may be taken off it and
// kept off: it is on a service device, there is evidence that it is another host's, it is
// no ClusterIP, and this host has it nowhere else.
type Target struct {
	Device   string
	Prefix   netip.Prefix // as it stands there: 192.168.10.114/32
	Evidence []string     // whose it is
}

// Withdrawal is a claim that can be taken away at the API.
type Withdrawal struct {
	snapshot.Edit
	Claimant rule.Claimant // whose claim it is, since when, who would put it back
}

// Plan is what to do. Nothing of it has been done.
type Plan struct {
	Host        string
	Title       string
	Address     netip.Addr     // that the plan is about; invalid: there is nothing to repair
	Hosts       []explain.Step // first, on every host that holds the address: it reaches the owner again
	Ports       []explain.Step // what neither the rule nor the address's going heals: ports that the Service itself claims
	Claims      []explain.Step // then, where the API is reached: the claim goes
	Back        []explain.Step // then, on the hosts again: what was put there is taken back
	After       []explain.Step // how to see that it worked, and what may linger
	Targets     []Target       // of what --apply heals this host
	Hold        string         // why --apply holds the addresses off and puts no routing rule; empty: it puts one
	Standing    []netip.Addr   // for which an earlier repair's routing rules stand here, sorted
	Withdrawals []Withdrawal   // what --apply does at the API, where credentials allow
	Refused     []string       // what is not done by itself, and why
}
