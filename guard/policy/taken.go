// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"strings"

	admission "k8s.io/api/admissionregistration/v1"

	"whohas/claim"
	"whohas/rule"
)

// refusal is what one rule refuses: CEL for the claims that the request makes worse,
// and the words for the first of them.
//
// What was wrong before and is no worse now is let through, as check.Worse has it: the
// same rule, or one that says the same of the same owners, spoke of the address with
// at least the severity. Each rule's expression says which these are.
type refusal struct {
	*rule.Rule
	form
}

// form is how a kind of claim is refused.
type form struct {
	of     rule.Refusal
	claims func(x expressions) string
	words  string // CEL; $c is the claim
	fix    string
}

// variable is the variable's name.
func (r refusal) variable() string { return "taken" + strings.TrimPrefix(r.ID, "WH") }

// refusalsOf are what an admission policy refuses of the rules, in the order in which it
// asks.
func refusalsOf(rules []*rule.Rule) []refusal {
	var out []refusal
	for _, f := range forms {
		for _, r := range rules {
			if r.Policy.Refuses == f.of {
				out = append(out, refusal{r, f})
			}
		}
	}
	return out
}

const (
	sameAddress = "o.ip == c.ip"
	atHost      = "c.is.contains(';host|')"
)

var forms = []form{
	{
		of: rule.RefusesForm, claims: expressions.unusualForm,
		words: "$c.text + ' (' + $c.field + ') is not an address in its usual form, and under another form it cannot be told whose it is'",
		fix:   "write it as programs print it: no leading zeros, IPv4 not as ::ffff:, IPv6 in lower case and shortest form",
	},
	{
		of: rule.RefusesExternalIP, claims: expressions.externalIPAtHost,
		words: "$c.ip + ' belongs to node ' + " + ownersOf(roleHost) + " + ', and spec.externalIPs claims it'",
		fix:   "remove it from spec.externalIPs",
	},
	{
		of: rule.RefusesIngress, claims: expressions.ingressAtHost,
		words: "$c.ip + ' belongs to node ' + " + ownersOf(roleHost) + " + ', and status.loadBalancer.ingress publishes it'",
		fix:   "give the Service an address from a pool; a controller that publishes nodes' addresses must not run with this proxy mode",
	},
	{
		of: rule.RefusesRequest, claims: expressions.requestAtHost,
		words: "$c.ip + ' belongs to node ' + " + ownersOf(roleHost) + " + ', and ' + $c.field + ' asks for it'",
		fix:   "ask for an address that nobody has, or for none",
	},
	{
		of: rule.RefusesControlPlane, claims: expressions.controlPlane,
		words: "$c.ip + ' is where the apiserver is reached (' + " + ownersOf(roleAPI, roleHostAPI) + " + '), and ' + $c.field + ' claims it'",
		fix:   "give the Service another address",
	},
	{
		of: rule.RefusesTunnel, claims: expressions.tunnel,
		words: "$c.ip + ' is the tunnel or router address of ' + " + ownersOf(roleTunnel) + " + ', and ' + $c.field + ' claims it'",
		fix:   "give the Service an address outside the Pods' and nodes' ranges",
	},
	{
		of: rule.RefusesReserved, claims: expressions.reserved,
		words: "$c.ip + ' is reserved (' + " + ownersOf(roleReserved) + " + '), and ' + $c.field + ' claims it'",
		fix:   "give the Service another address, or correct .whohas.yaml",
	},
}

// ownersOf is CEL for the names of an address's owners in some roles.
func ownersOf(roles ...string) string {
	var is []string
	for _, r := range roles {
		is = append(is, fmt.Sprintf("x.startsWith('%s|')", r))
	}
	return "$c.is.split(';').filter(x, " + strings.Join(is, " || ") + ").map(x, x.split('|')[2]).join(', ')"
}

// taken are the variables that hold what each rule refuses.
func (x expressions) taken() []admission.Variable {
	var vars []admission.Variable
	for _, r := range x.refusals {
		vars = append(vars, admission.Variable{Name: r.variable(), Expression: x.unexcused(r)})
	}
	return vars
}

// unexcused leaves out what the site allows.
func (x expressions) unexcused(r refusal) string {
	expr := r.claims(x)
	var places []string
	for _, place := range x.excused[r.ID] {
		if !place.IsValid() {
			return "variables.claims.filter(c, false)"
		}
		for prefix := range place.Prefixes() {
			places = append(places, prefix.String())
		}
	}
	if len(places) > 0 {
		expr += fmt.Sprintf(".filter(c, !isIP(c.ip) || !%s.exists(p, cidr(p).containsIP(ip(c.ip))))", quoted(places))
	}
	return expr
}

// excuses lists, by rule, where the site's configuration allows a finding: an invalid
// range stands for everywhere.
func excuses(in Input) map[string][]claim.Range {
	out := map[string][]claim.Range{}
	for _, r := range refusalsOf(in.Rules) {
		for _, key := range []string{r.ID, r.Name} {
			if s, ok := in.Severities[key]; ok && s < rule.Error {
				out[r.ID] = append(out[r.ID], claim.Range{})
			}
		}
		for _, a := range in.Suppressions {
			if (a.Rule != r.ID && a.Rule != r.Name) || !a.Object.IsZero() || a.Fault(in.Now) != "" {
				continue
			}
			if place, err := claim.ParseRange(a.Place); err == nil || a.Place == "" {
				out[r.ID] = append(out[r.ID], place)
			}
		}
	}
	return out
}

