// SPDX-License-Identifier: Apache-2.0

// Package port gives tests ports of loopback that nobody else on the machine is given.
package port

// TB is the part of testing.TB that is needed.
type TB interface {
	Helper()
	Cleanup(func())
	Fatalf(format string, args ...any) // does not return
}

// Keep gives an address, 127.0.0.1:PORT, that is the test's own until it ends. Nobody
// listens there: who connects is refused. Who listens on it by its number gets it.
func Keep(tb TB) string {
	tb.Helper()
	at, release, err := keep()
	if err != nil {
		tb.Fatalf("find a free port: %v", err)
	}
	tb.Cleanup(release)
	return at
}
