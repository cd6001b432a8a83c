// SPDX-License-Identifier: Apache-2.0

package repair_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"whohas/repair"
)

// stage is a host as the printed script sees it: stand-ins for the programs that it
// asks, and nothing else of its own on the PATH but a shell's usual tools.
type stage struct {
	dir   string
	tools map[string]string // bodies of sh scripts
}

// run runs the script until it ends, or until the stand-in of sleep ends it: after
// thirty rounds, far below the 65 s of its own end.
func (s *stage) run(t *testing.T, script string, env ...string) (out string, status int) {
	t.Helper()
	s.dir = t.TempDir()
	if s.tools["sleep"] == "" {
		s.tools["sleep"] = `echo x >>"$DIR/rounds"; [ $(wc -l <"$DIR/rounds") -lt 30 ] || kill -TERM $PPID`
	}
	for name, body := range s.tools {
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte("#!/bin/sh\n"+body+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	work := filepath.Join(s.dir, "work")
	file := filepath.Join(s.dir, "script.sh")
	if err := errors.Join(os.Mkdir(work, 0o755), os.WriteFile(file, []byte(script), 0o644), os.WriteFile(filepath.Join(s.dir, "held"), nil, 0o644)); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", file)
	cmd.Dir = work
	cmd.Env = append([]string{"PATH=" + s.dir + ":/usr/bin:/bin", "DIR=" + s.dir}, env...)
	var both bytes.Buffer
	cmd.Stdout, cmd.Stderr = &both, &both
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(work); err != nil || len(left) > 0 {
		t.Errorf("the script has left %v: %v", left, err)
	}
	return both.String(), cmd.ProcessState.ExitCode()
}

const held = "192.0.2.50"

// ipTool holds an address on a service device until it is taken off. More is added to
// what the host has and to its routes.
func ipTool(addresses, routes string) string {
	return fmt.Sprintf(`case "$*" in
*"addr del"*) rm -f "$DIR/held" ;;
*"addr show dev kube-dummy-if"*) ;;
*"addr show"*) if [ -e "$DIR/held" ]; then echo '3: kube-ipvs0    inet %s/32 scope global kube-ipvs0'; fi
	case "$*" in *" dev "*) ;; *) printf '%%s\n' '%s' ;; esac ;;
*"route show match"*) printf '%%s\n' '%s' ;;
*"route show default"*) echo 'default via 192.0.2.1 dev eth0 ' ;;
esac`, held, addresses, routes)
}

func script(judged bool) string {
	p := repair.Plan{Address: netip.MustParseAddr(held)}
	if judged {
		p.Targets = []repair.Target{{Device: "kube-ipvs0", Prefix: netip.MustParsePrefix(held + "/32")}}
	}
	return repair.Script(p)
}

const noSets = `echo "ipset v7.17: The set with the given name does not exist" >&2; exit 1`

// TestScriptClock: a clock that is set does not end the script: 65 s pass or they do
// not.
func TestScriptClock(t *testing.T) {
	for name, step := range map[string]string{"steady": "0", "ahead": "100000", "back": "-100000"} {
		t.Run(name, func(t *testing.T) {
			s := stage{tools: map[string]string{
				"ip": ipTool("2: eth0    inet 192.0.2.12/24 scope global eth0", ""), "ipset": noSets,
				"date": `echo x >>"$DIR/asked"; t=1000000; [ $(wc -l <"$DIR/asked") -lt 3 ] || t=$((t + STEP)); case $1 in +%s) echo $t ;; *) echo 00:00:00 ;; esac`,
			}}
			out, _ := s.run(t, script(true), "STEP="+step)
			if !strings.Contains(out, "taken off") || strings.Contains(out, "come back") || strings.Contains(out, "came back") {
				t.Errorf("out: %s", out)
			}
		})
	}
}

// TestScriptClusterIP: what is or may be a ClusterIP stays, with ipset and without.
func TestScriptClusterIP(t *testing.T) {
	const own = "2: eth0    inet 192.0.2.12/24 scope global eth0"
	const subnet = "192.0.2.0/24 dev eth0 proto kernel scope link src 192.0.2.12 "
	sets := func(member string) string { return "printf '%s\\n' 'Name: '$2 Members: '" + member + "'" }
	for _, c := range []struct {
		name, ipset, addresses, routes string
		judged, off                    bool
		says                           string
	}{
		{name: "in the set", ipset: sets(held + ",tcp:80"), addresses: own, routes: subnet, judged: true, says: "is a ClusterIP"},
		{name: "another is in the set", ipset: sets("192.0.2.5,tcp:80"), addresses: own, off: true},
		{name: "the set holds what a pattern matches", ipset: sets("192a0b2c50,tcp:80"), addresses: own, off: true},
		{name: "no ipset, judged", ipset: "exit 127", addresses: own, judged: true, off: true},
		{name: "no ipset, on a subnet", ipset: "exit 127", addresses: own, routes: subnet, off: true},
		{name: "no ipset, not on a subnet", ipset: "exit 127", addresses: own, routes: "default via 192.0.2.1 dev eth0 ", says: "whether 192.0.2.50 is a ClusterIP is not known"},
		{name: "no ipset, on a bridge of containers", ipset: "exit 127", addresses: own, routes: "192.0.2.0/24 dev cni9 proto kernel scope link src 192.0.2.1 ", says: "is not known"},
		{name: "no ipset, on the service device", ipset: "exit 127", addresses: own, routes: "192.0.2.0/24 dev kube-ipvs0 proto kernel scope link ", says: "is not known"},
		{name: "no sets", ipset: noSets, addresses: own, says: "is not known"},
		{name: "its own", ipset: noSets, addresses: "2: eth0    inet " + held + "/24 scope global eth0", judged: true, says: "is this host's own"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := stage{tools: map[string]string{"ip": ipTool(c.addresses, c.routes), "ipset": c.ipset}}
			out, status := s.run(t, script(c.judged))
			if off := strings.Contains(out, "taken off"); off != c.off || !strings.Contains(out, c.says) {
				t.Errorf("taken off %v, want %v and %q:\n%s", off, c.off, c.says, out)
			}
			if !c.off && status != 2 {
				t.Errorf("status %d, want 2", status)
			}
		})
	}
}

// TestScriptHostile: what a host's programs print runs nothing, whatever devices, sets
// and Services are called.
func TestScriptHostile(t *testing.T) {
	for _, name := range []string{"$(touch PWNED)", "`touch PWNED`", "; touch PWNED", "*", "' ; touch PWNED ; '", `" ; touch PWNED ; "`, "-x"} {
		quoted := strings.ReplaceAll(name, "'", `'\''`)
		s := stage{tools: map[string]string{
			"ip":    ipTool("9: "+quoted+"    inet 192.0.2.12/24 scope global "+quoted, "192.0.2.0/24 dev "+quoted+" proto kernel scope link\n"+quoted+" dev "+quoted),
			"ipset": "printf '%s\\n' 'Name: " + quoted + "' '" + quoted + "'",
		}}
		if out, _ := s.run(t, script(false)); !strings.Contains(out, "keeping") && !strings.Contains(out, "nothing is done") {
			t.Errorf("%s: %s", name, out)
		}
	}
}

// half are the steps of a run that was killed after some of what puts the rule, and a run
// behind it.
func half(steps int) string {
	put := []string{"ip rule add pref 1 type nop protocol kernel && ip rule add pref 0 to " + held + " goto 1 protocol kernel", "ip rule add pref 0 lookup local protocol boot",
		"ip rule del pref 0 lookup local protocol kernel", "ip rule add pref 0 lookup local protocol kernel"}
	return strings.Join(put[:steps], " && ") + ` || exit 9
sh "$DIR/script.sh" & wait_for leads || exit 10
ip addr del ` + held + `/32 dev kube-ipvs0; wait $! || exit 12
same || exit 13`
}

// TestScriptByRule runs the script on a host of its own, in a network namespace: the rule
// stands while the address does, goes when the address has gone, or has come to a card,
// and an interrupted run is ended by the next.
func TestScriptByRule(t *testing.T) {
	text := strings.Replace(script(true), "quiet=65", "quiet=2", 1)
	if err := exec.Command("unshare", "-n", "true").Run(); err != nil {
		t.Skipf("NOT RUN: a network namespace needs root: %v", err)
	}
	const host = `ip link set lo up
ip link add eth0 type veth peer name far && ip addr add 192.0.2.12/24 dev eth0 && ip link set eth0 up && ip link set far up
ip link add kube-ipvs0 type bridge && ip addr add ` + held + `/32 dev kube-ipvs0
ip -d rule >"$DIR/before"
leads() { ip route get ` + held + ` | grep -q '^` + held + ` '; }
same() { ip -d rule >"$DIR/after"; cmp "$DIR/before" "$DIR/after"; }
wait_for() { n=0; until "$@"; do n=$((n + 1)); [ $n -lt 600 ] || return 1; sleep 0.1; done; }
`
	for name, steps := range map[string]string{
		"until it is off": `sh "$DIR/script.sh" & wait_for leads || exit 10
sleep 3; leads || exit 11
ip addr del ` + held + `/32 dev kube-ipvs0; wait $! || exit 12
same || exit 13`,
		"killed": `sh "$DIR/script.sh" & wait_for leads || exit 10
kill -9 $!; wait $!; leads || exit 11
ip addr del ` + held + `/32 dev kube-ipvs0; sh "$DIR/script.sh" || exit 12
same || exit 13`,
		"killed before it leads":           half(1),
		"killed with two local rules":      half(2),
		"killed with one of protocol boot": half(3),
		"killed before the last step":      half(4),
		"its own": `sh "$DIR/script.sh" & wait_for leads || exit 10
ip addr add ` + held + `/24 dev eth0; wait $!; [ $? = 2 ] || exit 12
same || exit 13`,
		"a rule of another at 0": `ip rule add pref 0 from 10.0.0.0/8 lookup 100; ip -d rule >"$DIR/before"
sh "$DIR/script.sh" || exit 12
same || exit 13
ip addr show dev kube-ipvs0 | grep ` + held + ` && exit 14; exit 0`,
		"the kernel's rule has another protocol": `ip rule add pref 0 lookup local protocol static && ip rule del pref 0 lookup local protocol kernel; ip -d rule >"$DIR/before"
sh "$DIR/script.sh" || exit 12
ip rule | grep goto && exit 13; ip rule | grep -q 'lookup local' || exit 14`,
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "script.sh"), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
			defer cancel()
			cmd := exec.CommandContext(ctx, "unshare", "-n", "--pid", "--fork", "--kill-child", "sh", "-c", host+steps)
			cmd.Env = append(os.Environ(), "DIR="+dir)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}
