// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"whohas/dataplane"
)

// device is a Link and how much of it was told.
type device struct {
	dataplane.Link
	detailed bool // its kind is known: ip -d
}

// deviceReader follows ip addr and ip link (iproute2 v6.1 ip/ipaddress.c
// print_linkinfo, print_addrinfo).
type deviceReader struct {
	b       *output
	name    string // of the device whose lines come
	skip    bool   // its first line was not understood
	waiting bool   // for the lifetimes of the last address, which always follow
}

func (b *output) parseDevices() {
	r := &deviceReader{b: b}
	for i, line := range b.lines {
		for _, part := range strings.Split(line, `\`) { // ip -o
			f := strings.Fields(part)
			if len(f) > 0 && !r.line(f, part[0] == ' ') {
				b.complain(i)
				break
			}
		}
	}
	r.cutOff()
	b.facts.kinds = len(b.facts.devices) > 0 && !slices.ContainsFunc(b.facts.devices, func(d device) bool { return !d.detailed })
}

// cutOff is called where an address should have come to its end.
func (r *deviceReader) cutOff() {
	if r.waiting {
		r.b.cut = true
	}
	r.waiting = false
}

func (r *deviceReader) last() *device {
	if n := len(r.b.facts.devices); n > 0 && !r.skip {
		return &r.b.facts.devices[n-1]
	}
	return nil
}

func (r *deviceReader) line(f []string, indented bool) bool {
	switch {
	case !indented && strings.HasSuffix(f[0], ":") && isNumber(strings.TrimSuffix(f[0], ":")):
		r.cutOff()
		return r.head(f)
	case r.name == "":
		return false
	case f[0] == "inet" || f[0] == "inet6":
		r.cutOff()
		return r.address(f)
	case f[0] == "valid_lft":
		r.waiting = false
		return true
	case strings.HasPrefix(f[0], "link/"):
		return r.link(f)
	}
	return r.detail(f)
}

// head reads "2: w0@b0: <BROADCAST,UP> mtu 1500 ... master br0 ...", or the begin of
// ip -o addr: "2: w0    inet ...".
func (r *deviceReader) head(f []string) bool {
	r.skip = true
	index, _ := strconv.Atoi(strings.TrimSuffix(f[0], ":"))
	if len(f) < 3 {
		return false
	}
	name, parent, _ := strings.Cut(strings.TrimSuffix(f[1], ":"), "@")
	if r.name = name; name == "" { // no kernel has a device without a name
		return false
	}
	if f[2] == "inet" || f[2] == "inet6" {
		return r.address(f[2:])
	}
	if !strings.HasSuffix(f[1], ":") || !strings.HasPrefix(f[2], "<") || !strings.HasSuffix(f[2], ">") {
		return false
	}
	d := device{Link: dataplane.Link{Index: index, Name: name, Parent: parent}}
	if parent == "NONE" {
		d.Parent = ""
	}
	d.flags(strings.Split(strings.Trim(f[2], "<>"), ","))
	for i := 3; i+1 < len(f); i += 2 {
		switch f[i] {
		case "mtu":
			d.MTU, _ = strconv.Atoi(f[i+1])
		case "master":
			d.Master = f[i+1]
		}
	}
	if d.MTU == 0 {
		return false
	}
	r.skip, r.b.facts.any = false, true
	r.b.facts.devices = append(r.b.facts.devices, d)
	return true
}

func (d *device) flags(list []string) {
	d.Up = slices.Contains(list, "UP")
	d.Carrier = slices.Contains(list, "LOWER_UP")
	d.NoARP = slices.Contains(list, "NOARP")
}

// link reads "link/ether 02:00:00:00:00:01 brd ... link-netnsid 0 promiscuity 0 ...".
func (r *deviceReader) link(f []string) bool {
	d := r.last()
	if d == nil {
		return false
	}
	if len(f) > 1 {
		d.MAC = macOf(f[1])
	}
	for _, word := range f {
		switch word {
		case "link-netnsid", "link-netns": // the other end is not in this namespace
			d.Parent = ""
		case "promiscuity": // only with -d, which then shows also the kind
			d.detailed = true
		}
	}
	return true
}

// macOf is an Ethernet address; lo's is nothing, a tunnel's an IP address.
func macOf(text string) string {
	if !isMAC(text) || text == "00:00:00:00:00:00" {
		return ""
	}
	return strings.ToLower(text)
}

// detail reads what else stands below a device: with -d its kind.
func (r *deviceReader) detail(f []string) bool {
	d := r.last()
	if slices.Contains([]string{"altname", "alias", "vf", "RX:", "TX:", "RX", "TX", "prog/xdp", "xdp"}, f[0]) || isNumber(f[0]) {
		return true
	}
	switch {
	case d == nil || !d.detailed:
		return false
	case strings.HasSuffix(f[0], "_slave") || d.Kind != "":
		return d.Kind != "" || isKind(f[0])
	case !isKind(f[0]):
		return false
	}
	d.Kind = kindOf(f[0])
	for i := 1; i+1 < len(f); i++ {
		d.property(f[i], f[i+1])
	}
	return true
}

// isKind reports whether a word may name a kind of device.
func isKind(word string) bool {
	for _, r := range word {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '_' && r != '-' {
			return false
		}
	}
	return word != ""
}

// kindOf is a kind in the words of source/host, whose library calls a tun or tap
// device tuntap.
func kindOf(kind string) string {
	if kind == "tun" {
		return "tuntap"
	}
	return kind
}

func (d *device) property(key, value string) {
	tunnel := slices.Contains([]string{"vxlan", "geneve", "ipip", "ip6tnl", "sit", "gre", "gretap", "ip6gre", "ip6gretap", "vti", "vti6"}, d.Kind)
	virtual := d.Kind == "vxlan" || d.Kind == "geneve"
	switch {
	case !tunnel:
	case key == "local" && !d.Local.IsValid():
		d.Local = pointOf(value)
	case (key == "remote" || key == "group") && !d.Remote.IsValid():
		d.Remote = pointOf(value)
	case key == "id" && virtual && d.VNI == 0:
		d.VNI, _ = strconv.Atoi(value)
	case (key == "dev" || key == "link") && d.Kind == "vxlan" && d.Parent == "":
		d.Parent = value
	}
}

// address reads "inet 10.9.0.1 peer 10.9.0.2/24 brd ... scope global secondary w0".
func (r *deviceReader) address(f []string) bool {
	if len(f) < 2 {
		return false
	}
	prefix, peer, ok := prefixOf(f[1], word(f, "peer"))
	if !ok || prefix.Addr().Is4() != (f[0] == "inet") {
		return false
	}
	a := dataplane.Address{Link: r.name, Prefix: prefix, Peer: peer, Scope: word(f, "scope")}
	if a.Scope == "" {
		return false
	}
	// Of IPv6 ip writes another word where the same bit is set: temporary.
	a.Secondary = slices.Contains(f, "secondary") && prefix.Addr().Is4()
	a.Failed = slices.Contains(f, "dadfailed")
	a.Tentative = slices.Contains(f, "tentative")
	a.Dynamic = slices.Contains(f, "dynamic")
	r.b.facts.any, r.waiting = true, true
	r.b.facts.addresses = append(r.b.facts.addresses, a)
	return true
}

// word is the one behind a key, or empty.
func word(f []string, key string) string {
	if i := slices.Index(f, key); i >= 0 && i+1 < len(f) {
		return f[i+1]
	}
	return ""
}

// prefixOf reads an address with its length; where there is a peer, the length is
// the peer's.
func prefixOf(text, peer string) (netip.Prefix, netip.Addr, bool) {
	if peer == "" {
		if !strings.Contains(text, "/") { // ip leaves out the longest
			a, ok := addrOf(text)
			return netip.PrefixFrom(a, a.BitLen()), netip.Addr{}, ok
		}
		p, err := netip.ParsePrefix(text)
		return p, netip.Addr{}, err == nil
	}
	own, ok := addrOf(text)
	other, _, fine := prefixOf(peer, "")
	if !ok || !fine || own.Is4() != other.Addr().Is4() {
		return netip.Prefix{}, netip.Addr{}, false
	}
	return netip.PrefixFrom(own, other.Bits()), other.Addr(), true
}
