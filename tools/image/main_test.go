// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

// repository is a module with a program where the guard has its own.
func repository(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for path, text := range map[string]string{
		"go.mod":                      "module whohas\n\ngo 1.26.0\n",
		"cmd/whohas-guard/main.go":    "package main\n\nimport \"whohas/internal/console\"\n\nfunc main() { console.Main() }\n",
		"internal/console/console.go": "package console\n\nvar version, commit, date string\n\nfunc Main() { println(version, commit, date) }\n",
	} {
		path = filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestSameBytes: built twice, in two places, it is the same file.
func TestSameBytes(t *testing.T) {
	var sums, said []string
	for range 2 {
		root, out := repository(t), filepath.Join(t.TempDir(), "x", "image.tar")
		var stdout bytes.Buffer
		if err := run([]string{"-root", root, "-o", out}, &stdout); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		sums = append(sums, fmt.Sprintf("%x", sha256.Sum256(text)))
		said = append(said, strings.TrimPrefix(stdout.String(), out))
	}
	if sums[0] != sums[1] || said[0] != said[1] {
		t.Errorf("%q, %q", sums, said)
	}
}

// TestImage: what a runtime finds in it.
func TestImage(t *testing.T) {
	out := filepath.Join(t.TempDir(), "image.tar")
	if err := run([]string{"-root", repository(t), "-o", out, "-version", "v9", "-commit", "0123abc", "-date", "2026-12-01T07:37:48Z", "-name", "a/b:c"}, io.Discard); err != nil {
		t.Fatal(err)
	}
	dir := unpack(t, out)
	top, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	m, err := top.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	if got := m.Manifests[0].Annotations["io.containerd.image.name"]; len(m.Manifests) != 1 || got != "a/b:c" {
		t.Errorf("%d manifests, name %q", len(m.Manifests), got)
	}
	index, err := top.ImageIndex(m.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(index); err != nil {
		t.Error(err)
	}
	platforms, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, p := range platforms.Manifests {
		found = append(found, p.Platform.String())
		img, err := index.Image(p.Digest)
		if err != nil {
			t.Fatal(err)
		}
		look(t, img, *p.Platform)
	}
	if strings.Join(found, " ") != "linux/amd64 linux/arm64" {
		t.Errorf("platforms: %v", found)
	}
}

func look(t *testing.T, img v1.Image, p v1.Platform) {
	t.Helper()
	c, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	text, _ := json.Marshal(c.Config)
	if c.Config.User != "65532:65532" || strings.Join(c.Config.Entrypoint, " ") != "/whohas-guard" || c.Config.Cmd != nil || !c.Created.Equal(epoch) ||
		c.OS != p.OS || c.Architecture != p.Architecture || c.Config.Labels["org.opencontainers.image.version"] != "v9" {
		t.Errorf("%s: %s of %s, %s/%s", p, text, c.Created, c.OS, c.Architecture)
	}
	layers, err := img.Layers()
	if err != nil || len(layers) != 1 {
		t.Fatalf("%d layers, %v", len(layers), err)
	}
	r, err := layers[0].Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	files := tar.NewReader(r)
	h, err := files.Next()
	if err != nil {
		t.Fatal(err)
	}
	if h.Name != "whohas-guard" || h.Mode != 0o555 || h.Uid != 0 || !h.ModTime.Equal(epoch) {
		t.Errorf("%s: %+v", p, h)
	}
	program, err := io.ReadAll(files)
	if err != nil {
		t.Fatal(err)
	}
	// A static program names no interpreter.
	if !bytes.HasPrefix(program, []byte("\x7fELF")) || bytes.Contains(program, []byte("/lib64/ld-linux")) || bytes.Contains(program, []byte("/lib/ld-linux")) {
		t.Errorf("%s: no static program", p)
	}
	for _, word := range []string{"v9", "0123abc", "2026-12-01T07:37:48Z"} {
		if !bytes.Contains(program, []byte(word)) {
			t.Errorf("%s: the program does not know %s of itself", p, word)
		}
	}
	if h, err := files.Next(); err != io.EOF {
		t.Errorf("%s: there is more: %v %v", p, h, err)
	}
}

func unpack(t *testing.T, path string) string {
	t.Helper()
	dir := t.TempDir()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for r := tar.NewReader(f); ; {
		h, err := r.Next()
		if err == io.EOF {
			return dir
		}
		if err != nil {
			t.Fatal(err)
		}
		to := filepath.Join(dir, h.Name)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
