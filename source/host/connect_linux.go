// SPDX-License-Identifier: Apache-2.0

package host

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"whohas/dataplane"
)

const (
	dialTime = time.Second
	dialStep = 50 * time.Millisecond // how late the end of the context may be seen
	maxNames = 20                    // of a certificate
)

// Connect connects to each target, to all at once, and to each for a second at most,
// and hangs up. With TLS it also asks for the certificate; nothing else is sent.
// There is one Dial for each target, but for those beyond the 32nd, sorted by what
// it was meant for and by address.
//
// It looks from the network namespace of the calling thread, in which it makes its
// sockets; a socket stays where it was made, whichever thread uses it later (linux
// net/socket.c sock_create: current->nsproxy->net_ns).
//
// Self says what routing says: that the address is this host's own. IPVS and NAT
// may still hand the connection on to another.
func Connect(ctx context.Context, targets []Target) []dataplane.ConnectResult {
	targets = slices.Clone(targets[:min(len(targets), maxTargets)])
	slices.SortStableFunc(targets, func(a, b Target) int {
		return cmp.Or(strings.Compare(a.What, b.What), a.To.Compare(b.To))
	})
	ctx, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	var shaking sync.WaitGroup
	calls := make([]*call, len(targets))
	for i, t := range targets {
		calls[i] = &call{fd: -1, accepted: func(c *call) {}}
		if t.TLS {
			calls[i].accepted = func(c *call) { c.askNames(ctx, &shaking) }
		}
		calls[i].dial(ctx, t)
	}
	await(ctx, calls)
	lookAtRoutes(calls)
	shaking.Wait()
	out := make([]dataplane.ConnectResult, len(calls))
	for i, c := range calls {
		c.hangUp()
		out[i] = c.ConnectResult
	}
	return out
}

// call is a connection that is being made.
type call struct {
	dataplane.ConnectResult
	fd       int // -1: none
	open     bool
	accepted func(*call) // is told once, as soon as somebody accepts
}

// dial begins a connection.
func (c *call) dial(ctx context.Context, t Target) {
	to := netip.AddrPortFrom(t.To.Addr().Unmap(), t.To.Port())
	c.ConnectResult = dataplane.ConnectResult{What: t.What, To: to}
	if ctx.Err() != nil || !to.Addr().IsValid() || to.Port() == 0 {
		c.Result = "not tried"
		return
	}
	family := unix.AF_INET
	if to.Addr().Is6() {
		family = unix.AF_INET6
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP)
	if err != nil {
		c.settle(err)
		return
	}
	c.fd = fd
	err = unix.Connect(fd, socketAddr(to))
	c.Local = localAddr(fd)
	if !errors.Is(err, unix.EINPROGRESS) {
		c.settle(err)
	}
}

func socketAddr(to netip.AddrPort) unix.Sockaddr {
	if to.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()}
	}
	return &unix.SockaddrInet6{Port: int(to.Port()), Addr: to.Addr().As16(), ZoneId: zone(to.Addr().Zone())}
}

// zone is the number of a device, which is looked up in the thread's namespace.
func zone(name string) uint32 {
	if name == "" {
		return 0
	}
	if n, err := strconv.ParseUint(name, 10, 32); err == nil {
		return uint32(n)
	}
	if device, err := net.InterfaceByName(name); err == nil {
		return uint32(device.Index)
	}
	return 0 // then the kernel knows no such address
}

// localAddr is the address that the kernel chose to send from. It is known from
// the first packet on (linux net/ipv4/tcp_ipv4.c tcp_v4_connect).
func localAddr(fd int) netip.Addr {
	name, err := unix.Getsockname(fd)
	if err != nil {
		return netip.Addr{}
	}
	var ip netip.Addr
	switch n := name.(type) {
	case *unix.SockaddrInet4:
		ip = netip.AddrFrom4(n.Addr)
	case *unix.SockaddrInet6:
		ip = netip.AddrFrom16(n.Addr).Unmap()
	}
	if ip.IsUnspecified() {
		return netip.Addr{}
	}
	return ip
}

// settle says how it ended, and hangs up where nobody accepted.
func (c *call) settle(err error) {
	c.Result = dialResult(err)
	c.open = err == nil
	if !c.open {
		c.hangUp()
		return
	}
	c.Local = cmp.Or(localAddr(c.fd), c.Local)
	c.accepted(c)
}

func (c *call) hangUp() {
	if c.fd >= 0 {
		unix.Close(c.fd)
		c.fd = -1
	}
}

