// SPDX-License-Identifier: Apache-2.0

package diagnose

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"whohas/cluster"
	"whohas/dataplane"
	"whohas/explain"
	"whohas/rule"
)

// service says which Service it is: by name where objects were read, and else what
// the host's kernel and its container runtime know of it.
func (x *examination) service(cause *rule.Finding) []explain.Link {
	var links []explain.Link
	for _, c := range cause.Claimants {
		if c.Part != rule.Intruder || c.By.Kind != cluster.ServiceKind.Kind {
			continue
		}
		text := fmt.Sprintf("%s, by %s", c.By, c.Origin.Field)
		if c.Writer != "" {
			text += ", written by " + c.Writer
		}
		if !c.Since.IsZero() {
			text += " at " + c.Since.UTC().Format(time.RFC3339)
		}
		if c.Keeper != "" {
			text += "; " + c.Keeper + " would put it back"
		}
		links = append(links, explain.Link{Text: text})
	}
	if len(links) > 0 {
		return links
	}
	return x.guess(cause.Address())
}

// guess is what IPVS and the runtime say of a Service whose name nobody knows here.
func (x *examination) guess(ip netip.Addr) []explain.Link {
	var links []explain.Link
	for _, v := range x.host.Servers {
		if v.IP != ip {
			continue
		}
		at := netip.AddrPortFrom(v.IP, v.Port)
		link := explain.Link{Text: fmt.Sprintf("its name is not known here; it serves %s/%s", at, v.Proto), Evidence: []string{"IPVS"}}
		if pods := x.pods(v); len(pods) > 0 {
			link.Text += " by " + explain.Names(pods)
		}
		if twin := x.twin(v); twin != "" {
			link.Text += fmt.Sprintf("; the ClusterIP with the same real servers is %s", twin)
		}
		links = append(links, link)
	}
	return links
}

// pods names the real servers: as Pods, where the runtime or the network plugin of
// this host knows them.
func (x *examination) pods(v dataplane.VirtualServer) []string {
	var out []string
	for _, r := range v.Servers {
		name := r.IP.String()
		for _, s := range x.host.Sandboxes {
			if s.IP == r.IP && s.Name != "" {
				name = fmt.Sprintf("Pod %s/%s (%s)", s.Namespace, s.Name, r.IP)
			}
		}
		out = append(out, name)
	}
	return out
}

// twin is a ClusterIP that leads to the same real servers: the Service's own, most
// likely.
func (x *examination) twin(v dataplane.VirtualServer) string {
	if len(v.Servers) == 0 {
		return ""
	}
	var found []string
	for _, o := range x.host.Servers {
		same := slices.EqualFunc(o.Servers, v.Servers, func(a, b dataplane.RealServer) bool { return a.IP == b.IP && a.Port == b.Port })
		if same && o.IP != v.IP && o.Proto == v.Proto && x.clusterIP(o.IP) {
			found = append(found, netip.AddrPortFrom(o.IP, o.Port).String())
		}
	}
	return strings.Join(found, ", ")
}
