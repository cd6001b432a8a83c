// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package host

import "runtime"

// run has nothing to read: the package knows Linux only.
func (r *reading) run() {
	sections := Sections()
	if r.options.Userspace {
		sections = append(sections, Userspace()...)
	}
	for _, name := range sections {
		r.cover(name, 0, missing{"hosts are read on Linux only, not on " + runtime.GOOS})
	}
}
