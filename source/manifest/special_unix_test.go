// SPDX-License-Identifier: Apache-2.0

//go:build unix

package manifest

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"whohas/snapshot"

	"github.com/google/go-cmp/cmp"
)

func TestFIFO(t *testing.T) {
	dir := tree(t, map[string]string{"a.yaml": service("a")})
	fifo := filepath.Join(dir, "fifo.yaml")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Run("in a directory", func(t *testing.T) {
		want := "Service default/a a.yaml:1\nfifo.yaml unreadable: no regular file\n"
		if diff := cmp.Diff(want, read(t, dir, Options{}, "")); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("with a writer", func(t *testing.T) {
		go os.WriteFile(fifo, []byte(service("b")), 0o600)
		if diff := cmp.Diff("Service default/b fifo.yaml:1\n", read(t, dir, Options{}, "fifo.yaml")); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("without a writer", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		var into snapshot.Builder
		_, err := Read(ctx, Options{Paths: []string{fifo}, Reads: testReads(t)}, &into)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
		if got := strings.ReplaceAll(show(into.Snapshot()), dir+"/", ""); got != "fifo.yaml unreadable: not read within the time limit (failed)\n" {
			t.Errorf("got %s", got)
		}
		// Lets the goroutine that opens it end.
		if w, err := os.OpenFile(fifo, os.O_WRONLY|syscall.O_NONBLOCK, 0); err == nil {
			w.Close()
		}
	})
}

func TestDevices(t *testing.T) {
	var into snapshot.Builder
	if _, err := Read(t.Context(), Options{Paths: []string{"/dev/null", "/dev/zero"}, Reads: testReads(t)}, &into); err != nil {
		t.Fatal(err)
	}
	want := "/dev/null unreadable: holds no kubernetes object (failed)\n/dev/zero unreadable: binary file (failed)\n"
	if diff := cmp.Diff(want, show(into.Snapshot())); diff != "" {
		t.Error(diff)
	}
}
