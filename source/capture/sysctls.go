// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"whohas/dataplane"
)

// parseSysctl reads "net.ipv4.conf.eth0/5.rp_filter = 0": a slash stands for a dot
// in a device's name (sysctl(8)). Only the settings that decide about addresses are
// kept; every other is none of ours.
func (b *output) parseSysctl(f []string) bool {
	key := strings.ReplaceAll(f[0], "/", ".")
	if strings.HasPrefix(f[0], "sysctl:") { // sysctl: permission denied on key ...
		return true
	}
	if len(f) < 2 || f[1] != "=" || !strings.Contains(key, ".") {
		return false
	}
	b.facts.any = b.facts.any || strings.HasPrefix(key, "net.")
	if !isSetting(key) {
		return true
	}
	if len(f) != 3 {
		return false
	}
	if b.facts.sysctls == nil {
		b.facts.sysctls = map[string]string{}
	}
	b.facts.sysctls[key] = f[2]
	return true
}

// conf4 and conf6 are the settings of a device, single those of a namespace.
func conf4() []string {
	return []string{"accept_local", "arp_announce", "arp_filter", "arp_ignore", "forwarding", "log_martians", "proxy_arp", "route_localnet", "rp_filter", "src_valid_mark"}
}

func conf6() []string { return []string{"disable_ipv6", "forwarding"} }

func single() []string {
	return []string{"net.ipv4.ip_forward", "net.ipv4.vs.conntrack", "net.ipv4.vs.conn_reuse_mode", "net.ipv4.vs.expire_nodest_conn", "net.ipv4.vs.expire_quiescent_template",
		"net.bridge.bridge-nf-call-arptables", "net.bridge.bridge-nf-call-ip6tables", "net.bridge.bridge-nf-call-iptables"}
}

func isSetting(key string) bool {
	for prefix, names := range map[string][]string{"net.ipv4.conf.": conf4(), "net.ipv6.conf.": conf6()} {
		if rest, ok := strings.CutPrefix(key, prefix); ok {
			at := strings.LastIndexByte(rest, '.')
			return at > 0 && slices.Contains(names, rest[at+1:])
		}
	}
	return slices.Contains(single(), key)
}

// parseSockets reads ss -lntup (iproute2 v6.1 misc/ss.c); without -t or -u the
// first column is the protocol.
func (b *output) parseSockets() {
	named := b.command.tcp && b.command.udp || b.source == fromShape
	old := strings.Contains(strings.Join(b.lines, "\n"), " :::") // before iproute2 4.15 "*" was IPv4's
	for i, line := range b.lines {
		f := strings.Fields(line)
		switch {
		case len(f) == 0:
		case f[0] == "Netid" || f[0] == "State" && len(f) > 2 && f[1] == "Recv-Q":
			named = f[0] == "Netid"
			b.facts.any = true
		case !named && b.socket(append([]string{b.onlyProto()}, f...), old):
		case named && b.socket(f, old):
		default:
			b.complain(i)
		}
	}
}

func (b *output) onlyProto() string {
	if b.command.udp && !b.command.tcp {
		return "udp"
	}
	if b.command.tcp && !b.command.udp {
		return "tcp"
	}
	return ""
}

// socket reads "tcp LISTEN 0 4096 127.0.0.1:6443 0.0.0.0:* users:((...))".
func (b *output) socket(f []string, old bool) bool {
	if len(f) < 6 {
		return false
	}
	proto, ok := map[string]string{"tcp": "TCP", "udp": "UDP"}[f[0]]
	if !ok {
		return slices.Contains([]string{"nl", "u_str", "u_dgr", "u_seq", "p_raw", "p_dgr", "icmp6", "raw", "v_str", "???", "mptcp", "sctp", "dccp", "ti_rd", "xdp"}, f[0])
	}
	b.facts.any = true
	if (proto == "TCP") != (f[1] == "LISTEN") || proto == "UDP" && f[1] != "UNCONN" || !strings.HasSuffix(f[5], ":*") {
		return true // waits for nobody
	}
	ip, port, device, ok := localOf(f[4], old)
	if !ok {
		return false
	}
	l := dataplane.Listener{Proto: proto, IP: ip, Port: port, Device: device}
	if at := slices.IndexFunc(f, func(w string) bool { return strings.HasPrefix(w, "users:") }); at > 0 {
		l.Process, l.PID = firstOwner(strings.Join(f[at:], " "))
	}
	b.facts.listeners = append(b.facts.listeners, l)
	return true
}

