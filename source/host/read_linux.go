// SPDX-License-Identifier: Apache-2.0

package host

import (
	"context"
	"runtime"

	"golang.org/x/sys/unix"
)

// run reads all sections one after the other, on one thread: another thread may be
// in another network namespace.
func (r *reading) run() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	r.host.Kernel = release()
	k := kernelPaths()
	r.readRoutes()
	r.section(IPVS, func(ctx context.Context) (int, error) {
		var err error
		r.host.Servers, err = readIPVS(ctx, k)
		return len(r.host.Servers), err
	})
	r.section(IPSet, func(ctx context.Context) (int, error) {
		var err error
		r.host.Sets, err = readSets(ctx, k)
		return len(r.host.Sets), err
	})
	r.readNetfilter(k, newTools())
	r.section(Sysctls, func(ctx context.Context) (int, error) {
		var err error
		r.host.Sysctls, err = readSysctls(ctx, k.proc)
		return len(r.host.Sysctls), err
	})
	r.section(Listeners, func(ctx context.Context) (int, error) {
		var err error
		r.host.Listeners, err = readListeners(ctx, k.proc)
		return len(r.host.Listeners), err
	})
	if r.options.Userspace {
		r.readStation(k)
	}
}

func release() string {
	var name unix.Utsname
	if unix.Uname(&name) != nil {
		return ""
	}
	return unix.ByteSliceToString(name.Release[:])
}
