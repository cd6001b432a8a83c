// SPDX-License-Identifier: Apache-2.0

// Command whohas tells who has an IP address in a Kubernetes cluster, and who
// else thinks they have it.
package main

import (
	"os"

	"whohas/internal/cli"
)

func main() { os.Exit(cli.Main(os.Args, os.Stdin, os.Stdout, os.Stderr)) }
