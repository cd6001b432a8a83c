// SPDX-License-Identifier: Apache-2.0

package fix

import (
	"fmt"
	"net/netip"
	"slices"

	"whohas/claim"
	"whohas/claimants"
	"whohas/cluster"
	"whohas/command"
	"whohas/explain"
	"whohas/rule"
	"whohas/rules/internal/pick"
	"whohas/rules/internal/proxy"
	"whohas/snapshot"
)

// TakeoverFix removes the claims and, where the nodes cannot learn of that, gives them
// their way to the apiserver until they have. Where the writer of a status is a controller,
// what it acts on comes first.
func TakeoverFix(p *rule.Pass, subjects []claim.Claim, t explain.Target) explain.Fix {
	f := explain.Fix{Text: "take the claim away where the API is still reached; then make sure that every node has learned of it"}
	era := p.Facts.Behavior()
	cut := t.API && p.Facts.WithoutAddress(t.Address) != cluster.APIReached
	sealed, taken := cut && era.Binds, cut && t.TakesAPI(p.Facts)
	where := explain.Anywhere
	switch {
	case taken:
		where = explain.ByLoopback(p.Facts, t)
	case sealed && t.Owner.Name != "":
		where = t.Owner.Name + " (its own way to the apiserver does not leave the node)"
	}
	for _, step := range Removals(p, subjects) {
		step.Where = where
		f.Steps = append(f.Steps, step)
	}
	var back []explain.Step
	if sealed {
		var put []explain.Step
		put, back = explain.PassOver(p.Objects.Host, pick.Others(p.Facts, t.Owner.Name), p.Key.Range.From, era.Device)
		f.Steps = append(f.Steps, put...)
	}
	if taken && !era.Binds {
		f.Steps = append(f.Steps, explain.ForgetRules(p.Facts, netip.AddrPortFrom(t.Address, t.APIPort(p.Facts)), pick.Others(p.Facts, t.Owner.Name))...)
	}
	if era.Binds && t.Address.IsValid() {
		f.Steps = append(f.Steps, explain.Step{
			Where: "each node", Text: "see that it is gone: this prints nothing",
			Command: command.Shell("ip -o addr show dev {} to {}", era.Device, t.Address.String()),
		})
	}
	f.Steps = append(f.Steps, back...)
	return f
}

// TakenFor lists the claims of Services for which a proxy holds the key's address.
func TakenFor(p *rule.Pass) []claim.Claim {
	return proxy.ByKubeProxy(pick.OfKind(pick.OnKey(p, claim.VIP|claim.ClusterIP), claimants.ServiceExternalIP.Kind, claimants.ServiceIngress.Kind, claimants.ServiceClusterIP.Kind))
}

// PassOverFix is the rules, the claim, what else is to be done, and the rules back.
func PassOverFix(p *rule.Pass, text string, hosts []string, device string, then []explain.Step) explain.Fix {
	put, back := explain.PassOver(p.Objects.Host, hosts, p.Key.Range.From, device)
	steps := slices.Concat(put, Removals(p, pick.InRole(TakenFor(p), claim.VIP)), then, back)
	return explain.Fix{Text: text, Steps: append(steps, explain.ForgetNeighbour(p.Key.Range.From))}
}

// TakeOff removes addresses from hosts; text says so, of an address and a device.
func TakeOff(held []claim.Claim, text string) []explain.Step {
	var steps []explain.Step
	for _, h := range held {
		prefix, err := netip.ParsePrefix(h.Text)
		if err != nil {
			continue
		}
		e := &snapshot.HostEdit{Host: h.Origin.Host, Link: h.Origin.Table, Prefix: prefix}
		say := fmt.Sprintf(text, h.Range, h.Origin.Table)
		if table, link, ok := claimants.LocalRoute(h); ok {
			e.Table, e.Link = table, link
			say = fmt.Sprintf("delete the local route to %s", h.Range)
		}
		steps = append(steps, explain.Step{Where: h.Origin.Host, Text: say, Edit: &snapshot.Edit{Host: e}})
	}
	return steps
}
