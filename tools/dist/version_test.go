// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os/exec"
	"testing"
	"time"
)

var noon = time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)

// inOrder are names that git may give, the oldest first, with the versions made of them.
var inOrder = []struct{ name, version string }{
	{"0123abc", "0.0.0-0.20261201120000.g0123abc"},
	{"0123abc-dirty", "0.0.0-0.20261201120000.g0123abc.dirty"},
	{"v0.1.0", "0.1.0"},
	{"v0.1.0-dirty", "0.1.1-0.0.dirty"},
	{"v0.1.0-9-g0123abc", "0.1.1-0.9.g0123abc"},
	{"v0.1.0-12-g0123abc", "0.1.1-0.12.g0123abc"},
	{"v0.1.0-12-g0123abc-dirty", "0.1.1-0.12.g0123abc.dirty"},
	{"v1.0.0-rc.1", "1.0.0-rc.1"},
	{"v1.0.0-rc.1-3-g0123abc", "1.0.0-rc.1.0.3.g0123abc"},
	{"v1.0.0-rc.2", "1.0.0-rc.2"},
	{"v1.0.0", "1.0.0"},
	{"v1.0.1", "1.0.1"},
}

func TestOrdered(t *testing.T) {
	for _, tt := range inOrder {
		if got := ordered(tt.name, noon); got != tt.version {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.version)
		}
	}
}

// TestOrderedByDpkg: dpkg takes each for newer than the one before.
func TestOrderedByDpkg(t *testing.T) {
	dpkg := program(t, "dpkg")
	r := *current(t)
	version := func(v string) string {
		r.version = v
		i := r.about(target{"linux", "amd64"})
		if i.Prerelease != "" {
			return i.Version + "~" + i.Prerelease
		}
		return i.Version
	}
	for i, tt := range inOrder[1:] {
		a, b := version(inOrder[i].version), version(tt.version)
		if err := exec.Command(dpkg, "--compare-versions", a, "lt", b).Run(); err != nil {
			t.Errorf("%s is not older than %s: %v", a, b, err)
		}
	}
}
