// SPDX-License-Identifier: Apache-2.0

//go:build linux

package director

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"whohas/dataplane"
	"whohas/lab"
	"whohas/lab/site"
	"whohas/snapshot"
	"whohas/source/host"
)

// askCluster asks the apiserver.
func (p *player) askCluster(ctx context.Context, q lab.Query) (string, error) {
	if p.cluster == nil {
		return "", errNoCluster
	}
	if q.What == "node" {
		return p.cluster.Node(ctx, q.Args[0])
	}
	return p.cluster.Lease(ctx, q.Args[0])
}

// askComponent asks what runs on a host, or what it has programmed.
func (p *player) askComponent(ctx context.Context, h *site.Host, q lab.Query) (string, error) {
	if p.cluster == nil && q.What != "server" && q.What != "set" {
		return "", errNoCluster
	}
	switch q.What {
	case "bgp":
		peer, err := netip.ParseAddr(q.Args[0])
		if err != nil {
			return "", err
		}
		return p.cluster.Session(h.Name, peer)
	case "component":
		if x := p.cluster.Process(q.Args[0], h.Name); x != nil && x.Running() {
			return "running", nil
		}
		return "stopped", nil
	case "mode":
		return p.cluster.ProxyMode(ctx, h.Name)
	case "server":
		return servers(ctx, h, q.Args[0])
	case "set":
		return sets(ctx, h, q.Args[0])
	}
	return "", errors.New("no such question")
}

// servers lists the real servers of an IPVS service.
func servers(ctx context.Context, h *site.Host, virtual string) (string, error) {
	at, err := netip.ParseAddrPort(virtual)
	if err != nil {
		return "", err
	}
	now, err := only(ctx, h, host.IPVS)
	if err != nil {
		return "", err
	}
	for _, v := range now.Servers {
		if v.Proto != "TCP" || v.IP != at.Addr() || v.Port != at.Port() {
			continue
		}
		var real []string
		for _, r := range v.Servers {
			real = append(real, netip.AddrPortFrom(r.IP, r.Port).String())
		}
		slices.Sort(real)
		return cmp.Or(strings.Join(real, " "), "no real server"), nil
	}
	return none, nil
}

// sets lists the ipsets that have a member.
func sets(ctx context.Context, h *site.Host, member string) (string, error) {
	now, err := only(ctx, h, host.IPSet)
	if err != nil {
		return "", err
	}
	var names []string
	for _, s := range now.Sets {
		if slices.Contains(s.Members, member) {
			names = append(names, s.Name)
		}
	}
	slices.Sort(names)
	return cmp.Or(strings.Join(names, " "), none), nil
}

// only reads one section of a host, with the product's collector: it forks
// nothing, which is dear on some kernels.
func only(ctx context.Context, h *site.Host, section string) (dataplane.Host, error) {
	skip := slices.DeleteFunc(host.Sections(), func(s string) bool { return s == section })
	var now dataplane.Host
	err := h.Do(func() error {
		var coverage []snapshot.Coverage
		now, coverage = host.Read(ctx, host.Options{Name: h.Name, Skip: skip})
		for _, c := range coverage {
			if c.Source == "host "+h.Name+" "+section && c.Status != snapshot.StatusRead && c.Status != snapshot.StatusAbsent {
				return fmt.Errorf("read %s: %s: %s", section, c.Status, c.Detail)
			}
		}
		return nil
	})
	return now, err
}
