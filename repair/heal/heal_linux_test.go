// SPDX-License-Identifier: Apache-2.0

package heal

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"whohas/dataplane"
	"whohas/repair"
	"whohas/snapshot"
	"whohas/source/host"
	"whohas/testkit/netns"
)

const taken = "192.168.10.114/32"

// TestRemovesAtOnce: what is stolen goes, and nothing else; and the journal knows.
func TestRemovesAtOnce(t *testing.T) {
	netns.Inside(t, func() {
		n, b := newNode(t), newBench(t)
		six := target("kube-ipvs0", "2001:db8::114/128")
		n.add("kube-ipvs0", taken)
		n.add("kube-ipvs0", six.Prefix.String())
		n.add("kube-ipvs0", "2001:db8::115/128")
		listening, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: b.journal, Net: "unixgram"})
		n.do(err)
		defer listening.Close()
		ctx, cancel := context.WithCancel(context.Background())
		removed := 0
		out, err := Heal(ctx, b.options(func(e Event) {
			if e.Kind == Removed {
				if removed++; removed == 2 {
					cancel()
				}
			}
		}, stolen, six, stolen))
		if !errors.Is(err, context.Canceled) || out.Healed || out.Removed != 2 || !strings.HasPrefix(out.Why, "interrupted: ") || len(out.Targets) != 2 {
			t.Errorf("%+v, %v", out, err)
		}
		if diff := cmp.Diff([]string{"10.96.0.1/32", "2001:db8::115/128"}, n.addresses("kube-ipvs0")); diff != "" {
			t.Errorf("on kube-ipvs0 (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{"192.168.10.115/24"}, n.addresses("eth0")); diff != "" {
			t.Errorf("on eth0 (-want +got):\n%s", diff)
		}
		want := "MESSAGE=192.168.10.114/32 on kube-ipvs0 is another host's: Node cdev01 has it\nPRIORITY=5\nSYSLOG_IDENTIFIER=whohas\n"
		got := make([]byte, 4096)
		n.do(listening.SetReadDeadline(time.Now().Add(10 * time.Second)))
		if size, err := listening.Read(got); err != nil || string(got[:size]) != want {
			t.Errorf("the journal got %q, %v; want %q", got[:size], err, want)
		}
	})
}

// TestKeepsOff: what is put back every 100 ms is taken off each time.
func TestKeepsOff(t *testing.T) {
	netns.Inside(t, func() {
		n, b := newNode(t), newBench(t)
		keepsOff(n, b, 3*time.Second)
	})
}

// TestKeepsOffAmongMany: the same beside 15,000 addresses.
func TestKeepsOffAmongMany(t *testing.T) {
	if testing.Short() {
		t.Skip("NOT RUN: -short")
	}
	netns.Inside(t, func() {
		n, b := newNode(t), newBench(t)
		b.second = time.Second // as it is
		device, ip := n.link("kube-ipvs0"), netip.MustParseAddr("10.100.0.0")
		for range 15_000 {
			n.do(n.links.AddrAdd(device, parsed(ip.String()+"/32")))
			ip = ip.Next()
		}
		keepsOff(n, b, 3*time.Second)
		// The proxy may have put it back when Hold had ended.
		left := slices.DeleteFunc(n.addresses("kube-ipvs0"), func(a string) bool { return strings.HasPrefix(a, "192.168.10.114/") })
		if len(left) != 15_001 {
			t.Errorf("%d addresses are left", len(left))
		}
	})
}

func keepsOff(n *node, b *bench, during time.Duration) {
	stop := n.proxy("kube-ipvs0", taken, 100*time.Millisecond)
	defer stop()
	ctx, cancel := context.WithTimeout(context.Background(), during)
	defer cancel()
	// Whether it is there is asked of the routing: that is quick among many, too.
	links, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	n.do(err)
	defer links.Close()
	var looks, there atomic.Int64
	sampled := make(chan bool)
	go func() {
		defer close(sampled)
		for ctx.Err() == nil {
			looks.Add(1)
			if routes, err := links.RouteGet(net.IPv4(192, 168, 10, 114)); err == nil && len(routes) > 0 && routes[0].Type == unix.RTN_LOCAL {
				there.Add(1)
			}
			time.Sleep(time.Millisecond)
		}
	}()
	out, err := Heal(ctx, b.options(nil, stolen))
	stop()
	<-sampled
	if !errors.Is(err, context.DeadlineExceeded) || out.Removed < 5 {
		n.t.Errorf("%+v, %v\n%s", out, err, b.text())
	}
	kinds := b.kinds()
	if kinds[Removed] != out.Removed || kinds[Appeared] != out.Removed {
		n.t.Errorf("%d removed, of which was told %v", out.Removed, kinds)
	}
	n.t.Logf("there at %d of %d looks, removed %d times", there.Load(), looks.Load(), out.Removed)
}

