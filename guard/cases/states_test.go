// SPDX-License-Identifier: Apache-2.0

package cases

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sort"
	"strings"
	"testing"

	"whohas/claimants"
	facts "whohas/cluster"
	"whohas/dataplane"
	"whohas/guard/policy"
	"whohas/internal/cli"
	"whohas/rules"
	"whohas/testkit/apiserver"
	"whohas/testkit/scenario"

	admission "k8s.io/api/admissionregistration/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"
)

const policies = "validatingadmissionpolicy,validatingadmissionpolicybinding"

// webhookStates are those of a webhook.
func webhookStates() []state {
	var out []state
	for _, b := range []struct {
		name, why string
		how       func(*hook, *testing.T)
	}{
		{"nobody listens", "connection refused", (*hook).dead},
		{"certificate expired", "certificate has expired", (*hook).expired},
		{"garbage is answered", "control characters are not allowed", (*hook).garbage},
		{"another question is answered", "expected response.uid", (*hook).stranger},
		{"no answer comes", "context deadline exceeded", (*hook).silent},
	} {
		out = append(out,
			state{name: b.name + ", Ignore", enter: func(c *apiCluster, t *testing.T) { c.broken(t, "base", b.how, "") }},
			state{name: b.name + ", Fail", tools: b.name == "nobody listens", stuck: []string{"pool smaller in place"}, enter: func(c *apiCluster, t *testing.T) {
				c.broken(t, "overlays/fail-closed", b.how, b.why)
			}})
	}
	return append(out,
		state{name: "register stale", early: (*apiCluster).cutOff, enter: (*apiCluster).askedAboutEverything, asked: true, tools: true},
		state{name: "half of the nodes gone", early: (*apiCluster).standGuard, enter: (*apiCluster).loseNodes, asked: true},
	)
}

// broken is a webhook that was well until it broke. A new claim is refused for a reason
// from then on, or passes if there is none.
func (c *apiCluster) broken(t *testing.T, dir string, how func(*hook, *testing.T), why string) {
	t.Helper()
	h := newHook(t)
	c.webhook(t, c.configuration(t, dir, h.server.URL, h.bundle()))
	apiserver.Eventually(t, func() error { // it is asked
		if err := c.harm(t.Context(), "192.168.10.114"); h.drain() == 0 {
			return errors.Join(errors.New("nobody asks"), err)
		}
		return nil
	})
	how(h, t)
	c.refuses(t, "192.168.10.114", why)
}

// webhook applies a configuration until the test ends.
func (c *apiCluster) webhook(t *testing.T, text string) {
	t.Helper()
	c.With(t).KubectlInput(text, "apply", "--server-side", "-f", "-")
	t.Cleanup(func() {
		c.Kubectl("delete", "validatingwebhookconfiguration", "whohas-guard")
		c.open(t)
	})
}

// open waits until nobody guards any more.
func (c *apiCluster) open(t *testing.T) {
	apiserver.Eventually(t, func() error { return c.harm(context.Background(), "192.168.10.114") })
}

// standGuard runs a guard until the test ends.
func (c *apiCluster) standGuard(t *testing.T) {
	t.Cleanup(c.guard(t, c.config, dataplane.IPVS, nil))
}

// cutOff runs a guard that has read the cluster, and hears nothing of it any more: what is
// made from now on it does not know.
func (c *apiCluster) cutOff(t *testing.T) {
	w, url := newWire(t, c.URL())
	config := rest.CopyConfig(c.config)
	config.Host = url
	t.Cleanup(c.guard(t, config, dataplane.IPVS, nil))
	w.sever()
}

// askedAboutEverything is a webhook without conditions: with those of deploy/ a guard is
// not even asked about a fix.
func (c *apiCluster) askedAboutEverything(t *testing.T) {
	t.Helper()
	c.webhook(t, c.configuration(t, "overlays/fail-closed", c.front.server.URL, c.front.authority(), func(w *admission.ValidatingWebhook) { w.MatchConditions = nil }))
	c.refuses(t, "192.168.10.114", "WH101")
}

// loseNodes takes two of three Nodes away, one of which has an address that is claimed.
func (c *apiCluster) loseNodes(t *testing.T) {
	t.Helper()
	c.askedAboutEverything(t)
	c.Kubectl("delete", "node", "cdev02", "cdev03")
	c.refuses(t, "192.168.10.116", "")
	c.refuses(t, "192.168.10.114", "WH101")
}

