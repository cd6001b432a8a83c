// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"cmp"
	"slices"

	"whohas/dataplane"
	"whohas/kubeproxy"
	"whohas/snapshot"
)

// modeReading is the proxy that one host's kernel shows.
type modeReading struct {
	host string
	kubeproxy.Shown
}

// modeReadings are the hosts that show a mode, by name. A host that shows none, or
// of which the tables could not be read, says nothing.
type modeReadings []modeReading

func observe(hosts []dataplane.Host) modeReadings {
	var out modeReadings
	for i := range hosts {
		if s := kubeproxy.Recognise(&hosts[i]); s.Mode != dataplane.ModeUnknown {
			out = append(out, modeReading{hosts[i].Name, s})
		}
	}
	return out
}

// agreed is the mode that all of them show, or unknown.
func (s modeReadings) agreed() dataplane.ProxyMode {
	mode := s[0].Mode
	for _, one := range s[1:] {
		if one.Mode != mode {
			return dataplane.ModeUnknown
		}
	}
	return mode
}

// corrects reports whether what hosts show beats a configured mode: an older
// kube-proxy silently falls back to iptables where a module of ipvs is missing (seen
// with 1.25.9 without ip_vs_wrr), and one that was not restarted runs as it was told
// before. What an eBPF proxy replaced may still lie about, and says nothing.
func (s modeReadings) corrects(configured dataplane.ProxyMode) bool {
	return len(s) > 0 && configured != dataplane.EBPF && s.agreed() != configured
}

// observed concludes the mode from hosts.
func (f *Facts) observed(s modeReadings, but string) {
	first := s[0]
	f.Mode = s.agreed()
	from := "host " + first.host + ": " + first.By
	if f.Mode == dataplane.ModeUnknown {
		other := s[slices.IndexFunc(s, func(o modeReading) bool { return o.Mode != first.Mode })]
		from += " (" + first.Mode.String() + "), but host " + other.host + ": " + other.By + " (" + other.Mode.String() + ")"
	} else {
		f.ModeFrom = from + but
	}
	f.KubeRouter = f.Mode == dataplane.IPVS && slices.ContainsFunc(s, func(o modeReading) bool { return o.Router })
	f.conclude("proxy mode", f.Mode.String(), cmp.Or(f.ModeFrom, from+but), snapshot.Origin{})
}
