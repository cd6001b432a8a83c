// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/goreleaser/nfpm/v2"
	"github.com/goreleaser/nfpm/v2/deb"
	"github.com/goreleaser/nfpm/v2/files"
	"github.com/goreleaser/nfpm/v2/rpm"
)

var (
	//go:embed package/copyright
	copyright []byte
	//go:embed package/postinstall
	postinstall []byte
	//go:embed package/preremove
	preremove []byte
	//go:embed package/whohas-shield.service
	shieldUnit []byte
)

// packages are those for Debian's and Red Hat's families.
func (r *release) packages(p parts, t target) ([]file, error) {
	both, err := installed(p)
	if err != nil {
		return nil, err
	}
	zsh := below(p.manual, "completions/zsh")[0]
	documents := "usr/share/doc/" + whohas
	forDeb := append(slices.Clone(both), zsh.under("usr/share/zsh/vendor-completions"), file{documents + "/copyright", 0o644, copyright})
	forRPM := append(slices.Clone(both), zsh.under("usr/share/zsh/site-functions"), p.documents[0].under("usr/share/licenses/"+whohas))
	d, err := r.pack("deb", deb.Default, forDeb, t)
	if err != nil {
		return nil, err
	}
	m, err := r.pack("rpm", rpm.DefaultRPM, forRPM, t)
	return []file{d, m}, err
}

// installed is what both have at the same places. Debian's other package whohas has
// /usr/bin/whohas, its man page and its documentation: nothing of ours is called so.
func installed(p parts) ([]file, error) {
	out := []file{
		{"usr/bin/" + whohas, 0o755, p.program},
		{"usr/bin/kubectl_complete-whohas", 0o755, completeScript},
		{"usr/lib/systemd/system/whohas-shield.service", 0o644, shieldUnit}, // nobody enables it but the administrator
	}
	for _, f := range below(p.manual, "man1") {
		if !strings.HasPrefix(f.path, whohas) { // the guard runs in a cluster: its pages are in the archives
			continue
		}
		z, err := zippedAlone(f.data)
		if err != nil {
			return nil, err
		}
		out = append(out, file{"usr/share/man/man1/" + f.path + ".gz", 0o644, z})
	}
	for _, f := range below(p.manual, "completions/bash") {
		out = append(out, f.under("usr/share/bash-completion/completions"))
	}
	for _, f := range below(p.manual, "completions/fish") {
		out = append(out, f.under("usr/share/fish/vendor_completions.d"))
	}
	for _, f := range p.documents[1:] {
		out = append(out, f.under("usr/share/doc/"+whohas))
	}
	for _, f := range p.examples { // nothing there is started or read by anybody
		out = append(out, f.under("usr/share/doc/"+whohas+"/examples"))
	}
	return out, nil
}

func zippedAlone(text []byte) ([]byte, error) {
	var out bytes.Buffer
	z, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	_, err = z.Write(text)
	err = errors.Join(err, z.Close())
	return out.Bytes(), err
}

// pack lets nfpm make a package. It takes its contents from files.
func (r *release) pack(format string, to nfpm.Packager, contents []file, t target) (file, error) {
	dir, err := os.MkdirTemp("", "whohas-package-")
	if err != nil {
		return file{}, err
	}
	defer os.RemoveAll(dir)
	n := 0
	keep := func(data []byte) string {
		n++
		path := filepath.Join(dir, strconv.Itoa(n))
		err = errors.Join(err, os.WriteFile(path, data, 0o644))
		return path
	}
	info := r.about(t)
	info.Scripts = nfpm.Scripts{PostInstall: keep(postinstall), PreRemove: keep(preremove)}
	for _, f := range contents {
		info.Contents = append(info.Contents, &files.Content{
			Source: keep(f.data), Destination: "/" + f.path, Type: files.TypeFile,
			FileInfo: &files.ContentFileInfo{Owner: "root", Group: "root", Mode: f.mode & fs.ModePerm, MTime: r.date},
		})
	}
	if err != nil {
		return file{}, err
	}
	if err := nfpm.PrepareForPackager(info, format); err != nil {
		return file{}, err
	}
	name := to.ConventionalFileName(info)
	var out bytes.Buffer
	err = to.Package(info, &out)
	return file{name, 0o644, out.Bytes()}, err
}

// about is what a package says of itself. One nfpm.Info is for one package: it is changed.
func (r *release) about(t target) *nfpm.Info {
	const short = "Who has an IP address in a Kubernetes cluster, and who else thinks so"
	return nfpm.WithDefaults(&nfpm.Info{
		Name: whohas, Arch: t.arch, Platform: t.os, Version: r.version, VersionSchema: "semver",
		Section: "net", Priority: "optional", License: "Apache-2.0", Homepage: r.home, MTime: r.date, DisableGlobbing: true,
		Maintainer: "The authors of whohas <nobody@whohas.invalid>", Vendor: "whohas",
		Description:  short + "\nThe kubectl plugin whohas finds conflicts over addresses in manifests, dumps and\na running cluster, says on a node in an outage what has happened, and repairs it.",
		Overridables: nfpm.Overridables{RPM: nfpm.RPM{BuildHost: "localhost", Summary: short}},
	})
}