// policyStates are those of a policy.
func policyStates() []state {
	return []state{
		{name: "half of the nodes gone, Nodes as parameters", enter: (*apiCluster).loseParameters},
		{name: "all nodes gone, Nodes as parameters", enter: (*apiCluster).loseAllParameters},
		{name: "half of the nodes gone, literal", enter: (*apiCluster).literalOfOldNodes},
		{name: "the map deleted", enter: (*apiCluster).loseMap},
		{name: "the map never there", enter: (*apiCluster).neverMapped},
		{name: "at its limit, Fail", enter: (*apiCluster).fullPolicy, tools: true},
		{name: "above its limit by hand, Fail", enter: (*apiCluster).tooLongPolicy},
		{name: "broken by hand, Fail", enter: (*apiCluster).brokenPolicy, tools: true, stuck: []string{
			"list shorter, merge patch", "list shorter, JSON patch", "list shorter, kubectl apply", "list shorter, server-side apply", "fewer ports", "long list cut", "long status emptied",
			"request removed", "no load balancer any more", "status emptied", "status shorter",
		}},
	}
}

// printed is what the command prints for the cluster as it is.
func (c *apiCluster) printed(t *testing.T, flags ...string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	args := append([]string{"whohas", "guard", "policy", "--kubeconfig", c.Kubeconfig(apiserver.Admin), "--proxy-mode", "ipvs"}, flags...)
	if status := cli.Main(args, strings.NewReader(""), &stdout, &stderr); status != 0 {
		t.Fatal(stderr.String())
	}
	return stdout.String()
}

// policy applies one until the test ends.
func (c *apiCluster) policy(t *testing.T, text string) {
	t.Helper()
	c.With(t).KubectlInput(text, "apply", "--server-side", "-f", "-")
	t.Cleanup(func() {
		c.Kubectl("delete", policies, "whohas-guard")
		c.Kubectl("-n", "whohas-system", "delete", "--ignore-not-found", "configmap", "whohas-addresses")
		c.heardOfPolicies(t)
	})
}

// loseParameters: the Nodes that are left are guarded on.
func (c *apiCluster) loseParameters(t *testing.T) {
	t.Helper()
	c.policy(t, c.printed(t, "--form", "node-params"))
	c.refuses(t, "192.168.10.116", "WH101")
	c.Kubectl("delete", "node", "cdev02", "cdev03")
	c.refuses(t, "192.168.10.116", "")
	c.refuses(t, "192.168.10.114", "WH101")
}

// loseAllParameters: with no Node there is nothing to guard, and nothing is refused.
func (c *apiCluster) loseAllParameters(t *testing.T) {
	t.Helper()
	c.policy(t, c.printed(t, "--form", "node-params"))
	c.refuses(t, "192.168.10.114", "WH101")
	c.Kubectl("delete", "node", "cdev01", "cdev02", "cdev03")
	c.refuses(t, "192.168.10.114", "")
}

// literalOfOldNodes: what the policy was made of is guarded on, until it is made again.
func (c *apiCluster) literalOfOldNodes(t *testing.T) {
	t.Helper()
	c.policy(t, c.printed(t, "--form", "literal", "--fail-closed"))
	c.Kubectl("delete", "node", "cdev02", "cdev03")
	c.refuses(t, "192.168.10.116", "WH101")
}

func (c *apiCluster) loseMap(t *testing.T) {
	t.Helper()
	c.policy(t, c.printed(t, "--form", "map-param"))
	c.refuses(t, "192.168.10.114", "WH101")
	c.Kubectl("-n", "whohas-system", "delete", "configmap", "whohas-addresses")
	c.refuses(t, "192.168.10.114", "")
}

// neverMapped is the policy alone, without the map that it looks things up in.
func (c *apiCluster) neverMapped(t *testing.T) {
	t.Helper()
	objects, err := decode(c.printed(t, "--form", "map-param"))
	if err != nil {
		t.Fatal(err)
	}
	var text []string
	for _, o := range objects {
		if o.GetKind() != "ConfigMap" {
			text = append(text, manifest(t, o.Object))
		}
	}
	c.policy(t, strings.Join(text, "---\n"))
	c.heardOfPolicies(t)
	if err := c.harm(t.Context(), "192.168.10.114"); err != nil {
		t.Errorf("without the map: %v", err)
	}
}

