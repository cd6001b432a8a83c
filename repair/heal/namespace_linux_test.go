// SPDX-License-Identifier: Apache-2.0

package heal

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net"
	"net/netip"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"whohas/dataplane"
	"whohas/repair"
	"whohas/snapshot"
	"whohas/source/host"
)

// node is a made-up host: a card with its address, and a service device with a
// ClusterIP on it. The kernel of a test machine may have no dummy devices, so a
// bridge, which is down, stands for one.
type node struct {
	t     testing.TB
	links *netlink.Handle
}

const standIn = "bridge"

func newNode(t testing.TB) *node {
	links, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		t.Error(err)
		runtime.Goexit()
	}
	t.Cleanup(links.Close)
	n := &node{t, links}
	n.do(links.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "eth0"}, PeerName: "far"}))
	n.do(links.LinkSetUp(n.link("lo")))
	n.do(links.LinkSetUp(n.link("eth0")))
	n.add("eth0", "192.168.10.115/24")
	n.service("kube-ipvs0")
	n.add("kube-ipvs0", "10.96.0.1/32")
	return n
}

func (n *node) service(name string) {
	n.do(n.links.LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: name}}))
}

func (n *node) do(err error) {
	n.t.Helper()
	if err != nil {
		n.t.Error(err)
		runtime.Goexit()
	}
}

func (n *node) link(name string) netlink.Link {
	n.t.Helper()
	link, err := n.links.LinkByName(name)
	n.do(err)
	return link
}

func parsed(prefix string) *netlink.Addr {
	p := netip.MustParsePrefix(prefix)
	return &netlink.Addr{Flags: unix.IFA_F_NODAD, IPNet: &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}}
}

func (n *node) add(device, prefix string) {
	n.t.Helper()
	n.do(n.links.AddrAdd(n.link(device), parsed(prefix)))
}

// addresses are those of a device, sorted.
func (n *node) addresses(device string) []string {
	list, err := n.links.AddrList(n.link(device), unix.AF_UNSPEC)
	n.do(err)
	out := []string{}
	for _, a := range list {
		if !a.IP.IsLinkLocalUnicast() {
			out = append(out, a.IPNet.String())
		}
	}
	slices.Sort(out)
	return out
}

func (n *node) has(device, prefix string) bool { return slices.Contains(n.addresses(device), prefix) }

// proxy adds an address to a device again and again, as a kube-proxy does that syncs
// all the time, until stop is called.
func (n *node) proxy(device, prefix string, every time.Duration) (stop func()) {
	links, err := netlink.NewHandle(unix.NETLINK_ROUTE) // on this thread, in its namespace
	n.do(err)
	index := n.link(device).Attrs().Index
	end, ended := make(chan bool), make(chan bool)
	go func() {
		defer close(ended)
		defer links.Close()
		for {
			_ = links.AddrAdd(&netlink.Dummy{LinkAttrs: netlink.LinkAttrs{Index: index}}, parsed(prefix)) // it may be there
			select {
			case <-end:
				return
			case <-time.After(every):
			}
		}
	}()
	return sync.OnceFunc(func() { close(end); <-ended })
}

// owner is the host behind the card's other end, which has the stolen address, and
// an apiserver there.
func (n *node) owner() {
	type made struct {
		ns  int
		err error
	}
	ready, moved, serving := make(chan made), make(chan bool), make(chan error)
	end := make(chan bool)
	n.t.Cleanup(func() { close(end) })
	go func() {
		runtime.LockOSThread()
		err := unix.Unshare(unix.CLONE_NEWNET)
		fd := -1
		if err == nil {
			fd, err = unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		}
		ready <- made{fd, err}
		<-moved
		far := &node{t: n.t}
		if far.links, err = netlink.NewHandle(unix.NETLINK_ROUTE); err == nil {
			defer far.links.Close()
			far.add("far", "192.168.10.114/24")
			far.do(far.links.LinkSetUp(far.link("far")))
			far.add("far", "2001:db8::114/64")
			err = errors.Join(apiserver(n.t, "192.168.10.114:6443"), apiserver(n.t, "[2001:db8::114]:6443"))
		}
		serving <- err
		<-end
	}()
	m := <-ready
	n.do(m.err)
	defer unix.Close(m.ns)
	n.do(n.links.LinkSetNsFd(n.link("far"), m.ns))
	moved <- true
	n.do(<-serving)
}

// apiserver shakes hands on an address, until the test ends.
func apiserver(t testing.TB, to string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "kube-apiserver"}, DNSNames: []string{"kubernetes"}}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return err
	}
	l, err := tls.Listen("tcp", to, &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{raw}, PrivateKey: key}}})
	if err != nil {
		return err
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = c.Read(make([]byte, 1))
				c.Close()
			}()
		}
	}()
	return nil
}

var apiserverAt = []netip.AddrPort{netip.MustParseAddrPort("192.168.10.114:6443")}

// bench is a test's world: real addresses, real connections, and what it says of
// virtual servers, sets and kube-proxy.
type bench struct {
	*world
	mu      sync.Mutex
	served  []netip.Addr // with a virtual server
	unread  []string
	members []string // of KUBE-CLUSTER-IP
	events  []Event
}

// newBench goes fast: its seconds are a twentieth.
func newBench(t testing.TB) *bench {
	b := &bench{world: thisWorld()}
	b.thresholds = thresholds{settle: 100 * time.Millisecond, quiet: 800 * time.Millisecond, long: time.Hour}
	b.kind = standIn
	b.second, b.servers, b.again, b.say = 50*time.Millisecond, 50*time.Millisecond, 50*time.Millisecond, 200*time.Millisecond
	b.journal = filepath.Join(t.TempDir(), "journal")
	b.dials = func(ctx context.Context, targets []host.Target) []dataplane.ConnectResult { return nil }
	b.world.read = b.read
	return b
}

func (b *bench) read(_ context.Context, o host.Options) (dataplane.Host, []snapshot.Coverage) {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := dataplane.Host{Unread: slices.Concat(o.Skip, b.unread)}
	switch {
	case !slices.Contains(o.Skip, host.IPVS):
		for _, ip := range b.served {
			out.Servers = append(out.Servers, dataplane.VirtualServer{Proto: "TCP", IP: ip, Port: 80})
		}
	case !slices.Contains(o.Skip, host.IPSet):
		out.Sets = []dataplane.Set{{Name: "KUBE-CLUSTER-IP", Type: "hash:ip,port", Members: b.members}}
	}
	return out, nil
}

func (b *bench) set(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f()
}

// options hold the targets, in this world; tell is told of each event, too.
func (b *bench) options(tell func(Event), targets ...repair.Target) Options {
	return Options{Targets: targets, By: ByHold, world: b.world, Limit: time.Minute, Tell: func(e Event) {
		b.set(func() { b.events = append(b.events, e) })
		if tell != nil {
			tell(e)
		}
	}}
}

// kinds counts the events.
func (b *bench) kinds() map[string]int {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := map[string]int{}
	for _, e := range b.events {
		out[e.Kind]++
	}
	return out
}

func (b *bench) text() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out string
	for _, e := range b.events {
		out += e.At.Format("05.000") + " " + e.Kind + ": " + e.Text + "\n"
	}
	return out
}
