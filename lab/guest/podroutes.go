// SPDX-License-Identifier: Apache-2.0

//go:build linux

package guest

import (
	"fmt"

	"github.com/vishvananda/netlink"

	"whohas/lab/testbed"
)

// routePods gives each node a route to every other's Pods by way of that node,
// as flannel's host-gw does, where no BIRD does it.
func (c *Cluster) routePods() error {
	for _, at := range c.plan.Nodes {
		for _, to := range c.plan.Nodes {
			if at == to {
				continue
			}
			pods, err := podsOf(c.testbed.Host(to))
			if err != nil {
				return fmt.Errorf("route the Pods of %s: %w", to, err)
			}
			route := &netlink.Route{Dst: pods.IPNet, Gw: c.testbed.Host(to).Address.AsSlice()}
			if err := c.testbed.Host(at).Links().RouteReplace(route); err != nil {
				return fmt.Errorf("route the Pods of %s on %s: %w", to, at, err)
			}
		}
	}
	return nil
}

// podsOf is the range of a host's Pods.
func podsOf(h *testbed.Host) (*netlink.Addr, error) {
	link, err := h.Links().LinkByName("pods")
	if err != nil {
		return nil, fmt.Errorf("find the device of the Pods: %w", err)
	}
	addrs, err := h.Links().AddrList(link, netlink.FAMILY_V4)
	if err != nil {
		return nil, fmt.Errorf("find the range of the Pods: %w", err)
	}
	if len(addrs) == 0 {
		return nil, fmt.Errorf("find the range of the Pods: %s has no address", link.Attrs().Name)
	}
	addrs[0].IP = addrs[0].IP.Mask(addrs[0].Mask)
	return &addrs[0], nil
}
