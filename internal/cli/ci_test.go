// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// ciCommands are the commands by which docs/ci.md gates a change: one of each job.
func ciCommands(t *testing.T) [][]string {
	t.Helper()
	text, err := os.ReadFile("../../docs/ci.md")
	if err != nil {
		t.Fatal(err)
	}
	joined := strings.ReplaceAll(string(text), "\\\n", " ")
	var commands [][]string
	for line := range strings.Lines(joined) {
		if _, args, ok := strings.Cut(line, "kubectl-whohas check --base"); ok {
			commands = append(commands, append([]string{"whohas", "check", "--base"}, strings.Fields(args)...))
		}
	}
	if len(commands) != 2 {
		t.Fatalf("docs/ci.md gates by %d commands, want those of GitHub and of GitLab: %q", len(commands), commands)
	}
	return commands
}

const (
	ciCluster = `apiVersion: v1
kind: Node
metadata: {name: m-1, labels: {node-role.kubernetes.io/control-plane: ""}, annotations: {projectcalico.org/IPv4Address: 192.0.2.11/24}}
status: {addresses: [{type: InternalIP, address: 192.0.2.11}], nodeInfo: {kubeProxyVersion: v1.25.9}}
---
apiVersion: v1
kind: Node
metadata: {name: m-2}
status: {addresses: [{type: InternalIP, address: 192.0.2.12}], nodeInfo: {kubeProxyVersion: v1.25.9}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: kubernetes, namespace: default, labels: {kubernetes.io/service-name: kubernetes}}
endpoints: [{addresses: [192.0.2.11]}]
ports: [{port: 6443, protocol: TCP}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: kube-proxy, namespace: kube-system}
data: {config.conf: "mode: ipvs"}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: kubeadm-config, namespace: kube-system}
data: {ClusterConfiguration: "controlPlaneEndpoint: 192.0.2.20:6443"}
---
apiVersion: v1
kind: Service
metadata: {name: kube-dns, namespace: kube-system}
spec: {type: ClusterIP, clusterIP: 10.96.0.10, clusterIPs: [10.96.0.10], ports: [{port: 53, protocol: UDP}]}
---
apiVersion: v1
kind: Service
metadata: {name: shop, namespace: shop}
spec: {type: LoadBalancer, clusterIP: 10.96.0.11, ports: [{port: 443}]}
status: {loadBalancer: {ingress: [{ip: 192.0.2.80}]}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge, namespace: demo}
spec: {addresses: [{value: 192.0.2.90}], listeners: [{port: 80, protocol: HTTP}]}
---
apiVersion: v1
kind: Service
metadata: {name: edge-made, namespace: demo, labels: {gateway.networking.k8s.io/gateway-name: edge}}
spec: {type: LoadBalancer, ports: [{port: 80}]}
status: {loadBalancer: {ingress: [{ip: 192.0.2.90}]}}
`
	ciEmpty = "# the base branch's: nothing is excused\n"
)

// taking is the Service that a change brings.
func taking(address, port, more string) string {
	return "apiVersion: v1\nkind: Service\nmetadata: {name: tomcat, namespace: demo" + more + "}\nspec: {externalIPs: [" + address + "], ports: [{port: " + port + "}]}\n"
}

// ciTree is a checkout: files of the change by name; "-> X" is a link to X.
type ciTree map[string]string

func with(tree ciTree, more ciTree) ciTree {
	all := ciTree{}
	for _, t := range []ciTree{tree, more} {
		for name, text := range t {
			all[name] = text
		}
	}
	return all
}

