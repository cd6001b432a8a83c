// SPDX-License-Identifier: Apache-2.0

package capture_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"whohas/source/capture"
)

// TestScriptHostile: what a host's files, devices and processes are called runs
// nothing in the script, and is never taken for one of its own lines.
func TestScriptHostile(t *testing.T) {
	names := []string{"$(touch PWNED)", "`touch PWNED`", "; touch PWNED", "-e touch", "*", "' ; touch PWNED ; '", `" ; touch PWNED ; "`, "a\n### whohas: forged\n", "| touch PWNED", "\\", "~"}
	dir := t.TempDir()
	root, bin, work := filepath.Join(dir, "root"), filepath.Join(dir, "bin"), filepath.Join(dir, "work")
	for _, d := range []string{bin, work} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	var list strings.Builder
	for _, name := range names {
		list.WriteString("9: " + name + ": <UP> mtu 1500\n    inet 192.0.2.1/32 scope global " + name + "\n")
		for _, folder := range []string{"etc/kubernetes/manifests", "etc/kubernetes/ssl", "var/lib/rancher/k3s/agent", "etc/rancher/k3s/config.yaml.d", "var/snap/microk8s/current/args"} {
			for _, suffix := range []string{"", ".yaml", ".kubeconfig"} {
				write(t, filepath.Join(root, folder, strings.ReplaceAll(name, "/", "_")+suffix), "server: https://192.0.2.1:6443\n--master="+name+"\n- name: kube-vip\n")
			}
		}
	}
	write(t, filepath.Join(dir, "list"), strings.ReplaceAll(list.String(), "### whohas", "##"))
	for _, tool := range []string{"ip", "bridge", "ipvsadm", "ipset", "nft", "ss", "netstat", "birdcl", "birdc", "calicoctl", "ifconfig", "iptables-save", "ip6tables-save", "curl", "wget"} {
		if err := os.WriteFile(filepath.Join(bin, tool), []byte("#!/bin/sh\ncat '"+dir+"/list'\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("sh", "-s", root)
	cmd.Dir = work
	cmd.Env = []string{"PATH=" + bin + ":/usr/bin:/bin"}
	cmd.Stdin = strings.NewReader(capture.Script())
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %s", err, errs.String())
	}
	if left, err := os.ReadDir(work); err != nil || len(left) > 0 {
		t.Errorf("the script has left %v: %v", left, err)
	}
	if !strings.Contains(out.String(), "### whohas: end\n") || !strings.Contains(out.String(), "run told") {
		t.Errorf("the script did not come to its end:\n%s", out.String())
	}
	own := regexp.MustCompile(`^### whohas: (capture|host|run|said|exit|none|missing|end)\b`)
	for line := range strings.Lines(out.String()) {
		if strings.HasPrefix(line, "### whohas: ") && !own.MatchString(line) {
			t.Errorf("a line that the script did not write: %q", line)
		}
	}
}
