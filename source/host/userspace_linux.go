// SPDX-License-Identifier: Apache-2.0

package host

import (
	"cmp"
	"context"
	"path/filepath"
)

// place is where a host's own files are: below a root, as the programs on it see
// them, and /proc.
type place struct{ root, proc string }

func (p place) path(name string) string { return filepath.Join(p.root, filepath.FromSlash(name)) }

// readStation reads what runs on the host. It asks nothing but files and loopback.
func (r *reading) readStation(k kernel) {
	at := place{cmp.Or(r.options.Root, "/"), k.proc}
	r.section(Agents, func(ctx context.Context) (int, error) {
		var err error
		r.host.Agents, err = readAgents(ctx, at)
		return len(r.host.Agents), err
	})
	r.section(Configured, func(ctx context.Context) (int, error) {
		var err error
		r.host.Configured, err = readConfigured(ctx, at, r.host.Agents)
		return len(r.host.Configured), err
	})
	r.section(Sessions, func(ctx context.Context) (int, error) {
		var err error
		r.host.Sessions, err = readSessions(ctx, at)
		return len(r.host.Sessions), err
	})
	r.section(Sandboxes, func(ctx context.Context) (int, error) {
		var err error
		r.host.Sandboxes, err = readSandboxes(ctx, at)
		return len(r.host.Sandboxes), err
	})
	r.section(LogMatches, func(ctx context.Context) (int, error) {
		var err error
		r.host.LogMatches, err = readLogMatches(ctx, at)
		return len(r.host.LogMatches), err
	})
	r.section(Counters, func(ctx context.Context) (int, error) {
		var err error
		r.host.Counters, err = readCounters(ctx, k.proc)
		return len(r.host.Counters), err
	})
}
