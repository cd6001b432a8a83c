// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	realserver "whohas/testkit/apiserver"
)

const incident = "../../examples/incident"

// output is what the tests read of a report.
type testReport struct {
	Kind     string `json:"kind"`
	Complete bool   `json:"complete"`
	Summary  struct {
		Objects int
	} `json:"summary"`
	Findings []struct {
		Rule, Severity, Address, Title string
		Claimants                      []struct{ Object, Field, Role, Since, By, File string }
	} `json:"findings"`
	Coverage []struct {
		Source, Status, Detail string
		Complete               bool
	} `json:"coverage"`
}

// run runs whohas in this process.
func run(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	status = Main(append([]string{"whohas"}, args...), strings.NewReader(""), &out, &errs)
	return status, out.String(), errs.String()
}

func runCheck(t *testing.T, want int, args ...string) testReport {
	t.Helper()
	status, stdout, stderr := run(t, append([]string{"check", "-o", "json"}, args...)...)
	if status != want {
		t.Fatalf("check %s: exit status %d, want %d\n%s%s", strings.Join(args, " "), status, want, stdout, stderr)
	}
	var r testReport
	if err := json.Unmarshal([]byte(stdout), &r); err != nil {
		t.Fatalf("check %s: %v\n%s", strings.Join(args, " "), err, stdout)
	}
	return r
}

// essence is what must not depend on how the cluster was read.
func (r testReport) essence() []string {
	var out []string
	for _, f := range r.Findings {
		var who []string
		for _, c := range f.Claimants {
			who = append(who, c.Role+" "+c.Object+" "+c.Field)
		}
		slices.Sort(who)
		out = append(out, fmt.Sprintf("%s %s %s: %s", f.Rule, f.Severity, f.Address, strings.Join(who, "; ")))
	}
	return out
}

// TestRealCluster applies the incident to a real kube-apiserver and looks at it
// in every way that there is.
func TestRealCluster(t *testing.T) {
	s := realserver.Start(t)
	admin := s.Kubeconfig(realserver.Admin)
	begun := time.Now().Add(-2 * time.Second)
	applyIncident(t, s)

	live := runCheck(t, exitFindings, "--kubeconfig", admin)
	t.Run("live", func(t *testing.T) { testLive(t, live, begun) })
	t.Run("text names manager and time", func(t *testing.T) {
		_, text, _ := run(t, "check", "--kubeconfig", admin)
		for _, want := range []string{"kubectl", "since " + time.Now().UTC().Format("2006-")} {
			if !strings.Contains(text, want) {
				t.Errorf("the text report lacks %q:\n%s", want, text)
			}
		}
	})
	t.Run("the same in every form", func(t *testing.T) { testForms(t, s.With(t), admin, live) })
	t.Run("who", func(t *testing.T) {
		status, out, _ := run(t, "192.168.10.114", "--kubeconfig", admin)
		if status != exitFindings || !strings.Contains(out, "contested") || !strings.Contains(out, "Node cdev01") {
			t.Errorf("exit status %d:\n%s", status, out)
		}
	})
	t.Run("the shield's DaemonSet is taken as it is", func(t *testing.T) {
		s.With(t).KubectlInput(shieldDoc(t, "kind: DaemonSet"), "create", "--dry-run=server", "--validate=strict", "-f", "-")
	})
	t.Run("limited", func(t *testing.T) { testLimited(t, s.With(t)) })
	t.Run("repair", func(t *testing.T) { testRepair(t, s.With(t), admin) })
	t.Run("after the fix", func(t *testing.T) { testFixed(t, s.With(t), admin) })
}

