// SPDX-License-Identifier: Apache-2.0

package diagnose

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	"whohas/claim"
	"whohas/cluster"
	"whohas/command"
	"whohas/explain"
	"whohas/rule"
)

// explain marks the problems that the cause explains.
func (x *examination) explain(cause *rule.Finding, checks []Check) {
	if cause == nil {
		return
	}
	ip := cause.Address()
	owner := slices.Contains(x.mine, ip)
	for i := range checks {
		c := &checks[i]
		if c.Outcome == Problem && (owner && x.ofNodes(c) || x.follows(c, ip)) {
			c.Because = cause.Rule.ID
		}
	}
}

// follows reports whether a victim's problem comes of its holding an address: it talks
// to itself where it means the owner.
func (x *examination) follows(c *Check, ip netip.Addr) bool {
	switch c.Name {
	case "apiserver": // an address that is off now keeps nobody from connecting now
		return c.about == ip && !slices.Contains(x.back, ip) && !x.over(ip)
	case "service addresses", "bgp", "tunnel", "routes":
		return c.about == ip
	}
	return c.cutOff && x.leadsToAPI(ip)
}

// ofNodes tells the problems that an owner has with those who hold its address: they
// drop what it sends, and answer in its name.
func (x *examination) ofNodes(c *Check) bool {
	switch c.Name {
	case "neighbours", "bgp", "tunnel", "duplicate addresses":
		return c.weight < strangerOnWire
	}
	return c.cutOff
}

// leadsToAPI reports whether the host's way to the apiserver goes over an address.
func (x *examination) leadsToAPI(ip netip.Addr) bool {
	for c := range x.View.On(ip) {
		if c.Role == claim.ControlPlane {
			return true
		}
	}
	return false
}

// conclude gives the verdict.
func (x *examination) conclude(d *Diagnosis) {
	if d.Cause != nil {
		d.Verdict, d.Title = Cause, d.Cause.Title
		d.Service, d.Ineffective = x.service(d.Cause), x.useless(d.Cause)
		d.Next = x.next(d.Cause)
		return
	}
	worst := slices.MaxFunc(d.Checks, func(a, b Check) int { return cmp.Compare(a.importance(), b.importance()) })
	blind := x.blind(d.Checks)
	switch {
	case worst.importance() >= serverDown:
		d.Verdict, d.Title = Unrelated, notThis(worst)
	case blind != "":
		d.Verdict, d.Title = Unknown, "what would show a taken address could not be read: "+blind
		d.Next = []explain.Step{{Where: x.host.Name, Text: "run it as root, in the host's own network namespace", Command: command.Shell("sudo whohas diagnose")}}
		return
	case worst.Name == lostNodes:
		d.Verdict, d.Title = Unknown, worst.Text
		d.Next = []explain.Step{{Where: explain.Names(worst.who), Text: "only they can show which; by the console, or from another machine than this one", Command: command.Shell("sudo whohas diagnose")}}
		return
	case worst.importance() > byItself:
		d.Verdict, d.Title = Unrelated, notThis(worst)
	case slices.ContainsFunc(d.Checks, func(c Check) bool { return c.Outcome == Problem }):
		d.Verdict, d.Title = Unrelated, "no address is taken here by anybody, as far as this host shows; see the problems below"
	default:
		d.Verdict, d.Title = Healthy, fmt.Sprintf("%s holds no address that is known to be another's", x.host.Name)
		if len(x.host.Replies) > 0 {
			d.Title += ", and nobody answers for its own"
		}
	}
	if blind == "" {
		blind = x.unnamed()
	}
	if blind != "" {
		d.Title += " (not everything could be read: " + blind + ")"
	}
}

// unnamed tells why the Services are not known though an apiserver has answered: one
// may claim an address of this host all the same.
func (x *examination) unnamed() string {
	for _, c := range x.Snapshot.Coverage {
		if c.Source == cluster.ServiceKind.Source() && !c.Complete {
			return "Services: " + c.Detail
		}
	}
	return ""
}

// notThis says what is wrong where no address is taken by a Service.
func notThis(c Check) string {
	if c.weight == strangerOnWire {
		return "no Service has taken an address here, but another machine has: " + c.Text
	}
	return fmt.Sprintf("no address is taken here by anybody, as far as this host shows; look at this: %s: %s", c.Name, c.Text)
}

// importance is a check's weight as an answer by itself.
func (c Check) importance() int {
	if c.Outcome != Problem || c.Because != "" {
		return -1
	}
	return c.weight
}

// blind tells what could not be read of that without which nothing can be said: the
// addresses themselves, and where some are nobody's by evidence, what would be the
// evidence.
func (x *examination) blind(checks []Check) string {
	sections := []string{"addresses", "routes", "links"}
	if slices.ContainsFunc(checks, func(c Check) bool { return c.Name == "service addresses" && c.Outcome == Missing }) {
		sections = append(sections, "told", "ipset", "ipvs")
	}
	for _, section := range sections {
		if why, is := x.unread(section); is {
			return why
		}
	}
	return ""
}

// next is what is safe to do: the plan first, which changes nothing.
func (x *examination) next(cause *rule.Finding) []explain.Step {
	ip := cause.Address()
	if slices.Contains(x.mine, ip) && len(x.held)+len(x.back) == 0 {
		return []explain.Step{
			{Where: "each machine that answers, or does not", Text: "run the same there: the address must go from there, never from here", Command: command.Shell("sudo whohas diagnose")},
			{Where: x.host.Name, Text: "see the plan for the whole cluster; it changes nothing", Command: command.Shell("sudo whohas repair")},
		}
	}
	if slices.Contains(x.back, ip) {
		return []explain.Step{
			{Where: x.host.Name, Text: "see the plan for this node and the cluster; it changes nothing", Command: command.Shell("sudo whohas repair")},
			x.applyStep(ip),
		}
	}
	if !slices.Contains(x.held, ip) { // a port is taken, and no address: rules are a person's to delete
		return []explain.Step{{Where: x.host.Name, Text: "see the plan for this node and the cluster; it changes nothing", Command: command.Shell("sudo whohas repair")}}
	}
	return []explain.Step{
		{Where: x.host.Name, Text: "see the plan for this node and the cluster; it changes nothing", Command: command.Shell("sudo whohas repair")},
		x.applyStep(ip),
	}
}

// applyStep is what repair --apply does next on a host that holds an address, or will.
func (x *examination) applyStep(ip netip.Addr) explain.Step {
	text := "give this host its way to the owner back at once, and end it when kube-proxy has learned that the claim is gone"
	if x.over(ip) {
		text = "this host reaches the owner by its routing rule; take that back when kube-proxy has learned that the claim is gone"
	}
	if slices.Contains(x.back, ip) {
		text += ", if no other repair is at work here"
	}
	return explain.Step{Where: x.host.Name, Text: text, Command: command.Shell("sudo whohas repair --apply")}
}
