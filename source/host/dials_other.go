// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package host

import (
	"context"
	"runtime"

	"whohas/dataplane"
)

// Dials connects to nothing: the package knows Linux only.
func Dials(_ context.Context, targets []Target) []dataplane.Dial {
	var out []dataplane.Dial
	for _, t := range targets[:min(len(targets), maxTargets)] {
		out = append(out, dataplane.Dial{What: t.What, To: t.To, Result: "not tried: hosts dial on Linux only, not on " + runtime.GOOS})
	}
	return out
}
