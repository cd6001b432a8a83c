// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"whohas/dataplane"
)

// The flags of a service (linux include/uapi/linux/ip_vs.h).
const (
	ipvsPersistent = 0x01
	ipvsOnePacket  = 0x04
	ipvsSched1     = 0x08
	ipvsSched2     = 0x10
	ipvsSched3     = 0x20
)

// defaultPersistence is what -p means without a number (ipvsadm(8)).
const defaultPersistence = 360

// parseIPVS reads the list of ipvsadm -Ln and the commands of ipvsadm -Sn (ipvsadm
// v1.31 ipvsadm.c print_service_entry):
//
//	TCP  10.254.0.1:443 rr persistent 10800
//	  -> 172.16.16.81:6443            Masq    1      0          0
//
//	-A -t 10.254.0.1:443 -s rr -p 10800
//	-a -t 10.254.0.1:443 -r 172.16.16.81:6443 -m -w 1
//
// Names in the place of addresses, and addresses that somebody has masked, are not
// understood: the service is there all the same if its own address is.
func (b *output) parseIPVS() {
	r := &ipvsReader{b: b, at: map[serviceKey]int{}}
	for i, line := range b.lines {
		f := strings.Fields(line)
		if len(f) > 0 && !r.line(f) {
			b.complain(i)
		}
	}
}

type ipvsReader struct {
	b      *output
	at     map[serviceKey]int // in facts.servers
	open   bool               // the service whose lines come was understood
	header bool
}

// serviceKey is what tells two services apart.
type serviceKey struct {
	proto string
	ip    netip.Addr
	port  uint16
	mark  uint32
	six   bool
}

func (r *ipvsReader) line(f []string) bool {
	switch f[0] {
	case "IP", "Prot", "->":
		if f[0] == "IP" && strings.Join(f[:min(len(f), 3)], " ") == "IP Virtual Server" || f[0] == "Prot" || len(f) > 1 && strings.HasPrefix(f[1], "RemoteAddress:") {
			r.header, r.b.facts.any = true, true
			return true
		}
		return r.open && r.destination(f[1:])
	case "TCP", "UDP", "SCTP", "FWM":
		r.open = r.service(f)
		return r.open
	case "-A", "-a":
		return r.saved(f)
	}
	return false
}

// service reads a line of the list.
func (r *ipvsReader) service(f []string) bool {
	if len(f) < 3 {
		return false
	}
	k := serviceKey{proto: f[0]}
	rest := f[2:]
	if f[0] == "FWM" {
		mark, err := strconv.ParseUint(f[1], 10, 32)
		k = serviceKey{mark: uint32(mark), six: rest[0] == "IPv6"}
		if err != nil || mark == 0 {
			return false
		}
		if k.six {
			rest = rest[1:]
		}
	} else {
		at, ok := endpoint(f[1])
		if !ok {
			return false
		}
		k.ip, k.port = at.Addr(), at.Port()
	}
	if len(rest) == 0 || !isKind(rest[0]) {
		return false
	}
	s := k.server()
	s.Scheduler = rest[0]
	return listFlags(&s, rest[1:]) && r.add(k, s)
}

func (k serviceKey) server() dataplane.VirtualServer {
	return dataplane.VirtualServer{Proto: k.proto, IP: k.ip, Port: k.port, Mark: k.mark}
}

func (r *ipvsReader) add(k serviceKey, s dataplane.VirtualServer) bool {
	if _, twice := r.at[k]; twice {
		return false
	}
	r.at[k] = len(r.b.facts.servers)
	r.b.facts.servers = append(r.b.facts.servers, s)
	r.b.facts.any = true
	return true
}

// endpoint reads 10.0.0.1:80 and [2001:db8::1]:80.
func endpoint(text string) (netip.AddrPort, bool) {
	at, err := netip.ParseAddrPort(text)
	if err != nil {
		return netip.AddrPort{}, false
	}
	return netip.AddrPortFrom(at.Addr().Unmap(), at.Port()), true
}

// listFlags reads what stands behind the scheduler.
func listFlags(s *dataplane.VirtualServer, f []string) bool {
	for len(f) > 0 {
		n := 1
		switch {
		case f[0] == "ops":
			s.Flags |= ipvsOnePacket
		case strings.HasPrefix(f[0], "("):
			if !schedulerFlags(s, strings.Trim(f[0], "()")) {
				return false
			}
		case len(f) < 2:
			return false
		case f[0] == "persistent":
			if !persist(s, f[1]) {
				return false
			}
			n = 2
		case f[0] == "mask" || f[0] == "pe":
			n = 2
		default:
			return schedulerFlags(s, f[0])
		}
		f = f[n:]
	}
	return true
}

