// SPDX-License-Identifier: Apache-2.0

package cases

import (
	"bytes"
	"context"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"whohas/claim"
	"whohas/guard"
	"whohas/internal/cli"
	"whohas/testkit/apiserver"
	"whohas/testkit/scenario"

	gocmp "github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "write docs/guard-cases.md again")

const (
	page         = "../../docs/guard-cases.md"
	serviceRange = "10.96.0.0/12"
)

// TestCases plays every case into one real apiserver, with the webhook and then with the
// policy, and holds what became of it against what has to, and against docs/guard-cases.md.
func TestCases(t *testing.T) {
	c := start(t, "--service-cluster-ip-range="+serviceRange+",fd00:96::/112")
	trials := all(t)
	c.prepare(t, trials)
	c.KubectlInput(c.configuration(t, "base", c.front.server.URL, c.front.authority()), "apply", "--server-side", "-f", "-")
	var rows []row
	begun := time.Now()
	for _, x := range trials {
		rows = append(rows, c.play(t, x))
	}
	t.Logf("%d cases with the webhook: %v", len(rows), time.Since(begun).Round(time.Second))
	begun = time.Now()
	c.Kubectl("delete", "validatingwebhookconfiguration", "whohas-guard")
	c.install(t, trials)
	for i, x := range trials {
		c.ask(t, x, &rows[i])
		rows[i].hold(t)
	}
	t.Logf("with the policy: %v", time.Since(begun).Round(time.Second))
	enough(t, rows)
	got := document(rows)
	if *update {
		if err := os.WriteFile(page, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff(string(want), got); diff != "" {
		t.Errorf("docs/guard-cases.md (-want +got, go test ./guard/cases -run TestCases -update writes it):\n%s", diff)
	}
}

// all lists the cases: the incident, the reports, what only looks like it, near misses.
func all(t *testing.T) []*trial {
	t.Helper()
	out := []*trial{incident(t)}
	for _, folder := range []string{"reports", "lookalikes", "WH*"} {
		files, err := filepath.Glob("../../rules/testdata/" + folder + "/*.txtar")
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(files)
		for _, f := range files {
			s, err := scenario.Load(f)
			if err != nil {
				t.Fatal(err)
			}
			name := filepath.Base(filepath.Dir(f)) + "/" + strings.TrimSuffix(filepath.Base(f), ".txtar")
			if s.Base == nil && (folder != "WH*" || quiet(s)) { // a request is held against the state, not against a base
				out = append(out, newTrial(name, s, folder == "reports"))
			}
		}
	}
	return out
}

// quiet reports whether nothing is found in a scenario, in whatever mode.
func quiet(s *scenario.Scenario) bool {
	for _, want := range s.Want {
		if len(want) > 0 {
			return false
		}
	}
	return len(s.Want) > 0
}

// incident is the one of 22 March 2023, as examples/incident has it.
func incident(t *testing.T) *trial {
	t.Helper()
	text := "# Three nodes, kube-proxy in ipvs mode, and the control plane's address in externalIPs\n"
	for _, f := range []string{"nodes", "cluster", "tomcat"} {
		data, err := os.ReadFile("../../examples/incident/" + f + ".yaml")
		if err != nil {
			t.Fatal(err)
		}
		text += "-- " + f + ".yaml --\n" + string(data)
	}
	s, err := scenario.Parse("incident", []byte(text+"-- want --\nWH101 critical 192.168.10.114 | Node cdev01, Service demo/tomcat\n"))
	if err != nil {
		t.Fatal(err)
	}
	return newTrial("incident", s, true)
}

// prepare makes the namespaces, and says of each object in which it is.
func (c *apiCluster) prepare(t *testing.T, trials []*trial) {
	t.Helper()
	known := map[string]bool{"": true, "default": true, "kube-system": true, "kube-public": true}
	for _, x := range trials {
		for _, o := range x.objects {
			_, _ = c.resource(o) // a kind that is not served is told of when it is played
			if ns := o.GetNamespace(); !known[ns] {
				c.Kubectl("create", "namespace", ns)
				known[ns] = true
			}
		}
	}
}

// play is one case with the webhook, from an empty cluster to an empty cluster.
func (c *apiCluster) play(t *testing.T, x *trial) row {
	t.Helper()
	ctx := t.Context()
	s := &stage{apiCluster: c}
	defer s.strike(ctx, t, x.name)
	looked := s.build(ctx, x)
	tell, shown := x.mode()
	if len(x.services) > 0 {
		x.print(t, c, string(tell), shown)
	}
	end := c.guard(t, c.config, tell, x.Reserved)
	defer end()
	r := row{trial: x, mode: shown}
	r.webhook = s.write(ctx, t, x, looked)
	return r
}

// strike takes down what was made.
func (s *stage) strike(ctx context.Context, t *testing.T, what string) {
	t.Helper()
	if err := s.clear(ctx); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// build plays the cluster in which nobody guards, and gives the objects that are to be
// written under the guard's eyes.
func (s *stage) build(ctx context.Context, x *trial) (looked []*unstructured.Unstructured) {
	for _, o := range x.objects {
		switch {
		case ours(o):
			continue
		case x.blamed(o):
			looked = append(looked, o)
			continue
		}
		if err := s.put(ctx, o); err != nil {
			x.note("the apiserver itself refuses %s: %s", refOf(o), judge(err).itself)
			continue
		}
		if !x.harmful && guard.Covers(refOf(o)) && !contains(looked, o) {
			looked = append(looked, o)
		}
	}
	for _, o := range looked {
		x.looked = append(x.looked, refOf(o).String())
		if o.GetKind() == "Service" {
			x.services = append(x.services, o)
		}
	}
	return looked
}

func contains(list []*unstructured.Unstructured, o *unstructured.Unstructured) bool {
	return slices.ContainsFunc(list, func(x *unstructured.Unstructured) bool { return refOf(x) == refOf(o) })
}

// write writes each of the objects as if it came last, and tells what the guard said.
func (s *stage) write(ctx context.Context, t *testing.T, x *trial, looked []*unstructured.Unstructured) verdict {
	t.Helper()
	var out verdict
	for _, o := range looked {
		if err := s.take(ctx, o); err != nil {
			t.Fatalf("%s: %s cannot be deleted: %v", x.name, refOf(o), err)
		}
		s.front.drain()
		v := judge(s.put(ctx, o))
		asked := s.front.drain()
		if x.harmful && len(v.rules) == 0 {
			t.Errorf("%s: %s passes the webhook", x.name, refOf(o))
		}
		if v.itself != "" {
			x.note("the apiserver itself refuses %s: %s", refOf(o), v.itself)
		}
		if len(asked) > 0 {
			out.asked = append(out.asked, refOf(o).String())
		}
		for _, a := range asked {
			for _, w := range a.warnings {
				x.note("warned: %s", w)
			}
		}
		out.add(v)
	}
	return out
}

// print is what `whohas guard policy` prints for the cluster as it is.
func (x *trial) print(t *testing.T, c *apiCluster, mode, shown string) {
	t.Helper()
	args := []string{"whohas", "guard", "policy", "--kubeconfig", c.Kubeconfig(apiserver.Admin), "--form", "literal"}
	if len(x.Reserved) > 0 {
		args = append(args, "--config", reserved(t, x.Reserved))
	}
	if mode != "" {
		args = append(args, "--proxy-mode", mode)
	}
	var stdout, stderr bytes.Buffer
	if status := cli.Main(args, strings.NewReader(""), &stdout, &stderr); status != 0 {
		if !strings.Contains(stderr.String(), "there is nothing to guard") {
			t.Errorf("%s: no policy: %s", x.name, stderr.String())
		}
		return
	}
	if want, _, _ := strings.Cut(shown, " "); !strings.Contains(stderr.String(), "proxy mode "+want+" ") {
		t.Errorf("%s: the live cluster is not the scenario's, which shows %s: %s", x.name, want, stderr.String())
	}
	objects, err := decode(stdout.String())
	if err != nil {
		t.Fatalf("%s: %v", x.name, err)
	}
	x.policy = objects
}

// reserved is a configuration that names addresses.
func reserved(t *testing.T, claims []claim.Claim) string {
	t.Helper()
	var list []map[string]string
	for _, r := range claims {
		list = append(list, map[string]string{"range": r.Text, "for": r.By.Name})
	}
	text, err := yaml.Marshal(map[string]any{"reserved": list})
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "whohas.yaml")
	if err := os.WriteFile(name, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}
