// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Step is one line of a scenario's steps.
type Step struct {
	Line  int
	Verb  Verb
	For   time.Duration // of wait, hold and sleep
	Host  string        // of run, start, stop, ...
	Args  []string
	Query Query
	Fails bool // of run: the command must fail
}

// Verb is what a step does.
type Verb string

// The verbs.
const (
	Phase   Verb = "phase"   // phase NAME: what follows stands under this name in the time line and on record
	Check   Verb = "check"   // QUERY [= WANT]: asked once, put on record, and compared if a want is given
	Wait    Verb = "wait"    // wait 30s QUERY = WANT: until it is so; the time it took goes into the time line
	Hold    Verb = "hold"    // hold 30s QUERY = WANT: stays so
	Sleep   Verb = "sleep"   // sleep 5s
	Exec    Verb = "run"     // HOST$ COMMAND: a real command on a host; HOST! COMMAND: one that must fail
	Begin   Verb = "begin"   // begin NAME HOST COMMAND...: a command in the background
	End     Verb = "end"     // end NAME: stops it
	Apply   Verb = "apply"   // apply FILE: server-side, as the user "lab"
	Delete  Verb = "delete"  // delete KIND NAMESPACE/NAME
	Patch   Verb = "patch"   // patch KIND[/status] NAMESPACE/NAME JSON: a merge patch
	Start   Verb = "start"   // start HOST COMPONENT
	Stop    Verb = "stop"    // stop HOST COMPONENT
	Restart Verb = "restart" // restart HOST COMPONENT
	Reboot  Verb = "reboot"  // reboot HOST: its components end, its kernel state is lost, both come again
	Listen  Verb = "listen"  // listen HOST PORT: answers with the host's name, on every address
	Matrix  Verb = "matrix"  // matrix ping HOST... = SECTION: each host to each other's address
	Record  Verb = "record"  // record NAME: the kernel state of every host, and the cluster's objects
)

var verbs = []Verb{Phase, Check, Wait, Hold, Sleep, Exec, Begin, End, Apply, Delete, Patch, Start, Stop, Restart, Reboot, Listen, Matrix, Record}

// Query is a question to a host or to the cluster: its answer is one line of
// text, in the same words each time, so that it can be compared and recorded.
type Query struct {
	Subject string // a host, a Pod, or "cluster"
	What    string
	Args    []string
	Want    []string // any of them; empty: whatever is seen is recorded
}

// String gives the query as it is written, without its want.
func (q Query) String() string {
	return strings.Join(append([]string{q.Subject, q.What}, q.Args...), " ")
}

// Met tells whether an answer is one of those wanted.
func (q Query) Met(answer string) bool { return len(q.Want) == 0 || slices.Contains(q.Want, answer) }

// String gives the step in words for the time line.
func (s Step) String() string {
	switch s.Verb {
	case Check:
		return s.Query.String()
	case Wait, Hold:
		return fmt.Sprintf("%s %s %s = %s", s.Verb, s.For, s.Query, strings.Join(s.Query.Want, " | "))
	case Exec:
		return s.Host + "$ " + strings.Join(s.Args, " ")
	case Sleep:
		return "sleep " + s.For.String()
	}
	words := append([]string{string(s.Verb)}, s.Args...)
	if s.Host != "" {
		words = slices.Insert(words, 1, s.Host)
	}
	return strings.Join(words, " ")
}

// queries are the questions with the number of arguments each takes, and what
// it answers. They are told of in docs/lab.md.
var queries = map[string]struct {
	min, max int
	of       string // "host" or "cluster"
	Doc      string
}{
	"ping":      {1, 2, "host", "ping ADDRESS [from ADDRESS]: answered by HOST | port-unreachable from ADDRESS | host-unreachable from ADDRESS | no answer | error"},
	"tcp":       {1, 1, "host", "tcp ADDRESS:PORT: answered by NAME | accepted | refused | no answer | host-unreachable | error"},
	"udp":       {1, 1, "host", "udp ADDRESS:PORT: answered by NAME | refused | no answer | host-unreachable | error"},
	"arping":    {1, 1, "host", "arping ADDRESS: the hosts that answer a probe of RFC 5227 on eth0, or nobody"},
	"route":     {1, 1, "host", "route ADDRESS: what the kernel would do with a packet, in ip route get's words"},
	"routes":    {1, 1, "host", "routes PREFIX: the route of the main table, or none"},
	"address":   {1, 1, "host", "address ADDRESS: the devices that hold it, or none"},
	"neighbour": {1, 1, "host", "neighbour ADDRESS: the host whose MAC stands there | FAILED | INCOMPLETE | none"},
	"bgp":       {1, 1, "host", "bgp ADDRESS: Established | the session's state"},
	"link":      {1, 1, "host", "link NAME: up | down | none"},
	"server":    {1, 1, "host", "server ADDRESS:PORT: the real servers of an IPVS service, or none"},
	"sysctl":    {1, 1, "host", "sysctl NAME: its value"},
	"component": {1, 1, "host", "component NAME: running | stopped"},
	"mode":      {0, 0, "host", "mode: what kube-proxy says its mode is"},
	"set":       {1, 1, "host", "set MEMBER: the ipsets that have it, or none"},
	"node":      {1, 1, "cluster", "node NAME: Ready | NotReady | Unknown | none"},
	"lease":     {1, 1, "cluster", "lease NAME: fresh | stale, by its duration"},
}