func persist(s *dataplane.VirtualServer, text string) bool {
	seconds, err := strconv.ParseUint(text, 10, 32)
	s.Flags |= ipvsPersistent
	s.Persistent = uint32(seconds)
	return err == nil
}

func schedulerFlags(s *dataplane.VirtualServer, text string) bool {
	for _, name := range strings.Split(text, ",") {
		bit, ok := map[string]uint32{"flag-1": ipvsSched1, "flag-2": ipvsSched2, "flag-3": ipvsSched3,
			"sh-fallback": ipvsSched1, "sh-port": ipvsSched2, "mh-fallback": ipvsSched1, "mh-port": ipvsSched2}[name]
		if !ok {
			return false
		}
		s.Flags |= bit
	}
	return true
}

// destination reads "172.16.16.81:6443 Masq 1 0 0", where for a tunnel its form
// may stand before the weight.
func (r *ipvsReader) destination(f []string) bool {
	if len(f) < 3 {
		return false
	}
	at, ok := endpoint(f[0])
	forward := forwardOf(f[1])
	weight := f[2]
	if !isWeight(weight) && len(f) > 3 {
		weight = f[3]
	}
	n, err := strconv.Atoi(weight)
	if !ok || forward == "" || err != nil {
		return false
	}
	last := &r.b.facts.servers[len(r.b.facts.servers)-1]
	last.Servers = append(last.Servers, dataplane.RealServer{IP: at.Addr(), Port: at.Port(), Forward: forward, Weight: n})
	return true
}

func isWeight(text string) bool { return isNumber(strings.TrimPrefix(text, "-")) }

func forwardOf(word string) string {
	switch word {
	case "Masq", "-m":
		return "masq"
	case "Local":
		return "local"
	case "Tunnel", "-i":
		return "tunnel"
	case "Route", "-g":
		return "route"
	case "Bypass":
		return "bypass"
	}
	return ""
}

// saved reads a command of ipvsadm -S.
func (r *ipvsReader) saved(f []string) bool {
	k, ok := savedKey(f)
	if !ok {
		return false
	}
	if f[0] == "-A" {
		s := k.server()
		s.Scheduler = word(f, "-s")
		return s.Scheduler != "" && savedFlags(&s, f) && r.add(k, s)
	}
	i, ok := r.at[k]
	to, fine := endpoint(word(f, "-r"))
	weight, err := strconv.Atoi(word(f, "-w"))
	forward := ""
	for _, w := range f[3:] {
		if forward == "" && strings.HasPrefix(w, "-") {
			forward = forwardOf(w)
		}
	}
	if !ok || !fine || err != nil || forward == "" {
		return false
	}
	s := &r.b.facts.servers[i]
	s.Servers = append(s.Servers, dataplane.RealServer{IP: to.Addr(), Port: to.Port(), Forward: forward, Weight: weight})
	return true
}

func savedKey(f []string) (serviceKey, bool) {
	if len(f) < 4 {
		return serviceKey{}, false
	}
	if f[1] == "-f" {
		mark, err := strconv.ParseUint(f[2], 10, 32)
		return serviceKey{mark: uint32(mark), six: slices.Contains(f, "-6")}, err == nil && mark != 0
	}
	proto, ok := map[string]string{"-t": "TCP", "-u": "UDP", "--sctp-service": "SCTP"}[f[1]]
	at, fine := endpoint(f[2])
	return serviceKey{proto: proto, ip: at.Addr(), port: at.Port()}, ok && fine
}

func savedFlags(s *dataplane.VirtualServer, f []string) bool {
	if slices.Contains(f, "-o") || slices.Contains(f, "--ops") || slices.Contains(f, "ops") {
		s.Flags |= ipvsOnePacket
	}
	if i := slices.Index(f, "-p"); i >= 0 {
		seconds := strconv.Itoa(defaultPersistence)
		if i+1 < len(f) && isNumber(f[i+1]) {
			seconds = f[i+1]
		}
		if !persist(s, seconds) {
			return false
		}
	}
	if names := word(f, "-b"); names != "" {
		return schedulerFlags(s, names)
	}
	return true
}
