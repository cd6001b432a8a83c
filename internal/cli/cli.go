// SPDX-License-Identifier: Apache-2.0

// Package cli is the command line: it joins the sources, the check and the
// reports, and knows nothing about addresses itself.
package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"time"

	"whohas/command"
	"whohas/internal/console"
	"whohas/internal/pace"
	"whohas/source/kubeconfig"

	"github.com/spf13/cobra"
	"golang.org/x/term"
	"k8s.io/client-go/rest"
)

// The exit statuses of the contract.
const (
	exitOK       = 0
	exitFindings = 1
	exitFailed   = 2
)

// Main runs the command line and gives the exit status. A run that does not end when
// it is told to is left behind.
func Main(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	e := &env{Console: console.Console{Program: "whohas", Stdin: stdin, Stdout: stdout, Stderr: stderr}, now: time.Now, status: exitOK, end: newEnding(), os: runtime.GOOS}
	ctx, stop := e.end.obey(context.Background())
	defer stop()
	collector := pace.Pacer{Alive: e.end.alive}
	defer collector.Start()()
	done := make(chan int, 1)
	go func() { done <- e.run(ctx, args) }()
	select {
	case status := <-done:
		return status
	case cause := <-e.end.left:
		e.end.clear()
		e.lastWords(cause)
		return exitFailed
	}
}

func (e *env) run(ctx context.Context, args []string) int {
	e.Name = called(args[0])
	root := e.root()
	if len(args) > 1 && strings.HasPrefix(args[1], cobra.ShellCompRequestCmd) { // cobra keeps what is registered for ever
		complete(root)
	}
	root.SetArgs(args[1:])
	root.SetIn(e.Stdin)
	root.SetOut(e.Stdout)
	root.SetErr(e.Stderr)
	if err := root.ExecuteContext(ctx); err != nil {
		e.Fail(err)
		return cmp.Or(e.status, exitFailed) // findings weigh more
	}
	return e.status
}

// lastWords says why a run was left behind, unless stderr blocks, too.
func (e *env) lastWords(cause error) {
	said := make(chan struct{})
	go func() {
		e.Fail(e.end.why(cause))
		close(said)
	}()
	select {
	case <-said:
	case <-time.After(moment):
	}
}

// env is what a command may touch of the world around it.
type env struct {
	console.Console
	now    func() time.Time
	status int
	end    *ending
	os     string // where it runs, as Go names it; empty: Linux
}

// terminal reports whether a stream is one, and how wide.
func terminal(w io.Writer) (width int, ok bool) {
	if b, ok := w.(buffered); ok {
		w = b.to
	}
	f, isFile := w.(*os.File)
	if !isFile || !term.IsTerminal(int(f.Fd())) {
		return 0, false
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil || width < 40 {
		width = 80
	}
	return width, true
}

// color reports whether to colour what goes to w (https://no-color.org).
func color(w io.Writer) bool {
	_, ok := terminal(w)
	return ok && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

func (e *env) root() *cobra.Command {
	who := &whoFlags{}
	root := &cobra.Command{
		Use:   "whohas ADDR|CIDR|OBJECT...",
		Short: "Who has this IP address in a Kubernetes cluster, and who else thinks so",
		Long: `whohas tells who has an IP address in a Kubernetes cluster, who else thinks
they have it, what that breaks and why, and how to repair it.

With an address, a CIDR or an object it lists everyone who claims it. "whohas check" looks
for conflicts in everything that was read: manifests, dumps, a live cluster.`,
		Example: `  whohas check -f manifests/ -R            # a repository of manifests
  whohas check                             # the cluster of the current kubectl context
  whohas 192.168.10.114 --bundle cluster.snapshot
  whohas demo/tomcat                       # or svc/tomcat -n demo, node/cdev01
  whohas snapshot -o cluster.snapshot
  whohas check --base cluster.snapshot -f change.yaml`,
		Args:          cobra.ArbitraryArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if name := givenOf(cmd.Flags()); len(args) == 0 && name != "" {
				return console.WithHint(fmt.Errorf("--%s, and neither an address nor a command", name), "see whohas --help")
			}
			if len(args) == 0 {
				return cmd.Help()
			}
			if !looksLikeAddress(args[0]) && !strings.Contains(args[0], "/") {
				return unknownCommand(cmd, args[0])
			}
			return e.who(cmd, who, args)
		},
	}
	if e.Name != "" && e.Name != command.Program {
		root.Annotations = map[string]string{cobra.CommandDisplayNameAnnotation: e.Name}
		root.Use = strings.Replace(root.Use, command.Program, strings.ReplaceAll(e.Name, " ", "-"), 1) // what completion completes
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return console.WithHint(err, "see %s --help", cmd.CommandPath())
	})
	who.register(root)
	root.AddCommand(e.whoCommand(), e.checkCommand(), e.rulesCommand(), e.snapshotCommand(), e.diagnoseCommand(), e.repairCommand(), e.shieldCommand(), e.guardCommand())
	console.WithVersion(root, command.Program, &e.Console)
	root.SuggestionsMinimumDistance = 2 // cobra's own sets it only where it looks for commands itself
	root.CompletionOptions.HiddenDefaultCmd = false
	console.Strict(root)
	rename(root, e.Name)
	return root
}

// unknownCommand names what was perhaps meant.
func unknownCommand(root *cobra.Command, word string) error {
	hint := "an address, a CIDR, an object (demo/tomcat), or one of the commands of " + root.CommandPath() + " --help"
	if near := root.SuggestionsFor(word); len(near) > 0 {
		hint = "did you mean " + strings.Join(near, " or ") + "?"
	}
	return console.WithHint(fmt.Errorf("unknown command %q", word), "%s", hint)
}

// Commands are those of kubectl-whohas, for who writes pages of them; none is run.
func Commands() *cobra.Command {
	return (&env{Console: console.Console{Program: command.Program, Name: "kubectl whohas"}}).root()
}

func looksLikeAddress(s string) bool {
	return strings.ContainsAny(s, ".:") && strings.ContainsAny(s[:1], "0123456789abcdefABCDEF:")
}

// agent is what an apiserver's log calls us.
func agent() string { return "whohas/" + console.Version() }

// clusterOf is the cluster that one kubeconfig names.
func clusterOf(path string) (*rest.Config, error) { return kubeconfig.File(path, agent()) }
