// SPDX-License-Identifier: Apache-2.0

package cases

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"whohas/claim"
	"whohas/claimants"
	"whohas/guard"
	"whohas/internal/apiserver"
	"whohas/internal/cli"
	"whohas/internal/scenario"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "write docs/guard-cases.md anew")

const (
	file         = "../../docs/guard-cases.md"
	serviceRange = "10.96.0.0/12"
)

// row is a line of the table.
type row struct {
	group, name, what, mode string
	webhook, policy, reason string
}

// TestCases plays every case into one real apiserver, with the webhook and then with the
// policy, and holds what became of it against docs/guard-cases.md.
func TestCases(t *testing.T) {
	c := start(t, "--service-cluster-ip-range="+serviceRange+",fd00:96::/112")
	c.KubectlInput(c.configuration(t, "base", c.front.server.URL, c.front.authority()), "apply", "--server-side", "-f", "-")
	trials := all(t)
	c.namespaces(t, trials)
	var rows []row
	for _, x := range trials {
		rows = append(rows, c.play(t, x))
	}
	got := document(rows)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("docs/guard-cases.md (-want +got, go test ./guard/cases -run TestCases -update writes it):\n%s", diff)
	}
}

// all lists the cases: the incident, the reports, what only looks like it, near misses.
func all(t *testing.T) []*trial {
	t.Helper()
	out := []*trial{incident(t)}
	for _, folder := range []string{"reports", "lookalikes", "WH*"} {
		files, err := filepath.Glob("../../rules/testdata/" + folder + "/*.txtar")
		if err != nil || len(files) == 0 {
			t.Fatalf("no scenario in %s: %v", folder, err)
		}
		slices.Sort(files)
		for _, f := range files {
			s, err := scenario.Load(f)
			if err != nil {
				t.Fatal(err)
			}
			name := filepath.Base(filepath.Dir(f)) + "/" + strings.TrimSuffix(filepath.Base(f), ".txtar")
			if folder == "WH*" && len(s.Want[""]) > 0 {
				continue // it fires
			}
			out = append(out, newTrial(name, s, folder == "reports"))
		}
	}
	return out
}

// incident is the one of 22 March 2023, as examples/incident has it.
func incident(t *testing.T) *trial {
	t.Helper()
	text := "# three nodes, kube-proxy in ipvs mode, the control plane's address as externalIP\n"
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

func (c *apiCluster) namespaces(t *testing.T, trials []*trial) {
	t.Helper()
	known := map[string]bool{"": true, "default": true, "kube-system": true, "kube-public": true}
	for _, x := range trials {
		for _, o := range x.objects {
			if ns := o.GetNamespace(); !known[ns] {
				c.Kubectl("create", "namespace", ns)
				known[ns] = true
			}
		}
	}
}

// play is one case, from an empty cluster to an empty cluster.
func (c *apiCluster) play(t *testing.T, x *trial) row {
	t.Helper()
	ctx := t.Context()
	s := &stage{apiCluster: c}
	defer func() {
		if err := s.clear(ctx); err != nil {
			t.Fatalf("%s: %v", x.name, err)
		}
	}()
	r := row{name: x.name, what: x.what}
	looked := s.build(ctx, x)
	tell, shown := x.mode()
	r.mode = shown
	end := c.guard(t, tell, x.Reserved)
	defer end()
	r.webhook, r.reason = s.webhook(ctx, t, x, looked)
	return r
}

// build plays the cluster in which nobody guards, and gives the objects that are to be
// written under the guard's eyes.
func (s *stage) build(ctx context.Context, x *trial) (looked []*unstructured.Unstructured) {
	for _, o := range x.objects {
		if ours(o) {
			continue
		}
		if x.blamed(o) {
			looked = append(looked, o)
			continue
		}
		if err := s.put(ctx, o); err != nil {
			x.note("the apiserver itself refuses %s: %s", refOf(o), judge(err).itself)
			continue
		}
		if !x.harmful && guard.Covers(refOf(o)) {
			looked = append(looked, o)
		}
	}
	return looked
}

// webhook writes the objects that the guard looks at, each as if it came last.
func (s *stage) webhook(ctx context.Context, t *testing.T, x *trial, looked []*unstructured.Unstructured) (became, reason string) {
	t.Helper()
	for _, o := range looked {
		if err := s.take(ctx, o); err != nil {
			t.Fatalf("%s: %s cannot be deleted: %v", x.name, refOf(o), err)
		}
		s.front.drain()
		v := judge(s.put(ctx, o))
		asked := s.front.drain()
		switch {
		case len(v.rules) > 0:
			return "refused: " + strings.Join(v.rules, ", "), v.message
		case v.itself != "":
			x.note("the apiserver itself refuses %s: %s", refOf(o), v.itself)
		case len(asked) > 0:
			became = "admitted"
		}
		for _, a := range asked {
			for _, w := range a.warnings {
				x.note("warned: %s", w)
			}
		}
	}
	if became == "" {
		became = "not asked"
	}
	return became, strings.Join(x.notes, "; ")
}

// policy is what `whohas guard policy` prints for the cluster as it is.
func (c *apiCluster) policy(t *testing.T, x *trial, flags ...string) (text, why string) {
	t.Helper()
	args := append([]string{"whohas", "guard", "policy", "--kubeconfig", c.Kubeconfig(apiserver.Admin), "--form", "literal"}, flags...)
	if len(x.Reserved) > 0 {
		args = append(args, "--config", reserved(t, x.Reserved))
	}
	if tell, _ := x.mode(); tell != "" {
		args = append(args, "--proxy-mode", string(tell))
	}
	var stdout, stderr bytes.Buffer
	if status := cli.Main(args, strings.NewReader(""), &stdout, &stderr); status != 0 {
		return "", stderr.String()
	}
	return stdout.String(), ""
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

func document(rows []row) string {
	var b strings.Builder
	for _, r := range rows {
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", r.name, r.what, r.mode, r.webhook, r.policy, strings.ReplaceAll(r.reason, "|", `\|`))
	}
	return b.String()
}

var _ = claimants.View
