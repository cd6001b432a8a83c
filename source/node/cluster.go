// SPDX-License-Identifier: Apache-2.0

package node

import (
	"cmp"
	"context"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"whohas/claimants"
	"whohas/cluster"
	"whohas/dataplane"
	"whohas/kubeproxy"
	"whohas/rule"
	"whohas/snapshot"
	"whohas/source/live"
)

// kubeconfigs that a host may have, the most powerful first: kubeadm's, k3s', RKE2's,
// and the kubelets', which may read Services and Nodes (kubernetes
// plugin/pkg/auth/authorizer/rbac/bootstrappolicy/policy.go NodeRules).
var kubeconfigs = []string{
	"etc/kubernetes/admin.conf", "etc/kubernetes/super-admin.conf", "etc/rancher/k3s/k3s.yaml", "etc/rancher/rke2/rke2.yaml",
	"var/snap/microk8s/current/credentials/client.config",
	"etc/kubernetes/kubelet.conf", "var/lib/kubelet/kubeconfig", "etc/kubernetes/ssl/kubecfg-kube-node-kubelet.yaml", "var/snap/microk8s/current/credentials/kubelet.config", "var/lib/rancher/k3s/agent/kubelet.kubeconfig", "var/lib/rancher/rke2/agent/kubelet.kubeconfig",
}

// AdminKubeconfigs are the files below a root folder by which objects may be changed, the
// most powerful first; a kubelet's may not.
func AdminKubeconfigs(root string) []string {
	var out []string
	for _, name := range kubeconfigs {
		if !strings.Contains(name, "kubelet") {
			out = append(out, filepath.Join(root, name))
		}
	}
	return out
}

// readCluster reads Services and Nodes, for names, where an apiserver has answered
// and a kubeconfig of this host lets in there. That it does not is no failure: the
// diagnosis needs none of it.
func (in *Options) readCluster(ctx context.Context, h *dataplane.Host, dials []dataplane.ConnectResult, into *snapshot.Builder) {
	why := "no apiserver answered that a kubeconfig of this host names"
	for _, name := range kubeconfigs {
		path := filepath.Join(in.Root, name)
		cfg, err := in.Client(path)
		if err != nil || !Answered(h, dials, cfg.Host) {
			continue
		}
		keep, err := namingReads()
		if err != nil {
			continue
		}
		if err := live.Read(ctx, live.Options{Config: cfg, Reads: keep, Known: true}, into); err == nil {
			return
		}
		why = path + ": could not be used"
	}
	into.Cover(snapshot.Coverage{Source: "cluster", Status: snapshot.StatusAbsent, Detail: why})
}

// namingReads are the kinds by which a Service is named and a Node known.
func namingReads() (snapshot.Reads, error) {
	list := []snapshot.Read{{Fields: rule.KeeperFields()}}
	for _, r := range append(claimants.Reads(), cluster.Reads()...) {
		if r.Kind == cluster.ServiceKind || r.Kind == cluster.NodeKind {
			list = append(list, r)
		}
	}
	return snapshot.NewReads(list...)
}

// Answered reports whether a kubeconfig's server is an address at which somebody else,
// or this host with every right, accepted a connection.
func Answered(h *dataplane.Host, dials []dataplane.ConnectResult, server string) bool {
	to, ok := addressOf(server)
	return ok && slices.ContainsFunc(dials, func(d dataplane.ConnectResult) bool {
		return d.To == to && d.Result == "accepted" && (!d.Self || to.Addr().IsLoopback() || ownAddress(h, to.Addr()) || balanced(h, d))
	})
}

// balanced reports whether IPVS leads a connection on, to one who has shown a certificate:
// a balancer of apiservers on this host.
func balanced(h *dataplane.Host, d dataplane.ConnectResult) bool {
	return len(d.Names) > 0 && slices.ContainsFunc(h.Servers, func(v dataplane.VirtualServer) bool {
		return v.IP == d.To.Addr() && v.Port == d.To.Port()
	})
}

func ownAddress(h *dataplane.Host, ip netip.Addr) bool {
	return slices.ContainsFunc(h.Addresses, func(a dataplane.Address) bool {
		return !kubeproxy.IsDevice(a.Link) && a.Prefix.Addr() == ip
	})
}

// addressOf reads the server of a kubeconfig, where it is an address.
func addressOf(server string) (netip.AddrPort, bool) {
	u, err := url.Parse(server)
	if err != nil {
		return netip.AddrPort{}, false
	}
	to, err := netip.ParseAddrPort(net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), "443")))
	return netip.AddrPortFrom(to.Addr().Unmap(), to.Port()), err == nil
}
