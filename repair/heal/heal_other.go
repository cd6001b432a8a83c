// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package heal

import (
	"context"
	"errors"
	"runtime"
)

// Healing is nothing: the package knows Linux only.
type Healing struct{}

// Begin does nothing.
func Begin(context.Context, Options) (*Healing, error) {
	return nil, errors.New("heal: hosts are healed on Linux only, not on " + runtime.GOOS)
}

// Wait does nothing.
func (*Healing) Wait(context.Context) (Outcome, error) { return Outcome{}, nil }

// Close does nothing.
func (*Healing) Close() {}

// ByRule reports false.
func (*Healing) ByRule() bool { return false }

// Targets gives none.
func (*Healing) Targets() []TargetOutcome { return nil }
