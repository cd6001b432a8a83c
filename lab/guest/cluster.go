// SPDX-License-Identifier: Apache-2.0

//go:build linux

package guest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"whohas/lab"
	"whohas/lab/testbed"
)

// Cluster is a cluster on the hosts of a testbed. Use from one goroutine.
type Cluster struct {
	// The lab's own way to the apiserver, which no fault takes away.
	Client dynamic.Interface
	Config *rest.Config

	plan        lab.Cluster
	testbed     *testbed.Testbed
	credentials *credentials
	processes   []*Process
}

// The kinds that the lab itself reads.
var (
	Services = schema.GroupVersionResource{Version: "v1", Resource: "services"}
	Nodes    = schema.GroupVersionResource{Version: "v1", Resource: "nodes"}
	Slices   = schema.GroupVersionResource{Group: "discovery.k8s.io", Version: "v1", Resource: "endpointslices"}
	Leases   = schema.GroupVersionResource{Group: "coordination.k8s.io", Version: "v1", Resource: "leases"}
)

// New makes a cluster that does not run yet.
func New(plan lab.Cluster, on *testbed.Testbed) *Cluster {
	return &Cluster{plan: plan, testbed: on}
}

// Start starts a component on a host.
func (c *Cluster) Start(name, host string) error {
	h := c.testbed.Host(host)
	if p := c.Process(name, host); p != nil && p.Running() {
		return fmt.Errorf("start %s on %s: it runs", name, host)
	}
	program, args, err := c.commandLine(name, h)
	if err != nil {
		return err
	}
	p, err := start(h, name, program, args...)
	if err != nil {
		return err
	}
	c.processes = append(c.processes, p)
	return nil
}

// commandLine is how a component is started.
func (c *Cluster) commandLine(name string, h *testbed.Host) (program string, args []string, err error) {
	switch name {
	case "etcd":
		return "/lab/etcd", etcdArgs(), nil
	case "kube-apiserver":
		return "/lab/kube-apiserver", apiserverArgs(h), nil
	case "kube-controller-manager":
		return "/lab/kube-controller-manager", c.controllerArgs(), nil
	case "kubelet":
		return c.kubelet(h)
	case "kube-proxy":
		return c.kubeProxy(h)
	case "bird":
		return c.bird(h)
	case "guard":
		return c.guard(h)
	}
	return "", nil, fmt.Errorf("no component %s", name)
}

// Stop stops a component on a host.
func (c *Cluster) Stop(name, host string) error {
	p := c.Process(name, host)
	if p == nil {
		return fmt.Errorf("stop %s on %s: it does not run", name, host)
	}
	p.Stop()
	return nil
}

// Process finds a component, also one that was stopped: the latest.
func (c *Cluster) Process(name, host string) *Process {
	for _, p := range slices.Backward(c.processes) {
		if p.Name == name && p.Host.Name == host {
			return p
		}
	}
	return nil
}

// On lists what runs on a host.
func (c *Cluster) On(host string) []*Process {
	var on []*Process
	for _, p := range c.processes {
		if p.Host.Name == host && p.Running() {
			on = append(on, p)
		}
	}
	return on
}

// Processes are all that were started.
func (c *Cluster) Processes() []*Process { return c.processes }

// Died tells of a component that ended by itself.
func (c *Cluster) Died() error {
	for _, p := range c.processes {
		if err := p.Died(); err != nil {
			return err
		}
	}
	return nil
}

// Close ends everything at once.
func (c *Cluster) Close() {
	for _, p := range slices.Backward(c.processes) {
		p.Kill()
	}
}

// lookInterval is the pause between two looks at whether something is ready.
const lookInterval = 500 * time.Millisecond

// await waits until a component is ready; it fails at once if it died.
func (c *Cluster) await(ctx context.Context, name, host string, ready func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, readyLimit, fmt.Errorf("not ready after %s", readyLimit))
	defer cancel()
	for {
		err := ready(ctx)
		if err == nil {
			return nil
		}
		if err := c.Died(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			last := ""
			if p := c.Process(name, host); p != nil {
				last = p.Tail(15)
			}
			return fmt.Errorf("%s on %s: %w\n%s", name, host, errors.Join(context.Cause(ctx), err), last)
		case <-time.After(lookInterval):
		}
	}
}

// Begin starts the whole cluster and waits until it is well: every Node Ready,
// every kube-proxy in sync, every BGP session established. Say is told of each
// step.
func (c *Cluster) Begin(ctx context.Context, say func(string)) error {
	if err := c.startControlPlane(ctx); err != nil {
		return err
	}
	say("kube-apiserver is ready")
	if c.plan.LocalProxy.Port != 0 {
		for _, host := range c.plan.Nodes {
			if err := forward(c.testbed.Host(host), c.plan.LocalProxy); err != nil {
				return err
			}
		}
	}
	for _, host := range c.plan.Nodes {
		if err := c.Start("kubelet", host); err != nil {
			return err
		}
	}
	return c.startNodes(ctx, say)
}

