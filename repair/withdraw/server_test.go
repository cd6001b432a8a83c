// SPDX-License-Identifier: Apache-2.0

package withdraw_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"whohas/repair"
	"whohas/repair/withdraw"
	"whohas/rule"
	"whohas/snapshot"
	"whohas/testkit/apiserver"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

var (
	serviceKind = snapshot.Kind{Kind: "Service", Resource: "services", Namespaced: true}
	poolKind    = snapshot.Kind{Group: "metallb.io", Kind: "IPAddressPool", Resource: "ipaddresspools", Namespaced: true}
	tomcat      = serviceKind.Ref("demo", "tomcat")
)

const (
	stolen = "192.168.10.114"
	other  = "198.51.100.7"
)

// removal is the edit that explain makes of a claim.
func removal(kind snapshot.Kind, on snapshot.Ref, test, value, gone string) repair.Withdrawal {
	w := repair.Withdrawal{Edit: snapshot.Edit{Kind: kind, On: on, Ops: []snapshot.Op{{Op: "test", Path: test, Value: value}, {Op: "remove", Path: gone}}}}
	if strings.HasPrefix(test, "/status/") {
		w.Subresource = "status"
	}
	return w
}

func external(i int) repair.Withdrawal {
	at := fmt.Sprintf("/spec/externalIPs/%d", i)
	return removal(serviceKind, tomcat, at, stolen, at)
}

func ingress() repair.Withdrawal {
	const at = "/status/loadBalancer/ingress/0"
	return removal(serviceKind, tomcat, at+"/ip", stolen, at)
}

// cluster is what the tests share: a server, and who asks it.
type cluster struct {
	*apiserver.Server
	t      *testing.T
	config *rest.Config
}

func (c cluster) with(t *testing.T) cluster { return cluster{c.With(t), t, c.config} }

func configOf(t *testing.T, s *apiserver.Server, user string) *rest.Config {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", s.Kubeconfig(user))
	if err != nil {
		t.Fatal(err)
	}
	return config
}

// patch is what another client does meanwhile.
func (c cluster) patch(ops string, args ...string) {
	c.t.Helper()
	c.Kubectl(append([]string{"-n", "demo", "patch", "service", "tomcat", "--type=json", "-p", ops}, args...)...)
}

func (c cluster) field(path string) string {
	c.t.Helper()
	return c.Kubectl("-n", "demo", "get", "service", "tomcat", "-o", "jsonpath={"+path+"}")
}

// addresses sets the Service's external addresses and checks that they are so.
func (c cluster) addresses(list string) {
	c.t.Helper()
	c.patch(`[{"op":"add","path":"/spec/externalIPs","value":` + list + `}]`)
	c.want(".spec.externalIPs", list)
}

func (c cluster) want(path, want string) {
	c.t.Helper()
	if got := c.field(path); got != want {
		c.t.Errorf("%s is %s, want %s", path, got, want)
	}
}

// run withdraws and gives what was told, in order.
func (c cluster) run(o withdraw.Options) (withdraw.Outcome, []string) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), 60*time.Second)
	defer cancel()
	var told []string
	o.Tell = func(e withdraw.Event) { told = append(told, e.On.String()+" "+e.Text) }
	if o.Config == nil {
		o.Config = c.config
	}
	out, err := withdraw.Withdraw(ctx, o)
	if err != nil {
		c.t.Fatalf("withdraw: %v", err)
	}
	return out, told
}

func (c cluster) undo(name string) ([]string, error) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), 60*time.Second)
	defer cancel()
	var told []string
	err := withdraw.Undo(ctx, c.config, name, func(e withdraw.Event) { told = append(told, e.On.String()+" "+e.Text) })
	return told, err
}

func results(o withdraw.Outcome) []withdraw.Result {
	var out []withdraw.Result
	for _, i := range o.Items {
		out = append(out, i.Result)
	}
	return out
}

func wantResults(t *testing.T, o withdraw.Outcome, want ...withdraw.Result) {
	t.Helper()
	if diff := cmp.Diff(want, results(o)); diff != "" {
		t.Errorf("results: -want +got:\n%s%+v", diff, o.Items)
	}
}

