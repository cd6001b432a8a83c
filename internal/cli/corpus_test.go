// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const corpus = "../../../shared/corpus"

// corpusConflicts are all the conflicts in the corpus, file by file. Every other
// file says of itself that it holds none ("no conflict", "INTENDED", "by design",
// alternatives of one object), or says nothing and must not be blamed.
var corpusConflicts = map[string][]string{
	"clusters/popeye/lint_testdata_core_svc_1.yaml": {"WH201 error 10.96.12.148"},
	// Two Services of a policy's test case, with the same externalIPs and port.
	"policy-testdata/kyverno/restrict-service-external-ips/kyverno-test_resource.yaml": {"WH201 error 1.2.3.4"},
}

// TestCorpus reads every public manifest and dump: no crash, no invented
// conflict, and whatever the file, a report.
func TestCorpus(t *testing.T) {
	if _, err := os.Stat(corpus); err != nil {
		t.Skipf("the corpus is not here (%s): SKIPPED, its files are not checked", corpus)
	}
	read, silent := 0, 0
	for _, part := range []string{"manifests", "clusters", "policy-testdata"} {
		err := filepath.WalkDir(filepath.Join(corpus, part), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || strings.HasSuffix(path, ".source") {
				return err
			}
			read++
			if !checkCorpusFile(t, path) {
				silent++
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if read < 100 {
		t.Errorf("only %d files found", read)
	}
	t.Logf("%d files read, %d of them hold nothing that could claim an address", read, silent)
}

// checkCorpusFile reports whether the file holds an object that could claim an address.
func checkCorpusFile(t *testing.T, path string) bool {
	t.Helper()
	rel, err := filepath.Rel(corpus, path)
	if err != nil {
		t.Fatal(err)
	}
	status, stdout, stderr := run(t, "check", "-f", path, "-o", "json")
	var r testReport
	if err := json.Unmarshal([]byte(stdout), &r); err != nil {
		t.Errorf("%s: exit status %d, no report: %v\n%s", rel, status, err, stderr)
		return false
	}
	got := r.conflicts()
	if diff := cmp.Diff(corpusConflicts[rel], got); diff != "" {
		t.Errorf("%s: conflicts (-want +got):\n%s%s", rel, diff, expected(path))
	}
	if status == exitFailed && stderr == "" {
		t.Errorf("%s: exit status 2 without a word", rel)
	}
	return r.Summary.Objects > 0
}

// conflicts are the findings about addresses that say more than "look here".
func (r testReport) conflicts() []string {
	var out []string
	for _, f := range r.Findings {
		if f.Severity == "error" || f.Severity == "critical" {
			out = append(out, f.Rule+" "+f.Severity+" "+f.Address)
		}
	}
	return out
}

// expected is what the corpus says of a file.
func expected(path string) string {
	text, err := os.ReadFile(path + ".source")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "expected:") {
			return line
		}
	}
	return ""
}

// TestCorpusCases reads folders whole: what stands in several overlays or
// archives of one repository is one owner, or an alternative that is not
// deployed with the others.
func TestCorpusCases(t *testing.T) {
	cases, err := filepath.Glob(filepath.Join(corpus, "manifests", "case-*"))
	if err != nil {
		t.Fatal(err)
	}
	if len(cases) == 0 {
		t.Skipf("the corpus is not here (%s): SKIPPED", corpus)
	}
	for _, dir := range append(cases, filepath.Join(corpus, "clusters", "kube-router-ipset_test_1"), filepath.Join(corpus, "clusters", "cilium-kind")) {
		_, stdout, _ := run(t, "check", "-R", "-f", dir, "-o", "json")
		var r testReport
		if err := json.Unmarshal([]byte(stdout), &r); err != nil {
			t.Errorf("%s: %v", dir, err)
			continue
		}
		if got := r.conflicts(); len(got) > 0 {
			t.Errorf("%s: %v", dir, got)
		}
	}
}
