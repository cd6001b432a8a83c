// SPDX-License-Identifier: Apache-2.0

package cases

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"whohas/testkit/apiserver"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// caseLabel tells whose policy is bound to a Service. An apiserver reads policies again
// once a second: with each case's own bound to that case, all can stand there at once.
const caseLabel = "case"

func (x *trial) label() string { return strings.ToLower(strings.ReplaceAll(x.name, "/", ".")) }

// install puts up the policies of all cases, each under its case's name.
func (c *apiCluster) install(t *testing.T, trials []*trial) {
	t.Helper()
	for _, x := range trials {
		for _, o := range x.policy {
			name := o.GetName() + "." + x.label()
			o.SetName(name)
			if o.GetKind() == "ValidatingAdmissionPolicyBinding" {
				_ = unstructured.SetNestedField(o.Object, name, "spec", "policyName")
				_ = unstructured.SetNestedStringMap(o.Object, map[string]string{caseLabel: x.label()}, "spec", "matchResources", "objectSelector", "matchLabels")
			}
			at, err := c.resource(o)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := at.Create(t.Context(), o, metav1.CreateOptions{}); err != nil {
				t.Fatalf("%s: %v", x.name, err)
			}
		}
	}
}

// canary is a Service that every policy of ours refuses (WH208), whatever it guards.
const canary = `{apiVersion: v1, kind: Service, metadata: {name: canary, namespace: default, labels: {case: %s},
  annotations: {metallb.io/loadBalancerIPs: 192.000.002.001}}, spec: {type: LoadBalancer, ports: [{port: 80}]}}`

// ask writes a case's Services under its policy.
func (c *apiCluster) ask(t *testing.T, x *trial, r *row) {
	t.Helper()
	if x.policy == nil {
		return
	}
	ctx := t.Context()
	s := &stage{apiCluster: c}
	defer s.strike(ctx, t, x.name)
	apiserver.Eventually(t, func() error { // its policy is in force
		probe, err := decode(fmt.Sprintf(canary, x.label()))
		if err != nil {
			return err
		}
		if err := s.put(ctx, probe[0]); !strings.Contains(fmt.Sprint(err), "'whohas-guard."+x.label()+"' denied request: WH208") {
			return errors.Join(fmt.Errorf("the policy of %s refuses nothing: %w", x.name, err), s.clear(ctx))
		}
		return nil
	})
	for _, o := range x.services {
		o = o.DeepCopy()
		labels := o.GetLabels()
		if labels == nil {
			labels = map[string]string{}
		}
		labels[caseLabel] = x.label()
		o.SetLabels(labels)
		v := judge(s.put(ctx, o))
		if x.harmful && len(v.rules) == 0 {
			t.Errorf("%s: %s passes the policy", x.name, refOf(o))
		}
		if v.itself == "" {
			r.policy.asked = append(r.policy.asked, refOf(o).String())
			r.policy.add(v)
		}
	}
}
