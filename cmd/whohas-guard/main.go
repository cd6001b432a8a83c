// SPDX-License-Identifier: Apache-2.0

// Command whohas-guard runs in a cluster: it refuses claims on addresses that are
// somebody else's, tells what is wrong all the same, and makes its webhook's certificate.
package main

import (
	"os"

	"whohas/internal/guardcli"
)

func main() { os.Exit(guardcli.Main(os.Args, os.Stdin, os.Stdout, os.Stderr)) }
