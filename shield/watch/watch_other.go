// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package watch

import (
	"context"
	"errors"
	"runtime"
)

// Run does nothing: the package knows Linux only.
func Run(context.Context, Options) error {
	return errors.New("shield: rules are kept on Linux only, not on " + runtime.GOOS)
}
