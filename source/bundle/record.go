// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"

	"whohas/dataplane"
	"whohas/snapshot"
)

// batch is what some consecutive lines hold, in their order within each sort.
type batch struct {
	objects  []*snapshot.Object
	pods     []snapshot.Pod
	slices   []snapshot.EndpointSlice
	hosts    []dataplane.Host
	coverage []snapshot.Coverage
	strange  int  // records of sorts that only a later version knows
	newer    int  // hosts with members that only a later version knows
	records  int  // up to the error, or to the last line
	ended    bool // the last line was there
	promised int  // the number of records that it tells of
	err      error
	long     bool // of a block that is one long line
}

// empty makes a batch ready to be filled again; what it held is elsewhere.
func (b *batch) empty() {
	clear(b.objects)
	clear(b.pods)
	clear(b.slices)
	clear(b.hosts)
	*b = batch{objects: b.objects[:0], pods: b.pods[:0], slices: b.slices[:0], hosts: b.hosts[:0]}
}

// decode reads lines, each with its line end.
func (c *cursor) decode(text []byte, b *batch) {
	for len(text) > 0 && b.err == nil {
		end := bytes.IndexByte(text, '\n')
		line := text[:end]
		text = text[end+1:]
		if b.ended {
			b.err = errBehind
			break
		}
		c.line(line, b)
	}
}

var errBehind = errors.New("text behind the last line")

func (c *cursor) line(line []byte, b *batch) {
	if n, ok := lastLine(line); ok {
		b.ended, b.promised = true, n
		return
	}
	if len(line) > maxRecord {
		b.err = errRecordSize
		return
	}
	c.text, c.at, c.err, c.values = line, 0, nil, 0
	c.drop(0, 0)
	c.record(b)
	if c.end(); c.err != nil {
		b.err = fmt.Errorf("%w, at byte %d", c.err, c.at+1)
		return
	}
	b.records++
}

const lastMark = `{"end":`

// lastLine reads {"end":N}.
func lastLine(line []byte) (records int, ok bool) {
	n, ok := bytes.CutPrefix(line, []byte(lastMark))
	if !ok {
		return 0, false
	}
	records, err := strconv.Atoi(string(bytes.TrimSuffix(n, []byte("}"))))
	return records, err == nil
}

func (c *cursor) record(b *batch) {
	f := c.fields()
	switch sort := f.text(); sort {
	case "object":
		if o := c.object(&f); c.err == nil {
			b.objects = append(b.objects, o)
		}
	case "pod":
		if p := f.pod(); c.err == nil {
			b.pods = append(b.pods, p)
		}
	case "slice":
		if s := f.slice(); c.err == nil {
			b.slices = append(b.slices, s)
		}
	case "host":
		if h, newer := f.host(); c.err == nil {
			b.hosts = append(b.hosts, h)
			if newer {
				b.newer++
			}
		}
	case "coverage":
		if l := f.coverage(); c.err == nil {
			b.coverage = append(b.coverage, l)
		}
	case "":
		c.fail(errors.New("record does not name its sort"))
	default:
		b.strange++
	}
	f.close()
}

func (c *cursor) object(f *fields) *snapshot.Object {
	o := &snapshot.Object{Ref: f.ref(), Version: f.text()}
	if f.has() {
		o.Root = c.value(0)
	}
	o.File, o.Line = f.text(), f.number()
	c.lined(&o.Root, o.Line, f)
	c.odds(&o.Root, f)
	return o
}

func (f *fields) pod() snapshot.Pod {
	p := snapshot.Pod{Namespace: f.text(), Name: f.text(), Node: f.text(), IPs: f.addresses(), HostNetwork: f.flag(), Finished: f.flag()}
	if f.has() {
		for f.open('['); f.more(']'); {
			p.HostPorts = append(p.HostPorts, f.hostPort())
		}
	}
	p.File, p.Line = f.text(), f.number()
	return p
}

func (c *cursor) hostPort() snapshot.HostPort {
	f := c.fields()
	p := snapshot.HostPort{Port: f.port(), IP: f.address()}
	f.close()
	return p
}

func (f *fields) port() snapshot.Port {
	p := snapshot.Port{Proto: f.text()}
	n := f.number()
	if n < 0 || n >= 1<<16 {
		f.fail(fmt.Errorf("not a port: %d", n))
	}
	p.Number = uint16(n)
	return p
}

func (f *fields) slice() snapshot.EndpointSlice {
	s := snapshot.EndpointSlice{Ref: f.ref(), Service: f.text(), Addresses: f.addresses()}
	if f.has() {
		for f.open('['); f.more(']'); {
			in := f.fields()
			s.Ports = append(s.Ports, in.port())
			in.close()
		}
	}
	s.ManagedBy, s.Controller, s.Created = f.text(), f.ref(), f.text()
	s.File, s.Line = f.text(), f.number()
	return s
}

func (f *fields) coverage() snapshot.Coverage {
	return snapshot.Coverage{Source: f.text(), Status: snapshot.Status(f.text()), Count: f.number(), Complete: f.flag(),
		Detail: f.text(), Line: f.number(), Failed: f.flag()}
}
