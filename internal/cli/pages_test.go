// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"whohas/snapshot"
	"whohas/source/bundle"
)

// pages are those whose commands TestPages runs. The guard's are run in a real cluster
// (deploy TestPages), those of docs/ci.md in a real tree (TestCI), the rules' pages are
// what scenarios print.
var pages = []string{"README.md", "CONTRIBUTING.md", "SECURITY.md", "docs/configuration.md", "docs/install.md", "docs/lab.md", "docs/outage.md", "docs/shield.md", "docs/snapshot-format.md", "docs/support.md"}

// notHere are beginnings of commands that are not run here, and who runs them or why nobody
// does.
var notHere = map[string]string{
	"sudo whohas diagnose":            "reads this host as root; the lab's scenarios with \"diagnose\" run it on a node",
	"sudo whohas repair":              "changes this host as root; lab repair-whohas-1.36",
	"sudo whohas shield":              "changes this host as root; lab shield-1.36",
	"whohas snapshot --host":          "TestScript/snapshot_host",
	"whohas guard policy | kubectl":   "deploy TestPages",
	"kubectl apply -k deploy/base":    "deploy TestPages",
	"kubectl -n demo patch":           "TestFixes applies what is printed",
	"ip -o addr show":                 "lab incident-1.36 asks it",
	"ip rule ":                        "lab cure-by-rule-1.36 runs what is printed",
	"go run ./cmd/whohas check -f ex": "TestReadme",
	"go run ./lab/":                   "make nightly runs the lab",
	"cosign ":                         "needs a public home, and a service that knows who signs: SECURITY.md says that nobody has run it",
	"make build && sudo install":      "writes to the system as root; tools/dist TestProgram runs the same one",
	"sudo tar -xzf":                   "tools/dist TestProgram runs what is in it",
	"Expand-Archive":                  "needs Windows",
	"sudo apt install":                "tools/dist TestDebUpgrade installs it with dpkg, into a folder",
	"sudo rpm -U":                     "tools/dist TestRPM reads it with rpm; TestScriptsByRPM runs its scripts",
	"kubectl krew install --manifest": "tools/dist TestKrew",
	"kubectl krew install whohas":     "needs an entry in krew-index",
	"apt install kubectl-whohas":      "needs a package repository",
	"helm install whohas-guard dist/": "tools/dist TestChart lints and renders it; deploy TestManifestsInACluster applies what is rendered",
	"scp bin/":                        "needs a node",
	"make image, then":                "tools/image makes them; to load them needs a container runtime",
	"make ":                           "CI runs make check; tools/nightly the rest",
}

// TestPages runs what the pages say, as it stands there, in a folder that has what they
// name.
func TestPages(t *testing.T) {
	kubeconfigs, _ := startServers(t)
	top, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{}
	ran := 0
	for _, page := range pages {
		text, err := os.ReadFile(filepath.Join(top, page))
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range pageCommands(string(text)) {
			if elsewhere := beginning(line); elsewhere != "" {
				used[elsewhere] = true
				continue
			}
			ran++
			pageFolder(t, top, kubeconfigs["cluster"])
			words := strings.Fields(line)
			if words[0] != "whohas" {
				t.Errorf("%s: %q is run by nobody: notHere says why, or a test runs it", page, line)
				continue
			}
			var out, errs bytes.Buffer
			if status := Main(words, strings.NewReader(""), &out, &errs); status == exitFailed || errs.Len() > 0 && strings.Contains(errs.String(), "error") {
				t.Errorf("%s: %s: exit status %d\n%s", page, line, status, &errs)
			}
		}
	}
	if ran < 8 {
		t.Errorf("%d commands were run", ran)
	}
	for prefix := range notHere {
		if !used[prefix] {
			t.Errorf("no page says %q any more", prefix)
		}
	}
}

// pageCommands are the commands of a page's blocks of shell, without their comments.
func pageCommands(text string) []string {
	var out []string
	comment := regexp.MustCompile(`\s+#.*$`)
	is := regexp.MustCompile(`^(sudo |)(whohas|kubectl|kubectl-whohas|go|make|helm|sh|ip|tools/\w+|dpkg|rpm|apt|curl|tar|git|cosign)\s`)
	for _, cell := range regexp.MustCompile("(?m)^\\|[^|`]+\\| `([^`]+)`([^|]*)\\|").FindAllStringSubmatch(text, -1) { // of a table of commands
		if line := strings.TrimSpace(cell[1] + cell[2]); strings.Contains(line, " ") && !strings.HasPrefix(line, "-") {
			out = append(out, line)
		}
	}
	for _, block := range regexp.MustCompile("(?ms)^```(?:sh)?\n(.*?)^```").FindAllStringSubmatch(text, -1) {
		for line := range strings.SplitSeq(strings.ReplaceAll(block[1], "\\\n", " "), "\n") {
			line = strings.TrimSpace(comment.ReplaceAllString(line, ""))
			if is.MatchString(line + " ") {
				out = append(out, line)
			}
		}
	}
	return out
}

// beginning is the longest entry of notHere that a command begins with.
func beginning(line string) string {
	longest := ""
	for prefix := range notHere {
		if strings.HasPrefix(line+" ", prefix) && len(prefix) > len(longest) {
			longest = prefix
		}
	}
	return longest
}

// pageFolder changes to a folder with what the pages name.
func pageFolder(t *testing.T, top, kubeconfig string) {
	t.Helper()
	dir := t.TempDir()
	t.Chdir(dir)
	for _, to := range []string{"manifests", "dump", "examples/incident"} {
		if err := os.CopyFS(to, os.DirFS(filepath.Join(top, "examples", "incident"))); err != nil {
			t.Fatal(err)
		}
	}
	change, err := os.ReadFile("examples/incident/tomcat.yaml")
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, "change.yaml", string(change))
	writeHost(t, filepath.Join(top, "lab", "recorded", "incident-1.36", "during.snapshot"), "cdev02")
	if status, _, errs := run(t, "snapshot", "-f", "manifests", "-o", "cluster.snapshot"); status != exitOK {
		t.Fatal(errs)
	}
	writeFile(t, filepath.Join(dir, "kubeconfig"), kubeconfig)
	t.Setenv("KUBECONFIG", filepath.Join(dir, "kubeconfig"))
}

// writeHost writes what a record has of one host, as NAME.snapshot.
func writeHost(t *testing.T, record, name string) {
	t.Helper()
	f, err := os.Open(record)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all, one snapshot.Builder
	if err := bundle.Read(t.Context(), f, record, &all); err != nil {
		t.Fatal(err)
	}
	for _, h := range all.Snapshot().Hosts {
		if h.Name == name {
			one.AddHost(h)
		}
	}
	var out bytes.Buffer
	if err := bundle.Write(&out, one.Snapshot(), "test"); err != nil {
		t.Fatal(err)
	}
	writeFile(t, name+".snapshot", out.String())
}
