// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"maps"
	"slices"

	"whohas/dataplane"
	"whohas/guard/policy"
	"whohas/report"
	"whohas/rules"

	"github.com/spf13/cobra"
	"k8s.io/client-go/tools/clientcmd"
)

// complete tells shells which values the flags of a command and of those below it take.
func complete(cmd *cobra.Command) {
	for name, values := range flagValues(cmd.Name()) {
		if cmd.Flags().Lookup(name) == nil {
			continue
		}
		list := func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
			return values(), cobra.ShellCompDirectiveNoFileComp
		}
		_ = cmd.RegisterFlagCompletionFunc(name, list) // it fails for a flag that is not there, and for one that has values already
	}
	for _, c := range cmd.Commands() {
		complete(c)
	}
}

// flagValues are the values of flags that have a choice. FORMAT=FILE goes on with a
// file's name, which a shell knows.
func flagValues(command string) map[string]func() []string {
	values := map[string]func() []string{
		"fail-on":    of("critical", "error", "warning", "info", "never"),
		"proxy-mode": of(string(dataplane.IPVS), string(dataplane.IPTables), string(dataplane.NFTables), string(dataplane.EBPF)),
		"require":    func() []string { return slices.Sorted(maps.Keys(requirements)) },
		"rule":       ruleNames,
		"form":       of(string(policy.Literal), string(policy.MapParam), string(policy.NodeParams)),
		"context":    contexts,
	}
	switch command {
	case "check":
		values["output"] = of(namesOf(report.Formats())...)
	case "who", "whohas", "kubectl-whohas":
		values["output"] = of(namesOf(report.WhoFormats())...)
	case "diagnose":
		values["output"] = of(namesOf(report.DiagnosisFormats())...)
	case "repair":
		values["output"] = of(namesOf(report.RepairFormats())...)
	case "shield":
		values["output"] = of(namesOf(report.ShieldFormats())...)
	}
	return values
}

func of(values ...string) func() []string { return func() []string { return values } }

// ruleNames are the rules' IDs, each with what it is called.
func ruleNames() []string {
	var names []string
	for _, r := range rules.All() {
		names = append(names, cobra.CompletionWithDesc(r.ID, r.Name))
	}
	return names
}

// contexts are those of the user's kubeconfig; none where it cannot be read.
func contexts() []string {
	cfg, err := clientcmd.NewDefaultClientConfigLoadingRules().Load()
	if err != nil {
		return nil
	}
	return slices.Sorted(maps.Keys(cfg.Contexts))
}
