// SPDX-License-Identifier: Apache-2.0

// Package claim keeps, for each address, everyone who says "mine".
//
// An address has a set of owners, never one: deciding whose it is before
// looking is how other tools miss the conflict. A Claim says who claims what, in
// which role and on whose behalf; the Register finds all claims on an address.
package claim

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"whohas/snapshot"
)

// Kind is the way of claiming: "service.externalIP", "node.internalIP".
type Kind string

// Role is what a claim means for the address; rules ask for roles.
type Role uint16

// The roles. A claim has exactly one; a set of them is a Roles value.
const (
	Host         Role = 1 << iota // a node's own address
	ControlPlane                  // the apiserver is reached there
	Tunnel                        // a tunnel device or router of the CNI has it
	VIP                           // a service plane takes traffic to it on every node
	Request                       // somebody asked a controller for it
	Pool                          // a controller may hand it out
	PodIP                         // a running Pod has it
	ClusterIP                     // the apiserver allocated it to a Service
	ServiceRange                  // ClusterIPs come from here
	PodRange                      // Pod addresses come from here
	Reserved                      // declared or learned: gateway, DNS, NTP, storage
	Listener                      // a port of the host is taken: hostPort
	Endpoint                      // a hand-made EndpointSlice points there
	Observed                      // a kernel or a wire showed it
)

// Roles is a set of roles.
type Roles = Role

var roleNames = [...]string{
	"host", "controlplane", "tunnel", "vip", "request", "pool", "pod", "clusterip", "servicerange",
	"podrange", "reserved", "listener", "endpoint", "observed",
}

// String is the role's name; a set gives its names joined by commas.
func (r Role) String() string {
	var names []string
	for i, n := range roleNames {
		if r&(1<<i) != 0 {
			names = append(names, n)
		}
	}
	return strings.Join(names, ",")
}

// Ports is the ports a claim is about. The zero value is the whole address.
type Ports []snapshot.Port

// Meet lists the ports that both claims are about: with the whole address on
// one side, the other side's; whole is true if both are whole.
func (p Ports) Meet(o Ports) (shared Ports, whole bool) {
	switch {
	case len(p) == 0 && len(o) == 0:
		return nil, true
	case len(p) == 0:
		return o, false
	case len(o) == 0:
		return p, false
	}
	for _, a := range p {
		if slices.Contains(o, a) {
			shared = append(shared, a)
		}
	}
	return shared, false
}

// String gives "80/TCP, 443/TCP"; "" for the whole address.
func (p Ports) String() string {
	parts := make([]string, len(p))
	for i, x := range p {
		parts[i] = strconv.Itoa(int(x.Number)) + "/" + x.Proto
	}
	return strings.Join(parts, ", ")
}

// Scope is where a claim is effective: a tree of the cluster, a host in it, a
// network namespace on that host, which is a Pod's. The zero value is the whole
// cluster.
type Scope struct{ Host, Namespace, Pod string }

// Meets reports whether two scopes can clash: an ancestor and its descendant do,
// siblings do not.
func (s Scope) Meets(o Scope) bool {
	if s.Host == "" || o.Host == "" {
		return true
	}
	return s.Host == o.Host && (s.Pod == "" || o.Pod == "" || s == o)
}

// Claim is one statement that an address, or a range, is somebody's. It is a
// value: nobody changes one after it is in a Register.
type Claim struct {
	Range  Range
	Text   string // the address as written, "" where the source holds no text; Range is invalid if it is no address
	Ports  Ports
	Kind   Kind
	Role   Role
	Share  string       // a sharing key; empty: exclusive
	Agent  string       // the controller that acts on the claim: "metallb"; empty: kube-proxy or nobody
	By     snapshot.Ref // who says so
	Owner  snapshot.Ref // on whose behalf; one owner is no conflict
	Scope  Scope
	Origin snapshot.Origin
}

// Compare gives claims their one order: by range, role, who says so, where, and
// then by all the rest, so that only equal claims tie.
func Compare(a, b Claim) int {
	return cmp.Or(
		a.Range.Compare(b.Range),
		cmp.Compare(a.Role, b.Role),
		a.By.Compare(b.By),
		strings.Compare(string(a.Kind), string(b.Kind)),
		strings.Compare(a.Origin.File, b.Origin.File),
		cmp.Compare(a.Origin.Line, b.Origin.Line),
		strings.Compare(a.Origin.Field, b.Origin.Field),
		strings.Compare(a.Text, b.Text),
		a.Owner.Compare(b.Owner),
		slices.CompareFunc(a.Ports, b.Ports, comparePort),
		strings.Compare(a.Share, b.Share),
		strings.Compare(a.Agent, b.Agent),
		strings.Compare(a.Scope.Host, b.Scope.Host),
		strings.Compare(a.Scope.Namespace, b.Scope.Namespace),
		strings.Compare(a.Scope.Pod, b.Scope.Pod),
		strings.Compare(a.Origin.Host, b.Origin.Host),
		strings.Compare(a.Origin.Table, b.Origin.Table),
	)
}

func comparePort(a, b snapshot.Port) int {
	return cmp.Or(cmp.Compare(a.Number, b.Number), strings.Compare(a.Proto, b.Proto))
}

// Select copies the claims that are wanted, in their order. It asks about each twice:
// claims are large, and one array of the right size costs less than one that grows.
func Select(claims []Claim, wanted func(*Claim) bool) []Claim {
	n := 0
	for i := range claims {
		if wanted(&claims[i]) {
			n++
		}
	}
	if n == 0 {
		return nil
	}
	out := make([]Claim, 0, n)
	for i := range claims {
		if wanted(&claims[i]) {
			out = append(out, claims[i])
		}
	}
	return out
}

// SameOwner reports whether two claims are made on behalf of one object.
func SameOwner(a, b Claim) bool { return a.Owner == b.Owner }
