// SPDX-License-Identifier: Apache-2.0

//go:build linux

package director

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"

	"whohas/lab"
	"whohas/lab/component"
	"whohas/lab/site"
)

// build makes the scenario's hosts and starts its cluster.
func (p *player) build(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, setupLimit, errSetup)
	defer cancel()
	var err error
	if p.site, err = site.Build(p.scenario.Topology, p.hosts); err != nil {
		return err
	}
	if p.scenario.KernelOnly() {
		return nil
	}
	p.cluster = component.New(p.scenario.Cluster, p.site)
	return p.cluster.Begin(ctx, p.note)
}

var errSetup = fmt.Errorf("the cluster was not well after %s", setupLimit)

func (p *player) clearSite() error {
	if p.cluster != nil {
		p.cluster.Close()
	}
	if p.site == nil {
		return nil
	}
	return p.site.Close()
}

// alive tells of a component that died.
func (p *player) alive() error {
	if p.cluster == nil {
		return nil
	}
	return p.cluster.Died()
}

// bringLogs brings the components' logs.
func (p *player) bringLogs() error {
	if p.cluster == nil {
		return nil
	}
	var errs []error
	for _, x := range p.cluster.Processes() {
		errs = append(errs, p.bring("logs/"+x.Host.Name+"-"+x.Name+".log", x.Log()))
	}
	return errors.Join(errs...)
}

// versions is what runs: the kernel, the components, and Debian's programs.
func (p *player) versions() string {
	var b strings.Builder
	fmt.Fprintf(&b, "kernel %s\n", kernelRelease())
	for _, c := range p.scenario.Cluster.Programs() {
		out, err := exec.Command(c.Path, "--version").CombinedOutput()
		if err != nil {
			out = []byte(err.Error())
		}
		fmt.Fprintf(&b, "%s %s\n", c.Name, version(string(out)))
	}
	return b.String()
}

// version is the word of a text that begins like a version.
func version(text string) string {
	for word := range strings.FieldsSeq(text) {
		word = strings.TrimPrefix(word, "v")
		if len(word) > 2 && word[0] >= '0' && word[0] <= '9' && strings.Contains(word, ".") {
			return word
		}
	}
	return strings.TrimSpace(text)
}

// operate starts, stops or restarts a component, or a whole host.
func (p *player) operate(ctx context.Context, s lab.Step) error {
	if s.Verb == lab.Reboot {
		return p.reboot(s.Host)
	}
	if p.cluster == nil {
		return errNoCluster
	}
	name := s.Args[0]
	if s.Verb != lab.Start {
		if err := p.cluster.Stop(name, s.Host); err != nil {
			return err
		}
	}
	if s.Verb != lab.Stop {
		return p.cluster.Start(name, s.Host)
	}
	return nil
}

var errNoCluster = errors.New("this scenario has no cluster")

// reboot ends what runs on a host, takes its kernel state, and starts all again.
func (p *player) reboot(host string) error {
	var names []string
	if p.cluster != nil {
		for _, x := range p.cluster.On(host) {
			names = append(names, x.Name)
			x.Kill()
		}
	}
	if err := p.site.Reboot(host); err != nil {
		return err
	}
	for _, name := range names {
		if err := p.cluster.Start(name, host); err != nil {
			return err
		}
	}
	return nil
}
