// SPDX-License-Identifier: Apache-2.0

//go:build !unix

package cli

import "github.com/rogpeppe/go-internal/testscript"

func cmdMkfifo(ts *testscript.TestScript, _ bool, _ []string) {
	ts.Fatalf("no FIFOs here: begin the line with [unix]")
}
