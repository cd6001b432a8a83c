// SPDX-License-Identifier: Apache-2.0

//go:build linux

package kernel

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

// TestConsole: messages and the rest are parted alike however the bytes come.
func TestConsole(t *testing.T) {
	const text = "boot\r\n" + Mark + "one\r\nprompt# " + Mark + "two\n" + Mark + "\n" + Mark + "cut off"
	for name, read := range map[string]func(io.Reader) io.Reader{
		"whole": func(r io.Reader) io.Reader { return r }, "bytes": iotest.OneByteReader, "halves": iotest.HalfReader,
	} {
		var out bytes.Buffer
		var messages []string
		c := console{options: Options{Console: &out, Message: func(m []byte) { messages = append(messages, string(m)) }}}
		if err := c.read(read(strings.NewReader(text))); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff([]string{"one", "two", "", "cut off"}, messages); diff != "" {
			t.Errorf("%s: messages (-want +got):\n%s", name, diff)
		}
		if want := "boot\r\nprompt# "; out.String() != want {
			t.Errorf("%s: passed on %q, want %q", name, out.String(), want)
		}
	}
}

// TestConsolePanic: a panic is seen also where it comes in pieces.
func TestConsolePanic(t *testing.T) {
	c := console{options: Options{Console: io.Discard}, cancel: func(error) {}}
	text := "calm\n[   1.2] Kernel panic - not syncing: Attempted to kill init!\n"
	if err := c.read(iotest.OneByteReader(strings.NewReader(text))); !errors.Is(err, errPanic) {
		t.Errorf("error %v, want %v", err, errPanic)
	}
}
