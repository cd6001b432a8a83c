// SPDX-License-Identifier: Apache-2.0

//go:build linux

package testbed

import (
	"fmt"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"whohas/lab"
)

// Reboot takes a host's kernel state and builds it again: its files stay, its
// addresses are those it has at start. What runs on it must have ended.
func (s *Testbed) Reboot(name string) error {
	h := s.Host(name)
	i := slices.IndexFunc(s.topology.Hosts, func(x lab.Host) bool { return x.Name == name })
	if h == nil || i < 0 {
		return fmt.Errorf("reboot %s: no such host", name)
	}
	if err := s.unplug(h, s.topology.Hosts[i]); err != nil {
		return fmt.Errorf("reboot %s: %w", name, err)
	}
	for _, l := range h.listening {
		l.Close()
	}
	h.listening = nil
	h.space.close()
	sp, err := newSpace()
	if err != nil {
		return fmt.Errorf("reboot %s: %w", name, err)
	}
	h.space = sp
	if err := s.wire(h, s.topology.Hosts[i], i+1); err != nil {
		return fmt.Errorf("reboot %s: %w", name, err)
	}
	if err := s.replugPods(name); err != nil {
		return fmt.Errorf("reboot %s: %w", name, err)
	}
	if err := h.remember(); err != nil {
		return fmt.Errorf("reboot %s: %w", name, err)
	}
	if err := h.Do(func() error { return remountSys(h.Root) }); err != nil {
		return fmt.Errorf("reboot %s: %w", name, err)
	}
	for _, port := range h.ports {
		if err := h.open(port); err != nil {
			return fmt.Errorf("reboot %s: %w", name, err)
		}
	}
	return nil
}

// replugPods gives a host's Pods new cards; theirs went with its bridge. They keep
// what they serve.
func (s *Testbed) replugPods(host string) error {
	for i, p := range s.topology.Pods {
		if p.Host != host {
			continue
		}
		pod := s.Host(p.Name)
		if card, err := pod.links.LinkByName("eth0"); err == nil {
			if err := pod.links.LinkDel(card); err != nil {
				return fmt.Errorf("unplug pod %s: %w", p.Name, err)
			}
		}
		if err := s.plugPod(pod, p, i+1); err != nil {
			return fmt.Errorf("pod %s: %w", p.Name, err)
		}
		if err := pod.remember(); err != nil { // its card has another index now
			return fmt.Errorf("pod %s: %w", p.Name, err)
		}
	}
	return nil
}

// unplug removes a host's cards at once; a namespace's own end comes later.
func (s *Testbed) unplug(h *Host, of lab.Host) error {
	for i, c := range of.Cards {
		wire := s.wires[slices.IndexFunc(s.topology.Segments, func(x lab.Segment) bool { return x.Name == c.Segment })]
		port, err := wire.links.LinkByName(portName(h.Name, i))
		if err != nil {
			return fmt.Errorf("unplug eth%d: %w", i, err)
		}
		if err := wire.links.LinkDel(port); err != nil {
			return fmt.Errorf("unplug eth%d: %w", i, err)
		}
	}
	return nil
}

// remountSys shows the /sys of the new namespace in place of the old one's.
func remountSys(root string) error {
	sys := filepath.Join(root, "sys")
	if err := unix.Unmount(sys, unix.MNT_DETACH); err != nil {
		return nil //nolint:nilerr // it was not mounted: see mountSystem
	}
	if err := unix.Mount("sysfs", sys, "sysfs", 0, ""); err != nil {
		return fmt.Errorf("mount sysfs: %w", err)
	}
	return nil
}
