// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package hold

import (
	"context"
	"errors"
	"runtime"
)

// Hold does nothing: the package knows Linux only.
func Hold(context.Context, Options) (Outcome, error) {
	return Outcome{}, errors.New("hold: addresses are held off on Linux only, not on " + runtime.GOOS)
}
