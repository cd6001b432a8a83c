// SPDX-License-Identifier: Apache-2.0

// Package policy writes the guard as a ValidatingAdmissionPolicy: the part of the
// decision that CEL can see, inside the apiserver, with no program of ours beside it.
//
// What goes in is what check has loaded; what comes out are Kubernetes objects. The
// policy refuses what the rules WH101, WH102, WH103, WH106, WH107 and WH108 call an
// error or worse, as far as one Service and a list of owned addresses show it, and
// any new address that is not written in its usual form (WH208). Everything else is
// left to the webhook; docs/guard-policy.md lists it.
package policy

import (
	"errors"
	"fmt"
	"time"

	admission "k8s.io/api/admissionregistration/v1"
	core "k8s.io/api/core/v1"

	"whohas/claim"
	"whohas/cluster"
	"whohas/dataplane"
	"whohas/rule"
)

// Name is the name of the policy and of its binding.
const Name = "whohas-guard"

// StaticName is the name of both as files of an apiserver, which takes only names
// that end so (KEP-5793; k8s.io/apiserver v0.37.2 pkg/admission/plugin/manifest
// StaticConfigSuffix).
const StaticName = Name + ".static.k8s.io"

// ParameterName is the name of the ConfigMap of the map-param form.
const ParameterName = "whohas-addresses"

// Form is where the policy has the owned addresses from.
type Form string

// The forms. Choose takes one by the size of the cluster.
const (
	NodeParams Form = "node-params" // each Node is a parameter: follows joins with no controller
	Literal    Form = "literal"     // in the policy itself: needs nothing else, and may fail closed
	MapParam   Form = "map-param"   // in one ConfigMap, which a controller keeps
)

// ParseForm reads a form's name.
func ParseForm(text string) (Form, error) {
	switch f := Form(text); f {
	case NodeParams, Literal, MapParam:
		return f, nil
	}
	return "", fmt.Errorf("form %q: want %s, %s or %s", text, NodeParams, Literal, MapParam)
}

// Input is what the policy is made of.
type Input struct {
	Claims claim.View
	Facts  *cluster.Facts
	Rules  []*rule.Rule // those that refuse something are asked

	// What the site's configuration says of findings. A rule that it makes milder
	// than an error refuses nothing; one that it makes graver is the webhook's.
	Suppressions []rule.Suppression
	Severities   map[string]rule.Severity // by rule ID or name
	Now          time.Time                // for the expiry of permissions
}

// DefaultNamespace is where the guard, and with it the ConfigMap of form map-param, lives
// unless it is told another place.
const DefaultNamespace = "whohas-system"

// Options are what the operator chooses. The zero Form is chosen by size.
type Options struct {
	Form       Form
	Namespace  string // of the ConfigMap
	Audit      bool   // warn and record; refuse nothing
	FailClosed bool   // what cannot be evaluated is refused; literal form only
	Static     bool   // as a file of the apiserver; literal form only
}

// Manifest is what is applied to a cluster. Addresses is nil but in the map-param
// form.
type Manifest struct {
	Form      Form
	Policy    *admission.ValidatingAdmissionPolicy
	Binding   *admission.ValidatingAdmissionPolicyBinding
	Addresses *core.ConfigMap
}

// Faults that the caller has advice for.
var (
	ErrMode   = errors.New("the proxy mode is not known, and the policy refuses nothing on an assumption")
	ErrEmpty  = errors.New("no address that belongs to a host was read: there is nothing to guard")
	ErrLimits = errors.New("above the limits of CEL")
)

// Make writes the policy.
func Make(in Input, o Options) (Manifest, error) {
	if in.Facts.Mode == dataplane.ModeUnknown {
		return Manifest{}, ErrMode
	}
	if len(refusalsOf(in.Rules)) == 0 {
		return Manifest{}, errors.New("none of the rules refuses anything")
	}
	p := protect(in)
	if p.empty() {
		return Manifest{}, ErrEmpty
	}
	if o.Form == "" {
		o.Form = choose(p, in.Facts, o)
	}
	if o.Form != Literal && (o.FailClosed || o.Static) {
		return Manifest{}, fmt.Errorf("form %s: only the %s form can fail closed or be a file of the apiserver", o.Form, Literal)
	}
	m := Manifest{Form: o.Form}
	x := expressions{
		form: o.Form, refusals: refusalsOf(in.Rules), owned: p, facts: in.Facts, excused: excuses(in),
		binds: in.Facts.Behavior().Binds, single: in.Facts.SingleNode(), off: in.Facts.ExternalIPsOff,
	}
	m.Policy, m.Binding = admissionPolicy(x, o), binding(o)
	if o.Form == MapParam {
		m.Addresses = addresses(p, o.Namespace)
	}
	return m, within(m.Policy)
}

// Sizes up to which a form is chosen, from what each costs per write
// (docs/decisions/0015-guard-policy.md).
const (
	mostNodes    = 30
	mostLiterals = 3000
)

// choose takes the form by size, unless what is wanted is the literal form's alone.
func choose(p protected, f *cluster.Facts, o Options) Form {
	switch {
	case o.FailClosed || o.Static:
		return Literal
	case len(f.Nodes) > 0 && len(f.Nodes) <= mostNodes:
		return NodeParams
	case len(p.at) <= mostLiterals && p.size() <= mostText:
		return Literal
	}
	return MapParam
}
