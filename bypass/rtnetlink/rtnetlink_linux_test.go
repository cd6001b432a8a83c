// SPDX-License-Identifier: Apache-2.0

package rtnetlink_test

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"whohas/bypass"
	"whohas/bypass/rtnetlink"
)

// inside runs f in a fresh network namespace, on a thread that ends with it.
func inside(t *testing.T, f func()) {
	t.Helper()
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the runtime ends the thread
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			done <- err
			return
		}
		defer func() { done <- nil }()
		f()
	}()
	if err := <-done; err != nil {
		t.Skipf("NOT RUN: a network namespace needs root: %v", err)
	}
}

func do(t *testing.T, line string) string {
	t.Helper()
	out, err := exec.Command("sh", "-c", line).CombinedOutput()
	if err != nil {
		t.Errorf("%s: %v\n%s", line, err, out)
	}
	return string(out)
}

func works(line string) bool { return exec.Command("sh", "-c", line).Run() == nil }

// pair makes a victim, which is the thread's namespace, and an owner behind a veth; the
// owner's address is on the victim's kube-ipvs0, too (a bridge: not every kernel has
// dummies).
func pair(t *testing.T) (owner string) {
	t.Helper()
	child := exec.Command("unshare", "-n", "sleep", "300")
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = child.Process.Kill(); _ = child.Wait() })
	pid := itoa(child.Process.Pid)
	owner = "nsenter -t " + pid + " -n "
	for n := 0; do(t, "readlink /proc/"+pid+"/ns/net") == do(t, "readlink /proc/thread-self/ns/net"); n++ {
		if n == 100 {
			t.Fatal("the owner has no namespace of its own")
		}
		time.Sleep(50 * time.Millisecond)
	}
	for _, line := range []string{
		"sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0",
		"ip link set lo up", "ip link add eth0 type veth peer name peer", "ip link set peer netns " + pid + " name eth0",
		"ip addr add 192.168.10.115/24 dev eth0", "ip addr add fd00::115/64 dev eth0 nodad", "ip link set eth0 up",
		owner + "ip link set lo up", owner + "ip addr add 192.168.10.114/24 dev eth0", owner + "ip addr add fd00::114/64 dev eth0 nodad",
		owner + "ip link set eth0 up",
		"ip link add kube-ipvs0 type bridge",
	} {
		do(t, line)
	}
	for n := 0; !works(owner+"ping -c1 -W1 192.168.10.115") || !works("ping -6 -c1 -W1 fd00::114"); n++ {
		if n == 30 {
			t.Fatal("victim and owner do not reach each other")
		}
	}
	return owner
}

func itoa(n int) string {
	var b []byte
	for ; n > 0; n /= 10 {
		b = append(b, byte('0'+n%10))
	}
	slices.Reverse(b)
	return string(b)
}

func open(t *testing.T) *rtnetlink.Conn {
	t.Helper()
	k, err := rtnetlink.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	return k
}

// TestPut: a victim reaches the owner again, and the owner it, while the address stays
// where it is, of both families; then all is as it was.
func TestPut(t *testing.T) {
	inside(t, func() {
		owner := pair(t)
		k := open(t)
		stolen := []netip.Addr{netip.MustParseAddr("192.168.10.114"), netip.MustParseAddr("fd00::114")}
		do(t, "ip addr add 192.168.10.114/32 dev kube-ipvs0")
		do(t, "ip -6 addr add fd00::114/128 dev kube-ipvs0 nodad")
		before := do(t, "ip -d rule; ip -d -6 rule; ip -d -6 route show table main")
		reached := func(want bool) {
			t.Helper()
			for _, ip := range stolen {
				w, err := k.Way(ip)
				if err != nil || w.Local == want {
					t.Errorf("%s: way %+v, %v", ip, w, err)
				}
				accepts, err := k.Accepts(ip)
				if ip.Is4() && (accepts != want || err != nil) {
					t.Errorf("%s: accepted %v, %v", ip, accepts, err)
				}
			}
			if got := works(owner + "ping -c1 -W1 192.168.10.115"); got != want {
				t.Errorf("owner reaches victim: %v", got)
			}
		}
		reached(false)
		if _, err := k.Put(context.Background(), bypass.Repair, stolen...); err != nil {
			t.Fatalf("%v\n%s", err, do(t, "ip rule; ip -6 rule; ip -6 route"))
		}
		reached(true)
		for _, line := range []string{"ping -c1 -W1 192.168.10.114", "ping -6 -c1 -W1 fd00::114", owner + "ping -6 -c1 -W1 fd00::115",
			"ping -c1 -W1 192.168.10.115", "ping -6 -c1 -W1 fd00::115", "ping -c1 -W1 127.0.0.1"} {
			if !works(line) {
				t.Errorf("%s fails\n%s", line, do(t, "ip rule; ip -6 rule; ip -6 route; ip -6 route get fd00::114"))
			}
		}
		if w, err := k.Way(stolen[1]); err != nil || w.Source != netip.MustParseAddr("fd00::115") {
			t.Errorf("IPv6 is sent from %v, %v", w.Source, err)
		}
		if changes, err := k.Put(context.Background(), bypass.Repair, stolen...); err != nil || len(changes) > 0 {
			t.Errorf("once more: %v, %v", changes, err)
		}
		if _, err := k.Take(context.Background(), bypass.Repair); err != nil {
			t.Error(err)
		}
		reached(false)
		if after := do(t, "ip -d rule; ip -d -6 rule; ip -d -6 route show table main"); after != before {
			t.Errorf("before:\n%s\nafter:\n%s", before, after)
		}
	})
}

