// SPDX-License-Identifier: Apache-2.0

// Package law holds the laws of the repository as tests: who may import whom and
// why, that every package says what it is, and that every file has its licence.
// Imports are read with go/parser: a test that asks `go list` passes stale from
// the test cache.
package law

import (
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const root = "../.."

// may lists, for each package, the packages of ours that it may import. A
// package that is not listed is a decision that has not been made: add it here
// and to ARCHITECTURE.md in the commit that creates it.
var may = map[string][]string{
	"command":                   {},
	"dataplane":                 {},
	"dataplane/netfilter":       {"dataplane"},
	"kubeproxy":                 {"dataplane"},
	"bypass":                    {"command", "dataplane"},
	"bypass/rtnetlink":          {"bypass", "dataplane", "source/host"},
	"snapshot":                  {"command", "dataplane"},
	"claim":                     {"snapshot"},
	"cluster":                   {"snapshot", "kubeproxy", "dataplane"},
	"claimants":                 {"bypass", "claim", "cluster", "snapshot", "dataplane/netfilter", "kubeproxy", "dataplane"},
	"explain":                   {"bypass", "claim", "cluster", "snapshot", "command", "kubeproxy", "dataplane"},
	"rule":                      {"explain", "claim", "cluster", "snapshot", "dataplane"},
	"rules":                     {"rules/internal/chain", "rules/internal/fix", "rules/internal/theft", "rules/internal/proxy", "rules/internal/pick", "rule", "claimants", "explain", "claim", "cluster", "snapshot", "command", "kubeproxy", "dataplane"},
	"rules/internal/chain":      {"rules/internal/fix", "rules/internal/theft", "rules/internal/proxy", "rules/internal/pick", "rule", "claimants", "explain", "claim", "cluster", "snapshot", "command", "kubeproxy", "dataplane"},
	"rules/internal/fix":        {"rules/internal/theft", "rules/internal/proxy", "rules/internal/pick", "rule", "claimants", "explain", "claim", "cluster", "snapshot", "command", "kubeproxy", "dataplane"},
	"rules/internal/theft":      {"bypass", "rules/internal/proxy", "rules/internal/pick", "rule", "claimants", "explain", "claim", "cluster", "snapshot", "command", "kubeproxy", "dataplane"},
	"rules/internal/proxy":      {"rules/internal/pick", "rule", "claimants", "explain", "claim", "cluster", "snapshot", "command", "kubeproxy", "dataplane"},
	"rules/internal/pick":       {"rule", "claimants", "explain", "claim", "cluster", "snapshot", "command", "kubeproxy", "dataplane"},
	"check":                     {"rule", "claimants", "explain", "claim", "cluster", "snapshot", "dataplane"},
	"who":                       {"claimants", "rule", "explain", "claim", "cluster", "snapshot", "dataplane"},
	"diagnose":                  {"bypass", "check", "rule", "claimants", "explain", "claim", "cluster", "snapshot", "command", "kubeproxy", "dataplane"},
	"repair":                    {"bypass", "diagnose", "check", "rule", "claimants", "explain", "claim", "cluster", "snapshot", "command", "kubeproxy", "dataplane"},
	"shield":                    {"bypass", "diagnose", "claimants", "claim", "cluster", "snapshot", "kubeproxy", "dataplane"},
	"shield/watch":              {"bypass", "bypass/rtnetlink", "claimants", "kubeproxy", "dataplane", "source/monitor"},
	"guard/policy/compile":      {},
	"guard/policy":              {"rule", "claimants", "explain", "claim", "cluster", "snapshot", "kubeproxy", "dataplane"},
	"guard":                     {"check", "rule", "claimants", "explain", "claim", "cluster", "snapshot", "dataplane"},
	"guard/watch":               {"check", "rule", "claimants", "claim", "cluster", "snapshot", "dataplane", "source/live"},
	"guard/webhook":             {"guard", "snapshot", "source/document"},
	"guard/audit":               {"guard/watch", "check", "rule", "snapshot"},
	"guard/certificate":         {},
	"guard/server":              {"guard/webhook", "guard/audit", "guard/watch", "guard/policy", "guard", "check", "dataplane", "source/live", "source/file"},
	"repair/withdraw":           {"repair", "source/file", "snapshot"},
	"repair/heal":               {"repair", "bypass", "bypass/rtnetlink", "claimants", "source/host", "source/monitor", "snapshot", "kubeproxy", "dataplane"},
	"report":                    {"shield", "bypass", "command", "repair", "diagnose", "who", "check", "rule", "explain", "claim", "cluster", "snapshot", "dataplane"},
	"source/document":           {"source/document/plainyaml", "snapshot"},
	"source/document/plainyaml": {},
	"source/manifest":           {"source/document", "source/file", "snapshot"},
	"source/live":               {"source/document", "snapshot"},
	"source/bundle":             {"snapshot", "dataplane"},
	"source/file":               {},
	"source/monitor":            {},
	"source/kubeconfig":         {"source/file", "source/live"},
	"source/node":               {"source/host", "source/live", "probe", "rule", "claimants", "claim", "cluster", "snapshot", "kubeproxy", "dataplane"},
	"source/host":               {"source/file", "dataplane/netfilter", "kubeproxy", "dataplane", "snapshot"},
	"source/capture":            {"source/file", "dataplane/netfilter", "dataplane", "snapshot"},
	"probe":                     {"dataplane"},

	"claim/internal/slow": {"claim", "snapshot"},
	"cmd/whohas":          {"internal/cli"},
	"cmd/whohas-guard":    {"internal/guardcli"},
	"internal/guardcli":   {"internal/config", "internal/console", "internal/pace", "guard/server", "guard/watch", "guard/policy", "guard/certificate", "check", "rules", "dataplane", "source/kubeconfig"},
	"internal/config":     {"internal/console", "rules", "rule", "claim", "snapshot", "dataplane", "source/file"},
	"internal/console":    {"command", "report", "snapshot"},
	"internal/pace":       {},
	"testkit/scenario":    {"check", "rule", "claimants", "claim", "cluster", "snapshot", "dataplane", "source/document"},
	"internal/ruledoc":    {"testkit/scenario", "rules", "rule", "dataplane"},
	"internal/newrule":    {"rules", "rule"},
	"internal/manual":     {"internal/cli", "internal/guardcli"},
	"testkit/randcluster": {"testkit/scenario", "check", "rules", "claimants", "cluster", "snapshot", "kubeproxy", "dataplane"},
	"testkit/clustergen":  {},
	"testkit/apiserver":   {"testkit/port"},
	"testkit/port":        {},
	"internal/law":        {},
	"testkit/netns":       {},
	"bench":               {"testkit/apiserver", "testkit/port", "testkit/clustergen", "testkit/scenario", "guard", "guard/watch", "source/live", "check", "rules", "rule", "claimants", "claim", "cluster", "snapshot", "source/bundle", "source/manifest", "source/document", "dataplane"},

	"testkit/clustergen/cmd/clustergen": {"testkit/clustergen"},

	"lab":         {"dataplane"},
	"lab/prober":  {},
	"lab/kernel":  {"lab"},
	"lab/testbed": {"lab"},
	"lab/guest":   {"lab/kernel", "lab/prober", "lab/testbed", "lab", "claimants", "cluster", "snapshot", "dataplane", "source/bundle", "source/host", "source/live"},
	"lab/runner":  {"lab/kernel", "lab", "snapshot", "dataplane", "source/bundle"},
	"lab/cmd/lab": {"lab/guest", "lab/runner", "lab/kernel", "lab"},
}

// anything marks the packages that may import everything of ours: the edge.
var anything = []string{"internal/cli"}

// edges are the packages in which Kubernetes' libraries and the kernel may appear.
// Simulation, rules, diagnosis, plans and the admission decision need no cluster
// and no root: they must build and run where there is neither. guard/policy needs no
// cluster either, but what it writes are Kubernetes' objects, and it compiles them with
// the apiserver's own compiler before anybody applies them. The lab's own
// package, which reads scenarios and compares runs, is none of them.
var edges = []string{"source/", "bypass/rtnetlink", "shield/watch", "repair/withdraw", "repair/heal", "guard/policy", "guard/webhook", "guard/audit", "guard/certificate", "guard/server", "internal/cli", "internal/guardcli", "lab/prober", "lab/kernel", "lab/testbed", "lab/guest", "lab/runner", "lab/cmd"}

// except are what single packages may import all the same.
var except = map[string][]string{
	"testkit/apiserver": {"net/http"},
	"internal/console":  {"github.com/spf13/"},
	"internal/manual":   {"github.com/spf13/"}, // it writes about commands
	"bench":             {"net/http"},          // it fills an apiserver, and asks the guard as one
	"testkit/netns":     {"golang.org/x/sys"},  // the kernel that tests run on
	"testkit/port":      {"golang.org/x/sys"},  // a socket that is bound and does not listen
	"testkit/scenario":  {"github.com/rogpeppe/go-internal"},
	"lab":               {"github.com/rogpeppe/go-internal"},
	"probe":             {"github.com/vishvananda/netlink", "golang.org/x/sys"}, // the neighbour table, put back
}

var outside = map[string]string{
	"k8s.io/":                         "pure packages need no cluster",
	"sigs.k8s.io/":                    "pure packages need no cluster",
	"github.com/vishvananda/netlink":  "pure packages need no kernel",
	"golang.org/x/sys":                "pure packages need no kernel",
	"github.com/spf13/":               "only the command line parses flags",
	"net/http":                        "pure packages do no I/O",
	"github.com/stretchr/testify":     "plain testing and go-cmp are used here",
	"github.com/google/gopacket":      "no longer kept",
	"github.com/rogpeppe/go-internal": "only tests and the scenario readers read txtar",
}

type file struct {
	path    string // from the root
	dir     string
	imports []string
	doc     bool
	test    bool
	head    string
}

func TestImports(t *testing.T) {
	for _, f := range files(t) {
		if f.test || strings.HasPrefix(f.dir, "tools/") {
			continue
		}
		allowed, known := may[f.dir]
		free := slices.Contains(anything, f.dir)
		if !known && !free {
			t.Errorf("%s: package %s is not in the law: decide who may import whom", f.path, f.dir)
			continue
		}
		for _, imp := range f.imports {
			if ours, ok := strings.CutPrefix(imp, "whohas/"); ok && !free && !slices.Contains(allowed, ours) {
				t.Errorf("%s: %s may not import %s (it may import: %s)", f.path, f.dir, ours, strings.Join(allowed, ", "))
			}
		}
	}
}

func TestOutsideImports(t *testing.T) {
	for _, f := range files(t) {
		if f.test || atEdge(f.dir) {
			continue
		}
		for _, imp := range f.imports {
			for _, banned := range slices.Sorted(maps.Keys(outside)) {
				if strings.HasPrefix(imp, banned) && !slices.Contains(except[f.dir], banned) {
					t.Errorf("%s imports %s: %s", f.path, imp, outside[banned])
				}
			}
		}
	}
}

func atEdge(dir string) bool {
	return slices.ContainsFunc(edges, func(e string) bool { return strings.HasPrefix(dir+"/", e) || dir == e })
}

// TestNoNetIP: addresses are netip, unmapped once at the edge; net.IP has two
// lengths for one address and cannot be compared.
func TestNoNetIP(t *testing.T) {
	for _, f := range files(t) {
		text, err := os.ReadFile(filepath.Join(root, f.path))
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Split(string(text), "\n") {
			if (strings.Contains(line, "net."+"IP{") || strings.Contains(line, "net."+"ParseIP(") || strings.Contains(line, "net."+"IPNet")) && !f.test {
				t.Errorf("%s:%d: net.IP: use net/netip", f.path, i+1)
			}
		}
	}
}

func TestEveryPackageSaysWhatItIs(t *testing.T) {
	documented := map[string]bool{}
	seen := map[string]bool{}
	for _, f := range files(t) {
		if !strings.HasPrefix(f.dir, "tools/") {
			seen[f.dir] = true
			documented[f.dir] = documented[f.dir] || f.doc
		}
	}
	for _, dir := range slices.Sorted(maps.Keys(seen)) {
		if !documented[dir] {
			t.Errorf("package %s has no package comment", dir)
		}
	}
}

func TestLicence(t *testing.T) {
	for _, f := range files(t) {
		if !strings.HasPrefix(f.head, "// SPDX-License-Identifier: Apache-2.0\n") {
			t.Errorf("%s: the first line must be the licence's SPDX comment", f.path)
		}
	}
}

// TestNoGrabBags: a package is named after what a network engineer says.
func TestNoGrabBags(t *testing.T) {
	for _, f := range files(t) {
		for _, part := range strings.Split(f.dir, "/") {
			if slices.Contains([]string{"util", "utils", "common", "helpers", "model", "models", "types", "misc", "pkg"}, part) {
				t.Errorf("%s: %q says nothing about what is in there", f.path, part)
			}
		}
	}
}

func files(t *testing.T) []file {
	t.Helper()
	var out []file
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == ".git" || d.Name() == "testdata" || d.Name() == "bin") {
			return filepath.SkipDir
		}
		if strings.HasSuffix(path, ".go") {
			out = append(out, read(t, path))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(out) < 20 {
		t.Fatalf("only %d Go files found below %s", len(out), root)
	}
	return out
}

func read(t *testing.T, path string) file {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := parser.ParseFile(token.NewFileSet(), path, text, parser.ImportsOnly|parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	rel, err := filepath.Rel(root, path)
	if err != nil {
		t.Fatal(err)
	}
	f := file{path: filepath.ToSlash(rel), dir: filepath.ToSlash(filepath.Dir(rel)), doc: parsed.Doc != nil, head: string(text), test: strings.HasSuffix(path, "_test.go")}
	for _, i := range parsed.Imports {
		f.imports = append(f.imports, strings.Trim(i.Path.Value, `"`))
	}
	return f
}
