// SPDX-License-Identifier: Apache-2.0

package heal

import (
	"context"
	"time"

	"whohas/dataplane"
	"whohas/snapshot"
	"whohas/source/host"
)

// world is what Hold goes by beside addresses.
type world struct {
	thresholds
	kind    string        // that a service device has
	second  time.Duration // between two looks
	servers time.Duration // between two lists of virtual servers
	again   time.Duration // between two calls of an apiserver that has answered
	say     time.Duration // between two words about what is waited for
	journal string        // where the journal listens
	buffer  int           // of the socket that the kernel announces to, in bytes
	dials   func(context.Context, []host.Target) []dataplane.ConnectResult
	read    func(context.Context, host.Options) (dataplane.Host, []snapshot.Coverage)
}

func thisWorld() *world {
	return &world{
		thresholds: usual(),
		kind:       "dummy",
		second:     time.Second,
		servers:    2 * time.Second,
		again:      5 * time.Second,
		say:        10 * time.Second,
		journal:    journalSocket,
		buffer:     announceBuffer,
		dials:      host.Connect,
		read:       host.Read,
	}
}

// journalSocket is systemd-journald's (systemd.io/JOURNAL_NATIVE_PROTOCOL).
const journalSocket = "/run/systemd/journal/socket"

// announceBuffer has room for the announcements of 15,000 addresses, of each of
// which the kernel counts about a kilobyte (linux net/netlink/af_netlink.c
// netlink_attachskb, by skb->truesize).
const announceBuffer = 16 << 20
