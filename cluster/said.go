// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"slices"

	"whohas/dataplane"
	"whohas/snapshot"
)

// ModeSaid is a proxy mode that an object names, whether or not it decides.
type ModeSaid struct {
	Mode   dataplane.ProxyMode
	Router bool // kube-router's
	Ref    snapshot.Ref
	Origin snapshot.Origin
}

// ModesSaid lists the proxy modes that objects name, each once, in the order of
// precedence. Infer takes the first alone: who judges a change must not, since of two
// files that configure one proxy nobody knows which is applied last.
func ModesSaid(s *snapshot.Snapshot) []ModeSaid {
	var all []ModeSaid
	for _, e := range modeSources {
		for _, o := range s.Kind(e.kind) {
			mode, at, ok := e.mode(o)
			said := ModeSaid{mode, isKubeRouter(at), o.Ref, at.Origin()}
			if ok && !slices.ContainsFunc(all, func(a ModeSaid) bool { return a.Mode == mode && a.Router == said.Router }) {
				all = append(all, said)
			}
		}
	}
	return all
}

// As is f with the proxy mode that an object names.
func (f *Facts) As(m ModeSaid) *Facts {
	g := *f
	g.Mode, g.ModeFrom, g.KubeRouter = m.Mode, m.Ref.String(), m.Router
	g.Conclusions = slices.DeleteFunc(slices.Clone(f.Conclusions), func(c Conclusion) bool { return c.Subject == ModeSubject })
	g.Conclusions = append(g.Conclusions, Conclusion{ModeSubject, m.Mode.String(), m.Ref.String(), m.Origin})
	return &g
}

// ModeSubject is what conclusions about the proxy mode are about.
const ModeSubject = "proxy mode"
