// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

func moduleRoot() (string, error) {
	out, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("find the module: %w", err)
	}
	mod := strings.TrimSpace(string(out))
	if filepath.Base(mod) != "go.mod" {
		return "", fmt.Errorf("find the module: run this inside the repository")
	}
	return filepath.Dir(mod), nil
}

// buildPrograms makes whohas and whohas-guard as they are released.
func (b *bencher) buildPrograms() (err error) {
	if b.root, err = moduleRoot(); err != nil {
		return err
	}
	b.whohas, b.guardProgram = b.tempFile("whohas"), b.tempFile("whohas-guard")
	for _, path := range []string{b.whohas, b.guardProgram} {
		name := filepath.Base(path)
		saying("building " + name)
		cmd := exec.Command("go", "build", "-trimpath", "-o", path, "./cmd/"+name)
		cmd.Dir, cmd.Stderr = b.root, os.Stderr
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("build %s: %w", name, err)
		}
	}
	return nil
}

// buildTool gives a path once the program is there.
func buildTool(root, name string) (string, error) {
	tools := filepath.Join(root, "tools", "build")
	build := exec.Command(tools, name)
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return "", err
	}
	out, err := exec.Command(tools, "--path", name).Output()
	return strings.TrimSpace(string(out)), err
}
