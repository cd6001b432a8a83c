// SPDX-License-Identifier: Apache-2.0

package rtnetlink_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"whohas/bypass"
	"whohas/testkit/netns"
)

const networkd = "/lib/systemd/systemd-networkd"

// begun makes a machine of its own of folders and processes, and starts systemd-networkd
// there, with the bus by which it is told to reload. The bus has to be there first: to one
// that comes later version 252 never connects here. It manages foreign rules, which is the
// default.
const begun = `set -e
mount -t tmpfs tmpfs /run; mount -t sysfs -o ro sysfs /sys
mkdir -p /run/dbus /run/systemd/network /run/systemd/netif/links /run/systemd/netif/leases /run/systemd/netif/lldp
chown -R systemd-network /run/systemd/netif
printf '[Match]\nName=eth0\n[Network]\nDHCP=no\nIPv6AcceptRA=no\nAddress=192.168.10.115/24\nAddress=fd00::115/64\n' >/run/systemd/network/eth0.network
printf '[Match]\nName=eth1\n[Network]\nDHCP=no\nIPv6AcceptRA=no\nAddress=192.168.20.115/24\n' >/run/systemd/network/eth1.network
dbus-daemon --system --nofork --nopidfile --nosyslog &
until test -S /run/dbus/system_bus_socket; do sleep 0.01; done
` + networkd + " & wait $!"

// daemon is a systemd-networkd that runs.
type daemon struct {
	cmd   *exec.Cmd
	out   bytes.Buffer
	ended chan bool
}

func (d *daemon) stop() {
	_ = d.cmd.Process.Kill()
	<-d.ended
}

// start returns when systemd-networkd has configured the card, which has no address before:
// of one that is there already version 252 asks the kernel again and again.
func start(t *testing.T) *daemon {
	t.Helper()
	netns.Do(t, "ip addr flush dev eth0 scope global")
	d := &daemon{cmd: exec.Command("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", begun), ended: make(chan bool)}
	d.cmd.Stdout, d.cmd.Stderr = &d.out, &d.out
	d.cmd.SysProcAttr = &unix.SysProcAttr{Pdeathsig: unix.SIGKILL}
	if err := d.cmd.Start(); err != nil {
		t.Skipf("NOT RUN: %v", err)
	}
	t.Cleanup(d.stop)
	go func() { _ = d.cmd.Wait(); close(d.ended) }()
	dead := false
	netns.Within(t, "systemd-networkd configures the card", func() bool {
		select {
		case <-d.ended:
			dead = true
		default:
		}
		return dead || netns.Works("ip addr show eth0 | grep -q 192.168.10.115")
	})
	if dead {
		t.Skipf("NOT RUN: systemd-networkd ends at once here: %s", d.out.String())
	}
	return d
}

// tell tells it something by the bus.
func (d *daemon) tell(t *testing.T, line string) {
	t.Helper()
	ns := "/proc/" + strconv.Itoa(d.cmd.Process.Pid) + "/ns/" // the bus asks who speaks: of its own processes it knows
	netns.Within(t, "networkctl "+line, func() bool {
		return netns.Works("timeout 30 nsenter --mount=" + ns + "mnt --pid=" + ns + "pid_for_children networkctl " + line)
	})
}

// TestNetworkd: the real systemd-networkd removes rules of others when it configures a
// card (systemd src/network/networkd-link.c link_drop_foreign_config), and leaves ours and
// the local table's, whose protocol is the kernel's: when it starts, at a new card, when
// it reloads, and when the rules have been taken back.
func TestNetworkd(t *testing.T) {
	for _, tool := range []string{networkd, "dbus-daemon", "networkctl"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("NOT RUN: %v", err)
		}
	}
	if text, err := os.ReadFile("/etc/passwd"); err != nil || !strings.Contains(string(text), "systemd-network:") {
		t.Skip("NOT RUN: no user systemd-network")
	}
	netns.Inside(t, func() {
		owner := victim(t, "")
		k := open(t)
		clean := netns.Do(t, rules)
		if _, err := k.Put(context.Background(), bypass.Shield, stolen...); err != nil {
			t.Fatal(err)
		}
		want := netns.Do(t, rules)
		d := start(t)
		diff(t, "started", want, netns.Do(t, rules))

		removes(t, "a new card", func() { netns.Join(t, netns.Here(t), "eth1", netns.New(t), "eth0") })
		diff(t, "a new card", want, netns.Do(t, rules))
		removes(t, "reconfigured", func() { d.tell(t, "reload"); d.tell(t, "reconfigure eth0") })
		diff(t, "reconfigured", want, netns.Do(t, rules))
		netns.Within(t, "the card has its addresses", func() bool {
			return netns.Works("ip addr show eth0 | grep -q 192.168.10.115 && ip addr show eth0 | grep fd00::115 | grep -qv tentative")
		})
		if _, err := k.Put(context.Background(), bypass.Shield, stolen...); err != nil { // IPv6's route, whose source was gone for a moment
			t.Error(err)
		}
		reached(t, owner)

		d.stop()
		netns.Do(t, "ip link del eth1")
		d = start(t)
		removes(t, "started again", func() { d.tell(t, "reconfigure eth0") })
		diff(t, "started again", want, netns.Do(t, rules))

		if _, err := k.Take(context.Background(), bypass.Shield); err != nil {
			t.Error(err)
		}
		removes(t, "taken back", func() { d.tell(t, "reconfigure eth0") })
		diff(t, "taken back", clean, netns.Do(t, rules))

		// What it would have done to a rule that carries no protocol of the kernel's.
		netns.Do(t, "ip rule add pref 0 lookup local && ip rule del pref 0 lookup local protocol kernel")
		removes(t, "by hand", func() { d.tell(t, "reconfigure eth0") })
		if netns.Works("ip rule | grep -q 'lookup local'") {
			t.Error("it has left a rule 0 of another protocol, too: the test shows nothing")
		}
	})
}

const rules = "ip -d rule; ip -d -6 rule"

// removes does what lets systemd-networkd remove the rules of others, and waits until it
// has.
func removes(t *testing.T, what string, f func()) {
	t.Helper()
	netns.Do(t, "ip rule add pref 501 from 10.0.0.0/8 lookup 100 protocol static && ip -6 rule add pref 501 from fd10::/16 lookup 100 protocol static")
	f()
	netns.Within(t, what+": it removes rules of others", func() bool { return !netns.Works("ip rule | grep -q ^501: || ip -6 rule | grep -q ^501:") })
}
