// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package host

import (
	"context"
	"runtime"

	"whohas/dataplane"
)

// Connect connects to nothing: the package knows Linux only.
func Connect(_ context.Context, targets []Target) []dataplane.ConnectResult {
	var out []dataplane.ConnectResult
	for _, t := range targets[:min(len(targets), maxTargets)] {
		out = append(out, dataplane.ConnectResult{What: t.What, To: t.To, Result: "not tried: hosts dial on Linux only, not on " + runtime.GOOS})
	}
	return out
}
