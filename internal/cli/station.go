// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"whohas/claim"
	"whohas/claimants"
	"whohas/cluster"
	"whohas/dataplane"
	"whohas/kubeproxy"
	"whohas/probe"
	"whohas/rule"
	"whohas/snapshot"
	"whohas/source/host"
	"whohas/source/live"
)

// sectionLimit bounds each section of a host in an outage: what hangs must not use
// up the time of the others.
const sectionLimit = 1500 * time.Millisecond

// What the host itself holds is read to its end however slow the host is, within
// ownLimit: without it nothing can be said. Whoever is asked then has leastLimit at
// least, also where the time is up.
const (
	ownLimit   = 6 * time.Second
	leastLimit = 1500 * time.Millisecond
)

// slow are the sections that need other programs, or look at every process. What is
// asked of others does not wait for them. The notices wait for the journal, beside them.
var (
	slow    = []string{host.NFTables, host.IPTables, host.Listeners}
	notices = []string{host.Notices}
)

// sessions are asked of BIRD, which is silent for a second or more while it takes in what
// kube-proxy has bound.
var sessions = []string{host.Sessions}

// readStation reads this host, and what it shows only when it is asked: who answers
// where the apiserver should be, and who answers on the wire. The snapshot holds the
// host always, however little could be read.
func (e *env) readStation(ctx context.Context, f *stationFlags, owners []claim.Claim, limit time.Time) *snapshot.Snapshot {
	p := e.progress()
	defer p.done()
	o := host.Options{Name: f.node, Root: f.root, Station: true, Timeout: sectionLimit}
	p.show("reading this host")
	h, coverage := readOwn(ctx, o)
	if name := nodeName(&h); o.Name == "" && name != "" {
		o.Name = name
		rename(&h, coverage, name)
	}
	if least := time.Now().Add(leastLimit); limit.Before(least) {
		limit = least
	}
	ctx, cancel := context.WithDeadline(ctx, limit)
	defer cancel()
	into := &snapshot.Builder{}
	p.show("reading this host, asking the apiserver and the wire")
	var asking sync.WaitGroup
	var rest, said part
	asking.Go(func() { rest = readPart(ctx, o, slow) })
	asking.Go(func() { said = readPart(ctx, o, notices) })
	var dials []dataplane.Dial
	asking.Go(func() {
		dials = host.Dials(ctx, dialTargets(&h))
		readCluster(ctx, f.root, &h, dials, into)
	})
	var echoes []dataplane.Echo
	var asked snapshot.Coverage
	asking.Go(func() { echoes, asked = askWire(ctx, f, &h, owners) })
	asking.Wait()
	h.Dials, h.Echoes = dials, echoes
	h, coverage = rest.into(h, coverage)
	h, coverage = said.into(h, coverage)
	for _, c := range append(coverage, asked) {
		into.Cover(c)
	}
	into.AddHost(h)
	into.TakenAt(e.now())
	return into.Snapshot()
}

func readOwn(ctx context.Context, o host.Options) (dataplane.Host, []snapshot.Coverage) {
	ctx, cancel := context.WithTimeout(ctx, ownLimit)
	defer cancel()
	var asking sync.WaitGroup
	var bgp part
	asking.Go(func() { bgp = readPart(ctx, o, sessions) })
	o.Skip = slices.Concat(slow, notices, sessions)
	h, coverage := host.Read(ctx, o)
	asking.Wait()
	return bgp.into(h, coverage)
}

// part is a reading of some sections.
type part struct {
	sections []string
	host     dataplane.Host
	coverage []snapshot.Coverage
}

func readPart(ctx context.Context, o host.Options, sections []string) part {
	out := part{sections: sections}
	o.Skip = slices.DeleteFunc(append(host.Sections(), host.Station()...), out.has)
	out.host, out.coverage = host.Read(ctx, o)
	return out
}

func (p part) has(section string) bool { return slices.Contains(p.sections, section) }

// nodeName is the name that the kubelet was told its Node has, where that is not the
// host's (kubernetes cmd/kubelet/app/server.go getHostname: --hostname-override). RKE and
// kubespray set it always.
func nodeName(h *dataplane.Host) string {
	for _, a := range h.Agents {
		if name := strings.ToLower(strings.TrimSpace(a.Flags["hostname-override"])); name != "" && a.Name != "kube-proxy" {
			return name
		}
	}
	return ""
}

