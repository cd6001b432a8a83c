// SPDX-License-Identifier: Apache-2.0

package host_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"whohas/dataplane"
	"whohas/source/host"
)

var sameDials = cmpopts.EquateComparable(netip.Addr{}, netip.AddrPort{})

// certificate is made up, with these names.
func certificate(t *testing.T, common string, dns []string, ips ...net.IP) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: common}, DNSNames: dns, IPAddresses: ips,
		NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1, 0)} // long past: nobody must care
	raw, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: key}
}

// serve accepts on an address of the thread's namespace, until the test ends; with
// a configuration it shakes hands, and gives what it was sent beyond that.
func serve(t *testing.T, to string, config *tls.Config, heard chan<- int) {
	l, err := net.Listen("tcp", to)
	if err != nil {
		t.Error(err)
		return
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			if config != nil {
				conn = tls.Server(conn, config)
			}
			n, _ := conn.Read(make([]byte, 64))
			conn.Close()
			if heard != nil {
				heard <- n
			}
		}
	}()
}

func TestDials(t *testing.T) {
	if !need(t, "ip", "sysctl") {
		t.Skip()
	}
	api := certificate(t, "kube-apiserver", []string{"kubernetes", "kubernetes.default"}, net.ParseIP("10.96.0.1"), net.ParseIP("2001:db8::1"))
	etcd := certificate(t, "etcd\x1b[2J", nil)
	heard := make(chan int, 2)
	ip, to := netip.MustParseAddr, netip.MustParseAddrPort
	inside(t, func() {
		build(t)
		for _, line := range []string{
			"ip neigh add 192.168.10.77 lladdr 02:00:00:00:00:77 dev w0 nud permanent", // of nobody
			"ip -6 addr add 2001:db8:1::1/128 dev lo nodad", "ip route add unreachable 10.2.0.0/24", "ip route add prohibit 10.3.0.0/24",
		} {
			do(t, line)
		}
		for range 100 { // an address of IPv6 gets its route from a work queue (net/ipv6/addrconf.c addrconf_dad_work)
			if routes, err := netlink.RouteGet(net.ParseIP("2001:db8:1::1")); err == nil && routes[0].Type == unix.RTN_LOCAL {
				break
			}
			time.Sleep(20 * time.Millisecond)
		}
		serve(t, "192.168.10.114:6443", &tls.Config{Certificates: []tls.Certificate{api}}, heard)
		serve(t, "127.0.0.1:2379", &tls.Config{Certificates: []tls.Certificate{etcd}, ClientAuth: tls.RequireAnyClientCert}, heard)
		serve(t, "127.0.0.1:80", nil, nil)
		serve(t, "[2001:db8:1::1]:6443", nil, nil)
		got := host.Connect(context.Background(), []host.Target{
			{What: "b", To: to("192.168.10.114:6443"), TLS: true},
			{What: "a", To: to("127.0.0.1:2379"), TLS: true},
			{What: "c", To: to("127.0.0.1:80"), TLS: true}, // which speaks no TLS
			{What: "d", To: to("[::ffff:127.0.0.1]:80")},
			{What: "e", To: to("[2001:db8:1::1]:6443")},
			{What: "f", To: to("[2001:db8:1::1]:6444")},
			{What: "g", To: to("192.168.10.115:1")},
			{What: "h", To: to("192.168.10.77:1")},
			{What: "i", To: to("10.2.0.1:1")},
			{What: "j", To: to("10.3.0.1:1")},
			{What: "k", To: to("198.51.100.1:1")}, // no route
			{What: "l"},
		})
		want := []dataplane.ConnectResult{
			{What: "a", To: to("127.0.0.1:2379"), Result: "accepted", Local: ip("127.0.0.1"), Self: true, Names: []string{"etcd [2J"}},
			{What: "b", To: to("192.168.10.114:6443"), Result: "accepted", Local: ip("192.168.10.114"), Self: true,
				Names: []string{"10.96.0.1", "2001:db8::1", "kube-apiserver", "kubernetes", "kubernetes.default"}},
			{What: "c", To: to("127.0.0.1:80"), Result: "accepted", Local: ip("127.0.0.1"), Self: true},
			{What: "d", To: to("127.0.0.1:80"), Result: "accepted", Local: ip("127.0.0.1"), Self: true},
			{What: "e", To: to("[2001:db8:1::1]:6443"), Result: "accepted", Local: ip("2001:db8:1::1"), Self: true},
			{What: "f", To: to("[2001:db8:1::1]:6444"), Result: "refused", Local: ip("2001:db8:1::1"), Self: true},
			{What: "g", To: to("192.168.10.115:1"), Result: "refused", Local: ip("192.168.10.115"), Self: true},
			{What: "h", To: to("192.168.10.77:1"), Result: "no answer", Local: ip("192.168.10.115")},
			{What: "i", To: to("10.2.0.1:1"), Result: "no route to host"},
			{What: "j", To: to("10.3.0.1:1"), Result: "permission denied"},
			{What: "k", To: to("198.51.100.1:1"), Result: "network unreachable"},
			{What: "l", Result: "not tried"},
		}
		if diff := cmp.Diff(want, got, sameDials); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		for range 2 {
			select {
			case n := <-heard:
				if n != 0 {
					t.Errorf("%d bytes were sent beyond the handshake", n)
				}
			case <-time.After(time.Minute):
				t.Error("nobody came")
			}
		}
	})
}

