// SPDX-License-Identifier: Apache-2.0

package guardcli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/client-go/kubernetes"

	"whohas/guard/certificate"
	"whohas/guard/policy"
	"whohas/guard/server"
	"whohas/internal/console"
	"whohas/source/kubeconfig"
)

type certifyFlags struct {
	certificate.Options
	kube    kubeconfig.Flags
	service string
	names   []string
	timeout time.Duration
}

func (e *env) certifyCommand() *cobra.Command {
	f := &certifyFlags{}
	cmd := &cobra.Command{
		Use:   "certify",
		Short: "Make the webhook's certificate, and write its authority into the webhook's configuration",
		Long: `Certify makes the certificate that the guard's webhook shows to apiservers, keeps it in
a Secret, and writes its authority into the ValidatingWebhookConfiguration. What is good
for long enough it leaves alone. Run it when the guard is installed, and once a month:
deploy/ has a Job and a CronJob. The key of the authority is not kept.

The guard cannot do it itself: whoever may change that configuration sees, and stops,
every write of the cluster. With cert-manager it is not needed.

Exit status: 0 as it should be; 2 it could not work.`,
		Example: `  whohas-guard certify                  # in a Pod, as deploy/base does
  whohas-guard certify --context lab    # from outside`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return e.certify(cmd.Context(), f) },
	}
	flags := cmd.Flags()
	f.kube.AddChoice(flags)
	flags.StringVar(&f.Namespace, "namespace", cmp.Or(os.Getenv("POD_NAMESPACE"), policy.DefaultNamespace), "the guard's namespace")
	flags.StringVar(&f.service, "service", server.Name, "the Service by which apiservers reach the webhook")
	flags.StringArrayVar(&f.names, "name", nil, "another name by which it is reached; repeatable")
	flags.StringVar(&f.Secret, "secret", server.Name+"-cert", "the Secret, which must be there")
	flags.DurationVar(&f.Renew, "renew-before", certificate.DefaultRenew, "how long before its end a certificate is renewed")
	flags.DurationVar(&f.timeout, "timeout", time.Minute, "how long it may take")
	return cmd
}

func (e *env) certify(ctx context.Context, f *certifyFlags) error {
	cfg, err := kubeconfig.Named(&f.kube, agent())
	if err != nil {
		return console.WithHint(fmt.Errorf("read kubeconfig: %w", err), "name the cluster with --kubeconfig, or run it in a Pod")
	}
	if strings.HasSuffix(cfg.Host, "localhost:8080") { // see serve
		return console.WithHint(errors.New("no cluster is named"), "name it with --kubeconfig, or run it in a Pod")
	}
	o := f.Options
	if o.Client, err = kubernetes.NewForConfig(kubeconfig.Bounded(cfg)); err != nil {
		return fmt.Errorf("connect to the cluster: %w", err)
	}
	o.Webhook, o.Names = server.Name, append([]string{f.service + "." + f.Namespace + ".svc"}, f.names...)
	ctx, cancel := context.WithTimeout(ctx, f.timeout)
	defer cancel()
	r, err := certificate.Ensure(ctx, o)
	if err != nil {
		return err
	}
	text := "the certificate is good"
	if r.Made {
		text = "a certificate was made, good"
	}
	fmt.Fprintf(e.Stdout, "%s until %s", text, r.Until.UTC().Format(time.DateOnly))
	if r.Written {
		fmt.Fprintf(e.Stdout, "; its authority was written into the webhook %s", o.Webhook)
	}
	fmt.Fprintln(e.Stdout)
	return nil
}
