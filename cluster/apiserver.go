// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"

	"whohas/snapshot"
)

// apiServers finds where the nodes reach the apiserver, the surest source
// first: kube-proxy's own kubeconfig, cluster-info, kubeadm's endpoint. Only if
// none of them was read, the endpoints of default/kubernetes stand for it, and
// without any object what the hosts were told.
func (f *Facts) apiServers(s *snapshot.Snapshot) {
	if o := s.First(ConfigMapKind.Ref("kube-system", "kube-proxy")); o != nil {
		for c := range o.Field("data", "kubeconfig.conf", "clusters").Items() {
			f.addServer(c.Get("cluster", "server"), o)
		}
	}
	if o := s.First(ConfigMapKind.Ref("kube-public", "cluster-info")); o != nil && len(f.APIServers) == 0 {
		for c := range o.Field("data", "kubeconfig", "clusters").Items() {
			f.addServer(c.Get("cluster", "server"), o)
		}
	}
	if len(f.APIServers) == 0 {
		f.kubeadmEndpoint(s)
	}
	if len(f.APIServers) == 0 && !f.localProxy() {
		f.kubernetesEndpoints(s)
	}
	f.apiBackends(s)
	if len(f.APIServers) == 0 {
		f.toldEndpoints(s)
	}
	for _, e := range f.APIServers {
		f.conclude("apiserver", e.String(), e.From, snapshot.Origin{})
	}
}

// apiBackends finds what a proxy on each node leads to: the endpoints of
// default/kubernetes, else the control-plane nodes.
func (f *Facts) apiBackends(s *snapshot.Snapshot) {
	for i := range s.Slices {
		if IsKubernetesEndpoints(&s.Slices[i]) {
			f.APIBackends = append(f.APIBackends, s.Slices[i].Addresses...)
		}
	}
	if len(f.APIBackends) > 0 {
		return
	}
	for _, n := range f.Nodes {
		if n.ControlPlane && len(n.Addresses) > 0 {
			f.APIBackends = append(f.APIBackends, n.Addresses[0])
		}
	}
}

// localProxy reports whether the distribution gives each node a proxy of its own
// in front of all apiservers: k3s and RKE2 agents (127.0.0.1:6444), RKE and
// kubespray (nginx-proxy).
func (f *Facts) localProxy() bool {
	switch f.Distribution {
	case "k3s", "rke2", "rke", "kubespray":
		f.APIServers = append(f.APIServers, Endpoint{
			IP: netip.AddrFrom4([4]byte{127, 0, 0, 1}), Port: 6443, From: f.Distribution + "'s proxy on each node",
		})
		return true
	}
	return false
}

func (f *Facts) kubeadmEndpoint(s *snapshot.Snapshot) {
	if o := s.First(ConfigMapKind.Ref("kube-system", "kubeadm-config")); o != nil {
		f.addHostPort(o.Field("data", "ClusterConfiguration", "controlPlaneEndpoint").Text(), o.Ref.String())
	}
	for _, o := range s.Kind(kubeadmConfig) {
		f.addHostPort(o.Field("controlPlaneEndpoint").Text(), o.Ref.String())
	}
}

func (f *Facts) kubernetesEndpoints(s *snapshot.Snapshot) {
	for i := range s.Slices {
		e := &s.Slices[i]
		if !IsKubernetesEndpoints(e) {
			continue
		}
		port := uint16(6443)
		if len(e.Ports) > 0 {
			port = e.Ports[0].Number
		}
		for _, ip := range e.Addresses {
			f.addEndpoint(Endpoint{IP: ip, Port: port, From: e.Ref.String()})
		}
	}
}

// IsKubernetesEndpoints reports whether a slice holds the apiservers' addresses.
func IsKubernetesEndpoints(e *snapshot.EndpointSlice) bool {
	return e.Ref.Namespace == "default" && (e.Service == "kubernetes" || e.Ref.Name == "kubernetes")
}

func (f *Facts) addServer(at snapshot.Field, o *snapshot.Object) {
	if u, err := url.Parse(at.Text()); err == nil && u.Host != "" {
		f.addHostPort(u.Host, o.Ref.String())
	}
}

func (f *Facts) addHostPort(text, from string) {
	if text == "" || snapshot.Unresolved(text) {
		return
	}
	f.addEndpoint(parseHostPort(text, from))
}

// parseHostPort reads "host:port", "host" or "[v6]:port"; 6443 without a port.
func parseHostPort(text, from string) Endpoint {
	e := Endpoint{Host: text, Port: 6443, From: from}
	if host, port, err := net.SplitHostPort(text); err == nil {
		n, _ := strconv.ParseUint(port, 10, 16)
		e.Host, e.Port = host, uint16(n)
	}
	if ip, _, err := snapshot.ParseAddr(e.Host); err == nil {
		e.IP, e.Host = ip, ""
	}
	return e
}

// ParseEndpoint reads a control-plane endpoint as kubeadm writes it.
func ParseEndpoint(text string) Endpoint { return parseHostPort(text, "") }

func (f *Facts) addEndpoint(e Endpoint) {
	same := func(o Endpoint) bool { return o.IP == e.IP && o.Host == e.Host && o.Port == e.Port }
	if !slices.ContainsFunc(f.APIServers, same) {
		f.APIServers = append(f.APIServers, e)
	}
}

// String gives "192.168.10.114:6443".
func (e Endpoint) String() string {
	host := e.Host
	if e.IP.IsValid() {
		host = e.IP.String()
	}
	return net.JoinHostPort(host, strconv.Itoa(int(e.Port)))
}

// APICut tells what remains of a node's way to the apiserver when an address is
// no longer reached.
type APICut int

// The ways: unknown, untouched, some of several, all.
const (
	APIUnknown APICut = iota
	APIReached
	APIPartly
	APILost
)

// WithoutAddress tells what losing an address does to the nodes' way to the
// apiserver. A proxy on each node takes another apiserver where one is lost, but
// it stands on the node: if the only one is lost to the node, it is to the proxy.
func (f *Facts) WithoutAddress(ip netip.Addr) APICut {
	if len(f.APIServers) == 0 {
		return APIUnknown
	}
	lost, named := 0, 0
	for _, e := range f.APIServers {
		switch {
		case e.IP == ip, e.IP.IsLoopback() && f.onlyBackend(ip):
			lost++
		case e.Host != "":
			named++ // a name: where it leads is not known here
		}
	}
	switch {
	case lost == len(f.APIServers):
		return APILost
	case lost > 0:
		return APIPartly
	case named > 0:
		return APIUnknown
	}
	return APIReached
}

func (f *Facts) onlyBackend(ip netip.Addr) bool {
	return len(f.APIBackends) > 0 && !slices.ContainsFunc(f.APIBackends, func(b netip.Addr) bool { return b != ip })
}
