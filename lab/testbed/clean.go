// SPDX-License-Identifier: Apache-2.0

//go:build linux

package testbed

import (
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"whohas/lab"
)

// state is what a host's kernel held when it had just been built, as far as
// components and steps change it.
type state struct {
	links   []string
	addrs   map[string][]netlink.Addr
	routes  []netlink.Route
	rules   []netlink.Rule
	sysctls []lab.Sysctl
}

// changed are the settings that kube-proxy and scenarios touch (kubernetes
// pkg/proxy/ipvs/proxier.go NewProxier, both eras).
var changed = []string{
	"net.ipv4.ip_forward", "net.ipv4.conf.all.route_localnet", "net.ipv4.conf.all.arp_ignore", "net.ipv4.conf.all.arp_announce",
	"net.ipv4.conf.all.rp_filter", "net.ipv4.conf.all.log_martians", "net.ipv4.conf.all.accept_local",
	"net.ipv4.conf.eth0.arp_ignore", "net.ipv4.conf.eth0.arp_announce", "net.ipv4.conf.eth0.rp_filter",
	"net.ipv4.vs.conntrack", "net.ipv4.vs.conn_reuse_mode", "net.ipv4.vs.expire_nodest_conn", "net.ipv4.vs.expire_quiescent_template",
	"net.ipv4.neigh.eth0.base_reachable_time_ms", "net.ipv4.neigh.eth0.delay_first_probe_time", "net.ipv4.neigh.eth0.gc_stale_time",
}

// remember notes the state that Clean returns to.
func (h *Host) remember() error {
	st := state{addrs: map[string][]netlink.Addr{}}
	links, err := h.links.LinkList()
	if err != nil {
		return fmt.Errorf("list links: %w", err)
	}
	for _, l := range links {
		name := l.Attrs().Name
		st.links = append(st.links, name)
		if st.addrs[name], err = h.links.AddrList(l, unix.AF_INET); err != nil {
			return fmt.Errorf("list addresses of %s: %w", name, err)
		}
	}
	if st.routes, err = h.mainRoutes(); err != nil {
		return err
	}
	if st.rules, err = h.rules(); err != nil {
		return err
	}
	err = h.Do(func() error {
		for _, name := range changed {
			value, err := os.ReadFile("/proc/sys/" + strings.ReplaceAll(name, ".", "/"))
			if err == nil {
				st.sysctls = append(st.sysctls, lab.Sysctl{Name: name, Value: strings.TrimSpace(string(value))})
			}
		}
		return nil
	})
	h.fresh = st
	return err
}

func (h *Host) mainRoutes() ([]netlink.Route, error) {
	routes, err := h.links.RouteListFiltered(unix.AF_INET, &netlink.Route{Table: unix.RT_TABLE_MAIN}, netlink.RT_FILTER_TABLE)
	if err != nil {
		return nil, fmt.Errorf("list routes: %w", err)
	}
	for i := range routes { // a bridge gets its carrier later; a route with these flags is refused (linux net/ipv4/fib_semantics.c fib_create_info)
		routes[i].Flags &^= unix.RTNH_F_LINKDOWN | unix.RTNH_F_DEAD
	}
	return routes, nil
}

func (h *Host) rules() ([]netlink.Rule, error) {
	rules, err := h.links.RuleList(unix.AF_INET)
	if err != nil {
		return nil, fmt.Errorf("list rules: %w", err)
	}
	return rules, nil
}

// cleanLimit bounds the cleaning of one host.
const cleanLimit = 20 * time.Second

// Clean takes a host back to what it was when it was built. What runs on it
// stays; whatever programs its kernel must have ended.
func (h *Host) Clean(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, cleanLimit)
	defer cancel()
	for _, l := range h.listening {
		l.Close()
	}
	h.listening, h.ports = nil, nil
	if err := h.cleanTables(ctx); err != nil {
		return err
	}
	for _, step := range []func() error{h.cleanLinks, h.cleanAddresses, h.cleanRoutes, h.cleanRules, h.cleanNeighbours} {
		if err := step(); err != nil {
			return fmt.Errorf("clean %s: %w", h.Name, err)
		}
	}
	return h.Do(func() error {
		for _, s := range h.fresh.sysctls {
			if err := setSysctl(s); err != nil {
				return fmt.Errorf("clean %s: %w", h.Name, err)
			}
		}
		return nil
	})
}

// cleanTables empties netfilter, IPVS and the ipsets: one shell, because forks are dear where this matters.
func (h *Host) cleanTables(ctx context.Context) error {
	line := "nft flush ruleset"
	if Legacy() {
		lines, err := h.legacyCleaning()
		if err != nil || lines == "" {
			return err
		}
		line = lines + "ipvsadm -C; ipset destroy"
	}
	_, err := h.Shell(ctx, line)
	return err
}

