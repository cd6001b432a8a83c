// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"maps"
	"slices"
	"strings"

	"whohas/dataplane"
)

// check finds what is wrong with the whole: names that lead nowhere, and what
// could not run.
func (p *parser) check(s *Scenario) {
	switch {
	case s.Title == "":
		p.fail(1, "the header says nothing: begin with a comment that tells what the scenario shows")
	case len(s.Topology.Hosts) == 0:
		p.fail(1, "no hosts: want a section topology, or topology: NAME in the header")
	case len(s.Steps) == 0:
		p.fail(1, "no steps: want a section steps")
	}
	p.checkCluster(s)
	used := map[string]bool{}
	begun := map[string]bool{}
	for _, step := range s.Steps {
		p.checkPlaces(s, step)
		p.checkNeeds(s, step)
		p.checkSections(s, step, used)
		p.checkNames(step, begun)
	}
	for _, name := range slices.Sorted(maps.Keys(s.Files)) {
		if !used[name] {
			p.fail(p.lines[name], "section %s: no step names it; want topology, cluster, steps, or what apply or matrix names", name)
		}
	}
}

// checkPlaces looks for the hosts and Pods that a step names.
func (p *parser) checkPlaces(s *Scenario, step Step) {
	names := []string{}
	if step.Host != "" {
		names = append(names, step.Host)
	}
	if step.Query.Subject != "" && step.Query.Subject != cluster {
		names = append(names, step.Query.Subject)
	}
	if step.Verb == Matrix {
		names = append(names, matrixHosts(step)...)
	}
	for _, name := range names {
		if !s.Topology.Has(name) {
			p.fail(step.Line, "no host or pod %s", name)
		}
	}
	if slices.Contains([]Verb{Start, Stop, Restart, Reboot}, step.Verb) {
		if _, ok := s.Topology.Host(step.Host); !ok {
			p.fail(step.Line, "%s %s: a pod runs no components: want a host", step.Verb, step.Host)
		}
	}
}

// checkNeeds looks whether what a step speaks of is there at all.
func (p *parser) checkNeeds(s *Scenario, step Step) {
	if s.KernelOnly() && (step.Verb.NeedsCluster() || step.Query.NeedsCluster()) {
		p.fail(step.Line, "%s: this scenario has no cluster: want a section cluster", step)
	}
	if step.Query.Subject == cluster && !slices.Contains(s.Cluster.Nodes, step.Query.Args[0]) {
		p.fail(step.Line, "no node %s: want one of %s", step.Query.Args[0], strings.Join(s.Cluster.Nodes, ", "))
	}
}

func matrixHosts(step Step) []string { return step.Args[1 : len(step.Args)-2] }

// checkSections looks for the sections that a step names, and notes them.
func (p *parser) checkSections(s *Scenario, step Step, used map[string]bool) {
	if step.Verb != Apply && step.Verb != Matrix {
		return
	}
	section := step.Args[len(step.Args)-1]
	text, ok := s.Files[section]
	if !ok {
		p.fail(step.Line, "%s: no section %s", step.Verb, section)
		return
	}
	used[section] = true
	if step.Verb == Matrix {
		p.checkMatrix(section, text, matrixHosts(step))
	}
}

// checkMatrix looks whether a table has a cell for each pair of hosts, and no
// other: what is misspelt would not be compared.
func (p *parser) checkMatrix(section, text string, hosts []string) {
	want := slices.Sorted(slices.Values(hosts))
	var heads, rows []string
	for i, line := range strings.Split(text, "\n") {
		words := strings.Fields(line)
		switch {
		case len(words) == 0:
		case heads == nil:
			heads = words
		case len(words) != len(heads)+1:
			p.fail(p.lines[section]+i, "%s: %d cells, want %d", words[0], len(words)-1, len(heads))
		default:
			rows = append(rows, words[0])
		}
	}
	slices.Sort(rows)
	if slices.Sort(heads); !slices.Equal(heads, want) || !slices.Equal(rows, want) {
		p.fail(p.lines[section], "want a column and a row for each of %s", strings.Join(hosts, ", "))
	}
}

// checkNames looks for names that stand twice, or for nothing.
func (p *parser) checkNames(step Step, begun map[string]bool) {
	switch step.Verb {
	case Begin:
		if begun[step.Args[0]] {
			p.fail(step.Line, "begin %s: it runs already", step.Args[0])
		}
		begun[step.Args[0]] = true
	case End, Finish:
		if !begun[step.Args[0]] {
			p.fail(step.Line, "%s %s: nothing began as that", step.Verb, step.Args[0])
		}
		delete(begun, step.Args[0])
	case Record:
		key := "record " + step.Args[0]
		if begun[key] {
			p.fail(step.Line, "%s: stands twice", key)
		}
		begun[key] = true
	}
}

func (p *parser) checkCluster(s *Scenario) {
	c := s.Cluster
	line := p.lines["cluster"]
	if s.KernelOnly() {
		if line > 0 {
			p.fail(line, "no control-plane: want control-plane HOST")
		}
		return
	}
	hosts := append(slices.Clone(c.Nodes), c.ControlPlane)
	for _, name := range append(hosts, slices.Sorted(maps.Keys(c.Servers))...) {
		h, ok := s.Topology.Host(name)
		switch {
		case !ok:
			p.fail(line, "no host %s", name)
		case !h.Address().IsValid():
			p.fail(line, "host %s has no address, which a node needs", name)
		case !h.Gateway.IsValid():
			p.fail(line, "host %s has no gateway: a kubelet finds its address by the default route", name)
		}
	}
	p.checkKernel(s, line)
}

// checkKernel looks whether the back ends have what the cluster needs.
func (p *parser) checkKernel(s *Scenario, line int) {
	c := s.Cluster
	if s.Runs(UML) && c.Proxy.Mode == dataplane.NFTables {
		p.fail(line, "User Mode Linux has no nftables: want backends: netns")
	}
	if s.Runs(Namespaces) && (c.Proxy.Mode == dataplane.IPVS || c.BIRD) {
		p.fail(line, "this needs IPVS or ipip, which back end netns may lack: want backends: uml")
	}
	if c.Proxy.Mode == dataplane.NFTables && c.Proxy.Version == "1.25" {
		p.fail(line, "kube-proxy 1.25 has no mode nftables")
	}
}
