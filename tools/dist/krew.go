// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	_ "embed"
	"text/template"
)

//go:embed package/whohas.yaml
var manifestText string

// plugin is what krew is told of one platform.
type plugin struct{ OS, Arch, Archive, SHA256, Bin string }

// manifest is what krew installs by. Its file is called as the plugin is.
func (r *release) manifest(platforms []plugin) (file, error) {
	form, err := template.New("whohas.yaml").Parse(manifestText)
	if err != nil {
		return file{}, err
	}
	var out bytes.Buffer
	err = form.Execute(&out, map[string]any{"Version": r.version, "Home": r.home, "Platforms": platforms})
	return file{"whohas.yaml", 0o644, out.Bytes()}, err
}
