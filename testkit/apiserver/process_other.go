// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package apiserver

import (
	"errors"
	"os/exec"
)

// Start skips before any of these is called. They let the packages whose tests
// use it compile.

func die(*exec.Cmd) {}

func kill(cmd *exec.Cmd) { _ = cmd.Process.Kill() }

func lock(string) (func(), error) { return nil, errors.ErrUnsupported }
