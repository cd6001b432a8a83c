// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"whohas/dataplane"
)

// Snapshot is what was known of a cluster at one moment. It is immutable; use a
// Builder to make one. Everything in it is sorted, so that the order in which
// files, pages and hosts were read never shows.
type Snapshot struct {
	Objects  []*Object
	Pods     []Pod
	Slices   []EndpointSlice
	Hosts    []dataplane.Host // one for each name
	Coverage []Coverage
	Taken    time.Time // when it was read; zero for manifests

	index map[Ref][]*Object
}

// Of lists the objects with one Ref, in the order of their files.
func (s *Snapshot) Of(r Ref) []*Object { return s.index[r] }

// First is one object with that Ref, or nil.
func (s *Snapshot) First(r Ref) *Object {
	if objects := s.index[r]; len(objects) > 0 {
		return objects[0]
	}
	return nil
}

// Kind lists the objects of one kind.
func (s *Snapshot) Kind(k Kind) []*Object {
	first := Ref{Kind: k.Kind, Group: k.Group}
	from, _ := slices.BinarySearchFunc(s.Objects, first, func(o *Object, r Ref) int { return o.Ref.Compare(r) })
	to := from
	for to < len(s.Objects) && s.Objects[to].Ref.Kind == k.Kind && s.Objects[to].Ref.Group == k.Group {
		to++
	}
	return s.Objects[from:to]
}

// Complete reports whether every object of the kind is known, so that absence
// proves something.
func (s *Snapshot) Complete(k Kind) bool { return Complete(s.Coverage, k) }

// Complete tells the same by the coverage alone.
func Complete(coverage []Coverage, k Kind) bool {
	complete := false
	for _, c := range coverage {
		if c.Source == k.Source() {
			if c.Status != StatusRead && c.Status != StatusAbsent {
				return false
			}
			complete = complete || c.Complete
		}
	}
	return complete
}

// Failed reports whether something that was asked for could not be read.
func (s *Snapshot) Failed() bool {
	return slices.ContainsFunc(s.Coverage, func(c Coverage) bool { return c.Failed })
}

// Count is the number of objects of every kind, and of hosts.
func (s *Snapshot) Count() int {
	n := len(s.Slices) + len(s.Pods) + len(s.Hosts)
	for _, o := range s.Objects {
		if o.Ref.Kind != PodKind.Kind || o.Ref.Group != "" {
			n++
		}
	}
	return n
}

// Builder gathers what sources read. The zero value is ready; it is safe for
// concurrent use. It must not be copied. What its Budget has no room for is dropped:
// whoever made the Budget is told, and ends the run.
type Builder struct {
	Budget *Budget

	mu    sync.Mutex
	snap  Snapshot
	names map[string]string
	keys  map[string]*[]string
}

// Add takes an object over; the caller gives it up. A Pod or EndpointSlice is
// kept typed, and as a tree beside that only where it carries arguments or
// variables that a claim was declared for.
func (b *Builder) Add(o *Object) {
	var pod Pod
	var slice EndpointSlice
	isPod := o.Ref.Group == "" && o.Ref.Kind == PodKind.Kind
	isSlice := o.Ref.Kind == EndpointSliceKind.Kind && o.Ref.Group == EndpointSliceKind.Group ||
		o.Ref.Kind == EndpointsKind.Kind && o.Ref.Group == ""
	switch {
	case isPod:
		pod = PodOf(o)
	case isSlice:
		slice = SliceOf(o)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case isPod:
		b.addPod(pod)
		if carriesConfiguration(o) {
			b.addObject(o)
		}
	case isSlice:
		b.addSlice(slice)
	default:
		b.addObject(o)
	}
}

func (b *Builder) addObject(o *Object) {
	if !b.Budget.Take(objectSize + o.Ref.size() + sizeOf(&o.Root)) {
		return
	}
	b.shareKeys(&o.Root)
	b.snap.Objects = append(b.snap.Objects, o)
}

// shareKeys lets the many maps of one shape share one list of keys.
func (b *Builder) shareKeys(v *Value) {
	if keys := v.Keys(); len(keys) > 0 {
		shape := strings.Join(keys, "\x00")
		known, ok := b.keys[shape]
		if !ok {
			if b.keys == nil {
				b.keys = map[string]*[]string{}
			}
			known = v.Keyset
			b.keys[shape] = known
			b.Budget.Take(2*int64(len(shape)) + (1+keySize)*int64(len(keys)) + 4*keySize)
		}
		v.Keyset = known
	}
	for i := range v.Items {
		b.shareKeys(&v.Items[i])
	}
}

// AddPod adds a Pod that is typed already: a snapshot file's.
func (b *Builder) AddPod(p Pod) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.addPod(p)
}

func (b *Builder) addPod(p Pod) {
	if !b.Budget.Take(p.size()) {
		return
	}
	for _, s := range []*string{&p.Namespace, &p.Node, &p.File} {
		*s = b.intern(*s)
	}
	b.snap.Pods = append(b.snap.Pods, p)
}

