// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"whohas/internal/config"

	"golang.org/x/sys/unix"
)

const (
	outerLimit  = 90 * time.Second // for a process that must end within seconds, on a busy machine
	boundMemory = 500 << 20
)

// TestEnds: each command ends with status 2, in bounded memory, and says in which phase
// it was, whatever it was given and whatever ended it. How long it took is not asked:
// what does not end is killed after outerLimit.
func TestEnds(t *testing.T) {
	if testing.Short() {
		t.Skip("runs a hundred commands that wait for their time-out")
	}
	dir := t.TempDir()
	bomb, many := filepath.Join(dir, "bomb.snapshot"), filepath.Join(dir, "many.json")
	writeBomb(t, bomb)
	writeClash(t, many)
	url := endlessServer(t)
	commands := map[string][]string{
		"check":    {"check"},
		"who":      {"who", "192.0.2.200"},
		"diagnose": {"diagnose", "--no-probe"},
		"snapshot": {"snapshot", "-o", filepath.Join(dir, "out.snapshot")},
		"repair":   {"repair", "--no-probe"},
	}
	for command, args := range commands {
		for _, by := range endings {
			t.Run("fifo/"+command+"/"+by.name, func(t *testing.T) { // to which nobody writes
				t.Parallel()
				fifo := mkfifo(t)
				p := begin(t, by, nil, append(args[:len(args):len(args)], "-f", fifo))
				if by.signal != nil {
					defer openWriter(t, fifo, p.done).Close()
				}
				p.send(t, by.signal)
				p.mustEnd(t)
			})
			t.Run("endless/"+command+"/"+by.name, func(t *testing.T) {
				t.Parallel()
				p := begin(t, by, nil, append(args[:len(args):len(args)], "-f", url))
				p.sendOnceOpen(t, "socket:", by.signal)
				p.mustEnd(t)
			})
			t.Run("bomb/"+command+"/"+by.name, func(t *testing.T) {
				t.Parallel()
				p := begin(t, by, nil, append(args[:len(args):len(args)], "--bundle", bomb))
				p.sendOnceOpen(t, bomb, by.signal)
				p.mustEnd(t)
			})
		}
	}
	t.Run("bomb/refused", func(t *testing.T) { // by what it makes, and long before its time
		t.Parallel()
		p := begin(t, endingBy{signal: os.Interrupt, says: "takes more than the 16 MiB"}, nil, []string{"check", "--bundle", bomb, "--memory", "16Mi"})
		p.mustEnd(t)
	})
	t.Run("bomb/base", func(t *testing.T) {
		t.Parallel()
		begin(t, endings[0], nil, []string{"check", "-f", incident, "--base", bomb}).mustEnd(t)
	})
	writers := map[string][]string{
		"text":     {"check", "-f", many, "--proxy-mode", "ipvs", "-o", "text"},
		"json":     {"check", "-f", many, "--proxy-mode", "ipvs", "-o", "json"},
		"sarif":    {"check", "-f", many, "--proxy-mode", "ipvs", "-o", "sarif"},
		"who":      {"who", "192.0.2.0/24", "-f", many, "-o", "json"},
		"snapshot": {"snapshot", "-f", many, "-o", "-"},
	}
	for name, args := range writers {
		for _, by := range endings {
			t.Run("stdout/"+name+"/"+by.name, func(t *testing.T) {
				t.Parallel()
				out, blocked, err := os.Pipe()
				if err != nil {
					t.Fatal(err)
				}
				defer out.Close()
				if _, err := unix.FcntlInt(blocked.Fd(), unix.F_SETPIPE_SZ, 4096); err != nil {
					t.Fatal(err)
				}
				p := begin(t, by, blocked, args)
				blocked.Close()
				_, err = io.ReadFull(out, make([]byte, 1)) // it writes; nobody reads on
				p.send(t, by.signal)
				p.mustEnd(t)
				if got := p.errs.String(); err == nil && !strings.Contains(got, "while writing") {
					t.Errorf("says %q", got)
				}
			})
		}
	}
	for _, by := range endings {
		t.Run("file/"+by.name, func(t *testing.T) { // a FIFO to which nobody listens, or not for long
			t.Parallel()
			to := mkfifo(t)
			p := begin(t, by, nil, []string{"check", "-f", many, "-o", "json=" + to})
			if by.signal != nil {
				r, err := os.OpenFile(to, os.O_RDWR, 0)
				if err != nil {
					t.Fatal(err)
				}
				defer r.Close()
				if _, err := io.ReadFull(r, make([]byte, 1)); err != nil {
					t.Fatal(err)
				}
			}
			p.send(t, by.signal)
			p.mustEnd(t)
		})
	}
}

