// SPDX-License-Identifier: Apache-2.0

package kubeconfig

import (
	"strings"

	"github.com/spf13/pflag"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// Flags are kubectl's flags that say which cluster is meant, and as whom. The zero value
// means what kubectl means without any: KUBECONFIG, ~/.kube/config, a Pod's account.
// cli-runtime has them, too (pkg/genericclioptions), together with clients that keep on
// disk what a cluster says, which we never do.
type Flags struct {
	Path      string // of the kubeconfig
	Overrides clientcmd.ConfigOverrides
	extra     []string // of the impersonated user: KEY=VALUE
}

// AddChoice registers those that choose a cluster.
func (f *Flags) AddChoice(flags *pflag.FlagSet) {
	flags.StringVar(&f.Path, "kubeconfig", "", "the cluster, outside a Pod")
	flags.StringVar(&f.Overrides.CurrentContext, clientcmd.FlagContext, "", "the context of the kubeconfig")
}

// Add registers all of them, as kubectl names them.
func (f *Flags) Add(flags *pflag.FlagSet) {
	flags.StringVar(&f.Path, "kubeconfig", "", "Path to the kubeconfig file to use for CLI requests.")
	names := clientcmd.RecommendedConfigOverrideFlags("")
	names.ClusterOverrideFlags.APIServer.ShortName = "s"
	names.AuthOverrideFlags.Username.LongName, names.AuthOverrideFlags.Password.LongName = "", "" // kubectl has none either
	clientcmd.BindOverrideFlags(&f.Overrides, flags, names)
	flags.StringArrayVar(&f.extra, "as-user-extra", nil, "User extras to impersonate for the operation, this flag can be repeated to specify multiple values for the same key.")
}

// client is the cluster that they name.
func (f *Flags) client() (*rest.Config, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.DefaultClientConfig, rules.ExplicitPath = &clientcmd.DefaultClientConfig, f.Path
	overrides := f.Overrides
	overrides.ClusterDefaults = clientcmd.ClusterDefaults
	overrides.AuthInfo.ImpersonateUserExtra = nil
	for _, pair := range f.extra {
		if key, value, ok := strings.Cut(pair, "="); ok {
			if overrides.AuthInfo.ImpersonateUserExtra == nil {
				overrides.AuthInfo.ImpersonateUserExtra = map[string][]string{}
			}
			overrides.AuthInfo.ImpersonateUserExtra[key] = append(overrides.AuthInfo.ImpersonateUserExtra[key], value)
		}
	}
	return clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &overrides).ClientConfig()
}