// live is CEL for the claims that meet a condition and were not as bad before.
func live(condition string, was ...string) string {
	expr := "variables.live.filter(c, " + condition
	for _, w := range was {
		expr += "\n  && !(" + w + ")"
	}
	return expr + ")"
}

// had is CEL for a claim in some way on the same address before.
func had(condition string) string {
	return "variables.oldLive.exists(o, " + sameAddress + condition + ")"
}

// unusualForm: a text that stood there before is no news, in whatever field. A
// placeholder is filled in later, and what stands beside one in an annotation may be a
// part of it
// (rules/wh208_non_canonical_address.go).
func (x expressions) unusualForm() string {
	const placeholder = `matches('\\{\\{|\\$\\{|\\$\\(|\\{%|<|^\\$|^%|^__')`
	return "variables.claims.filter(c, c.way != 'proxied' && (c.way == 'none' || !(isIP(c.text) && ip.isCanonical(c.text)))\n" +
		"  && !c.text." + placeholder + "\n" +
		"  && !(c.field.contains('/') && (c.way == 'none' || !isIP(c.ip)) && variables.claims.exists(o, o.field == c.field && o.text." + placeholder + "))\n" +
		"  && !variables.oldClaims.exists(o, o.text == c.text))"
}

// externalIPAtHost: under a proxy that takes whole addresses, always; under the
// others, where the host listens on a port of the Service.
func (x expressions) externalIPAtHost() string {
	const way = "c.way == 'externalIP' && " + atHost
	if x.binds {
		return live(way, had(" && o.way == 'externalIP'"))
	}
	return live(way+" && "+x.listens(after), had(" && o.way == 'externalIP'")+" && "+x.listens(before))
}

// ingressAtHost: as a request for the same before. Not under a proxy that takes ports
// alone, where a controller publishes nodes' addresses on purpose.
func (x expressions) ingressAtHost() string {
	const way = "c.way == 'ingress' && " + atHost
	if x.binds {
		return live(way, had(" && o.way in ['ingress', 'request']"))
	}
	published, asked := had(" && o.way == 'ingress'")+" && !("+x.onPurpose(before)+")", had(" && o.way == 'request'")
	if !x.single { // where a port of the host is taken it is critical, else an error
		published = published + " && (!" + x.listens(after) + " || " + x.listens(before) + ")"
		asked += " && !" + x.listens(after)
	}
	return live(way+" && !("+x.onPurpose(after)+")", published, asked)
}

func (x expressions) requestAtHost() string {
	const way = "c.way == 'request' && " + atHost
	ways := "'request'"
	if x.binds && !x.single {
		ways += ", 'ingress'"
	}
	was := []string{had(" && o.way in [" + ways + "]")}
	if !x.binds {
		was = append(was, had(" && o.way == 'ingress'")+" && !("+x.onPurpose(before)+")")
	}
	return live(way, was...)
}

// controlPlane: at a node's own address only the apiserver's port counts; WH101 knows
// the rest, and names the control plane as a witness.
func (x expressions) controlPlane() string {
	const api = "c.is.contains(';api|')"
	now, then := x.takesAPI(after), x.takesAPI(before)
	external := had(" && o.way == 'externalIP'") + " && c.is.contains(';hostapi|')"
	was := []string{had("") + " && (" + api + " || " + then + ")"}
	if !x.binds { // critical with the port, else an error
		was[0] = had("") + " && (" + then + " || " + api + " && !" + now + ")"
		external += " && " + x.listens(before)
	}
	if !x.single {
		was = append(was, external)
	}
	return live("("+api+" || "+now+")", was...)
}

func (x expressions) tunnel() string {
	return live("c.is.contains(';tunnel|')", had(""))
}

// reserved: each owner counts for itself, because ports decide which of them do.
func (x expressions) reserved() string {
	counts := func(s side) string {
		return s.of("!$ports.exists(p, p.split('/')[1] in x.split('|')[1].split(','))")
	}
	return live("c.is.split(';').exists(x, x.startsWith('reserved|') && " + counts(after) + "\n  && !(" + had("") + " && " + counts(before) + "))")
}

// listens is CEL for: the host at the claim's address listens on a port of the
// Service (rules/takeover.go takenListener, as far as the ports are known without
// Pods and kernels).
func (x expressions) listens(s side) string {
	return s.of("$ports.exists(p, p in " + quoted(commonPorts(x.facts)) +
		" || c.is.split(';').exists(x, (x.startsWith('host|') || x.startsWith('listen|')) && p in x.split('|')[1].split(',')))")
}

// takesAPI is CEL for: the Service takes the apiserver's port (WH106 takePort).
func (x expressions) takesAPI(s side) string {
	return s.of("$ports.exists(p, c.is.split(';').exists(x, (x.startsWith('api|') || x.startsWith('hostapi|')) && p in x.split('|')[1].split(',')))")
}

// onPurpose is CEL for: a controller publishes nodes' addresses for the Service
// (rules/wh102_lb_ip_is_node.go nodeLoadBalancer).
func (x expressions) onPurpose(s side) string {
	expr := "$O.spec.?loadBalancerClass.orValue('') == 'io.cilium/node' || $O.metadata.?annotations.orValue({}).exists(k, k.startsWith('node-proxy.'))"
	if x.facts.ServiceLB {
		expr += " || $O.spec.?loadBalancerClass.orValue('') in ['', 'io.cattle.serviceLB']" +
			" && !['metallb.io/ip-allocated-from-pool', 'metallb.universe.tf/ip-allocated-from-pool'].exists(k, k in $O.metadata.?annotations.orValue({}))"
	}
	return s.of(expr)
}
