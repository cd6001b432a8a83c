// SPDX-License-Identifier: Apache-2.0

//go:build linux

package guest

import (
	"context"
	"fmt"

	"whohas/lab"
)

// verb is what one of lab's verbs does.
type verb struct {
	run  func(*player, context.Context, lab.Step) error
	told bool // by the run itself; else the step goes into the time line as it is written
}

// verbs are all of them. How they are written, and what they mean, stands in lab/verb.go; a
// test holds the two tables against each other.
var verbs = map[lab.Verb]verb{
	lab.Phase:   {(*player).enter, true},
	lab.Check:   {(*player).check, true},
	lab.Wait:    {(*player).wait, true},
	lab.Hold:    {(*player).hold, true},
	lab.Matrix:  {(*player).matrix, true},
	lab.Record:  {(*player).record, true},
	lab.Sleep:   {(*player).sleep, false},
	lab.Exec:    {(*player).run, false},
	lab.Begin:   {(*player).beginCommand, false},
	lab.End:     {(*player).endCommand, false},
	lab.Finish:  {(*player).finishCommand, false},
	lab.Listen:  {(*player).listen, false},
	lab.Connect: {(*player).connect, false},
	lab.Apply:   {(*player).applySection, false},
	lab.Delete:  {(*player).delete, false},
	lab.Patch:   {(*player).patch, false},
	lab.Start:   {(*player).start, false},
	lab.Stop:    {(*player).stop, false},
	lab.Restart: {(*player).restart, false},
	lab.Reboot:  {(*player).reboot, false},
}

// take takes one step.
func (p *player) take(ctx context.Context, s lab.Step) error {
	v, ok := verbs[s.Verb]
	if !ok {
		return fmt.Errorf("%s: no such verb", s.Verb)
	}
	if s.Verb.NeedsCluster() && p.cluster == nil {
		return errNoCluster
	}
	if !v.told {
		p.tell(lab.Event{Kind: lab.Did, Line: s.Line, Text: s.String()})
	}
	return v.run(p, ctx, s)
}

func (p *player) enter(_ context.Context, s lab.Step) error {
	p.phase = s.Args[0]
	p.note("--- " + p.phase)
	return nil
}

func (p *player) sleep(ctx context.Context, s lab.Step) error { return pause(ctx, s.For) }
