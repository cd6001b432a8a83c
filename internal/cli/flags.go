// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"fmt"
	"slices"

	"whohas/internal/console"

	"github.com/spf13/pflag"
)

// givenOf is the first of the flags, in the order of their names, that the command
// line sets and that is not excepted.
func givenOf(flags *pflag.FlagSet, except ...string) string {
	first := ""
	flags.Visit(func(f *pflag.Flag) {
		if first == "" && f.Name != "help" && !slices.Contains(except, f.Name) {
			first = f.Name
		}
	})
	return first
}

// anyOf is the first of the named flags that the command line sets.
func anyOf(flags *pflag.FlagSet, names ...string) string {
	for _, n := range names {
		if flags.Changed(n) {
			return n
		}
	}
	return ""
}

// alone refuses every other flag beside one that uses none.
func alone(flags *pflag.FlagSet, name, why string, except ...string) error {
	if other := givenOf(flags, append(except, name)...); other != "" {
		return console.WithHint(fmt.Errorf("--%s with --%s", name, other), "%s", why)
	}
	return nil
}

// connection are kubectl's flags that say which cluster is read, and as whom.
var connection = []string{
	"kubeconfig", "context", "cluster", "user", "server", "tls-server-name", "insecure-skip-tls-verify", "client-certificate", "client-key",
	"certificate-authority", "token", "as", "as-uid", "as-group", "as-user-extra", "disable-compression", "request-timeout", "proxy-url",
}

// hiddenFlags are those of them that would bury our own in the help.
var hiddenFlags = connection[2:]

// named reports whether the command line names a cluster.
func (in *inputs) named() bool { return in.live || anyOf(in.flags, connection...) != "" }

// effective refuses flags that would change nothing beside the others; live: a
// cluster is read.
func (in *inputs) effective(live bool) error {
	files := len(in.files)+len(in.kustomize)+len(in.bundles) > 0
	switch c := anyOf(in.flags, connection...); {
	case in.all && in.flags.Changed("namespace"):
		return console.WithHint(errors.New("--all-namespaces and --namespace: one of them"), "without either every namespace is read")
	case in.recursive && len(in.files) == 0:
		return console.WithHint(errors.New("--recursive without -f"), "it says how the folders of -f are read")
	case in.complete && !files:
		return console.WithHint(errors.New("--complete without files"), "it is about the files of -f, -k and --bundle; of a live cluster it is known")
	case c != "" && !live:
		return console.WithHint(fmt.Errorf("--%s with files: no cluster is read", c), "--live reads one as well")
	case in.flags.Changed("client-key") != in.flags.Changed("client-certificate"):
		return console.WithHint(errors.New("--client-key and --client-certificate: one without the other"), "a key proves a certificate, and is not used without")
	case in.flags.Changed("namespace") && !live && !files:
		return console.WithHint(errors.New("--namespace, and no objects are read"), "name files, or a cluster with --live")
	}
	return nil
}
