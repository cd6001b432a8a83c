// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"k8s.io/client-go/rest"

	"whohas/diagnose"
	"whohas/explain"
	"whohas/probe"
	"whohas/repair"
	"whohas/repair/hold"
	"whohas/repair/withdraw"
	"whohas/report"
	"whohas/source/host"
)

// applying is a repair that is being done.
type applying struct {
	*repairFlags
	seen   diagnose.Seen
	report *report.Repair
	to     io.Writer
	now    func() time.Time
	said   []string // for the outcome
	failed bool
}

// apply does what the plan has for this host and for the API, in this order: the
// claim, then the address, then it looks.
func (e *env) apply(ctx context.Context, f *repairFlags, seen diagnose.Seen, r *report.Repair, quiet bool) error {
	a := &applying{repairFlags: f, seen: seen, report: r, to: e.stdout, now: e.now}
	if quiet {
		a.to = e.stderr
	}
	cfg, whose, err := f.credentials(seen)
	if err != nil {
		return err
	}
	atAPI := cfg != nil && len(r.Withdrawals) > 0
	if !atAPI && len(r.Targets) == 0 {
		r.Outcome = "nothing was done: " + cmp.Or(strings.Join(r.Refused, "; "), "no address is held here, and no claim can be taken away from here")
		return nil
	}
	var errs []error
	var withdrawn withdraw.Outcome
	var stands error // why the claim does
	if atAPI {
		a.tell("api", "using "+whose)
		withdrawn, stands = a.withdraw(ctx, cfg)
		errs = append(errs, stands)
	}
	if len(r.Targets) > 0 { // also where the claim could not be taken away: the address must go
		errs = append(errs, a.hold(ctx))
	}
	if !f.dryRun && ctx.Err() == nil {
		a.announce(ctx)
		if atAPI && stands == nil {
			errs = append(errs, a.verify(ctx, cfg, withdrawn))
			a.announce(ctx) // to those, too, that have only now let it go
		}
		a.mesh(ctx)
	}
	err = joined(errs)
	r.Healed = err == nil && !a.failed && !f.dryRun
	r.Outcome = strings.Join(a.said, "; ")
	return err
}

// tell writes down what happens, and shows it.
func (a *applying) tell(what, text string) {
	at := a.now()
	a.report.Events = append(a.report.Events, report.RepairEvent{At: at, What: what, Text: text})
	fmt.Fprintf(a.to, "%s  %s\n", at.Format(time.TimeOnly), report.Shown(text))
}

func (a *applying) withdraw(ctx context.Context, cfg *rest.Config) (withdraw.Outcome, error) {
	file := cmp.Or(a.undoFile, "whohas-undo-"+a.now().UTC().Format("20060102T150405")+".json")
	out, err := withdraw.Withdraw(ctx, withdraw.Options{Config: bounded(cfg), Withdrawals: a.report.Withdrawals, UndoFile: file, DryRun: a.dryRun,
		Tell: func(ev withdraw.Event) { a.tell("withdraw", said(ev)) }})
	if atFile := (*fs.PathError)(nil); errors.As(err, &atFile) {
		err = withHint(err, "nothing is patched without a way back: name a file that can be written with --undo-file, such as /dev/shm/whohas-undo.json")
	}
	if err != nil {
		a.said = append(a.said, "the claim stands")
		return out, err
	}
	for _, item := range out.Items {
		switch item.Result {
		case withdraw.Done, withdraw.Gone:
		default:
			a.failed = true
			a.said = append(a.said, fmt.Sprintf("%s was left as it is (%s): %s", item.On, item.Result, item.Detail))
		}
	}
	if len(out.Withdrawn()) > 0 && !a.dryRun {
		a.said = append(a.said, "the claim is withdrawn (undo: whohas repair --undo "+file+")")
	}
	return out, nil
}

func (a *applying) hold(ctx context.Context) error {
	out, err := hold.Hold(ctx, hold.Options{Targets: a.report.Targets, APIServers: a.servers(), DryRun: a.dryRun, Limit: a.limit,
		Tell: func(ev hold.Event) { a.tell(ev.Kind, ev.Text) }})
	if errors.Is(err, hold.ErrHeld) {
		err = withHint(err, "wait for it, or look who runs it: pgrep -af whohas")
	}
	a.failed = a.failed || !out.Healed
	if out.Why != "" {
		a.said = append(a.said, out.Why)
	}
	return err
}

// servers are where the apiserver is reached when the address is off.
func (a *applying) servers() []netip.AddrPort {
	var out []netip.AddrPort
	for _, w := range a.seen.Host.Told {
		agent := w.For != "kubectl" // whose file may name another cluster's
		if to := netip.AddrPortFrom(w.IP.Unmap(), w.Port); w.What == "apiserver" && agent && w.IP.IsValid() && w.Port != 0 && !slices.Contains(out, to) {
			out = append(out, to)
		}
	}
	return out
}

