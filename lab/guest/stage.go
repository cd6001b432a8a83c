// SPDX-License-Identifier: Apache-2.0

//go:build linux

package guest

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	"whohas/lab"
	"whohas/lab/site"
)

// build makes the scenario's hosts and starts its cluster, or takes over those
// of the scenario before where they are alike.
func (p *player) build(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, setupLimit, errSetup)
	defer cancel()
	if p.carries() {
		return p.cluster.Reset(ctx, p.scenario.Cluster, func() error { return p.clean(ctx) }, p.note)
	}
	p.tearDown()
	var err error
	if p.site, err = site.Build(p.scenario.Topology, p.hosts); err != nil {
		return err
	}
	p.topology = p.scenario.Topology
	if p.scenario.KernelOnly() {
		return nil
	}
	p.cluster = New(p.scenario.Cluster, p.site)
	if err := p.cluster.Begin(ctx, p.note); err != nil {
		return err
	}
	return nil
}

var errSetup = fmt.Errorf("the cluster was not well after %s", setupLimit)

// carries reports whether the machine's site and cluster can be this scenario's.
func (p *player) carries() bool {
	return p.cluster != nil && p.cluster.Died() == nil && !p.scenario.KernelOnly() &&
		reflect.DeepEqual(p.topology, p.scenario.Topology) && p.cluster.Carries(p.scenario.Cluster)
}

// tearDown ends the machine's cluster and takes its site down.
func (m *machine) tearDown() {
	if m.cluster != nil {
		m.cluster.Close()
		m.cluster = nil
	}
	if m.site != nil {
		if err := m.site.Close(); err != nil {
			fmt.Println("take the site down:", err)
		}
		m.site = nil
	}
}

// clean takes every host back to what it was, and looks whether it is: by the
// product's own collector, before and after.
func (p *player) clean(ctx context.Context) error {
	for _, h := range p.site.Hosts {
		if err := h.Clean(ctx); err != nil {
			return err
		}
	}
	return nil
}

// alive tells of a component that died.
func (p *player) alive() error {
	if p.cluster == nil {
		return nil
	}
	return p.cluster.Died()
}

// bringLogs brings the components' logs.
func (p *player) bringLogs() error {
	if p.cluster == nil {
		return nil
	}
	var errs []error
	for _, x := range p.cluster.Processes() {
		errs = append(errs, p.bring("logs/"+x.Host.Name+"-"+x.Name+".log", x.Log()))
	}
	return errors.Join(errs...)
}

func (p *player) start(_ context.Context, s lab.Step) error {
	return p.cluster.Start(s.Args[0], s.Host)
}

func (p *player) stop(_ context.Context, s lab.Step) error {
	return p.cluster.Stop(s.Args[0], s.Host)
}

func (p *player) restart(ctx context.Context, s lab.Step) error {
	if err := p.stop(ctx, s); err != nil {
		return err
	}
	return p.start(ctx, s)
}

var errNoCluster = errors.New("this scenario has no cluster")

// reboot ends what runs on a host, takes its kernel state, and starts all again.
func (p *player) reboot(_ context.Context, s lab.Step) error {
	host := s.Host
	var names []string
	if p.cluster != nil {
		for _, x := range p.cluster.On(host) {
			names = append(names, x.Name)
			x.Kill()
		}
	}
	if err := p.site.Reboot(host); err != nil {
		return err
	}
	for _, name := range names {
		if err := p.cluster.Start(name, host); err != nil {
			return err
		}
	}
	return nil
}