// localOf reads where a socket listens: "*:10250", "[::]:22", "127.0.0.53%lo:53".
// "*" is every address of both families, which the kernel keeps as IPv6's.
func localOf(text string, old bool) (ip netip.Addr, port uint16, device string, ok bool) {
	at := strings.LastIndexByte(text, ':')
	if at < 0 {
		return ip, 0, "", false
	}
	n, err := strconv.ParseUint(text[at+1:], 10, 16)
	host, device, _ := strings.Cut(text[:at], "%")
	host = strings.Trim(host, "[]")
	switch {
	case err != nil || n == 0:
		return ip, 0, "", false
	case host == "*" && old:
		return netip.IPv4Unspecified(), uint16(n), device, true
	case host == "*":
		return netip.IPv6Unspecified(), uint16(n), device, true
	}
	ip, ok = addrOf(host)
	return ip, uint16(n), strings.Trim(device, "[]"), ok
}

// firstOwner reads users:(("nginx",pid=5,fd=6),("nginx",pid=6,fd=6)): of several the
// one with the lowest number.
func firstOwner(text string) (name string, pid int) {
	for _, part := range strings.Split(text, `("`)[1:] {
		process, rest, ok := strings.Cut(part, `"`)
		_, rest, found := strings.Cut(rest, "pid=")
		digits, _, _ := strings.Cut(rest, ",")
		n, err := strconv.Atoi(digits)
		if ok && found && err == nil && (pid == 0 || n < pid) {
			name, pid = process, n
		}
	}
	return name, pid
}

// longestLocal is how much of an address netstat shows without -W, with its colon
// (net-tools v2.10 netstat.c addr_do_one): one as long may be cut.
const longestLocal = 22

// parseNetstat reads netstat -lntup: "tcp6 0 0 :::10250 :::* LISTEN 123/kubelet".
func (b *output) parseNetstat(f []string) bool {
	if f[0] == "Active" || f[0] == "Proto" {
		b.facts.any = true
		return true
	}
	proto, ok := map[string]string{"tcp": "TCP", "tcp6": "TCP", "udp": "UDP", "udp6": "UDP"}[f[0]]
	if !ok || len(f) < 5 {
		return slices.Contains([]string{"raw", "raw6", "udplite", "sctp", "unix"}, f[0])
	}
	rest := f[5:]
	if len(rest) > 0 && strings.ToUpper(rest[0]) == rest[0] && rest[0] != "-" && !isNumber(rest[0][:1]) {
		if proto == "TCP" && rest[0] != "LISTEN" || proto == "UDP" {
			return true
		}
		rest = rest[1:]
	}
	if !strings.HasSuffix(f[4], ":*") {
		return true
	}
	ip, port, device, ok := localOf(f[3], true)
	if !ok || ip.Is6() && len(f[3]) >= longestLocal {
		return false
	}
	b.facts.any = true
	l := dataplane.Listener{Proto: proto, IP: ip, Port: port, Device: device}
	if len(rest) > 0 {
		pid, name, _ := strings.Cut(rest[0], "/")
		if n, err := strconv.Atoi(pid); err == nil {
			l.PID, l.Process = n, strings.TrimSuffix(name, ":")
		}
	}
	b.facts.listeners = append(b.facts.listeners, l)
	return true
}
