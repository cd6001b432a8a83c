// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/goreleaser/nfpm/v2/deb"
)

// debian is a folder that dpkg installs into.
type debian struct {
	t    *testing.T
	root string
}

func newDebian(t *testing.T) debian {
	t.Helper()
	program(t, "dpkg")
	needHost(t)
	d := debian{t, t.TempDir()}
	for _, dir := range []string{"var/lib/dpkg/info", "var/lib/dpkg/updates", "var/lib/dpkg/triggers", "usr/bin"} {
		if err := os.MkdirAll(filepath.Join(d.root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	spread(t, d.root, []file{{"var/lib/dpkg/status", 0o644, nil}})
	return d
}

// dpkg runs the maintainer scripts beside the folder and not inside it, where no shell is.
func (d debian) dpkg(args ...string) string {
	d.t.Helper()
	return say(d.t, []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}, "dpkg", append([]string{
		"--root=" + d.root, "--force-script-chrootless", "--force-not-root", "--log=/dev/null"}, args...)...)
}

// short is what stands at /usr/bin/whohas: a link's target, a file's text, or nothing.
func (d debian) short(want string) {
	d.t.Helper()
	path := filepath.Join(d.root, "usr/bin/whohas")
	got, err := os.Readlink(path)
	if err != nil {
		text, _ := os.ReadFile(path)
		got = string(text)
	}
	if got != want {
		d.t.Errorf("/usr/bin/whohas is %q, want %q", got, want)
	}
}

// left is what stays of the package below /usr.
func (d debian) left() []string {
	d.t.Helper()
	files, err := read(filepath.Join(d.root, "usr"))
	if err != nil && !os.IsNotExist(err) { // dpkg takes empty folders away
		d.t.Fatal(err)
	}
	var out []string
	for _, f := range files {
		out = append(out, f.path)
	}
	return out
}

// older is our package, of a version before every other.
func older(t *testing.T) string {
	t.Helper()
	r := *current(t)
	r.version = "0.0.0-0.1"
	f, err := r.pack("deb", deb.Default, []file{{"usr/bin/" + whohas, 0o755, []byte("old")}, {"usr/share/doc/" + whohas + "/gone", 0o644, []byte("x")}}, target{"linux", "amd64"})
	if err != nil {
		t.Fatal(err)
	}
	return saved(t, f)
}

// theirs is Debian's package whohas, as far as it matters: another program's files.
func theirs(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	spread(t, dir, []file{
		{"DEBIAN/control", 0o644, []byte("Package: whohas\nVersion: 0.29.1-4\nArchitecture: all\nMaintainer: x <x@x.invalid>\nDescription: query multiple distributions' package archives\n")},
		{"usr/bin/whohas", 0o755, []byte("theirs")},
		{"usr/share/man/man1/whohas.1.gz", 0o644, []byte("theirs")},
		{"usr/share/doc/whohas/copyright", 0o644, []byte("theirs")},
	})
	out := filepath.Join(t.TempDir(), "whohas.deb")
	say(t, nil, "dpkg-deb", "--root-owner-group", "--build", dir, out)
	return out
}

// TestDebUpgrade: over an older version, back to it, and away; the short name stays until
// the package goes.
func TestDebUpgrade(t *testing.T) {
	d, ours, old := newDebian(t), saved(t, one(t, made(t), "_amd64.deb")), older(t)
	d.dpkg("--install", old)
	d.short(whohas)
	d.dpkg("--install", ours)
	d.short(whohas)
	if left := d.left(); slices.Contains(left, "share/doc/"+whohas+"/gone") || !slices.Contains(left, "bin/kubectl_complete-whohas") {
		t.Errorf("after the upgrade: %q", left)
	}
	if got := say(t, nil, filepath.Join(d.root, "usr/bin/whohas"), "version"); !strings.Contains(got, current(t).commit) {
		t.Errorf("the program says %q", got)
	}
	d.dpkg("--verify", whohas)
	d.dpkg("--force-downgrade", "--install", old)
	d.short(whohas)
	d.dpkg("--install", ours)
	d.dpkg("--remove", whohas)
	d.short("")
	if left := d.left(); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
	d.dpkg("--purge", whohas)
}

// TestDebBesideTheirs: with Debian's whohas, whichever comes first and goes first.
func TestDebBesideTheirs(t *testing.T) {
	ours, other := saved(t, one(t, made(t), "_amd64.deb")), theirs(t)
	t.Run("theirs first", func(t *testing.T) {
		d := newDebian(t)
		d.dpkg("--install", other)
		d.dpkg("--install", ours)
		d.short("theirs")
		d.dpkg("--remove", whohas)
		d.short("theirs")
		d.dpkg("--verify", "whohas")
	})
	t.Run("ours first", func(t *testing.T) {
		d := newDebian(t)
		d.dpkg("--install", ours)
		d.short(whohas)
		d.dpkg("--install", other)
		d.short("theirs")
		d.dpkg("--install", ours) // again, as an upgrade would
		d.short("theirs")
		d.dpkg("--remove", "whohas")
		d.short("")
		d.dpkg("--install", ours)
		d.short(whohas)
		d.dpkg("--remove", whohas)
		d.short("")
	})
	t.Run("a link of the administrator's", func(t *testing.T) {
		d := newDebian(t)
		if err := os.Symlink("/opt/whohas", filepath.Join(d.root, "usr/bin/whohas")); err != nil {
			t.Fatal(err)
		}
		d.dpkg("--install", ours)
		d.short("/opt/whohas")
		d.dpkg("--remove", whohas)
		d.short("/opt/whohas")
	})
}

// places are where both packages have things, and of one of them.
var (
	places = []string{
		"/usr/bin/kubectl-whohas", "/usr/bin/kubectl_complete-whohas", "/usr/lib/systemd/system/whohas-shield.service",
		"/usr/share/man/man1/kubectl-whohas.1.gz", "/usr/share/man/man1/kubectl-whohas-diagnose.1.gz", "/usr/share/man/man1/kubectl-whohas-shield.1.gz",
		"/usr/share/bash-completion/completions/kubectl-whohas", "/usr/share/fish/vendor_completions.d/kubectl-whohas.fish",
		"/usr/share/doc/kubectl-whohas/README.md", "/usr/share/doc/kubectl-whohas/CHANGELOG.md", "/usr/share/doc/kubectl-whohas/examples/incident/tomcat.yaml",
	}
	debPlaces = []string{"/usr/share/zsh/vendor-completions/_kubectl-whohas", "/usr/share/doc/kubectl-whohas/copyright"}
	rpmPlaces = []string{"/usr/share/zsh/site-functions/_kubectl-whohas", "/usr/share/licenses/kubectl-whohas/LICENSE"}
)

func missing(have string, want []string) []string {
	return slices.DeleteFunc(slices.Clone(want), func(p string) bool { return slices.Contains(strings.Fields(have), p) })
}

// TestArchitectures: each package is for the processor that its program is for.
func TestArchitectures(t *testing.T) {
	program(t, "dpkg-deb")
	program(t, "rpm")
	targets, _ := targetsOf(platforms())
	for _, p := range targets {
		if p.os != "linux" {
			continue
		}
		d, m := saved(t, one(t, made(t), "_"+p.arch+".deb")), saved(t, one(t, made(t), "."+map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[p.arch]+".rpm"))
		if got := say(t, nil, "dpkg-deb", "--field", d, "Architecture"); got != p.arch+"\n" {
			t.Errorf("%s: %q", d, got)
		}
		if got := say(t, []string{"HOME=" + t.TempDir()}, "rpm", "--dbpath", filepath.Join(t.TempDir(), "db"), "-qp", "--qf", "%{OS}", m); got != "linux" {
			t.Errorf("%s: %q", m, got)
		}
	}
}

// TestDebSays: what it says of itself, and where it puts things.
func TestDebSays(t *testing.T) {
	path := saved(t, one(t, made(t), "_amd64.deb"))
	program(t, "dpkg-deb")
	fields := say(t, nil, "dpkg-deb", "--field", path)
	for _, line := range []string{"Package: kubectl-whohas", "Architecture: amd64", "Section: net", "Description: Who has an IP address"} {
		if !strings.Contains("\n"+fields, "\n"+line) {
			t.Errorf("no %q in:\n%s", line, fields)
		}
	}
	for _, line := range []string{"Conflicts", "Replaces", "Provides", "Breaks"} {
		if strings.Contains("\n"+fields, "\n"+line) {
			t.Errorf("%s: nothing is to be in the way of Debian's whohas:\n%s", line, fields)
		}
	}
	inside := strings.ReplaceAll(say(t, nil, "dpkg-deb", "--contents", path), " ./", " /")
	if m := missing(inside, append(slices.Clone(places), debPlaces...)); len(m) > 0 {
		t.Errorf("missing: %q in\n%s", m, inside)
	}
	for line := range strings.Lines(inside) {
		if !strings.Contains(line, "root/root") {
			t.Errorf("not root's: %s", line)
		}
	}
}

// TestRPM: rpm reads it, and its scripts are those of the deb.
func TestRPM(t *testing.T) {
	program(t, "rpm")
	path := saved(t, one(t, made(t), ".x86_64.rpm"))
	env := []string{"HOME=" + t.TempDir()}
	rpm := func(args ...string) string {
		return say(t, env, "rpm", append([]string{"--dbpath", filepath.Join(t.TempDir(), "db")}, append(args, path)...)...)
	}
	r := current(t)
	want := fmt.Sprintf("kubectl-whohas 1 x86_64 Apache-2.0 localhost %d", r.date.Unix())
	if got := rpm("-qp", "--qf", "%{NAME} %{RELEASE} %{ARCH} %{LICENSE} %{BUILDHOST} %{BUILDTIME}"); got != want {
		t.Errorf("%q, want %q", got, want)
	}
	inside := rpm("-qpl")
	if m := missing(inside, append(slices.Clone(places), rpmPlaces...)); len(m) > 0 {
		t.Errorf("missing: %q in\n%s", m, inside)
	}
	if scripts := rpm("-qp", "--scripts"); !strings.Contains(scripts, string(postinstall[len("#!/bin/sh\n"):])) || !strings.Contains(scripts, string(preremove[len("#!/bin/sh\n"):])) {
		t.Errorf("scripts:\n%s", scripts)
	}
	if got := rpm("-Kv", "--nosignature"); strings.Contains(got, "BAD") || !strings.Contains(got, "OK") {
		t.Errorf("digests: %s", got)
	}
}

// TestScriptsByRPM: rpm says with a number what dpkg says with a word.
func TestScriptsByRPM(t *testing.T) {
	d := debian{t, t.TempDir()}
	spread(t, d.root, []file{{"usr/bin/" + whohas, 0o755, []byte("x")}, {"in", 0o755, postinstall}, {"out", 0o755, preremove}})
	run := func(script, arg string) {
		t.Helper()
		say(t, []string{"DPKG_ROOT=" + d.root}, "sh", filepath.Join(d.root, script), arg)
	}
	for _, step := range []struct{ script, arg, want string }{
		{"in", "1", whohas},  // installed
		{"in", "2", whohas},  // a newer one is there, too,
		{"out", "1", whohas}, // and the older one goes
		{"out", "0", ""},     // the last one goes
		{"out", "0", ""},
	} {
		run(step.script, step.arg)
		d.short(step.want)
	}
}

// TestUnit: systemd takes the unit, and the program the words that it is started with.
func TestUnit(t *testing.T) {
	needHost(t)
	var path string
	for _, f := range unpack(t, one(t, made(t), "_"+runtime.GOOS+"_"+runtime.GOARCH+".tar.gz").data) {
		if f.path == whohas {
			path = saved(t, f)
		}
	}
	if err := os.Chmod(path, 0o755); err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(string(shieldUnit), "/usr/bin/"+whohas, path)
	_, start, _ := strings.Cut(text, "ExecStart="+path+" ")
	start, _, _ = strings.Cut(start, "\n")
	words := strings.Fields(strings.Replace(start, "$SHIELD", "--owner 192.0.2.1 --help", 1))
	if out := say(t, nil, path, words...); len(words) < 4 || !strings.Contains(out, "whohas shield") {
		t.Errorf("%q prints:\n%s", words, out)
	}
	unit := saved(t, file{"whohas-shield.service", 0o644, []byte(text)})
	if out := say(t, nil, program(t, "systemd-analyze"), "verify", "--man=no", unit); strings.Contains(out, "whohas-shield.service") {
		t.Error(out)
	}
}
