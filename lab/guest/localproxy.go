// SPDX-License-Identifier: Apache-2.0

//go:build linux

package guest

import (
	"io"
	"net"
	"sync"
	"time"

	"whohas/lab"
	"whohas/lab/testbed"
)

// connectLimit is how long the local proxy waits for one server before it tries
// the next; nginx and haproxy are configured to about as much there.
const connectLimit = 2 * time.Second

// forward runs a TCP proxy on a host's 127.0.0.1 until the host is taken down.
func forward(h *testbed.Host, plan lab.LocalProxy) error {
	return h.Serve("127.0.0.1", plan.Port, func(client net.Conn) {
		defer client.Close()
		for _, server := range plan.Servers {
			conn, err := h.Dial(server, connectLimit)
			if err != nil {
				continue
			}
			join(client, conn)
			return
		}
	})
}

// join copies both ways until both have ended.
func join(a, b net.Conn) {
	defer b.Close()
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{a, b}, {b, a}} {
		both.Go(func() {
			_, _ = io.Copy(way[0], way[1])
			if c, ok := way[0].(*net.TCPConn); ok {
				_ = c.CloseWrite()
			}
		})
	}
	both.Wait()
}
