// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"sync"
)

// gate lets connections in. Anybody in the cluster can open them, so that nobody is
// trusted with one before a proper question has come by it. Strangers share what there is
// for strangers, who has asked properly what there is for guests, and who is known what
// there is for friends: none of them takes a place of the others'. Where a place is wanted
// and none is left, the one to go is of the source that has the most: one that has asked
// improperly, else one that is silent, the longest first, else the oldest.
//
// Behind one address there may be all proper clients and all others (konnectivity, source
// NAT): then the oldest strangers go, and a proper client needs only be quick.
type gate struct {
	net.Listener
	turned func(why string) // is told of each connection that was turned away

	mu      sync.Mutex
	rooms   [3]room
	arrived int
}

// rank is what is known of who has a connection.
type rank int

// The ranks.
const (
	stranger rank = iota
	guest         // has asked properly
	friend        // is known
)

// room holds the connections of one rank, by source.
type room struct {
	places int
	taken  int
	from   map[netip.Addr][]*visitor // the longest silent first
}

// Why a connection was turned away: the values of a metric's label.
const (
	turnedCrowd     = "crowd"     // too many of its rank
	turnedUnsaid    = "unsaid"    // it has not said who it is, and must
	turnedHandshake = "handshake" // of TLS failed; where a certificate must be shown, without one, too
)

func newGate(l net.Listener, of limits, turned func(string)) *gate {
	g := &gate{Listener: l, turned: turned}
	for r, places := range map[rank]int{stranger: of.strangers, guest: of.guests, friend: of.friends} {
		g.rooms[r] = room{places: places, from: map[netip.Addr][]*visitor{}}
	}
	return g
}

// visitor is a connection that was let in. All but the connection is under the gate's lock.
type visitor struct {
	net.Conn
	gate    *gate
	source  netip.Addr
	number  int // in the order of arrival
	rank    rank
	asking  int  // questions that are being answered
	shunned bool // it has asked improperly
	gone    bool
}

// Accept implements net.Listener.
func (g *gate) Accept() (net.Conn, error) {
	c, err := g.Listener.Accept()
	if err != nil {
		return nil, err
	}
	v := &visitor{Conn: c, gate: g, source: sourceOf(c)}
	g.mu.Lock()
	g.arrived++
	v.number = g.arrived
	gone := g.rooms[stranger].enter(v)
	g.mu.Unlock()
	g.turn(gone)
	return v, nil
}

func sourceOf(c net.Conn) netip.Addr {
	at, ok := c.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	ip, _ := netip.AddrFromSlice(at.IP)
	return ip.Unmap()
}

// enter takes one in, and gives who has to go for it; nil: nobody.
func (r *room) enter(v *visitor) *visitor {
	var gone *visitor
	if r.taken >= r.places {
		gone = first(r.largest())
		r.leave(gone)
		gone.gone = true
	}
	r.taken++
	r.from[v.source] = append(r.from[v.source], v)
	return gone
}

// largest are the connections of the source that has the most; of several, the one whose
// first is there for the longest time.
func (r *room) largest() []*visitor {
	var most []*visitor
	for _, list := range r.from {
		if len(list) > len(most) || len(list) == len(most) && list[0].number < most[0].number {
			most = list
		}
	}
	return most
}

// first is who goes first. A stranger's question may never be whole; others' are.
func first(list []*visitor) *visitor {
	for _, goes := range []func(*visitor) bool{
		func(v *visitor) bool { return v.shunned },
		func(v *visitor) bool { return v.asking == 0 || v.rank == stranger },
	} {
		if i := slices.IndexFunc(list, goes); i >= 0 {
			return list[i]
		}
	}
	return list[0]
}

func (r *room) leave(v *visitor) {
	list := r.from[v.source]
	i := slices.Index(list, v)
	if i < 0 {
		return
	}
	r.taken--
	if list = slices.Delete(list, i, i+1); len(list) == 0 {
		delete(r.from, v.source)
		return
	}
	r.from[v.source] = list
}

// turn turns a connection away.
func (g *gate) turn(v *visitor) {
	if v == nil {
		return
	}
	if g.turned != nil {
		g.turned(turnedCrowd)
	}
	v.Conn.Close() // whoever serves it sees that, and closes it, too
}

// asks notes that a question comes by a connection.
func (g *gate) asks(v *visitor) {
	g.mu.Lock()
	defer g.mu.Unlock()
	v.asking++
}

// answered notes that it is answered, and what is known of who has asked by now.
func (g *gate) answered(v *visitor, as rank, properly bool) {
	g.mu.Lock()
	v.asking--
	v.shunned = !properly
	var gone *visitor
	if !v.gone && properly {
		g.rooms[v.rank].leave(v)
		v.rank = max(v.rank, as)
		gone = g.rooms[v.rank].enter(v) // behind those that have been silent for longer
	}
	g.mu.Unlock()
	g.turn(gone)
}

// shun: what has come by it is no proper question, and it goes first.
func (g *gate) shun(v *visitor) {
	g.mu.Lock()
	defer g.mu.Unlock()
	v.shunned = true
}

// counts tells how many connections of a rank there are.
func (g *gate) counts(of rank) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.rooms[of].taken
}

// Close implements net.Conn.
func (v *visitor) Close() error {
	v.gate.mu.Lock()
	if !v.gone {
		v.gone = true
		v.gate.rooms[v.rank].leave(v)
	}
	v.gate.mu.Unlock()
	return v.Conn.Close()
}

type visitorKey struct{}

// visitorOf is the connection by which a request came; nil outside a gate.
func visitorOf(ctx context.Context) *visitor {
	v, _ := ctx.Value(visitorKey{}).(*visitor)
	return v
}
