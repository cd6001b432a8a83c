// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"path/filepath"
	"regexp"
	"strings"

	"whohas/command"

	"github.com/spf13/cobra"
)

var plainName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

// called is how whoever ran the program would run it again. kubectl runs a plugin by its
// path (kubectl pkg/cmd/plugin.go DefaultPluginHandler.Execute), a shell by the word
// that was typed.
func called(arg string) string {
	base := strings.TrimSuffix(filepath.Base(arg), ".exe")
	switch {
	case !plainName.MatchString(base):
		return command.Program
	case base == "kubectl-whohas" && strings.ContainsAny(arg, `/\`):
		return "kubectl whohas"
	}
	return base
}

// rename gives a command and those below it the name in their help.
func rename(cmd *cobra.Command, name string) {
	cmd.Short, cmd.Long, cmd.Example = command.As(name, cmd.Short), command.As(name, cmd.Long), command.As(name, cmd.Example)
	for _, c := range cmd.Commands() {
		rename(c, name)
	}
}