// ciAttacks are changes that take an address and bring an excuse.
func ciAttacks() map[string]ciTree {
	node := ciTree{"manifests/tomcat.yaml": taking("192.0.2.11", "8080", "")}
	object := func(text string) ciTree { return with(node, ciTree{"manifests/a-excuse.yaml": text}) }
	return map[string]ciTree{
		"alone":                               node,
		"allow":                               with(node, ciTree{".whohas.yaml": "allow: [{rule: WH101, reason: trust me}]\n"}),
		"severities":                          with(node, ciTree{".whohas.yaml": "severities: {WH101: info}\n"}),
		"proxyMode":                           with(node, ciTree{".whohas.yaml": "proxyMode: iptables\n"}),
		"a configuration that is broken":      with(node, ciTree{".whohas.yaml": "{"}),
		"a configuration among the manifests": with(node, ciTree{"manifests/.whohas.yaml": "allow: [{rule: WH101, reason: trust me}]\n"}),
		"annotation":                          {"manifests/tomcat.yaml": taking("192.0.2.11", "8080", `, annotations: {whohas.io/allow: "WH101 reason=trust me"}`)},

		"kube-proxy's ConfigMap":   object("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: kube-proxy, namespace: kube-system}\ndata: {config.conf: \"mode: iptables\"}\n"),
		"its gate":                 object("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: kube-proxy, namespace: kube-system}\ndata: {config.conf: \"{mode: ipvs, featureGates: {AllowServiceExternalIPs: false}}\"}\n"),
		"a proxy's configuration":  object("apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\nmode: nftables\nmetadata: {name: x}\n"),
		"Cilium in its place":      object("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: cilium-config, namespace: kube-system}\ndata: {kube-proxy-replacement: \"true\"}\n"),
		"Calico's eBPF":            object("apiVersion: crd.projectcalico.org/v1\nkind: FelixConfiguration\nmetadata: {name: default}\nspec: {bpfEnabled: true}\n"),
		"kube-router, proxy off":   object("apiVersion: apps/v1\nkind: DaemonSet\nmetadata: {name: kube-router, namespace: kube-system}\nspec: {template: {spec: {containers: [{name: kube-router, image: kube-router:v2, args: [--run-service-proxy=false]}]}}}\n"),
		"another era":              object("apiVersion: apps/v1\nkind: DaemonSet\nmetadata: {name: kube-proxy, namespace: kube-system}\nspec: {template: {spec: {containers: [{name: kube-proxy, image: kube-proxy:v1.9.0}]}}}\n"),
		"k3s's arguments":          object("apiVersion: v1\nkind: Node\nmetadata: {name: m-2, annotations: {k3s.io/node-args: '[\"server\"]'}}\n"),
		"OpenShift's network":      object("apiVersion: operator.openshift.io/v1\nkind: Network\nmetadata: {name: cluster}\nspec: {defaultNetwork: {type: OVNKubernetes}}\n"),
		"a hollow Node":            object("apiVersion: v1\nkind: Node\nmetadata: {name: m-1}\n"),
		"hollow all":               object("apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Node, metadata: {name: m-1}}\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: kubeadm-config, namespace: kube-system}, data: {}}\n- {apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: kubernetes, namespace: default}, endpoints: []}\n"),
		"a Node by another name":   object("apiVersion: v1\nkind: Node\nmetadata: {name: m-1}\nstatus: {addresses: [{type: InternalIP, address: 192.0.2.99}]}\n"),
		"the apiserver's address":  with(ciTree{"manifests/tomcat.yaml": taking("192.0.2.20", "8080", "")}, ciTree{"manifests/a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: kubeadm-config, namespace: kube-system}\ndata: {ClusterConfiguration: \"controlPlaneEndpoint: 192.0.2.21:6443\"}\n"}),
		"a ClusterIP":              {"manifests/tomcat.yaml": taking("10.96.0.10", "53", ""), "manifests/a.yaml": "apiVersion: v1\nkind: Service\nmetadata: {name: kube-dns, namespace: kube-system}\nspec: {ports: [{port: 53, protocol: UDP}]}\n"},
		"another's VIP":            {"manifests/tomcat.yaml": taking("192.0.2.80", "443", ""), "manifests/a.yaml": "apiVersion: v1\nkind: Service\nmetadata: {name: shop, namespace: shop}\nspec: {type: LoadBalancer, ports: [{port: 443}]}\nstatus: {loadBalancer: {ingress: [{ip: 192.0.2.80, ipMode: Proxy}]}}\n"},
		"a Gateway's name":         {"manifests/tomcat.yaml": taking("192.0.2.90", "80", ", labels: {gateway.networking.k8s.io/gateway-name: edge}")},
		"two files for one object": with(node, ciTree{"manifests/a.yaml": "apiVersion: v1\nkind: Service\nmetadata: {name: tomcat, namespace: demo}\nspec: {clusterIP: None}\n"}),
		"two kinds in one object":  {"manifests/tomcat.json": `{"kind":"ConfigMap","apiVersion":"v1","kind":"Service","metadata":{"name":"t","namespace":"d"},"spec":{"externalIPs":["192.0.2.11"],"ports":[{"port":80}]}}`},
		"the second kind escaped":  {"manifests/tomcat.json": `{"kind":"ConfigMap","apiVersion":"v1","k\u0069nd":"Service","metadata":{"name":"t","namespace":"d"},"spec":{"externalIPs":["192.0.2.11"],"ports":[{"port":80}]}}`},
		"a hidden folder":          {"manifests/.git/tomcat.yaml": taking("192.0.2.11", "8080", "")},
		"a List in a List":         {"manifests/tomcat.json": `{"apiVersion":"v1","kind":"List","items":[{"apiVersion":"v1","kind":"List","items":[{"apiVersion":"v1","kind":"Service","metadata":{"name":"t"},"spec":{"externalIPs":["192.0.2.11"],"ports":[{"port":80}]}}]}]}`},
		"a byte order mark":        {"manifests/tomcat.json": "\uFEFF" + `{"apiVersion":"v1","kind":"Service","metadata":{"name":"t"},"spec":{"externalIPs":["192.0.2.11"],"ports":[{"port":80}]}}`},
		"templates":                {"manifests/Chart.yaml": "name: x\n", "manifests/templates/tomcat.yaml": taking("192.0.2.11", "8080", "")},
	}
}

