// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"regexp"
	"strings"

	admission "k8s.io/api/admissionregistration/v1"
	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"

	"whohas/kubeproxy"
)

// labels tell what belongs to the guard.
var labels = map[string]string{"app.kubernetes.io/name": "whohas", "app.kubernetes.io/component": "guard"}

func named(o Options) meta.ObjectMeta {
	name := Name
	if o.Static {
		name = StaticName
	}
	return meta.ObjectMeta{Name: name, Labels: labels}
}

func admissionPolicy(x expressions, o Options) *admission.ValidatingAdmissionPolicy {
	fail := admission.Ignore
	if o.FailClosed {
		fail = admission.Fail
	}
	equivalent := admission.Equivalent
	p := &admission.ValidatingAdmissionPolicy{
		TypeMeta:   meta.TypeMeta{APIVersion: admission.SchemeGroupVersion.String(), Kind: "ValidatingAdmissionPolicy"},
		ObjectMeta: named(o),
		Spec: admission.ValidatingAdmissionPolicySpec{
			FailurePolicy: &fail,
			MatchConstraints: &admission.MatchResources{
				MatchPolicy: &equivalent,
				// As the apiserver's defaults have it: in every namespace.
				NamespaceSelector: &meta.LabelSelector{}, ObjectSelector: &meta.LabelSelector{},
				ResourceRules: []admission.NamedRuleWithOperations{{RuleWithOperations: admission.RuleWithOperations{
					// DELETE is never matched, nor are Nodes: neither is ever refused.
					Operations: []admission.OperationType{admission.Create, admission.Update},
					Rule:       admission.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"services", "services/status"}},
				}}},
			},
			MatchConditions: matchConditions(),
			Variables:       x.variables(),
		},
	}
	for _, r := range x.refusals {
		p.Spec.Validations = append(p.Spec.Validations, r.validation())
	}
	switch x.form {
	case NodeParams:
		p.Spec.ParamKind = &admission.ParamKind{APIVersion: "v1", Kind: "Node"}
	case MapParam:
		p.Spec.ParamKind = &admission.ParamKind{APIVersion: "v1", Kind: "ConfigMap"}
	}
	return p
}

// validation refuses what a rule found, unless somebody who may do so allows it. An
// expression that refuses nothing asks no authorizer.
func (r refusal) validation() admission.Validation {
	forbidden := meta.StatusReasonForbidden
	first := "variables." + r.variable() + "[0]"
	return admission.Validation{
		Expression: fmt.Sprintf("variables.%s.size() == 0 || variables.less || %s", r.variable(), r.allowed()),
		Message:    fmt.Sprintf("%s %s: the Service claims an address that is somebody else's", r.ID, r.Name),
		MessageExpression: fmt.Sprintf("'%s %s: ' + %s + '. Fix: %s (whohas rules %s)'",
			r.ID, r.Name, strings.ReplaceAll(r.words, "$c", first), strings.ReplaceAll(r.fix, "'", `\'`), r.ID),
		Reason: &forbidden,
	}
}

// allowKey is check.AllowAnnotation: guard/policy knows no more of check.
const allowKey = "whohas.io/allow"

// allowed is CEL for a permission: the annotation counts only from somebody who may
// override claims, so that nobody who may edit a Service can excuse himself: in the whole
// cluster or in the object's namespace, as the webhook asks (webhook.Overrides). Of the
// annotation's ways of writing only the one on a line is read. CEL has no clock: a
// last day is passed over.
func (r refusal) allowed() string {
	pattern := `(?:^|[;\n])[ \t]*(?:rule[ \t]*[=:][ \t]*)?(?:` + r.ID + "|" + regexp.QuoteMeta(r.Name) + `)[ \t,]+` +
		`(?:until[ \t]*[=:][ \t]*[0-9A-Z:.+-]+[ \t,]+)?reason[ \t]*[=:][ \t]*[^ \t\r\n;,{}\[\]"\x27-]`
	return fmt.Sprintf("(object.metadata.?annotations[?'%s'].orValue('').matches(%s)\n"+
		"  && authorizer.group('whohas.io').resource('claims').namespace(request.?namespace.orValue('')).check('override').allowed())", allowKey, quote(pattern))
}

