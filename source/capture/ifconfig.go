// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"whohas/dataplane"
)

// parseIfconfig reads both forms of net-tools' ifconfig (lib/interface.c
// ife_print_long, since 2.0 and before):
//
//	w0: flags=4163<UP,BROADCAST,RUNNING,MULTICAST>  mtu 1500
//	        inet 192.168.10.115  netmask 255.255.255.0  broadcast 192.168.10.255
//
//	w0        Link encap:Ethernet  HWaddr 02:00:00:00:00:01
//	          inet addr:192.168.10.115  Bcast:192.168.10.255  Mask:255.255.255.0
//	          UP BROADCAST RUNNING MULTICAST  MTU:1500  Metric:1
//
// It shows one IPv4 address of a device, so that a section is never complete by it.
func (b *output) parseIfconfig() {
	r := &ifconfigReader{b: b}
	for i, line := range b.lines {
		f := strings.Fields(line)
		if len(f) > 0 && !r.line(f, line[0] == ' ' || line[0] == '\t') {
			b.complain(i)
		}
	}
}

type ifconfigReader struct {
	b    *output
	name string
	at   int // of the device in facts.devices, plus one; 0: an alias, whose device has its own lines
}

func (r *ifconfigReader) line(f []string, indented bool) bool {
	if !indented {
		return r.head(f)
	}
	switch {
	case r.name == "":
		return false
	case f[0] == "inet" || f[0] == "inet6":
		return r.address(f)
	case f[0] == "ether" && len(f) > 1:
		r.device(func(d *device) { d.MAC = macOf(f[1]) })
		return true
	case strings.HasPrefix(f[len(f)-1], "Metric:"):
		r.device(func(d *device) { d.state(f) })
		return true
	}
	return slices.Contains([]string{"RX", "TX", "loop", "unspec", "tunnel", "device", "collisions:0", "sit", "ppp", "infiniband"}, f[0]) ||
		strings.HasPrefix(f[0], "collisions:") || strings.HasPrefix(f[0], "Interrupt:") || strings.HasPrefix(f[0], "Memory:")
}

func (r *ifconfigReader) device(change func(*device)) {
	if r.at > 0 {
		change(&r.b.facts.devices[r.at-1])
	}
}

func (r *ifconfigReader) head(f []string) bool {
	r.name, r.at = "", 0
	name := strings.TrimSuffix(f[0], ":")
	modern := len(f) > 1 && strings.HasPrefix(f[1], "flags=") && strings.HasSuffix(f[0], ":")
	old := len(f) > 2 && f[1] == "Link" && strings.HasPrefix(f[2], "encap:")
	if !modern && !old {
		return false
	}
	base, _, alias := strings.Cut(name, ":")
	if base == "" { // no kernel has a device without a name (linux net/core/dev.c dev_valid_name)
		return false
	}
	r.name, r.b.facts.any = base, true
	if alias {
		return true
	}
	d := device{Link: dataplane.Link{Name: base}}
	if modern {
		_, flags, _ := strings.Cut(f[1], "<")
		d.state(append(strings.Split(strings.TrimSuffix(flags, ">"), ","), "MTU:"+word(f, "mtu")))
	} else {
		d.MAC = macOf(word(f, "HWaddr"))
	}
	r.b.facts.devices = append(r.b.facts.devices, d)
	r.at = len(r.b.facts.devices)
	return true
}

// state reads flags and MTU. RUNNING is what ifconfig has for the carrier.
func (d *device) state(f []string) {
	d.Up = slices.Contains(f, "UP")
	d.Carrier = slices.Contains(f, "RUNNING")
	d.NoARP = slices.Contains(f, "NOARP")
	for _, w := range f {
		if mtu, ok := strings.CutPrefix(w, "MTU:"); ok {
			d.MTU, _ = strconv.Atoi(mtu)
		}
	}
}

// address reads all forms of an address. Of IPv4 no scope is shown; it is taken as
// the kernel sets it for ifconfig: host for loopback, else global (linux
// net/ipv4/devinet.c inet_set_ifa).
func (r *ifconfigReader) address(f []string) bool {
	a := dataplane.Address{Link: r.name}
	var ok bool
	switch f[0] {
	case "inet6":
		a.Prefix, ok = ifconfigPrefix6(f)
		a.Scope = ifconfigScope(f[len(f)-1])
		ok = ok && a.Scope != ""
	default:
		a.Prefix, ok = ifconfigPrefix4(f)
		a.Scope = "global"
		if a.Prefix.Addr().IsLoopback() {
			a.Scope = "host"
		}
		for i, w := range f {
			if peer, old := strings.CutPrefix(w, "P-t-P:"); old {
				a.Peer = pointOf(peer)
			} else if w == "destination" && i+1 < len(f) {
				a.Peer = pointOf(f[i+1])
			}
		}
	}
	if ok {
		r.b.facts.addresses = append(r.b.facts.addresses, a)
	}
	return ok
}

func ifconfigPrefix4(f []string) (netip.Prefix, bool) {
	text, mask := word(f, "inet"), word(f, "netmask")
	if old, ok := strings.CutPrefix(text, "addr:"); ok {
		text = old
		for _, w := range f {
			if m, ok := strings.CutPrefix(w, "Mask:"); ok {
				mask = m
			}
		}
	}
	a, ok := addrOf(text)
	m, fine := addrOf(mask)
	if !ok || !fine || !a.Is4() || !m.Is4() {
		return netip.Prefix{}, false
	}
	bits := 0
	for _, octet := range m.As4() {
		for bit := 7; bit >= 0 && octet>>bit&1 == 1; bit-- {
			bits++
		}
	}
	p := netip.PrefixFrom(a, bits)
	return p, maskOf(bits) == m
}

// maskOf is the mask of a length: one with holes is none.
func maskOf(bits int) netip.Addr {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{255, 255, 255, 255}), bits).Masked().Addr()
}

func ifconfigPrefix6(f []string) (netip.Prefix, bool) {
	if len(f) > 2 && f[1] == "addr:" { // before 2.0: inet6 addr: fe80::1/64 Scope:Link
		p, err := netip.ParsePrefix(f[2])
		return p, err == nil
	}
	p, err := netip.ParsePrefix(word(f, "inet6") + "/" + word(f, "prefixlen"))
	return p, err == nil && p.Addr().Is6()
}

// ifconfigScope reads 0x20<link> and Scope:Link.
func ifconfigScope(text string) string {
	text = strings.ToLower(strings.TrimPrefix(text, "Scope:"))
	if _, inner, ok := strings.Cut(text, "<"); ok {
		text = strings.TrimSuffix(inner, ">")
	}
	switch text {
	case "global", "link", "host", "site":
		return text
	case "compat":
		return "global"
	}
	return ""
}
