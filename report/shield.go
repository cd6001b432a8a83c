// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bufio"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"

	"whohas/bypass"
	"whohas/explain"
	"whohas/shield"
	"whohas/snapshot"
)

// Shield is what whohas shield writes: the plan, and what stands.
type Shield struct {
	shield.Plan
	Tool     string
	Coverage []snapshot.Coverage
	Done     string // "plan", "apply", "remove", "status"
}

// stands reports whether the shield of an address is in force.
func (r *Shield) stands(ip netip.Addr) bool {
	return slices.ContainsFunc(r.Standing, func(b bypass.Bypass) bool { return b.IP == ip && b.InForce })
}

var _ = shields.add("text", ShieldText)

// ShieldText writes it for people.
func ShieldText(o TextOptions) func(io.Writer, *Shield) error {
	if o.Width <= 0 {
		o.Width = 100
	}
	return func(w io.Writer, r *Shield) error {
		t := textWriter{w: bufio.NewWriter(w), TextOptions: o}
		t.wrap(t.bold(shieldWord(r))+"  ", spaces(len(shieldWord(r))+2), shieldTitle(r))
		t.standing(r)
		if r.Done == "status" || r.Done == "remove" {
			return t.w.Flush()
		}
		t.needed("shielded", r.Shielded)
		t.needed("left out", r.Left)
		t.commands(r)
		return t.w.Flush()
	}
}

func shieldWord(r *Shield) string {
	switch {
	case r.Done == "remove" && len(r.Standing) == 0:
		return "REMOVED"
	case r.Refused != "":
		return "NO PLACE"
	case r.Done == "status" && len(r.Standing) > 0 && !slices.ContainsFunc(r.Standing, func(b bypass.Bypass) bool { return !b.InForce }):
		return "SHIELDED"
	case len(r.Shielded) > 0 && !slices.ContainsFunc(r.Addresses(), func(ip netip.Addr) bool { return !r.stands(ip) }):
		return "SHIELDED"
	}
	return "NOT SHIELDED"
}

func shieldTitle(r *Shield) string {
	switch {
	case r.Done == "remove":
		return fmt.Sprintf("%s: no shield of ours stands", r.Host)
	case r.Refused != "":
		return fmt.Sprintf("%s: %s", r.Host, r.Refused)
	case r.Done == "status" && len(r.Standing) > 0:
		return fmt.Sprintf("%s: the rules of a shield stand, for %s", r.Host, plural(len(r.Standing), "address"))
	case len(r.Shielded) == 0:
		return fmt.Sprintf("%s: no address that this host needs is known to be another host's own", r.Host)
	}
	n := 0
	for _, ip := range r.Addresses() {
		if r.stands(ip) {
			n++
		}
	}
	switch all := len(r.Shielded); {
	case n == 0:
		return fmt.Sprintf("%s: no routing rule stands for %s that this host cannot do without", r.Host, plural(all, "address"))
	case n < all:
		return fmt.Sprintf("%s: of %s that this host cannot do without, %d passed over by a routing rule", r.Host, plural(all, "address"), n)
	case all > 1:
		return fmt.Sprintf("%s: the %d addresses that this host cannot do without are passed over by routing rules", r.Host, all)
	}
	return fmt.Sprintf("%s: the address that this host cannot do without is passed over by a routing rule", r.Host)
}

func (t *textWriter) standing(r *Shield) {
	for i, b := range r.Standing {
		if i == 0 {
			t.printf("\n")
			t.heading("stands")
		}
		text := b.IP.String()
		if !b.InForce {
			text += ": not in force: no route leads there, or what its rule led to is gone"
		}
		t.wrap("    - ", "      ", text)
	}
}

func (t *textWriter) needed(heading string, list []shield.Address) {
	for i, a := range list {
		if i == 0 {
			t.printf("\n")
			t.heading(heading)
		}
		text := fmt.Sprintf("%s  %s", a.IP, strings.Join(a.For, ", "))
		if a.Why != "" {
			text += ": " + a.Why
		}
		t.wrap("    - ", "      ", text)
		t.wrap("        ", "        ", "by "+strings.Join(a.Evidence, "; "))
	}
}

func (t *textWriter) commands(r *Shield) {
	if len(r.Put) == 0 {
		return
	}
	t.steps("what --apply does", []explain.Step{{Where: r.Host, Text: "pass over the local table for them", Command: bypass.Lines(r.Put)}})
}

type jsonShield struct {
	envelope
	Host     string         `json:"host"`
	Done     string         `json:"done"`
	Shielded []jsonShielded `json:"shielded"`
	Left     []jsonShielded `json:"left"`
	Standing []jsonStanding `json:"standing"`
	Command  string         `json:"command"` // what --apply does; empty: nothing
	Refused  string         `json:"refused,omitempty"`
}

type jsonShielded struct {
	Address  string   `json:"address"`
	For      []string `json:"for"`
	Evidence []string `json:"evidence"`
	Why      string   `json:"why,omitempty"`
	Stands   bool     `json:"stands"`
}

type jsonStanding struct {
	Address string `json:"address"`
	InForce bool   `json:"inForce"`
}

var _ = shields.add("json", plain(ShieldJSON))

// ShieldJSON writes it for scripts (docs/shield.schema.json).
func ShieldJSON(w io.Writer, r *Shield) error {
	out := jsonShield{
		envelope: newEnvelope("Shield", r.Tool, (&Report{Coverage: r.Coverage}).Complete(), r.Coverage),
		Host:     r.Host, Done: r.Done, Refused: r.Refused, Shielded: r.jsonAddresses(r.Shielded), Left: r.jsonAddresses(r.Left), Standing: []jsonStanding{},
	}
	if len(r.Put) > 0 {
		out.Command = bypass.Lines(r.Put).String()
	}
	for _, b := range r.Standing {
		out.Standing = append(out.Standing, jsonStanding{b.IP.String(), b.InForce})
	}
	return encode(w, out)
}

func (r *Shield) jsonAddresses(list []shield.Address) []jsonShielded {
	out := []jsonShielded{}
	for _, a := range list {
		out = append(out, jsonShielded{a.IP.String(), orEmpty(a.For), orEmpty(a.Evidence), a.Why, r.stands(a.IP)})
	}
	return out
}
