// SPDX-License-Identifier: Apache-2.0

//go:build linux

package guest

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"strings"

	"whohas/lab"
	"whohas/lab/site"
)

// question answers one of lab's questions; h is nil where the cluster is asked.
type question func(p *player, ctx context.Context, h *site.Host, q lab.Query) (string, error)

// questions are all of them. How they are written, and what is answered, stands in
// lab/query.go; a test holds the two tables against each other.
var questions = map[string]question{
	"ping":        (*player).ping,
	"tcp":         (*player).probe,
	"udp":         (*player).probe,
	"arping":      (*player).probe,
	"connections": (*player).connections,
	"route":       (*player).route,
	"routes":      (*player).routes,
	"address":     (*player).address,
	"neighbour":   (*player).neighbour,
	"link":        (*player).link,
	"sysctl":      (*player).sysctl,
	"bgp":         (*player).bgp,
	"server":      (*player).servers,
	"set":         (*player).sets,
	"component":   (*player).component,
	"mode":        (*player).mode,
	"diagnose":    (*player).diagnose,
	"node":        (*player).node,
	"lease":       (*player).lease,
}

func (p *player) answer(ctx context.Context, q lab.Query) (string, error) {
	if q.NeedsCluster() && p.cluster == nil {
		return "", errNoCluster
	}
	ask, ok := questions[q.What]
	if !ok {
		return "", errors.New("no such question")
	}
	return ask(p, ctx, p.site.Host(q.Subject), q)
}

func (p *player) node(ctx context.Context, _ *site.Host, q lab.Query) (string, error) {
	return p.cluster.Node(ctx, q.Args[0])
}

func (p *player) lease(ctx context.Context, _ *site.Host, q lab.Query) (string, error) {
	return p.cluster.Lease(ctx, q.Args[0])
}

func (p *player) bgp(_ context.Context, h *site.Host, q lab.Query) (string, error) {
	peer, err := netip.ParseAddr(q.Args[0])
	if err != nil {
		return "", err
	}
	return p.cluster.Session(h.Name, peer)
}

func (p *player) component(_ context.Context, h *site.Host, q lab.Query) (string, error) {
	if x := p.cluster.Process(q.Args[0], h.Name); x != nil && x.Running() {
		return "running", nil
	}
	return "stopped", nil
}

func (p *player) mode(ctx context.Context, h *site.Host, _ lab.Query) (string, error) {
	return p.cluster.ProxyMode(ctx, h.Name)
}

func (p *player) sysctl(_ context.Context, h *site.Host, q lab.Query) (string, error) {
	var value []byte
	err := h.Do(func() error {
		var err error
		value, err = os.ReadFile("/proc/sys/" + strings.ReplaceAll(q.Args[0], ".", "/"))
		return err
	})
	return strings.TrimSpace(string(value)), err
}
