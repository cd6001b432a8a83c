// SPDX-License-Identifier: Apache-2.0

//go:build unix

package file

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestRead: whatever a name leads to, the answer comes at once: a test that hangs
// here fails by the test binary's own time-out.
func TestRead(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	write := func(name string, size int) {
		if err := os.WriteFile(at(name), []byte(strings.Repeat("x", size)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	link := func(to, name string) {
		if err := os.Symlink(to, at(name)); err != nil {
			t.Fatal(err)
		}
	}
	write("empty", 0)
	write("full", 4096)
	write("more", 4097)
	sparse, err := os.Create(at("sparse"))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(sparse.Truncate(1<<40), sparse.Close()); err != nil {
		t.Skip("no sparse files here")
	}
	if err := syscall.Mkfifo(at("fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	socket, err := net.Listen("unix", at("socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	link("full", "to-full")
	link("fifo", "to-fifo")
	link("/dev/zero", "to-zero")
	link("loop", "loop")
	link("nowhere", "dangling")
	for _, tt := range []struct {
		name string
		size int
		want error
	}{
		{"empty", 0, nil},
		{"full", 4096, nil},
		{"to-full", 4096, nil},
		{"more", 0, ErrLarge},
		{"sparse", 0, ErrLarge},
		{"fifo", 0, ErrIrregular},
		{"to-fifo", 0, ErrIrregular},
		{"to-zero", 0, ErrIrregular},
		{"socket", 0, ErrIrregular},
		{".", 0, syscall.EISDIR},
		{"loop", 0, syscall.ELOOP},
		{"dangling", 0, fs.ErrNotExist},
	} {
		text, err := Read(at(tt.name), 4096)
		if len(text) != tt.size || !errors.Is(err, tt.want) || (err == nil) != (tt.want == nil) {
			t.Errorf("%s: %d bytes, %v; want %d, %v", tt.name, len(text), err, tt.size, tt.want)
		}
		if path := (*fs.PathError)(nil); err != nil && (!errors.As(err, &path) || path.Path != at(tt.name)) {
			t.Errorf("%s: %#v does not name the file", tt.name, err)
		}
	}
	// With a writer a pipe would give something, and go on for ever.
	w, err := os.OpenFile(at("fifo"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if _, err := w.WriteString("x"); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(at("fifo"), 4096); !errors.Is(err, ErrIrregular) {
		t.Errorf("a pipe with a writer: %v", err)
	}
	if _, err := ReadOpen(w, 4096); !errors.Is(err, ErrIrregular) {
		t.Errorf("an open pipe: %v", err)
	}
}

func TestTooLarge(t *testing.T) {
	for most, want := range map[int64]string{64 << 10: "larger than 64 KiB", Small: "larger than 1 MiB", 4 << 20: "larger than 4 MiB"} {
		if got := TooLarge(most).Error(); got != want {
			t.Errorf("%d: %q, want %q", most, got, want)
		}
	}
}
