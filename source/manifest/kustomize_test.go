// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"whohas/snapshot"

	"github.com/google/go-cmp/cmp"
)

const serviceText = "apiVersion: v1\nkind: Service\nmetadata:\n  name: %s\nspec:\n  externalIPs: [192.0.2.1]\n"

func service(name string) string { return strings.ReplaceAll(serviceText, "%s", name) }

// tree writes files below a new directory.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestKustomize(t *testing.T) {
	files := map[string]string{
		"base/kustomization.yaml": "resources: [svc.yaml]\n",
		"base/svc.yaml":           service("a"),
	}
	tests := []struct {
		name, overlay string
		want          map[string]string // of each object, its file
	}{
		{"plain", "resources: [../base, own.yaml]\nnamePrefix: x-\n",
			map[string]string{"Service default/x-a": "base/svc.yaml", "Service default/x-b": "overlay/own.yaml"}},
		{"build metadata of its own", "buildMetadata: [managedByLabel]\nresources: [own.yaml]\n",
			map[string]string{"Service default/b": "overlay/own.yaml"}},
		{"asks for origins itself", "buildMetadata: [originAnnotations]\nresources: [own.yaml]\n",
			map[string]string{"Service default/b": "overlay/own.yaml"}},
		{"namespace", "namespace: shop\nresources: [own.yaml]\n",
			map[string]string{"Service shop/b": "overlay/own.yaml"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := tree(t, files)
			write(t, filepath.Join(dir, "overlay/kustomization.yaml"), tt.overlay)
			write(t, filepath.Join(dir, "overlay/own.yaml"), service("b"))
			var into snapshot.Builder
			result, err := Kustomize(t.Context(), filepath.Join(dir, "overlay"), Options{Reads: testReads(t)}, &into)
			if err != nil || result.Objects != len(tt.want) {
				t.Fatalf("result %+v, error %v", result, err)
			}
			snap := into.Snapshot()
			got := map[string]string{}
			for _, o := range snap.Objects {
				file, _ := filepath.Rel(dir, o.File)
				got[o.Ref.String()] = file
				if ip := o.Field("spec", "externalIPs"); o.Line != 0 || ip.Value.Line != 0 {
					t.Errorf("%v has lines: %d, %d", o.Ref, o.Line, ip.Value.Line)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
			if snap.Failed() {
				t.Errorf("coverage %v", snap.Coverage)
			}
			if text, _ := os.ReadFile(filepath.Join(dir, "overlay/kustomization.yaml")); string(text) != tt.overlay {
				t.Errorf("the kustomization was changed: %s", text)
			}
		})
	}
}

func TestKustomizeFails(t *testing.T) {
	tests := map[string]map[string]string{
		"not build":             {"k/kustomization.yaml": "resources: [absent.yaml]\n"},
		"unable to find one":    {"k/svc.yaml": service("a")},
		"a file stands outside": {"k/kustomization.yaml": "resources: [../out.yaml]\n", "out.yaml": service("a")},
		"empty":                 {"k/kustomization.yaml": ""},
	}
	for name, files := range tests {
		t.Run(name, func(t *testing.T) {
			var into snapshot.Builder
			dir := filepath.Join(tree(t, files), "k")
			result, err := Kustomize(t.Context(), dir, Options{Reads: testReads(t)}, &into)
			if err != nil || result.Objects != 0 {
				t.Fatalf("result %+v, error %v", result, err)
			}
			snap := into.Snapshot()
			if len(snap.Coverage) != 1 || !snap.Failed() || snap.Coverage[0].Source != dir {
				t.Errorf("coverage %+v", snap.Coverage)
			}
		})
	}
}

func TestKustomizeEndsWithContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var into snapshot.Builder
	if _, err := Kustomize(ctx, t.TempDir(), Options{Reads: testReads(t)}, &into); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if !into.Snapshot().Failed() {
		t.Error("not covered")
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
