// SPDX-License-Identifier: Apache-2.0

package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// programs are the tools in the PATH, and in the folders that a user's PATH often
// lacks.
type programs struct{ dirs []string }

func newTools() programs {
	return programs{append(filepath.SplitList(os.Getenv("PATH")), "/usr/sbin", "/sbin", "/usr/local/sbin")}
}

func (p programs) find(name string) (string, bool) {
	for _, dir := range p.dirs {
		file := filepath.Join(dir, name)
		if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 && filepath.IsAbs(file) {
			return file, true
		}
	}
	return "", false
}

// findSave finds iptables-legacy-save and the like, and where only iptables-save is
// installed tells its back end by what it links to: without a link it is of the
// time when there was no other than legacy.
func (p programs) findSave(name, backend string) (string, bool) {
	if path, ok := p.find(name + "-" + backend + "-save"); ok {
		return path, true
	}
	path, ok := p.find(name + "-save")
	if !ok {
		return "", false
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", false
	}
	isNFT := strings.Contains(filepath.Base(real), "nft")
	return path, isNFT == (backend == nftBackend)
}

// run runs a tool to its end, in the thread's namespaces: fork and exec are done by
// the calling thread (syscall.forkExec).
func (p programs) run(ctx context.Context, path string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, path, args...)
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return out.Bytes(), nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.As(err, &exit):
		return nil, complaintError(filepath.Base(path), complaint.String(), exit)
	}
	return nil, fmt.Errorf("run %s: %w", filepath.Base(path), err)
}

// complaintError is what a tool said before it failed.
func complaintError(tool, complaint string, exit error) error {
	line, _, _ := strings.Cut(strings.TrimSpace(complaint), "\n")
	switch {
	case strings.Contains(complaint, "ermission denied"), strings.Contains(complaint, "not permitted"), strings.Contains(complaint, "must be root"):
		return fmt.Errorf("run %s: %w", tool, fs.ErrPermission)
	case line == "":
		return fmt.Errorf("run %s: %w", tool, exit)
	}
	return fmt.Errorf("run %s: %s", tool, line)
}