// rename gives a host that was read its Node's name, in what is said of its reading, too.
func rename(h *dataplane.Host, coverage []snapshot.Coverage, name string) {
	for i, c := range coverage {
		if section, ok := strings.CutPrefix(c.Source, "host "+h.Name+" "); ok {
			coverage[i].Source = "host " + name + " " + section
		}
	}
	h.Name = name
}

// into puts the part into a reading that left it out.
func (p part) into(h dataplane.Host, coverage []snapshot.Coverage) (dataplane.Host, []snapshot.Coverage) {
	switch {
	case p.has(host.Sessions):
		h.Sessions = p.host.Sessions
	case p.has(host.Notices):
		h.Notices = p.host.Notices
	default:
		h.Tables, h.Listeners = p.host.Tables, p.host.Listeners
	}
	isPart := func(c snapshot.Coverage) bool {
		return slices.ContainsFunc(p.sections, func(s string) bool { return strings.HasSuffix(c.Source, " "+s) })
	}
	h.Unread = slices.DeleteFunc(h.Unread, p.has)
	for _, s := range p.host.Unread {
		if p.has(s) {
			h.Unread = append(h.Unread, s)
		}
	}
	slices.Sort(h.Unread)
	coverage = slices.DeleteFunc(coverage, isPart)
	return h, append(coverage, slices.DeleteFunc(p.coverage, func(c snapshot.Coverage) bool { return !isPart(c) })...)
}

// dialTargets are the places where the host was told that the apiserver is.
func dialTargets(h *dataplane.Host) []host.Target {
	var out []host.Target
	for _, w := range h.Told {
		t := host.Target{What: "apiserver", To: netip.AddrPortFrom(w.IP.Unmap(), w.Port), TLS: true}
		if (w.What == "apiserver" || w.What == "control-plane") && w.IP.IsValid() && w.Port != 0 && !slices.Contains(out, t) {
			out = append(out, t)
		}
	}
	return out
}

// askWire asks who answers for this host's own addresses, for those that evidence
// says are another host's, and for those that its ipsets have as external.
func askWire(ctx context.Context, f *stationFlags, h *dataplane.Host, owners []claim.Claim) ([]dataplane.Echo, snapshot.Coverage) {
	c := snapshot.Coverage{Source: "host " + h.Name + " wire", Status: snapshot.StatusRead, Complete: true}
	if f.silent {
		c.Status, c.Complete, c.Detail = snapshot.StatusAbsent, false, "nobody was asked: --no-probe"
		return nil, c
	}
	targets := wireTargets(h, owners)
	if more := len(targets) - probe.Most; more > 0 {
		targets = targets[:probe.Most]
		c.Status, c.Complete, c.Detail = snapshot.StatusPartial, false, fmt.Sprintf("%d more addresses were not asked about", more)
	}
	echoes, err := probe.Ask(ctx, targets)
	c.Count = len(echoes)
	if err != nil {
		c.Status, c.Complete, c.Detail = snapshot.StatusPartial, false, firstLine(err)
		if errors.Is(err, os.ErrPermission) && len(echoes) == 0 {
			c.Status, c.Detail = snapshot.StatusDenied, "not permitted: needs root"
		}
	}
	return echoes, c
}

// wireTargets are the addresses to ask about, on the links that they are on: the
// host's own first, then those with evidence. ClusterIPs are on no wire.
func wireTargets(h *dataplane.Host, owners []claim.Claim) []probe.Target {
	var own, others []probe.Target
	cards := slices.DeleteFunc(slices.Clone(h.Addresses), func(a dataplane.Address) bool { return !onWire(h, a) })
	add := func(ip netip.Addr) {
		for _, a := range cards {
			t := probe.Target{Link: a.Link, IP: ip}
			if !a.Prefix.Masked().Contains(ip) || slices.Contains(own, t) || slices.Contains(others, t) {
				continue
			}
			if a.Prefix.Addr().Unmap() == ip {
				own = append(own, t)
			} else {
				others = append(others, t)
			}
		}
	}
	for _, a := range h.Addresses {
		add(a.Prefix.Addr().Unmap())
	}
	for _, ip := range evident(h, owners) {
		add(ip)
	}
	return append(own, others...)
}

