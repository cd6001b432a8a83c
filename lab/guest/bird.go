// SPDX-License-Identifier: Apache-2.0

//go:build linux

package guest

import (
	"bufio"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"time"

	"github.com/vishvananda/netlink"

	"whohas/lab/testbed"
)

// holdTime is BGP's hold time where a scenario sets none; Calico's BIRD uses
// the default of BIRD, 240 s.
const holdTime = 12 * time.Second

// bird writes a configuration that gives each host a route to every other's
// Pods through IPIP, as Calico's BIRD does. The stock BIRD has no krt_tunnel;
// next hops are looked up in a table of tunnels instead.
func (c *Cluster) bird(h *testbed.Host) (string, []string, error) {
	if err := tunnelUp(h); err != nil {
		return "", nil, err
	}
	hold := c.plan.HoldTime
	if hold == 0 {
		hold = holdTime
	}
	var b strings.Builder
	fmt.Fprintf(&b, `router id %[1]s;
ipv4 table tunnels;
protocol device { scan time 2; }
protocol direct { ipv4; interface "pods"; }
protocol kernel { metric 0; scan time 2; ipv4 { import none; export where source = RTS_BGP; }; }
template bgp mesh {
  local %[1]s as 64512; multihop; source address %[1]s;
  hold time %[2]d; connect delay time 1; connect retry time 2; error wait time 1,4;
  ipv4 { import all; export where source = RTS_DEVICE; next hop self; gateway recursive; igp table tunnels; };
}
`, h.Address, int(hold.Seconds()))
	var tunnels strings.Builder
	for _, name := range c.plan.Nodes {
		if name == h.Name {
			continue
		}
		peer := c.testbed.Host(name).Address
		fmt.Fprintf(&tunnels, "  route %s/32 via %s%%tunl0 onlink;\n", peer, peer)
		fmt.Fprintf(&b, "protocol bgp %s from mesh { neighbor %s as 64512; }\n", name, peer)
	}
	fmt.Fprintf(&b, "protocol static { ipv4 { table tunnels; };\n%s}\n", tunnels.String())
	err := write(h, "/etc/bird/bird.conf", b.String())
	return "/usr/sbin/bird", []string{"-f", "-c", "/etc/bird/bird.conf", "-s", "/run/bird.ctl", "-P", "/run/bird.pid"}, err
}

// tunnelUp gives a host its tunl0, which the module makes in every namespace,
// with the first address of its Pod range, as Calico's Felix does.
func tunnelUp(h *testbed.Host) error {
	link, err := h.Links().LinkByName("tunl0")
	if err != nil {
		return fmt.Errorf("find tunl0: %w", err)
	}
	pods, err := podsOf(h)
	if err != nil {
		return err
	}
	addr := &netlink.Addr{IPNet: netlink.NewIPNet(pods.IP)}
	if err := h.Links().AddrReplace(link, addr); err != nil {
		return fmt.Errorf("give tunl0 its address: %w", err)
	}
	if err := h.Links().LinkSetUp(link); err != nil {
		return fmt.Errorf("set tunl0 up: %w", err)
	}
	return nil
}

// meshed reports whether a host has a session with every other.
func (c *Cluster) meshed(host string) error {
	for _, name := range c.plan.Nodes {
		if name == host {
			continue
		}
		state, err := c.Session(host, c.testbed.Host(name).Address)
		if err != nil {
			return err
		}
		if state != "Established" {
			return fmt.Errorf("bgp %s to %s: %s", host, name, state)
		}
	}
	return nil
}

// Session is the state of a host's BGP session with an address, read from
// BIRD's control socket.
func (c *Cluster) Session(host string, peer netip.Addr) (string, error) {
	name := ""
	for _, n := range c.plan.Nodes {
		if c.testbed.Host(n).Address == peer {
			name = n
		}
	}
	text, err := control(filepath.Join(c.testbed.Host(host).Root, "run/bird.ctl"), "show protocols all "+name)
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(text) {
		if _, state, ok := strings.Cut(line, "BGP state:"); ok {
			return strings.TrimSpace(state), nil
		}
	}
	return "", fmt.Errorf("bird on %s says nothing of a session with %s", host, peer)
}

// control asks BIRD over its socket: a line goes in, lines come out, the last
// of which begins with a code below 1000 and a space (BIRD's nest/cli.c).
func control(socket, question string) (string, error) {
	conn, err := net.DialTimeout("unix", socket, time.Second)
	if err != nil {
		return "", fmt.Errorf("ask bird: %w", err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(2 * time.Second)); err != nil {
		return "", fmt.Errorf("ask bird: %w", err)
	}
	if _, err := fmt.Fprintln(conn, question); err != nil {
		return "", fmt.Errorf("ask bird: %w", err)
	}
	var b strings.Builder
	lines := bufio.NewScanner(conn)
	for lines.Scan() {
		line := lines.Text()
		b.WriteString(line + "\n")
		end := len(line) > 4 && line[4] == ' ' && (line[0] == '0' || line[0] == '8' || line[0] == '9')
		if end && !strings.HasPrefix(line, "0001") { // the greeting
			return b.String(), nil
		}
	}
	return "", fmt.Errorf("ask bird: the answer was cut off: %w", lines.Err())
}
