// SPDX-License-Identifier: Apache-2.0

package cases

import (
	"fmt"
	"strings"
	"testing"

	"whohas/testkit/apiserver"
)

// TestLockedOut: the webhook fails closed, exactly as deploy/overlays/fail-closed has it,
// and nobody answers: its Service leads nowhere. In these stories a guard like this one
// locked its own makers out, or those who came to help; each is named after its report.
func TestLockedOut(t *testing.T) {
	c := start(t)
	overlay := c.Kubectl("kustomize", "../../deploy/overlays/fail-closed")
	hook, rest := apart(t, overlay)
	c.Kubectl("create", "namespace", "demo")
	c.nodes(t)
	c.KubectlInput(hook, "apply", "-f", "-")
	c.refuses(t, "192.168.10.114", "failed calling webhook")
	for _, story := range []struct {
		name string
		tell func(*testing.T, *apiCluster, string)
	}{
		{"topolvm-57", networkFirst}, {"kyverno-235", ownObjects}, {"gatekeeper-3183", coldStart},
		{"capsule-2036", networkController}, {"cozystack-3125", recovery},
	} {
		t.Run(story.name, func(t *testing.T) {
			story.tell(t, c.with(t), rest)
		})
	}
	// It was closed all the time, and the way out is not: nobody asks a webhook about
	// webhooks.
	c.refuses(t, "192.168.10.114", "failed calling webhook")
	c.Kubectl("delete", "validatingwebhookconfiguration", "whohas-guard")
	c.open(t)
}

// apart takes the webhook's configuration out of manifests.
func apart(t *testing.T, manifests string) (hook, rest string) {
	t.Helper()
	objects, err := decode(manifests)
	if err != nil {
		t.Fatal(err)
	}
	var others []string
	for _, o := range objects {
		if o.GetKind() == "ValidatingWebhookConfiguration" {
			hook = manifest(t, o.Object)
		} else {
			others = append(others, manifest(t, o.Object))
		}
	}
	return hook, strings.Join(others, "---\n")
}

const pod = `
apiVersion: v1
kind: Pod
metadata: {name: %s, namespace: %s, labels: {k8s-app: %[1]s}}
spec:
  nodeName: cdev01
  hostNetwork: %[3]t
  priorityClassName: system-node-critical
  tolerations: [{operator: Exists}]
  containers: [{name: a, image: a}]
`

const daemonSet = `
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: %s, namespace: kube-system, labels: {k8s-app: %[1]s}}
spec:
  selector: {matchLabels: {k8s-app: %[1]s}}
  template:
    metadata: {labels: {k8s-app: %[1]s}}
    spec: {hostNetwork: true, containers: [{name: a, image: a}]}
`

// networkFirst: https://github.com/topolvm/topolvm/issues/57. All nodes restart. The
// overlay network's Pods wait for the webhook, and the webhook's for the network.
func networkFirst(t *testing.T, c *apiCluster, _ string) {
	for _, name := range []string{"calico-node", "kube-proxy"} {
		c.KubectlInput(fmt.Sprintf(daemonSet, name), "apply", "-f", "-")
		c.KubectlInput(fmt.Sprintf(pod, name, "kube-system", true), "apply", "-f", "-")
		c.Kubectl("-n", "kube-system", "patch", "daemonset", name, "--subresource=status", "--type=merge", "-p", `{"status":{"numberReady":1}}`)
		c.Kubectl("-n", "kube-system", "patch", "pod", name, "--subresource=status", "--type=merge", "-p", `{"status":{"phase":"Running","podIP":"192.168.10.114","hostIP":"192.168.10.114"}}`)
		c.Kubectl("-n", "kube-system", "delete", "pod", name, "--grace-period=0", "--force")
	}
}

