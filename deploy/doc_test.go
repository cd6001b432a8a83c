// SPDX-License-Identifier: Apache-2.0

package deploy

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"whohas/testkit/apiserver"
)

// elsewhere are commands of the pages that no apiserver can show, and why.
var elsewhere = map[string]string{
	"make image": "TestImage of tools/image makes it",
	"kubectl -n whohas-system rollout status deployment/whohas-guard":                     "no controller and no kubelet is there",
	"kubectl create namespace whohas-system":                                              "base has made it",
	"kubectl -n whohas-system get pods -o wide -l app.kubernetes.io/component=guard":      "no controller is there",
	"kubectl delete clusterreport,clusterpolicyreport whohas":                             "no report has been written",
	"kubectl get clusterreport whohas -o yaml":                                            "no report has been written",
	"helm install whohas-guard deploy/chart/whohas-guard -n whohas-system":                "TestManifestsInACluster applies what it renders",
	"kubectl label namespace whohas-system pod-security.kubernetes.io/enforce=restricted": "base has made it so",
}

// refused are commands that must fail, and what they say.
var refused = map[string]string{
	"kubectl create --dry-run=server -f examples/incident/tomcat.yaml": "WH101",
}

// TestPages runs every command of the guard's pages as it stands there, in their order,
// against a real apiserver; and then what they are for, as somebody who is no
// administrator.
func TestPages(t *testing.T) {
	s := start(t)
	s.KubectlInput(incidentNodes, "apply", "-f", "-")
	for i, n := range []string{"cdev01", "cdev02"} {
		s.Kubectl("patch", "node", n, "--subresource=status", "--type=merge", "-p", fmt.Sprintf(`{"status":{"addresses":[{"type":"InternalIP","address":"192.168.10.%d"}]}}`, 114+i))
	}
	sh := shell(t, s)
	ran := 0
	if out, err := sh("kubectl apply -k deploy/base"); err != nil { // the page begins with what switches it off
		t.Fatal(err, out)
	}
	for _, page := range []string{"../docs/guard-policy.md", "../docs/guard-install.md"} {
		for _, line := range commands(file(t, page)) {
			bare := strings.TrimSpace(regexp.MustCompile(`\s+#.*$`).ReplaceAllString(line, ""))
			if elsewhere[bare] != "" {
				continue
			}
			ran++
			if page == "../docs/guard-install.md" && strings.Contains(line, "examples/incident") {
				policyIsHeard(t, sh)
			}
			if strings.Contains(line, "delete --ignore-not-found -k") { // nobody is here who ends a namespace
				line = strings.Replace(line, "delete ", "delete --wait=false ", 1)
			}
			out, err := sh(line)
			if says := refused[bare]; says != "" {
				if err == nil || !strings.Contains(out, says) {
					t.Errorf("%s: %s: it must be refused for %s: %v\n%s", page, line, says, err, out)
				}
			} else if err != nil {
				t.Errorf("%s: %s: %v\n%s", page, line, err, out)
			}
			if bare == "kubectl delete validatingadmissionpolicybinding whohas-guard" {
				if out, err := sh("whohas guard policy | kubectl apply -f -"); err != nil { // on again
					t.Fatal(err, out)
				}
			}
			if strings.Contains(line, "no-excuse-by-controllers") {
				t.Run("whose word counts", func(t *testing.T) { whoseWord(t, sh) })
			}
		}
	}
	if ran < 12 {
		t.Errorf("only %d commands were run", ran)
	}
}

const incidentNodes = `
apiVersion: v1
kind: ConfigMap
metadata: {name: kube-proxy, namespace: kube-system}
data: {config.conf: "mode: ipvs"}
---
apiVersion: v1
kind: Namespace
metadata: {name: team}
---
apiVersion: v1
kind: Namespace
metadata: {name: demo}
---
apiVersion: v1
kind: Node
metadata: {name: cdev01}
---
apiVersion: v1
kind: Node
metadata: {name: cdev02}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: services}
rules: [{apiGroups: [""], resources: [services], verbs: [create, get, update, patch]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: services}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: services}
subjects:
- {apiGroup: rbac.authorization.k8s.io, kind: User, name: jane}
- {kind: ServiceAccount, name: gitops, namespace: team}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: gitops}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}
subjects: [{kind: ServiceAccount, name: gitops, namespace: team}]
`