// onWire tells the addresses by which a host is on an Ethernet.
func onWire(h *dataplane.Host, a dataplane.Address) bool {
	if a.Prefix.IsSingleIP() || a.Scope == "host" || a.Prefix.Addr().IsLinkLocalUnicast() || kubeproxy.IsDevice(a.Link) {
		return false
	}
	return slices.ContainsFunc(h.Links, func(l dataplane.Link) bool {
		return l.Name == a.Link && l.MAC != "" && !l.NoARP && l.Up && l.Carrier
	})
}

// evident are the addresses that are worth asking about.
func evident(h *dataplane.Host, owners []claim.Claim) []netip.Addr {
	alone := &snapshot.Builder{}
	alone.AddHost(*h)
	var out []netip.Addr
	for c := range claimants.View(alone.Snapshot(), owners...).All() {
		if c.Range.IsSingle() && c.Role&(claim.ControlPlane|claim.Reserved|claim.Host) != 0 {
			out = append(out, c.Range.From)
		}
	}
	for _, set := range h.Sets {
		if field := kubeproxy.SetField(set.Name); field != kubeproxy.FieldExternalIP && field != kubeproxy.FieldLoadBalancer {
			continue
		}
		for _, m := range set.Members {
			first, _, _ := strings.Cut(m, ",")
			if ip, err := netip.ParseAddr(first); err == nil {
				out = append(out, ip.Unmap())
			}
		}
	}
	slices.SortFunc(out, netip.Addr.Compare)
	return slices.Compact(out)
}

// kubeconfigs that a host may have, the most powerful first: kubeadm's, k3s', RKE2's,
// and the kubelets', which may read Services and Nodes (kubernetes
// plugin/pkg/auth/authorizer/rbac/bootstrappolicy/policy.go NodeRules).
var kubeconfigs = []string{
	"etc/kubernetes/admin.conf", "etc/kubernetes/super-admin.conf", "etc/rancher/k3s/k3s.yaml", "etc/rancher/rke2/rke2.yaml",
	"var/snap/microk8s/current/credentials/client.config",
	"etc/kubernetes/kubelet.conf", "var/lib/kubelet/kubeconfig", "etc/kubernetes/ssl/kubecfg-kube-node-kubelet.yaml", "var/snap/microk8s/current/credentials/kubelet.config", "var/lib/rancher/k3s/agent/kubelet.kubeconfig", "var/lib/rancher/rke2/agent/kubelet.kubeconfig",
}

// readCluster reads Services and Nodes, for names, where an apiserver has answered
// and a kubeconfig of this host lets in there. That it does not is no failure: the
// diagnosis needs none of it.
func readCluster(ctx context.Context, root string, h *dataplane.Host, dials []dataplane.Dial, into *snapshot.Builder) {
	why := "no apiserver answered that a kubeconfig of this host names"
	for _, name := range kubeconfigs {
		path := filepath.Join(root, name)
		cfg, err := restConfig(path)
		if err != nil || !answered(h, dials, cfg.Host) {
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

// answered tells whether a kubeconfig's server is an address at which somebody else,
// or this host with every right, accepted a connection.
func answered(h *dataplane.Host, dials []dataplane.Dial, server string) bool {
	to, ok := addressOf(server)
	return ok && slices.ContainsFunc(dials, func(d dataplane.Dial) bool {
		return d.To == to && d.Result == "accepted" && (!d.Self || to.Addr().IsLoopback() || ownAddress(h, to.Addr()) || balanced(h, d))
	})
}

// balanced tells whether IPVS leads a connection on, to one who has shown a certificate:
// a balancer of apiservers on this host.
func balanced(h *dataplane.Host, d dataplane.Dial) bool {
	return len(d.Names) > 0 && slices.ContainsFunc(h.Servers, func(v dataplane.VirtualServer) bool {
		return v.IP.Unmap() == d.To.Addr() && v.Port == d.To.Port()
	})
}

func ownAddress(h *dataplane.Host, ip netip.Addr) bool {
	return slices.ContainsFunc(h.Addresses, func(a dataplane.Address) bool {
		return !kubeproxy.IsDevice(a.Link) && a.Prefix.Addr().Unmap() == ip
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

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}