// ownObjects: https://github.com/kyverno/kyverno/issues/235, and 16177 again. Everything of
// the webhook's own is made, changed and made again while it refuses what it is asked.
func ownObjects(t *testing.T, c *apiCluster, rest string) {
	c.KubectlInput(rest, "apply", "-f", "-")
	c.KubectlInput(rest, "apply", "--server-side", "--force-conflicts", "-f", "-")
	const ns = "whohas-system"
	c.Kubectl("-n", ns, "rollout", "restart", "deployment/whohas-guard")
	c.Kubectl("-n", ns, "scale", "deployment/whohas-guard", "--replicas=0")
	c.Kubectl("-n", ns, "scale", "deployment/whohas-guard", "--replicas=3")
	c.Kubectl("-n", ns, "patch", "deployment", "whohas-guard", "--subresource=status", "--type=merge", "-p", `{"status":{"observedGeneration":3}}`)
	c.Kubectl("-n", ns, "patch", "secret", "whohas-guard-cert", "--type=merge", "-p", `{"data":{"tls.crt":"YQ==","tls.key":"YQ=="}}`)
	c.Kubectl("-n", ns, "create", "configmap", "whohas-addresses")
	c.Kubectl("-n", ns, "patch", "configmap", "whohas-addresses", "--type=merge", "-p", `{"data":{"192.168.10.114":"host||cdev01"}}`)
	c.KubectlInput("apiVersion: coordination.k8s.io/v1\nkind: Lease\nmetadata: {name: whohas-guard, namespace: whohas-system}\nspec: {holderIdentity: a}", "apply", "-f", "-")
	c.Kubectl("-n", ns, "patch", "lease", "whohas-guard", "--type=merge", "-p", `{"spec":{"holderIdentity":"b"}}`)
	// Its Pods' shape, and the slice by which its Service is reached.
	c.KubectlInput(restricted, "apply", "-f", "-")
	const controller = "--as=system:serviceaccount:kube-system:endpointslice-controller"
	c.KubectlInput(slice, controller, "apply", "-f", "-")
	c.KubectlInput(strings.Replace(slice, "10.244.1.7", "10.244.1.8", 1), controller, "replace", "-f", "-")
	c.Kubectl("patch", "validatingwebhookconfiguration", "whohas-guard", "--type=json", "-p", `[{"op":"add","path":"/webhooks/0/clientConfig/caBundle","value":""}]`)
	// Made again from nothing, the Services first.
	c.Kubectl("-n", ns, "delete", "service", "whohas-guard", "whohas-guard-metrics")
	c.Kubectl("-n", ns, "delete", "deployment", "whohas-guard", "--cascade=background")
	c.KubectlInput(rest, "apply", "-f", "-")
}

const restricted = `
apiVersion: v1
kind: Pod
metadata: {name: whohas-guard-x, namespace: whohas-system, labels: {app.kubernetes.io/name: whohas, app.kubernetes.io/component: guard}}
spec:
  securityContext: {runAsNonRoot: true, runAsUser: 65532, seccompProfile: {type: RuntimeDefault}}
  containers: [{name: guard, image: a, securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}}]
`

const slice = `
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: whohas-guard-x
  namespace: whohas-system
  labels: {kubernetes.io/service-name: whohas-guard, endpointslice.kubernetes.io/managed-by: endpointslice-controller.k8s.io}
addressType: IPv4
endpoints: [{addresses: [10.244.1.7], conditions: {ready: true}}]
ports: [{name: webhook, port: 9443, protocol: TCP}]
`

