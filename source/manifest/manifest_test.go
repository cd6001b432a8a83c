// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"whohas/snapshot"

	"github.com/google/go-cmp/cmp"
)

// read reads paths below dir and shows what came of it, without the directory's
// name: the objects with their origins, then the coverage that says something.
func read(t *testing.T, dir string, o Options, paths ...string) string {
	t.Helper()
	o.Reads = testReads(t)
	for _, p := range paths {
		if p != "-" && !strings.HasPrefix(p, "http") {
			p = dir + "/" + p
		}
		o.Paths = append(o.Paths, p)
	}
	var into snapshot.Builder
	if _, err := Read(t.Context(), o, &into); err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(show(into.Snapshot()), dir+"/", "")
}

func show(s *snapshot.Snapshot) string {
	var b strings.Builder
	for _, o := range s.Objects {
		fmt.Fprintf(&b, "%v %s:%d\n", o.Ref, o.File, o.Line)
	}
	for _, c := range s.Coverage {
		if c.Status == snapshot.StatusRead {
			continue
		}
		fmt.Fprintf(&b, "%s %s: %s", c.Source, c.Status, c.Detail)
		if c.Failed {
			b.WriteString(" (failed)")
		}
		b.WriteString("\n")
	}
	return b.String()
}

func TestRead(t *testing.T) {
	files := map[string]string{
		"a.yaml":                   service("a"),
		"b.yml":                    "---\n" + service("b"),
		"c.json":                   `{"apiVersion":"v1","kind":"Service","metadata":{"name":"c"}}`,
		"d.txt":                    service("d"),
		"sub/e.yaml":               service("e"),
		"sub/deeper/f.yaml":        service("f"),
		"values/values.yaml":       "replicas: 3\n",
		"none/README.md":           "nothing\n",
		"empty.yaml":               "",
		"broken.yaml":              "a: b: c\n",
		"chart/Chart.yaml":         "apiVersion: v2\nname: x\n",
		"chart/templates/svc.yaml": "{{ if x }}\n" + service("g") + "{{ end }}\n",
		"chart/templates/x/y.yaml": service("h"),
		"other/templates/svc.yaml": "{{ if x }}\na: b\n",
	}
	tests := []struct {
		name      string
		paths     string
		recursive bool
		want      string
	}{
		{"a file of any name", "d.txt", false, "Service default/d d.txt:1\n"},
		{"several", "a.yaml b.yml", false, "Service default/a a.yaml:1\nService default/b b.yml:2\n"},
		{"one twice", "a.yaml a.yaml", false, "Service default/a a.yaml:1\n"},
		{"by two paths", "sub sub/e.yaml", false, "Service default/e sub/e.yaml:1\n"},
		{"a directory", "sub", false, "Service default/e sub/e.yaml:1\n"},
		{"a directory and below", "sub/", true, "Service default/e sub/e.yaml:1\nService default/f sub/deeper/f.yaml:1\n"},
		{"a pattern", "*.y*ml", false, "Service default/a a.yaml:1\nService default/b b.yml:2\nbroken.yaml unreadable: yaml: mapping values are not allowed in this context (failed)\n"},
		{"standard input", "- a.yaml", false, "Service default/a a.yaml:1\nService default/z -:1\n"},
		{"a file that is not there", "x.yaml a.yaml", false, "Service default/a a.yaml:1\nx.yaml unreadable: no such file (failed)\n"},
		{"a path below a file", "a.yaml/x.yaml", false, "a.yaml/x.yaml unreadable: no such file: a part of the path is no directory (failed)\n"},
		{"a pattern that finds nothing", "x*.yaml", false, "x*.yaml unreadable: no such file (failed)\n"},
		{"a pattern that is none", "[", false, "[ unreadable: no such file (failed)\n"},
		{"an empty file", "empty.yaml", false, "empty.yaml unreadable: holds no kubernetes object (failed)\n"},
		{"no objects", "values", false, "values unreadable: holds no kubernetes object (failed)\n"},
		{"no files", "none", false, "none unreadable: holds no kubernetes object (failed)\n"},
		{"a broken file", "broken.yaml", false, "broken.yaml unreadable: yaml: mapping values are not allowed in this context (failed)\n"},
		{"a chart", "chart", true, "Service default/h chart/templates/x/y.yaml:1\nchart/templates/svc.yaml unreadable: helm template, not rendered\n"},
		{"a template", "other/templates a.yaml", false, "Service default/a a.yaml:1\nother/templates unreadable: holds no kubernetes object (failed)\nother/templates/svc.yaml unreadable: template, not rendered\n"},
		{"a directory among unreadable ones", "a.yaml/ a.yaml", false, "Service default/a a.yaml:1\na.yaml/ unreadable: no such file: a part of the path is no directory (failed)\n"},
	}
	dir := tree(t, files)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := Options{Recursive: tt.recursive, Stdin: strings.NewReader(service("z"))}
			if diff := cmp.Diff(tt.want, read(t, dir, o, strings.Fields(tt.paths)...)); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

// TestOriginsAsGiven: a relative path stays one.
func TestOriginsAsGiven(t *testing.T) {
	t.Chdir(tree(t, map[string]string{"examples/incident/svc.yaml": service("a"), "examples/incident/templates/x.yaml": service("b")}))
	var into snapshot.Builder
	if _, err := Read(t.Context(), Options{Paths: []string{"examples/incident"}, Reads: testReads(t)}, &into); err != nil {
		t.Fatal(err)
	}
	if got, want := show(into.Snapshot()), "Service default/a examples/incident/svc.yaml:1\n"; got != want {
		t.Errorf("got %s", got)
	}
}

func TestResult(t *testing.T) {
	dir := tree(t, map[string]string{"a.yaml": service("a") + "---\napiVersion: apps/v1\nkind: Deployment\n---\nx: y\n"})
	var seen []string
	o := Options{Paths: []string{dir}, Reads: testReads(t), Namespace: "shop", Complete: true, Progress: func(f string) { seen = append(seen, f) }}
	var into snapshot.Builder
	result, err := Read(t.Context(), o, &into)
	if err != nil || result.Objects != 2 || result.Strangers != 1 {
		t.Errorf("result %+v, error %v", result, err)
	}
	snap := into.Snapshot()
	if !snap.Complete(snapshot.Kind{Kind: "Service", Resource: "services", Namespaced: true}) || snap.Failed() {
		t.Errorf("coverage %+v", snap.Coverage)
	}
	if got := snap.Objects[0].Ref.String(); got != "Service shop/a" {
		t.Errorf("object %s", got)
	}
	if want := []string{filepath.Join(dir, "a.yaml")}; !slices.Equal(seen, want) {
		t.Errorf("progress %v", seen)
	}
}

// TestCountsOnce: a file that two paths name is read once.
func TestCountsOnce(t *testing.T) {
	dir := tree(t, map[string]string{"a.yaml": service("a")})
	var into snapshot.Builder
	result, err := Read(t.Context(), Options{Paths: []string{dir, dir + "/a.yaml"}, Reads: testReads(t)}, &into)
	if err != nil || result.Objects != 1 || into.Snapshot().Failed() {
		t.Errorf("result %+v, error %v", result, err)
	}
}

func TestLinks(t *testing.T) {
	dir := tree(t, map[string]string{"real/a.yaml": service("a"), "d/b.yaml": service("b")})
	for name, target := range map[string]string{
		"d/link.yaml": "../real/a.yaml", "d/loop": "..", "d/loop.yaml": "..", "d/gone.yaml": "nowhere", "named": "real",
	} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	want := `Service default/a d/link.yaml:1
Service default/a named/a.yaml:1
Service default/b d/b.yaml:1
d/gone.yaml unreadable: no such file (failed)
d/loop unreadable: link to a directory, not followed
d/loop.yaml unreadable: link to a directory, not followed
`
	if diff := cmp.Diff(want, read(t, dir, Options{Recursive: true}, "d", "named")); diff != "" {
		t.Error(diff)
	}
}

func TestPermissions(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("SKIPPED: root reads files whatever their permissions are")
	}
	dir := tree(t, map[string]string{"a.yaml": service("a"), "no.yaml": service("b"), "sub/c.yaml": service("c")})
	for _, name := range []string{"no.yaml", "sub"} {
		if err := os.Chmod(filepath.Join(dir, name), 0); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { os.Chmod(filepath.Join(dir, "sub"), 0o755) }) // to be removed
	want := "Service default/a ./a.yaml:1\nno.yaml unreadable: permission denied (failed)\nsub unreadable: permission denied (failed)\n"
	if diff := cmp.Diff(want, read(t, dir, Options{Recursive: true}, ".")); diff != "" {
		t.Error(diff)
	}
}

