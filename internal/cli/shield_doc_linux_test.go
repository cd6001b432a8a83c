// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"whohas/testkit/netns"
)

// shieldDoc gives the example of docs/shield.md with a line in it.
func shieldDoc(t *testing.T, with string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "docs/shield.md"))
	if err != nil {
		t.Fatal(err)
	}
	for i, block := range strings.Split(string(text), "\n```\n") {
		if i%2 == 1 && strings.Contains(block, with) {
			return block + "\n"
		}
	}
	t.Fatalf("no example has %q", with)
	return ""
}

func shieldDaemonSet(t *testing.T) appsv1.DaemonSet {
	t.Helper()
	var d appsv1.DaemonSet
	if err := yaml.UnmarshalStrict([]byte(shieldDoc(t, "kind: DaemonSet")), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// TestShieldUnit: systemd takes the unit as it is.
func TestShieldUnit(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("NOT RUN: no systemd-analyze here")
	}
	unit := filepath.Join(t.TempDir(), "whohas-shield.service")
	text := strings.ReplaceAll(shieldDoc(t, "[Service]"), "/usr/local/bin/whohas ", "/bin/true ") // verify looks whether the program is there
	if err := os.WriteFile(unit, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(analyze, "verify", unit).CombinedOutput(); err != nil || strings.Contains(string(out), filepath.Base(unit)) {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestShieldAsDocumented runs what the unit and the DaemonSet run, with no more rights
// than they give: the rule stands, and stays.
func TestShieldAsDocumented(t *testing.T) {
	c := shieldDaemonSet(t).Spec.Template.Spec.Containers[0]
	for name, with := range map[string]struct {
		args, caps []string
		uid        int64
	}{
		"DaemonSet": {c.Args, capabilities(c), *c.SecurityContext.RunAsUser},
		"unit":      {unitSays(t, "ExecStart=/usr/local/bin/whohas "), lower(unitSays(t, "CapabilityBoundingSet=")), 0},
	} {
		t.Run(name, func(t *testing.T) {
			netns.Inside(t, func() {
				netns.LAN(t, 114)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				caps := "-all"
				for _, cap := range with.caps {
					caps += ",+" + cap
				}
				host := t.TempDir() // none of this machine's files
				args := []string{"--no-new-privs", "--reuid", fmt.Sprint(with.uid), "--bounding-set", caps, "--inh-caps", caps, "whohas"}
				for _, arg := range with.args {
					args = append(args, strings.ReplaceAll(arg, "/host", host))
				}
				cmd := exec.CommandContext(ctx, "setpriv", args...)
				var said strings.Builder
				cmd.Stdout, cmd.Stderr = &said, &said
				if err := cmd.Start(); err != nil {
					t.Error(err)
					return
				}
				stands := func() bool { return netns.Works("ip rule | grep -q 'to 192.168.10.114 goto'") }
				ended := make(chan error, 1)
				go func() { ended <- cmd.Wait() }()
				netns.Within(t, "the shield stands", func() bool { return stands() || len(ended) > 0 })
				if !stands() {
					cancel()
					t.Errorf("it has ended: %v\n%s", <-ended, said.String())
					return
				}
				netns.Do(t, "ip rule del pref 0 to 192.168.10.114 goto 1 2>/dev/null || ip rule del pref 0 to 192.168.10.114 goto 2")
				netns.Within(t, "it stands again", stands)
				cancel()
				<-ended
				if t.Failed() {
					t.Log(said.String())
				}
			})
		})
	}
}

func capabilities(c corev1.Container) []string {
	var out []string
	for _, name := range c.SecurityContext.Capabilities.Add {
		out = append(out, strings.ToLower(string(name)))
	}
	return out
}

// unitSays gives the words of a line of the unit.
func unitSays(t *testing.T, key string) []string {
	t.Helper()
	for line := range strings.SplitSeq(shieldDoc(t, "[Service]"), "\n") {
		if value, ok := strings.CutPrefix(line, key); ok {
			return strings.Fields(value)
		}
	}
	t.Fatalf("the unit has no %s", key)
	return nil
}

func lower(caps []string) []string {
	out := make([]string, len(caps))
	for i, name := range caps {
		out[i] = strings.TrimPrefix(strings.ToLower(name), "cap_")
	}
	return out
}
