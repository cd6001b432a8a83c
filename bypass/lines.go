// SPDX-License-Identifier: Apache-2.0

package bypass

import (
	"cmp"

	"whohas/command"
)

// Lines are changes as ip takes them, in one chain. It takes iproute2 4.17 and a kernel
// of that age, in which rules have a protocol: an older one refuses a second rule of the
// local table, the chain ends there, and all is as before.
func Lines(changes []Change) command.Line {
	var lines []command.Line
	for _, c := range changes {
		lines = append(lines, line(c))
	}
	return command.Chain(lines...)
}

func line(c Change) command.Line {
	do := command.Add
	if c.Take {
		do = command.Del
	}
	r, to := c.Rule, c.Route
	switch {
	case to.Table != 0:
		return command.SourceRoute(do, to.To.Addr(), to.Via, to.Link, to.Source, to.Metric)
	case r.Type == "nop":
		return command.NopRule(do, r.Family, r.Priority)
	case r.Goto != 0:
		return command.GotoRule(do, r.Priority, r.To.Addr(), r.Goto)
	case c.Take: // the first; one that somebody has put back by hand is of no protocol
		return command.LocalRule(do, r.Family, r.Priority, r.Protocol)
	}
	return command.LocalRule(do, r.Family, r.Priority, cmp.Or(r.Protocol, "kernel"))
}
