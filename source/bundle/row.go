// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"net/netip"
	"strconv"

	"whohas/snapshot"

	"github.com/go-json-experiment/json/jsontext"
)

// row writes an array whose zero elements at the end are left out.
type row struct {
	b     []byte
	last  int // where the last element that is not zero ends
	fresh bool
}

func openRow(b []byte) row {
	b = append(b, '[')
	return row{b: b, last: len(b), fresh: true}
}

func openRecord(b []byte, sort string) row {
	r := openRow(b)
	r.text(sort)
	return r
}

func (r *row) close() []byte { return append(r.b[:r.last], ']') }

// comma begins an element.
func (r *row) comma() []byte {
	if !r.fresh {
		r.b = append(r.b, ',')
	}
	r.fresh = false
	return r.b
}

// keep says that the element written last is not zero.
func (r *row) keep() { r.last = len(r.b) }

func (r *row) text(s string) {
	r.b = appendText(r.comma(), s)
	if s != "" {
		r.keep()
	}
}

func (r *row) number(n int) {
	r.b = strconv.AppendInt(r.comma(), int64(n), 10)
	if n != 0 {
		r.keep()
	}
}

func (r *row) flag(f bool) {
	r.b = strconv.AppendBool(r.comma(), f)
	if f {
		r.keep()
	}
}

func (r *row) addr(a netip.Addr) {
	r.b = append(r.comma(), '"')
	r.b = a.AppendTo(r.b)
	r.b = append(r.b, '"')
	if a.IsValid() {
		r.keep()
	}
}

func (r *row) ref(of snapshot.Ref) {
	in := openRow(r.comma())
	in.text(of.Kind)
	in.text(of.Name)
	in.text(of.Namespace)
	in.text(of.Group)
	r.b = in.close()
	if !of.IsZero() {
		r.keep()
	}
}

func (r *row) addrs(list []netip.Addr) {
	in := openRow(r.comma())
	for _, a := range list {
		in.addr(a)
		in.keep()
	}
	r.b = in.close()
	if len(list) > 0 {
		r.keep()
	}
}

func (r *row) port(p snapshot.Port, ip netip.Addr) {
	in := openRow(r.comma())
	in.text(p.Proto)
	in.number(int(p.Number))
	in.addr(ip)
	r.b = in.close()
	r.keep()
}

func appendPod(b []byte, p *snapshot.Pod) []byte {
	r := openRecord(b, "pod")
	r.text(p.Namespace)
	r.text(p.Name)
	r.text(p.Node)
	r.addrs(p.IPs)
	r.flag(p.HostNetwork)
	r.flag(p.Finished)
	ports := openRow(r.comma())
	for _, h := range p.HostPorts {
		ports.port(h.Port, h.IP)
	}
	r.b = ports.close()
	if len(p.HostPorts) > 0 {
		r.keep()
	}
	r.text(p.File)
	r.number(p.Line)
	return r.close()
}

func appendSlice(b []byte, s *snapshot.EndpointSlice) []byte {
	r := openRecord(b, "slice")
	r.ref(s.Ref)
	r.text(s.Service)
	r.addrs(s.Addresses)
	ports := openRow(r.comma())
	for _, p := range s.Ports {
		ports.port(p, netip.Addr{})
	}
	r.b = ports.close()
	if len(s.Ports) > 0 {
		r.keep()
	}
	r.text(s.ManagedBy)
	r.ref(s.Controller)
	r.text(s.Created)
	r.text(s.File)
	r.number(s.Line)
	return r.close()
}

func appendCoverage(b []byte, c snapshot.Coverage) []byte {
	r := openRecord(b, "coverage")
	r.text(c.Source)
	r.text(string(c.Status))
	r.number(c.Count)
	r.flag(c.Complete)
	r.text(c.Detail)
	r.number(c.Line)
	r.flag(c.Failed)
	return r.close()
}

// appendText quotes a string. Bytes that are no UTF-8, which only the name of a
// file can hold, become U+FFFD.
func appendText(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			b, _ = jsontext.AppendQuote(b, s) // says only that it replaced bytes
			return b
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}