// relevant are what decides whether and how a Service claims an address.
var (
	relevantSpec   = []string{"type", "clusterIP", "externalIPs", "loadBalancerIP", "loadBalancerClass", "ports"}
	relevantLabels = []string{kubeproxy.OtherProxyLabel, "gateway.networking.k8s.io/gateway-name"}
	// besideAnnotations hold no addresses.
	besideAnnotations = []string{
		"lb.kubesphere.io/v1alpha1",
		"metallb.io/ip-allocated-from-pool", "metallb.universe.tf/ip-allocated-from-pool",
		// Sharing: of no rule of the policy, but the webhook has the same conditions.
		"metallb.io/allow-shared-ip", "metallb.universe.tf/allow-shared-ip",
		"lbipam.cilium.io/sharing-key", "io.cilium/lb-ipam-sharing-key",
		"lbipam.cilium.io/sharing-cross-namespace", "io.cilium/lb-ipam-sharing-cross-namespace",
		"purelb.io/allow-shared-ip",
	}
	relevantAnnotations = append(requestKeys(), besideAnnotations...)
)

// sameNodeProxy is CEL for: OpenELB's node proxy serves the Service as before.
const sameNodeProxy = "object.metadata.?annotations.orValue({}).exists(k, k.startsWith('node-proxy.')) == oldObject.metadata.?annotations.orValue({}).exists(k, k.startsWith('node-proxy.'))"

// matchConditions let in the writes that change an address that is claimed, or what
// makes a claim take effect, and no others.
func matchConditions() []admission.MatchCondition {
	claims := []string{
		"object.spec.?externalIPs.orValue([]).size() > 0",
		"object.spec.?loadBalancerIP.orValue('') != ''",
		"object.?status.?loadBalancer.?ingress.orValue([]).exists(i, has(i.ip))",
		fmt.Sprintf("%s.exists(k, k in object.metadata.?annotations.orValue({}))", quoted(requestKeys())),
	}
	changes := []string{"oldObject == null"}
	for _, f := range relevantSpec {
		changes = append(changes, fmt.Sprintf("object.spec.?%[1]s != oldObject.spec.?%[1]s", f))
	}
	changes = append(changes,
		"object.?status.?loadBalancer.?ingress.orValue([]) != oldObject.?status.?loadBalancer.?ingress.orValue([])",
		"object.metadata.?ownerReferences.orValue([]) != oldObject.metadata.?ownerReferences.orValue([])",
		fmt.Sprintf("%s.exists(k, object.metadata.?labels[?k] != oldObject.metadata.?labels[?k])", quoted(relevantLabels)),
		fmt.Sprintf("%s.exists(k, object.metadata.?annotations[?k] != oldObject.metadata.?annotations[?k])", quoted(relevantAnnotations)),
		"!("+sameNodeProxy+")",
	)
	return []admission.MatchCondition{
		{Name: "claims-an-address", Expression: strings.Join(claims, "\n|| ")},
		{Name: "changes-a-claim", Expression: strings.Join(changes, "\n|| ")},
	}
}

func binding(o Options) *admission.ValidatingAdmissionPolicyBinding {
	b := &admission.ValidatingAdmissionPolicyBinding{
		TypeMeta:   meta.TypeMeta{APIVersion: admission.SchemeGroupVersion.String(), Kind: "ValidatingAdmissionPolicyBinding"},
		ObjectMeta: named(o),
		Spec: admission.ValidatingAdmissionPolicyBindingSpec{
			PolicyName:        named(o).Name,
			ValidationActions: []admission.ValidationAction{admission.Deny, admission.Audit},
		},
	}
	if o.Audit {
		b.Spec.ValidationActions = []admission.ValidationAction{admission.Warn, admission.Audit}
	}
	allow := admission.AllowAction
	switch o.Form {
	case NodeParams:
		b.Spec.ParamRef = &admission.ParamRef{Selector: &meta.LabelSelector{}, ParameterNotFoundAction: &allow}
	case MapParam:
		b.Spec.ParamRef = &admission.ParamRef{Name: ParameterName, Namespace: o.Namespace, ParameterNotFoundAction: &allow}
	}
	return b
}

// addresses is the parameter of the map-param form.
func addresses(p protected, namespace string) *core.ConfigMap {
	m := &core.ConfigMap{
		TypeMeta:   meta.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"},
		ObjectMeta: meta.ObjectMeta{Name: ParameterName, Namespace: namespace, Labels: labels},
		Data:       map[string]string{},
	}
	for _, ip := range p.sorted() {
		m.Data[strings.ReplaceAll(ip.String(), ":", "-")] = text(p.at[ip])
	}
	return m
}
