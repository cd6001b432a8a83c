// SPDX-License-Identifier: Apache-2.0

//go:build linux

package director

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"

	"whohas/lab"
	"whohas/lab/site"
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

// servers lists the real servers of an IPVS service, as ipvsadm tells it.
func servers(ctx context.Context, h *site.Host, virtual string) (string, error) {
	out, err := h.Shell(ctx, "ipvsadm -Sn")
	if err != nil {
		return "", err
	}
	var real []string
	found := false
	for line := range strings.Lines(out) {
		words := strings.Fields(line)
		if len(words) < 3 || words[2] != virtual {
			continue
		}
		found = found || words[0] == "-A"
		if i := slices.Index(words, "-r"); i > 0 {
			real = append(real, words[i+1])
		}
	}
	if !found {
		return none, nil
	}
	if len(real) == 0 {
		return "no real server", nil
	}
	slices.Sort(real)
	return strings.Join(real, " "), nil
}

// sets lists the ipsets that have a member.
func sets(ctx context.Context, h *site.Host, member string) (string, error) {
	out, err := h.Shell(ctx, "ipset save")
	if err != nil {
		return "", err
	}
	var names []string
	for line := range strings.Lines(out) {
		words := strings.Fields(line)
		if len(words) > 2 && words[0] == "add" && words[2] == member {
			names = append(names, words[1])
		}
	}
	if len(names) == 0 {
		return none, nil
	}
	slices.Sort(names)
	return strings.Join(names, " "), nil
}