func dialResult(err error) string {
	switch {
	case err == nil:
		return "accepted"
	case errors.Is(err, unix.ECONNREFUSED):
		return "refused"
	case errors.Is(err, unix.ETIMEDOUT), errors.Is(err, context.DeadlineExceeded):
		return "no answer"
	case errors.Is(err, unix.EHOSTUNREACH):
		return "no route to host"
	case errors.Is(err, unix.ENETUNREACH):
		return "network unreachable"
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		return "permission denied"
	case errors.Is(err, context.Canceled):
		return "interrupted"
	}
	return err.Error()
}

// await waits for all connections together.
func await(ctx context.Context, calls []*call) {
	for {
		var waiting []*call
		var fds []unix.PollFd
		for _, c := range calls {
			if c.Result == "" {
				waiting = append(waiting, c)
				fds = append(fds, unix.PollFd{Fd: int32(c.fd), Events: unix.POLLOUT})
			}
		}
		if len(waiting) == 0 {
			return
		}
		_, err := unix.Poll(fds, int(min(dialStep, remaining(ctx))/time.Millisecond))
		if err != nil && !errors.Is(err, unix.EINTR) {
			settleAll(waiting, err)
			return
		}
		for i, c := range waiting {
			if fds[i].Revents != 0 {
				c.settle(socketError(c.fd))
			}
		}
		if ctx.Err() != nil {
			settleAll(waiting, ctx.Err())
			return
		}
	}
}

func settleAll(waiting []*call, err error) {
	for _, c := range waiting {
		if c.Result == "" {
			c.settle(err)
		}
	}
}

// socketError is how a connection ended (connect(2), EINPROGRESS).
func socketError(fd int) error {
	n, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err != nil {
		return err
	}
	if n != 0 {
		return unix.Errno(n)
	}
	return nil
}

// lookAtRoutes asks the kernel which of the addresses are this host's own, and
// from where it would have sent what a refusal has made it forget.
func lookAtRoutes(calls []*call) {
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err == nil {
		defer h.Close()
		err = h.SetSocketTimeout(dialTime)
	}
	for _, c := range calls {
		c.Self = c.open && c.Local == c.To.Addr()
		if err != nil || c.Self || !c.To.Addr().IsValid() {
			continue
		}
		routes, err := h.RouteGet(c.To.Addr().WithZone("").AsSlice())
		if err != nil || len(routes) == 0 { // no route: not its own
			continue
		}
		c.Self = routes[0].Type == unix.RTN_LOCAL
		c.Local = cmp.Or(c.Local, addr(routes[0].Src))
	}
}

// askNames shakes hands, beside the other calls: one that nobody answers takes all
// the time there is. The socket is there already, so that another thread may use it.
func (c *call) askNames(ctx context.Context, shaking *sync.WaitGroup) {
	f := os.NewFile(uintptr(c.fd), "")
	c.fd = -1 // f's now
	shaking.Go(func() { c.Names = names(ctx, f) })
}

// names are what the certificate of the other end says of it. It is taken from
// the handshake as it comes: whoever wants a client's certificate, and gets none,
// ends the handshake later.
func names(ctx context.Context, f *os.File) []string {
	conn, err := net.FileConn(f)
	f.Close()
	if err != nil {
		return nil
	}
	defer conn.Close()
	var out []string
	client := tls.Client(conn, &tls.Config{
		// The certificate is evidence here, and vouches for nothing: nothing is
		// believed of the other end, and nothing is told to it. Who answers in
		// another's place has a certificate that does not verify.
		InsecureSkipVerify: true,
		VerifyPeerCertificate: func(raw [][]byte, _ [][]*x509.Certificate) error {
			out = certificateNames(raw)
			return nil
		},
	})
	_ = client.HandshakeContext(ctx) // however it ends, what was shown was shown
	return out
}

// certificateNames are the names of the first certificate, which is the server's
// own (RFC 8446, 4.4.2).
func certificateNames(raw [][]byte) []string {
	if len(raw) == 0 {
		return nil
	}
	cert, err := x509.ParseCertificate(raw[0])
	if err != nil {
		return nil
	}
	all := append(slices.Clone(cert.DNSNames), cert.Subject.CommonName)
	for _, ip := range cert.IPAddresses {
		if a, ok := netip.AddrFromSlice(ip); ok {
			all = append(all, a.Unmap().String())
		}
	}
	var out []string
	for _, name := range all {
		if name = plainText(name, maxWords); name != "" {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	out = slices.Compact(out)
	return out[:min(len(out), maxNames)]
}
