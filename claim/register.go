// SPDX-License-Identifier: Apache-2.0

package claim

import (
	"iter"
	"maps"
	"net/netip"
	"slices"

	"github.com/gaissmai/bart"

	"whohas/snapshot"
)

// View answers who claims what. Claims come in no particular order unless a
// method says so; callers that print sort with Compare.
type View interface {
	// On yields the claims whose range holds the address, each once.
	On(netip.Addr) iter.Seq[Claim]
	// Overlapping yields the claims whose range shares an address with r, each once.
	Overlapping(r Range) iter.Seq[Claim]
	// OverlappingIn yields those of them that are in some roles. Pools are not even
	// looked at where the roles do not ask for them: thousands may lie over one address.
	OverlappingIn(r Range, roles Roles) iter.Seq[Claim]
	// Of yields the claims that one object makes, also those on no valid address.
	Of(by snapshot.Ref) iter.Seq[Claim]
	// All yields every claim.
	All() iter.Seq[Claim]
	// In yields the claims in some roles; it need not look at the others.
	In(roles Roles) iter.Seq[Claim]
}

// Register is the View that is kept up to date. The zero value is empty and
// ready. One writer at a time, and no reader beside it; any number of readers
// where nobody writes. It must not be copied.
type Register struct {
	claims [][]Claim // in blocks, which never move; a removed claim's place is free: By is zero
	places int32     // taken and free
	free   []int32
	by     map[snapshot.Ref]int32 // head of the chain of one object's claims
	nextBy []int32
	index  *bart.Table[int32] // head of the chain of one prefix's claims but pools'; nil: none yet
	pools  *bart.Table[int32] // the same of pools
	shared []bool             // blocks that a clone has, too: copied before they are changed
	nextAt []int32            // chain of claims on one address, which have one prefix each
	wide   []wideEntry        // chain of claims with ranges: several prefixes each
	freeWd []int32
}

// wideEntry is one prefix of a claim whose range is more than one address.
type wideEntry struct{ claim, next int32 }

const none = int32(-1)

// The chain of a prefix holds claims on a single address as their index, and
// entries of wide as -2-index, so that the many single addresses cost 4 bytes.
func wideLink(entry int32) int32 { return -2 - entry }

// NewRegister makes a Register with room for n claims.
func NewRegister(n int) *Register {
	return &Register{nextBy: make([]int32, 0, n), nextAt: make([]int32, 0, n), by: make(map[snapshot.Ref]int32, n)}
}

// block is how many claims are allocated at once.
const block = 512

func (r *Register) at(i int32) *Claim { return &r.claims[i/block][i%block] }

// own is at, for who changes the claim.
func (r *Register) own(i int32) *Claim {
	if b := int(i / block); b < len(r.shared) && r.shared[b] {
		r.claims[b], r.shared[b] = slices.Clone(r.claims[b]), false
	}
	return r.at(i)
}

// Clone is the Register as it is now; changes of either are not seen in the other.
// The claims themselves, which are most of it, are shared until they change. It
// counts as a change of r.
func (r *Register) Clone() *Register {
	r.shared = slices.Repeat([]bool{true}, len(r.claims))
	c := &Register{
		claims: slices.Clone(r.claims), shared: slices.Clone(r.shared), places: r.places, free: slices.Clone(r.free),
		by: maps.Clone(r.by), nextBy: slices.Clone(r.nextBy), nextAt: slices.Clone(r.nextAt), wide: slices.Clone(r.wide), freeWd: slices.Clone(r.freeWd),
	}
	if r.index != nil {
		c.index = r.index.Clone()
	}
	if r.pools != nil {
		c.pools = r.pools.Clone()
	}
	return c
}