// TestSpecialFiles: what stands where a file belongs, and is none, ends a command at
// once: these have a minute.
func TestSpecialFiles(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	if err := errors.Join(syscall.Mkfifo(fifo, 0o600), os.WriteFile(filepath.Join(dir, "large"), bytes.Repeat([]byte("#"), 17<<20), 0o600)); err != nil {
		t.Fatal(err)
	}
	for _, special := range []string{fifo, "/dev/zero", filepath.Join(dir, "large")} {
		kustomization, linked := t.TempDir(), t.TempDir()
		named := filepath.Join(linked, "kubeconfig") // whose certificate is special
		text := "apiVersion: v1\nkind: Config\ncurrent-context: a\ncontexts: [{name: a, context: {cluster: a, user: a}}]\n" +
			"clusters: [{name: a, cluster: {server: 'https://127.0.0.1:1'}}]\nusers: [{name: a, user: {client-certificate: " + special + ", client-key: " + special + "}}]\n"
		if err := errors.Join(os.Symlink(special, filepath.Join(kustomization, "kustomization.yaml")), os.Symlink(special, filepath.Join(linked, config.Name)),
			os.WriteFile(named, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
		for name, run := range map[string]struct {
			args []string
			dir  string
			env  string
			says string
		}{
			"config":               {args: []string{"check", "-f", incidentAbs(t), "--config", special}},
			"config in the folder": {args: []string{"check", "-f", incidentAbs(t)}, dir: linked},
			"undo":                 {args: []string{"repair", "--undo", special, "--kubeconfig", kubeconfigOf(t)}},
			"kubeconfig":           {args: []string{"check", "--kubeconfig", special}},
			"KUBECONFIG":           {args: []string{"check"}, env: "KUBECONFIG=" + special},
			"certificate":          {args: []string{"check", "--kubeconfig", named}},
			"kustomization":        {args: []string{"check", "-k", kustomization}},
			"repair":               {args: []string{"repair", "--kubeconfig", special, "--no-probe"}},
		} {
			t.Run(filepath.Base(special)+"/"+name, func(t *testing.T) {
				cmd := exec.CommandContext(t.Context(), "whohas", append(run.args, "--timeout", "60s")...)
				cmd.Dir = run.dir
				cmd.Env = append(os.Environ(), run.env)
				p := started(t, cmd)
				p.mustEnd(t)
				if got := p.errs.String(); !strings.Contains(got, "not a regular file") && !strings.Contains(got, "larger than") || strings.Contains(got, "timed out") {
					t.Errorf("says %q", got)
				}
			})
		}
	}
}

// TestWholeOrOld: a file is written whole, or an older one stays; a link stays a link,
// and nothing else is left.
func TestWholeOrOld(t *testing.T) {
	dir := t.TempDir()
	old := filepath.Join(dir, "report.json")
	many := filepath.Join(dir, "many.json")
	writeClash(t, many)
	if err := os.WriteFile(old, []byte("old"), 0o640); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link.json")
	if err := os.Symlink(old, link); err != nil {
		t.Fatal(err)
	}
	e := &env{end: newEnding()}
	failed := errors.New("half way")
	err := e.writeFile(t.Context(), link, func(w io.Writer) error {
		_, _ = w.Write(bytes.Repeat([]byte("x"), 1<<20))
		return failed
	})
	if !errors.Is(err, failed) {
		t.Errorf("got %v", err)
	}
	if text, _ := os.ReadFile(old); string(text) != "old" {
		t.Errorf("the older file is gone: %.20q", text)
	}
	if err := e.writeFile(t.Context(), link, func(w io.Writer) error { _, err := io.WriteString(w, "new"); return err }); err != nil {
		t.Fatal(err)
	}
	text, _ := os.ReadFile(old)
	info, err := os.Lstat(link)
	if mode, _ := os.Stat(old); string(text) != "new" || err != nil || info.Mode().IsRegular() || mode.Mode().Perm() != 0o640 {
		t.Errorf("%q, %v, %v: want the link's file replaced, with its mode", text, info, mode)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 3 {
		t.Errorf("something is left: %v", entries)
	}
}

// endingBy is what ends a run.
type endingBy struct {
	name   string
	signal os.Signal // nil: --timeout
	says   string
}

var endings = []endingBy{
	{"time-out", nil, `timed out after 2s while \w+|not read within the time limit|what was read takes more than`},
	{"SIGTERM", syscall.SIGTERM, `interrupted while \w+|what was read takes more than`},
	{"SIGINT", os.Interrupt, `interrupted while \w+|what was read takes more than`},
}

type process struct {
	cmd  *exec.Cmd
	errs *bytes.Buffer
	done chan error
	says string
}

func begin(t *testing.T, by endingBy, stdout *os.File, args []string) *process {
	t.Helper()
	limit := "10m"
	if by.signal == nil {
		limit = "2s"
	}
	cmd := exec.CommandContext(t.Context(), "whohas", append(args[:len(args):len(args)], "--timeout", limit)...)
	if stdout != nil {
		cmd.Stdout = stdout
	}
	p := started(t, cmd)
	p.says = by.says
	return p
}

func started(t *testing.T, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{cmd: cmd, errs: &bytes.Buffer{}, done: make(chan error, 1)}
	cmd.Stderr = p.errs
	forgetPeak(t)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.done <- cmd.Wait() }()
	return p
}

// sendOnceOpen sends a signal once a file, or a connection, is among those of the
// process.
func (p *process) sendOnceOpen(t *testing.T, name string, s os.Signal) {
	t.Helper()
	if s == nil {
		return
	}
	for begun := time.Now(); time.Since(begun) < outerLimit; time.Sleep(5 * time.Millisecond) {
		files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", p.cmd.Process.Pid))
		for _, f := range files {
			if to, err := os.Readlink(f); err == nil && strings.HasPrefix(to, name) {
				p.send(t, s)
				return
			}
		}
		select {
		case err := <-p.done:
			p.done <- err
			return
		default:
		}
	}
	t.Fatalf("it does not open %s", name)
}

func (p *process) send(t *testing.T, s os.Signal) {
	t.Helper()
	if s == nil {
		return
	}
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Fatal(err)
	}
}

func (p *process) mustEnd(t *testing.T) {
	t.Helper()
	select {
	case <-p.done:
	case <-time.After(outerLimit):
		_ = p.cmd.Process.Kill()
		<-p.done
		t.Fatalf("still ran after %v: %v\n%s", outerLimit, p.cmd.Args, p.errs)
	}
	if status := p.cmd.ProcessState.ExitCode(); status != exitFailed || strings.Contains(p.errs.String(), "goroutine ") {
		t.Errorf("%v: exit status %d, want %d\n%s", p.cmd.Args, status, exitFailed, p.errs)
	}
	if !regexp.MustCompile(p.says).MatchString(p.errs.String()) {
		t.Errorf("%v: says %q, want %q", p.cmd.Args, p.errs, p.says)
	}
	usage, ok := p.cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		t.Fatalf("no rusage but %T", p.cmd.ProcessState.SysUsage())
	}
	if memory := usage.Maxrss << 10; memory > boundMemory && !raced() {
		t.Errorf("%v: %d MiB of memory, want at most %d", p.cmd.Args, memory>>20, boundMemory>>20)
	}
}

