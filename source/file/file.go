// SPDX-License-Identifier: Apache-2.0

// Package file reads small files: configurations, kubeconfigs, undo files, what a
// host's programs are configured by. A name may lead anywhere: what is no regular
// file is refused before it is opened, and none is read beyond a bound.
package file

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// Small is the bound for what people and programs write as configuration: etcd takes
// no object above 1.5 MiB (etcd server/embed/config.go DefaultMaxRequestBytes), and
// a ConfigMap's data may have 1 MiB (kubernetes pkg/apis/core/types.go MaxSecretSize).
const Small = 1 << 20

// ErrIrregular says that something is a pipe, a device or a socket.
var ErrIrregular = errors.New("not a regular file")

// ErrLarge is wrapped by what says that a file is larger than its bound.
var ErrLarge = errors.New("larger than")

// Read gives the text of a regular file, links followed, of at most that many bytes.
// It waits for nobody: a pipe is refused also where it has a writer. Errors are
// *fs.PathError.
func Read(path string, most int64) ([]byte, error) {
	f, err := Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return ReadOpen(f, most)
}

// Open opens a regular file to read. What is none is not opened: to open a device can
// have it do something, and a pipe waits for its other end. Should the name lead
// elsewhere a moment later, O_NONBLOCK keeps the opening from waiting.
func Open(path string) (*os.File, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if err := regular(path, info); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	if err := Regular(f); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// Regular is an error for an open file that is no regular one.
func Regular(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	return regular(f.Name(), info)
}

func regular(path string, info fs.FileInfo) error {
	switch {
	case info.IsDir():
		return &fs.PathError{Op: "read", Path: path, Err: syscall.EISDIR}
	case !info.Mode().IsRegular():
		return &fs.PathError{Op: "read", Path: path, Err: ErrIrregular}
	}
	return nil
}

// ReadOpen reads what is left of an open file, of at most that many bytes.
func ReadOpen(f *os.File, most int64) ([]byte, error) {
	if err := Regular(f); err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(f, most+1))
	if err != nil {
		return nil, err
	}
	if int64(len(text)) > most {
		return nil, &fs.PathError{Op: "read", Path: f.Name(), Err: TooLarge(most)}
	}
	return text, nil
}

// TooLarge says that something is larger than a bound.
func TooLarge(most int64) error {
	if most < 1<<20 {
		return fmt.Errorf("%w %d KiB", ErrLarge, most>>10)
	}
	return fmt.Errorf("%w %d MiB", ErrLarge, most>>20)
}
