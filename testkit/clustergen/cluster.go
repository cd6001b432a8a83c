// SPDX-License-Identifier: Apache-2.0

package clustergen

import (
	"fmt"
	"strconv"
	"strings"
)

// pool is one of MetalLB's.
type pool struct {
	name   string
	block  [4]byte // the network that LoadBalancer addresses are taken from
	ranges []string
	manual bool // gives an address only to who asks for it
	taken  int
}

func (p pool) object() string { return "IPAddressPool metallb-system/" + p.name }

// head writes the metadata that every small object has.
func (f *Cluster) head(p *page, apiVersion, kind string, s stream, i int, namespace, name string) {
	p.str("apiVersion", apiVersion)
	p.str("kind", kind)
	p.object("metadata")
	p.str("creationTimestamp", f.created(s, i))
	p.str("name", name)
	if namespace != "" {
		p.str("namespace", namespace)
	}
	p.str("resourceVersion", f.version(s, i))
	p.str("uid", f.uid(s, i))
	p.close('}')
}

func (f *Cluster) writePool(p *page, i int) {
	each := f.pools[i]
	p.open('{')
	f.head(p, "metallb.io/v1beta1", "IPAddressPool", forPool, i, "metallb-system", each.name)
	p.object("spec")
	p.strs("addresses", each.ranges...)
	p.flag("autoAssign", !each.manual)
	p.flag("avoidBuggyIPs", false)
	p.close('}')
	p.object("status")
	p.num("assignedIPv4", each.taken)
	p.num("assignedIPv6", 0)
	p.close('}')
	p.close('}')
}

// writeL2Advertisement names the pools that are in use; the conflicting ones
// are only defined, so that no conflict depends on how they are announced.
func (f *Cluster) writeL2Advertisement(p *page, _ int) {
	p.open('{')
	f.head(p, "metallb.io/v1beta1", "L2Advertisement", forSingle, 0, "metallb-system", "pools")
	p.object("spec")
	var names []string
	for _, each := range f.pools[:f.size.Pools] {
		names = append(names, each.name)
	}
	p.strs("ipAddressPools", names...)
	p.close('}')
	p.close('}')
}

func (f *Cluster) writeIPPool(p *page, _ int) {
	p.open('{')
	f.head(p, "crd.projectcalico.org/v1", "IPPool", forSingle, 1, "", "default-ipv4-ippool")
	p.object("spec")
	p.strs("allowedUses", "Workload", "Tunnel")
	p.num("blockSize", 26)
	p.str("cidr", podSubnet)
	p.str("ipipMode", "Always")
	p.flag("natOutgoing", true)
	p.str("nodeSelector", "all()")
	p.str("vxlanMode", "Never")
	p.close('}')
	p.close('}')
}

func (f *Cluster) writeServiceCIDR(p *page, _ int) {
	p.open('{')
	f.head(p, "networking.k8s.io/v1", "ServiceCIDR", forSingle, 2, "", "kubernetes")
	p.object("spec")
	p.strs("cidrs", serviceSubnet)
	p.close('}')
	p.object("status")
	p.array("conditions")
	p.item()
	p.open('{')
	p.str("lastTransitionTime", f.created(forSingle, 2))
	p.str("message", "Kubernetes Service CIDR is ready")
	p.str("reason", "")
	p.str("status", "True")
	p.str("type", "Ready")
	p.close('}')
	p.close(']')
	p.close('}')
	p.close('}')
}

func (f *Cluster) writeNamespace(p *page, i int) {
	name := f.namespaces[i]
	p.open('{')
	p.str("apiVersion", "v1")
	p.str("kind", "Namespace")
	p.object("metadata")
	p.str("creationTimestamp", f.created(forNamespace, i))
	p.object("labels")
	p.str("kubernetes.io/metadata.name", name)
	p.close('}')
	p.str("name", name)
	p.str("resourceVersion", f.version(forNamespace, i))
	p.str("uid", f.uid(forNamespace, i))
	p.close('}')
	p.object("spec")
	p.strs("finalizers", "kubernetes")
	p.close('}')
	p.object("status")
	p.str("phase", "Active")
	p.close('}')
	p.close('}')
}

func (f *Cluster) writeDaemonSet(p *page, i int) {
	number := f.daemons()[i]
	w := &f.workloads[number]
	p.buf = f.forms.daemonSet.append(p.buf, func(b []byte, slot string) []byte {
		switch slot {
		case "name":
			return append(b, w.name...)
		case "namespace":
			return append(b, w.namespace...)
		case "image":
			return append(b, w.image...)
		case "command":
			return append(b, "/usr/local/bin/"+w.name...)
		case "count":
			return strconv.AppendInt(b, int64(w.count), 10)
		case "created":
			return append(b, f.created(forSingle, 10+i)...)
		case "rv":
			return append(b, f.version(forSingle, 10+i)...)
		case "uid":
			return appendUID(b, f.draw(forWorkload, number))
		}
		panic("daemonset: no slot " + slot)
	})
}

// configMap is a name and its keys and values, sorted.
type configMap struct {
	namespace, name string
	data            [][2]string
}

