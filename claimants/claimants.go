// SPDX-License-Identifier: Apache-2.0

// Package claimants holds the ways of claiming an address, one file each: which
// object, which field, in which role, on whose behalf. A new way is a new file.
package claimants

import (
	"slices"
	"strings"

	"whohas/claim"
	"whohas/dataplane"
	"whohas/snapshot"
)

// Claimant is one way of claiming. Of, Names and Fields tell the sources what to
// keep; exactly one of Object, Pod, Slice and Host reads it. These functions are
// pure: they see one object and nothing else, so that an admission decision can ask
// them about an object that is not stored yet. What reads hosts is of no object.
type Claimant struct {
	Kind   claim.Kind
	Role   claim.Role
	Doc    string // one sentence: what is claimed by this, and who acts on it
	Of     snapshot.Kind
	Names  []string
	Filed  bool // where it stands in a file, also those of other names, and where a guard is asked about it
	Fields []string

	Object func(*snapshot.Object, Yield)
	Pod    func(*snapshot.Pod, Yield)
	Slice  func(*snapshot.EndpointSlice, Yield)
	Host   func(*dataplane.Host, Yield)
}

// Yield takes one claim; By, Owner, Kind and Role are filled in where the
// claimant left them empty.
type Yield func(claim.Claim)

var all []*Claimant

// add enters a claimant in the list; called only while the package initialises.
func add(c Claimant) *Claimant {
	all = append(all, &c)
	return &c
}

// All lists the claimants, sorted by kind.
func All() []*Claimant {
	list := slices.Clone(all)
	slices.SortFunc(list, func(a, b *Claimant) int { return strings.Compare(string(a.Kind), string(b.Kind)) })
	return list
}

// Reads is what the sources must keep for the claims to be found.
func Reads() []snapshot.Read {
	reads := snapshot.OwnReads()
	for _, c := range All() {
		if c.Host != nil {
			continue
		}
		reads = append(reads, snapshot.Read{Kind: c.Of, Names: c.Names, Filed: c.Filed, Fields: c.Fields, Traced: c.traced()})
	}
	return reads
}

// traced are the fields of which it matters who wrote them: those by which
// somebody takes an address, not those by which its owner has it.
func (c *Claimant) traced() []string {
	if c.Role&(claim.VIP|claim.Request|claim.Pool|claim.Endpoint) == 0 {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(c.Fields), func(f string) bool { return slices.Contains(serviceFields, f) })
}

// byKind lists the claimants that read one kind's objects.
func byKind() map[snapshot.Kind][]*Claimant {
	m := map[snapshot.Kind][]*Claimant{}
	for _, c := range All() {
		m[c.Of] = append(m[c.Of], c)
	}
	return m
}

// Claims lists what one object claims, also a Pod or an EndpointSlice: the same
// claims that Register finds once the object is in a snapshot.
func Claims(o *snapshot.Object) []claim.Claim { return claims(o, snapshot.SliceOf) }

// ClaimsByHand lists what an object claims that no endpoint controller of the control
// plane has written: that a Service owns an EndpointSlice is then no more than a word.
// From a slice in a snapshot, where nobody tells who wrote it, Claims believes it.
func ClaimsByHand(o *snapshot.Object) []claim.Claim {
	return claims(o, func(o *snapshot.Object) snapshot.EndpointSlice {
		s := snapshot.SliceOf(o)
		if ofControlPlane(s.Controller) {
			s.Controller = snapshot.Ref{}
		}
		return s
	})
}

func claims(o *snapshot.Object, sliceOf func(*snapshot.Object) snapshot.EndpointSlice) []claim.Claim {
	var claims []claim.Claim
	for _, c := range all {
		if !c.of(o.Ref) {
			continue
		}
		yield := c.yield(o.Ref, func(x claim.Claim) { claims = append(claims, x) })
		switch {
		case c.Object != nil:
			c.Object(o, yield)
		case c.Slice != nil:
			s := sliceOf(o)
			c.Slice(&s, yield)
		case c.Pod != nil:
			p := snapshot.PodOf(o)
			c.Pod(&p, yield)
		}
	}
	return claims
}

// of reports whether the claimant reads the object of that name.
func (c *Claimant) of(r snapshot.Ref) bool {
	return c.Of.Kind == r.Kind && c.Of.Group == r.Group && c.reads(r)
}

