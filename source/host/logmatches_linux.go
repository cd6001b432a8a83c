// SPDX-License-Identifier: Apache-2.0

package host

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"whohas/dataplane"
	"whohas/source/file"
)

const (
	noticeBytes = 2 << 20          // of the end of each log
	noticeAge   = 30 * time.Minute // what is older is over
	journalTime = 2 * time.Second
	lineBytes   = 8 << 10 // of a line
)

// logFiles lists the files of which the lines of several programs, or of the one
// that is named, are looked at. RKE2 has its kubelet write to a file of its own.
func logFiles() []struct{ name, by string } {
	return []struct{ name, by string }{
		{"var/log/messages", ""}, {"var/log/syslog", ""}, {"var/log/kern.log", ""},
		{"var/log/audit/audit.log", byAudit},
		{"var/lib/rancher/rke2/agent/logs/kubelet.log", byKubelet},
	}
}

// containerLogs lists where the kubelet has the logs of containers written to
// (kubernetes pkg/kubelet/kuberuntime/helpers.go BuildContainerLogsDirectory): a
// folder for each Pod of NAMESPACE_NAME_UID, in it one for each container. Calico
// is in the second namespace where its operator installed it.
func containerLogs() []struct{ pattern, by string } {
	return []struct{ pattern, by string }{
		{"kube-system_kube-proxy-*/*", byProxy},
		{"kube-system_calico-node-*/*", byCalico},
		{"calico-system_calico-node-*/*", byCalico},
	}
}

// readLogMatches counts the lines of the last half hour, and of those that stand until
// the next start all, that are of a known sort. Often one line is in several logs:
// the log that has most of a sort counts, and gives the last line.
//
// The journal and the kernel's buffer are the machine's, so that they are read only
// where the host's files are below the machine's own root.
func readLogMatches(ctx context.Context, at place) ([]dataplane.LogMatch, error) {
	n := &logMatches{known: newRecogniser(), now: time.Now(), most: map[[2]string]dataplane.LogMatch{}}
	if at.root != "/" { // whose time zone is not known
		n.files(ctx, at)
		return n.all(), n.err()
	}
	n.zone = time.Local
	journal := startJournal(ctx, newTools())
	n.take("kernel", readRing, n.ringLine)
	n.files(ctx, at)
	if journal != nil {
		n.take("journal", journal.read, func(line string) (time.Time, string, string) { return n.now, byKubelet, line })
	}
	return n.all(), n.err()
}

// logMatches are the logs that have been read.
type logMatches struct {
	known  recogniser
	now    time.Time
	zone   *time.Location // of times that name none; nil: not known
	most   map[[2]string]dataplane.LogMatch
	logs   int
	failed error // the first
}

// head takes a line apart: when it was written, zero where that is not known; by
// whom, empty where the line is to be asked; and its own text.
type head func(line string) (time.Time, string, string)

// take reads a log. One that is not there is none.
func (n *logMatches) take(name string, read func() ([]byte, error), of head) {
	text, err := read()
	switch {
	case noFile(err), errors.Is(err, file.ErrIrregular): // rsyslog may write to a pipe: no log to read
		return
	case err != nil && n.failed == nil:
		n.failed = fmt.Errorf("%s: %w", name, err)
	}
	if err != nil && len(text) == 0 {
		return
	}
	n.logs++
	for key, notice := range n.count(text, of) {
		if notice.Count > n.most[key].Count {
			n.most[key] = notice
		}
	}
}

// count recognises the lines of one log. Nearly all have no sign, so that nothing
// is done with a line that has not the words of one.
func (n *logMatches) count(text []byte, of head) map[[2]string]dataplane.LogMatch {
	out := map[[2]string]dataplane.LogMatch{}
	last := map[[2]string]func() string{}
	for raw := range n.known.candidates(text) {
		line := string(bytes.TrimRight(raw[:min(len(raw), lineBytes)], "\r\n"))
		at, by, line := of(line)
		over := !at.IsZero() && n.now.Sub(at) > noticeAge
		for _, s := range n.known.recognise(line, func(line string) string { return cmp.Or(by, writer(line)) }) {
			if over && !s.stands {
				continue
			}
			key := [2]string{s.source, s.name}
			out[key] = dataplane.LogMatch{Source: s.source, Pattern: s.name, Count: out[key].Count + times(line)}
			last[key] = func() string { return s.excerpt(line) }
		}
	}
	for key, notice := range out {
		notice.Last = last[key]()
		out[key] = notice
	}
	return out
}

func (n *logMatches) all() []dataplane.LogMatch {
	var out []dataplane.LogMatch
	for _, notice := range n.most {
		out = append(out, notice)
	}
	slices.SortFunc(out, func(a, b dataplane.LogMatch) int {
		return cmp.Or(strings.Compare(a.Source, b.Source), strings.Compare(a.Pattern, b.Pattern))
	})
	return out
}

func (n *logMatches) err() error {
	switch {
	case n.failed != nil && n.logs > 0:
		return partial{n.failed.Error()}
	case n.failed == nil && n.logs == 0:
		return missing{"no journal, no kernel buffer and no log file is here"}
	}
	return n.failed
}