func wantTold(t *testing.T, told []string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, told); diff != "" {
		t.Errorf("told: -want +got:\n%s", diff)
	}
}

func noFile(t *testing.T, name string) {
	t.Helper()
	if _, err := os.Lstat(name); err == nil {
		t.Errorf("there is an undo file of nothing")
	}
}

func TestRealServer(t *testing.T) {
	s := apiserver.Start(t)
	c := cluster{s, t, configOf(t, s, apiserver.Admin)}
	incident, err := os.ReadFile("../../examples/incident/tomcat.yaml")
	if err != nil {
		t.Fatal(err)
	}
	s.Kubectl("create", "namespace", "demo")
	s.KubectlInput(string(incident), "apply", "-f", "-")
	s.KubectlInput(limitedReads, "apply", "-f", "-")
	for _, test := range []struct {
		name string
		do   func(cluster)
	}{
		{"there and back", thereAndBack},
		{"the only one", theOnlyOne},
		{"dry run", dryRun},
		{"changed meanwhile", changedMeanwhile},
		{"denied", denied},
		{"keeper", keeper},
		{"status", status},
		{"group with versions", grouped},
		{"verify", verify},
		{"made again", madeAgain}, // the last one: it deletes the Service
	} {
		t.Run(test.name, func(t *testing.T) { test.do(c.with(t)) })
	}
}

func thereAndBack(c cluster) {
	t := c.t
	before := `["` + stolen + `","` + other + `"]`
	c.addresses(before)
	undo := filepath.Join(t.TempDir(), "undo.json")
	out, told := c.run(withdraw.Options{Withdrawals: []repair.Withdrawal{external(0)}, UndoFile: undo})
	wantResults(t, out, withdraw.Done)
	wantTold(t, told, "Service demo/tomcat 192.168.10.114 of spec.externalIPs[0] is removed")
	c.want(".spec.externalIPs", `["`+other+`"]`)
	if managers := c.field(".metadata.managedFields[*].manager"); !strings.Contains(managers, "whohas") {
		t.Errorf("the field manager is not whohas: %s", managers)
	}
	text, err := os.ReadFile(undo)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), c.config.Host) || !strings.Contains(string(text), stolen) || strings.Contains(string(text), c.config.BearerToken) {
		t.Errorf("the undo file: server, value, no token?\n%s", text)
	}

	second := filepath.Join(t.TempDir(), "undo.json")
	out, told = c.run(withdraw.Options{Withdrawals: []repair.Withdrawal{external(0)}, UndoFile: second})
	wantResults(t, out, withdraw.Gone)
	wantTold(t, told, "Service demo/tomcat 192.168.10.114 of spec.externalIPs[0]: it is not there any more")
	noFile(t, second)
	if n := len(out.Withdrawn()); n != 1 {
		t.Errorf("what is gone already is to be verified too: %d", n)
	}

	for _, want := range []string{"is put back", "is as it was: nothing to put back"} {
		told, err := c.undo(undo)
		if err != nil {
			t.Fatal(err)
		}
		wantTold(t, told, "Service demo/tomcat spec.externalIPs "+want)
		c.want(".spec.externalIPs", before)
	}
}

// theOnlyOne: the server drops an empty list, and the way back has to make it again.
func theOnlyOne(c cluster) {
	before := `["` + stolen + `"]`
	c.addresses(before)
	undo := filepath.Join(c.t.TempDir(), "undo.json")
	out, _ := c.run(withdraw.Options{Withdrawals: []repair.Withdrawal{external(0)}, UndoFile: undo})
	wantResults(c.t, out, withdraw.Done)
	c.want(".spec.externalIPs", "")
	if _, err := c.undo(undo); err != nil {
		c.t.Fatal(err)
	}
	c.want(".spec.externalIPs", before)
}

