// SPDX-License-Identifier: Apache-2.0

// Package console is how the programs of this repository speak to who runs them: errors
// and hints on stderr, one line each, and flags that refuse what they cannot use.
package console

import (
	"errors"
	"fmt"
	"io"

	"whohas/command"
	"whohas/report"
	"whohas/snapshot"
)

// Console is what a program reads from and writes to. It may be used by several
// goroutines as far as its streams may.
type Console struct {
	Program        string // begins each line on stderr
	Name           string // how it was called: "kubectl whohas"; empty: as Program
	Stdin          io.Reader
	Stdout, Stderr io.Writer
}

// Note writes one line about the run. Names of files and a parser's words come
// from others: they are shown and not obeyed, and what is secret of a URL is left out.
func (c *Console) Note(format string, args ...any) {
	fmt.Fprintf(c.Stderr, "%s: %s\n", c.Program, report.Shown(snapshot.WithoutSecrets(command.As(c.Name, fmt.Sprintf(format, args...)))))
}

// Hint writes what could be done about an error.
func (c *Console) Hint(text string) { c.Note("hint: %s", text) }

// Fail writes an error, and its hint if it has one.
func (c *Console) Fail(err error) {
	c.Note("error: %v", err)
	var h hinted
	if errors.As(err, &h) {
		c.Hint(h.hint)
	}
}

// hinted is an error with advice.
type hinted struct {
	error
	hint string
}

func (h hinted) Unwrap() error { return h.error }

// WithHint gives an error advice, which Fail writes below it.
func WithHint(err error, format string, args ...any) error {
	return hinted{err, fmt.Sprintf(format, args...)}
}
