// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"maps"
	"slices"
)

// Verb is what a step does.
type Verb string

// The verbs; verbs tells what each does.
const (
	Phase   Verb = "phase"
	Check   Verb = "check"
	Wait    Verb = "wait"
	Hold    Verb = "hold"
	Sleep   Verb = "sleep"
	Exec    Verb = "run"
	Begin   Verb = "begin"
	End     Verb = "end"
	Finish  Verb = "finish"
	Apply   Verb = "apply"
	Delete  Verb = "delete"
	Patch   Verb = "patch"
	Start   Verb = "start"
	Stop    Verb = "stop"
	Restart Verb = "restart"
	Reboot  Verb = "reboot"
	Listen  Verb = "listen"
	Connect Verb = "connect"
	Matrix  Verb = "matrix"
	Record  Verb = "record"
)

// form is how something is written, and what it means; docs/lab.md is made of
// it. A form's words in capitals are what the parser looks for.
type form struct {
	text string
	doc  string
}

// verbs are the verbs that are written out. The two others are known by their
// form: see bare.
var verbs = map[Verb]form{
	Phase:   {"phase NAME", "what follows stands under this name in the time line and on record"},
	Wait:    {"wait TIME QUERY = WANT", "asks until it is so; the time it took goes into the time line"},
	Hold:    {"hold TIME QUERY = WANT", "asks for so long; it must be so each time"},
	Sleep:   {"sleep TIME", "waits; where something can be waited for, do that"},
	Begin:   {"begin NAME HOST COMMAND", "a shell command in the background"},
	End:     {"end NAME", "kills it, and all that it started"},
	Finish:  {"finish TIME NAME", "waits until what began so ends by itself; it must succeed, and what it printed goes into the time line"},
	Apply:   {"apply SECTION", "the section's objects, server-side; a namespace that is not there is made"},
	Delete:  {"delete KIND NAMESPACE/NAME", "an object"},
	Patch:   {"patch KIND NAMESPACE/NAME JSON", "a merge patch; KIND/status patches the status"},
	Start:   {"start HOST COMPONENT", "starts etcd, kube-apiserver, kube-controller-manager, kubelet, kube-proxy, bird or guard"},
	Stop:    {"stop HOST COMPONENT", "stops it as a service manager would"},
	Restart: {"restart HOST COMPONENT", "stops it and starts it"},
	Reboot:  {"reboot HOST", "its components end, its kernel state is lost, both come again"},
	Listen:  {"listen HOST PORT", "a host or Pod answers TCP and UDP with its name, on every address, and on TCP with what it is sent"},
	Connect: {"connect HOST ADDRESS:PORT NUMBER", "opens so many TCP connections to what listens, and keeps them"},
	Matrix:  {"matrix ping HOST... = SECTION", "each host pings each other's address; the section is a table of ok, self, lost, refused, unreachable"},
	Record:  {"record NAME", "a snapshot of every host's kernel and of the cluster's objects, which whohas reads"},
}

// bare are the verbs that are not written out.
var bare = map[Verb][]form{
	Check: {{"QUERY", "asked once, and put on record"}, {"QUERY = WANT | WANT...", "asked once, put on record, and one of these"}},
	Exec:  {{"HOST$ COMMAND", "a real command on a host or Pod; it must succeed"}, {"HOST! COMMAND", "one that must fail"}},
}

// ofClusters are the verbs that a scenario without a cluster cannot have.
var ofClusters = []Verb{Apply, Delete, Patch, Start, Stop, Restart}

// NeedsCluster reports whether the verb is about a cluster.
func (v Verb) NeedsCluster() bool { return slices.Contains(ofClusters, v) }

// Verbs lists all verbs, sorted.
func Verbs() []Verb {
	all := slices.AppendSeq(slices.Collect(maps.Keys(verbs)), maps.Keys(bare))
	slices.Sort(all)
	return all
}

// components are what can be started on a host.
var components = []string{"etcd", "kube-apiserver", "kube-controller-manager", "kubelet", "kube-proxy", "bird", "guard"}