func (p *parser) steps(s *Scenario, text string) {
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if step, ok := p.step(p.lines["steps"]+i, line); ok {
			s.Steps = append(s.Steps, step)
		}
	}
}

func (p *parser) step(line int, text string) (Step, bool) {
	step := Step{Line: line}
	words := strings.Fields(text)
	if host, fails := strings.CutSuffix(words[0], "!"); fails || strings.HasSuffix(words[0], "$") {
		step.Verb, step.Host, step.Fails = Exec, strings.TrimSuffix(host, "$"), fails
		step.Args = []string{rest(text, 1)}
		if step.Args[0] == "" {
			p.fail(line, "no command")
		}
		return step, p.err == nil
	}
	if !slices.Contains(verbs, Verb(words[0])) {
		step.Verb, step.Query = Check, p.query(line, words)
		return step, p.err == nil
	}
	step.Verb, words = Verb(words[0]), words[1:]
	if slices.Contains([]Verb{Wait, Hold, Sleep}, step.Verb) {
		if len(words) == 0 {
			p.fail(line, "%s: how long?", step.Verb)
			return step, false
		}
		d, err := time.ParseDuration(words[0])
		if err != nil {
			p.fail(line, "%s: %v", step.Verb, err)
		}
		step.For, words = d, words[1:]
	}
	p.stepArgs(&step, text, words)
	return step, p.err == nil
}

// rest is what stands behind the first words of a line, as written.
func rest(text string, words int) string {
	for range words {
		_, text, _ = strings.Cut(strings.TrimSpace(text), " ")
	}
	return strings.TrimSpace(text)
}

// stepArgs reads what follows a verb.
func (p *parser) stepArgs(step *Step, text string, words []string) {
	min, max := 1, 1
	switch step.Verb {
	case Sleep:
		min, max = 0, 0
	case Wait, Hold:
		step.Query = p.query(step.Line, words)
		if len(step.Query.Want) == 0 {
			p.fail(step.Line, "%s: for what? = WANT is missing", step.Verb)
		}
		return
	case Start, Stop, Restart, Reboot, Listen:
		if len(words) > 0 {
			step.Host, words = words[0], words[1:]
		}
		if step.Verb == Reboot {
			min, max = 0, 0
		}
	case Begin:
		if len(words) < 3 {
			p.fail(step.Line, "want begin NAME HOST COMMAND")
			return
		}
		step.Host, step.Args = words[1], []string{words[0], rest(text, 3)}
		return
	case Delete:
		min, max = 2, 2
	case Patch:
		min, max = 3, len(words)
	case Matrix:
		min, max = 2, len(words)
	}
	if len(words) < min || len(words) > max {
		p.fail(step.Line, "%s: %d words after it, want %d to %d", step.Verb, len(words), min, max)
	}
	step.Args = words
}

// query reads "SUBJECT WHAT ARGS... [= WANT | WANT...]".
func (p *parser) query(line int, words []string) Query {
	var q Query
	if i := slices.Index(words, "="); i >= 0 {
		for want := range strings.SplitSeq(strings.Join(words[i+1:], " "), " | ") {
			q.Want = append(q.Want, strings.TrimSpace(want))
		}
		words = words[:i]
	}
	if len(words) < 2 {
		p.fail(line, "want SUBJECT WHAT ARGS... = WANT, or one of the verbs")
		return q
	}
	q.Subject, q.What, q.Args = words[0], words[1], words[2:]
	known, ok := queries[q.What]
	switch {
	case !ok:
		p.fail(line, "%s: no such question", q.What)
	case len(q.Args) < known.min || len(q.Args) > known.max:
		p.fail(line, "want %s", known.Doc)
	}
	return q
}

func (p *parser) checkStep(s *Scenario, step Step) {
	for _, name := range []string{step.Host, step.Query.Subject} {
		if name != "" && name != "cluster" && !s.Topology.Has(name) {
			p.fail(step.Line, "no host or pod %s", name)
		}
	}
	if step.Verb == Apply {
		if _, ok := s.Files[step.Args[0]]; !ok {
			p.fail(step.Line, "apply %s: no such section", step.Args[0])
		}
	}
	if of := queries[step.Query.What].of; (of == "cluster") != (step.Query.Subject == "cluster") && of != "" {
		p.fail(step.Line, "%s is asked of a %s", step.Query.What, of)
	}
}