// startNodes starts what runs beside the kubelets and waits until all is well.
func (c *Cluster) startNodes(ctx context.Context, say func(string)) error {
	if err := c.describe(ctx); err != nil {
		return err
	}
	if !c.plan.BIRD {
		if err := c.routePods(); err != nil {
			return err
		}
	}
	for _, name := range c.starters() {
		for _, host := range c.plan.Nodes {
			if err := c.Start(name, host); err != nil {
				return err
			}
		}
	}
	if c.plan.Guard {
		if err := c.Start("guard", c.plan.ControlPlane); err != nil {
			return err
		}
	}
	return c.Well(ctx, say)
}

// Carries reports whether this cluster, cleaned, can be the one of another plan:
// what differs is restarted for each scenario anyway.
func (c *Cluster) Carries(plan lab.Cluster) bool {
	base := func(p lab.Cluster) string {
		return fmt.Sprint(p.ControlPlane, p.Nodes, p.Servers, p.VIP, p.LocalProxy)
	}
	return base(c.plan) == base(plan)
}

// Reset makes the cluster that of another plan: everything is ended but etcd,
// kube-apiserver and the kubelets, the Services that scenarios left are deleted,
// and clean is called for the hosts; then what the plan wants is started.
func (c *Cluster) Reset(ctx context.Context, plan lab.Cluster, clean func() error, say func(string)) error {
	for _, p := range c.processes {
		if !slices.Contains([]string{"etcd", "kube-apiserver", "kubelet"}, p.Name) {
			p.Kill()
		}
	}
	for _, host := range plan.Nodes { // a scenario may have stopped one
		if p := c.Process("kubelet", host); p == nil || !p.Running() {
			if err := c.Start("kubelet", host); err != nil {
				return err
			}
		}
	}
	if err := errors.Join(c.unguard(ctx), c.deleteLeftovers(ctx)); err != nil {
		return err
	}
	if err := clean(); err != nil {
		return err
	}
	c.processes = slices.DeleteFunc(c.processes, func(p *Process) bool { return !p.Running() })
	c.plan = plan
	if err := c.Start("kube-controller-manager", plan.ControlPlane); err != nil {
		return err
	}
	say("the hosts are as new; etcd, kube-apiserver and kubelets run on")
	return c.startNodes(ctx, say)
}

// deleteLeftovers deletes the Services and EndpointSlices of earlier scenarios.
func (c *Cluster) deleteLeftovers(ctx context.Context) error {
	for _, resource := range []schema.GroupVersionResource{Services, Slices} {
		list, err := c.Client.Resource(resource).List(ctx, metav1.ListOptions{})
		if err != nil {
			return fmt.Errorf("list %s: %w", resource.Resource, err)
		}
		for _, o := range list.Items {
			if o.GetNamespace() == "default" && o.GetName() == "kubernetes" {
				continue
			}
			err := c.Client.Resource(resource).Namespace(o.GetNamespace()).Delete(ctx, o.GetName(), metav1.DeleteOptions{})
			if err != nil && !apierrors.IsNotFound(err) {
				return fmt.Errorf("delete %s %s: %w", resource.Resource, o.GetName(), err)
			}
		}
	}
	return nil
}

// starters are the components of every node, behind its kubelet.
func (c *Cluster) starters() []string {
	var names []string
	if c.plan.Proxy.Version != "" {
		names = append(names, "kube-proxy")
	}
	if c.plan.BIRD {
		names = append(names, "bird")
	}
	return names
}

// Well waits until the cluster is well.
func (c *Cluster) Well(ctx context.Context, say func(string)) error {
	for _, host := range c.plan.Nodes {
		err := c.await(ctx, "kubelet", host, func(ctx context.Context) error { return c.nodeReady(ctx, host) })
		if err != nil {
			return err
		}
	}
	say("every Node is Ready")
	if c.plan.Proxy.Version != "" {
		for _, host := range c.plan.Nodes {
			err := c.await(ctx, "kube-proxy", host, func(ctx context.Context) error { return c.InSync(ctx, host) })
			if err != nil {
				return err
			}
		}
		say("every kube-proxy has synced without a failure, and its rules are there")
	}
	if c.plan.BIRD {
		for _, host := range c.plan.Nodes {
			err := c.await(ctx, "bird", host, func(context.Context) error { return c.meshed(host) })
			if err != nil {
				return err
			}
		}
		say("every BGP session is established")
	}
	if c.plan.Guard {
		if err := c.await(ctx, "guard", c.plan.ControlPlane, c.guardReady); err != nil {
			return err
		}
		say("the guard is ready")
	}
	return nil
}
