// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"io"

	"github.com/spf13/cobra"
)

// completions adds the scripts by which shells complete a program, each under the name by
// which its shell looks for it.
func completions(root *cobra.Command, files map[string]string) error {
	for path, write := range map[string]func(io.Writer) error{
		"completions/bash/" + root.Name():                func(w io.Writer) error { return root.GenBashCompletionV2(w, true) },
		"completions/zsh/_" + root.Name():                root.GenZshCompletion,
		"completions/fish/" + root.Name() + ".fish":      func(w io.Writer) error { return root.GenFishCompletion(w, true) },
		"completions/powershell/" + root.Name() + ".ps1": root.GenPowerShellCompletionWithDesc,
	} {
		var text bytes.Buffer
		if err := write(&text); err != nil {
			return err
		}
		files[path] = text.String()
	}
	return nil
}
