// SPDX-License-Identifier: Apache-2.0

// Image builds the container image of one of our programs as a file, an OCI image layout in
// a tar: with no registry, no daemon and no base image. The same source gives the same bytes.
//
//	go run -C tools/image . -root ../.. -program whohas-guard -o ../../dist/whohas-guard.oci.tar
package main

import (
	"archive/tar"
	"bytes"
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// user is "nonroot" of the distroless images, and what deploy/base runs the Pod as.
const user = "65532:65532"

// epoch stands for every time in the image.
var epoch = time.Unix(0, 0).UTC()

// imageName is what deploy/ runs, where nobody says otherwise.
func imageName(program string) string { return "ghcr.io/whohas/" + program + ":dev" }

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintf(os.Stderr, "image: %v\n", err)
		os.Exit(1)
	}
}

func run(args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("image", flag.ContinueOnError)
	root := flags.String("root", ".", "the repository")
	program := flags.String("program", "whohas-guard", "which of cmd/ is in it")
	out := flags.String("o", "", "the file to write (default: PROGRAM.oci.tar)")
	name := flags.String("name", "", "the image's name, for those who load it (default: "+imageName("PROGRAM")+")")
	version := flags.String("version", "devel", "the release that the program says it is")
	commit := flags.String("commit", "", "the commit that the program says it is from")
	date := flags.String("date", "", "the commit's date, as 2026-12-31T12:00:00Z")
	platforms := flags.String("platforms", "linux/amd64,linux/arm64", "what to build for")
	if err := flags.Parse(args); err != nil {
		return err
	}
	*out = cmp.Or(*out, *program+".oci.tar")
	*name = cmp.Or(*name, imageName(*program))
	made, err := source{*root, *program, *version, *commit, *date}.index(strings.Split(*platforms, ","))
	if err != nil {
		return err
	}
	if err := write(*out, made, *name); err != nil {
		return err
	}
	digest, err := made.Digest()
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(stdout, "%s %s@%s\n", *out, *name, digest)
	return err
}

// source is what an image is made of: a program of the repository at root, and what it says
// of itself.
type source struct{ root, program, version, commit, date string }

// index is one image for each platform.
func (s source) index(platforms []string) (v1.ImageIndex, error) {
	made := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, text := range platforms {
		p, err := v1.ParsePlatform(text)
		if err != nil {
			return nil, err
		}
		program, err := s.compile(*p)
		if err != nil {
			return nil, err
		}
		img, err := s.image(program, *p)
		if err != nil {
			return nil, err
		}
		made = mutate.AppendManifests(made, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{Platform: p}})
	}
	return made, nil
}

// compile builds the program with nothing in it of where and when that was done.
func (s source) compile(p v1.Platform) ([]byte, error) {
	dir, err := os.MkdirTemp("", "whohas-image-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, s.program)
	const in = " -X whohas/internal/console."
	cmd := exec.Command("go", "build", "-C", s.root, "-mod=readonly", "-trimpath", "-buildvcs=false",
		"-ldflags", "-s -w -buildid="+in+"version="+s.version+in+"commit="+s.commit+in+"date="+s.date, "-o", path, "./cmd/"+s.program)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off", "GOFLAGS=", "GOOS="+p.OS, "GOARCH="+p.Architecture, "GOAMD64=v1", "GOARM64=v8.0")
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("build for %s: %w", p, err)
	}
	return os.ReadFile(path)
}

// image holds the program and nothing else: no shell, no libraries, no certificates, since
// the guard talks to the apiserver alone, whose authority each Pod is given.
func (s source) image(program []byte, p v1.Platform) (v1.Image, error) {
	layer, err := layerOf(s.program, program)
	if err != nil {
		return nil, err
	}
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	img, err = mutate.Append(img, mutate.Addendum{
		Layer: layer, MediaType: types.OCILayer,
		History: v1.History{Created: v1.Time{Time: epoch}, CreatedBy: "tools/image", Comment: s.program + " " + s.version},
	})
	if err != nil {
		return nil, err
	}
	config, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture, config.Variant, config.Created = p.OS, p.Architecture, p.Variant, v1.Time{Time: epoch}
	config.Config = v1.Config{
		User: user, Entrypoint: []string{"/" + s.program}, WorkingDir: "/",
		Labels: map[string]string{
			"org.opencontainers.image.title": s.program, "org.opencontainers.image.licenses": "Apache-2.0",
			"org.opencontainers.image.version": s.version,
		},
	}
	return mutate.ConfigFile(img, config)
}

func layerOf(name string, program []byte) (v1.Layer, error) {
	var text bytes.Buffer
	w := tar.NewWriter(&text)
	h := &tar.Header{Typeflag: tar.TypeReg, Name: name, Size: int64(len(program)), Mode: 0o555, ModTime: epoch, Format: tar.FormatUSTAR}
	if err := w.WriteHeader(h); err != nil {
		return nil, err
	}
	if _, err := w.Write(program); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(text.Bytes())), nil }
	return tarball.LayerFromOpener(open, tarball.WithMediaType(types.OCILayer))
}

// write makes the layout, and a tar of it in a fixed order. What docker and containerd
// name it by stands in its index.
func write(path string, made v1.ImageIndex, name string) error {
	dir, err := os.MkdirTemp("", "whohas-layout-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	l, err := layout.Write(dir, empty.Index)
	if err != nil {
		return err
	}
	_, tag, _ := strings.Cut(name[strings.LastIndexByte(name, '/')+1:], ":")
	notes := map[string]string{"io.containerd.image.name": name, "org.opencontainers.image.ref.name": tag}
	if err := l.AppendIndex(made, layout.WithAnnotations(notes)); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".whohas-*.tar")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	if err := errors.Join(pack(tmp, dir), tmp.Chmod(0o644), tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}

func pack(to io.Writer, dir string) error {
	var files []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		return err
	}
	slices.Sort(files)
	w := tar.NewWriter(to)
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		h := &tar.Header{Typeflag: tar.TypeReg, Name: filepath.ToSlash(rel), Size: int64(len(text)), Mode: 0o644, ModTime: epoch, Format: tar.FormatUSTAR}
		if err := w.WriteHeader(h); err != nil {
			return err
		}
		if _, err := w.Write(text); err != nil {
			return err
		}
	}
	return w.Close()
}
