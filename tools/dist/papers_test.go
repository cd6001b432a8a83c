// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestSums: sha256sum finds every file as it is listed, and no file is not.
func TestSums(t *testing.T) {
	files, dir := made(t), t.TempDir()
	if err := place(dir, files); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	if got := say(t, nil, "sha256sum", "--check", "--strict", sumsName); strings.Count(got, ": OK\n") != len(files)-1 {
		t.Errorf("of %d files: %s", len(files)-1, got)
	}
}

// TestPlace: what the last build left goes, and what is not of it stays.
func TestPlace(t *testing.T) {
	dir := t.TempDir()
	spread(t, dir, []file{{"image.tar", 0o644, []byte("x")}})
	for _, name := range []string{"old", "new"} {
		f := file{name, 0o644, []byte(name)}
		if err := place(dir, []file{f, sums([]file{f})}); err != nil {
			t.Fatal(err)
		}
	}
	files, err := read(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range files {
		names = append(names, f.path)
	}
	if got := strings.Join(names, " "); got != "SHA256SUMS image.tar new" {
		t.Errorf("%s", got)
	}
}

// TestProvenance: the statement names what SHA256SUMS names, and the commit.
func TestProvenance(t *testing.T) {
	files, r := made(t), current(t)
	var s statement
	if err := json.Unmarshal(one(t, files, "provenance.json").data, &s); err != nil {
		t.Fatal(err)
	}
	var sums strings.Builder
	for _, u := range s.Subject {
		sums.WriteString(u.Digest["sha256"] + "  " + u.Name + "\n")
	}
	listed, _, _ := strings.Cut(string(one(t, files, sumsName).data), one(t, files, "provenance.json").sum())
	if sums.String() != listed {
		t.Errorf("subjects:\n%slisted:\n%s", sums.String(), listed)
	}
	from := s.Predicate.BuildDefinition.ResolvedDependencies
	if s.Type != "https://in-toto.io/Statement/v1" || s.PredicateType != "https://slsa.dev/provenance/v1" || s.Predicate.RunDetails.Builder.ID != builderID ||
		len(from) != 1 || from[0].Digest["gitCommit"] != r.commit || (from[0].Annotations["changed"] != "") != r.changed {
		t.Errorf("%+v", s)
	}
}

// TestNamesAreExplained: whoever reads the statement finds out what its names mean.
func TestNamesAreExplained(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "SECURITY.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{buildType, builderID} {
		if !strings.Contains(string(text), name) {
			t.Errorf("SECURITY.md says nothing of %s", name)
		}
	}
}

// TestBills: each program has one, of what is in it, dated as its commit.
func TestBills(t *testing.T) {
	r := current(t)
	for _, program := range []string{whohas, guard} {
		var bill struct {
			BOMFormat, SpecVersion, SerialNumber string
			Metadata                             struct {
				Timestamp string
				Component struct{ Name, Version string }
			}
			Components []struct{ Name, PURL string }
		}
		if err := json.Unmarshal(one(t, made(t), program+"_"+r.version+"_linux_amd64.cdx.json").data, &bill); err != nil {
			t.Fatal(err)
		}
		names := map[string]bool{}
		for _, c := range bill.Components {
			names[c.Name] = strings.HasPrefix(c.PURL, "pkg:golang/")
		}
		if bill.BOMFormat != "CycloneDX" || bill.SerialNumber != "" || bill.Metadata.Timestamp != r.date.Format(time.RFC3339) ||
			bill.Metadata.Component.Version != "v"+r.version || !names["k8s.io/client-go"] || !names["std"] || names["github.com/rogpeppe/go-internal"] {
			t.Errorf("%s: %+v", program, bill)
		}
	}
}
