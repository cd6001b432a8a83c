// SPDX-License-Identifier: Apache-2.0

package rtnetlink_test

import (
	"context"
	"fmt"
	"net/netip"
	"os/exec"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"whohas/bypass"
	"whohas/bypass/rtnetlink"
)

// BenchmarkLookup is what rules cost a packet: an unconnected UDP socket looks up the
// route for each (linux net/ipv4/udp.c udp_sendmsg). none is a host whose rules nobody has
// touched; taken one whose rules were taken back, which the kernel's short cut for hosts
// without rules does not come back for (net/core/fib_rules.c, fib_has_custom_rules). The
// ratio is to none, in this run.
func BenchmarkLookup(b *testing.B) {
	none := 0.0
	for _, test := range []struct {
		name         string
		rules, taken int
	}{{"none", 0, 0}, {"rules=1", 1, 0}, {"rules=10", 10, 0}, {"rules=100", 100, 0}, {"taken", 0, 1}} {
		b.Run(test.name, func(b *testing.B) {
			var each float64
			if err := apart(func() error { return lookups(b, test.rules, test.taken, &each) }); err != nil {
				b.Skipf("NOT RUN: %v", err)
			}
			if test.rules+test.taken == 0 {
				none = each
			}
			b.ReportMetric(each, "cpu-ns/op")
			if none > 0 {
				b.ReportMetric(each/none, "x-none")
			}
		})
	}
}

// apart runs f in a network namespace of its own.
func apart(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the runtime ends the thread
		err := unix.Unshare(unix.CLONE_NEWNET)
		if err == nil {
			err = f()
		}
		done <- err
	}()
	return <-done
}

func lookups(b *testing.B, rules, taken int, each *float64) error {
	for _, line := range []string{
		"ip link set lo up; ip link add eth0 type veth peer name far; ip addr add 192.168.0.1/16 dev eth0; ip link set eth0 up; ip link set far up",
		"ip neigh add 192.168.255.254 lladdr 02:00:00:00:00:09 dev eth0 nud permanent",
	} {
		if out, err := exec.Command("sh", "-c", line).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", line, err, out)
		}
	}
	if err := putRules(rules, taken); err != nil {
		return err
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	to := &unix.SockaddrInet4{Port: 9, Addr: [4]byte{192, 168, 255, 254}}
	data := []byte{0}
	b.ResetTimer()
	begun, err := processor()
	for range b.N {
		if err == nil {
			err = unix.Sendto(fd, data, 0, to)
		}
	}
	ended, _ := processor()
	*each = float64(ended-begun) / float64(b.N)
	return err
}

// processor is what this thread has used of a processor: another program's load does not
// count.
func processor() (time.Duration, error) {
	var u unix.Rusage
	err := unix.Getrusage(unix.RUSAGE_THREAD, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), err
}

func putRules(rules, taken int) error {
	if rules+taken == 0 {
		return nil
	}
	conn, err := rtnetlink.Open()
	if err != nil {
		return err
	}
	defer conn.Close()
	var ips []netip.Addr
	for i := range rules + taken {
		ips = append(ips, netip.AddrFrom4([4]byte{192, 168, 1, byte(i + 1)}))
	}
	if _, err := conn.Put(context.Background(), bypass.Shield, ips...); err != nil || taken == 0 {
		return err
	}
	_, err = conn.Take(context.Background(), bypass.Shield)
	return err
}
