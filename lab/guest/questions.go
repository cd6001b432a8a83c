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
	"whohas/lab/testbed"
)

// question answers one of lab's questions; h is nil where the cluster is asked.
type question func(x *executor, ctx context.Context, h *testbed.Host, q lab.Query) (string, error)

// questions are all of them. How they are written, and what is answered, stands in
// lab/query.go; a test holds the two tables against each other.
var questions = map[string]question{
	"ping":        (*executor).ping,
	"tcp":         (*executor).probe,
	"udp":         (*executor).probe,
	"arping":      (*executor).probe,
	"connections": (*executor).connections,
	"route":       (*executor).route,
	"routes":      (*executor).routes,
	"address":     (*executor).address,
	"neighbour":   (*executor).neighbour,
	"link":        (*executor).link,
	"sysctl":      (*executor).sysctl,
	"bgp":         (*executor).bgp,
	"server":      (*executor).servers,
	"set":         (*executor).sets,
	"component":   (*executor).component,
	"mode":        (*executor).mode,
	"diagnose":    (*executor).diagnose,
	"node":        (*executor).node,
	"lease":       (*executor).lease,
}

func (x *executor) answer(ctx context.Context, q lab.Query) (string, error) {
	if q.NeedsCluster() && x.cluster == nil {
		return "", errNoCluster
	}
	ask, ok := questions[q.What]
	if !ok {
		return "", errors.New("no such question")
	}
	return ask(x, ctx, x.testbed.Host(q.Subject), q)
}

func (x *executor) node(ctx context.Context, _ *testbed.Host, q lab.Query) (string, error) {
	return x.cluster.Node(ctx, q.Args[0])
}

func (x *executor) lease(ctx context.Context, _ *testbed.Host, q lab.Query) (string, error) {
	return x.cluster.Lease(ctx, q.Args[0])
}

func (x *executor) bgp(_ context.Context, h *testbed.Host, q lab.Query) (string, error) {
	peer, err := netip.ParseAddr(q.Args[0])
	if err != nil {
		return "", err
	}
	return x.cluster.Session(h.Name, peer)
}

func (x *executor) component(_ context.Context, h *testbed.Host, q lab.Query) (string, error) {
	if x := x.cluster.Process(q.Args[0], h.Name); x != nil && x.Running() {
		return "running", nil
	}
	return "stopped", nil
}

func (x *executor) mode(ctx context.Context, h *testbed.Host, _ lab.Query) (string, error) {
	return x.cluster.ProxyMode(ctx, h.Name)
}

func (x *executor) sysctl(_ context.Context, h *testbed.Host, q lab.Query) (string, error) {
	var value []byte
	err := h.Do(func() error {
		var err error
		value, err = os.ReadFile("/proc/sys/" + strings.ReplaceAll(q.Args[0], ".", "/"))
		return err
	})
	return strings.TrimSpace(string(value)), err
}