// TestPrinted: the printed lines do the same as Put.
func TestPrinted(t *testing.T) {
	inside(t, func() {
		owner := pair(t)
		k := open(t)
		stolen := []netip.Addr{netip.MustParseAddr("192.168.10.114"), netip.MustParseAddr("fd00::114")}
		do(t, "ip addr add 192.168.10.114/32 dev kube-ipvs0; ip -6 addr add fd00::114/128 dev kube-ipvs0 nodad")
		h, err := k.Read(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		changes, err := bypass.Put(h, bypass.Repair, stolen...)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := k.Put(context.Background(), bypass.Repair, stolen...); err != nil {
			t.Fatal(err)
		}
		const show = "ip -d rule; ip -d -6 rule; ip -d -6 route show table main"
		want := do(t, show)
		if _, err := k.Take(context.Background(), bypass.Repair); err != nil {
			t.Fatal(err)
		}
		clean := do(t, show)
		do(t, bypass.Lines(changes).String())
		if got := do(t, show); got != want {
			t.Errorf("printed:\n%s\nput:\n%s", got, want)
		}
		if !works(owner + "ping -c1 -W1 192.168.10.115") {
			t.Error("the owner does not reach the victim")
		}
		if h, err = k.Read(context.Background()); err != nil {
			t.Fatal(err)
		}
		do(t, bypass.Lines(bypass.Take(h, bypass.Repair)).String())
		if got := do(t, show); got != clean {
			t.Errorf("taken back:\n%s\nbefore:\n%s", got, clean)
		}
	})
}

// TestFlush: whoever flushes the rules leaves the local table's.
func TestFlush(t *testing.T) {
	inside(t, func() {
		pair(t)
		k := open(t)
		do(t, "ip addr add 192.168.10.114/32 dev kube-ipvs0")
		if _, err := k.Put(context.Background(), bypass.Shield, netip.MustParseAddr("192.168.10.114")); err != nil {
			t.Fatal(err)
		}
		do(t, "ip rule flush")
		if got := do(t, "ip rule"); !strings.Contains(got, "lookup local") {
			t.Errorf("the host has no rule of the local table:\n%s", got)
		}
		do(t, "ip rule add pref 32766 lookup main")
		if !works("ping -c1 -W1 192.168.10.115") {
			t.Error("the host does not reach itself")
		}
	})
}

// TestNoWay: where no route leads to the owner nothing is left behind.
func TestNoWay(t *testing.T) {
	inside(t, func() {
		pair(t)
		k := open(t)
		do(t, "ip addr add 10.99.0.1/32 dev kube-ipvs0")
		before := do(t, "ip rule")
		if _, err := k.Put(context.Background(), bypass.Repair, netip.MustParseAddr("10.99.0.1")); err == nil {
			t.Error("no error though no route leads there")
		}
		if after := do(t, "ip rule"); after != before {
			t.Errorf("left behind:\n%s", after)
		}
	})
}

// TestNotPermitted: without the right to, nothing is changed, and the error says what it
// takes.
func TestNotPermitted(t *testing.T) {
	inside(t, func() {
		pair(t)
		k := open(t)
		do(t, "ip addr add 192.168.10.114/32 dev kube-ipvs0")
		var none [2]unix.CapUserData
		head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		if err := unix.Capset(&head, &none[0]); err != nil {
			t.Skipf("NOT RUN: %v", err)
		}
		_, err := k.Put(context.Background(), bypass.Repair, netip.MustParseAddr("192.168.10.114"))
		if !errors.Is(err, os.ErrPermission) || !strings.Contains(err.Error(), "CAP_NET_ADMIN") {
			t.Errorf("got %v", err)
		}
	})
}
