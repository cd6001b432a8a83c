// SPDX-License-Identifier: Apache-2.0

package guardcli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/go-logr/logr"

	"whohas/check"
	"whohas/dataplane"
	"whohas/guard/policy"
	"whohas/guard/server"
	"whohas/guard/watch"
	"whohas/internal/config"
	"whohas/internal/console"
	"whohas/rules"
	"whohas/source/kubeconfig"
)

type serveFlags struct {
	server.Options
	kube      kubeconfig.Flags
	config    string
	proxyMode string
	logLevel  string
	secret    string
}

func (e *env) serveCommand() *cobra.Command {
	f := &serveFlags{}
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "The guard as a webhook, with the whole register, and the continuous audit",
		Long: `Serve answers the apiserver's admission reviews (POST /validate): it refuses what a
write makes worse, with the rule, the address, who claims it, what would happen and the
way through. Removing a claim, deleting, and what was wrong before always pass. While
kube-proxy's mode is not known, what depends on it is warned about and not refused; see
--proxy-mode, and the metric whohas_guard_mode_known.

Beside it runs the audit, in one of the replicas: what is wrong, or becomes wrong past
the webhook, is told by Events on the objects, by metrics, and by a report object
(ClusterReport of openreports.io, or ClusterPolicyReport of wgpolicyk8s.io, if one of
them is installed). It keeps the ConfigMap of the policy's form map-param.

The certificate is another's work: whohas-guard certify, or cert-manager. It is taken
from --cert-dir, a renewed one, too. Deploy it with deploy/.

With failurePolicy Fail it looks whether two replicas are ready, on different nodes, with
a PodDisruptionBudget, and says what is missing: in its log, by an Event on the webhook's
configuration and by the metric whohas_guard_fail_closed_unsafe. It serves all the same.

To switch the webhook off in an emergency:
  ` + server.SwitchOff,
		Example: `  whohas-guard serve                                       # in a Pod, as deploy/base does
  whohas-guard serve --proxy-mode ipvs                     # where the mode cannot be read
  whohas-guard serve --cert-dir /certificates              # where a Secret is mounted`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return e.serve(cmd.Context(), f) },
	}
	flags := cmd.Flags()
	f.kube.AddChoice(flags)
	flags.StringVar(&f.config, "config", "", "a file as .whohas.yaml: reserved addresses, severities, permissions")
	flags.StringVar(&f.proxyMode, "proxy-mode", "", "ipvs, iptables, nftables or ebpf: beats what the cluster shows")
	flags.StringVar(&f.Listen, "listen", ":9443", "where the webhook is served")
	flags.StringVar(&f.MetricsListen, "metrics-listen", ":8080", "where metrics are served; 0: nowhere")
	flags.StringVar(&f.HealthListen, "health-listen", ":8081", "where /healthz and /readyz are served; 0: nowhere")
	flags.StringVar(&f.Namespace, "namespace", cmp.Or(os.Getenv("POD_NAMESPACE"), policy.DefaultNamespace), "the guard's own namespace")
	flags.StringVar(&f.secret, "secret", "", "must be empty: whohas-guard certify makes the certificate")
	_ = flags.MarkHidden("secret") // an old command line says that somebody else makes the certificate, which is so
	flags.StringVar(&f.CertDir, "cert-dir", "/certificates", "where the certificate's Secret is mounted: tls.crt and tls.key")
	flags.StringVar(&f.Callers.CA, "client-ca-file", "", "authorities of the certificates by which apiservers are known (docs/guard-install.md); empty: they show none")
	flags.StringArrayVar(&f.Callers.Names, "client-name", nil, "whose certificates these are: a common or DNS name; repeatable, and needed with --client-ca-file")
	flags.StringVar(&f.Callers.Token, "client-token-file", "", "a token by which apiservers are known; empty: none")
	flags.BoolVar(&f.Callers.Demand, "only-known-clients", false, "answer nobody else")
	flags.StringVar(&f.PolicyConfigMap, "policy-configmap", "whohas-addresses", "the ConfigMap of the policy's form map-param, which is kept up to date where it exists; empty: none")
	flags.StringVar(&f.Reports, "reports", "auto", "openreports, policyreport, none, or auto: what is installed")
	flags.StringVar(&f.Lease, "lease", server.Name, "the Lease of leader election; empty: this is the only replica")
	flags.StringVar(&f.logLevel, "log-level", "info", "debug, info, warn or error")
	return cmd
}

func (e *env) serve(ctx context.Context, f *serveFlags) error {
	o, err := f.options(e)
	if err != nil {
		return err
	}
	return server.Run(ctx, o)
}

func (f *serveFlags) options(e *env) (server.Options, error) {
	o := f.Options
	if f.secret != "" {
		return o, console.WithHint(fmt.Errorf("--secret %s: the guard makes no certificate", f.secret), "whohas-guard certify does")
	}
	if reports := []string{"auto", "openreports", "policyreport", "none"}; !slices.Contains(reports, f.Reports) {
		return o, console.WithHint(fmt.Errorf("--reports %q: no such form", f.Reports), "one of %s", strings.Join(reports, ", "))
	}
	cfg, err := config.Load(f.config)
	if err != nil {
		return o, err
	}
	o.Watch = watch.Options{Rules: rules.All(), Mode: cfg.Mode, ModeFrom: cfg.File, Claims: cfg.Reserved, Severities: cfg.Severities, Suppressions: cfg.Suppressions}
	if f.proxyMode != "" {
		if o.Watch.Mode, err = dataplane.ParseProxyMode(f.proxyMode); err != nil {
			return o, fmt.Errorf("--proxy-mode: %w", err)
		}
		o.Watch.ModeFrom = "--proxy-mode"
	}
	if o.Watch.Reads, err = check.Reads(); err != nil {
		return o, err
	}
	var level slog.Level
	if err := level.UnmarshalText([]byte(f.logLevel)); err != nil {
		return o, console.WithHint(fmt.Errorf("--log-level %q: no such level", f.logLevel), "debug, info, warn or error")
	}
	o.Thrifty = e.collector.Save
	o.Log = slog.New(slog.NewJSONHandler(e.Stderr, &slog.HandlerOptions{Level: level}))
	ctrl.SetLogger(logr.FromSlogHandler(o.Log.Handler())) // what the library logs goes the same way
	if o.Config, err = kubeconfig.Named(&f.kube, agent()); err != nil {
		return o, console.WithHint(fmt.Errorf("read kubeconfig: %w", err), "name the cluster with --kubeconfig, or run it in a Pod")
	}
	// kubectl's default where nothing names a cluster (client-go tools/clientcmd
	// client_config.go, DefaultClientConfig).
	if strings.HasSuffix(o.Config.Host, "localhost:8080") {
		return o, console.WithHint(errors.New("no cluster is named"), "name it with --kubeconfig, or run it in a Pod")
	}
	return o, nil
}