// writeBomb writes a megabyte that makes five million objects.
func writeBomb(t *testing.T, path string) {
	t.Helper()
	var file, block bytes.Buffer
	zip := func(to *bytes.Buffer, text string) {
		w := gzip.NewWriter(to)
		_, err := io.WriteString(w, text)
		if err := errors.Join(err, w.Close()); err != nil {
			t.Fatal(err)
		}
	}
	zip(&file, `{"format":"whohas/snapshot","version":1,"objects":1}`+"\n")
	zip(&block, strings.Repeat(`["object",["Service","a","demo"],"v1",{"spec":{"externalIPs":["192.0.2.11"]}}]`+"\n", 10_000))
	for range 500 {
		file.Write(block.Bytes())
	}
	zip(&file, `{"end":5000000}`+"\n")
	if err := os.WriteFile(path, file.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}

// writeClash writes Services that clash, so that every report of them is larger than a
// pipe holds.
func writeClash(t *testing.T, path string) {
	t.Helper()
	var b strings.Builder
	for i := range 2_000 {
		fmt.Fprintf(&b, `{"apiVersion":"v1","kind":"Service","metadata":{"name":"s%d","namespace":"n%08x"},"spec":{"externalIPs":["192.0.2.%d"],"ports":[{"port":80}]}}`+"\n",
			i, uint32(i)*2654435761, i/2%200)
	}
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
}

// endlessServer serves Services for ever.
func endlessServer(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for i := 0; r.Context().Err() == nil; i++ {
			if _, err := fmt.Fprintf(w, "---\napiVersion: v1\nkind: Service\nmetadata: {name: s%d, namespace: x}\nspec: {externalIPs: [192.0.2.200]}\n", i); err != nil {
				return
			}
		}
	}))
	t.Cleanup(s.Close)
	return s.URL + "/x.yaml"
}

func mkfifo(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func incidentAbs(t *testing.T) string {
	t.Helper()
	path, err := filepath.Abs(incident)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// kubeconfigOf names a cluster that nobody reaches.
func kubeconfigOf(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kubeconfig")
	text := "apiVersion: v1\nkind: Config\ncurrent-context: a\ncontexts: [{name: a, context: {cluster: a, user: a}}]\n" +
		"clusters: [{name: a, cluster: {server: 'https://127.0.0.1:1'}}]\nusers: [{name: a, user: {token: x}}]\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
