// SPDX-License-Identifier: Apache-2.0

//go:build linux

package prober

import (
	"bufio"
	"fmt"
	"net"
	"net/netip"
	"time"
)

// Connections are TCP connections that are kept open, to a server that says its name
// and then sends back what it is sent.
type Connections struct {
	open []*kept
	sent int // lines, on each
}

type kept struct {
	net.Conn
	lines *bufio.Reader
	dead  bool
}

// Connect opens connections, in the namespace of the calling thread.
func Connect(to netip.AddrPort, number int, wait time.Duration) (*Connections, error) {
	c := &Connections{}
	dialer := net.Dialer{Timeout: wait}
	for range number {
		conn, err := dialer.Dial("tcp4", to.String())
		if err != nil {
			c.Close()
			return nil, fmt.Errorf("connection %d: %w", len(c.open)+1, err)
		}
		c.open = append(c.open, &kept{Conn: conn, lines: bufio.NewReaderSize(conn, 64)})
	}
	return c, nil
}

// Alive sends a line on each and tells how many bring it back: "90 of 100". What has
// failed once is not asked again.
func (c *Connections) Alive(wait time.Duration) string {
	c.sent++
	line := fmt.Sprintf("line %d\n", c.sent)
	until := time.Now().Add(wait)
	for _, o := range c.open {
		_ = o.SetDeadline(until)
		if _, err := o.Write([]byte(line)); err != nil {
			o.dead = true
		}
	}
	alive := 0
	for _, o := range c.open {
		for !o.dead {
			got, err := o.lines.ReadString('\n')
			if err == nil && got == line { // the first one is the server's name
				alive++
				break
			}
			o.dead = err != nil
		}
	}
	return fmt.Sprintf("%d of %d", alive, len(c.open))
}

// Close closes them.
func (c *Connections) Close() {
	for _, o := range c.open {
		o.Close()
	}
}
