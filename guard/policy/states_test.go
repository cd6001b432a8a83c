// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	core "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/admission/plugin/policy/manifest/loader"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"whohas/check"
	"whohas/claim"
	"whohas/dataplane"
	"whohas/guard/policy"
	"whohas/rule"
	"whohas/rules"
	"whohas/snapshot"
)

var update = flag.Bool("update", false, "write the golden files again")

// TestGolden: each form as it is printed.
func TestGolden(t *testing.T) {
	for _, form := range forms {
		for _, mode := range []dataplane.ProxyMode{dataplane.IPVS, dataplane.NFTables} {
			file := filepath.Join("testdata", fmt.Sprintf("%s-%s.yaml", form, mode))
			t.Run(file, func(t *testing.T) {
				got, err := incident(t, mode).policy(t, policy.Options{Form: form}).YAML()
				if err != nil {
					t.Fatal(err)
				}
				if *update {
					if err := os.WriteFile(file, got, 0o644); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(string(want), string(got)); diff != "" {
					t.Errorf("(-want +got, go test ./guard/policy -update writes it):\n%s", diff)
				}
			})
		}
	}
}

const (
	claimed = `{"spec":{"externalIPs":["192.168.10.114"],"ports":[{"port":22}]}}`
	fixed   = `{"spec":{"ports":[{"port":22}]}}`
)

// TestNeverMatched: what stands between an operator and the repair, or is none of the
// guard's business, is not even looked at.
func TestNeverMatched(t *testing.T) {
	w := incident(t, dataplane.IPVS)
	for _, form := range forms {
		s := served(t, strict(w.policy(t, policy.Options{Form: form})), w.objects()...)
		bad := service(t, claimed)
		for name, err := range map[string]error{
			"delete":         s.send(admission.Delete, "services", "", "Service", bad, nil),
			"a Node":         s.send(admission.Update, "nodes", "", "Node", service(t, fixed), bad),
			"a Node's":       s.send(admission.Update, "nodes", "status", "Node", service(t, fixed), bad),
			"a Pod":          s.send(admission.Create, "pods", "", "Pod", nil, bad),
			"the Service's":  s.send(admission.Update, "services", "proxy", "Service", service(t, fixed), bad),
			"a lease":        s.send(admission.Update, "leases", "", "Lease", service(t, fixed), bad),
			"unchanged":      s.send(admission.Update, "services", "", "Service", bad, bad),
			"the fix":        s.send(admission.Update, "services", "", "Service", bad, service(t, fixed)),
			"a status fixed": s.send(admission.Update, "services", "status", "Service", bad, service(t, fixed)),
		} {
			if err != nil {
				t.Errorf("%s: %s: %v", form, name, err)
			}
		}
		if s.send(admission.Update, "services", "status", "Service", service(t, fixed), service(t, claimed)) == nil {
			t.Errorf("%s: a claim through the status passes", form)
		}
	}
}

// TestParametersMissing: without its parameters a policy lets everything pass, the
// fix first of all, and says so nowhere: the audit does.
func TestParametersMissing(t *testing.T) {
	w := incident(t, dataplane.IPVS)
	never := func(resource string) func(*fake.Clientset) {
		return func(c *fake.Clientset) {
			c.PrependReactor("list", resource, func(clienttesting.Action) (bool, runtime.Object, error) {
				return true, nil, errors.New("etcd is gone")
			})
		}
	}
	absent := func(c *fake.Clientset) {
		_ = c.Tracker().Delete(core.SchemeGroupVersion.WithResource("configmaps"), "whohas", policy.ParameterName)
	}
	for name, tt := range map[string]struct {
		form  policy.Form
		fault func(*fake.Clientset)
	}{
		"no Node is known":            {policy.NodeParams, func(*fake.Clientset) {}},
		"Nodes are never listed":      {policy.NodeParams, never("nodes")},
		"the ConfigMap is not there":  {policy.MapParam, absent},
		"ConfigMaps are never listed": {policy.MapParam, never("configmaps")},
	} {
		t.Run(name, func(t *testing.T) {
			m := w.policy(t, policy.Options{Form: tt.form})
			client := fake.NewClientset(clusterObjects(m, nil)...)
			tt.fault(client)
			s := serve(t, client)
			for _, write := range []struct{ before, after string }{{claimed, fixed}, {claimed, claimed}, {fixed, fixed}, {fixed, claimed}} {
				if err := s.write(context.Background(), service(t, write.before), service(t, write.after), anybody); err != nil {
					t.Errorf("%s -> %s: %v", write.before, write.after, err)
				}
			}
		})
	}
}

// TestParameterDeleted: a parameter that goes away while the plugin runs.
func TestParameterDeleted(t *testing.T) {
	w := incident(t, dataplane.IPVS)
	s := served(t, w.policy(t, policy.Options{Form: policy.MapParam}))
	ctx := context.Background()
	if s.write(ctx, nil, service(t, claimed), anybody) == nil {
		t.Fatal("admitted while the parameter is there")
	}
	if err := s.client.CoreV1().ConfigMaps("whohas").Delete(ctx, policy.ParameterName, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	within(t, func() bool { return s.write(ctx, nil, service(t, claimed), anybody) == nil })
	if err := s.write(ctx, service(t, claimed), service(t, fixed), anybody); err != nil {
		t.Errorf("the fix: %v", err)
	}
}

// TestNodeJoins: the form with Nodes as parameters follows them, with nothing that
// keeps it.
func TestNodeJoins(t *testing.T) {
	w := incident(t, dataplane.IPVS)
	s := served(t, strict(w.policy(t, policy.Options{Form: policy.NodeParams})), w.objects()...)
	ctx := context.Background()
	taken := service(t, `{"spec":{"externalIPs":["192.168.10.200"]}}`)
	if err := s.write(ctx, nil, taken, anybody); err != nil {
		t.Fatal(err)
	}
	joined := &core.Node{ObjectMeta: metav1.ObjectMeta{Name: "cdev04"}, Status: core.NodeStatus{Addresses: []core.NodeAddress{{Type: core.NodeInternalIP, Address: "192.168.10.200"}}}}
	if _, err := s.client.CoreV1().Nodes().Create(ctx, joined, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	within(t, func() bool { return s.write(ctx, nil, taken, anybody) != nil })
	if got := refusedFor(t, s.write(ctx, nil, taken, anybody)); !strings.Contains(got, "belongs to node cdev04") {
		t.Errorf("refused for %q", got)
	}
}

// within waits for what informers bring about.
func within(t *testing.T, done func() bool) {
	t.Helper()
	for range 1000 {
		if done() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("it never came about")
}

// TestAllow: the annotation counts from who may override, and in the form on a line.
func TestAllow(t *testing.T) {
	w := incident(t, dataplane.IPVS)
	s := served(t, strict(w.policy(t, policy.Options{Form: policy.Literal})))
	for annotation, counts := range map[string]bool{
		"WH101 reason=a lab":                                true,
		"external-ip-is-node reason=a lab":                  true,
		"rule=WH101, reason=ours":                           true,
		"WH101 until=2026-12-31 reason=moving":              true,
		"WH102 reason=a; WH101 reason=b":                    true,
		"WH102 reason=a\nWH101 until: 2020-01-01 reason: b": true, // CEL has no clock
		"":                           false,
		"WH101":                      false,
		"WH101 reason=":              false,
		"WH1010 reason=a":            false,
		"WH102 reason=not for WH101": false,
		"reason=WH101":               false,
	} {
		o := service(t, claimed)
		o.Annotations = map[string]string{check.AllowAnnotation: annotation}
		if err := s.write(context.Background(), nil, o, rescuer); (err == nil) != counts {
			t.Errorf("%q: %v", annotation, err)
		}
		if s.write(context.Background(), nil, o, anybody) == nil {
			t.Errorf("%q counts from anybody", annotation)
		}
		if allows := check.ParseSuppressions(annotation); counts && !matches(allows) {
			t.Errorf("%q counts in the policy alone: %+v", annotation, allows)
		}
	}
}

func matches(allows []rule.Suppression) bool {
	for _, a := range allows {
		if a.Matches(&rule.Finding{Rule: rules.ExternalIPIsNode}) && a.Reason != "" {
			return true
		}
	}
	return false
}

// TestAudit: it warns, and refuses nothing.
func TestAudit(t *testing.T) {
	w := incident(t, dataplane.IPVS)
	for _, form := range forms {
		s := served(t, strict(w.policy(t, policy.Options{Form: form, Audit: true})), w.objects()...)
		heard := &warnings{}
		if err := s.write(withWarnings(heard), nil, service(t, claimed), anybody); err != nil {
			t.Errorf("%s: %v", form, err)
		}
		if !strings.Contains(strings.Join(heard.texts, "\n"), "WH101 external-ip-is-node: 192.168.10.114 belongs to node cdev01") {
			t.Errorf("%s: warnings %q", form, heard.texts)
		}
	}
}

// sized is a cluster of n nodes, each with one address.
func sized(t testing.TB, n int) world {
	t.Helper()
	nodes := make([]string, n)
	for i := range nodes {
		nodes[i] = node(fmt.Sprintf("node-%04d", i), nil, i < 3, fmt.Sprintf("InternalIP=10.100.%d.%d", i/200, 10+i%200))
	}
	return readWorld(t, dataplane.IPVS, "", nodes)
}

// TestLimits: a literal map that CEL does not read is never printed: with Fail it
// would refuse every Service, with Ignore it would guard nothing.
func TestLimits(t *testing.T) {
	for n, want := range map[int]policy.Form{3: policy.NodeParams, 30: policy.NodeParams, 31: policy.Literal, 3000: policy.Literal, 3001: policy.MapParam, 6000: policy.MapParam} {
		w := sized(t, n)
		if got := w.policy(t, policy.Options{}).Form; got != want {
			t.Errorf("%d nodes: form %s, want %s", n, got, want)
		}
	}
	w := sized(t, 4500)
	for _, o := range []policy.Options{{Form: policy.Literal}, {FailClosed: true}, {Static: true}} {
		if _, err := policy.Make(policy.Input{Rules: rules.All(), Claims: w.view(), Facts: w.facts}, o); !errors.Is(err, policy.ErrLimits) {
			t.Errorf("%+v of 4500 addresses: %v", o, err)
		}
	}
	fits := func(n int) bool {
		w := sized(t, n)
		_, err := policy.Make(policy.Input{Rules: rules.All(), Claims: w.view(), Facts: w.facts}, policy.Options{Form: policy.Literal})
		return err == nil
	}
	most := 3000 + sort.Search(1500, func(i int) bool { return !fits(3001 + i) })
	sized(t, most).policy(t, policy.Options{Form: policy.Literal}) // which compiles it
}

// TestLargest: the largest literal map that is chosen works in the plugin, and fails
// closed without refusing what it need not.
func TestLargest(t *testing.T) {
	w := sized(t, 3000)
	s := served(t, w.policy(t, policy.Options{Form: policy.Literal, FailClosed: true}))
	ctx := context.Background()
	if got := refusedFor(t, s.write(ctx, nil, service(t, `{"spec":{"externalIPs":["10.100.14.209"]}}`), anybody)); !strings.Contains(got, "node-2999") {
		t.Errorf("refused for %q", got)
	}
	for _, text := range []string{`{"spec":{"externalIPs":["10.100.15.1"]}}`, fixed} {
		if err := s.write(ctx, nil, service(t, text), anybody); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// TestPadded: a Service with very many addresses does not hide one among them.
func TestPadded(t *testing.T) {
	w := incident(t, dataplane.IPTables)
	for _, form := range forms {
		s := served(t, strict(w.policy(t, policy.Options{Form: form})), w.objects()...)
		o := service(t, `{"spec":{"ports":[{"port":22},{"port":80}]}}`)
		for i := range 1000 {
			o.Spec.ExternalIPs = append(o.Spec.ExternalIPs, fmt.Sprintf("10.7.%d.%d", i/250, i%250))
		}
		o.Spec.ExternalIPs = append(o.Spec.ExternalIPs, "192.168.10.114")
		before := o.DeepCopy()
		before.Spec.ExternalIPs = before.Spec.ExternalIPs[:1000]
		if got := refusedFor(t, s.write(context.Background(), before, o, anybody)); !strings.Contains(got, "WH101") {
			t.Errorf("%s: refused for %q", form, got)
		}
	}
}

// TestRefused: what cannot be made says why.
func TestRefused(t *testing.T) {
	unknown := incident(t, dataplane.ModeUnknown)
	empty := readWorld(t, dataplane.IPVS, "", nil)
	known := incident(t, dataplane.IPVS)
	for name, tt := range map[string]struct {
		w    world
		o    policy.Options
		want string
	}{
		"unknown mode":              {unknown, policy.Options{}, policy.ErrMode.Error()},
		"nothing to guard":          {empty, policy.Options{}, policy.ErrEmpty.Error()},
		"parameters fail closed":    {known, policy.Options{Form: policy.NodeParams, FailClosed: true}, "only the literal form"},
		"a static file with params": {known, policy.Options{Form: policy.MapParam, Static: true}, "only the literal form"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := policy.Make(policy.Input{Rules: rules.All(), Claims: tt.w.view(), Facts: tt.w.facts}, tt.o)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}

// TestConfiguration: what the site's configuration allows is not refused.
func TestConfiguration(t *testing.T) {
	w := incident(t, dataplane.IPVS)
	for name, tt := range map[string]struct {
		in      policy.Input
		refused bool
	}{
		"by rule":         {policy.Input{Suppressions: []rule.Suppression{{Rule: "WH101", Reason: "lab"}}}, false},
		"by name":         {policy.Input{Suppressions: []rule.Suppression{{Rule: "external-ip-is-node", Reason: "lab"}}}, false},
		"the address":     {policy.Input{Suppressions: []rule.Suppression{{Rule: "WH101", Place: "192.168.10.114", Reason: "lab"}}}, false},
		"a range":         {policy.Input{Suppressions: []rule.Suppression{{Rule: "WH101", Place: "192.168.10.112/30", Reason: "lab"}}}, false},
		"milder":          {policy.Input{Severities: map[string]rule.Severity{"WH101": rule.Warning}}, false},
		"another address": {policy.Input{Suppressions: []rule.Suppression{{Rule: "WH101", Place: "192.168.10.115", Reason: "lab"}}}, true},
		"another rule":    {policy.Input{Suppressions: []rule.Suppression{{Rule: "WH102", Reason: "lab"}}}, true},
		"no reason":       {policy.Input{Suppressions: []rule.Suppression{{Rule: "WH101"}}}, true},
		"expired":         {policy.Input{Suppressions: []rule.Suppression{{Rule: "WH101", Reason: "lab", Until: "2025-01-01"}}}, true},
		"still an error":  {policy.Input{Severities: map[string]rule.Severity{"WH101": rule.Error}}, true},
	} {
		t.Run(name, func(t *testing.T) {
			tt.in.Claims, tt.in.Facts, tt.in.Now, tt.in.Rules = w.view(), w.facts, today, rules.All()
			m, err := policy.Make(tt.in, policy.Options{Form: policy.Literal})
			if err != nil {
				t.Fatal(err)
			}
			got := served(t, strict(m)).write(context.Background(), nil, service(t, `{"spec":{"externalIPs":["192.168.10.114"],"ports":[{"port":80}]}}`), anybody)
			if (got != nil) != tt.refused {
				t.Errorf("refused: %v", got)
			}
		})
	}
}

// TestStatic: the apiserver's own loader takes the file.
func TestStatic(t *testing.T) {
	m := incident(t, dataplane.IPVS).policy(t, policy.Options{Static: true, FailClosed: true})
	text, err := m.YAML()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "whohas.yaml"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	scheme := runtime.NewScheme()
	if err := admissionv1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	policies, bindings, _, err := loader.LoadPolicyManifests(dir, serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer(),
		func(o runtime.Object) ([]*admissionv1.ValidatingAdmissionPolicy, error) {
			if p, ok := o.(*admissionv1.ValidatingAdmissionPolicy); ok {
				return []*admissionv1.ValidatingAdmissionPolicy{p}, nil
			}
			return nil, loader.ErrUnrecognizedType
		},
		func(o runtime.Object) ([]*admissionv1.ValidatingAdmissionPolicyBinding, error) {
			if b, ok := o.(*admissionv1.ValidatingAdmissionPolicyBinding); ok {
				return []*admissionv1.ValidatingAdmissionPolicyBinding{b}, nil
			}
			return nil, loader.ErrUnrecognizedType
		},
		func(b *admissionv1.ValidatingAdmissionPolicyBinding) string { return b.Spec.PolicyName })
	if err != nil || len(policies) != 1 || len(bindings) != 1 || policies[0].Name != policy.StaticName {
		t.Errorf("%d policies, %d bindings: %v", len(policies), len(bindings), err)
	}
}

// TestNames: the policy's words are the rules'.
func TestNames(t *testing.T) {
	text, err := incident(t, dataplane.IPVS).policy(t, policy.Options{}).YAML()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range append(enforced, rules.NonCanonicalAddress) {
		if !strings.Contains(string(text), r.ID+" "+r.Name+":") {
			t.Errorf("%s %s is not in the policy", r.ID, r.Name)
		}
	}
}

// TestHostileNames: a name from a cluster, a configuration or a kernel stays a text.
func TestHostileNames(t *testing.T) {
	w := incident(t, dataplane.IPVS)
	who := snapshot.Ref{Kind: "Reserved", Name: `a'};host|TCP/1|\n{{${x}` + "\n\r\x00"}
	w.reserved = append(w.reserved, claim.Claim{
		Range: claim.Single(netip.MustParseAddr("192.168.10.118")), Role: claim.Reserved, Kind: "declared.x", By: who, Owner: who,
	})
	for _, form := range forms {
		s := served(t, strict(w.policy(t, policy.Options{Form: form})), w.objects()...)
		if got := refusedFor(t, s.write(context.Background(), nil, service(t, `{"spec":{"externalIPs":["192.168.10.118"]}}`), anybody)); !strings.Contains(got, "WH108") {
			t.Errorf("%s: refused for %q", form, got)
		}
	}
}
