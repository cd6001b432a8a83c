// SPDX-License-Identifier: Apache-2.0

package server

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// line is a listener to which a test gives connections.
type line struct {
	net.Listener
	next net.Conn
}

func (l *line) Accept() (net.Conn, error) { return l.next, nil }

// caller is a connection that knows where it comes from, and whether it was closed.
type caller struct {
	net.Conn
	from   string
	closed bool
}

func (c *caller) RemoteAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(c.from), 1))
}

func (c *caller) Close() error { c.closed = true; return nil }

// TestGate: who goes, when there is no room.
func TestGate(t *testing.T) {
	l := &line{}
	g := newGate(l, limits{strangers: 4, guests: 2, friends: 2}, nil)
	all := map[string]*caller{}
	come := func(name, from string) *visitor {
		t.Helper()
		all[name] = &caller{from: from}
		l.next = all[name]
		c, err := g.Accept()
		if err != nil {
			t.Fatal(err)
		}
		return c.(*visitor)
	}
	gone := func(what string, want ...string) {
		t.Helper()
		var got []string
		for name, c := range all {
			if c.closed {
				got = append(got, name)
			}
		}
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +gone):\n%s", what, diff)
		}
	}
	a := come("a1", "10.0.0.1")
	come("a2", "10.0.0.1")
	a3 := come("a3", "10.0.0.1")
	b := come("b1", "10.0.0.2")
	gone("there is room")
	come("b2", "10.0.0.2")
	gone("the oldest of who has most", "a1")
	g.asks(a3)
	g.answered(a3, stranger, false)
	come("c1", "10.0.0.3")
	gone("who asked improperly, though another is older", "a1", "a3")
	g.asks(b)
	g.answered(b, guest, true)
	come("c2", "10.0.0.3")
	gone("who has asked properly leaves room", "a1", "a3")

	ask := func(v *visitor, as rank) {
		g.asks(v)
		g.answered(v, as, true)
	}
	second := come("g2", "10.0.0.2")
	ask(second, guest)
	gone("who comes beside him is a stranger first", "a1", "a3", "c1")
	ask(b, guest) // which is not the longest silent any more
	third := come("g3", "10.0.0.9")
	ask(third, guest)
	gone("the longest silent of who has most", "a1", "a3", "c1", "g2")
	f := come("f1", "10.0.0.9")
	ask(f, friend)
	for i := range 20 {
		ask(come(fmt.Sprint("x", i), "10.0.0.9"), guest)
	}
	if all["f1"].closed {
		t.Error("who is known gave way to who is not")
	}
	if all["c2"].closed {
		t.Error("a stranger gave way to guests")
	}
	a.Close() // again
	f.Close()
	if got := []int{g.counts(stranger), g.counts(guest), g.counts(friend)}; !slices.Equal(got, []int{3, 2, 0}) {
		t.Errorf("%v connections", got)
	}
}

// TestImproper: who asks improperly waits for the answer, and has to come again.
func TestImproper(t *testing.T) {
	f := face(t)
	defer f.end()
	for _, path := range []string{"/nothing", "/validate/x"} {
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: f.tls()}}
		res, err := client.Get("https://" + f.at + path)
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, res.Body)
		res.Body.Close()
		if !res.Close || res.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s, the connection ends: %v", path, res.Status, res.Close)
		}
		client.CloseIdleConnections()
	}
}