// takes are the roles by which somebody takes an address, or hands it out to be
// taken. Nodes, Pods and what leads to the apiserver claim in none of them.
const takes = claim.VIP | claim.Request | claim.Pool | claim.Endpoint

// Takes reports whether an object of that name may take an address from its owner,
// or hand it out, or say where ClusterIPs come from: what a guard looks at. It is
// never true of Nodes, Pods and leases.
func Takes(r snapshot.Ref) bool {
	return slices.ContainsFunc(all, func(c *Claimant) bool {
		return (c.Role&takes != 0 || c == ServiceCIDR) && c.of(r)
	})
}

// Register gathers the claims of everything in a snapshot.
func Register(s *snapshot.Snapshot) *claim.Register {
	r := claim.NewRegister(len(s.Pods) + 4*len(s.Objects))
	registerObjects(s, r)
	registerPods(s, byKind()[snapshot.PodKind], r)
	return r
}

func registerObjects(s *snapshot.Snapshot, r *claim.Register) {
	kinds := byKind()
	for of, list := range kinds {
		for _, c := range list {
			if c.Object != nil {
				for _, o := range s.Kind(of) {
					if c.reads(o.Ref) {
						c.Object(o, c.yield(o.Ref, r.Add))
					}
				}
			}
		}
	}
	registerHosts(s, r)
	registerSlices(s, append(kinds[snapshot.EndpointSliceKind], kinds[snapshot.EndpointsKind]...), r)
}

func (c *Claimant) reads(r snapshot.Ref) bool {
	return len(c.Names) == 0 || c.Filed || slices.Contains(c.Names, r.Namespace+"/"+r.Name)
}

func registerPods(s *snapshot.Snapshot, list []*Claimant, r *claim.Register) {
	for _, c := range list {
		if c.Pod == nil {
			continue
		}
		for i := range s.Pods {
			c.Pod(&s.Pods[i], c.yield(s.Pods[i].Ref(), r.Add))
		}
	}
}

func registerHosts(s *snapshot.Snapshot, r *claim.Register) {
	for _, c := range All() {
		if c.Host == nil {
			continue
		}
		for i := range s.Hosts {
			c.Host(&s.Hosts[i], c.yield(HostRef(s.Hosts[i].Name), r.Add))
		}
	}
}

func registerSlices(s *snapshot.Snapshot, list []*Claimant, r *claim.Register) {
	for _, c := range list {
		if c.Slice == nil {
			continue
		}
		for i := range s.Slices {
			if s.Slices[i].Ref.Kind == c.Of.Kind {
				c.Slice(&s.Slices[i], c.yield(s.Slices[i].Ref, r.Add))
			}
		}
	}
}

func (c *Claimant) yield(by snapshot.Ref, to Yield) Yield {
	return func(x claim.Claim) {
		if x.By.IsZero() {
			x.By = by
		}
		if x.Owner.IsZero() {
			x.Owner = x.By
		}
		if x.Kind == "" {
			x.Kind = c.Kind
		}
		if x.Role == 0 {
			x.Role = c.Role
		}
		to(x)
	}
}

// addr makes the claim of a field that holds one address. A text that is no
// address keeps an invalid range: rule WH208 speaks about it.
func addr(f snapshot.Field) claim.Claim {
	c := claim.Claim{Text: f.Text(), Origin: f.Origin()}
	if ip, _, err := snapshot.ParseAddr(f.Text()); err == nil {
		c.Range = claim.Single(ip)
	}
	return c
}

// span makes the claim of a field that holds an address, a CIDR or a range.
func span(f snapshot.Field) claim.Claim {
	c := claim.Claim{Text: f.Text(), Origin: f.Origin()}
	if r, err := claim.ParseRange(f.Text()); err == nil {
		c.Range = r
	}
	return c
}

// given reports whether a field holds a text that means an address at all.
func given(f snapshot.Field) bool {
	return f.OK() && f.Value.Scalar() && strings.TrimSpace(f.Text()) != ""
}

// list yields the parts of a comma-separated field as fields of their own.
func list(f snapshot.Field) []snapshot.Field {
	var out []snapshot.Field
	for part := range strings.SplitSeq(f.Text(), ",") {
		if part = strings.TrimSpace(part); part != "" {
			v := *f.Value
			v.Text = part
			g := f
			g.Value = &v
			out = append(out, g)
		}
	}
	return out
}
