// SPDX-License-Identifier: Apache-2.0

package snapshot

import (
	"reflect"
	"sync"
	"sync/atomic"
	"unsafe"

	"whohas/dataplane"
)

// Budget bounds what is kept of everything that one run reads, in bytes of memory,
// roughly: texts that are shared count each time, so that a cluster of so many objects
// costs the same in whatever order it is read. It is safe for concurrent use; a nil
// Budget bounds nothing.
type Budget struct {
	left  atomic.Int64
	once  sync.Once
	spent func()
}

// NewBudget gives so many bytes. spent is called once, when more is asked for.
func NewBudget(bytes int64, spent func()) *Budget {
	b := &Budget{spent: spent}
	b.left.Store(bytes)
	return b
}

// Take takes so many bytes; false says that they are not there, and then nothing more
// is kept.
func (b *Budget) Take(bytes int64) bool {
	if b == nil || b.left.Add(-bytes) >= 0 {
		return true
	}
	b.once.Do(b.spent)
	return false
}

// twice: a list of values that grows is there twice for a moment.
const twice = 2

const (
	valueSize    = int64(unsafe.Sizeof(Value{}))
	keySize      = int64(unsafe.Sizeof(""))
	objectSize   = int64(unsafe.Sizeof(Object{})) + 64 // in the list, and in the index
	podSize      = int64(unsafe.Sizeof(Pod{})) * twice
	sliceSize    = int64(unsafe.Sizeof(EndpointSlice{})) * twice
	coverageSize = int64(unsafe.Sizeof(Coverage{})) * twice
	addrSize     = 24
	portSize     = int64(unsafe.Sizeof(HostPort{}))
	hostSize     = int64(unsafe.Sizeof(dataplane.Host{})) * twice
)

// sizeOf is what a tree takes; keys that shapes share are counted where they are
// shared.
func sizeOf(v *Value) int64 {
	n := valueSize + int64(len(v.Text))
	for i := range v.Items {
		n += sizeOf(&v.Items[i])
	}
	return n
}

// weigh is what a value takes beside its own size: texts, and the entries of lists and
// maps. Nobody goes inside an address.
func weigh(v reflect.Value) (n int64) {
	switch v.Kind() {
	case reflect.String:
		return int64(v.Len())
	case reflect.Slice:
		n = int64(v.Len()) * int64(v.Type().Elem().Size())
		if flat(v.Type().Elem()) {
			return n
		}
		for i := range v.Len() {
			n += weigh(v.Index(i))
		}
	case reflect.Map:
		for each := v.MapRange(); each.Next(); {
			n += 2*int64(v.Type().Key().Size()+v.Type().Elem().Size()) + weigh(each.Key()) + weigh(each.Value())
		}
	case reflect.Struct:
		if flat(v.Type()) {
			return 0
		}
		for i := range v.NumField() {
			n += weigh(v.Field(i))
		}
	}
	return n
}

// flat reports whether values of a type take nothing beside their own size.
func flat(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.String, reflect.Slice, reflect.Map:
		return false
	case reflect.Struct:
		return t.PkgPath() == "net/netip" || t.PkgPath() == "time"
	}
	return true
}

func (r Ref) size() int64 { return int64(len(r.Kind) + len(r.Name) + len(r.Namespace) + len(r.Group)) }

func (p *Pod) size() int64 {
	return podSize + int64(len(p.Name)) + addrSize*int64(len(p.IPs)) + portSize*int64(len(p.HostPorts))
}

func (s *EndpointSlice) size() int64 {
	return sliceSize + s.Ref.size() + s.Controller.size() + int64(len(s.Service)+len(s.ManagedBy)+len(s.Created)) +
		addrSize*int64(len(s.Addresses)) + portSize*int64(len(s.Ports))
}

// Size is about what a line takes.
func (c *Coverage) Size() int64 { return coverageSize + int64(len(c.Source)+len(c.Detail)) }
