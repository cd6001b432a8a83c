// SPDX-License-Identifier: Apache-2.0

// Package node reads the host that this process is on, as a node in an outage: its kernel,
// what runs there and was configured, who answers where the apiserver should be, who answers
// on the wire for its addresses. It says what is asked, of whom, and within which time.
package node

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"whohas/claim"
	"whohas/dataplane"
	"whohas/snapshot"
	"whohas/source/host"

	"k8s.io/client-go/rest"
)

// SectionLimit bounds each section of a host in an outage: what hangs must not use
// up the time of the others.
const SectionLimit = 1500 * time.Millisecond

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
	notices = []string{host.LogMatches}
)

// sessions are asked of BIRD, which is silent for a second or more while it takes in what
// kube-proxy has bound.
var sessions = []string{host.Sessions}

// Longest is what Read may take beyond its limit.
const Longest = ownLimit + leastLimit

// Options say which host it is, and what is known without it.
type Options struct {
	Name   string        // of its Node; "": what the kubelet was told, else the host's
	Root   string        // where the host's files are
	Owners []claim.Claim // whose addresses are known
	Silent bool          // nobody is asked on the wire
	Until  time.Time     // when reading ends; what the host itself holds is read within limits of its own

	Now    func() time.Time
	Show   func(progress string)
	Client func(kubeconfig string) (*rest.Config, error)
}

// Read reads this host, and what it shows only when it is asked: who answers
// where the apiserver should be, and who answers on the wire. The snapshot holds the
// host always, however little could be read.
func Read(ctx context.Context, in Options) *snapshot.Snapshot {
	o := host.Options{Name: in.Name, Root: in.Root, Userspace: true, Timeout: SectionLimit}
	in.Show("reading this host")
	h, coverage := readOwn(ctx, o)
	if name := nodeName(&h); o.Name == "" && name != "" {
		o.Name = name
		rename(&h, coverage, name)
	}
	limit := in.Until
	if least := time.Now().Add(leastLimit); limit.Before(least) {
		limit = least
	}
	ctx, cancel := context.WithDeadline(ctx, limit)
	defer cancel()
	into := &snapshot.Builder{}
	in.Show("reading this host, asking the apiserver and the wire")
	var asking sync.WaitGroup
	var rest, said part
	asking.Go(func() { rest = readPart(ctx, o, slow) })
	asking.Go(func() { said = readPart(ctx, o, notices) })
	var dials []dataplane.ConnectResult
	asking.Go(func() {
		dials = host.Connect(ctx, APIServers(&h))
		in.readCluster(ctx, &h, dials, into)
	})
	var echoes []dataplane.AddressReply
	var asked snapshot.Coverage
	asking.Go(func() { echoes, asked = in.askWire(ctx, &h) })
	asking.Wait()
	h.Connects, h.Replies = dials, echoes
	h, coverage = rest.into(h, coverage)
	h, coverage = said.into(h, coverage)
	for _, c := range append(coverage, asked) {
		into.Cover(c)
	}
	into.AddHost(h)
	into.TakenAt(in.Now())
	return into.Snapshot()
}

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

// APIServers are the places where the host was told that the apiserver is.
func APIServers(h *dataplane.Host) []host.Target {
	var out []host.Target
	for _, w := range h.Configured {
		t := host.Target{What: "apiserver", To: netip.AddrPortFrom(w.IP, w.Port), TLS: true}
		if (w.What == "apiserver" || w.What == "control-plane") && w.IP.IsValid() && w.Port != 0 && !slices.Contains(out, t) {
			out = append(out, t)
		}
	}
	return out
}