func dryRun(c cluster) {
	before := `["` + stolen + `","` + other + `"]`
	c.addresses(before)
	version := c.field(".metadata.resourceVersion")
	undo := filepath.Join(c.t.TempDir(), "undo.json")
	out, told := c.run(withdraw.Options{Withdrawals: []repair.Withdrawal{external(0)}, UndoFile: undo, DryRun: true})
	wantResults(c.t, out, withdraw.Done)
	wantTold(c.t, told, "Service demo/tomcat 192.168.10.114 of spec.externalIPs[0] would be removed")
	c.want(".spec.externalIPs", before)
	c.want(".metadata.resourceVersion", version)
	noFile(c.t, undo)
}

func changedMeanwhile(c cluster) {
	t := c.t
	reordered := `["` + other + `","` + stolen + `"]`
	c.addresses(reordered)
	undo := filepath.Join(t.TempDir(), "undo.json")
	out, told := c.run(withdraw.Options{Withdrawals: []repair.Withdrawal{external(0)}, UndoFile: undo})
	wantResults(t, out, withdraw.Changed)
	wantTold(t, told, "Service demo/tomcat 192.168.10.114 of spec.externalIPs[0]: not removed: it was changed meanwhile, and now stands in spec.externalIPs[1]")
	c.want(".spec.externalIPs", reordered)
	noFile(t, undo)

	// Between the reading and the patch: only the server's test sees it.
	c.addresses(`["` + stolen + `","` + other + `"]`)
	between := beforePatch(c.config, func() { c.addresses(reordered) })
	out, told = c.run(withdraw.Options{Config: between, Withdrawals: []repair.Withdrawal{external(0)}, UndoFile: undo})
	wantResults(t, out, withdraw.Changed)
	wantTold(t, told, "Service demo/tomcat 192.168.10.114 of spec.externalIPs[0]: not removed: it was changed meanwhile, and now stands in spec.externalIPs[1]")
	c.want(".spec.externalIPs", reordered)
	noFile(t, undo)

	gone := beforePatch(c.config, func() { c.addresses(`["` + other + `"]`) })
	out, _ = c.run(withdraw.Options{Config: gone, Withdrawals: []repair.Withdrawal{external(1)}, UndoFile: undo})
	wantResults(t, out, withdraw.Gone)
	noFile(t, undo)
}

const limitedReads = `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: read}
rules: [{apiGroups: [""], resources: [services], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: limited-reads}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: read}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: limited}]
`

func denied(c cluster) {
	t := c.t
	before := `["` + stolen + `"]`
	c.addresses(before)
	limited := configOf(t, c.Server, apiserver.Limited)
	// The authorizer sees new bindings through a watch, a little later.
	for begun := time.Now(); ; {
		if _, err := c.KubectlAs(apiserver.Limited, "", "-n", "demo", "get", "service", "tomcat"); err == nil {
			break
		} else if time.Since(begun) > time.Minute {
			t.Fatal(err)
		}
	}
	for _, dry := range []bool{true, false} {
		undo := filepath.Join(t.TempDir(), "undo.json")
		out, told := c.run(withdraw.Options{Config: limited, Withdrawals: []repair.Withdrawal{external(0)}, UndoFile: undo, DryRun: dry})
		wantResults(t, out, withdraw.Denied)
		wantTold(t, told, `Service demo/tomcat 192.168.10.114 of spec.externalIPs[0]: not removed: forbidden: User "limited" cannot patch resource "services" in API group "" in the namespace "demo"`)
		noFile(t, undo)
	}
	out, _ := c.run(withdraw.Options{Config: configOf(t, c.Server, "nobody"), Withdrawals: []repair.Withdrawal{external(0)}, UndoFile: filepath.Join(t.TempDir(), "undo.json")})
	wantResults(t, out, withdraw.Denied)
	c.want(".spec.externalIPs", before)
	v, err := withdraw.Verify(t.Context(), withdraw.VerifyOptions{Config: limited, Withdrawals: nil})
	if err != nil || v.OK() || len(v.Unseen) != 1 || !strings.HasPrefix(v.Unseen[0], "nodes: ") {
		t.Errorf("verify without the right to see Nodes: %+v, %v", v, err)
	}
}