// legacyCleaning empties the iptables that the host has: a host that nothing has
// used yet has none, and asking would make them.
func (h *Host) legacyCleaning() (string, error) {
	var lines strings.Builder
	err := h.Do(func() error {
		for _, name := range []string{"ip", "ip6"} {
			tables, err := os.ReadFile("/proc/thread-self/net/" + name + "_tables_names")
			if err != nil {
				return fmt.Errorf("list tables: %w", err)
			}
			if len(tables) == 0 {
				continue
			}
			var all strings.Builder
			for t := range strings.FieldsSeq(string(tables)) {
				fmt.Fprintf(&all, "*%s\\nCOMMIT\\n", t)
			}
			fmt.Fprintf(&lines, "printf '%s' | %stables-restore && ", all.String(), name)
		}
		return nil
	})
	return lines.String(), err
}

// cleanNeighbours empties the neighbour table.
func (h *Host) cleanNeighbours() error {
	list, err := h.links.NeighList(0, unix.AF_INET)
	if err != nil {
		return err
	}
	for _, n := range list {
		if n.State&unix.NUD_NOARP == 0 {
			_ = h.links.NeighDel(&n) // it may have gone by itself
		}
	}
	return nil
}

// cleanLinks removes links that were added; tunl0 and its like, which a module
// makes in every namespace and nobody can remove, are set down.
func (h *Host) cleanLinks() error {
	links, err := h.links.LinkList()
	if err != nil {
		return err
	}
	for _, l := range links {
		name := l.Attrs().Name
		if !slices.Contains(h.fresh.links, name) {
			if err := h.links.LinkDel(l); err != nil && !errors.Is(err, unix.EOPNOTSUPP) && !errors.Is(err, unix.ENODEV) {
				return fmt.Errorf("remove %s: %w", name, err)
			}
			continue
		}
		set := h.links.LinkSetUp
		if len(h.fresh.addrs[name]) == 0 && !strings.HasPrefix(name, "eth") && !strings.HasPrefix(name, "pod-") {
			set = h.links.LinkSetDown
		}
		if err := set(l); err != nil {
			return fmt.Errorf("set %s: %w", name, err)
		}
	}
	return nil
}

func (h *Host) cleanAddresses() error {
	for _, name := range h.fresh.links {
		l, err := h.links.LinkByName(name)
		if err != nil {
			return err
		}
		addrs, err := h.links.AddrList(l, unix.AF_INET)
		if err != nil {
			return err
		}
		same := func(list []netlink.Addr, a netlink.Addr) bool {
			return slices.ContainsFunc(list, func(x netlink.Addr) bool { return x.Equal(a) })
		}
		for _, a := range addrs {
			if !same(h.fresh.addrs[name], a) {
				if err := h.links.AddrDel(l, &a); err != nil {
					return fmt.Errorf("remove %s: %w", a, err)
				}
			}
		}
		for _, a := range h.fresh.addrs[name] {
			if !same(addrs, a) {
				if err := h.links.AddrAdd(l, &a); err != nil {
					return fmt.Errorf("add %s: %w", a, err)
				}
			}
		}
	}
	return nil
}

func (h *Host) cleanRoutes() error {
	now, err := h.mainRoutes()
	if err != nil {
		return err
	}
	same := func(list []netlink.Route, r netlink.Route) bool {
		return slices.ContainsFunc(list, func(x netlink.Route) bool { return x.Equal(r) })
	}
	for _, r := range now {
		if !same(h.fresh.routes, r) {
			if err := h.links.RouteDel(&r); err != nil && !errors.Is(err, unix.ESRCH) {
				return fmt.Errorf("remove route %s: %w", r, err)
			}
		}
	}
	for _, r := range h.fresh.routes {
		if !same(now, r) {
			if err := h.links.RouteReplace(&r); err != nil {
				return fmt.Errorf("add route %s: %w", r, err)
			}
		}
	}
	return nil
}

// cleanRules puts the kernel's rules back first: a host without one for the local table
// is dead.
func (h *Host) cleanRules() error {
	now, err := h.rules()
	if err != nil {
		return err
	}
	same := func(list []netlink.Rule, r netlink.Rule) bool {
		return slices.ContainsFunc(list, func(x netlink.Rule) bool { return reflect.DeepEqual(x, r) })
	}
	for _, r := range h.fresh.rules {
		if !same(now, r) {
			if err := h.links.RuleAdd(&r); err != nil {
				return fmt.Errorf("add %s: %w", r, err)
			}
		}
	}
	for _, r := range now {
		if !same(h.fresh.rules, r) {
			if err := h.links.RuleDel(&r); err != nil {
				return fmt.Errorf("remove %s: %w", r, err)
			}
		}
	}
	return nil
}
