// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"time"

	"whohas/command"
	"whohas/explain"
	"whohas/repair"
	"whohas/rule"
	"whohas/snapshot"
)

// Repair is what whohas repair writes: the plan, and what was done of it.
type Repair struct {
	repair.Plan
	Tool     string
	Coverage []snapshot.Coverage
	Applied  bool
	DryRun   bool
	Healed   bool
	Reaches  bool   // this host reaches the owner, by a routing rule that stands
	Detached bool   // and that was all that was asked for
	Claimed  bool   // --apply has not taken the claim away
	Outcome  string // in a sentence; empty: nothing was tried
	Events   []RepairEvent
}

// RepairEvent is one thing that was done or seen.
type RepairEvent struct {
	At   time.Time
	What string
	Text string
}

var _ = repairs.add("text", RepairText)

// RepairText writes the plan for people.
func RepairText(o TextOptions) func(io.Writer, *Repair) error {
	if o.Width <= 0 {
		o.Width = 100
	}
	return func(w io.Writer, r *Repair) error {
		t := textWriter{w: bufio.NewWriter(w), TextOptions: o}
		if r.Applied {
			t.outcome(r)
			return t.w.Flush()
		}
		if !r.Address.IsValid() {
			t.wrap(t.bold(nothing)+"  ", spaces(len(nothing)+2), r.Title)
			return t.w.Flush()
		}
		t.wrap(t.color(rule.Info, "PLAN")+"  ", "      ", r.Title)
		t.wrap("", "", fmt.Sprintf("%s: nothing has been done.%s", r.Host, whatApplies(r)))
		t.steps("first, the hosts", r.Hosts)
		t.steps("then, the claim", r.Claims)
		t.steps("what no rule heals", r.Ports)
		t.steps("then, the hosts again", r.Back)
		t.steps("and see that it worked", r.After)
		t.refused(r)
		return t.w.Flush()
	}
}

const nothing = "NOTHING TO REPAIR"

func whatApplies(r *Repair) string {
	if len(r.Targets) == 0 {
		return ""
	}
	switch {
	case r.Hold != "":
		return fmt.Sprintf(" On this host, whohas repair --apply takes %s off %s and keeps it off: %s.", r.Address, r.Targets[0].Device, r.Hold)
	case len(r.Hosts) == 0:
		return " Here, whohas repair --apply takes them back."
	}
	return fmt.Sprintf(" On this host, whohas repair --apply leads past %s by a routing rule, and takes it back when kube-proxy has taken the address off %s.", r.Address, r.Targets[0].Device)
}

func (t *textWriter) refused(r *Repair) {
	for i, text := range r.Refused {
		if i == 0 {
			t.printf("\n")
			t.heading("not done by itself")
		}
		t.wrap("    - ", "      ", text)
	}
}

// outcome is the last word; what was done has been told as it was done.
func (t *textWriter) outcome(r *Repair) {
	word := "NOT YET HEALED"
	switch {
	case r.Healed:
		word = "HEALED"
	case !r.Address.IsValid():
		t.wrap(t.bold(nothing)+"  ", spaces(len(nothing)+2), r.Title)
		return
	case r.DryRun:
		word = "DRY RUN"
	case r.Reaches:
		word = "REACHES THE OWNER"
	}
	t.wrap(t.bold(word)+"  ", spaces(len(word)+2), r.Outcome)
	t.refused(r)
	if !r.Healed {
		t.steps("what is left", r.left())
	}
	t.steps("see that it worked", r.After)
}

// left are the steps that were not done: by now a host that reaches the owner has its own.
func (r *Repair) left() []explain.Step {
	hosts, claims := r.Hosts, r.Claims
	if r.Reaches {
		hosts = []explain.Step{{Where: "each other host that holds it", Text: "give it its way to the owner back, too", Command: command.Shell("sudo whohas repair --apply")}}
	}
	if !r.Claimed {
		claims = nil
	}
	return slices.Concat(hosts, claims, r.Ports, r.Back)
}

type jsonRepair struct {
	envelope
	Host    string       `json:"host"`
	Title   string       `json:"title"`
	Address string       `json:"address,omitempty"`
	Applied bool         `json:"applied"`
	Healed  bool         `json:"healed"`
	Reaches bool         `json:"reaches"` // this host reaches the owner, by a routing rule that stands
	Outcome string       `json:"outcome,omitempty"`
	Targets []jsonTarget `json:"targets"`
	Claims  []jsonFix    `json:"claims"`
	Ports   []jsonFix    `json:"ports"`
	Hosts   []jsonFix    `json:"hosts"`
	Back    []jsonFix    `json:"back"`
	After   []jsonFix    `json:"after"`
	Refused []string     `json:"refused"`
	Way     string       `json:"way"`              // "rule" or "hold": how --apply heals this host
	WayWhy  string       `json:"wayWhy,omitempty"` // why by hold
	Rules   []string     `json:"rules"`            // the addresses for which an earlier repair's rules stand
	Events  []jsonEvent  `json:"events"`
}

type jsonTarget struct {
	Device   string   `json:"device"`
	Prefix   string   `json:"prefix"`
	Evidence []string `json:"evidence"`
}

type jsonEvent struct {
	At   string `json:"at"`
	What string `json:"what"`
	Text string `json:"text"`
}

var _ = repairs.add("json", plain(RepairJSON))

// RepairJSON writes plan and deeds for scripts (docs/repair.schema.json).
func RepairJSON(w io.Writer, r *Repair) error {
	out := jsonRepair{
		envelope: newEnvelope("Repair", r.Tool, (&Report{Coverage: r.Coverage}).Complete(), r.Coverage),
		Host:     r.Host, Title: r.Title, Applied: r.Applied, Healed: r.Healed, Reaches: r.Reaches, Outcome: r.Outcome,
		Targets: []jsonTarget{}, Claims: jsonSteps(r.Claims), Hosts: jsonSteps(r.Hosts), Ports: jsonSteps(r.Ports), Back: jsonSteps(r.Back), After: jsonSteps(r.After),
		Way: "rule", WayWhy: r.Hold, Rules: []string{},
		Refused: orEmpty(r.Refused), Events: []jsonEvent{},
	}
	if r.Address.IsValid() {
		out.Address = r.Address.String()
	}
	if r.Hold != "" {
		out.Way = "hold"
	}
	for _, ip := range r.Standing {
		out.Rules = append(out.Rules, ip.String())
	}
	for _, t := range r.Targets {
		out.Targets = append(out.Targets, jsonTarget{t.Device, t.Prefix.String(), orEmpty(t.Evidence)})
	}
	for _, e := range r.Events {
		out.Events = append(out.Events, jsonEvent{e.At.UTC().Format(time.RFC3339Nano), e.What, e.Text})
	}
	return encode(w, out)
}
