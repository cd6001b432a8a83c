// SPDX-License-Identifier: Apache-2.0

package theft

import (
	"slices"
	"strings"

	"whohas/claim"
	"whohas/claimants"
	"whohas/cluster"
	"whohas/explain"
	"whohas/rule"
	"whohas/rules/internal/pick"
	"whohas/snapshot"
)

// Listens names what is known to listen on the key's address.
func Listens(p *rule.Pass) map[snapshot.Port]string {
	out := map[snapshot.Port]string{}
	for _, l := range p.Others(claim.Listener) {
		if l.Kind != claimants.KernelListener.Kind {
			continue
		}
		name, ok := strings.CutPrefix(l.Origin.Table, "socket of ")
		if !ok {
			name = "a listener of the host"
		}
		for _, port := range l.Ports {
			out[port] = name
		}
	}
	return out
}

// TakenListener reports whether one of the claims takes a port on which the
// address's host itself listens.
func TakenListener(p *rule.Pass, subjects []claim.Claim, node cluster.Node) bool {
	api := ServesAPI(p)
	listeners := listenersOn(p.Others(claim.Listener))
	for _, s := range subjects {
		for _, port := range s.Ports {
			if explain.HostListener(port, node, api, p.Facts) != "" {
				return true
			}
			// A hostPort in the Service's own namespace is most likely the port of
			// the very Pods that the Service leads to, as an ingress controller's:
			// people name node addresses on purpose then.
			if l := listeners[port]; l.spaces.Beside(snapshot.Ref{Namespace: s.By.Namespace}) || l.socket && !l.spaces.Taken {
				return true
			}
		}
	}
	return false
}

// listeners are who listens on a port: namespaces whose Pods do, and a socket that a
// kernel shows, which may be such a Pod's.
type listeners struct {
	spaces pick.Holders
	socket bool
}

func listenersOn(claims []claim.Claim) map[snapshot.Port]listeners {
	on := map[snapshot.Port]listeners{}
	for _, c := range claims {
		for _, port := range c.Ports {
			l := on[port]
			if c.Kind == claimants.KernelListener.Kind {
				l.socket = true
			} else {
				l.spaces = l.spaces.And(snapshot.Ref{Namespace: c.By.Namespace})
			}
			on[port] = l
		}
	}
	return on
}

// ServesAPI reports whether the apiserver is reached at the key's address.
func ServesAPI(p *rule.Pass) bool {
	for range p.Others(claim.ControlPlane) {
		return true
	}
	return slices.ContainsFunc(p.Facts.APIServers, func(e cluster.Endpoint) bool { return p.Key.Range.Contains(e.IP) })
}
