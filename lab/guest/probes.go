// SPDX-License-Identifier: Apache-2.0

//go:build linux

package guest

import (
	"context"
	"net/netip"
	"slices"
	"strings"

	"whohas/lab"
	"whohas/lab/prober"
	"whohas/lab/testbed"
)

// ping asks every host's counter before and after: the one that received the
// request is the one that answered.
func (x *executor) ping(_ context.Context, h *testbed.Host, q lab.Query) (string, error) {
	to, err := netip.ParseAddr(q.Args[0])
	if err != nil {
		return "", err
	}
	var from netip.Addr
	if len(q.Args) > 1 {
		if from, err = netip.ParseAddr(strings.TrimPrefix(q.Args[1], "from=")); err != nil {
			return "", err
		}
	}
	before, err := x.echoes()
	if err != nil {
		return "", err
	}
	var probe prober.Probe
	x.pings++
	if err := h.Do(func() error { probe = prober.Ping(to, from, x.pings, patience(q)); return nil }); err != nil {
		return "", err
	}
	answer := probe.Wait()
	if answer != prober.Answered {
		return answer, nil
	}
	after, err := x.echoes()
	if err != nil {
		return "", err
	}
	for i, h := range x.testbed.Hosts {
		if after[i] > before[i] {
			return answer + " by " + h.Name, nil
		}
	}
	return answer, nil
}

func (x *executor) echoes() ([]int, error) {
	var all []int
	for _, h := range x.testbed.Hosts {
		n, err := h.Echoes()
		if err != nil {
			return nil, err
		}
		all = append(all, n)
	}
	return all, nil
}

func (x *executor) probe(_ context.Context, h *testbed.Host, q lab.Query) (string, error) {
	var probe prober.Probe
	err := h.Do(func() error {
		if q.What == "arping" {
			to, err := netip.ParseAddr(q.Args[0])
			if err != nil {
				return err
			}
			probe = prober.ARP("eth0", to, silence)
			return nil
		}
		to, err := netip.ParseAddrPort(q.Args[0])
		if err != nil {
			return err
		}
		if q.What == "tcp" {
			probe = prober.TCP(to, patience(q))
		} else {
			probe = prober.UDP(to, patience(q))
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	answer := probe.Wait()
	if q.What != "arping" || answer == "nobody" {
		return answer, nil
	}
	var names []string
	for mac := range strings.FieldsSeq(answer) {
		names = append(names, x.testbed.Owner(mac))
	}
	slices.Sort(names)
	return strings.Join(slices.Compact(names), " "), nil
}
