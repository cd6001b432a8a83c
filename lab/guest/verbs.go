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
	run  func(*executor, context.Context, lab.Step) error
	told bool // by the run itself; else the step goes into the time line as it is written
}

// verbs are all of them. How they are written, and what they mean, stands in lab/verb.go; a
// test holds the two tables against each other.
var verbs = map[lab.Verb]verb{
	lab.Phase:   {(*executor).enter, true},
	lab.Check:   {(*executor).check, true},
	lab.Wait:    {(*executor).wait, true},
	lab.Hold:    {(*executor).hold, true},
	lab.Matrix:  {(*executor).matrix, true},
	lab.Record:  {(*executor).record, true},
	lab.Sleep:   {(*executor).sleep, false},
	lab.Exec:    {(*executor).run, false},
	lab.Begin:   {(*executor).beginCommand, false},
	lab.End:     {(*executor).endCommand, false},
	lab.Finish:  {(*executor).finishCommand, false},
	lab.Listen:  {(*executor).listen, false},
	lab.Connect: {(*executor).connect, false},
	lab.Apply:   {(*executor).applySection, false},
	lab.Delete:  {(*executor).delete, false},
	lab.Patch:   {(*executor).patch, false},
	lab.Start:   {(*executor).start, false},
	lab.Stop:    {(*executor).stop, false},
	lab.Restart: {(*executor).restart, false},
	lab.Reboot:  {(*executor).reboot, false},
}

// take takes one step.
func (x *executor) take(ctx context.Context, s lab.Step) error {
	v, ok := verbs[s.Verb]
	if !ok {
		return fmt.Errorf("%s: no such verb", s.Verb)
	}
	if s.Verb.NeedsCluster() && x.cluster == nil {
		return errNoCluster
	}
	if !v.told {
		x.tell(lab.Event{Kind: lab.Did, Line: s.Line, Text: s.String()})
	}
	return v.run(x, ctx, s)
}

func (x *executor) enter(_ context.Context, s lab.Step) error {
	x.phase = s.Args[0]
	x.note("--- " + x.phase)
	return nil
}

func (x *executor) sleep(ctx context.Context, s lab.Step) error { return pause(ctx, s.For) }