// whoseWord: jane may override in namespace team, by a RoleBinding, and nowhere else; a
// controller with all rights may not, though RBAC says so.
func whoseWord(t *testing.T, sh func(string) (string, error)) {
	service := func(as, namespace string) (string, error) {
		return sh(fmt.Sprintf(`kubectl --as=%s create --dry-run=server -f - <<'END'
{"apiVersion":"v1","kind":"Service","metadata":{"name":"mine","namespace":"%s","annotations":{"whohas.io/allow":"WH101 reason=a test"}},"spec":{"externalIPs":["192.168.10.114"],"ports":[{"port":80}]}}
END`, as, namespace))
	}
	const gitops = "system:serviceaccount:team:gitops"
	for _, x := range []struct{ as, namespace, says string }{{"jane", "team", ""}, {"jane", "demo", "WH101"}, {gitops, "team", "must be written by a person"}} {
		apiserver.Eventually(t, func() error { // an authorizer and a policy hear a little later
			out, err := service(x.as, x.namespace)
			if x.says == "" && err == nil || x.says != "" && err != nil && strings.Contains(out, x.says) {
				return nil
			}
			return fmt.Errorf("%s in %s: %w, want %q\n%s", x.as, x.namespace, err, x.says, out)
		})
	}
}

// policyIsHeard waits until the apiserver has learned of the policy.
func policyIsHeard(t *testing.T, sh func(string) (string, error)) {
	t.Helper()
	apiserver.Eventually(t, func() error {
		if out, err := sh("kubectl create --dry-run=server -f examples/incident/tomcat.yaml"); err == nil {
			return fmt.Errorf("it passes: %s", out)
		}
		return nil
	})
}

// commands are the lines of a page's blocks, with what is given to them, and those that
// stand in its text.
func commands(page string) []string {
	var out []string
	for i, block := range regexp.MustCompile("(?m)^```").Split(page, -1) {
		kind, text, _ := strings.Cut(block, "\n")
		if i%2 == 0 {
			for _, m := range regexp.MustCompile("`(kubectl [^`]*)`").FindAllStringSubmatch(strings.ReplaceAll(block, "\n", " "), -1) {
				if !strings.Contains(m[1], "claims.whohas.io") { // told as what fails
					out = append(out, m[1])
				}
			}
			continue
		}
		if kind != "" {
			continue // a file
		}
		lines := strings.Split(strings.TrimSpace(text), "\n")
		for n := 0; n < len(lines); n++ {
			line := lines[n]
			if strings.Contains(line, "<<'END'") {
				for n++; n < len(lines) && lines[n] != "END"; n++ {
					line += "\n" + lines[n]
				}
				line += "\nEND"
			}
			if strings.TrimSpace(line) != "" {
				out = append(out, line)
			}
		}
	}
	return out
}

// shell runs a line as an administrator does, in the repository.
func shell(t *testing.T, s *apiserver.Server) func(string) (string, error) {
	t.Helper()
	bin := t.TempDir()
	if out, err := exec.Command("go", "build", "-o", filepath.Join(bin, "whohas"), "../cmd/whohas").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, name := range []string{"kubectl", "helm"} {
		if err := os.Symlink(tool(t, name), filepath.Join(bin, name)); err != nil {
			t.Fatal(err)
		}
	}
	env := append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "KUBECONFIG="+s.Kubeconfig(apiserver.Admin), "HOME="+bin)
	return func(line string) (string, error) {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, "sh", "-e", "-c", line)
		cmd.Dir, cmd.Env, cmd.WaitDelay = "..", env, time.Second
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
}
