// SPDX-License-Identifier: Apache-2.0

// Package host reads what the kernel of this host holds: devices, addresses,
// routes, neighbours, IPVS, ipsets, netfilter, sysctls, listeners. It changes
// nothing, loads no kernel module, and starts no process but netfilter's own tools and
// journalctl.
//
// Everything is read in the network namespace of the calling OS thread, in which
// also the tools run: whoever wants another namespace than the process's own locks
// the thread (runtime.LockOSThread), enters it, and calls Read. Names of processes
// are kept, command lines and environments never.
package host

import (
	"cmp"
	"context"
	"os"
	"slices"
	"strings"
	"time"

	"whohas/dataplane"
	"whohas/snapshot"
)

// The sections of a host, as Options.Skip, Host.Unread and the coverage name them.
const (
	Links      = "links"
	Addresses  = "addresses"
	Routes     = "routes"
	Rules      = "policies"
	Neighbours = "neighbours"
	IPVS       = "ipvs"
	IPSet      = "ipset"
	NFTables   = "nftables" // needs nft
	IPTables   = "iptables" // needs iptables-save of the back ends in use
	Sysctls    = "sysctls"
	Listeners  = "listeners"
)

// The sections that tell what runs on a host and what it was told. They are read
// where Options.Userspace is set.
const (
	Agents     = "agents"
	Configured = "told"      // by kubeconfigs, static Pods, resolv.conf
	Sessions   = "sessions"  // of BGP
	Sandboxes  = "sandboxes" // Pods, as the container runtime and the network plugin know them
	LogMatches = "notices"   // what logs say again and again
	Counters   = "counters"
)

// Userspace lists the sections that Options.Userspace adds, in the order in which they
// are read.
func Userspace() []string {
	return []string{Agents, Configured, Sessions, Sandboxes, LogMatches, Counters}
}

// Sections lists all sections of the kernel in the order in which they are read.
func Sections() []string {
	return []string{Links, Addresses, Routes, Rules, Neighbours, IPVS, IPSet, NFTables, IPTables, Sysctls, Listeners}
}

// Options say what to read. The zero value reads everything of this host.
type Options struct {
	Name      string               // the Node's name; empty: the host's own name in lower case, as the kubelet takes it
	Userspace bool                 // also what runs on the host: see Userspace
	Root      string               // where the host's files are; empty: /
	Skip      []string             // sections that are left out; they are in Host.Unread then
	Timeout   time.Duration        // of each section; zero: ten seconds
	Progress  func(section string) // may be nil; called before each section
}

const defaultTimeout = 10 * time.Second

// name is the name under which the host is known.
func (o Options) name() string {
	name := o.Name
	if name == "" {
		name, _ = os.Hostname() // a host without a name is read all the same
	}
	if name == "(none)" { // what the kernel says before one is set (linux include/linux/uts.h UTS_NODENAME)
		name = ""
	}
	return cmp.Or(strings.ToLower(strings.TrimSpace(name)), "localhost")
}

// Read reads the host. It never fails as a whole: for each section there is a line
// of coverage ("host NAME routes"), and what is missing or not whole is in Unread.
//
// Links, addresses, routes and policies are of one moment: what changes while they
// are read makes them read again, a few times. IPVS and the other sections have no
// such witness in the kernel (ipvs compares its list of services before and after);
// between two sections the state may have changed.
func Read(ctx context.Context, o Options) (dataplane.Host, []snapshot.Coverage) {
	r := newReading(ctx, o)
	r.run()
	r.host.Unmap()
	slices.Sort(r.host.Unread)
	r.host.Unread = slices.Compact(r.host.Unread)
	return r.host, r.coverage
}

// Add reads the host into a snapshot, and gives its coverage once more. A host of
// which nothing could be read is not added: the job has failed, and the coverage
// says so.
func Add(ctx context.Context, o Options, into *snapshot.Builder) []snapshot.Coverage {
	begun := time.Now()
	h, coverage := Read(ctx, o)
	if slices.ContainsFunc(coverage, func(c snapshot.Coverage) bool {
		return c.Status == snapshot.StatusRead || c.Status == snapshot.StatusPartial
	}) {
		into.AddHost(h)
		into.TakenAt(begun)
	} else {
		for i := range coverage {
			coverage[i].Failed = true
		}
	}
	for _, c := range coverage {
		into.Cover(c)
	}
	return coverage
}