func keeper(c cluster) {
	c.addresses(`["` + stolen + `"]`)
	one := external(0)
	one.Claimant = rule.Claimant{Writer: "helm", Keeper: "Helm release web"}
	out, told := c.run(withdraw.Options{Withdrawals: []repair.Withdrawal{one}, UndoFile: filepath.Join(c.t.TempDir(), "undo.json")})
	wantResults(c.t, out, withdraw.Done)
	wantTold(c.t, told,
		"Service demo/tomcat 192.168.10.114 of spec.externalIPs[0] is removed",
		"Service demo/tomcat Helm release web will put it back: change it there as well")
}

func status(c cluster) {
	t := c.t
	before := `[{"ip":"` + stolen + `","ipMode":"VIP"},{"ip":"` + other + `","ipMode":"VIP"}]`
	c.patch(`[{"op":"replace","path":"/spec/type","value":"LoadBalancer"}]`)
	write := func(manager string) {
		t.Helper()
		c.patch(`[{"op":"add","path":"/status/loadBalancer/ingress","value":[]}]`, "--subresource=status")
		c.patch(`[{"op":"add","path":"/status/loadBalancer/ingress","value":`+before+`}]`, "--subresource=status", "--field-manager="+manager)
	}
	undo := filepath.Join(t.TempDir(), "undo.json")

	write("metallb-controller")
	one := ingress()
	one.Claimant.Writer = "kubectl" // of another claim of this object: the object knows better
	out, told := c.run(withdraw.Options{Withdrawals: []repair.Withdrawal{one}, UndoFile: undo})
	wantResults(t, out, withdraw.Controllers)
	if got := out.Items[0].Controller; got != "metallb-controller" {
		t.Errorf("controller %q", got)
	}
	wantTold(t, told, "Service demo/tomcat 192.168.10.114 of status.loadBalancer.ingress[0]: not removed: metallb-controller wrote it and would write it again: change what it was told (its pool, or what the object asks for)")
	c.want(".status.loadBalancer.ingress", before)
	noFile(t, undo)

	write("kubectl")
	out, _ = c.run(withdraw.Options{Withdrawals: []repair.Withdrawal{ingress()}, UndoFile: undo})
	wantResults(t, out, withdraw.Done)
	c.want(".status.loadBalancer.ingress", `[{"ip":"`+other+`","ipMode":"VIP"}]`)
	if _, err := c.undo(undo); err != nil {
		t.Fatal(err)
	}
	c.want(".status.loadBalancer.ingress", before)
	c.patch(`[{"op":"replace","path":"/spec/type","value":"ClusterIP"}]`)
}

// grouped: the group's preferred version does not have this kind, as in MetalLB.
func grouped(c cluster) {
	t := c.t
	c.Serve(apiserver.IPAddressPool, apiserver.BGPPeer)
	c.KubectlInput("apiVersion: metallb.io/v1beta1\nkind: IPAddressPool\nmetadata: {name: lab, namespace: demo}\nspec: {addresses: [198.51.100.0/24, 192.168.10.112-192.168.10.120]}\n", "create", "-f", "-")
	pool := func() string {
		t.Helper()
		return c.Kubectl("-n", "demo", "get", "ipaddresspools.metallb.io", "lab", "-o", "jsonpath={.spec.addresses}")
	}
	before := pool()
	at := "/spec/addresses/1"
	one := removal(poolKind, poolKind.Ref("demo", "lab"), at, "192.168.10.112-192.168.10.120", at)
	one.Ops = append(one.Ops, snapshot.Op{Op: "add", Path: at, Value: "192.168.10.115-192.168.10.120"}, snapshot.Op{Op: "add", Path: at, Value: "192.168.10.112-192.168.10.113"})
	undo := filepath.Join(t.TempDir(), "undo.json")
	out, _ := c.run(withdraw.Options{Withdrawals: []repair.Withdrawal{one}, UndoFile: undo})
	wantResults(t, out, withdraw.Done)
	if got, want := pool(), `["198.51.100.0/24","192.168.10.112-192.168.10.113","192.168.10.115-192.168.10.120"]`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if _, err := c.undo(undo); err != nil {
		t.Fatal(err)
	}
	if got := pool(); got != before {
		t.Errorf("%s, want %s", got, before)
	}
	one.On.Name = "none"
	out, _ = c.run(withdraw.Options{Withdrawals: []repair.Withdrawal{one}, UndoFile: filepath.Join(t.TempDir(), "undo.json")})
	wantResults(t, out, withdraw.Gone)
}