// witness is a policy that is seen to be in force.
const witness = `
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: %[1]s}
spec:
  matchConstraints: {resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [configmaps]}]}
  validations: [{expression: "object.metadata.name != '%[1]s'"}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: %[1]s}
spec: {policyName: %[1]s, validationActions: [Deny]}
`

// heardOfPolicies waits until the policies that stand now are in force, and no other. An
// apiserver takes in all that it has learned of at once, so that one made later tells.
func (c *apiCluster) heardOfPolicies(t *testing.T) {
	t.Helper()
	name := "witness-" + strings.ToLower(rand.Text())
	c.KubectlInput(fmt.Sprintf(witness, name), "apply", "--server-side", "-f", "-")
	defer c.Kubectl("delete", policies, name)
	apiserver.Eventually(t, func() error {
		if _, err := c.KubectlAs(apiserver.Admin, "", "create", "configmap", name, "--dry-run=server"); err == nil {
			return errors.New("not in force")
		}
		return nil
	})
}

// fullPolicy is the largest literal map that CEL reads.
func (c *apiCluster) fullPolicy(t *testing.T) {
	t.Helper()
	n := 3000 + sort.Search(1500, func(i int) bool { _, err := literal(t, 3001+i); return err != nil })
	m, err := literal(t, n)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := literal(t, n+1); !errors.Is(err, policy.ErrLimits) {
		t.Fatalf("%d nodes: %v", n+1, err)
	}
	t.Logf("%d nodes", n)
	text, err := m.YAML()
	if err != nil {
		t.Fatal(err)
	}
	c.policy(t, string(text))
	c.refuses(t, "192.168.10.114", "WH101")
	c.refuses(t, "192.168.10.99", "")
}

// literal is the fail-closed policy of a cluster of the incident's nodes and others, n
// together.
func literal(t *testing.T, n int) (policy.Manifest, error) {
	t.Helper()
	var b strings.Builder
	b.WriteString("# n nodes\n-- nodes.yaml --\n")
	for i := range n {
		fmt.Fprintf(&b, "---\napiVersion: v1\nkind: Node\nmetadata: {name: node-%04d}\nstatus: {addresses: [{type: InternalIP, address: %s}]}\n", i, address(i))
	}
	s, err := scenario.Parse("large", []byte(b.String()))
	if err != nil {
		t.Fatal(err)
	}
	return policy.Make(policy.Input{Rules: rules.All(), Claims: claimants.View(s.Snapshot), Facts: facts.Infer(s.Snapshot, dataplane.IPVS, "test")}, policy.Options{Form: policy.Literal, FailClosed: true})
}

func address(i int) string {
	if i < 3 {
		return fmt.Sprintf("192.168.10.%d", 114+i)
	}
	return fmt.Sprintf("10.100.%d.%d", i/200, 10+i%200)
}

// tooLongPolicy is one that somebody has made longer by hand than CEL reads. The apiserver
// does not take it, so that nothing is refused by it.
func (c *apiCluster) tooLongPolicy(t *testing.T) {
	t.Helper()
	m, err := literal(t, 3000)
	if err != nil {
		t.Fatal(err)
	}
	for i := range m.Policy.Spec.Variables {
		if v := &m.Policy.Spec.Variables[i]; len(v.Expression) > 50_000 {
			v.Expression = strings.Replace(v.Expression, "{", "{"+strings.Repeat("'10.0.0.0': 'x', ", 5000), 1)
		}
	}
	_, err = c.KubectlAs(apiserver.Admin, manifest(t, m.Policy), "create", "-f", "-")
	if err == nil || !strings.Contains(err.Error(), "code point size exceeds limit") {
		t.Fatalf("it is taken: %.1000v", err)
	}
	c.refuses(t, "192.168.10.114", "")
}

// brokenPolicy is one that cannot be evaluated, whatever is written. Nobody needs the
// guard's own to come to that: a slip in an edit is enough.
func (c *apiCluster) brokenPolicy(t *testing.T) {
	t.Helper()
	m, err := literal(t, 3)
	if err != nil {
		t.Fatal(err)
	}
	m.Policy.Spec.Validations[0].Expression = "object.spec.no.such.field == 1"
	c.policy(t, manifest(t, m.Policy)+"---\n"+manifest(t, m.Binding))
	c.refuses(t, "192.168.10.99", "no such key")
}

func manifest(t *testing.T, o any) string {
	t.Helper()
	text, err := yaml.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
