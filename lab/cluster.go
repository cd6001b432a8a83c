// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"whohas/dataplane"
)

// Cluster is what runs on the hosts. The zero value is nothing: a scenario of
// the kernel alone.
type Cluster struct {
	ControlPlane string // the host of etcd, kube-apiserver and kube-controller-manager
	Nodes        []string
	Proxy        Proxy
	BIRD         bool              // BGP full mesh over IPIP, as Calico does it
	Servers      map[string]string // by which address a host's kubelet and kube-proxy reach the apiserver
	Grace        time.Duration     // node monitor grace period; 0: the default, 50 s
	LocalProxy   LocalProxy        // on every node; zero: none
	HoldTime     time.Duration     // of BGP
	VIP          netip.Addr        // a control-plane address that no Node lists; added to the certificate
}

// Proxy is kube-proxy: its era and how it is configured.
type Proxy struct {
	Version    string // "1.25" or "1.36"; empty: none runs
	Mode       dataplane.ProxyMode
	StrictARP  bool
	SyncPeriod time.Duration // 0: its default, 30 s
}

// LocalProxy is a TCP proxy on 127.0.0.1 of every node, as kubespray and RKE
// run one: it takes the first server that accepts. The zero value is none.
type LocalProxy struct {
	Port    uint16
	Servers []string
}

// proxyVersions are the eras of kube-proxy that the lab builds.
var proxyVersions = []string{"1.25", "1.36"}

func (p *parser) cluster(c *Cluster, text string) {
	for i, line := range strings.Split(text, "\n") {
		line, _, _ = strings.Cut(line, "#")
		words := strings.Fields(line)
		if len(words) > 0 {
			p.clusterLine(c, p.lines["cluster"]+i, words[0], words[1:])
		}
	}
}

func (p *parser) clusterLine(c *Cluster, line int, key string, words []string) {
	if len(words) == 0 && key != "bird" {
		p.fail(line, "%s: says nothing", key)
		return
	}
	switch key {
	case "control-plane":
		c.ControlPlane = words[0]
	case "nodes":
		c.Nodes = words
	case "kube-proxy":
		p.proxy(&c.Proxy, line, words)
	case "bird":
		c.BIRD = true
		for _, w := range words {
			p.setting(line, w, map[string]any{"hold": &c.HoldTime})
		}
	case "server":
		if len(words) != 2 {
			p.fail(line, "want server HOST ADDRESS:PORT")
			return
		}
		if c.Servers == nil {
			c.Servers = map[string]string{}
		}
		c.Servers[words[0]] = words[1]
	case "local-proxy":
		port, err := strconv.ParseUint(words[0], 10, 16)
		if err != nil || len(words) < 2 {
			p.fail(line, "want local-proxy PORT ADDRESS:PORT...")
		}
		c.LocalProxy = LocalProxy{Port: uint16(port), Servers: words[1:]}
	case "monitor":
		for _, w := range words {
			p.setting(line, w, map[string]any{"grace": &c.Grace})
		}
	case "vip":
		addr, err := netip.ParseAddr(words[0])
		if err != nil {
			p.fail(line, "vip: %v", err)
		}
		c.VIP = addr
	default:
		p.fail(line, "%s: want control-plane, nodes, kube-proxy, bird, server, local-proxy, monitor or vip", key)
	}
}

// proxy reads "kube-proxy VERSION MODE [strictARP=true] [sync=30s]".
func (p *parser) proxy(x *Proxy, line int, words []string) {
	if len(words) < 2 {
		p.fail(line, "want kube-proxy VERSION MODE")
		return
	}
	x.Version = words[0]
	if !slices.Contains(proxyVersions, x.Version) {
		p.fail(line, "kube-proxy %s: want %s", x.Version, strings.Join(proxyVersions, " or "))
	}
	mode, err := dataplane.ParseProxyMode(words[1])
	if err != nil {
		p.fail(line, "%v", err)
	}
	x.Mode = mode
	for _, w := range words[2:] {
		p.setting(line, w, map[string]any{"strictARP": &x.StrictARP, "sync": &x.SyncPeriod})
	}
}

// setting reads NAME=VALUE into one of several places.
func (p *parser) setting(line int, word string, places map[string]any) {
	name, value, _ := strings.Cut(word, "=")
	var err error
	switch x := places[name].(type) {
	case *bool:
		*x, err = strconv.ParseBool(value)
	case *time.Duration:
		*x, err = time.ParseDuration(value)
	default:
		p.fail(line, "%s: not a setting of this line", name)
	}
	if err != nil {
		p.fail(line, "%s: %v", name, err)
	}
}

func (p *parser) checkCluster(s *Scenario) {
	c := s.Cluster
	line := p.lines["cluster"]
	if s.KernelOnly() {
		if len(c.Nodes) > 0 || c.Proxy.Version != "" {
			p.fail(line, "nodes and kube-proxy need a control-plane")
		}
		return
	}
	for _, name := range append(slices.Clone(c.Nodes), c.ControlPlane) {
		if _, ok := s.Topology.Host(name); !ok {
			p.fail(line, "no host %s", name)
		}
	}
	if s.Runs(UML) && c.Proxy.Mode == dataplane.NFTables {
		p.fail(line, "User Mode Linux has no nftables: say backends: netns")
	}
	if s.Runs(Namespaces) && (c.Proxy.Mode == dataplane.IPVS || c.BIRD) {
		p.fail(line, "this needs IPVS or ipip, which back end netns may lack: say backends: uml")
	}
}

// Programs are what a cluster runs, by the names that tools/build has for them,
// and Debian's.
func (c Cluster) Programs() []string {
	names := c.Components()
	if c.BIRD {
		names = append(names, "bird")
	}
	return names
}

// Components are the programs of Kubernetes that a cluster runs, by the names
// that tools/build has for them.
func (c Cluster) Components() []string {
	if c.ControlPlane == "" {
		return nil
	}
	names := []string{"etcd", "kube-apiserver", "kube-controller-manager", "kubemark"}
	if c.Proxy.Version != "" {
		names = append(names, c.Proxy.Program())
	}
	return names
}

// Program is kube-proxy's by tools/build's name.
func (p Proxy) Program() string {
	if p.Version == "1.25" {
		return "kube-proxy-1.25"
	}
	return "kube-proxy"
}
