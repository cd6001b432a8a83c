// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestKrew: the real krew takes the manifest, finds the archive as it says, installs the
// plugin, and takes it away.
func TestKrew(t *testing.T) {
	needHost(t)
	krew, err := current(t).tool("krew")
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	env := []string{"KREW_ROOT=" + home, "KREW_NO_UPGRADE_CHECK=1", "HTTPS_PROXY=http://127.0.0.1:9", "PATH=" + filepath.Join(home, "bin") + ":/usr/bin:/bin"}
	manifest, archive := saved(t, one(t, made(t), "whohas.yaml")), saved(t, one(t, made(t), "_linux_amd64.tar.gz"))
	say(t, nil, "git", "init", "-q", filepath.Join(home, "index", "default")) // else it would fetch its own, which holds nothing of ours
	said := say(t, env, krew, "install", "--manifest="+manifest, "--archive="+archive)
	plugin := filepath.Join(home, "bin", "kubectl-whohas")
	if got := say(t, env, plugin, "version"); !strings.Contains(got, current(t).commit) {
		t.Errorf("%q after %s", got, said)
	}
	say(t, env, krew, "uninstall", "whohas")
	if _, err := os.Lstat(plugin); !os.IsNotExist(err) {
		t.Errorf("it is still there: %v", err)
	}
}

// TestKrewRefuses: the test above would see a wrong checksum.
func TestKrewRefuses(t *testing.T) {
	needHost(t)
	krew, err := current(t).tool("krew")
	if err != nil {
		t.Fatal(err)
	}
	archive := one(t, made(t), "_linux_amd64.tar.gz")
	bad := one(t, made(t), "whohas.yaml")
	bad.data = []byte(strings.ReplaceAll(string(bad.data), archive.sum(), strings.Repeat("0", 64)))
	said := refuse(t, []string{"KREW_ROOT=" + t.TempDir(), "KREW_NO_UPGRADE_CHECK=1"}, krew, "install", "--manifest="+saved(t, bad), "--archive="+saved(t, archive))
	if !strings.Contains(said, "checksum") {
		t.Errorf("%s", said)
	}
}

// TestManifestNamesArchives: every archive stands in it, with its checksum.
func TestManifestNamesArchives(t *testing.T) {
	manifest := string(one(t, made(t), "whohas.yaml").data)
	for _, f := range made(t) {
		if strings.HasSuffix(f.path, ".tar.gz") || strings.HasSuffix(f.path, ".zip") {
			want := "    uri: " + nowhere + "/releases/download/v" + current(t).version + "/" + f.path + "\n    sha256: \"" + f.sum() + "\"\n"
			if !strings.Contains(manifest, want) {
				t.Errorf("no %q in\n%s", want, manifest)
			}
		}
	}
}
