// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package probe

import (
	"context"
	"errors"
	"runtime"

	"whohas/dataplane"
)

// Ask needs Linux: packet sockets are its own.
func Ask(context.Context, []Target) ([]dataplane.AddressReply, error) {
	return nil, errors.New("ask: links are asked on Linux only, not on " + runtime.GOOS)
}

// Announce needs Linux for the same reason.
func Announce(context.Context, Target) error {
	return errors.New("announce: on Linux only, not on " + runtime.GOOS)
}
