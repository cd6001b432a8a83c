// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestArchives: what is in each, that the program is one of its platform, and nothing that
// would be in the way of who unpacks it.
func TestArchives(t *testing.T) {
	files, r := made(t), current(t)
	targets, _ := targetsOf(platforms())
	for _, p := range targets {
		t.Run(p.os+"-"+p.arch, func(t *testing.T) {
			name := fmt.Sprintf("kubectl-whohas_%s_%s_%s", r.version, p.os, p.arch)
			var inside []file
			if p.os == "windows" {
				inside = unzip(t, one(t, files, name+".zip").data)
			} else {
				inside = unpack(t, one(t, files, name+".tar.gz").data)
			}
			have := map[string]file{}
			for _, f := range inside {
				have[f.path] = f
			}
			want := []string{"kubectl-whohas" + p.exe(), "LICENSE", "README.md", "CHANGELOG.md", "man/man1/kubectl-whohas.1", "man/man1/kubectl-whohas-check.1", "man/man1/whohas-guard-serve.1",
				"completions/bash/kubectl-whohas", "completions/zsh/_kubectl-whohas", "completions/fish/kubectl-whohas.fish", "completions/powershell/kubectl-whohas.ps1"}
			if p.os != "windows" {
				want = append(want, "kubectl_complete-whohas")
			}
			for _, path := range want {
				if len(have[path].data) == 0 {
					t.Errorf("%s is not there, or empty", path)
				}
			}
			if start := magic[p.String()]; !bytes.HasPrefix(have["kubectl-whohas"+p.exe()].data, []byte(start)) {
				t.Errorf("the program does not begin with %q", start)
			}
		})
	}
}

// magic is what a program of each platform begins with; of a Mach-O with the processor.
var magic = map[string]string{
	"linux/amd64":   "\x7fELF\x02\x01\x01",
	"linux/arm64":   "\x7fELF\x02\x01\x01",
	"darwin/amd64":  "\xcf\xfa\xed\xfe\x07\x00\x00\x01",
	"darwin/arm64":  "\xcf\xfa\xed\xfe\x0c\x00\x00\x01",
	"windows/amd64": "MZ",
}

// TestTarball: owner, modes and times are the same whoever builds.
func TestTarball(t *testing.T) {
	r := current(t)
	z, err := gzip.NewReader(bytes.NewReader(one(t, made(t), "_linux_amd64.tar.gz").data))
	if err != nil {
		t.Fatal(err)
	}
	for files := tar.NewReader(z); ; {
		h, err := files.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		mode := int64(0o644)
		if strings.HasPrefix(h.Name, "kubectl") {
			mode = 0o755
		}
		if h.Uid != 0 || h.Gid != 0 || h.Uname != "" || h.Mode != mode || !h.ModTime.Equal(r.date) {
			t.Errorf("%s: %+v", h.Name, h)
		}
	}
}

// TestProgram: it says its release, its commit and the commit's date, twice the same.
func TestProgram(t *testing.T) {
	needHost(t)
	r, dir := current(t), t.TempDir()
	spread(t, dir, unpack(t, one(t, made(t), "_linux_amd64.tar.gz").data))
	want := fmt.Sprintf("whohas %s (commit %s, %s)\n", r.name, r.commit, r.date.Format(time.RFC3339))
	for _, arg := range []string{"version", "--version"} {
		if got := say(t, nil, filepath.Join(dir, "kubectl-whohas"), arg); got != want {
			t.Errorf("%s: %q, want %q", arg, got, want)
		}
	}
}

// TestGuardsVersion: so does the program that has no archive.
func TestGuardsVersion(t *testing.T) {
	needHost(t)
	r := current(t)
	data, err := r.compile("whohas-guard", target{"linux", "amd64"})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	spread(t, dir, []file{{guard, 0o755, data}})
	want := fmt.Sprintf("whohas-guard %s (commit %s, %s)\n", r.name, r.commit, r.date.Format(time.RFC3339))
	if got := say(t, nil, filepath.Join(dir, guard), "--version"); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestKubectlCompletes: the real kubectl finds the plugin and its words.
func TestKubectlCompletes(t *testing.T) {
	needHost(t)
	kubectl, err := current(t).tool("kubectl")
	if err != nil {
		t.Fatal(err)
	}
	dir, bin := t.TempDir(), t.TempDir()
	spread(t, dir, unpack(t, one(t, made(t), "_linux_amd64.tar.gz").data))
	say(t, nil, "ln", "-s", kubectl, filepath.Join(bin, "kubectl"))
	path := "PATH=" + dir + ":" + bin + ":/usr/bin:/bin"
	if got := say(t, []string{path}, kubectl, "__complete", "whohas", "diag"); !strings.Contains(got, "\ndiagnose\t") {
		t.Errorf("%q", got)
	}
	if got, want := say(t, []string{path}, kubectl, "whohas", "version"), "whohas "+current(t).name; !strings.HasPrefix(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestShells: each shell that is there reads the completions, and bash completes by them.
func TestShells(t *testing.T) {
	dir := t.TempDir()
	spread(t, dir, unpack(t, one(t, made(t), "_linux_amd64.tar.gz").data))
	for shell, path := range map[string]string{
		"bash": "completions/bash/kubectl-whohas", "zsh": "completions/zsh/_kubectl-whohas", "fish": "completions/fish/kubectl-whohas.fish",
	} {
		t.Run(shell, func(t *testing.T) {
			if _, err := exec.LookPath(shell); err != nil {
				t.Skipf("SKIPPED: %s is not there", shell)
			}
			say(t, nil, shell, "-n", filepath.Join(dir, path))
		})
	}
	say(t, nil, "sh", "-n", filepath.Join(dir, "kubectl_complete-whohas"))
	needHost(t)
	const ask = `. "$1"; COMP_WORDS=(kubectl-whohas diag) COMP_CWORD=1 COMP_LINE="kubectl-whohas diag" COMP_POINT=19
_get_comp_words_by_ref() { cur=diag prev=kubectl-whohas cword=1 words=("${COMP_WORDS[@]}"); }
__start_kubectl-whohas 2>/dev/null; echo "${COMPREPLY[@]}"`
	got := say(t, []string{"PATH=" + dir + ":/usr/bin:/bin"}, "bash", "-c", ask, "bash", filepath.Join(dir, "completions/bash/kubectl-whohas"))
	if strings.TrimSpace(got) != "diagnose" {
		t.Errorf("bash completes diag with %q", got)
	}
}
