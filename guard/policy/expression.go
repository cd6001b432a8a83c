// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	admission "k8s.io/api/admissionregistration/v1"

	"whohas/claim"
	"whohas/cluster"
	"whohas/kubeproxy"
)

// expressions writes the CEL of a policy.
type expressions struct {
	form   Form
	owned  protected
	facts  *cluster.Facts
	binds  bool // the proxy takes whole addresses
	single bool // one node: what is critical elsewhere is an error
	off    bool // externalIPs do nothing

	refusals []refusal

	excused map[string][]claim.Range // by rule: where the site allows it
}

// quote writes a text as CEL does. Texts that come from a cluster pass plain first.
func quote(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`, "\n", `\n`).Replace(s) + "'"
}

func quoted(texts []string) string {
	out := make([]string, len(texts))
	for i, t := range texts {
		out[i] = quote(t)
	}
	return "[" + strings.Join(out, ", ") + "]"
}

// side is an object before or after the request, and the names of what is concluded
// from it.
type side struct{ object, prefix string }

var (
	after  = side{"object", ""}
	before = side{"oldObject", "old"}
)

// name is a variable's name: "claims", "oldClaims".
func (s side) name(n string) string {
	if s.prefix == "" {
		return n
	}
	return s.prefix + strings.ToUpper(n[:1]) + n[1:]
}

// of fills a side in: O is the object, @name a variable of that side.
func (s side) of(expr string) string {
	expr = strings.ReplaceAll(expr, "$O", s.object)
	for _, n := range []string{"ports", "texts", "named", "claims", "live"} {
		expr = strings.ReplaceAll(expr, "$"+n, "variables."+s.name(n))
	}
	return expr
}

// request is a way of asking a controller for addresses with an annotation of a
// LoadBalancer Service: each file claimants/*_service.go has one.
type request struct {
	keys []string
	form requestForm
	when string // CEL: further condition
}

type requestForm int

const (
	commas requestForm = iota
	plainText
	jsonList
)

var requests = []request{
	{keys: []string{"metallb.io/loadBalancerIPs", "metallb.universe.tf/loadBalancerIPs"}},
	{keys: []string{"lbipam.cilium.io/ips", "io.cilium/lb-ipam-ips"}},
	{keys: []string{"purelb.io/addresses"}},
	{keys: []string{"kube-vip.io/loadbalancerIPs"}},
	{keys: []string{"kube-vip.io/requestedIP"}},
	{keys: []string{"eip.openelb.kubesphere.io/v1alpha1"}, form: plainText,
		when: "$O.metadata.?annotations[?'lb.kubesphere.io/v1alpha1'].orValue('') == 'openelb'"},
	{keys: []string{"projectcalico.org/loadBalancerIPs"}, form: jsonList},
}

// requestKeys are all annotations that ask for addresses.
func requestKeys() []string {
	var keys []string
	for _, r := range requests {
		keys = append(keys, r.keys...)
	}
	slices.Sort(keys)
	return keys
}

// texts is CEL for the parts of the first of a request's annotations that is there:
// the later keys are older names of the same.
func (r request) texts() string {
	list := "[]"
	for _, key := range slices.Backward(r.keys) {
		list = fmt.Sprintf("(%s in $O.metadata.?annotations.orValue({}) ? %s : %s)", quote(key), r.textsOf(key), list)
	}
	if r.when != "" {
		list = fmt.Sprintf("(%s ? %s : [])", r.when, list)
	}
	return list
}

func (r request) textsOf(key string) string {
	value := fmt.Sprintf("$O.metadata.annotations[%s]", quote(key))
	claim := func(way string) string {
		return fmt.Sprintf(".map(t, {'way': '%s', 'field': %s, 'text': string(t)})", way, quote(key))
	}
	switch r.form {
	case plainText:
		return fmt.Sprintf("[%s].filter(t, t.trim() != '')", value) + claim("request")
	case jsonList:
		// What is no list asks for nothing, but is refused for its form; so is a list
		// with escapes in it.
		return fmt.Sprintf(`(%[1]s.trim() in ['', 'null'] ? [] : %[1]s.matches('^\\s*\\[\\s*("[^"\\\\]*"(\\s*,\\s*"[^"\\\\]*")*)?\\s*\\]\\s*$') ? `+
			`%[1]s.findAll('"[^"]*"').map(q, q.substring(1, size(q) - 1))%[2]s : [%[1]s]%[3]s)`, value, claim("request"), claim("none"))
	}
	return fmt.Sprintf("%s.split(',').map(t, t.trim()).filter(t, t != '')", value) + claim("request")
}

// textsExpr lists what a Service says of addresses: claimants/service_externalip.go,
// service_ingress.go, service_loadbalancerip.go and the requests.
func textsExpr() string {
	const programmed = "$O.spec.?clusterIP.orValue('') != 'None' && $O.spec.?type.orValue('') != 'ExternalName'"
	parts := []string{
		"(" + programmed + " ? $O.spec.?externalIPs.orValue([]).filter(t, t.trim() != '').map(t, {'way': 'externalIP', 'field': 'spec.externalIPs', 'text': string(t)}) : [])",
		"(" + programmed + " ? $O.?status.?loadBalancer.?ingress.orValue([]).filter(i, i.?ip.orValue('').trim() != '')" +
			".map(i, {'way': i.?ipMode.orValue('') == 'Proxy' ? 'proxied' : 'ingress', 'field': 'status.loadBalancer.ingress', 'text': string(i.ip)}) : [])",
	}
	asked := []string{"[$O.spec.?loadBalancerIP.orValue('')].filter(t, t.trim() != '').map(t, {'way': 'request', 'field': 'spec.loadBalancerIP', 'text': string(t)})"}
	for _, r := range requests {
		asked = append(asked, r.texts())
	}
	parts = append(parts, "($O.spec.?type.orValue('') == 'LoadBalancer' ? "+strings.Join(asked, "\n  + ")+" : [])")
	return strings.Join(parts, "\n+ ")
}

// octet is a part of an IPv4 address as the apiserver reads it: decimal, with any
// number of leading zeros (k8s.io/utils/net ParseIPSloppy).
const octet = `0*[0-9]{1,3}`

// usual is CEL for an address in its usual form; what cannot be read stays as it is,
// and is refused for its form (WH208) where it is new. CEL's ip() does not read zones,
// leading zeros and IPv4-mapped addresses, which snapshot.ParseAddr does, and
// kube-proxy all but the first.
func usual(t string) string {
	const loose = `^\\s*(?:[0:]*:[fF]{4}:)?` + octet + `(?:\\.` + octet + `){3}\\s*$`
	return strings.NewReplacer("$t", t, "$bare", t+".trim().split('%')[0]", "$loose", loose).Replace(
		"isIP($bare) && ($t.contains(':') || !$t.contains('%')) ? string(ip($bare)) : $t.matches('$loose') ? " +
			"$t.trim().substring($t.trim().lastIndexOf(':') + 1).split('.').map(p, string(int(p))).join('.') : $t")
}

// namedExpr gives each text its address. kube-vip takes what is no address for a
// name, and 0.0.0.0 for DHCP (claimants/kubevip_service.go).
func namedExpr() string {
	return "$texts.map(c, {'way': c.way, 'field': c.field, 'text': c.text, 'ip': " + usual("c.text") + "})\n" +
		".filter(c, !c.field.startsWith('kube-vip.io/') || (isIP(c.ip) ? !ip(c.ip).isUnspecified() : c.ip.matches('^[0-9a-fA-F.]*:[0-9a-fA-F:.]*(%.*)?$')))"
}

// claimsExpr gives each address those who own it.
func (x expressions) claimsExpr() string {
	is := x.lookUp("c.ip")
	if len(x.owned.ranges) > 0 {
		is += " + (isIP(c.ip) ? variables.ranges.filter(r, cidr(r.cidr).containsIP(ip(c.ip))).map(r, ';' + r.is).join('') : '')"
	}
	return "$named.map(c, {'way': c.way, 'field': c.field, 'text': c.text, 'ip': c.ip, 'is': " + is + "})"
}

// lookUp is CEL for the parts of an address, each after a ";".
func (x expressions) lookUp(ip string) string {
	var expr string
	switch x.form {
	case Literal:
		expr = "($ip in variables.hosts ? ';host||' + variables.hosts[$ip] : $ip in variables.others ? ';' + variables.others[$ip] : '')"
	case NodeParams:
		expr = "($ip in variables.nodeAddresses ? ';host|' + variables.nodePorts + '|' + params.metadata.name : '')" +
			" + ($ip in variables.nodeTunnels ? ';tunnel||' + params.metadata.name : '')" +
			" + ($ip in variables.others ? ';' + variables.others[$ip] : '')"
	case MapParam:
		// A ConfigMap's keys have no colons.
		expr = "($ip.replace(':', '-') in variables.data ? ';' + variables.data[$ip.replace(':', '-')] : '')"
	}
	return strings.ReplaceAll(expr, "$ip", ip)
}

// liveExpr keeps what somebody acts on: not what is left to another proxy, and no
// externalIPs where kube-proxy's gate for them is off (rules/wh101 inert).
func (x expressions) liveExpr() string {
	const other = "$O.metadata.?labels[?'" + kubeproxy.OtherProxyLabel + "'].orValue('') != ''"
	if x.off {
		return "$claims.filter(c, c.is != '' && (c.way == 'request' || c.way == 'ingress' && !(" + other + ")))"
	}
	return "$claims.filter(c, c.is != '' && (c.way == 'request' || c.way in ['externalIP', 'ingress'] && !(" + other + ")))"
}

const portsExpr = "$O.spec.?ports.orValue([]).map(p, (p.?protocol.orValue('') == '' ? 'TCP' : p.protocol) + '/' + string(p.?port.orValue(0)))"

// ownerExpr is on whose behalf a Service claims: its Gateway's, if it was generated
// for one (claimants/service.go serviceOwner). What somebody else claimed before is
// no old conflict of this one's.
const ownerExpr = "($O.metadata.?labels[?'gateway.networking.k8s.io/gateway-name'].orValue('') != '' ? $O.metadata.labels['gateway.networking.k8s.io/gateway-name'] : " +
	"$O.metadata.?ownerReferences.orValue([]).filter(r, r.?controller.orValue(false) && r.kind == 'Gateway' && r.apiVersion.startsWith('gateway.networking.k8s.io/'))" +
	".map(r, string(r.name)).join(','))"

// variables are all that the validations look at, each evaluated when it is asked for.
func (x expressions) variables() []admission.Variable {
	vars := x.owners()
	for _, s := range []side{after, before} {
		for _, v := range []admission.Variable{
			{Name: "ports", Expression: portsExpr},
			{Name: "texts", Expression: textsExpr()},
			{Name: "named", Expression: namedExpr()},
			{Name: "claims", Expression: x.claimsExpr()},
			{Name: "live", Expression: x.liveExpr()},
		} {
			expr := s.of(v.Expression)
			switch {
			case s == before && v.Name == "live":
				expr = fmt.Sprintf("oldObject == null || %s != %s ? [] : %s", after.of(ownerExpr), before.of(ownerExpr), expr)
			case s == before:
				expr = "oldObject == null ? [] : " + expr
			}
			vars = append(vars, admission.Variable{Name: s.name(v.Name), Expression: expr})
		}
	}
	vars = append(vars, admission.Variable{Name: "less", Expression: lessExpr()})
	return append(vars, x.taken()...)
}

// owners are the variables that hold whose the addresses are.
func (x expressions) owners() []admission.Variable {
	var vars []admission.Variable
	switch x.form {
	case Literal:
		hosts, others := split(x.owned.at)
		vars = append(vars, admission.Variable{Name: "hosts", Expression: literalMap(hosts)}, admission.Variable{Name: "others", Expression: literalMap(others)})
	case NodeParams:
		others := map[netip.Addr]string{}
		for ip, parts := range x.owned.beside() {
			others[ip] = text(parts)
		}
		vars = append(vars, admission.Variable{Name: "others", Expression: literalMap(others)},
			admission.Variable{Name: "nodeAddresses", Expression: nodeAddressesExpr()},
			admission.Variable{Name: "nodeTunnels", Expression: annotatedExpr(annotationKeys(claim.Tunnel))},
			admission.Variable{Name: "nodePorts", Expression: x.nodePortsExpr()})
	case MapParam:
		vars = append(vars, admission.Variable{Name: "data", Expression: "params.?data.orValue({})"})
	}
	if len(x.owned.ranges) > 0 {
		vars = append(vars, admission.Variable{Name: "ranges", Expression: rangesExpr(x.owned)})
	}
	return vars
}

// split keeps plain hosts apart: their names alone are short, and by far the most.
func split(at map[netip.Addr][]part) (hosts, others map[netip.Addr]string) {
	hosts, others = map[netip.Addr]string{}, map[netip.Addr]string{}
	for ip, parts := range at {
		if t := text(parts); strings.HasPrefix(t, "host||") && !strings.Contains(t, ";") {
			hosts[ip] = parts[0].owner
		} else {
			others[ip] = t
		}
	}
	return hosts, others
}

// literalMap writes addresses and texts as a CEL map. The empty map has a line that
// gives it its type.
func literalMap(m map[netip.Addr]string) string {
	lines := []string{}
	for _, ip := range slices.SortedFunc(maps.Keys(m), netip.Addr.Compare) {
		lines = append(lines, quote(ip.String())+":"+quote(m[ip]))
	}
	if len(lines) == 0 {
		lines = []string{"'':''"}
	}
	return "{\n" + strings.Join(lines, ",\n") + "\n}"
}

func rangesExpr(p protected) string {
	var lines []string
	for _, r := range p.sortedRanges() {
		for prefix := range r.Prefixes() {
			lines = append(lines, fmt.Sprintf("{'cidr': %s, 'is': %s}", quote(prefix.String()), quote(text(p.ranges[r]))))
		}
	}
	return "[\n" + strings.Join(lines, ",\n") + "\n]"
}

// nodeAddressesExpr lists the addresses that a Node says are its own: its status and
// its annotations (claimants/node.go and others).
func nodeAddressesExpr() string {
	return "params.?status.?addresses.orValue([]).filter(a, a.type in ['InternalIP', 'ExternalIP']).map(a, string(a.address)).map(t, " + usual("t") + ")\n+ " +
		annotatedExpr(annotationKeys(claim.Host))
}

// annotatedExpr lists the addresses in annotations of a Node, each with its subnet's
// length or without (claimants/node_annotations.go).
func annotatedExpr(keys []string) string {
	return fmt.Sprintf("%s.filter(k, k in params.metadata.?annotations.orValue({})).map(k, string(params.metadata.annotations[k])).join(',').split(',')"+
		".map(t, t.split('/')[0].trim()).filter(t, t != '').map(t, %s)"+
		".filter(t, isIP(t) && !ip(t).isUnspecified() && !ip(t).isLoopback() && !ip(t).isLinkLocalUnicast())", quoted(keys), usual("t"))
}

func (x expressions) nodePortsExpr() string {
	if x.binds {
		return "''"
	}
	labels := []string{"node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/controlplane", "node-role.kubernetes.io/master"}
	return fmt.Sprintf("%s.exists(l, l in params.metadata.?labels.orValue({})) ? %s : ''", quoted(labels), quote(strings.Join(planePorts(x.facts), ",")))
}