// announce tells the wire whose the address is, where it is this host's own: who asked
// while others answered for it remembers them.
func (a *applying) announce(ctx context.Context) {
	h := a.seen.Host
	for _, x := range h.Addresses {
		if ip := x.Prefix.Addr().Unmap(); ip != a.report.Address || !onWire(h, x) {
			continue
		}
		if err := probe.Announce(ctx, probe.Target{Link: x.Link, IP: a.report.Address}); err != nil {
			a.tell("announce", "could not announce "+a.report.Address.String()+": "+firstLine(err))
			continue
		}
		a.tell("announce", fmt.Sprintf("announced %s on %s: whoever remembers another host's hardware address for it takes this one's", a.report.Address, x.Link))
	}
}

// verify waits for the Nodes.
func (a *applying) verify(ctx context.Context, cfg *rest.Config, withdrawn withdraw.Outcome) error {
	a.tell("verify", "waiting until the claim is gone and every Node is Ready")
	ctx, cancel := context.WithTimeout(ctx, a.limit)
	defer cancel()
	v, err := withdraw.Verify(ctx, withdraw.VerifyOptions{Config: bounded(cfg), Withdrawals: withdrawn.Withdrawn(),
		Tell: func(ev withdraw.Event) { a.tell("verify", said(ev)) }})
	if err != nil {
		return err
	}
	if v.OK() {
		a.said = append(a.said, "every Node is Ready")
		return nil
	}
	a.failed = true
	for what, list := range map[string][]string{"still claimed": v.Standing, "not Ready": v.NotReady, "not seen": v.Unseen} {
		if len(list) > 0 {
			a.said = append(a.said, what+": "+strings.Join(list, ", "))
		}
	}
	slices.Sort(a.said)
	return nil
}

// meshLimit bounds the wait for BGP: BIRD waits for up to five minutes before it tries
// again after an error (bird doc: error wait time 60, 300).
const meshLimit = 6 * time.Minute

// mesh waits for the sessions that the theft has cost this host, and for their tunnel
// routes.
func (a *applying) mesh(ctx context.Context) {
	lost := repair.Lost(a.seen.Host, append([]netip.Addr{a.report.Address}, targetsOf(a.report.Targets)...)...)
	if len(lost) == 0 {
		return
	}
	a.tell("verify", "waiting for BGP with "+addressList(lost))
	ctx, cancel := context.WithTimeout(ctx, min(a.limit, meshLimit))
	defer cancel()
	told := ""
	var missing []string
	for ctx.Err() == nil {
		h, _ := host.Read(ctx, onlyMesh(a.root))
		if missing = repair.Missing(&h, lost); len(missing) == 0 {
			a.said = append(a.said, "sessions and tunnel routes are back")
			return
		}
		if text := strings.Join(missing, ", "); text != told {
			told = text
			a.tell("verify", "not back yet: "+text)
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
	a.failed = true
	a.said = append(a.said, "not back yet: "+strings.Join(missing, ", "))
}

func onlyMesh(root string) host.Options {
	o := host.Options{Root: root, Station: true, Timeout: sectionLimit}
	o.Skip = slices.DeleteFunc(append(host.Sections(), host.Station()...), func(s string) bool {
		return s == host.Links || s == host.Routes || s == host.Sessions
	})
	return o
}

func targetsOf(targets []repair.Target) []netip.Addr {
	var out []netip.Addr
	for _, t := range targets {
		out = append(out, t.Prefix.Addr())
	}
	return out
}

func addressList(list []netip.Addr) string {
	var out []string
	for _, ip := range list {
		out = append(out, ip.String())
	}
	return explain.Names(out)
}

// credentials are those that the command line names, or an administrator's on this
// host, where an apiserver has answered. None is no error.
func (f *repairFlags) credentials(seen diagnose.Seen) (*rest.Config, string, error) {
	if f.named() {
		cfg, err := restConfigOf(f.kube)
		return cfg, "the kubeconfig that was named", err
	}
	for _, name := range kubeconfigs {
		if strings.Contains(name, "kubelet") {
			continue // which may not patch
		}
		path := filepath.Join(f.root, name)
		cfg, err := restConfig(path)
		if err == nil && answered(seen.Host, seen.Host.Dials, cfg.Host) {
			return cfg, path, nil
		}
	}
	return nil, "", nil
}

// undo puts back what an earlier run took away.
func (e *env) undo(ctx context.Context, f *repairFlags) error {
	limit := time.Minute
	if f.flags.Changed("timeout") {
		limit = f.timeout
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	cfg, err := f.undoConfig()
	if err != nil {
		return withHint(fmt.Errorf("read kubeconfig: %w", err), "name the cluster with --kubeconfig or --context")
	}
	return withdraw.Undo(ctx, bounded(cfg), f.undo, func(ev withdraw.Event) { fmt.Fprintln(e.stdout, report.Shown(said(ev))) })
}

// undoConfig is the cluster that the command line names, else an administrator's file
// on this host, as repair --apply takes them, else the current context.
func (f *repairFlags) undoConfig() (*rest.Config, error) {
	for _, name := range kubeconfigs {
		if f.named() || strings.Contains(name, "kubelet") {
			continue
		}
		if cfg, err := restConfig(filepath.Join(f.root, name)); err == nil {
			return cfg, nil
		}
	}
	return restConfigOf(f.kube)
}

// said is an event with the object that it is about.
func said(ev withdraw.Event) string {
	text := ev.Text
	if !ev.On.IsZero() {
		text = ev.On.String() + ": " + text
	}
	if ev.Warning {
		text = "warning: " + text
	}
	return text
}
