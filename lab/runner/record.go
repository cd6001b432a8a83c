// SPDX-License-Identifier: Apache-2.0

//go:build linux

package runner

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"whohas/dataplane"
	"whohas/lab"
	"whohas/snapshot"
	"whohas/source/bundle"
)

// RecordName is the folder in which a scenario's runs on a back end are on
// record: its name, and for a second back end that too, since another kernel
// shows other tables.
func RecordName(s *lab.Scenario, b lab.Backend) string {
	if b == s.Backends[0] {
		return s.Name
	}
	return s.Name + "." + string(b)
}

// Compare holds a run against what is on record in a folder and says how it
// differs, line by line; nothing: it does not. Times, versions and whatever is
// another in each run are not compared.
func Compare(recorded string, r *lab.Run) ([]string, error) {
	want, err := os.ReadFile(filepath.Join(recorded, "observed.txt"))
	if errors.Is(err, fs.ErrNotExist) {
		return []string{"nothing is on record: run it with -update"}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read record: %w", err)
	}
	diff := lines("observed.txt", phased(string(want)), phased(r.Observed()))
	for _, name := range snapshots(r) {
		data, err := os.ReadFile(filepath.Join(recorded, name))
		if errors.Is(err, fs.ErrNotExist) {
			diff = append(diff, name+": not on record")
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read record: %w", err)
		}
		was, err := Hosts(data)
		if err != nil {
			return nil, fmt.Errorf("read record %s: %w", name, err)
		}
		is, err := Hosts(r.Files[name])
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
		diff = append(diff, lines(name, was, is)...)
	}
	missing, err := missing(recorded, r)
	return append(diff, missing...), err
}

// missing are the snapshots on record that a run has not made.
func missing(recorded string, r *lab.Run) ([]string, error) {
	files, err := filepath.Glob(filepath.Join(recorded, "*.snapshot"))
	if err != nil {
		return nil, fmt.Errorf("read record: %w", err)
	}
	var diff []string
	for _, f := range files {
		if name := filepath.Base(f); r.Files[name] == nil {
			diff = append(diff, name+": not in this run")
		}
	}
	return diff, nil
}

// Keep puts a run on record.
func Keep(recorded string, r *lab.Run) error {
	if err := os.RemoveAll(recorded); err != nil {
		return fmt.Errorf("write record: %w", err)
	}
	if err := os.MkdirAll(recorded, 0o755); err != nil {
		return fmt.Errorf("write record: %w", err)
	}
	files := map[string][]byte{
		"observed.txt": []byte(r.Observed()), "timeline.txt": []byte(r.Timeline()), "versions.txt": []byte(r.Versions()),
	}
	for name, data := range r.Files {
		files[name] = data
	}
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(recorded, name), data, 0o644); err != nil {
			return fmt.Errorf("write record: %w", err)
		}
	}
	return nil
}

