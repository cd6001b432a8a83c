// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"encoding/json"
	"errors"
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

// String gives the step as it is written, except for what a check wants.
func (s Step) String() string {
	switch s.Verb {
	case Check:
		return s.Query.String()
	case Wait, Hold:
		return fmt.Sprintf("%s %s %s = %s", s.Verb, s.For, s.Query, strings.Join(s.Query.Want, " | "))
	case Exec:
		if s.Fails {
			return s.Host + "! " + strings.Join(s.Args, " ")
		}
		return s.Host + "$ " + strings.Join(s.Args, " ")
	case Sleep:
		return "sleep " + s.For.String()
	}
	words := append([]string{string(s.Verb)}, s.Args...)
	if s.Host != "" {
		at := 1
		if s.Verb == Begin {
			at = 2
		}
		words = slices.Insert(words, at, s.Host)
	}
	return strings.Join(words, " ")
}

func (p *parser) steps(s *Scenario, text string) {
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if step := p.step(p.lines["steps"]+i, line); p.err == nil {
			s.Steps = append(s.Steps, step)
		}
	}
}

func (p *parser) step(line int, text string) Step {
	step := Step{Line: line}
	words := strings.Fields(text)
	if n := len(words[0]) - 1; strings.ContainsAny(words[0][n:], "$!") {
		step.Verb, step.Host, step.Fails = Exec, words[0][:n], words[0][n] == '!'
		step.Args = []string{rest(text, 1)}
		if step.Host == "" || step.Args[0] == "" {
			p.fail(line, "want HOST$ COMMAND, or HOST! COMMAND")
		}
		return step
	}
	f, ok := verbs[Verb(words[0])]
	if !ok {
		step.Verb, step.Query = Check, p.query(line, words)
		return step
	}
	step.Verb = Verb(words[0])
	if step.Verb == Matrix {
		p.matrix(&step, words[1:])
		return step
	}
	if err := p.fill(&step, strings.Fields(f.text)[1:], text); err != nil {
		p.fail(line, "%v: want %s", err, f.text)
	}
	return step
}

var (
	errTooFew  = errors.New("too few words")
	errTooMany = errors.New("too many words")
)

// fill reads the words of a line into the places that its form has for them.
func (p *parser) fill(step *Step, kinds []string, text string) error {
	words := strings.Fields(text)[1:]
	for i, kind := range kinds {
		if i >= len(words) {
			return errTooFew
		}
		var err error
		switch kind {
		case "HOST":
			step.Host = words[i]
		case "TIME":
			step.For, err = duration(words[i])
		case "QUERY":
			step.Query = p.query(step.Line, words[i:])
			if len(step.Query.Want) == 0 {
				return fmt.Errorf("%s for what", step.Verb)
			}
			return nil
		case "COMMAND":
			step.Args = append(step.Args, rest(text, i+1))
			return nil
		case "JSON":
			step.Args = append(step.Args, rest(text, i+1))
			if !json.Valid([]byte(step.Args[i])) {
				return fmt.Errorf("%s: no JSON", step.Args[i])
			}
			return nil
		default:
			err = valid(kind, words[i])
			step.Args = append(step.Args, words[i])
		}
		if err != nil {
			return fmt.Errorf("%s: %w", words[i], err)
		}
	}
	if len(words) > len(kinds) {
		return errTooMany
	}
	return nil
}

// matrix reads "ping HOST... = SECTION".
func (p *parser) matrix(step *Step, words []string) {
	step.Args = words
	if n := len(words); n < 4 || words[0] != "ping" || words[n-2] != "=" {
		p.fail(step.Line, "want %s", verbs[Matrix].text)
	}
}

func verbNames() []string {
	var names []string
	for v := range verbs {
		names = append(names, string(v))
	}
	slices.Sort(names)
	return names
}
