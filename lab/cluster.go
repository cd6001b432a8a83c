// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"errors"
	"fmt"
	"maps"
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
	Guard        bool              // whohas-guard serve, on the control plane
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

// clusterKeys are the lines of a section cluster.
var clusterKeys = map[string]form{
	"control-plane": {"control-plane HOST", "where etcd, kube-apiserver and kube-controller-manager run"},
	"nodes":         {"nodes HOST...", "where a kubelet and kube-proxy run"},
	"kube-proxy":    {"kube-proxy VERSION MODE [strictARP=true] [sync=TIME]", "1.25 or 1.36; ipvs, iptables or nftables; without the line none runs"},
	"bird":          {"bird [hold=TIME]", "a BGP mesh of the nodes, with their Pods' routes over IPIP, as Calico makes it"},
	"server":        {"server HOST ADDRESS:PORT", "where a node looks for the apiserver; the control plane's address without the line"},
	"local-proxy":   {"local-proxy PORT ADDRESS:PORT...", "on every node's 127.0.0.1, to the first of these that accepts"},
	"monitor":       {"monitor grace=TIME", "after what silence a Node counts as lost; Kubernetes' own 50 s without the line"},
	"guard":         {"guard", "whohas-guard serve beside the apiserver; it is asked once a step has applied /etc/kubernetes/guard/webhook.yaml. kubectl is there then"},
	"vip":           {"vip ADDRESS", "the apiserver's address for the nodes, which no Node lists"},
}

func (p *parser) clusterLine(c *Cluster, line int, key string, words []string) {
	f, ok := clusterKeys[key]
	if !ok {
		p.fail(line, "%s: want %s", key, strings.Join(slices.Sorted(maps.Keys(clusterKeys)), ", "))
		return
	}
	if err := c.read(key, words); err != nil {
		p.fail(line, "%v: want %s", err, f.text)
	}
}

// read reads one line.
func (c *Cluster) read(key string, words []string) error {
	if len(words) == 0 && key != "bird" && key != "guard" {
		return errTooFew
	}
	single := key == "control-plane" || key == "vip"
	if single && len(words) > 1 {
		return errTooMany
	}
	switch key {
	case "control-plane":
		c.ControlPlane = words[0]
	case "nodes":
		if len(slices.Compact(slices.Sorted(slices.Values(words)))) != len(words) {
			return errors.New("a node stands twice")
		}
		c.Nodes = words
	case "kube-proxy":
		return c.Proxy.read(words)
	case "bird":
		c.BIRD = true
		return settings(words, map[string]any{"hold": &c.HoldTime})
	case "guard":
		c.Guard = true
		return settings(words, nil)
	case "server":
		return c.server(words)
	case "local-proxy":
		return c.localProxy(words)
	case "monitor":
		return settings(words, map[string]any{"grace": &c.Grace})
	case "vip":
		addr, err := address(words[0])
		c.VIP = addr
		return err
	}
	return nil
}

func (c *Cluster) server(words []string) error {
	if len(words) != 2 {
		return errTooFew
	}
	if c.Servers == nil {
		c.Servers = map[string]string{}
	}
	c.Servers[words[0]] = words[1]
	return valid("ADDRESS:PORT", words[1])
}

func (c *Cluster) localProxy(words []string) error {
	n, err := strconv.ParseUint(words[0], 10, 16)
	if err != nil || n == 0 {
		return fmt.Errorf("%s: no port", words[0])
	}
	if len(words) < 2 {
		return errTooFew
	}
	for _, w := range words[1:] {
		if err := valid("ADDRESS:PORT", w); err != nil {
			return fmt.Errorf("%s: %w", w, err)
		}
	}
	c.LocalProxy = LocalProxy{Port: uint16(n), Servers: words[1:]}
	return nil
}

// read reads "VERSION MODE [strictARP=true] [sync=30s]".
func (x *Proxy) read(words []string) error {
	if len(words) < 2 {
		return errTooFew
	}
	x.Version = words[0]
	if !slices.Contains(proxyVersions, x.Version) {
		return fmt.Errorf("kube-proxy %s: the lab builds %s", x.Version, strings.Join(proxyVersions, " and "))
	}
	mode, err := dataplane.ParseProxyMode(words[1])
	if err != nil || mode == dataplane.EBPF {
		return fmt.Errorf("%s: no mode of kube-proxy", words[1])
	}
	x.Mode = mode
	return settings(words[2:], map[string]any{"strictARP": &x.StrictARP, "sync": &x.SyncPeriod})
}

// settings reads NAME=VALUE into one of several places.
func settings(words []string, places map[string]any) error {
	for _, word := range words {
		name, value, _ := strings.Cut(word, "=")
		var err error
		switch x := places[name].(type) {
		case *bool:
			*x, err = strconv.ParseBool(value)
		case *time.Duration:
			*x, err = duration(value)
		default:
			err = errors.New("not a setting of this line")
		}
		if err != nil {
			return fmt.Errorf("%s: %w", word, err)
		}
	}
	return nil
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
	if c.Guard {
		names = append(names, "kubectl")
	}
	return names
}

// Program is kube-proxy's by tools/build's name.
func (x Proxy) Program() string {
	if x.Version == "1.25" {
		return "kube-proxy-1.25"
	}
	return "kube-proxy"
}
