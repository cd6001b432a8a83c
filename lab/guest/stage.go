// SPDX-License-Identifier: Apache-2.0

//go:build linux

package guest

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	"whohas/lab"
	"whohas/lab/testbed"
)

// build makes the scenario's hosts and starts its cluster, or takes over those
// of the scenario before where they are alike.
func (x *executor) build(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, setupLimit, errSetup)
	defer cancel()
	if x.carries() {
		return x.cluster.Reset(ctx, x.scenario.Cluster, func() error { return x.clean(ctx) }, x.note)
	}
	x.tearDown()
	var err error
	if x.testbed, err = testbed.Build(x.scenario.Topology, x.hosts); err != nil {
		return err
	}
	x.topology = x.scenario.Topology
	if x.scenario.KernelOnly() {
		return nil
	}
	x.cluster = New(x.scenario.Cluster, x.testbed)
	if err := x.cluster.Begin(ctx, x.note); err != nil {
		return err
	}
	return nil
}

var errSetup = fmt.Errorf("the cluster was not well after %s", setupLimit)

// carries reports whether the machine's testbed and cluster can be this scenario's.
func (x *executor) carries() bool {
	return x.cluster != nil && x.cluster.Died() == nil && !x.scenario.KernelOnly() &&
		reflect.DeepEqual(x.topology, x.scenario.Topology) && x.cluster.Carries(x.scenario.Cluster)
}

// tearDown ends the machine's cluster and takes its testbed down.
func (m *machine) tearDown() {
	if m.cluster != nil {
		m.cluster.Close()
		m.cluster = nil
	}
	if m.testbed != nil {
		if err := m.testbed.Close(); err != nil {
			fmt.Println("take the testbed down:", err)
		}
		m.testbed = nil
	}
}

// clean takes every host back to what it was, and looks whether it is: by the
// product's own collector, before and after.
func (x *executor) clean(ctx context.Context) error {
	for _, h := range x.testbed.Hosts {
		if err := h.Clean(ctx); err != nil {
			return err
		}
	}
	return nil
}

// alive tells of a component that died.
func (x *executor) alive() error {
	if x.cluster == nil {
		return nil
	}
	return x.cluster.Died()
}

// bringLogs brings the components' logs.
func (x *executor) bringLogs() error {
	if x.cluster == nil {
		return nil
	}
	var errs []error
	for _, p := range x.cluster.Processes() {
		errs = append(errs, x.bring("logs/"+p.Host.Name+"-"+p.Name+".log", p.Log()))
	}
	return errors.Join(errs...)
}

func (x *executor) start(_ context.Context, s lab.Step) error {
	return x.cluster.Start(s.Args[0], s.Host)
}

func (x *executor) stop(_ context.Context, s lab.Step) error {
	return x.cluster.Stop(s.Args[0], s.Host)
}

func (x *executor) restart(ctx context.Context, s lab.Step) error {
	if err := x.stop(ctx, s); err != nil {
		return err
	}
	return x.start(ctx, s)
}

var errNoCluster = errors.New("this scenario has no cluster")

// reboot ends what runs on a host, takes its kernel state, and starts all again.
func (x *executor) reboot(_ context.Context, s lab.Step) error {
	host := s.Host
	var names []string
	if x.cluster != nil {
		for _, p := range x.cluster.On(host) {
			names = append(names, p.Name)
			p.Kill()
		}
	}
	if err := x.testbed.Reboot(host); err != nil {
		return err
	}
	for _, name := range names {
		if err := x.cluster.Start(name, host); err != nil {
			return err
		}
	}
	return nil
}
