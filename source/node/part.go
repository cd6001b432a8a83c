// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"slices"
	"strings"
	"sync"

	"whohas/dataplane"
	"whohas/snapshot"
	"whohas/source/host"
)

func readOwn(ctx context.Context, o host.Options) (dataplane.Host, []snapshot.Coverage) {
	ctx, cancel := context.WithTimeout(ctx, ownLimit)
	defer cancel()
	var asking sync.WaitGroup
	var bgp part
	asking.Go(func() { bgp = readPart(ctx, o, sessions) })
	o.Skip = slices.Concat(slow, notices, sessions)
	h, coverage := host.Read(ctx, o)
	asking.Wait()
	return bgp.into(h, coverage)
}

// part is a reading of some sections.
type part struct {
	sections []string
	host     dataplane.Host
	coverage []snapshot.Coverage
}

func readPart(ctx context.Context, o host.Options, sections []string) part {
	out := part{sections: sections}
	o.Skip = slices.DeleteFunc(append(host.Sections(), host.Userspace()...), out.has)
	out.host, out.coverage = host.Read(ctx, o)
	return out
}

func (p part) has(section string) bool { return slices.Contains(p.sections, section) }

// into puts the part into a reading that left it out.
func (p part) into(h dataplane.Host, coverage []snapshot.Coverage) (dataplane.Host, []snapshot.Coverage) {
	switch {
	case p.has(host.Sessions):
		h.Sessions = p.host.Sessions
	case p.has(host.LogMatches):
		h.LogMatches = p.host.LogMatches
	default:
		h.Tables, h.Listeners = p.host.Tables, p.host.Listeners
	}
	isPart := func(c snapshot.Coverage) bool {
		return slices.ContainsFunc(p.sections, func(s string) bool { return strings.HasSuffix(c.Source, " "+s) })
	}
	h.Unread = slices.DeleteFunc(h.Unread, p.has)
	for _, s := range p.host.Unread {
		if p.has(s) {
			h.Unread = append(h.Unread, s)
		}
	}
	slices.Sort(h.Unread)
	coverage = slices.DeleteFunc(coverage, isPart)
	return h, append(coverage, slices.DeleteFunc(p.coverage, func(c snapshot.Coverage) bool { return !isPart(c) })...)
}
