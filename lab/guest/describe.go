// SPDX-License-Identifier: Apache-2.0

//go:build linux

package guest

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// describe puts into the cluster what kubeadm would: kube-proxy's configuration,
// and the DaemonSet that names its image. Nothing acts on them; whoever looks at
// the cluster learns from them what runs.
func (c *Cluster) describe(ctx context.Context) error {
	if c.plan.Proxy.Version == "" {
		return nil
	}
	meta := func(name string) map[string]any { return map[string]any{"namespace": "kube-system", "name": name} }
	labels := map[string]any{"k8s-app": "kube-proxy"}
	image := "registry.k8s.io/kube-proxy:v" + map[string]string{"1.25": "1.25.9", "1.36": "1.36.3"}[c.plan.Proxy.Version]
	for _, x := range []struct {
		resource schema.GroupVersionResource
		object   map[string]any
	}{
		{schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}, map[string]any{
			"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta("kube-proxy"),
			"data": map[string]any{"config.conf": c.proxyConfig(""), "kubeconfig.conf": c.published()},
		}},
		{schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "daemonsets"}, map[string]any{
			"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": meta("kube-proxy"),
			"spec": map[string]any{
				"selector": map[string]any{"matchLabels": labels},
				"template": map[string]any{
					"metadata": map[string]any{"labels": labels},
					"spec":     map[string]any{"hostNetwork": true, "containers": []any{map[string]any{"name": "kube-proxy", "image": image}}},
				},
			},
		}},
	} {
		o := &unstructured.Unstructured{Object: x.object}
		_, err := c.Client.Resource(x.resource).Namespace("kube-system").Apply(ctx, o.GetName(), o, metav1.ApplyOptions{FieldManager: "kubeadm", Force: true})
		if err != nil {
			return fmt.Errorf("describe the cluster: %w", err)
		}
	}
	return nil
}

// published is the kubeconfig that kubeadm puts beside the configuration: the
// server's address, and no secret.
func (c *Cluster) published() string {
	return fmt.Sprintf(`apiVersion: v1
kind: Config
clusters:
- name: default
  cluster:
    certificate-authority: /var/run/secrets/kubernetes.io/serviceaccount/ca.crt
    server: https://%s
contexts:
- name: default
  context: {cluster: default, namespace: default, user: default}
current-context: default
users:
- name: default
  user: {tokenFile: /var/run/secrets/kubernetes.io/serviceaccount/token}
`, c.server(c.testbed.Host(c.plan.Nodes[len(c.plan.Nodes)-1])))
}