// coldStart: https://github.com/open-policy-agent/gatekeeper/issues/3183. A stopped cluster
// starts again, and its nodes cannot join.
func coldStart(t *testing.T, c *apiCluster, _ string) {
	c.KubectlInput("apiVersion: v1\nkind: Node\nmetadata: {name: cdev09, labels: {kubernetes.io/hostname: cdev09}}", "create", "-f", "-")
	c.Kubectl("patch", "node", "cdev09", "--subresource=status", "--type=merge", "-p", `{"status":{"addresses":[{"type":"InternalIP","address":"192.168.10.119"}],"conditions":[{"type":"Ready","status":"True"}]}}`)
	c.Kubectl("patch", "node", "cdev09", "--subresource=status", "--type=merge", "-p", `{"status":{"conditions":[{"type":"Ready","status":"False"}]}}`)
	c.Kubectl("taint", "node", "cdev09", "node.kubernetes.io/unreachable:NoExecute")
	c.KubectlInput("apiVersion: coordination.k8s.io/v1\nkind: Lease\nmetadata: {name: cdev09, namespace: default}\nspec: {holderIdentity: cdev09}", "apply", "-f", "-")
	c.Kubectl("patch", "lease", "cdev09", "--type=merge", "-p", `{"spec":{"renewTime":"2026-01-01T00:00:00.000000Z"}}`)
	// The apiservers' own endpoints, under the lock of the old ones and of the new.
	c.KubectlInput(strings.NewReplacer("whohas-guard-x", "kubernetes", "whohas-system", "default", "whohas-guard", "kubernetes",
		", endpointslice.kubernetes.io/managed-by: endpointslice-controller.k8s.io", "", "10.244.1.7", "192.168.10.114").Replace(slice), "apply", "-f", "-")
	c.Kubectl("patch", "endpointslice", "kubernetes", "--type=merge", "-p", `{"endpoints":[{"addresses":["192.168.10.115"],"conditions":{"ready":true}}]}`)
	c.KubectlInput("apiVersion: v1\nkind: Event\nmetadata: {name: e, namespace: default}\ninvolvedObject: {kind: Node, name: cdev09}\nreason: Starting", "create", "-f", "-")
	c.Kubectl("delete", "node", "cdev09")
}

// networkController: https://github.com/projectcapsule/capsule/issues/2036. After a restart
// of the apiserver calico-kube-controllers may not write, and the network does not come up.
func networkController(t *testing.T, c *apiCluster, _ string) {
	c.KubectlInput(fmt.Sprintf(pod, "calico-kube-controllers", "kube-system", false), "apply", "-f", "-")
	c.KubectlInput("apiVersion: crd.projectcalico.org/v1\nkind: IPAMBlock\nmetadata: {name: 10-244-1-0-26}\nspec: {cidr: 10.244.1.0/26, allocations: [null, 0]}", "apply", "-f", "-")
	c.Kubectl("patch", "ipamblock", "10-244-1-0-26", "--type=merge", "-p", `{"spec":{"allocations":[0,0]}}`)
	c.Kubectl("patch", "node", "cdev02", "--subresource=status", "--type=merge", "-p", `{"status":{"conditions":[{"type":"NetworkUnavailable","status":"False","reason":"CalicoIsUp"}]}}`)
	c.Kubectl("annotate", "node", "cdev02", "--overwrite", "projectcalico.org/IPv4IPIPTunnelAddr=10.244.1.1")
	c.Kubectl("-n", "kube-system", "create", "configmap", "calico-config", "--from-literal=typha_service_name=none")
	c.Kubectl("delete", "ipamblock", "10-244-1-0-26")
}

// recovery: https://github.com/cozystack/cozystack/issues/3125. The network between nodes
// breaks, and not even a Pod in the host's network can be made to mend it.
func recovery(t *testing.T, c *apiCluster, _ string) {
	c.KubectlInput(fmt.Sprintf(pod, "mender", "default", true), "create", "-f", "-")
	c.KubectlInput(fmt.Sprintf(pod, "mender", "demo", true), "create", "-f", "-")
	c.Kubectl("-n", "demo", "label", "pod", "mender", "step=2")
	c.KubectlInput("apiVersion: batch/v1\nkind: Job\nmetadata: {name: mend, namespace: demo}\nspec: {template: {spec: {hostNetwork: true, restartPolicy: Never, containers: [{name: a, image: a}]}}}", "create", "-f", "-")
	c.Kubectl("-n", "demo", "delete", "pod", "mender", "--grace-period=0", "--force")
	c.Kubectl("-n", "default", "delete", "pod", "mender", "--grace-period=0", "--force")
	// The mend itself: kube-proxy's configuration, and who made the mess loses the right.
	c.Kubectl("-n", "kube-system", "create", "configmap", "kube-proxy", "--from-literal=config.conf=mode: iptables")
	c.Kubectl("create", "clusterrolebinding", "mender", "--clusterrole=view", "--user=mender")
	if _, err := c.KubectlAs(apiserver.Admin, "", "-n", "demo", "create", "service", "clusterip", "web", "--tcp=80"); err == nil {
		t.Error("a new Service passes: nothing was closed, and nothing is shown")
	}
}
