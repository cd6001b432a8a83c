// SPDX-License-Identifier: Apache-2.0

package check_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"whohas/check"
	"whohas/rule"
	"whohas/rules"
	"whohas/testkit/randcluster"
	"whohas/testkit/scenario"
)

// expanders write a scenario's manifests in another way that means the same: in
// no other order of objects, files and pages may a finding change.
var expanders = map[string]func([]txtar.File) []txtar.File{
	"files reversed": func(files []txtar.File) []txtar.File {
		slices.Reverse(files)
		return files
	},
	"files renamed": func(files []txtar.File) []txtar.File {
		for i := range files {
			if isHost(files[i]) { // whose name is the host's
				continue
			}
			files[i].Name = fmt.Sprintf("%03d-%s", len(files)-i, files[i].Name)
		}
		return files
	},
	"objects reversed": objects(func(docs []string) { slices.Reverse(docs) }),
	"objects shuffled": objects(func(docs []string) {
		r := rand.New(rand.NewPCG(1, uint64(len(docs))))
		r.Shuffle(len(docs), func(i, k int) { docs[i], docs[k] = docs[k], docs[i] })
	}),
	"a file for each object":                 split(false),
	"a file for each object, the last first": split(true),
	"all in one file": func(files []txtar.File) []txtar.File {
		var all []string
		var rest []txtar.File
		for _, f := range files {
			if isYAML(f) {
				all = append(all, documents(f)...)
			} else {
				rest = append(rest, f)
			}
		}
		return append(rest, txtar.File{Name: "all.yaml", Data: []byte(strings.Join(all, "---\n"))})
	},
	"every file read twice": func(files []txtar.File) []txtar.File {
		return slices.Concat(files, files)
	},
	"every file copied": func(files []txtar.File) []txtar.File {
		copies := slices.DeleteFunc(slices.Clone(files), isHost)
		for i := range copies {
			copies[i].Name = "copy/" + copies[i].Name
		}
		return slices.Concat(files, copies)
	},
}

func isHost(f txtar.File) bool { return strings.HasPrefix(f.Name, "hosts/") }

func isYAML(f txtar.File) bool { return strings.HasSuffix(f.Name, ".yaml") }

var separator = regexp.MustCompile(`(?m)^---[ \t]*\n`)

// documents are the objects of a YAML file, each as its text.
func documents(f txtar.File) []string {
	return slices.DeleteFunc(separator.Split(string(f.Data), -1), func(d string) bool { return strings.TrimSpace(d) == "" })
}

// objects moves the documents of each file about.
func objects(move func([]string)) func([]txtar.File) []txtar.File {
	return func(files []txtar.File) []txtar.File {
		for i, f := range files {
			if isYAML(f) {
				docs := documents(f)
				move(docs)
				files[i].Data = []byte(strings.Join(docs, "---\n"))
			}
		}
		return files
	}
}

// split gives each document a file of its own.
func split(backwards bool) func([]txtar.File) []txtar.File {
	return func(files []txtar.File) []txtar.File {
		var out []txtar.File
		for _, f := range files {
			if !isYAML(f) {
				out = append(out, f)
				continue
			}
			for i, d := range documents(f) {
				out = append(out, txtar.File{Name: fmt.Sprintf("%s.%03d.yaml", f.Name, i), Data: []byte(d)})
			}
		}
		if backwards {
			for i := range out {
				if isHost(out[i]) {
					continue
				}
				out[i].Name = fmt.Sprintf("%03d-%s", len(out)-i, out[i].Name)
			}
			slices.Reverse(out)
		}
		return out
	}
}

// TestOrder writes every scenario in every other way and compares what is found,
// down to the fingerprints.
func TestOrder(t *testing.T) {
	paths, err := filepath.Glob("../rules/testdata/*/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatal("no scenarios", err)
	}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(data, []byte("\n-- before/")) {
			continue // which of two files is a change is no matter of order
		}
		t.Run(strings.TrimSuffix(filepath.ToSlash(path)[len("../rules/testdata/"):], ".txtar"), func(t *testing.T) {
			want := found(t, data)
			for name, expand := range expanders {
				if diff := cmp.Diff(want, found(t, expanded(data, expand))); diff != "" {
					t.Errorf("%s: findings (-as written +so):\n%s", name, diff)
				}
			}
		})
	}
}

// expanded is a scenario with its manifests written in another way.
func expanded(data []byte, expand func([]txtar.File) []txtar.File) []byte {
	ar := txtar.Parse(data)
	var manifests []txtar.File
	ar.Files = slices.DeleteFunc(ar.Files, func(f txtar.File) bool {
		if f.Name == "scenario" || f.Name == "want" || strings.HasPrefix(f.Name, "want ") {
			return false
		}
		manifests = append(manifests, f)
		return true
	})
	ar.Files = append(ar.Files, expand(manifests)...)
	return txtar.Format(ar)
}

// found lists what a scenario's findings say of the cluster. WH901 speaks of
// files, and two broken files are two.
func found(t *testing.T, data []byte) map[string][]string {
	t.Helper()
	s, err := scenario.Parse("scenario", data)
	if err != nil {
		t.Fatal(err)
	}
	res := s.Check(rules.All())
	out := map[string][]string{"shown": lines(res.Findings), "hidden": lines(res.Hidden)}
	for _, a := range res.Suppressed {
		out["allowed"] = append(out["allowed"], lines([]rule.Finding{a.Finding})...)
	}
	return out
}

func lines(findings []rule.Finding) []string {
	var out []string
	for i := range findings {
		if f := &findings[i]; f.Rule != rules.NotRead {
			out = append(out, scenario.Summary(f)+" "+f.Fingerprint())
		}
	}
	return out
}

// TestNothingComesTwice: an object in several files says the same of itself from
// each of them, once.
func TestNothingComesTwice(t *testing.T) {
	f := finding(rules.PoolOverlap, rule.Error, "10.0.0.1", "a", "b")
	ask := *rules.PoolOverlap
	ask.On, ask.Check = rule.OnCluster, func(p *rule.Pass) { p.Report(f); p.Report(f) }
	in := randcluster.Cluster{}.Input(t)
	in.Rules = []*rule.Rule{&ask}
	if res := check.Finish(in, check.Run(in), nil, time.Time{}); len(res.Findings) != 1 {
		t.Errorf("%d findings, want 1", len(res.Findings))
	}
}
