// SPDX-License-Identifier: Apache-2.0

package netns

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Inside runs f in a fresh network namespace, on a thread that ends with it. Where that
// is not permitted the test is skipped. When f ends the test, the test ends.
func Inside(t testing.TB, f func()) {
	t.Helper()
	returned := false
	err := onThread(func() error { return unix.Unshare(unix.CLONE_NEWNET) }, func() {
		f()
		returned = true
	})
	switch {
	case err != nil:
		t.Skipf("NOT RUN: a network namespace needs root: %v", err)
	case !returned:
		runtime.Goexit() // after t.FailNow or t.SkipNow
	}
}

// onThread runs f on a thread of its own, when enter has brought it to a namespace.
func onThread(enter func() error, f func()) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the runtime ends the thread
		defer close(done)
		if err := enter(); err != nil {
			done <- err
			return
		}
		f()
	}()
	return <-done
}

// Host is a network namespace. It lasts as long as its test.
type Host struct{ fd int }

// Here is the namespace of the calling thread.
func Here(t testing.TB) Host {
	t.Helper()
	fd, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return Host{fd}
}

// New makes a namespace.
func New(t testing.TB) Host {
	t.Helper()
	var h Host
	Inside(t, func() { h = Here(t) })
	h.Do(t, begin)
	return h
}

// Run runs f on a thread in the namespace, and waits for it.
func (h Host) Run(t testing.TB, f func()) {
	t.Helper()
	if err := onThread(func() error { return unix.Setns(h.fd, unix.CLONE_NEWNET) }, f); err != nil {
		t.Error(err)
	}
}

// path is the namespace in the words of ip and nsenter.
func (h Host) path() string { return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), h.fd) }

// Do runs a line of the shell in the namespace and gives what it says.
func (h Host) Do(t testing.TB, line string) string {
	t.Helper()
	return run(t, line, "nsenter", "--net="+h.path(), "sh", "-c", line)
}

// Works reports whether a line of the shell succeeds in the namespace.
func (h Host) Works(line string) bool {
	return exec.Command("nsenter", "--net="+h.path(), "sh", "-c", line).Run() == nil
}

// Do runs a line of the shell in the thread's namespace and gives what it says.
func Do(t testing.TB, line string) string {
	t.Helper()
	return run(t, line, "sh", "-c", line)
}

// Works reports whether a line of the shell succeeds in the thread's namespace.
func Works(line string) bool { return exec.Command("sh", "-c", line).Run() == nil }

func run(t testing.TB, line string, args ...string) string {
	t.Helper()
	out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
	if err != nil {
		t.Errorf("%s: %v\n%s", line, err, out)
	}
	return string(out)
}

// begin is what each host begins with. None asks for duplicates, which tests make.
const begin = "echo 0 >/proc/sys/net/ipv6/conf/all/accept_dad && echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad && ip link set lo up"

// LAN plugs a card eth0 of the thread's namespace into a network, with the addresses
// 192.168.10.115/24 and fd00::115/64, and makes a further host there for each of others,
// which are the last parts of their addresses. When it returns, all reach each other.
func LAN(t testing.TB, others ...int) []Host {
	t.Helper()
	Do(t, begin)
	lan := New(t)
	lan.Do(t, "ip link add lan type bridge mcast_snooping 0 && ip link set lan up")
	plug(t, lan, Here(t), 115)
	var out []Host
	for _, last := range others {
		h := New(t)
		plug(t, lan, h, last)
		out = append(out, h)
	}
	for i, last := range others {
		Within(t, fmt.Sprintf("it and host %d reach each other", last), func() bool {
			return Works(fmt.Sprintf("ping -c1 -W1 192.168.10.%d && ping -6 -c1 -W1 fd00::%d", last, last)) && out[i].Works("ping -c1 -W1 192.168.10.115")
		})
	}
	return out
}

// plug gives a host its card.
func plug(t testing.TB, lan, h Host, last int) {
	t.Helper()
	port := fmt.Sprintf("port%d", last)
	Join(t, lan, port, h, "eth0")
	lan.Do(t, "ip link set "+port+" master lan")
	h.Do(t, fmt.Sprintf("ip addr add 192.168.10.%d/24 dev eth0 && ip addr add fd00::%d/64 dev eth0 nodad", last, last))
}

// Join makes a cable between a card of one host and one of another, and both go up.
func Join(t testing.TB, h Host, card string, other Host, itsCard string) {
	t.Helper()
	h.Do(t, fmt.Sprintf("ip link add %s type veth peer name %s netns %s && ip link set %s up", card, itsCard, other.path(), card))
	other.Do(t, "ip link set "+itsCard+" up")
}

// patience is for a machine that has much else to do.
const patience = 2 * time.Minute

// Within waits until something is so, and gives how long that took. If it never is the
// test has failed.
func Within(t testing.TB, what string, so func() bool) time.Duration {
	t.Helper()
	begun := time.Now()
	for !so() {
		if time.Since(begun) > patience {
			t.Errorf("not within %s: %s", patience, what)
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	return time.Since(begun)
}

const hello = "hello"

// Listen answers each connection to an address of the thread's namespace, until the test
// ends.
func Listen(t testing.TB, address string) {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Error(err)
		return
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, hello)
			c.Close()
		}
	}()
}

// Answers reports whether the host at an address, as the thread's namespace reaches it,
// answers a connection, and is who Listen made it.
func Answers(address string) bool {
	c, err := net.DialTimeout("tcp", address, 5*time.Second)
	if err != nil {
		return false
	}
	defer c.Close()
	_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
	text := make([]byte, len(hello))
	_, err = io.ReadFull(c, text)
	return err == nil && string(text) == hello
}
