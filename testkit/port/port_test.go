// SPDX-License-Identifier: Apache-2.0

package port_test

import (
	"errors"
	"net"
	"runtime"
	"syscall"
	"testing"

	"whohas/testkit/port"
)

// TestKeep: a port is refused, is nobody else's, and is its keeper's to listen on, twice.
func TestKeep(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("SKIPPED: elsewhere a port cannot be kept")
	}
	at := port.Keep(t)
	for range 2 {
		if c, err := net.Dial("tcp", at); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Fatalf("%v, %v", c, err)
		}
		l, err := net.Listen("tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		c, err := net.Dial("tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(c.Close(), l.Close()); err != nil {
			t.Fatal(err)
		}
	}
	seen := map[string]bool{at: true}
	for range 2000 {
		other := port.Keep(t)
		if seen[other] {
			t.Fatalf("%s is given twice", other)
		}
		seen[other] = true
	}
}
