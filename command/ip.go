// SPDX-License-Identifier: Apache-2.0

package command

import (
	"net/netip"
	"strconv"
	"strings"
	"unicode"
)

// DeleteAddress takes an address off a device of this host.
func DeleteAddress(p netip.Prefix, device string) Line {
	if why := deviceFault(device); why != "" {
		return refuse("%s", why)
	}
	return Shell("ip addr del {} dev {}", p.String(), device)
}

// DeleteLocalRoute takes an address out of a routing table of this host. The device
// may be empty.
func DeleteLocalRoute(p netip.Prefix, device string, table int) Line {
	if device == "" {
		return Shell("ip route del local {} table {}", p.String(), strconv.Itoa(table))
	}
	if why := deviceFault(device); why != "" {
		return refuse("%s", why)
	}
	return Shell("ip route del local {} dev {} table {}", p.String(), device, strconv.Itoa(table))
}

// KeepOff takes an address off a device for two minutes, again and again: after a
// single deletion kube-proxy's next sync may put it back first (lab repair-once).
func KeepOff(ip netip.Addr, device string) Line {
	if why := deviceFault(device); why != "" {
		return refuse("%s", why)
	}
	return Shell("for i in $(seq 1200); do ip addr del {} dev {} 2>/dev/null; sleep 0.1; done", single(ip), device)
}

// KeepServerOff takes an IPVS virtual server away for two minutes, again and again:
// kube-proxy puts it back at each sync until it has learned that nobody claims it.
func KeepServerOff(ip netip.Addr, proto string, port uint16) Line {
	to := netip.AddrPortFrom(ip.WithZone(""), port).String()
	switch proto {
	case "TCP":
		return Shell("for i in $(seq 1200); do ipvsadm -D -t {} 2>/dev/null; sleep 0.1; done", to)
	case "UDP":
		return Shell("for i in $(seq 1200); do ipvsadm -D -u {} 2>/dev/null; sleep 0.1; done", to)
	}
	return refuse("ipvsadm has no word for %s", Show(proto))
}

// single is an address with its full length, as the kernel has it on a service device.
func single(ip netip.Addr) string { return ip.WithZone("").String() + "/" + strconv.Itoa(ip.BitLen()) }

// deviceFault says why no host has a device of that name (linux net/core/dev.c
// dev_valid_name; IFNAMSIZ is 16 with the NUL).
func deviceFault(name string) string {
	bad := name == "" || len(name) > 15 || name == "." || name == ".." ||
		strings.ContainsFunc(name, func(r rune) bool { return r == '/' || r == ':' || unicode.IsSpace(r) })
	if bad {
		return "no host has a device " + Show(name)
	}
	return fault(name)
}
