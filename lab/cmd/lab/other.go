// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "lab: error: the lab boots Linux kernels as processes of Linux: run it there")
	os.Exit(2)
}
