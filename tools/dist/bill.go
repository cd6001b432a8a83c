// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// bill is the software bill of materials of a program as it was built for one platform:
// the modules that are in it (CycloneDX).
func (r *release) bill(program string, data []byte, t target) (file, error) {
	name := fmt.Sprintf("%s_%s_%s_%s.cdx.json", program, r.version, t.os, t.arch)
	cyclonedx, err := r.tool("cyclonedx-gomod")
	if err != nil {
		return file{}, err
	}
	dir, err := os.MkdirTemp("", "whohas-bill-")
	if err != nil {
		return file{}, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, program+t.exe())
	if err := os.WriteFile(path, data, 0o755); err != nil {
		return file{}, err
	}
	text, err := r.command(nil, cyclonedx, "bin", "-json", "-noserial", "-notimestamp", "-std", "-version", "v"+r.version, path)
	if err != nil {
		return file{}, err
	}
	text, err = r.dated(text)
	return file{name, 0o644, text}, err
}

// dated gives a bill the commit's date and our licence, and takes out the checksum of the
// program that wrote it, which differs by the machine that it runs on.
func (r *release) dated(text []byte) ([]byte, error) {
	var bill map[string]any
	if err := json.Unmarshal(text, &bill); err != nil {
		return nil, err
	}
	about, _ := bill["metadata"].(map[string]any)
	of, _ := about["component"].(map[string]any)
	tools, _ := about["tools"].([]any)
	if of == nil || len(tools) == 0 {
		return nil, fmt.Errorf("bill: no component or no tool in %.200s", text)
	}
	about["timestamp"] = r.date.Format(time.RFC3339)
	of["licenses"] = []any{map[string]any{"license": map[string]any{"id": "Apache-2.0"}}}
	for _, tool := range tools {
		if tool, ok := tool.(map[string]any); ok {
			delete(tool, "hashes")
		}
	}
	return indented(bill)
}

func indented(v any) ([]byte, error) {
	text, err := json.MarshalIndent(v, "", "  ")
	return append(text, '\n'), err
}
