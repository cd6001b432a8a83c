// SPDX-License-Identifier: Apache-2.0

//go:build linux

package kernel

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// errPanic ends a kernel that panicked: it would spin until its time is over.
var errPanic = errors.New("the kernel panicked")

// panicWords begin the message of a panic (linux kernel/panic.c).
const panicWords = "Kernel panic - not syncing"

// console parts messages from all else that a kernel prints, which it passes on
// as it comes: a shell's prompt does not end in a new line.
type console struct {
	options  Options
	cancel   context.CancelCauseFunc
	marked   bool   // within a message
	message  []byte // its begin
	line     []byte // the begin of a line of the other sort
	panicked bool
}

// read reads a console until its end.
func (c *console) read(out io.Reader) error {
	chunk := make([]byte, 1<<16)
	for {
		n, err := out.Read(chunk)
		c.sort(chunk[:n])
		if err == nil {
			continue
		}
		if c.marked {
			c.tell()
		}
		if !errors.Is(err, io.EOF) && !errors.Is(err, os.ErrDeadlineExceeded) {
			return fmt.Errorf("read console: %w", err)
		}
		if c.panicked {
			return errPanic
		}
		return nil
	}
}

func (c *console) sort(text []byte) {
	for len(text) > 0 {
		if !c.marked {
			var plain []byte
			plain, text, c.marked = bytes.Cut(text, []byte(Mark))
			c.pass(plain)
			continue
		}
		part, after, ended := bytes.Cut(text, []byte("\n"))
		c.message, text = append(c.message, part...), after
		if ended {
			c.tell()
		}
	}
}

func (c *console) tell() {
	c.options.Message(bytes.TrimRight(c.message, "\r"))
	c.message, c.marked = nil, false
}

// pass passes text on, and looks whether it tells of a panic.
func (c *console) pass(text []byte) {
	_, _ = c.options.Console.Write(text)
	c.line = append(c.line, text...)
	if !c.panicked && bytes.Contains(c.line, []byte(panicWords)) {
		c.panicked = true
		time.AfterFunc(time.Second, func() { c.cancel(errPanic) }) // the trace is worth having
	}
	c.line = c.line[bytes.LastIndexByte(c.line, '\n')+1:]
}
