// SPDX-License-Identifier: Apache-2.0

package theft

import (
	"fmt"
	"net/netip"
	"strings"

	"whohas/claim"
	"whohas/cluster"
	"whohas/dataplane"
	"whohas/explain"
	"whohas/kubeproxy"
	"whohas/rule"
	"whohas/rules/internal/pick"
)

// ServersOf lists a host's virtual servers on an address.
func ServersOf(h *dataplane.Host, ip netip.Addr) []dataplane.VirtualServer {
	var out []dataplane.VirtualServer
	if h == nil {
		return nil
	}
	for _, v := range h.Servers {
		if v.Mark == 0 && v.IP == ip {
			out = append(out, v)
		}
	}
	return out
}

// Sights is where claims of kernels were seen.
func Sights(held []claim.Claim) []explain.Sight {
	var out []explain.Sight
	seen := map[string]bool{}
	for _, h := range held {
		if !seen[h.Origin.Host] {
			seen[h.Origin.Host] = true
			out = append(out, explain.Sight{Host: h.Origin.Host, Evidence: pick.Evidence([]claim.Claim{h})[0]})
		}
	}
	return out
}

// IpsetNotes tell which field of a Service brought an address, by the set that
// kube-proxy put it in (kubernetes pkg/proxy/ipvs/ipset.go).
func IpsetNotes(p *rule.Pass, held []claim.Claim) []explain.Link {
	ip := p.Key.Range.From
	brought := map[string][]string{}
	for _, name := range pick.HostNames(held) {
		sets := p.Objects.Host(name).Sets
		for i := range sets {
			s := &sets[i]
			if field := kubeproxy.SetField(s.Name); field != "" && s.Has(ip) {
				brought[field] = append(brought[field], fmt.Sprintf("%s: ipset %s", name, s.Name))
			}
		}
	}
	var notes []explain.Link
	for _, field := range []string{kubeproxy.FieldExternalIP, kubeproxy.FieldLoadBalancer, kubeproxy.FieldClusterIP} {
		if by := brought[field]; len(by) > 0 {
			notes = append(notes, explain.Link{Text: "it came through " + field + " of a Service", Evidence: by[:min(len(by), 4)]})
		}
	}
	return notes
}

// ServerNotes tell where hosts lead the address's traffic.
func ServerNotes(p *rule.Pass, held []claim.Claim) []explain.Link {
	var notes []explain.Link
	byText := map[string]int{}
	for _, name := range pick.HostNames(held) {
		for _, v := range ServersOf(p.Objects.Host(name), p.Key.Range.From) {
			text := fmt.Sprintf("IPVS leads %s to %s", netip.AddrPortFrom(v.IP, v.Port), RealServers(v))
			i, ok := byText[text]
			if !ok {
				i = len(notes)
				byText[text] = i
				notes = append(notes, explain.Link{Text: text})
			}
			if e := "virtual server on " + name; len(notes[i].Evidence) < 4 {
				notes[i].Evidence = append(notes[i].Evidence, e)
			}
		}
	}
	return notes
}

// RealServers names where a virtual server leads.
func RealServers(v dataplane.VirtualServer) string {
	if len(v.Servers) == 0 {
		return "no real server: whoever comes is refused"
	}
	texts := make([]string, len(v.Servers))
	for i, r := range v.Servers {
		texts[i] = netip.AddrPortFrom(r.IP, r.Port).String()
	}
	return explain.Names(texts)
}

// Rejects reports whether a host that was read rejects new connections to bound addresses
// on other ports than a Service's.
func Rejects(h *dataplane.Host) bool { return h != nil && kubeproxy.Filters(h) }

// OwnerText says whose an address is.
func OwnerText(p *rule.Pass, owners []claim.Claim) (text, is string, loses []string) {
	switch o := owners[0]; o.Role {
	case claim.Host:
		return fmt.Sprintf("belongs to %s %s", pick.NodeOrHost(p, owners), pick.NodeNames(owners)), "the node", nil
	case claim.Tunnel:
		return fmt.Sprintf("is the tunnel address of %s", pick.NodeNames(owners)), "the tunnel of " + pick.NodeNames(owners), []string{"tunnel"}
	case claim.ControlPlane:
		return "is the control plane's address", "the control plane", []string{"apiserver"}
	default:
		what := pick.ReservedFor(owners)
		return fmt.Sprintf("is reserved (%s)", what), "whoever has the reserved address", strings.Split(what, ", ")
	}
}

// ModeNotes says what had to be assumed of the proxy, and what surprises people.
func ModeNotes(p *rule.Pass, t explain.Target) []explain.Link {
	era := p.Facts.Behavior()
	var notes []explain.Link
	if era.Assumed {
		text := "kube-proxy's version is not known: today's (1.27.3 and newer) is assumed"
		if p.Facts.Mode == "" {
			text = "no proxy configuration was found: ipvs, the worst case, is assumed (--proxy-mode tells it)"
		}
		notes = append(notes, explain.Link{Text: text})
	}
	if era.Binds && !era.OwnerBinds && t.Owner.Name != "" {
		notes = append(notes, explain.Link{
			Text:     fmt.Sprintf("%s itself does not bind the address: everything looks right there, look on the other nodes", t.Owner.Name),
			Evidence: []string{era.Source},
		})
	}
	at, over := PassedOver(p, Stolen(p).Held)
	ruled := len(at) == 0 && len(over) > 0 // they learn of the change
	if era.Binds && t.API && !ruled && p.Facts.WithoutAddress(t.Address) != cluster.APIReached {
		notes = append(notes, explain.Link{
			Text:     "removing the claim alone does not heal a node whose way to the apiserver is this address",
			Evidence: []string{explain.LabSealed},
		})
	}
	return notes
}