// Add registers one claim beside those its object has already.
func (r *Register) Add(c Claim) {
	if r.by == nil {
		r.by = map[snapshot.Ref]int32{}
	}
	i := r.place(c)
	head, ok := r.by[c.By]
	if !ok {
		head = none
	}
	r.nextBy[i] = head
	r.by[c.By] = i
	switch {
	case c.Range.IsSingle():
		r.nextAt[i] = link(r.table(c.Role), netip.PrefixFrom(c.Range.From, c.Range.From.BitLen()), i)
	case c.Range.IsValid():
		for p := range c.Range.Prefixes() {
			e := r.entry(i)
			r.wide[e].next = link(r.table(c.Role), p, wideLink(e))
		}
	}
}

func (r *Register) place(c Claim) int32 {
	if n := len(r.free); n > 0 {
		i := r.free[n-1]
		r.free = r.free[:n-1]
		*r.own(i) = c
		return i
	}
	if r.places%block == 0 {
		r.claims = append(r.claims, make([]Claim, block))
	}
	i := r.places
	r.places++
	*r.own(i) = c
	r.nextBy = append(r.nextBy, none)
	r.nextAt = append(r.nextAt, none)
	return i
}

func (r *Register) entry(claim int32) int32 {
	if n := len(r.freeWd); n > 0 {
		e := r.freeWd[n-1]
		r.freeWd = r.freeWd[:n-1]
		r.wide[e] = wideEntry{claim: claim}
		return e
	}
	r.wide = append(r.wide, wideEntry{claim: claim})
	return int32(len(r.wide) - 1)
}

// table is the index of a role's claims, made if there is none yet.
func (r *Register) table(role Role) *bart.Table[int32] {
	t := &r.index
	if role == Pool {
		t = &r.pools
	}
	if *t == nil {
		*t = new(bart.Table[int32])
	}
	return *t
}

// link makes v the head of the prefix's chain and gives the head before.
func link(t *bart.Table[int32], p netip.Prefix, v int32) (before int32) {
	before = none
	t.Modify(p, func(old int32, ok bool) (int32, bool) {
		if ok {
			before = old
		}
		return v, false
	})
	return before
}

// Replace makes now the only claims of an object and gives those it had.
func (r *Register) Replace(by snapshot.Ref, now []Claim) (before []Claim) {
	head, ok := r.by[by]
	for i := head; ok && i != none; {
		next := r.nextBy[i]
		before = append(before, *r.at(i))
		r.remove(i)
		i = next
	}
	delete(r.by, by)
	for _, c := range now {
		c.By = by
		r.Add(c)
	}
	return before
}

func (r *Register) remove(i int32) {
	c := r.at(i)
	switch {
	case c.Range.IsSingle():
		r.unlink(r.table(c.Role), netip.PrefixFrom(c.Range.From, c.Range.From.BitLen()), i)
	case c.Range.IsValid():
		for p := range c.Range.Prefixes() {
			r.unlink(r.table(c.Role), p, i)
		}
	}
	*r.own(i) = Claim{}
	r.free = append(r.free, i)
}

// unlink takes claim i out of a prefix's chain.
func (r *Register) unlink(t *bart.Table[int32], p netip.Prefix, i int32) {
	head, ok := t.Get(p)
	if !ok {
		return
	}
	var keep []int32
	for v := head; v != none; v = r.next(v) {
		if r.claimAt(v) != i {
			keep = append(keep, v)
		} else if v < none {
			r.freeWd = append(r.freeWd, wideLink(v))
		}
	}
	r.relink(t, p, keep)
}

func (r *Register) relink(t *bart.Table[int32], p netip.Prefix, chain []int32) {
	if len(chain) == 0 {
		t.Delete(p)
		return
	}
	for k, v := range chain {
		next := none
		if k+1 < len(chain) {
			next = chain[k+1]
		}
		if v < none {
			r.wide[wideLink(v)].next = next
		} else {
			r.nextAt[v] = next
		}
	}
	t.Insert(p, chain[0])
}

func (r *Register) next(v int32) int32 {
	if v < none {
		return r.wide[wideLink(v)].next
	}
	return r.nextAt[v]
}

