// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"slices"
	"strings"

	"whohas/claimants"
	"whohas/cluster"
	"whohas/rule"
)

// lessExpr is CEL for: the Service claims no more than before and is otherwise as it
// was. Such a write passes whatever the rules say: it is how conflicts are ended
// (guard/reduce.go). A Service that gives up the port by which it passed for a storage
// server would be refused without it.
func lessExpr() string {
	same := []string{
		"oldObject != null",
		after.of(ownerExpr) + " == " + before.of(ownerExpr),
		"(variables.oldPorts.size() == 0 || variables.ports.size() > 0 && variables.ports.all(p, p in variables.oldPorts))",
		"variables.claims.all(c, variables.oldClaims.exists(o, o.field == c.field && o.way == c.way &&\n" +
			"  (o.text == c.text || c.way != 'none' && o.ip == c.ip && isIP(c.text) && ip.isCanonical(c.text))))",
		// A ClusterIP is given up, or stays.
		"(object.spec.?clusterIP.orValue('') == oldObject.spec.?clusterIP.orValue('')" +
			" || object.spec.?clusterIP.orValue('') in ['', 'None'] && !(oldObject.spec.?clusterIP.orValue('') in ['', 'None']))",
	}
	for _, f := range []string{"type", "loadBalancerClass", "externalTrafficPolicy", "ipFamilies", "selector"} {
		same = append(same, fmt.Sprintf("object.spec.?%[1]s == oldObject.spec.?%[1]s", f))
	}
	// A field in which somebody claims is compared by its claims.
	same = append(same,
		claimingOr("spec.externalIPs", "object.spec.?externalIPs == oldObject.spec.?externalIPs"),
		claimingOr("spec.loadBalancerIP", "object.spec.?loadBalancerIP == oldObject.spec.?loadBalancerIP"),
		claimingOr("status.loadBalancer.ingress", "object.?status.?loadBalancer.?ingress == oldObject.?status.?loadBalancer.?ingress"),
		fmt.Sprintf("%s.all(k, object.metadata.?annotations[?k] == oldObject.metadata.?annotations[?k] || (variables.claims + variables.oldClaims).exists(c, c.field == k))", quoted(requestKeys())),
		fmt.Sprintf("%s.all(k, object.metadata.?annotations[?k] == oldObject.metadata.?annotations[?k])", quoted(declared("annotations"))),
		fmt.Sprintf("%s.all(k, object.metadata.?labels[?k] == oldObject.metadata.?labels[?k])", quoted(declared("labels"))),
		sameNodeProxy,
	)
	return strings.Join(same, "\n&& ")
}

func claimingOr(field, same string) string {
	return fmt.Sprintf("(%s || (variables.claims + variables.oldClaims).exists(c, c.field == '%s'))", same, field)
}

// declared are the labels or annotations of Services that are kept, but those that hold
// addresses: what guard compares two Services by (claimants.Reads, rule.KeeperFields).
func declared(section string) []string {
	var fields []string
	for _, c := range claimants.All() {
		if c.Of == cluster.ServiceKind {
			fields = append(fields, c.Fields...)
		}
	}
	var keys []string
	for _, f := range append(fields, rule.KeeperFields()...) {
		key, ok := strings.CutPrefix(f, "metadata."+section+".")
		if ok && !strings.HasSuffix(key, "*") && !slices.Contains(requestKeys(), key) {
			keys = append(keys, key)
		}
	}
	if section == "annotations" {
		keys = append(keys, allowKey)
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}
