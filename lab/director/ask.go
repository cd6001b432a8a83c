// SPDX-License-Identifier: Apache-2.0

//go:build linux

package director

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/vishvananda/netlink"

	"whohas/lab"
	"whohas/lab/prober"
	"whohas/lab/site"
)

// probeWait is how long a probe is waited for: longer than three requests for
// a neighbour, a second apart, which are the kernel's default before it says
// that a host is unreachable.
const probeWait = 3500 * time.Millisecond

// silence is what is waited where silence is expected.
const silence = 300 * time.Millisecond

// check asks once, puts the answer on record, and compares it with the want.
func (p *player) check(ctx context.Context, s lab.Step) error {
	answer := p.ask(ctx, s.Query)
	p.saw(s, answer, 0)
	if !s.Query.Met(answer) {
		return fmt.Errorf("saw %q", answer)
	}
	return nil
}

func (p *player) saw(s lab.Step, answer string, took time.Duration) {
	p.tell(lab.Event{Kind: lab.Saw, Line: s.Line, Text: s.Query.String(), Answer: answer, Want: s.Query.Want, Took: took})
}

// pollInterval is the pause between two questions of a wait.
const pollInterval = 100 * time.Millisecond

// wait asks until the answer is the one wanted.
func (p *player) wait(ctx context.Context, s lab.Step) error {
	ctx, cancel := context.WithTimeout(ctx, s.For)
	defer cancel()
	began := time.Now()
	for {
		answer := p.ask(ctx, s.Query)
		if s.Query.Met(answer) {
			p.saw(s, answer, time.Since(began))
			return nil
		}
		if pause(ctx, pollInterval) != nil {
			return fmt.Errorf("saw %q at the end", answer)
		}
	}
}

// hold asks for as long as it says; every answer must be the one wanted.
func (p *player) hold(ctx context.Context, s lab.Step) error {
	for until := time.Now().Add(s.For); ; {
		answer := p.ask(ctx, s.Query)
		if !s.Query.Met(answer) {
			return fmt.Errorf("saw %q", answer)
		}
		if time.Now().After(until) {
			p.saw(s, answer, 0)
			return nil
		}
		if err := pause(ctx, 5*pollInterval); err != nil {
			return err
		}
	}
}

// ask answers a query. What goes wrong in asking is an answer too: it is not
// the one that was wanted.
func (p *player) ask(ctx context.Context, q lab.Query) string {
	answer, err := p.answer(ctx, q)
	if err != nil {
		return "error: " + err.Error()
	}
	return answer
}

func (p *player) answer(ctx context.Context, q lab.Query) (string, error) {
	if q.Subject == "cluster" {
		return p.askCluster(ctx, q)
	}
	h := p.site.Host(q.Subject)
	switch q.What {
	case "ping":
		return p.ping(h, q)
	case "tcp", "udp", "arping":
		return p.probe(h, q)
	case "connections":
		return p.connections(q)
	case "route", "routes", "address", "neighbour", "link":
		return p.askKernel(h, q)
	case "diagnose":
		return p.diagnose(ctx, h)
	case "sysctl":
		return readSysctl(h, q.Args[0])
	}
	return p.askComponent(ctx, h, q)
}

// patience is how long to wait for a probe's answer.
func patience(q lab.Query) time.Duration {
	if slices.Equal(q.Want, []string{prober.Silence}) || slices.Equal(q.Want, []string{"nobody"}) {
		return silence
	}
	return probeWait
}

// ping asks every host's counter before and after: the one that received the
// request is the one that answered.
func (p *player) ping(h *site.Host, q lab.Query) (string, error) {
	to, err := netip.ParseAddr(q.Args[0])
	if err != nil {
		return "", err
	}
	var from netip.Addr
	if len(q.Args) > 1 {
		if from, err = netip.ParseAddr(strings.TrimPrefix(q.Args[1], "from=")); err != nil {
			return "", err
		}
	}
	before, err := p.echoes()
	if err != nil {
		return "", err
	}
	var probe prober.Probe
	p.pings++
	if err := h.Do(func() error { probe = prober.Ping(to, from, p.pings, patience(q)); return nil }); err != nil {
		return "", err
	}
	answer := probe.Wait()
	if answer != prober.Answered {
		return answer, nil
	}
	after, err := p.echoes()
	if err != nil {
		return "", err
	}
	for i, h := range p.site.Hosts {
		if after[i] > before[i] {
			return answer + " by " + h.Name, nil
		}
	}
	return answer, nil
}

func (p *player) echoes() ([]int, error) {
	var all []int
	for _, h := range p.site.Hosts {
		n, err := h.Echoes()
		if err != nil {
			return nil, err
		}
		all = append(all, n)
	}
	return all, nil
}

func (p *player) probe(h *site.Host, q lab.Query) (string, error) {
	var probe prober.Probe
	err := h.Do(func() error {
		if q.What == "arping" {
			to, err := netip.ParseAddr(q.Args[0])
			if err != nil {
				return err
			}
			probe = prober.ARP("eth0", to, silence)
			return nil
		}
		to, err := netip.ParseAddrPort(q.Args[0])
		if err != nil {
			return err
		}
		if q.What == "tcp" {
			probe = prober.TCP(to, patience(q))
		} else {
			probe = prober.UDP(to, patience(q))
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	answer := probe.Wait()
	if q.What != "arping" || answer == "nobody" {
		return answer, nil
	}
	var names []string
	for mac := range strings.FieldsSeq(answer) {
		names = append(names, p.site.Owner(mac))
	}
	slices.Sort(names)
	return strings.Join(slices.Compact(names), " "), nil
}

func readSysctl(h *site.Host, name string) (string, error) {
	var value []byte
	err := h.Do(func() error {
		var err error
		value, err = os.ReadFile("/proc/sys/" + strings.ReplaceAll(name, ".", "/"))
		return err
	})
	return strings.TrimSpace(string(value)), err
}

func (p *player) askKernel(h *site.Host, q lab.Query) (string, error) {
	switch q.What {
	case "link":
		link, err := h.Links().LinkByName(q.Args[0])
		if errors.As(err, new(netlink.LinkNotFoundError)) {
			return none, nil
		}
		if err != nil {
			return "", err
		}
		if link.Attrs().Flags&1 != 0 {
			return "up", nil
		}
		return "down", nil
	case "routes":
		return routes(h, q.Args[0])
	}
	addr, err := netip.ParseAddr(q.Args[0])
	if err != nil {
		return "", err
	}
	switch q.What {
	case "route":
		return route(h, addr)
	case "address":
		return holders(h, addr)
	default:
		return p.neighbour(h, addr)
	}
}