// AddSlice adds an EndpointSlice that is typed already.
func (b *Builder) AddSlice(s EndpointSlice) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.addSlice(s)
}

func (b *Builder) addSlice(s EndpointSlice) {
	if b.Budget.Take(s.size()) {
		b.snap.Slices = append(b.snap.Slices, s)
	}
}

// AddObject adds an object as it stands in a snapshot file: also a Pod that is
// typed beside it.
func (b *Builder) AddObject(o *Object) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.addObject(o)
}

// Hold adds an object that is held elsewhere, too, and that others may be looking at:
// nothing of it is changed.
func (b *Builder) Hold(o *Object) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.snap.Objects = append(b.snap.Objects, o)
}

// Cover records what was read or not, without what is secret of the URLs in it.
func (b *Builder) Cover(c Coverage) {
	c.Source, c.Detail = WithoutSecrets(c.Source), WithoutSecrets(c.Detail)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.Budget.Take(c.Size()) {
		b.snap.Coverage = append(b.snap.Coverage, c)
	}
}

// intern lets the many equal names of a big cluster share one string.
func (b *Builder) intern(s string) string {
	if s == "" {
		return ""
	}
	if t, ok := b.names[s]; ok {
		return t
	}
	if b.names == nil {
		b.names = map[string]string{}
	}
	t := strings.Clone(s)
	b.names[t] = t
	b.Budget.Take(4*keySize + int64(len(t)))
	return t
}

// carriesConfiguration reports whether a Pod's tree holds more than the typed
// Pod: an argument, variable or image that some claim declared.
func carriesConfiguration(o *Object) bool {
	for c := range o.Field("spec", "containers").Items() {
		for _, k := range []string{"args", "command", "env"} {
			if len(c.Get(k).valueOrAbsent().Items) > 0 {
				return true
			}
		}
	}
	return false
}

func (f Field) valueOrAbsent() *Value {
	if f.Value == nil {
		return absent
	}
	return f.Value
}

// Snapshot gives what was gathered, sorted; the Builder must not be used after.
func (b *Builder) Snapshot() *Snapshot {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.snap
	b.snap, b.names, b.keys = Snapshot{}, nil, nil
	return arrange(&s)
}

// arrange sorts a snapshot's parts, drops what was read twice, and indexes it.
func arrange(s *Snapshot) *Snapshot {
	slices.SortFunc(s.Objects, func(a, b *Object) int {
		return cmp.Or(compareObjects(a, b), strings.Compare(a.Version, b.Version)) // of two versions the first stays
	})
	s.Objects = slices.CompactFunc(s.Objects, func(a, b *Object) bool { return compareObjects(a, b) == 0 })
	slices.SortFunc(s.Pods, comparePods)
	s.Pods = slices.CompactFunc(s.Pods, func(a, b Pod) bool { return comparePods(a, b) == 0 })
	slices.SortFunc(s.Slices, compareSlices)
	s.Slices = slices.CompactFunc(s.Slices, func(a, b EndpointSlice) bool { return compareSlices(a, b) == 0 })
	s.arrangeHosts()
	s.Coverage = gather(s.Coverage)
	s.index = make(map[Ref][]*Object, len(s.Objects))
	for _, o := range s.Objects {
		s.index[o.Ref] = append(s.index[o.Ref], o)
	}
	return s
}

// comparePods and compareSlices leave no field out: what ties is the same, and
// the order of reading cannot show.
func comparePods(a, b Pod) int {
	if c := cmp.Or(strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name),
		strings.Compare(a.File, b.File), a.Line-b.Line); c != 0 {
		return c
	}
	return cmp.Or(strings.Compare(a.Node, b.Node), compareBools(a.Finished, b.Finished), compareBools(a.HostNetwork, b.HostNetwork),
		slices.CompareFunc(a.IPs, b.IPs, netip.Addr.Compare), slices.CompareFunc(a.HostPorts, b.HostPorts, compareHostPorts))
}

func compareSlices(a, b EndpointSlice) int {
	if c := cmp.Or(a.Ref.Compare(b.Ref), strings.Compare(a.File, b.File), a.Line-b.Line); c != 0 {
		return c
	}
	return cmp.Or(strings.Compare(a.Service, b.Service), strings.Compare(a.ManagedBy, b.ManagedBy),
		a.Controller.Compare(b.Controller), slices.CompareFunc(a.Addresses, b.Addresses, netip.Addr.Compare),
		slices.CompareFunc(a.Ports, b.Ports, comparePorts), strings.Compare(a.Created, b.Created))
}

func compareHostPorts(a, b HostPort) int {
	return cmp.Or(comparePorts(a.Port, b.Port), a.IP.Compare(b.IP))
}

func comparePorts(a, b Port) int {
	return cmp.Or(cmp.Compare(a.Number, b.Number), strings.Compare(a.Proto, b.Proto))
}

func compareBools(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	default:
		return -1
	}
}

// OwnReads are the fields of the kinds that a Snapshot itself understands.
func OwnReads() []Read { return slices.Clone(ownReads) }
