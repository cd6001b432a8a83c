// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"slices"
	"strings"

	"whohas/snapshot"
)

// distribution tells who set the cluster up: it decides where configuration
// stands and how nodes reach the apiserver.
func (f *Facts) distribution(s *snapshot.Snapshot) {
	for _, sign := range distributionSigns {
		if o := sign.find(s); o != nil {
			f.Distribution, f.ServiceLB = sign.name, runsServiceLB(sign.name, s)
			f.conclude("distribution", sign.name, o.Ref.String(), o.Origin())
			return
		}
	}
	f.conclude("distribution", "unknown", "no sign of one among what was read", snapshot.Origin{})
}

type distributionSign struct {
	name string
	find func(*snapshot.Snapshot) *snapshot.Object
}

// distributionSigns are asked in this order: kubespray and RKE2 carry signs of
// kubeadm and k3s as well.
var distributionSigns = []distributionSign{
	{"openshift", func(s *snapshot.Snapshot) *snapshot.Object { return firstOf(s.Kind(clusterVersion)) }},
	{"rke2", nodeWith(func(o *snapshot.Object) bool {
		return o.Annotation("rke2.io/node-args").OK() || o.Label("node.kubernetes.io/instance-type") == "rke2" || kubeletHas(o, "+rke2")
	})},
	{"k3s", nodeWith(func(o *snapshot.Object) bool {
		return o.Annotation("k3s.io/node-args").OK() || o.Label("node.kubernetes.io/instance-type") == "k3s" || kubeletHas(o, "+k3s")
	})},
	{"rke", func(s *snapshot.Snapshot) *snapshot.Object {
		if o := s.First(ConfigMapKind.Ref("kube-system", "full-cluster-state")); o != nil {
			return o
		}
		return nodeWith(func(o *snapshot.Object) bool { return o.Annotation("rke.cattle.io/internal-ip").OK() })(s)
	}},
	{"kubespray", func(s *snapshot.Snapshot) *snapshot.Object {
		// kubespray runs its nodes' way to the apiserver through a proxy on each
		// of them: a static Pod of this name.
		for i := range s.Pods {
			p := &s.Pods[i]
			if p.Namespace == "kube-system" && (strings.HasPrefix(p.Name, "nginx-proxy-") || strings.HasPrefix(p.Name, "haproxy-"+p.Node)) && p.HostNetwork {
				return &snapshot.Object{Ref: p.Ref(), File: p.File, Line: p.Line}
			}
		}
		return nil
	}},
	{"kubeadm", func(s *snapshot.Snapshot) *snapshot.Object {
		if o := s.First(ConfigMapKind.Ref("kube-system", "kubeadm-config")); o != nil {
			return o
		}
		if o := firstOf(s.Kind(kubeadmConfig)); o != nil {
			return o
		}
		return nodeWith(func(o *snapshot.Object) bool { return o.Annotation("kubeadm.alpha.kubernetes.io/cri-socket").OK() })(s)
	}},
}

// runsServiceLB: k3s runs ServiceLB unless a server was told not to, RKE2 only if
// one was told to (k3s docs networking-services, rke2 docs server configuration).
func runsServiceLB(distribution string, s *snapshot.Snapshot) bool {
	runs := distribution == "k3s"
	for _, o := range s.Kind(NodeKind) {
		before := ""
		for a := range o.Annotation(distribution + ".io/node-args").Items() {
			name, value, ok := strings.Cut(a.Text(), "=")
			if !ok {
				name, value = before, a.Text()
			}
			switch {
			case (name == "--disable" || name == "--no-deploy") && slices.Contains(strings.Split(value, ","), "servicelb"):
				runs = false
			case strings.HasPrefix(a.Text(), "--enable-servicelb"):
				runs = true
			}
			before = a.Text()
		}
	}
	return runs
}

func firstOf(objects []*snapshot.Object) *snapshot.Object {
	if len(objects) == 0 {
		return nil
	}
	return objects[0]
}

func nodeWith(match func(*snapshot.Object) bool) func(*snapshot.Snapshot) *snapshot.Object {
	return func(s *snapshot.Snapshot) *snapshot.Object {
		for _, o := range s.Kind(NodeKind) {
			if match(o) {
				return o
			}
		}
		return nil
	}
}

func kubeletHas(o *snapshot.Object, mark string) bool {
	return strings.Contains(o.Field("status", "nodeInfo", "kubeletVersion").Text(), mark)
}
