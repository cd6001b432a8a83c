// SPDX-License-Identifier: Apache-2.0

//go:build linux

package testbed

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Host is a host, or a Pod, that was built.
type Host struct {
	*space
	Name    string
	Root    string // its root folder, as the builder sees it
	Address netip.Addr
	Pod     bool

	fresh     state    // what Clean returns to
	ports     []uint16 // that it listens on
	listening []io.Closer
	serving   []io.Closer
}

// Links is the host's netlink handle.
func (h *Host) Links() *netlink.Handle { return h.links }

func (h *Host) addAddress(device string, prefix netip.Prefix) error {
	link, err := h.links.LinkByName(device)
	if err != nil {
		return fmt.Errorf("find %s: %w", device, err)
	}
	addr := &netlink.Addr{IPNet: netlink.NewIPNet(prefix.Addr().AsSlice())}
	addr.Mask = net.CIDRMask(prefix.Bits(), prefix.Addr().BitLen())
	if err := h.links.AddrAdd(link, addr); err != nil {
		return fmt.Errorf("add %s to %s: %w", prefix, device, err)
	}
	return nil
}

// Start starts a command on the host: in its namespace, below its root, in a
// group of its own unless the command says otherwise.
func (h *Host) Start(cmd *exec.Cmd) error {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	}
	cmd.SysProcAttr.Chroot = h.Root
	cmd.Dir = "/"
	cmd.Env = append(cmd.Env, "PATH="+Path, "HOME=/root", "HOST="+h.Name, "GOGC=400", "GODEBUG=asyncpreemptoff=1")
	return h.Do(cmd.Start)
}

// Path is where the programs of a host lie.
const Path = "/opt/iptables:/lab:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// Shell runs a command line on the host and gives what it printed. It is
// killed, with all that it started, when the context ends.
func (h *Host) Shell(ctx context.Context, line string) (string, error) {
	var out strings.Builder
	cmd := exec.Command("/bin/sh", "-c", line)
	if !strings.ContainsAny(line, `|&;<>()$`+"`"+`"'*?#~=%\{}[]!`) {
		words := strings.Fields(line)
		path, err := h.look(words[0])
		if err != nil {
			return "", err
		}
		cmd = &exec.Cmd{Path: path, Args: words} // a fork less, which are dear on some kernels
	}
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := h.Start(cmd); err != nil {
		return "", fmt.Errorf("%s$ %s: %w", h.Name, line, err)
	}
	stop := context.AfterFunc(ctx, func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
	defer stop()
	if err := cmd.Wait(); err != nil {
		return out.String(), fmt.Errorf("%s$ %s: %w: %s", h.Name, line, errors.Join(ctx.Err(), err), strings.TrimSpace(out.String()))
	}
	return out.String(), nil
}

// look finds a program below the host's root; one with a path is where that says.
func (h *Host) look(name string) (string, error) {
	if strings.Contains(name, "/") {
		return name, nil
	}
	for dir := range strings.SplitSeq(Path, ":") {
		path := dir + "/" + name
		if info, err := os.Stat(h.Root + path); err == nil && info.Mode()&0o111 != 0 {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s: no program %s", h.Name, name)
}

// Listen answers every TCP connection and every datagram to a port, at every
// address, with the host's name: who answers is never guessed.
func (h *Host) Listen(port uint16) error {
	h.ports = append(h.ports, port)
	return h.open(port)
}

func (h *Host) open(port uint16) error {
	return h.Do(func() error {
		at := fmt.Sprintf("0.0.0.0:%d", port)
		tcp, err := net.Listen("tcp4", at)
		if err != nil {
			return fmt.Errorf("listen: %w", err)
		}
		h.listening = append(h.listening, tcp)
		udp, err := net.ListenPacket("udp4", at)
		if err != nil {
			return fmt.Errorf("listen: %w", err)
		}
		h.listening = append(h.listening, udp)
		go h.greet(tcp)
		go h.echo(udp)
		return nil
	})
}

// Serve handles each connection to an address and port of the host until the
// host is taken down; cleaning does not end it.
func (h *Host) Serve(address string, port uint16, handle func(net.Conn)) error {
	return h.Do(func() error {
		l, err := net.Listen("tcp4", fmt.Sprintf("%s:%d", address, port))
		if err != nil {
			return fmt.Errorf("serve: %w", err)
		}
		h.serving = append(h.serving, l)
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				go handle(c)
			}
		}()
		return nil
	})
}

// Dial connects from the host. It uses a thread of its own, because connecting
// may take its time.
func (h *Host) Dial(server string, limit time.Duration) (net.Conn, error) {
	type result struct {
		conn net.Conn
		err  error
	}
	done := make(chan result)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread stays in the namespace
		if err := unix.Setns(h.ns, unix.CLONE_NEWNET); err != nil {
			done <- result{nil, fmt.Errorf("enter %s: %w", h.Name, err)}
			return
		}
		conn, err := net.DialTimeout("tcp4", server, limit)
		done <- result{conn, err}
	}()
	r := <-done
	return r.conn, r.err
}

func (h *Host) greet(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			_ = c.SetDeadline(time.Now().Add(patience))
			if _, err := io.WriteString(c, h.Name+"\n"); err == nil {
				_, _ = io.Copy(c, c)
			}
		}()
	}
}

// patience is how long a connection may stay open: one whose client cannot say that it
// has ended is not waited for.
const patience = 20 * time.Minute

func (h *Host) echo(p net.PacketConn) {
	var b [64]byte
	for {
		_, from, err := p.ReadFrom(b[:])
		if err != nil {
			return
		}
		_, _ = p.WriteTo([]byte(h.Name+"\n"), from)
	}
}

// Echoes is how many echo requests the host has received: who answered a ping
// is told by it for certain.
func (h *Host) Echoes() (int, error) {
	n := -1
	err := h.Do(func() error {
		f, err := os.Open("/proc/thread-self/net/snmp")
		if err != nil {
			return fmt.Errorf("read counters: %w", err)
		}
		defer f.Close()
		var header []string
		for lines := bufio.NewScanner(f); lines.Scan(); {
			words := strings.Fields(lines.Text())
			if len(words) == 0 || words[0] != "Icmp:" {
				continue
			}
			if header == nil {
				header = words
				continue
			}
			for i, name := range header {
				if name == "InEchos" {
					_, err = fmt.Sscan(words[i], &n)
				}
			}
		}
		return err
	})
	return n, err
}

func (h *Host) close() error {
	for _, l := range append(h.listening, h.serving...) {
		l.Close()
	}
	h.space.close()
	return leaveRoot(h.Root)
}
