// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// stream writes where a Write may block, a pipe that nobody empties: it fails once
// its context ends, and leaves a Write that is under way behind.
type stream struct {
	ctx context.Context
	to  io.Writer
}

func (s stream) Write(p []byte) (int, error) {
	type written struct {
		n   int
		err error
	}
	if s.ctx.Err() != nil {
		return 0, context.Cause(s.ctx)
	}
	text := bytes.Clone(p) // the caller may use p again while a Write that was left behind still has it
	done := make(chan written, 1)
	go func() {
		n, err := s.to.Write(text)
		done <- written{n, err}
	}()
	select {
	case w := <-done:
		return w.n, w.err
	case <-s.ctx.Done():
		return 0, context.Cause(s.ctx)
	}
}

// buffered is a stream with a buffer, so that few Writes are handed on.
type buffered struct {
	*bufio.Writer
	to io.Writer // what is behind it: a terminal, perhaps
}

// through writes to what may block, and flushes.
func through(ctx context.Context, to io.Writer, write func(io.Writer) error) error {
	b := buffered{bufio.NewWriterSize(stream{ctx, to}, 64<<10), to}
	return cmp.Or(write(b), b.Flush())
}

// writeFile writes a file whole, or leaves an older one as it is. What is no regular
// file, such as a pipe or /dev/stdout, is written to as it stands.
func (e *env) writeFile(ctx context.Context, path string, write func(io.Writer) error) error {
	if link, err := filepath.EvalSymlinks(path); err == nil {
		path = link // which stays a link
	}
	mode := fs.FileMode(0o644)
	old, err := os.Stat(path)
	if err == nil && !old.Mode().IsRegular() {
		return writeInto(ctx, path, os.O_WRONLY, write)
	}
	if err == nil {
		mode = old.Mode().Perm()
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".whohas-*")
	if (errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS)) && old != nil { // the file may be written, its folder may not
		return writeInto(ctx, path, os.O_WRONLY|os.O_TRUNC, write)
	}
	if failed := (*fs.PathError)(nil); errors.As(err, &failed) {
		failed.Path = path // nobody knows the other name
	}
	if err != nil {
		return err
	}
	e.end.own(tmp.Name())
	defer e.end.disown(tmp.Name())
	defer os.Remove(tmp.Name())
	if err := errors.Join(through(ctx, tmp, write), tmp.Chmod(mode), tmp.Close()); err != nil {
		return err
	}
	err = os.Rename(tmp.Name(), path)
	if errors.Is(err, syscall.EBUSY) { // something is mounted there: a file of a container
		return copyInto(ctx, path, tmp.Name())
	}
	return err
}

// writeInto writes into something that is there. A FIFO opens when somebody reads it.
func writeInto(ctx context.Context, path string, flags int, write func(io.Writer) error) error {
	type opened struct {
		f   *os.File
		err error
	}
	done := make(chan opened, 1)
	go func() {
		f, err := os.OpenFile(path, flags, 0)
		done <- opened{f, err}
	}()
	select {
	case o := <-done:
		if o.err != nil {
			return o.err
		}
		return errors.Join(through(ctx, o.f, write), o.f.Close())
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func copyInto(ctx context.Context, path, from string) error {
	f, err := os.Open(from)
	if err != nil {
		return err
	}
	defer f.Close()
	return writeInto(ctx, path, os.O_WRONLY|os.O_TRUNC, func(w io.Writer) error {
		_, err := io.Copy(w, f)
		return err
	})
}