func snapshots(r *lab.Run) []string {
	var names []string
	for name := range r.Files {
		if strings.HasSuffix(name, ".snapshot") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Hosts gives the hosts of a snapshot as text, one fact a line, without what is
// another in each run: process numbers, the listeners of clients, neighbours,
// lifetimes and indexes, the order of rules, which kube-proxy takes from a map,
// and the addresses that the apiserver gives Services by chance.
func Hosts(file []byte) (string, error) {
	var into snapshot.Builder
	if err := bundle.Read(context.Background(), bytes.NewReader(file), "record", &into); err != nil {
		return "", err
	}
	var b strings.Builder
	for _, h := range into.Snapshot().Hosts {
		for _, fact := range facts(h) {
			fmt.Fprintf(&b, "%s: %s\n", h.Name, fact)
		}
	}
	return b.String(), nil
}

// facts are the parts of a host that are the same in each run, sorted.
func facts(h dataplane.Host) []string {
	var all []string
	add := func(words ...any) {
		text, err := json.Marshal(words)
		if err != nil {
			text = []byte(err.Error())
		}
		all = append(all, chance.ReplaceAllStringFunc(string(text), forget))
	}
	for _, l := range h.Links {
		add("link", l.Name, l.Kind, l.Up, l.NoARP)
	}
	for _, a := range h.Addresses {
		add("address", a)
	}
	for _, r := range h.Routes {
		add("route", r)
	}
	for _, p := range h.Rules {
		add("policy", p)
	}
	for _, s := range h.Servers {
		add("server", s)
	}
	for _, s := range h.Sets {
		add("set", s.Name, s.Type)
		for _, m := range s.Members {
			add("member", s.Name, m)
		}
	}
	for _, t := range h.Tables {
		tableFacts(t, add)
	}
	slices.Sort(all)
	return all
}

func tableFacts(t dataplane.Table, add func(...any)) {
	for _, c := range t.Chains {
		c.Rules = slices.DeleteFunc(slices.Clone(c.Rules), passingRule)
		if passing(c) {
			continue
		}
		add("chain", t.Backend, t.Family, t.Name, c.Name, c.Policy)
		for _, r := range c.Rules {
			add("rule", t.Backend, t.Family, t.Name, c.Name, r)
		}
	}
	for _, m := range t.Maps {
		add("map", t.Family, t.Name, m.Name, m.Type, m.Verdict)
		for _, e := range m.Elements {
			add("element", t.Family, t.Name, m.Name, e)
		}
	}
}

// passing reports whether a chain says nothing of what a host does with packets, and
// is there in one run and not in another: a base chain that lets everything pass,
// which exists from the moment at which somebody looks at its table, and the
// chains by which kubelet and kube-proxy see that nobody has flushed their rules,
// which they make again when they look (kubernetes pkg/kubelet/kubelet_network_linux.go,
// pkg/util/iptables Monitor). The kubelet's own, which guards loopback, is gone with
// the last scenario's rules, and back with the kubelet's next look, within a minute.
func passing(c dataplane.Chain) bool {
	switch c.Name {
	case "KUBE-KUBELET-CANARY", "KUBE-PROXY-CANARY", "KUBE-IPTABLES-HINT", kubeletChain:
		return true
	}
	return c.Policy == "ACCEPT" && len(c.Rules) == 0
}

const kubeletChain = "KUBE-FIREWALL"

// passingRule tells the rules that are there sooner or later: the jump to the kubelet's
// chain, and kube-proxy's for ClusterIPs that nobody has, which it writes at the first
// whole sync after it has learned of the ServiceCIDRs (kubernetes
// pkg/proxy/nftables/proxier.go OnServiceCIDRsChanged, setupNFTables).
func passingRule(rule string) bool {
	return strings.Contains(rule, "-j "+kubeletChain) || strings.Contains(rule, "Drop traffic to unallocated ClusterIPs")
}

// chance are the addresses of the lab's service range. The first is always that
// of Service default/kubernetes.
var chance = regexp.MustCompile(`\b10\.96\.[0-9]+\.[0-9]+\b`)

func forget(addr string) string {
	if addr == "10.96.0.0" || addr == "10.96.0.1" {
		return addr
	}
	return "10.96.x.x"
}

// phased puts its phase before each line of a run's answers, so that a
// difference names it.
func phased(observed string) string {
	var b strings.Builder
	phase := ""
	for line := range strings.Lines(observed) {
		if strings.HasPrefix(line, "[") {
			phase = strings.TrimSpace(line) + " "
			continue
		}
		b.WriteString(phase + line)
	}
	return b.String()
}

// lines tells which lines were lost and which are new.
func lines(name, want, got string) []string {
	was, is := strings.Split(strings.TrimSpace(want), "\n"), strings.Split(strings.TrimSpace(got), "\n")
	if slices.Equal(was, is) {
		return nil
	}
	diff := append(without(was, is, name+": -"), without(is, was, name+": +")...)
	if diff == nil {
		return []string{name + ": the order of the lines differs"}
	}
	return diff
}

// without are the lines of a that b has not, or not as often.
func without(a, b []string, mark string) []string {
	left := map[string]int{}
	for _, l := range b {
		left[l]++
	}
	var missing []string
	for _, l := range a {
		if left[l]--; left[l] < 0 {
			missing = append(missing, mark+l)
		}
	}
	return missing
}
