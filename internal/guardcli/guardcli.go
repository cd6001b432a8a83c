// SPDX-License-Identifier: Apache-2.0

// Package guardcli is the command line of whohas-guard, the program that runs in a
// cluster. People run whohas (internal/cli).
package guardcli

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"whohas/internal/console"
	"whohas/internal/pace"
)

// twice is within how much time a second signal is the first again: timeout(1) sends
// it to its child, and to the process group that the child is in (coreutils
// src/timeout.c cleanup).
const twice = 100 * time.Millisecond

// Main runs the command line and gives the exit status: 0, or 2 for what failed. A signal
// lets what is under way end; a second one ends the process.
func Main(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	e := &env{Console: console.Console{Program: "whohas-guard", Stdin: stdin, Stdout: stdout, Stderr: stderr}}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, func() { time.AfterFunc(twice, stop) })
	defer e.collector.Start()()
	root := e.root()
	root.SetArgs(args[1:])
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	if err := root.ExecuteContext(ctx); err != nil {
		e.Fail(err)
		return 2
	}
	return 0
}

// env is what a command may touch of the world around it.
type env struct {
	console.Console
	collector pace.Pacer
}

func (e *env) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "whohas-guard",
		Short: "Refuse claims on addresses that are somebody else's, before they do harm",
		Long: `whohas-guard is the part of whohas that runs in a cluster: a webhook that refuses what
takes somebody else's address, and an audit of what is wrong all the same. deploy/ holds
what a cluster runs it with; docs/guard-install.md says how.

The guard as a policy, inside the apiserver without a program to run, is written by
"whohas guard policy".`,
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return console.WithHint(err, "see %s --help", cmd.CommandPath())
	})
	root.AddCommand(e.serveCommand(), e.certifyCommand())
	console.WithVersion(root, "whohas-guard", &e.Console)
	console.Strict(root)
	return root
}

// Commands are those of whohas-guard, for who writes pages of them; none is run.
func Commands() *cobra.Command {
	return (&env{}).root()
}

// agent is what an apiserver's log calls us.
func agent() string { return "whohas-guard/" + console.Version() }
