// SPDX-License-Identifier: Apache-2.0

package host

import (
	"bufio"
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"whohas/dataplane"
	"whohas/source/file"
)

// listing is the real servers of all services, as the kernel shows them in one text:
// over netlink each service is a question of its own, and a node may have ten thousand.
type listing map[serviceName][]dataplane.RealServer

// serviceName is what that text has of a service.
type serviceName struct {
	proto string
	ip    netip.Addr
	port  uint16
	mark  uint32
}

// readListing reads /proc/net/ip_vs (linux net/netfilter/ipvs/ip_vs_ctl.c
// ip_vs_info_seq_show). A service that is in it twice, as those by mark are that are of
// both families, is left out, as is one with a line that is not understood.
func readListing(ctx context.Context, proc string) (listing, error) {
	f, err := file.Open(filepath.Join(netDir(proc), "ip_vs"))
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return parseListing(ctx, f)
}

func parseListing(ctx context.Context, r io.Reader) (listing, error) {
	out := listing{}
	unclear := map[serviceName]bool{}
	var name serviceName
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		words := strings.Fields(lines.Text())
		switch {
		case len(words) < 2:
		case words[0] == "->":
			server, ok := listedServer(words[1:])
			unclear[name] = unclear[name] || !ok
			out[name] = append(out[name], server)
		default:
			var ok bool
			name, ok = listedService(words)
			_, twice := out[name]
			unclear[name] = unclear[name] || twice || !ok
			out[name] = nil
		}
	}
	for name, servers := range out {
		slices.SortFunc(servers, compareRealServers)
		if unclear[name] {
			delete(out, name)
		}
	}
	return out, lines.Err()
}

// listedService reads "TCP  C0A80A72:0050 rr", "UDP  [2001:0db8:…]:0035 mh" or
// "FWM  00000007 wlc".
func listedService(words []string) (serviceName, bool) {
	if words[0] == "FWM" {
		mark, err := strconv.ParseUint(words[1], 16, 32)
		return serviceName{mark: uint32(mark)}, err == nil
	}
	at, err := listedAddress(words[1])
	return serviceName{proto: words[0], ip: at.Addr(), port: at.Port()}, err == nil
}

// listedServer reads "0A000005:1F90 Masq 1 0 0".
func listedServer(words []string) (dataplane.RealServer, bool) {
	if len(words) < 3 {
		return dataplane.RealServer{}, false
	}
	at, err := listedAddress(words[0])
	weight, notNumber := strconv.Atoi(words[2])
	forward := map[string]string{"Masq": "masq", "Local": "local", "Tunnel": "tunnel", "Route": "route"}[words[1]]
	return dataplane.RealServer{IP: at.Addr(), Port: at.Port(), Forward: forward, Weight: weight}, err == nil && notNumber == nil && forward != ""
}

// listedAddress reads an address and its port, both in hexadecimal, IPv6 in brackets.
func listedAddress(word string) (netip.AddrPort, error) {
	i := strings.LastIndexByte(word, ':')
	if i < 0 {
		return netip.AddrPort{}, fmt.Errorf("no port in %q", word)
	}
	port, err := strconv.ParseUint(word[i+1:], 16, 16)
	if err != nil {
		return netip.AddrPort{}, err
	}
	ip, err := listedIP(word[:i])
	return netip.AddrPortFrom(ip.Unmap(), uint16(port)), err
}

func listedIP(word string) (netip.Addr, error) {
	if inner, ok := strings.CutPrefix(word, "["); ok {
		return netip.ParseAddr(strings.TrimSuffix(inner, "]"))
	}
	raw, err := hex.DecodeString(word)
	if err == nil && len(raw) != 4 {
		err = errors.New("not four bytes")
	}
	ip, _ := netip.AddrFromSlice(raw)
	return ip, err
}

func compareRealServers(a, b dataplane.RealServer) int {
	return cmp.Or(a.IP.Compare(b.IP), cmp.Compare(a.Port, b.Port), strings.Compare(a.Forward, b.Forward), a.Weight-b.Weight)
}

// of is what the text has of a service.
func (l listing) of(s virtual) ([]dataplane.RealServer, bool) {
	servers, ok := l[serviceName{proto: s.Proto, ip: s.IP, port: s.Port, mark: s.Mark}]
	return servers, ok
}
