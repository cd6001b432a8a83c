// SPDX-License-Identifier: Apache-2.0

//go:build linux

package guest

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"whohas/lab/testbed"
)

// server is where a host's kubelet and kube-proxy reach the apiserver.
func (c *Cluster) server(h *testbed.Host) string {
	if s := c.plan.Servers[h.Name]; s != "" {
		return s
	}
	if c.plan.VIP.IsValid() {
		return fmt.Sprintf("%s:%d", c.plan.VIP, apiPort)
	}
	return fmt.Sprintf("%s:%d", c.testbed.Host(c.plan.ControlPlane).Address, apiPort)
}

// kubelet is kubemark's: the real kubelet with a container runtime that runs
// nothing. It registers its Node, with the address of the default route's card,
// posts its status and renews its lease.
func (c *Cluster) kubelet(h *testbed.Host) (string, []string, error) {
	const conf = "/etc/kubernetes/kubelet.conf"
	err := write(h, conf, c.credentials.kubeconfig("system:node:"+h.Name, c.server(h)))
	return "/lab/kubemark", []string{
		"--morph=kubelet", "--name=" + h.Name, "--kubeconfig=" + conf, "--use-host-image-service=false",
	}, err
}

func (c *Cluster) nodeReady(ctx context.Context, name string) error {
	state, err := c.Node(ctx, name)
	if err == nil && state != "Ready" {
		return fmt.Errorf("node %s is %s", name, state)
	}
	return err
}

// Node is a Node's condition Ready in kubectl's words, "Unknown" where the
// control plane has lost sight of it: kubectl shows NotReady for both.
func (c *Cluster) Node(ctx context.Context, name string) (string, error) {
	node, err := c.Client.Resource(Nodes).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return "", fmt.Errorf("get node %s: %w", name, err)
	}
	conditions, _, err := unstructured.NestedSlice(node.Object, "status", "conditions")
	if err != nil {
		return "", fmt.Errorf("get node %s: %w", name, err)
	}
	for _, x := range conditions {
		condition, _ := x.(map[string]any)
		if condition["type"] != "Ready" {
			continue
		}
		switch condition["status"] {
		case "True":
			return "Ready", nil
		case "Unknown":
			return "Unknown", nil
		}
	}
	return "NotReady", nil
}

// Lease reports whether a Node's lease was renewed within its duration.
func (c *Cluster) Lease(ctx context.Context, name string) (string, error) {
	lease, err := c.Client.Resource(Leases).Namespace("kube-node-lease").Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return "", fmt.Errorf("get lease %s: %w", name, err)
	}
	renewed, _, _ := unstructured.NestedString(lease.Object, "spec", "renewTime")
	seconds, _, _ := unstructured.NestedInt64(lease.Object, "spec", "leaseDurationSeconds")
	at, err := time.Parse(time.RFC3339Nano, renewed)
	if err != nil {
		return "", fmt.Errorf("get lease %s: %w", name, err)
	}
	if time.Since(at) > time.Duration(seconds)*time.Second {
		return "stale", nil
	}
	return "fresh", nil
}