// files reads the logs that are files.
func (n *logMatches) files(ctx context.Context, at place) {
	for _, f := range logFiles() {
		n.file(ctx, at, f.name, func(line string) (time.Time, string, string) { return n.fileTime(line), f.by, line })
	}
	for _, c := range containerLogs() {
		dirs, err := filepath.Glob(filepath.Join(literal(at.path("var/log/pods")), c.pattern))
		if err != nil {
			continue // the pattern is ours, and has been tested
		}
		for _, dir := range dirs {
			if name, ok := newest(dir); ok {
				name, _ = filepath.Rel(at.root, name) // it was made by joining
				n.file(ctx, at, name, func(line string) (time.Time, string, string) {
					when, text := containerLine(line)
					return when, c.by, text
				})
			}
		}
	}
}

func (n *logMatches) file(ctx context.Context, at place, name string, of head) {
	if ctx.Err() != nil {
		n.failed = cmp.Or(n.failed, ctx.Err())
		return
	}
	n.take(name, func() ([]byte, error) {
		file, err := resolved(at, name)
		if err != nil {
			return nil, err
		}
		return tail(file)
	}, of)
}

// literal is a path in which a pattern finds only the path.
func literal(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

// newest is the log that is being written to in a container's folder: a number for
// each start of the container. Those that were rotated have a time behind ".log".
func newest(dir string) (string, bool) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", false
	}
	best := ""
	for _, e := range entries {
		number, ok := strings.CutSuffix(e.Name(), ".log")
		if ok && number != "" && strings.Trim(number, "0123456789") == "" && (len(number) > len(best) || len(number) == len(best) && number > best) {
			best = number
		}
	}
	return filepath.Join(dir, best+".log"), best != ""
}

// tail is the end of a file, without the line that its beginning cuts. What is no
// file is not opened as one: a pipe would wait for its other end.
func tail(name string) ([]byte, error) {
	f, err := file.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	from := info.Size() - noticeBytes
	if from <= 0 {
		return io.ReadAll(io.LimitReader(f, noticeBytes))
	}
	if _, err := f.Seek(from, io.SeekStart); err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(f, noticeBytes))
	_, rest, _ := bytes.Cut(text, []byte("\n"))
	return rest, err
}

// readRing reads the end of the kernel's buffer (syslog(2), which needs no device).
func readRing() ([]byte, error) {
	text := make([]byte, noticeBytes)
	n, err := unix.Klogctl(unix.SYSLOG_ACTION_READ_ALL, text)
	if errors.Is(err, unix.ENOSYS) { // a kernel without printk
		return nil, fs.ErrNotExist
	}
	return text[:max(n, 0)], err
}

// ringLine reads a line of the kernel's buffer. What programs have written to it is
// not the kernel's.
func (n *logMatches) ringLine(line string) (time.Time, string, string) {
	r, ok := parseRing(line)
	if !ok || r.facility != 0 {
		return time.Time{}, "nobody", ""
	}
	var clock unix.Timespec
	if !r.timed || unix.ClockGettime(unix.CLOCK_MONOTONIC, &clock) != nil {
		return time.Time{}, byKernel, line
	}
	return n.now.Add(r.since - time.Duration(clock.Nano())), byKernel, line
}

// journal is a journalctl that runs.
type journal struct {
	cmd       *exec.Cmd
	ctx       context.Context
	cancel    context.CancelFunc
	out, said capped
	err       error
}

// startJournal starts journalctl, which is the only reader of the journal's files.
// It reads while the other logs are read, and leaves time for what it found.
func startJournal(ctx context.Context, tools programs) *journal {
	path, ok := tools.find("journalctl")
	if !ok {
		return nil
	}
	limit := journalTime
	if until, ok := ctx.Deadline(); ok {
		limit = min(limit, time.Until(until)*3/4)
	}
	j := &journal{out: capped{most: 2 * noticeBytes}, said: capped{most: lineBytes}}
	j.ctx, j.cancel = context.WithTimeout(ctx, limit)
	args := []string{"-n", "2000", "--no-pager", "-o", "cat", "--since", "-30min"}
	for _, unit := range []string{"kubelet", "k3s", "k3s-agent", "rke2-server", "rke2-agent"} {
		args = append(args, "-u", unit)
	}
	j.cmd = exec.CommandContext(j.ctx, path, args...)
	j.cmd.Stdout, j.cmd.Stderr = &j.out, &j.said
	j.cmd.Env = append(os.Environ(), "LC_ALL=C")
	j.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	j.cmd.Cancel = func() error { return syscall.Kill(-j.cmd.Process.Pid, syscall.SIGKILL) }
	j.cmd.WaitDelay = 100 * time.Millisecond
	j.err = j.cmd.Start()
	return j
}

// read waits for its end, and gives what it wrote. A user who may not see the whole
// journal is told so.
func (j *journal) read() ([]byte, error) {
	defer j.cancel()
	if j.err != nil {
		return nil, j.err
	}
	err := j.cmd.Wait()
	said := string(j.said.text)
	switch {
	case j.ctx.Err() != nil:
		return j.out.text, j.ctx.Err()
	case strings.Contains(said, "No journal files were found"):
		return nil, fs.ErrNotExist
	case strings.Contains(said, "not seeing messages from other users"), strings.Contains(said, "insufficient permissions"):
		return j.out.text, fs.ErrPermission
	}
	return j.out.text, err
}

// capped keeps the beginning of what is written to it.
type capped struct {
	text []byte
	most int
}

func (c *capped) Write(p []byte) (int, error) {
	c.text = append(c.text, p[:min(len(p), c.most-len(c.text))]...)
	return len(p), nil
}
