// SPDX-License-Identifier: Apache-2.0

//go:build linux

// Package testbed builds the hosts of a scenario on the running kernel: network
// namespaces, each with a root folder of its own, plugged into bridges that are
// the segments. It must run as root of its namespaces.
package testbed

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"whohas/lab"
)

// Testbed is what was built. Use from one goroutine.
type Testbed struct {
	Hosts []*Host // in the topology's order, its Pods behind them

	topology lab.Topology
	wires    []*space // a segment's bridge stands in a namespace that is no host's
	macs     map[string]string
}

// Build makes the hosts of a topology below a folder. What was made is in the
// Testbed also when it fails: Close it.
func Build(t lab.Topology, dir string) (*Testbed, error) {
	s := &Testbed{topology: t, macs: map[string]string{}}
	for _, segment := range t.Segments {
		wire, err := newSpace()
		if err != nil {
			return s, fmt.Errorf("segment %s: %w", segment.Name, err)
		}
		s.wires = append(s.wires, wire)
		if err := s.addBridge(wire, segment.Name); err != nil {
			return s, fmt.Errorf("segment %s: %w", segment.Name, err)
		}
	}
	for i, h := range t.Hosts {
		if err := s.addHost(h, i+1, dir); err != nil {
			return s, fmt.Errorf("host %s: %w", h.Name, err)
		}
	}
	for i, p := range t.Pods {
		if err := s.addPod(p, i+1, dir); err != nil {
			return s, fmt.Errorf("pod %s: %w", p.Name, err)
		}
	}
	for _, h := range s.Hosts {
		if err := h.remember(); err != nil {
			return s, fmt.Errorf("host %s: %w", h.Name, err)
		}
	}
	return s, nil
}

// Host finds a host or a Pod.
func (s *Testbed) Host(name string) *Host {
	i := slices.IndexFunc(s.Hosts, func(h *Host) bool { return h.Name == name })
	if i < 0 {
		return nil
	}
	return s.Hosts[i]
}

// Owner names the host of a MAC; the MAC itself if it is nobody's.
func (s *Testbed) Owner(mac string) string {
	if name, ok := s.macs[mac]; ok {
		return name
	}
	return mac
}

// Close takes the testbed down.
func (s *Testbed) Close() error {
	var errs []error
	for _, h := range slices.Backward(s.Hosts) {
		errs = append(errs, h.close())
	}
	for _, w := range s.wires {
		w.close()
	}
	return errors.Join(errs...)
}

func (s *Testbed) addBridge(wire *space, name string) error {
	bridge := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: name}}
	if err := wire.links.LinkAdd(bridge); err != nil {
		return fmt.Errorf("add bridge: %w", err)
	}
	return up(wire.links, name)
}

func (s *Testbed) addHost(h lab.Host, number int, dir string) error {
	host, err := s.newHost(h.Name, dir)
	if err != nil {
		return err
	}
	host.Address = h.Address()
	return s.wire(host, h, number)
}

// wire gives a host that has nothing its loopback, cards, routes and settings.
func (s *Testbed) wire(host *Host, h lab.Host, number int) error {
	if err := host.calm(); err != nil {
		return err
	}
	for i, c := range h.Cards {
		if err := s.plug(host, c, i, number); err != nil {
			return fmt.Errorf("card eth%d: %w", i, err)
		}
	}
	if h.Pods.IsValid() {
		if err := host.addPodBridge(h.Pods); err != nil {
			return err
		}
	}
	if h.Gateway.IsValid() {
		route := netlink.Route{Gw: h.Gateway.AsSlice()}
		if err := host.links.RouteAdd(&route); err != nil {
			return fmt.Errorf("default route via %s: %w", h.Gateway, err)
		}
	}
	return s.set(host)
}

// newHost makes a namespace with its root folder.
func (s *Testbed) newHost(name, dir string) (*Host, error) {
	sp, err := newSpace()
	if err != nil {
		return nil, err
	}
	h := &Host{Name: name, Root: filepath.Join(dir, name), space: sp}
	s.Hosts = append(s.Hosts, h)
	if err := h.Do(func() error { return MakeRoot(h.Root) }); err != nil {
		return nil, err
	}
	return h, nil
}

// calm sets the loopback up and settles what would make a run wait or differ: no IPv6 unless a scenario
// turns it on, no rate limit on ICMP errors.
func (h *Host) calm() error {
	if err := up(h.links, "lo"); err != nil {
		return err
	}
	return h.Do(quiet)
}

func quiet() error {
	for _, s := range []lab.Sysctl{
		{Name: "net.ipv6.conf.all.disable_ipv6", Value: "1"},
		{Name: "net.ipv6.conf.default.disable_ipv6", Value: "1"},
		{Name: "net.ipv4.icmp_ratelimit", Value: "0"},
	} {
		if err := setSysctl(s); err != nil && !errors.Is(err, unix.ENOENT) {
			return err
		}
	}
	return nil
}

