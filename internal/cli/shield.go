// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"whohas/bypass"
	"whohas/bypass/rtnetlink"
	"whohas/check"
	"whohas/command"
	"whohas/internal/console"
	"whohas/report"
	"whohas/shield"
	"whohas/shield/watch"
)

type shieldFlags struct {
	hostFlags
	apply, remove, status, watch bool
}

func (e *env) shieldCommand() *cobra.Command {
	f := &shieldFlags{}
	cmd := &cobra.Command{
		Use:   "shield",
		Short: "On a node, before the outage: keep the addresses without which it is lost",
		Long: `Shield puts a routing rule for each of the few addresses of other hosts without which
this host is lost: apiservers, etcd's members, and, where it is known that they are no
Service's, its gateway, resolvers, time and storage servers. The rule leads past the
local table for that address. Whatever a Service then claims, and whatever kube-proxy
binds, the host goes on reaching the owner: the outage cannot happen here.

Without --apply nothing is done: it says which addresses, by what evidence, which not
and why, and the commands.

A rule must never stand for an address that becomes this host's own: the host would not
reach itself at it. --apply takes only what is another host's own by evidence; --watch
stays, takes a rule away at once when its address comes to this host, and puts the rules
again when somebody has removed them. An address that only kubeconfigs name may be a
virtual one, and is left out unless --owner says that it is a host's.

The local table's own rule stays where it is, so that whoever flushes the rules leaves a
host that works. Rules are gone after a reboot: docs/shield.md has a systemd unit and a
DaemonSet. They do not help for the ports that the Service itself claims, which IPVS
takes whatever the routes say.

Exit status: 0 as it should be: the shield stands, or was put, or removed; 1 it does not
stand, or not all of it; 2 it could not work.`,
		Example: `  sudo whohas shield                          # the plan
  sudo whohas shield --apply
  sudo whohas shield --status                 # what stands now
  sudo whohas shield --watch --owner 192.168.10.114
  sudo whohas shield --remove`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return e.shield(cmd.Context(), f) },
	}
	flags := cmd.Flags()
	f.register(flags, repairTimeout)
	flags.Lookup("timeout").Usage = "bounds what is read"
	flags.BoolVar(&f.apply, "apply", false, "put the rules; others that are there already stay")
	flags.BoolVar(&f.remove, "remove", false, "take the rules of every shield on this host")
	flags.BoolVar(&f.status, "status", false, "say what stands, and nothing else")
	flags.BoolVar(&f.watch, "watch", false, "put the rules and stay: put them again, and take them at once where the host becomes an address's owner")
	return cmd
}

func (f *shieldFlags) validate() error {
	does := 0
	for _, is := range []bool{f.apply, f.remove, f.status, f.watch} {
		if is {
			does++
		}
	}
	if does > 1 {
		return console.WithHint(errors.New("--apply, --remove, --status, --watch: more than one of them"), "one after the other")
	}
	if f.watch && len(f.outputs) > 0 {
		return console.WithHint(errors.New("--watch with --output"), "it tells what it does, line by line")
	}
	return f.inputs.validate()
}

func (e *env) shield(ctx context.Context, f *shieldFlags) error {
	outputs, err := parseOutputs(f.outputs, report.ShieldFormats())
	if err != nil {
		return err
	}
	if err := cmp.Or(f.validate(), f.effective(f.named())); err != nil {
		return err
	}
	_, release, x, err := e.examine(ctx, &f.hostFlags)
	defer release()
	if err != nil {
		return err
	}
	if err := e.onLinux(); err != nil && !x.captured {
		return err
	}
	if does := anyOf(f.flags, "apply", "remove", "watch"); does != "" && x.captured {
		return console.WithHint(fmt.Errorf("--%s with a captured host", does), "run it on the host itself")
	}
	r := &report.Shield{Plan: shield.Make(x.Seen), Tool: console.Version(), Coverage: check.Coverage(x.Snapshot, x.View, x.Facts), Done: f.deed()}
	if !x.whole && (f.apply || f.watch) {
		return errors.New("nothing was done: not all that --require asks for was read")
	}
	release()
	if f.watch {
		e.end.during("watching")
		return e.watchShield(ctx, r)
	}
	if f.apply || f.remove {
		e.end.during("putting the shield")
		if err := e.putShield(ctx, f, r); err != nil {
			return err
		}
	}
	judging, done := e.end.begin(context.WithoutCancel(ctx), &f.inputs, f.until())
	defer done()
	e.status = shieldStatus(f, r)
	unwritten := writeAll(judging, e, outputs, report.ShieldFormats(), r)
	return cmp.Or(e.end.ended(judging), unwritten)
}

// deed is what was asked for.
func (f *shieldFlags) deed() string {
	return cmp.Or(anyOf(f.flags, "apply", "remove", "status"), "plan")
}

// putShield puts the rules, or takes them, and looks what stands then.
func (e *env) putShield(ctx context.Context, f *shieldFlags, r *report.Shield) error {
	conn, err := rtnetlink.Open()
	if err != nil {
		return err
	}
	defer conn.Close()
	switch {
	case f.remove:
		_, err = conn.Take(ctx, bypass.Shield)
	case r.Refused != "":
		return console.WithHint(errors.New(r.Refused), "nothing was done")
	default: // what stands beside stays: in an outage the evidence for it may be out of reach
		_, err = conn.Put(ctx, bypass.Shield, r.Addresses()...)
	}
	if err != nil {
		return err
	}
	h, err := conn.Read(ctx)
	if err != nil {
		return err
	}
	wanted := r.Addresses()
	if f.remove {
		wanted = nil
	}
	r.Plan = r.For(h, wanted)
	return nil
}

// watchShield stays until it is told to end.
func (e *env) watchShield(ctx context.Context, r *report.Shield) error {
	addresses := append(r.Addresses(), r.Own...)
	switch {
	case len(addresses) == 0:
		return console.WithHint(errors.New("there is no address to shield here"), "--owner ADDRESS names one that is another host's")
	case r.Refused != "":
		return errors.New(r.Refused)
	}
	for _, ip := range addresses {
		fmt.Fprintf(e.Stdout, "%s  shielding %s\n", e.now().Format(time.TimeOnly), ip)
	}
	err := watch.Run(ctx, watch.Options{Addresses: addresses, Tell: func(ev watch.Event) {
		text := ev.Text
		if ev.IP.IsValid() {
			text = ev.IP.String() + ": " + text
		}
		fmt.Fprintf(e.Stdout, "%s  %s\n", ev.At.Format(time.TimeOnly), report.Shown(text))
	}})
	if errors.Is(err, context.Canceled) {
		fmt.Fprintln(e.Stdout, command.As(e.Name, "ended; the rules stand (whohas shield --remove takes them)"))
		return nil
	}
	return err
}

// shieldStatus is 0 if all stands that should.
func shieldStatus(f *shieldFlags, r *report.Shield) int {
	standing := func(ip netip.Addr) bool {
		return slices.ContainsFunc(r.Standing, func(b bypass.Bypass) bool { return b.IP == ip && b.InForce })
	}
	switch {
	case f.remove && len(r.Standing) == 0:
		return exitOK
	case f.remove, len(r.Shielded) == 0 && !f.status, len(r.Standing) == 0, slices.ContainsFunc(r.Standing, func(b bypass.Bypass) bool { return !b.InForce }), slices.ContainsFunc(r.Addresses(), func(ip netip.Addr) bool { return !standing(ip) }):
		return exitFindings
	}
	return exitOK
}