func applyIncident(t *testing.T, s *realserver.Server) {
	t.Helper()
	s.Kubectl("create", "namespace", "demo")
	for i, name := range []string{"cdev01", "cdev02", "cdev03"} {
		s.KubectlInput(fmt.Sprintf("apiVersion: v1\nkind: Node\nmetadata:\n  name: %s\nspec:\n  podCIDR: 10.244.%d.0/24\n", name, i), "create", "-f", "-")
		if name == "cdev01" {
			s.Kubectl("label", "node", name, "node-role.kubernetes.io/control-plane=")
		}
		s.Kubectl("patch", "node", name, "--subresource=status", "--type=merge", "-p",
			fmt.Sprintf(`{"status":{"addresses":[{"type":"InternalIP","address":"192.168.10.%d"}],"nodeInfo":{"kubeProxyVersion":"v1.25.9","kubeletVersion":"v1.25.9"}}}`, 114+i))
	}
	cluster, err := os.ReadFile(filepath.Join(incident, "cluster.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	// Calico's IPPool needs Calico: the rest of the file is the cluster's own.
	var core []string
	for doc := range strings.SplitSeq(string(cluster), "\n---\n") {
		if !strings.Contains(doc, "kind: IPPool") {
			core = append(core, doc)
		}
	}
	s.KubectlInput(strings.Join(core, "\n---\n"), "apply", "-f", "-")
	tomcat, err := os.ReadFile(filepath.Join(incident, "tomcat.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	s.KubectlInput(string(tomcat), "apply", "-f", "-")
}

func testLive(t *testing.T, r testReport, begun time.Time) {
	if !r.Complete {
		t.Errorf("not complete: %+v", r.Coverage)
	}
	if len(r.Findings) != 1 || r.Findings[0].Rule != "WH101" || r.Findings[0].Severity != "critical" || r.Findings[0].Address != "192.168.10.114" {
		t.Fatalf("want one critical WH101 on 192.168.10.114, got %v", r.essence())
	}
	for _, c := range r.Findings[0].Claimants {
		if c.Object != "Service demo/tomcat" {
			continue
		}
		since, err := time.Parse(time.RFC3339, c.Since)
		if err != nil || since.Before(begun) || since.After(time.Now().Add(time.Minute)) {
			t.Errorf("since %q: not the time of the apply", c.Since)
		}
		if !strings.HasPrefix(c.By, "kubectl") {
			t.Errorf("by %q: not kubectl's field manager", c.By)
		}
		return
	}
	t.Error("Service demo/tomcat is no claimant")
}

// testForms reads the same cluster as a dump, as YAML, as a snapshot of the live
// cluster and as a snapshot of the dump.
func testForms(t *testing.T, s *realserver.Server, admin string, live testReport) {
	dir := t.TempDir()
	kinds := "nodes,services,configmaps,endpointslices,deployments"
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	dumpJSON := write("dump.json", s.Kubectl("get", kinds, "-A", "-o", "json", "--show-managed-fields"))
	dumpYAML := write("dump.yaml", s.Kubectl("get", kinds, "-A", "-o", "yaml"))
	info := write("cluster-info.txt", s.Kubectl("cluster-info", "dump", "--all-namespaces"))
	fromLive, fromDump := filepath.Join(dir, "live.snapshot"), filepath.Join(dir, "dump.snapshot")
	for file, args := range map[string][]string{fromLive: {"--kubeconfig", admin}, fromDump: {"--bundle", dumpJSON}} {
		if status, _, stderr := run(t, append([]string{"snapshot", "-o", file}, args...)...); status != exitOK {
			t.Fatalf("snapshot %v: exit status %d: %s", args, status, stderr)
		}
	}
	for name, args := range map[string][]string{
		"json": {"--bundle", dumpJSON}, "yaml": {"--bundle", dumpYAML}, "json as manifest": {"-f", dumpJSON},
		"snapshot of the cluster": {"--bundle", fromLive}, "snapshot of the dump": {"--bundle", fromDump},
		"live beside the dump": {"--live", "--kubeconfig", admin, "-f", dumpJSON},
	} {
		if diff := cmp.Diff(live.essence(), runCheck(t, exitFindings, args...).essence()); diff != "" {
			t.Errorf("%s: findings (-live +%s):\n%s", name, name, diff)
		}
	}
	// cluster-info dump holds no ConfigMaps and no EndpointSlices: the mode is not
	// known from it, the conflict is.
	got := runCheck(t, exitFindings, "--bundle", info, "--proxy-mode", "ipvs")
	if len(got.Findings) != 1 || got.Findings[0].Rule != "WH101" {
		t.Errorf("cluster-info dump: %v", got.essence())
	}
	for _, c := range got.Coverage {
		if c.Complete != (c.Source == "nodes") {
			t.Errorf("cluster-info dump: %s complete: %v; only nodes are known whole from it", c.Source, c.Complete)
		}
	}
	manifests := runCheck(t, exitFindings, "-f", incident)
	if got, want := manifests.Findings[0], live.Findings[0]; got.Rule != want.Rule || got.Severity != want.Severity || got.Address != want.Address {
		t.Errorf("manifests: %v", manifests.essence())
	}
}

// testLimited: an account that may not read Nodes gets WH901 and no false
// comfort.
func testLimited(t *testing.T, s *realserver.Server) {
	s.KubectlInput(`apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: sees-services}
rules:
- {apiGroups: [""], resources: [services], verbs: [list, get]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: sees-services}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: sees-services}
subjects: [{kind: User, apiGroup: rbac.authorization.k8s.io, name: limited}]
`, "apply", "-f", "-")
	r := runCheck(t, exitOK, "--kubeconfig", s.Kubeconfig(realserver.Limited))
	if r.Complete {
		t.Error("says complete")
	}
	named := false
	for _, f := range r.Findings {
		if f.Rule == "WH901" && strings.Contains(f.Title, "nodes") && strings.Contains(f.Title, "WH101") {
			named = true
		}
	}
	if !named {
		t.Errorf("no WH901 names nodes and WH101: %v", r.essence())
	}
	status, _, stderr := run(t, "check", "--kubeconfig", s.Kubeconfig(realserver.Limited), "--require", "nodes")
	if status != exitFailed || !strings.Contains(stderr, "nodes") {
		t.Errorf("--require nodes: exit status %d: %s", status, stderr)
	}
}

// testFixed types the command that the report prints and looks again.
func testFixed(t *testing.T, s *realserver.Server, admin string) {
	status, stdout, _ := run(t, "check", "--kubeconfig", admin, "-o", "json")
	var r struct {
		Findings []struct{ Fixes []struct{ Command string } }
	}
	if err := json.Unmarshal([]byte(stdout), &r); err != nil || status != exitFindings || len(r.Findings) == 0 {
		t.Fatalf("exit status %d, %v", status, err)
	}
	command := r.Findings[0].Fixes[0].Command
	rest, patch, ok := strings.Cut(command, " -p ")
	if !ok {
		t.Fatalf("no patch in %q", command)
	}
	args := append(strings.Fields(rest)[1:], "-p", strings.Trim(patch, "'"))
	s.Kubectl(args...)
	if after := runCheck(t, exitOK, "--kubeconfig", admin); len(after.Findings) != 0 {
		t.Errorf("after the fix: %v", after.essence())
	}
}