func (r *Register) claimAt(v int32) int32 {
	if v < none {
		return r.wide[wideLink(v)].claim
	}
	return v
}

// On implements View. The prefixes of one range are disjoint, so that no claim
// can come twice.
func (r *Register) On(ip netip.Addr) iter.Seq[Claim] {
	return func(yield func(Claim) bool) {
		if !ip.IsValid() {
			return
		}
		take := func(v int32) bool { return yield(*r.at(r.claimAt(v))) }
		for _, t := range []*bart.Table[int32]{r.index, r.pools} {
			if t == nil {
				continue
			}
			for _, head := range t.Supernets(netip.PrefixFrom(ip, ip.BitLen())) {
				if !r.chain(head, take) {
					return
				}
			}
		}
	}
}

// Overlapping implements View.
func (r *Register) Overlapping(rg Range) iter.Seq[Claim] { return r.OverlappingIn(rg, ^Roles(0)) }

// OverlappingIn implements View.
func (r *Register) OverlappingIn(rg Range, roles Roles) iter.Seq[Claim] {
	return func(yield func(Claim) bool) {
		take := func(p, q netip.Prefix, v int32) bool {
			c := r.at(r.claimAt(v))
			return c.Role&roles == 0 || v < none && !speaks(c.Range, rg, p, q) || yield(*c)
		}
		if roles&^Pool != 0 && !r.overlapping(r.index, rg, take) || roles&Pool == 0 {
			return
		}
		r.overlapping(r.pools, rg, take)
	}
}

// speaks reports whether a range that has several prefixes is met here and not
// elsewhere: where p of what is asked about, and q of its own, hold the first address
// that the two share.
func speaks(own, asked Range, p, q netip.Prefix) bool {
	first := maxAddr(own.From, asked.From)
	return p.Contains(first) && q.Contains(first)
}

func (r *Register) overlapping(t *bart.Table[int32], rg Range, yield func(p, q netip.Prefix, v int32) bool) bool {
	if t == nil {
		return true
	}
	for p := range rg.Prefixes() {
		if !r.overlappingPrefix(t, p, yield) {
			return false
		}
	}
	return true
}

func (r *Register) overlappingPrefix(t *bart.Table[int32], p netip.Prefix, yield func(p, q netip.Prefix, v int32) bool) bool {
	chain := func(q netip.Prefix, head int32) bool {
		return r.chain(head, func(v int32) bool { return yield(p, q, v) })
	}
	for q, head := range t.Supernets(p) {
		if q != p && !chain(q, head) { // Subnets yields p as well
			return false
		}
	}
	for q, head := range t.Subnets(p) {
		if !chain(q, head) {
			return false
		}
	}
	return true
}

func (r *Register) chain(head int32, yield func(int32) bool) bool {
	for v := head; v != none; v = r.next(v) {
		if !yield(v) {
			return false
		}
	}
	return true
}

// Of implements View.
func (r *Register) Of(by snapshot.Ref) iter.Seq[Claim] {
	return func(yield func(Claim) bool) {
		head, ok := r.by[by]
		for i := head; ok && i != none; i = r.nextBy[i] {
			if !yield(*r.at(i)) {
				return
			}
		}
	}
}

// All implements View.
func (r *Register) All() iter.Seq[Claim] {
	return func(yield func(Claim) bool) {
		for i := range r.places {
			if c := r.at(i); !c.By.IsZero() && !yield(*c) {
				return
			}
		}
	}
}

// In implements View.
func (r *Register) In(roles Roles) iter.Seq[Claim] { return inRoles(r.All(), roles) }

func inRoles(all iter.Seq[Claim], roles Roles) iter.Seq[Claim] {
	return func(yield func(Claim) bool) {
		for c := range all {
			if c.Role&roles != 0 && !yield(c) {
				return
			}
		}
	}
}

// Len is the number of claims.
func (r *Register) Len() int { return int(r.places) - len(r.free) }
