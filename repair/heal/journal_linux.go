// SPDX-License-Identifier: Apache-2.0

package heal

import (
	"fmt"
	"strings"
	"unicode"

	"golang.org/x/sys/unix"
)

// journal writes to systemd's journal, where there is one. It never waits: what the
// journal cannot take at once is lost to it.
type journal struct {
	fd int
	to *unix.SockaddrUnix
}

// openJournal gives nil where there is none.
func openJournal(path string) *journal {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil
	}
	return &journal{fd: fd, to: &unix.SockaddrUnix{Name: path}}
}

func (j *journal) write(e Event) {
	if j != nil {
		_ = unix.Sendto(j.fd, entry(e), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, j.to)
	}
}

func (j *journal) close() {
	if j != nil {
		unix.Close(j.fd)
	}
}

// entry is an event in the journal's native protocol: FIELD=value lines in one
// datagram (systemd.io/JOURNAL_NATIVE_PROTOCOL). A value that had line breaks would
// need another form, so that it has none.
func entry(e Event) []byte {
	text := strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, e.Text)
	return fmt.Appendf(nil, "MESSAGE=%s\nPRIORITY=%d\nSYSLOG_IDENTIFIER=whohas\n", text, priority(e.Kind))
}

// priority is syslog's (syslog(3)).
func priority(kind string) int {
	switch kind {
	case Failed, Overrun, Claimed:
		return 4 // warning
	case Begun, Removed, Appeared, LetGo, Ended:
		return 5 // notice
	}
	return 6 // informational
}
