// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"whohas/claim"
	"whohas/claimants"
	"whohas/cluster"
	"whohas/dataplane"
	"whohas/internal/config"
	"whohas/internal/console"
	"whohas/snapshot"
	"whohas/source/kubeconfig"
)

// inputs are the flags that say where a cluster's state comes from: the same for
// every command that needs one, repeatable, and combined into one world.
type inputs struct {
	files, kustomize, bundles, base []string
	recursive, live, complete       bool
	all                             bool // -A
	everywhere                      bool // every namespace is read; -n, where it is given, is that of the object that is asked about
	proxyMode                       string
	timeout                         time.Duration
	require                         []string
	config                          string
	kube                            kubeconfig.Flags
	flags                           *pflag.FlagSet
	memory                          string
	kept                            int64 // what --memory says, once it is validated
}

func (in *inputs) register(flags *pflag.FlagSet) {
	flags.StringArrayVarP(&in.files, "filename", "f", nil, "file, folder, glob, URL, or - for standard input (as kubectl)")
	flags.BoolVarP(&in.recursive, "recursive", "R", false, "read the folders of -f with everything below them")
	flags.StringArrayVarP(&in.kustomize, "kustomize", "k", nil, "folder with a kustomization (as kubectl)")
	flags.StringArrayVar(&in.bundles, "bundle", nil, "a snapshot, or a dump: kubectl get -o json|yaml, kubectl cluster-info dump (file or folder)")
	flags.BoolVar(&in.live, "live", false, "read the current kubectl context in addition to the files")
	flags.DurationVar(&in.timeout, "timeout", time.Minute, "bounds the whole run")
	flags.StringVar(&in.memory, "memory", defaultMemory, "bounds what is kept of everything that is read, like 1Gi")
	flags.StringSliceVar(&in.require, "require", nil, "exit 2 unless these were read: nodes, services, hosts, proxy-mode")
	in.kube.Add(flags)
	flags.BoolVarP(&in.all, "all-namespaces", "A", false, "read every namespace, as is done without -n")
	for _, name := range hiddenFlags { // they work, but would bury our own
		flags.Lookup(name).Hidden = true
	}
	in.flags = flags
}

// registerComplete adds what matters where absence does.
func (in *inputs) registerComplete(flags *pflag.FlagSet) {
	flags.BoolVar(&in.complete, "complete", false, "the files hold every object of the kinds they hold: absence proves something")
}

// registerJudged adds what only those commands use that judge what was read.
func (in *inputs) registerJudged(flags *pflag.FlagSet) {
	in.register(flags)
	flags.StringVar(&in.proxyMode, "proxy-mode", "", "ipvs, iptables, nftables or ebpf: overrides what the objects show")
	flags.StringVar(&in.config, "config", "", "configuration file (default .whohas.yaml, if there is one)")
}

// world is everything that was read, and what follows from it.
type world struct {
	snapshot *snapshot.Snapshot
	facts    *cluster.Facts
	register claim.View
}

// gather reads all inputs into one world.
func (e *env) gather(ctx context.Context, in *inputs, cfg *config.Config) (*world, error) {
	into := e.end.builder()
	if err := e.read(ctx, in, in.sources(), into); err != nil {
		return nil, err
	}
	e.end.during("drawing conclusions")
	return e.world(into.Snapshot(), in, cfg)
}

func (e *env) world(s *snapshot.Snapshot, in *inputs, cfg *config.Config) (*world, error) {
	mode, from, err := in.override(cfg)
	if err != nil {
		return nil, err
	}
	return &world{snapshot: s, facts: cluster.Infer(s, mode, from), register: claimants.View(s, cfg.Reserved...)}, nil
}

// override is the proxy mode that the flag or the configuration sets.
func (in *inputs) override(cfg *config.Config) (dataplane.ProxyMode, string, error) {
	if in.proxyMode != "" {
		mode, err := dataplane.ParseProxyMode(in.proxyMode)
		return mode, "--proxy-mode", err
	}
	return cfg.Mode, cfg.File, nil
}

// requirements are what --require can ask for.
var requirements = map[string]func(*world) bool{
	"nodes":      func(w *world) bool { return len(w.facts.Nodes) > 0 },
	"services":   func(w *world) bool { return len(w.snapshot.Kind(cluster.ServiceKind)) > 0 },
	"hosts":      func(w *world) bool { return len(w.snapshot.Hosts) > 0 },
	"proxy-mode": func(w *world) bool { return w.facts.Mode != dataplane.ModeUnknown },
}

// validate finds what is wrong with the flags before anything is read.
func (in *inputs) validate() error {
	for _, r := range in.require {
		if requirements[r] == nil {
			return console.WithHint(fmt.Errorf("--require %q: no such requirement", r), "nodes, services, hosts or proxy-mode")
		}
	}
	if _, _, err := in.override(&config.Config{}); err != nil {
		return fmt.Errorf("--proxy-mode: %w", err)
	}
	if err := in.parseMemory(); err != nil {
		return err
	}
	if in.timeout <= 0 {
		return console.WithHint(fmt.Errorf("--timeout %v: no time to read anything", in.timeout), "like 30s or 2m")
	}
	return nil
}

// until is when a run that begins now must have read what it reads.
func (in *inputs) until() time.Time { return time.Now().Add(in.timeout) }

// settle sets the exit status by what could not be read: findings weigh more,
// and come after it.
func (e *env) settle(in *inputs, w *world) { e.settleBy(in, w, w) }

// settleBy is settle where another world must hold what --require asks for.
func (e *env) settleBy(in *inputs, w, required *world) {
	if !e.required(in, required) {
		e.status = exitFailed
	}
	if w.snapshot.Failed() {
		e.complain(w.snapshot)
		e.status = exitFailed
	}
}

// required reports whether all that --require asks for was read, and names what was
// not.
func (e *env) required(in *inputs, w *world) bool {
	var missing []string
	for _, r := range in.require {
		if !requirements[r](w) {
			missing = append(missing, r)
		}
	}
	if len(missing) > 0 {
		e.Note("error: not read: %s", strings.Join(missing, ", "))
		e.Hint("--require asks for it; add a source that holds it")
	}
	return len(missing) == 0
}