// plug gives a host a card: one end of a pair whose other end is in the
// segment's bridge.
func (s *Testbed) plug(h *Host, c lab.Card, card, number int) error {
	segment := slices.IndexFunc(s.topology.Segments, func(x lab.Segment) bool { return x.Name == c.Segment })
	name := fmt.Sprintf("eth%d", card)
	// The address tells the segment and the host, so that dumps can be read.
	mac := net.HardwareAddr{0x02, 0, 0, byte(segment + 1), byte(card), byte(number)}
	s.macs[mac.String()] = h.Name
	wire := s.wires[segment]
	if err := pair(wire, portName(h.Name, card), c.Segment, h.space, name, mac); err != nil {
		return err
	}
	for _, a := range append([]netip.Prefix{c.Address}, c.Also...) {
		if a.IsValid() {
			if err := h.addAddress(name, a); err != nil {
				return err
			}
		}
	}
	return nil
}

// portName is the name of a card's other end. It has 15 bytes at most (linux
// IFNAMSIZ): a scenario's names are short enough.
func portName(host string, card int) string { return fmt.Sprintf("%s-%d", host, card) }

// pair joins a bridge of one namespace and a new card of another.
func pair(wire *space, port, bridge string, to *space, card string, mac net.HardwareAddr) error {
	master, err := wire.links.LinkByName(bridge)
	if err != nil {
		return fmt.Errorf("find bridge %s: %w", bridge, err)
	}
	veth := &netlink.Veth{
		LinkAttrs: netlink.LinkAttrs{Name: port, MasterIndex: master.Attrs().Index, Flags: net.FlagUp},
		PeerName:  card, PeerHardwareAddr: mac, PeerNamespace: netlink.NsFd(to.ns),
	}
	if err := wire.links.LinkAdd(veth); err != nil {
		return fmt.Errorf("add %s: %w", card, err)
	}
	return up(to.links, card)
}

func up(handle *netlink.Handle, name string) error {
	link, err := handle.LinkByName(name)
	if err != nil {
		return fmt.Errorf("find %s: %w", name, err)
	}
	if err := handle.LinkSetUp(link); err != nil {
		return fmt.Errorf("set %s up: %w", name, err)
	}
	return nil
}

// podBridge is the device that carries a host's range of Pods.
const podBridge = "pods"

func (h *Host) addPodBridge(pods netip.Prefix) error {
	bridge := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: podBridge, HardwareAddr: net.HardwareAddr{0x02, 0, 0, 0xff, 0, 1}}}
	if err := h.links.LinkAdd(bridge); err != nil {
		return fmt.Errorf("add bridge %s: %w", podBridge, err)
	}
	if err := up(h.links, podBridge); err != nil {
		return err
	}
	first := netip.PrefixFrom(pods.Masked().Addr().Next(), pods.Bits())
	if err := h.addAddress(podBridge, first); err != nil {
		return err
	}
	return h.Do(func() error { return setSysctl(lab.Sysctl{Name: "net.ipv4.ip_forward", Value: "1"}) })
}

func (s *Testbed) addPod(p lab.Pod, number int, dir string) error {
	host, err := s.newHost(p.Name, dir)
	if err != nil {
		return err
	}
	host.Address, host.Pod = p.Address, true
	if err := host.calm(); err != nil {
		return err
	}
	if err := s.plugPod(host, p, number); err != nil {
		return err
	}
	return s.set(host)
}

// plugPod gives a Pod its card, address and default route.
func (s *Testbed) plugPod(host *Host, p lab.Pod, number int) error {
	on := s.Host(p.Host)
	mac := net.HardwareAddr{0x02, 0, 0, 0xfe, 0, byte(number)}
	s.macs[mac.String()] = p.Name
	if err := pair(on.space, "pod-"+p.Name, podBridge, host.space, "eth0", mac); err != nil {
		return err
	}
	of, _ := s.topology.Host(p.Host)
	if err := host.addAddress("eth0", netip.PrefixFrom(p.Address, of.Pods.Bits())); err != nil {
		return err
	}
	route := netlink.Route{Gw: of.Pods.Masked().Addr().Next().AsSlice()}
	if err := host.links.RouteAdd(&route); err != nil {
		return fmt.Errorf("default route: %w", err)
	}
	return nil
}

// set applies the topology's settings to a host; those of a Pod's host are not
// its own.
func (s *Testbed) set(h *Host) error {
	return h.Do(func() error {
		for _, x := range s.topology.Sysctls {
			if x.Host != h.Name && (x.Host != "" || h.Pod) {
				continue
			}
			if err := setSysctl(x); err != nil {
				return err
			}
		}
		return nil
	})
}

func setSysctl(s lab.Sysctl) error {
	path := "/proc/sys/" + strings.ReplaceAll(s.Name, ".", "/")
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("set %s: %w", s.Name, err)
	}
	defer unix.Close(fd)
	if _, err := unix.Write(fd, []byte(s.Value)); err != nil {
		return fmt.Errorf("set %s=%s: %w", s.Name, s.Value, err)
	}
	return nil
}
