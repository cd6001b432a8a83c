// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"whohas/guard/policy"
	"whohas/internal/config"
	"whohas/internal/console"
	"whohas/rules"
)

func (e *env) guardCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "guard",
		Short: "Refuse claims on addresses that are somebody else's, before they do harm",
		Long: `Guard refuses claims on addresses that are somebody else's. The policy runs inside the
apiserver. The webhook, with the whole register and an audit, is a program of its own:
whohas-guard (docs/guard-install.md).`,
		Example: "  whohas guard policy | kubectl apply -f -",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(e.guardPolicyCommand(), moved("serve"), moved("certify"))
	return cmd
}

// moved is a command that the program in the cluster has now (decision 0027).
func moved(name string) *cobra.Command {
	return &cobra.Command{
		Use:                name,
		Short:              "Moved: whohas-guard " + name,
		Hidden:             true,
		DisableFlagParsing: true,
		RunE: func(*cobra.Command, []string) error {
			return console.WithHint(fmt.Errorf("guard %s is whohas-guard %s now, a program of its own", name, name),
				"its flags are the same; its image is ghcr.io/whohas/whohas-guard (docs/guard-install.md)")
		},
	}
}

type guardPolicyFlags struct {
	inputs
	form       string
	namespace  string
	audit      bool
	failClosed bool
	static     bool
}

func (e *env) guardPolicyCommand() *cobra.Command {
	f := &guardPolicyFlags{}
	cmd := &cobra.Command{
		Use:   "policy",
		Short: "The guard as a ValidatingAdmissionPolicy: inside the apiserver, with no program of its own to run",
		Long: `Policy writes a ValidatingAdmissionPolicy and its binding (Kubernetes 1.31 and
newer), named whohas-guard, which refuse a Service that takes the address of a
node, the control plane, a tunnel or a reserved address: in spec.externalIPs, in
the status, or by a request. Only what a write adds is refused. Removing a claim,
deleting, and what was wrong before always pass, and so does everything if the
policy cannot be evaluated, unless --fail-closed says otherwise.

Where the policy has the addresses from (--form; chosen by the cluster's size):
  node-params  each Node is a parameter: follows nodes that join, with nothing
               that keeps it; for up to a few dozen nodes
  literal      in the policy itself: up to about 3,000 addresses; print it again
               when they change. Alone can fail closed, and be a file of the apiserver
  map-param    in the ConfigMap whohas-addresses, which the guard's controller keeps

One that an apiserver would not read, being too long, is not printed. What CEL cannot
see is left to the webhook (docs/guard-policy.md). It is switched off with
  kubectl delete validatingadmissionpolicybinding whohas-guard

Exit status: 2 if it could not be made, and then nothing is printed; else 0.`,
		Example: `  whohas guard policy                                  # the current kubectl context, to look at
  whohas guard policy --audit | kubectl apply -f -     # warn and record first
  whohas guard policy | kubectl apply -f -             # then refuse
  whohas guard policy --bundle cluster.snapshot --proxy-mode ipvs --form literal
  whohas guard policy --static > /etc/kubernetes/admission/whohas.yaml   # staticManifestsDir, Kubernetes 1.37`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return e.guardPolicy(cmd.Context(), f) },
	}
	flags := cmd.Flags()
	f.registerJudged(flags)
	flags.StringVar(&f.form, "form", "", "node-params, literal or map-param (default: by the cluster's size)")
	flags.StringVar(&f.namespace, "guard-namespace", policy.DefaultNamespace, "the namespace of the ConfigMap of form map-param")
	flags.BoolVar(&f.audit, "audit", false, "warn and record, refuse nothing")
	flags.BoolVar(&f.failClosed, "fail-closed", false, "refuse what the policy cannot evaluate (form literal)")
	flags.BoolVar(&f.static, "static", false, "as a manifest that the apiserver reads from its own disk (form literal)")
	return cmd
}

func (e *env) guardPolicy(ctx context.Context, f *guardPolicyFlags) error {
	o, err := f.options()
	if err != nil {
		return err
	}
	cfg, err := config.Load(f.config)
	if err != nil {
		return err
	}
	ctx, release := e.end.begin(ctx, &f.inputs, f.until())
	defer release()
	w, err := e.gather(ctx, &f.inputs, cfg)
	if err != nil {
		return err
	}
	if e.settle(&f.inputs, w); e.status != exitOK {
		return nil // half of the addresses would look like a whole guard
	}
	in := policy.Input{Claims: w.register, Facts: w.facts, Rules: rules.All(), Suppressions: cfg.Suppressions, Severities: cfg.Severities, Now: e.now()}
	m, err := policy.Make(in, o)
	if err != nil {
		return advised(err)
	}
	text, err := m.YAML()
	if err != nil {
		return err
	}
	e.Note("form %s, proxy mode %s (%s)", m.Form, w.facts.Mode, w.facts.ModeFrom)
	e.end.during("writing to stdout")
	err = through(ctx, e.Stdout, func(w io.Writer) error {
		_, err := w.Write(text)
		return err
	})
	return cmp.Or(e.end.ended(ctx), err)
}

func (f *guardPolicyFlags) options() (policy.Options, error) {
	o := policy.Options{Namespace: f.namespace, Audit: f.audit, FailClosed: f.failClosed, Static: f.static}
	if err := f.validate(); err != nil {
		return o, err
	}
	if err := f.effective(f.sources().live); err != nil {
		return o, err
	}
	if f.form != "" {
		form, err := policy.ParseForm(f.form)
		if err != nil {
			return o, fmt.Errorf("--form: %w", err)
		}
		o.Form = form
	}
	return o, nil
}

// advised adds what to do about a policy that could not be made.
func advised(err error) error {
	switch {
	case errors.Is(err, policy.ErrMode):
		return console.WithHint(err, "say it with --proxy-mode ipvs, iptables, nftables or ebpf")
	case errors.Is(err, policy.ErrEmpty):
		return console.WithHint(err, "read the cluster, or a snapshot or dump of it that holds its Nodes")
	case errors.Is(err, policy.ErrLimits):
		return console.WithHint(err, "--form map-param has no such limit")
	}
	return err
}