// TestTwoRepairs: one at a time, on each host; a dry run hinders nobody.
func TestTwoRepairs(t *testing.T) {
	netns.Inside(t, func() {
		n, b := newNode(t), newBench(t)
		n.add("kube-ipvs0", taken)
		first, err := open(b.options(nil, stolen), []repair.Target{stolen})
		n.do(err)
		_, err = Heal(context.Background(), b.options(nil, stolen))
		if !errors.Is(err, ErrHeld) || !strings.Contains(err.Error(), "process ") {
			t.Errorf("%v", err)
		}
		if !n.has("kube-ipvs0", taken) {
			t.Error("the second has done something")
		}
		o := b.options(nil, stolen)
		o.DryRun = true
		if _, err := Heal(context.Background(), o); err != nil {
			t.Error(err)
		}
		netns.Inside(t, func() { // another host
			other, err := take()
			if err != nil {
				t.Error(err)
			}
			other.release()
		})
		first.Close()
		o = b.options(nil, stolen)
		o.Limit = time.Nanosecond
		if out, err := Heal(context.Background(), o); err != nil || out.Removed != 1 {
			t.Errorf("%+v, %v", out, err)
		}
	})
}

func TestDryRun(t *testing.T) {
	netns.Inside(t, func() {
		n, b := newNode(t), newBench(t)
		n.add("kube-ipvs0", taken)
		before := n.addresses("kube-ipvs0")
		o := b.options(nil, stolen, target("kube-ipvs0", "192.168.10.116/32"), target("kube-dummy-if", "192.168.10.117/32"))
		o.DryRun = true
		out, err := Heal(context.Background(), o)
		if err != nil || out.Healed || out.Removed != 0 || out.Why != "nothing was done: a dry run" || !out.Targets[0].On {
			t.Errorf("%+v, %v", out, err)
		}
		if diff := cmp.Diff(map[string]int{Begun: 3, Appeared: 1, WouldAct: 1, Absent: 2, Ended: 1}, b.kinds()); diff != "" {
			t.Errorf("(-want +got):\n%s\n%s", diff, b.text())
		}
		if diff := cmp.Diff(before, n.addresses("kube-ipvs0")); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

// TestLeftAlone: what may not be touched is not, and it is said why.
func TestLeftAlone(t *testing.T) {
	for _, test := range []struct {
		name string
		make func(*node, *bench)
		why  string
	}{
		{"the address is on a card", func(n *node, _ *bench) { n.add("eth0", "192.168.10.114/24") }, "eth0 has it, too"},
		{"as a virtual IP", func(n *node, _ *bench) { n.add("eth0", taken) }, "eth0 has it, too"},
		{"the device is none of the proxy's", func(_ *node, b *bench) { b.kind = "dummy" }, "kube-ipvs0 is no dummy device but a bridge"},
		{"a ClusterIP", func(_ *node, b *bench) { b.members = []string{"10.96.0.1,tcp:443", "192.168.10.114,tcp:443"} }, "ipset KUBE-CLUSTER-IP"},
	} {
		t.Run(test.name, func(t *testing.T) {
			netns.Inside(t, func() {
				n, b := newNode(t), newBench(t)
				n.add("kube-ipvs0", taken)
				test.make(n, b)
				out, err := Heal(context.Background(), b.options(nil, stolen))
				if err != nil || out.Healed || out.Removed != 0 || !strings.Contains(out.Why, test.why) || !strings.Contains(out.Targets[0].LetGo, test.why) || b.kinds()[LetGo] != 1 {
					t.Errorf("%+v, %v\n%s", out, err, b.text())
				}
				if !n.has("kube-ipvs0", taken) {
					t.Error("it was removed")
				}
			})
		})
	}
}

// TestBothServiceDevices: an address on two proxies' devices makes nobody its owner,
// and lo does not, either.
func TestBothServiceDevices(t *testing.T) {
	netns.Inside(t, func() {
		n, b := newNode(t), newBench(t)
		n.service("kube-dummy-if")
		n.add("kube-ipvs0", taken)
		n.add("kube-dummy-if", taken)
		n.add("lo", taken)
		o := b.options(nil, stolen, target("kube-dummy-if", taken))
		o.Limit = 200 * time.Millisecond
		out, err := Heal(context.Background(), o)
		if err != nil || out.Removed != 2 || n.has("kube-ipvs0", taken) || n.has("kube-dummy-if", taken) || !n.has("lo", taken) {
			t.Errorf("%+v, %v\n%s", out, err, b.text())
		}
	})
}

// TestBecomesOwner: a virtual IP that moves to this host is not fought over.
func TestBecomesOwner(t *testing.T) {
	netns.Inside(t, func() {
		n, b := newNode(t), newBench(t)
		n.add("kube-ipvs0", taken)
		device := n.link("eth0")
		out, err := Heal(context.Background(), b.options(func(e Event) {
			if e.Kind == Removed {
				if err := n.links.AddrAdd(device, parsed(taken)); err != nil {
					t.Error(err)
				}
			}
		}, stolen))
		if err != nil || out.Healed || out.Removed != 1 || !strings.Contains(out.Why, "eth0 has it, too") {
			t.Errorf("%+v, %v\n%s", out, err, b.text())
		}
		if !n.has("eth0", taken) {
			t.Error("it was taken off the card")
		}
	})
}

// TestInterruptedBefore: a context that has ended lets nothing begin.
func TestInterruptedBefore(t *testing.T) {
	netns.Inside(t, func() {
		n, b := newNode(t), newBench(t)
		n.add("kube-ipvs0", taken)
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if _, err := Heal(ctx, b.options(nil, stolen)); !errors.Is(err, context.Canceled) || !n.has("kube-ipvs0", taken) || len(b.events) > 0 {
			t.Errorf("%v\n%s", err, b.text())
		}
	})
}

// TestDeviceGoes: kube-proxy --cleanup deletes the device, the next one makes it again.
func TestDeviceGoes(t *testing.T) {
	netns.Inside(t, func() {
		n, b := newNode(t), newBench(t)
		n.add("kube-ipvs0", taken)
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		removed := 0
		out, err := Heal(ctx, b.options(func(e Event) {
			switch {
			case e.Kind != Removed:
			case removed == 1:
				cancel()
			default:
				removed++
				n.do(n.links.LinkDel(n.link("kube-ipvs0")))
				n.service("kube-ipvs0")
				n.add("kube-ipvs0", taken)
			}
		}, stolen))
		if !errors.Is(err, context.Canceled) || out.Removed != 2 {
			t.Errorf("%+v, %v\n%s", out, err, b.text())
		}
	})
}

// TestOverrun: when the kernel has announced more than there was room for, all is
// listed again.
func TestOverrun(t *testing.T) {
	netns.Inside(t, func() {
		n, b := newNode(t), newBench(t)
		b.buffer = 1 // the kernel takes its least
		b.second = time.Minute
		h, err := open(b.options(nil, stolen), []repair.Target{stolen})
		n.do(err)
		defer h.Close()
		k := &keeper{kernel: h.kernel, kind: standIn, targets: h.targets, spots: map[spot]bool{}, state: h.state, say: h.events.say}
		n.do(k.look())
		for i := range 200 {
			n.add("kube-ipvs0", netip.AddrFrom4([4]byte{10, 100, 0, byte(i)}).String()+"/32")
		}
		n.add("kube-ipvs0", taken)
		k.hear()
		if !k.dirty {
			t.Error("nothing was heard")
		}
		n.do(k.act())
		if n.has("kube-ipvs0", taken) || len(n.addresses("kube-ipvs0")) != 201 {
			t.Error("it was not removed, or more")
		}
		h.events.end()
		if kinds := b.kinds(); kinds[Overrun] != 1 || kinds[Removed] != 1 || kinds[Appeared] != 1 {
			t.Errorf("%s", b.text())
		}
		h.events = newEventQueue() // which end ends
	})
}

// TestNotPermitted: who may not remove is told so at once, with nothing done.
func TestNotPermitted(t *testing.T) {
	netns.Inside(t, func() {
		n, b := newNode(t), newBench(t)
		head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var none [2]unix.CapUserData
		n.do(unix.Capset(&head, &none[0])) // of this thread, which ends with the test
		for _, there := range []bool{false, true} {
			_, err := Heal(context.Background(), b.options(nil, stolen))
			if !errors.Is(err, os.ErrPermission) || len(b.events) != 0 {
				t.Errorf("there %v: %v, %s", there, err, b.text())
			}
			o := b.options(nil, stolen)
			o.DryRun = true
			if _, err := Heal(context.Background(), o); err != nil {
				t.Errorf("a dry run: %v", err)
			}
			b.events = nil
		}
		l, err := take()
		if err != nil {
			t.Errorf("the lock is left behind: %v", err)
		}
		l.release()
	})
}

const asChild = "WHOHAS_TEST_HOLD"

// TestKilled: whoever is killed leaves no lock and no file, and the address is off.
func TestKilled(t *testing.T) {
	if os.Getenv(asChild) != "" {
		b := newBench(t)
		_, _ = Heal(context.Background(), b.options(func(e Event) {
			if e.Kind == Removed {
				os.Stdout.WriteString("removed\n")
			}
		}, stolen))
		return
	}
	netns.Inside(t, func() {
		n, b := newNode(t), newBench(t)
		n.add("kube-ipvs0", taken)
		cmd := exec.Command(os.Args[0], "-test.run", "^TestKilled$")
		cmd.Env = append(os.Environ(), asChild+"=1")
		cmd.SysProcAttr = &unix.SysProcAttr{Pdeathsig: unix.SIGKILL}
		pipe, err := cmd.StdoutPipe()
		n.do(err)
		n.do(cmd.Start()) // in this thread's namespace
		word := make([]byte, len("removed\n"))
		if _, err := pipe.Read(word); err != nil || string(word) != "removed\n" {
			t.Errorf("%q, %v", word, err)
		}
		if _, err := Heal(context.Background(), b.options(nil, stolen)); !errors.Is(err, ErrHeld) {
			t.Errorf("%v", err)
		}
		n.do(cmd.Process.Kill())
		_ = cmd.Wait()
		if n.has("kube-ipvs0", taken) {
			t.Error("it is there again")
		}
		n.add("kube-ipvs0", taken) // the proxy's next sync
		o := b.options(nil, stolen)
		o.Limit = 100 * time.Millisecond
		if out, err := Heal(context.Background(), o); err != nil || out.Removed != 1 {
			t.Errorf("the next repair: %+v, %v", out, err)
		}
	})
}

// TestEnds: each way in which it may end, with an apiserver at the stolen address.
func TestEnds(t *testing.T) {
	ip := stolen.Prefix.Addr()
	for _, test := range []struct {
		name    string
		begin   func(*bench)                // what is so at first
		heard   func(*bench, *node, func()) // when the apiserver answers; the function stops the proxy
		limit   time.Duration
		healed  bool
		why     string
		claimed bool
	}{
		{"the virtual server goes", func(b *bench) { b.quiet, b.served = time.Hour, []netip.Addr{ip} },
			func(b *bench, _ *node, stop func()) { stop(); b.set(func() { b.served = nil }) }, time.Minute, true, "virtual servers are gone", false},
		{"it goes late, after the proxy has put the address back", func(b *bench) { b.quiet, b.served = time.Hour, []netip.Addr{ip} },
			func(b *bench, _ *node, stop func()) {
				time.AfterFunc(500*time.Millisecond, func() { stop(); b.set(func() { b.served = nil }) })
			}, time.Minute, true, "virtual servers are gone", true},
		{"it goes, and cannot be seen", func(b *bench) { b.served, b.unread = []netip.Addr{ip}, []string{host.IPVS} },
			func(b *bench, _ *node, stop func()) { stop(); b.set(func() { b.served = nil }) }, time.Minute, true, "nothing has put 192.168.10.114 back for 800ms", false},
		{"others are served", func(b *bench) { b.quiet, b.served = time.Hour, []netip.Addr{netip.MustParseAddr("10.96.0.1")} },
			func(_ *bench, _ *node, stop func()) { stop() }, time.Minute, true, "IPVS has virtual servers, and none on it", false},
		{"silence", func(*bench) {}, func(_ *bench, _ *node, stop func()) { stop() }, time.Minute, true, "nothing has put 192.168.10.114 back for 800ms", false},
		{"the claim stands", func(b *bench) { b.served = []netip.Addr{ip} }, func(*bench, *node, func()) {}, 4 * time.Second, false, "the claim still stands", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			netns.Inside(t, func() {
				n, b := newNode(t), newBench(t)
				n.owner()
				test.begin(b)
				b.dials = host.Connect
				stop := n.proxy("kube-ipvs0", taken, 100*time.Millisecond)
				defer stop()
				answered := false
				o := b.options(func(e Event) {
					if e.Kind == APIServer && strings.HasPrefix(e.Text, "the apiserver answers") && !answered {
						answered = true
						test.heard(b, n, stop)
					}
				}, stolen)
				o.APIServers, o.Limit = apiserverAt, test.limit
				out, err := Heal(context.Background(), o)
				if err != nil || out.Healed != test.healed || !strings.Contains(out.Why, test.why) || out.Answered.IsZero() || out.Removed == 0 {
					t.Errorf("%+v, %v\n%s", out, err, b.text())
				}
				if test.claimed && out.Reappeared < 2 {
					t.Errorf("put back %d times after the apiserver answered\n%s", out.Reappeared, b.text())
				}
				if test.healed && n.has("kube-ipvs0", taken) {
					t.Error("healed, and it is there")
				}
			})
		})
	}
}

// TestNoAPIServer: without an apiserver nothing is healed, whatever else is so.
func TestNoAPIServer(t *testing.T) {
	for _, test := range []struct {
		name string
		make func(*node)
		told string
	}{
		{"the card is down", func(n *node) { n.owner(); n.do(n.links.LinkSetDown(n.link("eth0"))) }, "the apiserver does not answer at 192.168.10.114:6443: "},
		{"nobody is there", func(*node) {}, "the apiserver does not answer at 192.168.10.114:6443: "},
		{"this host answers", func(n *node) {
			n.add("lo", taken) // which nobody holds off
			n.do(apiserver(n.t, "192.168.10.114:6443"))
		}, "at 192.168.10.114:6443 this host answers itself"},
		{"no certificate", func(n *node) {
			l, err := net.Listen("tcp", "127.0.0.1:6443")
			n.do(err)
			n.t.Cleanup(func() { l.Close() })
			go func() {
				for {
					c, err := l.Accept()
					if err != nil {
						return
					}
					c.Close()
				}
			}()
		}, "at 127.0.0.1:6443 somebody answers who shows no certificate"},
		{"no address is known", func(*node) {}, "no address of an apiserver is known"},
	} {
		t.Run(test.name, func(t *testing.T) {
			netns.Inside(t, func() {
				n, b := newNode(t), newBench(t)
				n.add("kube-ipvs0", taken)
				test.make(n)
				b.dials, b.quiet = host.Connect, time.Millisecond
				o := b.options(nil, stolen)
				o.Limit = 1500 * time.Millisecond
				switch {
				case strings.Contains(test.told, "127.0.0.1"):
					o.APIServers = []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:6443")}
				case !strings.Contains(test.told, "no address"):
					o.APIServers = apiserverAt
				}
				out, err := Heal(context.Background(), o)
				if err != nil || out.Healed || !strings.Contains(out.Why, "the limit of 1.5s is over: the apiserver does not answer yet") {
					t.Errorf("%+v, %v", out, err)
				}
				if !strings.Contains(b.text(), "apiserver: "+test.told) {
					t.Errorf("told:\n%s", b.text())
				}
			})
		})
	}
}

// TestStaysOnItsThread: all is looked at from the thread that called.
func TestStaysOnItsThread(t *testing.T) {
	netns.Inside(t, func() {
		n, b := newNode(t), newBench(t)
		n.add("kube-ipvs0", taken)
		here, read := unix.Gettid(), b.world.read
		b.world.read = func(ctx context.Context, o host.Options) (dataplane.Host, []snapshot.Coverage) {
			if unix.Gettid() != here {
				t.Error("read on another thread")
			}
			return read(ctx, o)
		}
		o := b.options(nil, stolen)
		o.Limit = 200 * time.Millisecond
		if out, err := Heal(context.Background(), o); err != nil || out.Removed != 1 {
			t.Errorf("%+v, %v", out, err)
		}
		runtime.Gosched()
		if unix.Gettid() != here {
			t.Error("the caller's thread was unlocked")
		}
	})
}

// TestThisWorld: with nothing made up but the kind of the device, and the time.
func TestThisWorld(t *testing.T) {
	netns.Inside(t, func() {
		n := newNode(t)
		n.owner()
		n.add("kube-ipvs0", taken)
		w := thisWorld()
		w.kind, w.quiet, w.journal = standIn, time.Millisecond, t.TempDir()+"/journal"
		out, err := Heal(context.Background(), Options{Targets: []repair.Target{stolen}, By: ByHold, APIServers: apiserverAt, Limit: time.Minute, world: w})
		if err != nil || !out.Healed || out.Removed != 1 || out.Targets[0].Proof == "" {
			t.Errorf("%+v, %v", out, err)
		}
		n.add("kube-ipvs0", taken)
		out, err = Heal(context.Background(), Options{Targets: []repair.Target{stolen}, DryRun: true}) // a bridge is none of kube-proxy's
		if err != nil || !strings.Contains(out.Targets[0].LetGo, "no dummy device") {
			t.Errorf("%+v, %v", out, err)
		}
	})
}
