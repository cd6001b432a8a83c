// SPDX-License-Identifier: Apache-2.0

package host

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"whohas/dataplane"
	"whohas/dataplane/netfilter"

	"whohas/source/file"
)

// readNetfilter reads the rules of all back ends, each once.
//
// nft shows also what iptables-nft made, but its matches only by name. So nft is
// asked first, and iptables-nft-save only where nft has tables of its names; what
// that returns takes the place of nft's. A table that it calls incompatible it does
// not return (iptables nft_is_table_compatible, v1.8.9): nft's words stay then.
func (r *reading) readNetfilter(k kernel, t tools) {
	n := &rulesets{kernel: k, tools: t}
	r.section(NFTables, func(ctx context.Context) (int, error) {
		err := n.readNFT(ctx)
		return len(n.nft), err
	})
	if slices.Contains(r.options.Skip, NFTables) {
		n.unknown = true
	}
	r.section(IPTables, func(ctx context.Context) (int, error) {
		err := n.readIPTables(ctx)
		return len(n.saved), err
	})
	r.host.Tables = n.tables()
}

type rulesets struct {
	kernel  kernel
	tools   tools
	nft     []dataplane.Table // as nft shows them
	unknown bool              // what nft would show
	none    bool              // no nf_tables in the kernel
	saved   []dataplane.Table // as iptables-save does
}

// tables are all, without those of nft that iptables-nft-save has shown better.
func (n *rulesets) tables() []dataplane.Table {
	out := slices.Clone(n.saved)
	for _, t := range n.nft {
		if !slices.ContainsFunc(n.saved, func(s dataplane.Table) bool {
			return s.Backend == nftBackend && s.Family == t.Family && s.Name == t.Name
		}) {
			out = append(out, t)
		}
	}
	for i := range out {
		slices.SortFunc(out[i].Chains, func(a, b dataplane.Chain) int { return strings.Compare(a.Name, b.Name) })
		slices.SortFunc(out[i].Maps, func(a, b dataplane.Map) int { return strings.Compare(a.Name, b.Name) })
	}
	slices.SortFunc(out, func(a, b dataplane.Table) int {
		return cmp.Or(strings.Compare(a.Family, b.Family), strings.Compare(a.Name, b.Name), strings.Compare(a.Backend, b.Backend))
	})
	return out
}

// The back ends of iptables.
const (
	legacyBackend = "legacy"
	nftBackend    = "nft"
)

func (n *rulesets) readNFT(ctx context.Context) error {
	n.unknown = true
	there, err := n.kernel.has("nf_tables", nftablesSymbol)
	if err != nil {
		return fmt.Errorf("look for nf_tables: %w", err)
	}
	if !there {
		n.unknown, n.none = false, true
		return absent{"no nf_tables in this kernel"}
	}
	nft, ok := n.tools.find("nft")
	if !ok {
		return missing{"nft is not installed: package nftables"}
	}
	out, err := n.tools.run(ctx, nft, "-j", "list", "ruleset")
	if err != nil {
		return err
	}
	n.nft, err = netfilter.ParseJSON(bytes.NewReader(out))
	if n.nft != nil || err == nil {
		n.unknown = false
	}
	if err != nil && n.nft != nil {
		return partial{err.Error()}
	}
	return err
}

// readIPTables runs the fewest tools that can show something.
func (n *rulesets) readIPTables(ctx context.Context) error {
	var all []error
	for _, family := range []string{"ip", "ip6"} {
		legacy, err := n.legacyInUse(family)
		if err != nil {
			all = append(all, fmt.Errorf("legacy tables: %w", err))
		}
		if legacy {
			all = append(all, n.save(ctx, family, legacyBackend))
		}
		if n.nftInUse(family) {
			all = append(all, n.save(ctx, family, nftBackend))
		}
	}
	err := errors.Join(all...)
	if err != nil && len(n.saved) > 0 {
		return partial{err.Error()}
	}
	return err
}

// legacyInUse asks for the names of the tables that the kernel has: to ask the
// tables themselves would make them (linux net/ipv4/netfilter/ip_tables.c
// get_info, which loads iptable_nat and the like).
func (n *rulesets) legacyInUse(family string) (bool, error) {
	names, err := file.Read(filepath.Join(netDir(n.kernel.proc), family+"_tables_names"), file.Small)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return len(bytes.TrimSpace(names)) > 0, err
}

// nftInUse reports whether there is a table that iptables-nft may have made.
func (n *rulesets) nftInUse(family string) bool {
	if n.unknown {
		return !n.none
	}
	return slices.ContainsFunc(n.nft, func(t dataplane.Table) bool {
		return t.Family == family && slices.Contains([]string{"filter", "nat", "mangle", "raw", "security"}, t.Name)
	})
}

func (n *rulesets) save(ctx context.Context, family, backend string) error {
	name := map[string]string{"ip": "iptables", "ip6": "ip6tables"}[family]
	tool, ok := n.tools.findSave(name, backend)
	if !ok {
		return missing{fmt.Sprintf("%s-%s-save is not installed: package iptables", name, backend)}
	}
	out, err := n.tools.run(ctx, tool)
	if err != nil {
		return err
	}
	tables, err := netfilter.ParseSave(bytes.NewReader(out), backend, family)
	n.saved = append(n.saved, tables...)
	return err
}

// tools are netfilter's programs on this host.
type tools interface {
	find(name string) (path string, ok bool)
	findSave(name, backend string) (path string, ok bool)
	run(ctx context.Context, path string, args ...string) ([]byte, error)
}
