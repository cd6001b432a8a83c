// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"fmt"
	"net/netip"
	"slices"

	"whohas/bypass"
	"whohas/command"
	"whohas/dataplane"
)

// PassOver are the steps for hosts that hold another's address. put gives a host its way
// to the owner, while the claim stands and kube-proxy binds the address as often as it
// likes (lab cure-by-rule-1.36); back takes that back when the address is off. host gives what
// was read of one, nil for nothing. Where rules leave no place, put keeps the address off.
func PassOver(host func(name string) *dataplane.Host, names []string, ip netip.Addr, device string) (put, back []Step) {
	var forth, undo sameSteps
	add := func(h *dataplane.Host, names ...string) {
		to, from, err := bypass.Commands(h, ip)
		if err != nil {
			forth.add(command.KeepOff(ip, device),
				fmt.Sprintf("keep %s off %s for two minutes, until kube-proxy has learned of the change (%v)", ip, device, err), names...)
		}
		forth.add(to, fmt.Sprintf("pass over the local table for %s: the host reaches the owner at once, whatever kube-proxy puts on %s (whohas repair there does it, verifies it, and takes it back)", ip, device), names...)
		undo.add(from, fmt.Sprintf("when %s is off %s, take that back", ip, device), names...)
	}
	var unread []string // thousands, where no host was: what they need is the same
	for i, name := range names {
		h := host(name)
		if h == nil {
			unread = append(unread, name)
		}
		if len(unread) > 0 && (h != nil || i == len(names)-1) {
			add(nil, unread...)
			unread = nil
		}
		if h != nil {
			add(h, name)
		}
	}
	return forth.steps(), undo.steps()
}

// sameSteps gathers the hosts on which the same is done.
type sameSteps []struct {
	Step
	hosts []string
}

func (s *sameSteps) add(do command.Line, text string, hosts ...string) {
	if do.IsZero() {
		return
	}
	for i, o := range *s {
		if o.Text == text && o.Command.Equal(do) {
			(*s)[i].hosts = append(o.hosts, hosts...)
			return
		}
	}
	*s = append(*s, struct {
		Step
		hosts []string
	}{Step{Text: text, Command: do}, slices.Clone(hosts)})
}

func (s sameSteps) steps() []Step {
	var out []Step
	for _, o := range s {
		o.Where = eachOf(o.hosts)
		out = append(out, o.Step)
	}
	return out
}
