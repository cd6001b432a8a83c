// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"

	"whohas/internal/console"
)

// onLinux refuses to look at this host where it is none that can be looked at: a report
// in which nothing is known would read as if something had been looked at.
func (e *env) onLinux() error {
	if e.os == "" || e.os == "linux" {
		return nil
	}
	return console.WithHint(fmt.Errorf("this host runs %s, and only a Linux host can be looked at", e.os),
		"run it on the node; or read one that was captured: whohas snapshot --print-script prints what captures it, whohas diagnose --bundle FILE reads that")
}