func TestURL(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/a.yaml":
			fmt.Fprint(w, service("a"))
		case "/slow":
			<-r.Context().Done()
		default:
			http.NotFound(w, r)
		}
	}))
	defer server.Close()
	got := strings.ReplaceAll(read(t, t.TempDir(), Options{}, server.URL+"/a.yaml", server.URL+"/b.yaml"), server.URL, "URL")
	want := "Service default/a URL/a.yaml:1\nURL/b.yaml unreadable: server answers 404 Not Found (failed)\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	var into snapshot.Builder
	if _, err := Read(ctx, Options{Paths: []string{server.URL + "/slow"}, Reads: testReads(t)}, &into); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
}

// TestManyFiles: files are read at the same time, and none is lost.
func TestManyFiles(t *testing.T) {
	files := map[string]string{}
	for i := range 500 {
		files[fmt.Sprintf("%d/%d.yaml", i%7, i)] = service(fmt.Sprint("s", i))
	}
	calls := 0
	var into snapshot.Builder
	o := Options{Paths: []string{tree(t, files)}, Recursive: true, Reads: testReads(t), Progress: func(string) { calls++ }}
	result, err := Read(t.Context(), o, &into)
	if err != nil || result.Objects != 500 || calls != 500 || len(into.Snapshot().Objects) != 500 {
		t.Errorf("result %+v, error %v, %d calls", result, err, calls)
	}
}