func verify(c cluster) {
	t := c.t
	c.addresses(`["` + stolen + `"]`)
	condition := func(name, status string) {
		t.Helper()
		c.Kubectl("patch", "node", name, "--subresource=status", "--type=merge", "-p", `{"status":{"conditions":[{"type":"Ready","status":"`+status+`"}]}}`)
	}
	for _, name := range []string{"cdev01", "cdev02"} {
		c.KubectlInput("apiVersion: v1\nkind: Node\nmetadata: {name: "+name+"}\n", "create", "-f", "-")
		condition(name, "True")
	}
	condition("cdev02", "Unknown")

	short, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	v, err := withdraw.Verify(short, withdraw.VerifyOptions{Config: c.config, Withdrawals: []repair.Withdrawal{external(0)}, Every: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(withdraw.Verdict{Standing: []string{"192.168.10.114 of spec.externalIPs[0] (Service demo/tomcat)"}, NotReady: []string{"cdev02"}}, v); diff != "" {
		t.Errorf("when nothing is well: -want +got:\n%s", diff)
	}

	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	var told []string
	v, err = withdraw.Verify(ctx, withdraw.VerifyOptions{Config: c.config, Withdrawals: []repair.Withdrawal{external(0)}, Every: 50 * time.Millisecond, Tell: func(e withdraw.Event) {
		told = append(told, e.On.String()+" "+e.Text)
		switch e.Text { // each fix comes when its trouble has been told
		case "is not Ready":
			c.addresses(`["` + other + `"]`)
		case "192.168.10.114 of spec.externalIPs[0] (Service demo/tomcat) is gone":
			condition("cdev02", "True")
		}
	}})
	if err != nil || !v.OK() {
		t.Errorf("%+v, %v", v, err)
	}
	wantTold(t, told,
		"Service demo/tomcat 192.168.10.114 of spec.externalIPs[0] (Service demo/tomcat) is still there",
		"Node cdev02 is not Ready",
		"Service demo/tomcat 192.168.10.114 of spec.externalIPs[0] (Service demo/tomcat) is gone",
		"Node cdev02 is Ready")
}

func madeAgain(c cluster) {
	t := c.t
	c.addresses(`["` + stolen + `","` + other + `"]`)
	undo := filepath.Join(t.TempDir(), "undo.json")
	out, _ := c.run(withdraw.Options{Withdrawals: []repair.Withdrawal{external(0)}, UndoFile: undo})
	wantResults(t, out, withdraw.Done)
	c.Kubectl("-n", "demo", "delete", "service", "tomcat")
	if _, err := c.undo(undo); err == nil || !strings.Contains(err.Error(), "it is not there any more") {
		t.Errorf("the Service is gone: %v", err)
	}
	c.KubectlInput("apiVersion: v1\nkind: Service\nmetadata: {name: tomcat, namespace: demo}\nspec: {ports: [{port: 80}]}\n", "create", "-f", "-")
	if _, err := c.undo(undo); err == nil || !strings.Contains(err.Error(), "made again") {
		t.Errorf("the Service is another one: %v", err)
	}
	c.want(".spec.externalIPs", "")

	// The same between the reading and the patch.
	c.addresses(`["` + stolen + `"]`)
	again := beforePatch(c.config, func() {
		c.Kubectl("-n", "demo", "delete", "service", "tomcat")
		c.KubectlInput("apiVersion: v1\nkind: Service\nmetadata: {name: tomcat, namespace: demo}\nspec: {externalIPs: ["+stolen+"], ports: [{port: 80}]}\n", "create", "-f", "-")
	})
	out, _ = c.run(withdraw.Options{Config: again, Withdrawals: []repair.Withdrawal{external(0)}, UndoFile: filepath.Join(t.TempDir(), "undo.json")})
	wantResults(t, out, withdraw.Changed)
	c.want(".spec.externalIPs", `["`+stolen+`"]`)
}