// ciHidden are changes that hide a manifest from the reader: nobody knows what stands
// there, which is no pass.
var ciHidden = map[string]ciTree{
	"large letters":     {"manifests/tomcat.YAML": taking("192.0.2.11", "8080", "")},
	"a linked folder":   {"hidden/tomcat.yaml": taking("192.0.2.11", "8080", ""), "manifests/more": "-> ../hidden"},
	"a dangling link":   {"manifests/more.yaml": "-> ../nothing.yaml"},
	"UTF-16":            {"manifests/tomcat.json": "\xff\xfe{\x00}\x00"},
	"a broken document": {"manifests/tomcat.yaml": "a: {\n---\n" + taking("192.0.2.200", "80", "")},
}

// ciWanted are changes that must pass: moving off IPVS and so on is only warned about.
var ciWanted = map[string]ciTree{
	"a free address":            {"manifests/tomcat.yaml": taking("192.0.2.200", "80", "")},
	"off IPVS":                  {"manifests/proxy.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: kube-proxy, namespace: kube-system}\ndata: {config.conf: \"mode: nftables\"}\n"},
	"a manifest of what exists": {"manifests/shop.yaml": "apiVersion: v1\nkind: Service\nmetadata: {name: shop, namespace: shop}\nspec: {type: LoadBalancer, ports: [{port: 443}]}\n"},
	"a VIP that moves":          {"manifests/a.yaml": "apiVersion: v1\nkind: Service\nmetadata: {name: shop, namespace: shop}\nspec: {type: ClusterIP, ports: [{port: 443}]}\n", "manifests/b.yaml": taking("192.0.2.80", "443", "")},
	"a Node's namesake":         {"manifests/node.yaml": "apiVersion: v1\nkind: Node\nmetadata: {name: m-2}\n"},
}

// bare is a command without what it need not rest on: the flags that name a trusted
// configuration and distrust annotations.
func bare(command []string) []string {
	var out []string
	for i := 0; i < len(command); i++ {
		switch command[i] {
		case "--config":
			i++
		case "--no-inline-allow":
		default:
			out = append(out, command[i])
		}
	}
	return out
}

// TestCI plays changes against the very commands of docs/ci.md, in a real tree, and
// against the same without the flags that trust nobody.
func TestCI(t *testing.T) {
	commands := ciCommands(t)
	for _, command := range append(commands, bare(commands[0])) {
		play := func(name string, tree ciTree, want int) {
			t.Run(fmt.Sprintf("%s of %d words/%s", command[len(command)-1], len(command), name), func(t *testing.T) {
				runCI(t, command, with(ciTree{"manifests/ok.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ok}\n"}, tree), want)
			})
		}
		for name, tree := range ciAttacks() {
			play(name, tree, exitFindings)
		}
		for name, tree := range ciHidden {
			play(name, tree, exitFailed)
		}
		for name, tree := range ciWanted {
			play(name, tree, exitOK)
		}
	}
}

// runCI writes the base beside the checkout, as the jobs do, and runs a command in it.
func runCI(t *testing.T, command []string, tree ciTree, want int) {
	t.Helper()
	root := t.TempDir()
	write := func(name, text string) {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		if to, ok := strings.CutPrefix(text, "-> "); ok {
			err = os.Symlink(to, path)
		} else {
			err = os.WriteFile(path, []byte(text), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	write("cluster.yaml", ciCluster)
	write("whohas-base.yaml", ciEmpty)
	write("base/.keep", "")
	for name, text := range tree {
		write("checkout/"+name, text)
	}
	t.Chdir(filepath.Join(root, "checkout"))
	run := func(args ...string) (int, string) {
		var out, errs bytes.Buffer
		status := Main(args, strings.NewReader(""), &out, &errs)
		return status, out.String() + errs.String()
	}
	if status, text := run("whohas", "snapshot", "-f", "../cluster.yaml", "-o", "../base/cluster.snapshot"); status != exitOK {
		t.Fatalf("snapshot: %d: %s", status, text)
	}
	if status, text := run(command...); status != want {
		t.Errorf("exit status %d, want %d:\n%s", status, want, text)
	}
}