// TestDialsToAnother: who answers in another namespace is not this host, and who
// does not answer for an address is not there.
func TestDialsToAnother(t *testing.T) {
	if !need(t, "ip", "sysctl") {
		t.Skip()
	}
	api := certificate(t, "", []string{"other"})
	inside(t, func() {
		do(t, "ip link set lo up")
		do(t, "ip link add w0 type veth peer name w1")
		do(t, "ip addr add 192.168.10.115/24 dev w0")
		do(t, "ip link set w0 up")
		far := make(chan string)
		end := make(chan bool)
		defer close(end)
		go func() { // the other one, on a thread that ends with it
			runtime.LockOSThread()
			if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
				t.Error(err)
			}
			far <- fmt.Sprintf("/proc/self/task/%d/ns/net", unix.Gettid())
			<-far
			do(t, "ip link set w1 up")
			do(t, "ip addr add 192.168.10.114/24 dev w1")
			serve(t, "192.168.10.114:6443", &tls.Config{Certificates: []tls.Certificate{api}}, nil)
			far <- ""
			<-end
		}()
		handOver(t, "w1", <-far)
		far <- ""
		<-far
		ip, to := netip.MustParseAddr, netip.MustParseAddrPort
		var got []dataplane.ConnectResult
		for range 20 { // until the device carries, which the kernel announces at its leisure (net/core/link_watch.c)
			got = host.Connect(context.Background(), []host.Target{
				{What: "accepting", To: to("192.168.10.114:6443"), TLS: true},
				{What: "refusing", To: to("192.168.10.114:6444")},
				{What: "silent", To: to("192.168.10.77:6443"), TLS: true},
			})
			if got[0].Names != nil && got[1].Result != "no answer" {
				break
			}
		}
		if len(got) == 3 && got[2].Result == "no route to host" { // by then nobody had answered ARP
			got[2].Result = "no answer"
		}
		want := []dataplane.ConnectResult{
			{What: "accepting", To: to("192.168.10.114:6443"), Result: "accepted", Local: ip("192.168.10.115"), Names: []string{"other"}},
			{What: "refusing", To: to("192.168.10.114:6444"), Result: "refused", Local: ip("192.168.10.115")},
			{What: "silent", To: to("192.168.10.77:6443"), Result: "no answer", Local: ip("192.168.10.115")},
		}
		if diff := cmp.Diff(want, got, sameDials); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

// handOver moves a device into another namespace.
func handOver(t *testing.T, name, namespace string) {
	ns, err := unix.Open(namespace, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Error(err)
		return
	}
	defer unix.Close(ns)
	link, err := netlink.LinkByName(name)
	if err == nil {
		err = netlink.LinkSetNsFd(link, ns)
	}
	if err != nil {
		t.Error(err)
	}
}

func TestDialsAreBounded(t *testing.T) {
	if !need(t, "ip") {
		t.Skip()
	}
	inside(t, func() {
		do(t, "ip link set lo up")
		var targets []host.Target
		for port := range 40 {
			targets = append(targets, host.Target{To: netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(1000-port))})
		}
		before := slices.Clone(targets)
		got := host.Connect(context.Background(), targets)
		if len(got) != 32 || got[0].To.Port() != 969 || got[0].Result != "refused" || got[31].To.Port() != 1000 {
			t.Errorf("%d: %v", len(got), got)
		}
		if !slices.Equal(before, targets) {
			t.Error("the caller's targets were changed")
		}
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if got := host.Connect(ctx, targets[:1]); got[0].Result != "not tried" {
			t.Errorf("%v", got)
		}
		if got := host.Connect(context.Background(), nil); len(got) != 0 {
			t.Errorf("%v", got)
		}
	})
}

// TestManyNames: of a certificate that names a whole cluster some are kept.
func TestManyNames(t *testing.T) {
	var dns []string
	for n := range 30 {
		dns = append(dns, fmt.Sprintf("node%02d", n))
	}
	cert := certificate(t, "node00", dns)
	if !need(t, "ip") {
		t.Skip()
	}
	inside(t, func() {
		do(t, "ip link set lo up")
		serve(t, "127.0.0.1:443", &tls.Config{Certificates: []tls.Certificate{cert}}, nil)
		got := host.Connect(context.Background(), []host.Target{{To: netip.MustParseAddrPort("127.0.0.1:443"), TLS: true}})
		if diff := cmp.Diff(dns[:20], got[0].Names); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}
