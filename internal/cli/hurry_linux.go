// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// hurried is the niceness of a diagnosis and a repair. In the outage a node may be busy
// with what fails and starts again all the time, and somebody waits for the answer.
const hurried = -10

// hurry asks for this process to be preferred, where root asks. The kernel keeps
// niceness for each thread (man 2 setpriority, C library/kernel differences); threads
// that begin later have that of the one that began them.
func hurry() {
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return
	}
	for _, t := range threads {
		if id, err := strconv.Atoi(t.Name()); err == nil {
			_ = unix.Setpriority(unix.PRIO_PROCESS, id, hurried) // it is only slower without
		}
	}
}