func (f *Cluster) writeConfigMap(p *page, i int) {
	c := f.configMaps[i]
	p.open('{')
	p.str("apiVersion", "v1")
	p.object("data")
	for _, entry := range c.data {
		p.str(entry[0], entry[1])
	}
	p.close('}')
	p.str("kind", "ConfigMap")
	p.object("metadata")
	p.str("creationTimestamp", f.created(forConfigMap, i))
	p.str("name", c.name)
	p.str("namespace", c.namespace)
	p.str("resourceVersion", f.version(forConfigMap, i))
	p.str("uid", f.uid(forConfigMap, i))
	p.close('}')
	p.close('}')
}

// layConfigMaps makes the cluster's own, the certificate that each namespace
// has, and the settings of every third workload.
func (b *builder) layConfigMaps() {
	b.configMaps = []configMap{
		{"kube-public", "cluster-info", [][2]string{{"kubeconfig", clusterInfo()}}},
		{"kube-system", "coredns", [][2]string{{"Corefile", corefile}}},
		{"kube-system", "kube-proxy", [][2]string{{"config.conf", proxyConfig()}, {"kubeconfig.conf", proxyKubeconfig()}}},
		{"kube-system", "kubeadm-config", [][2]string{{"ClusterConfiguration", kubeadmConfig()}}},
	}
	certificate := b.certificate()
	for _, namespace := range b.namespaces {
		b.configMaps = append(b.configMaps, configMap{namespace, "kube-root-ca.crt", [][2]string{{"ca.crt", certificate}}})
	}
	for i, w := range b.workloads {
		if i%3 == 0 && !w.hostNetwork() {
			b.configMaps = append(b.configMaps, configMap{w.namespace, w.name + "-config", [][2]string{{"app.properties", appSettings(w)}, {"log.level", "info"}}})
		}
	}
}

func appSettings(w workload) string {
	return fmt.Sprintf("server.port=%d\nserver.bind=0.0.0.0\nupstream.url=http://gateway.%s.svc:80/?retry=3&timeout=2s\ncache.ttl=<default>\n", w.port, w.namespace)
}

// certificate has the size and looks of one.
func (f *Cluster) certificate() string {
	var b strings.Builder
	b.WriteString("-----BEGIN CERTIFICATE-----\n")
	for line := range 16 {
		b.Write(appendHex(nil, f.draw(forCluster, 100+line), 64))
		b.WriteByte('\n')
	}
	b.WriteString("-----END CERTIFICATE-----\n")
	return b.String()
}

func apiServer() string { return controlPlaneVIP().String() + ":6443" }

func clusterInfo() string {
	return `apiVersion: v1
clusters:
- cluster:
    server: https://` + apiServer() + `
  name: ""
contexts: null
current-context: ""
kind: Config
preferences: {}
users: null
`
}

func proxyKubeconfig() string {
	return `apiVersion: v1
kind: Config
clusters:
- cluster:
    certificate-authority: /var/run/secrets/kubernetes.io/serviceaccount/ca.crt
    server: https://` + apiServer() + `
  name: default
contexts:
- context:
    cluster: default
    namespace: default
    user: default
  name: default
current-context: default
users:
- name: default
  user:
    tokenFile: /var/run/secrets/kubernetes.io/serviceaccount/token
`
}

func proxyConfig() string {
	return `apiVersion: kubeproxy.config.k8s.io/v1alpha1
bindAddress: 0.0.0.0
clientConnection:
  kubeconfig: /var/lib/kube-proxy/kubeconfig.conf
clusterCIDR: ` + podSubnet + `
conntrack:
  maxPerCore: null
  min: null
iptables:
  masqueradeAll: false
  syncPeriod: 0s
ipvs:
  excludeCIDRs: null
  minSyncPeriod: 0s
  scheduler: ""
  strictARP: true
  syncPeriod: 0s
kind: KubeProxyConfiguration
metricsBindAddress: ""
mode: ipvs
nodePortAddresses: null
`
}

func kubeadmConfig() string {
	return `apiServer: {}
apiVersion: kubeadm.k8s.io/v1beta4
certificatesDir: /etc/kubernetes/pki
clusterName: kubernetes
controlPlaneEndpoint: ` + apiServer() + `
controllerManager: {}
dns: {}
encryptionAlgorithm: RSA-2048
etcd:
  local:
    dataDir: /var/lib/etcd
imageRepository: registry.k8s.io
kind: ClusterConfiguration
kubernetesVersion: ` + kubeVersion + `
networking:
  dnsDomain: cluster.local
  podSubnet: ` + podSubnet + `
  serviceSubnet: ` + serviceSubnet + `
proxy: {}
scheduler: {}
`
}

const corefile = `.:53 {
    errors
    health {
       lameduck 5s
    }
    ready
    kubernetes cluster.local in-addr.arpa ip6.arpa {
       pods insecure
       fallthrough in-addr.arpa ip6.arpa
       ttl 30
    }
    prometheus :9153
    forward . /etc/resolv.conf {
       max_concurrent 1000
    }
    cache 30
    loop
    reload
    loadbalance
}
`
