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
	"slices"
	"strings"
	"time"

	"k8s.io/client-go/rest"

	"whohas/bypass"
	"whohas/diagnose"
	"whohas/explain"
	"whohas/internal/console"
	"whohas/probe"
	"whohas/repair"
	"whohas/repair/heal"
	"whohas/repair/withdraw"
	"whohas/report"
	"whohas/source/host"
	"whohas/source/kubeconfig"
	"whohas/source/node"
)

// applying is a repair that is being done.
type applying struct {
	env *env
	*repairFlags
	seen   diagnose.Seen
	report *report.Repair
	to     io.Writer
	now    func() time.Time
	said   []string // for the outcome
	failed bool
}

// apply does what the plan has for this host and for the API, in this order: this host
// reaches the owner, and so the apiserver, again; then the claim goes; then it waits
// until the proxy here has learned of that.
func (e *env) apply(ctx context.Context, f *repairFlags, seen diagnose.Seen, r *report.Repair, quiet bool) error {
	a := &applying{env: e, repairFlags: f, seen: seen, report: r, to: e.Stdout, now: e.now}
	r.Claimed = true
	if quiet {
		a.to = e.Stderr
	}
	healing, err := a.begin(ctx)
	if err != nil {
		r.Outcome = strings.Join(a.said, "; ")
		return err
	}
	if healing != nil {
		defer healing.Close()
	}
	for _, step := range r.Ports {
		a.tell("ports", step.Text)
	}
	cfg, err := a.cluster(ctx)
	if err != nil {
		return err
	}
	atAPI := cfg != nil && len(r.Withdrawals) > 0
	if !atAPI && healing == nil {
		r.Outcome = "nothing was done: " + cmp.Or(strings.Join(r.Refused, "; "), "no address is held here, and no claim can be taken away from here")
		return nil
	}
	var errs []error
	var withdrawn withdraw.Outcome
	var stands error // why the claim does
	if atAPI {
		withdrawn, stands = a.withdraw(ctx, cfg)
		errs = append(errs, stands)
	}
	if healing != nil {
		errs = append(errs, a.wait(ctx, healing))
	}
	if !f.dryRun && !f.detach && ctx.Err() == nil {
		a.announce(ctx)
		if atAPI && stands == nil {
			errs = append(errs, a.verify(ctx, cfg, withdrawn))
			a.announce(ctx) // to those, too, that have only now let it go
		}
		a.mesh(ctx)
	}
	err = joined(errs)
	r.Healed = err == nil && !a.failed && !f.dryRun && !f.detach
	r.Detached = f.detach && r.Reaches && err == nil && !a.failed
	r.Outcome = strings.Join(a.said, "; ")
	return err
}

// begin heals this host, if it holds something.
func (a *applying) begin(ctx context.Context) (*heal.Healing, error) {
	if len(a.report.Targets) == 0 {
		return nil, nil
	}
	by := heal.By(a.by)
	if by == "" && a.report.Hold != "" {
		a.tell("by", "holding off: "+a.report.Hold)
		by = heal.ByHold
	}
	if by == heal.ByHold && a.detach {
		return nil, console.WithHint(errors.New("--detach: this host is healed by holding the address off: "+a.report.Hold), "run it without --detach")
	}
	h, err := heal.Begin(ctx, heal.Options{Targets: a.report.Targets, By: by, APIServers: a.servers(), DryRun: a.dryRun, Limit: a.limit, Waits: a.waits(),
		Tell: func(ev heal.Event) { a.tell(ev.Kind, ev.Text) }})
	switch {
	case errors.Is(err, heal.ErrHeld):
		return nil, console.WithHint(err, "wait for it, or look who runs it: pgrep -af whohas")
	case errors.Is(err, bypass.ErrNoPlace):
		return nil, console.WithHint(err, "--by hold keeps the address off instead")
	case err != nil:
		return nil, err
	case a.detach && !h.ByRule():
		h.Close()
		return nil, console.WithHint(errors.New("--detach: no routing rule could be put, and nobody would keep the address off"), "run it without --detach")
	}
	return h, nil
}

// cluster is the API, where credentials let in. A host that holds the apiserver's address
// could not read the Services before; it can now, and which claims there are is asked
// again.
func (a *applying) cluster(ctx context.Context) (*rest.Config, error) {
	cfg, whose, err := a.credentials(a.seen)
	if err != nil || cfg != nil && len(a.report.Withdrawals) > 0 || len(a.report.Targets) == 0 || a.dryRun {
		if cfg != nil && len(a.report.Withdrawals) > 0 {
			a.tell("api", "using "+whose)
		}
		return cfg, err
	}
	if !a.reached(ctx) {
		a.tell("api", "the apiserver does not answer yet: the claim is left as it is, withdraw it elsewhere or run this again")
		return nil, nil
	}
	for range againMost {
		seen, err := a.env.again(ctx, a.repairFlags)
		if err = cmp.Or(err, ctx.Err()); err != nil {
			a.tell("api", "could not look again, and the claim is left as it is: "+firstLine(err))
			return nil, nil
		}
		if cfg, whose, err = a.credentials(seen); err != nil || cfg == nil {
			return cfg, err // nobody here may withdraw it
		}
		if a.report.Withdrawals = repair.Make(seen, diagnose.Run(seen)).Withdrawals; len(a.report.Withdrawals) > 0 {
			a.tell("api", "the apiserver answers now: using "+whose)
			return cfg, nil
		}
	}
	a.tell("api", "no claim that could be withdrawn was found: see which Service has the address")
	return cfg, nil
}

// againMost is how often the cluster is asked for the claim: an apiserver that has just
// come into reach may be slow for a while.
const againMost = 3

// reachedLimit bounds the wait for an apiserver that has just come into reach.
const reachedLimit = 10 * time.Second

// reached waits until an apiserver answers where this host was told that one is.
func (a *applying) reached(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, reachedLimit)
	defer cancel()
	targets := node.APIServers(a.seen.Host)
	for len(targets) > 0 && ctx.Err() == nil {
		for _, d := range host.Connect(ctx, targets) {
			if d.Result == "accepted" && len(d.Names) > 0 {
				return true
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
	return false
}

// again looks at this host once more.
func (e *env) again(ctx context.Context, f *repairFlags) (diagnose.Seen, error) {
	l, err := e.look(ctx, &f.hostFlags, time.Now().Add(f.timeout))
	if err != nil {
		return diagnose.Seen{}, err
	}
	return e.judged(ctx, l, &f.inputs)
}

// tell writes down what happens, and shows it.
func (a *applying) tell(what, text string) {
	at := a.now()
	a.report.Events = append(a.report.Events, report.RepairEvent{At: at, What: what, Text: text})
	fmt.Fprintf(a.to, "%s  %s\n", at.Format(time.TimeOnly), report.Shown(text))
}

func (a *applying) withdraw(ctx context.Context, cfg *rest.Config) (withdraw.Outcome, error) {
	file := cmp.Or(a.undoFile, "whohas-undo-"+a.now().UTC().Format("20060102T150405")+".json")
	out, err := withdraw.Withdraw(ctx, withdraw.Options{Config: kubeconfig.Bounded(cfg), Withdrawals: a.report.Withdrawals, UndoFile: file, DryRun: a.dryRun,
		Tell: func(ev withdraw.Event) { a.tell("withdraw", said(ev)) }})
	if atFile := (*fs.PathError)(nil); errors.As(err, &atFile) {
		err = console.WithHint(err, "nothing is patched without a way back: name a file that can be written with --undo-file, such as /dev/shm/whohas-undo.json")
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
	a.report.Claimed = a.dryRun || len(out.Withdrawn()) < len(out.Items)
	if len(out.Withdrawn()) > 0 && !a.dryRun {
		a.said = append(a.said, "the claim is withdrawn (undo: whohas repair --undo "+file+")")
	}
	return out, nil
}

// wait stays until the proxy here has learned that nobody claims the address.
func (a *applying) wait(ctx context.Context, h *heal.Healing) error {
	if a.detach {
		a.leave(h.Targets(), a.reached(ctx))
		return nil
	}
	out, err := h.Wait(ctx)
	a.failed = a.failed || !out.Healed
	a.report.Reaches = out.ByRule && !out.Healed && !a.dryRun && passed(out.Targets)
	if out.Why != "" {
		a.said = append(a.said, out.Why)
	}
	if a.report.Reaches {
		a.said = append(a.said, "the host reaches the owner by its routing rule, which stands until this is run again")
	}
	return err
}

// leave says how it stands when nobody waits; reached: an apiserver answers.
func (a *applying) leave(targets []heal.TargetOutcome, reached bool) {
	for _, t := range targets {
		if t.LetGo != "" {
			a.said = append(a.said, fmt.Sprintf("%s was left alone: %s", t.Prefix.Addr(), t.LetGo))
		}
	}
	if a.report.Reaches = passed(targets); !a.report.Reaches {
		return
	}
	a.said = append(a.said, "the host sends what is for the owner to the owner; the routing rule stands: run whohas repair --apply again when the claim is gone, to take it back")
	switch {
	case len(node.APIServers(a.seen.Host)) == 0:
		a.said = append(a.said, "no file here says where the apiserver is: whether it answers is not known")
	case reached:
		a.said = append(a.said, "the apiserver answers")
	default:
		a.failed = true
		a.said = append(a.said, "the apiserver does not answer yet")
	}
}

// passed reports whether a target is passed over: not all were left alone.
func passed(targets []heal.TargetOutcome) bool {
	return slices.ContainsFunc(targets, func(t heal.TargetOutcome) bool { return t.LetGo == "" })
}

// waits asks what of this host's BGP is not back, which by rule may need the address off.
func (a *applying) waits() func(context.Context) []string {
	lost := a.lost()
	if len(lost) == 0 {
		return nil
	}
	var since time.Time
	return func(ctx context.Context) []string {
		h, _ := host.Read(ctx, onlyMesh(a.root))
		missing := repair.MissingRoutes(&h, lost)
		if len(missing) > 0 && since.IsZero() {
			since = time.Now()
		}
		if len(missing) > 0 && time.Since(since) > routesLimit {
			return nil
		}
		return missing
	}
}

// routesLimit is how long routes are waited for once their session is up: BIRD scans the
// kernel's table every ten seconds with Calico (projectcalico confd/etc/calico/confd/templates/bird.cfg.template,
// kernel scan time 10).
const routesLimit = time.Minute

func (a *applying) lost() []netip.Addr {
	return repair.Lost(a.seen.Host, append([]netip.Addr{a.report.Address}, targetsOf(a.report.Targets)...)...)
}

// servers are where the apiserver is reached when the address is off.
func (a *applying) servers() []netip.AddrPort {
	var out []netip.AddrPort
	for _, w := range a.seen.Host.Configured {
		agent := w.For != "kubectl" // whose file may name another cluster's
		if to := netip.AddrPortFrom(w.IP, w.Port); w.What == "apiserver" && agent && w.IP.IsValid() && w.Port != 0 && !slices.Contains(out, to) {
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
		if ip := x.Prefix.Addr(); ip != a.report.Address || !node.OnWire(h, x) {
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
	v, err := withdraw.Verify(ctx, withdraw.VerifyOptions{Config: kubeconfig.Bounded(cfg), Withdrawals: withdrawn.Withdrawn(),
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

// mesh waits until the BGP sessions and tunnel routes that this host lost are back.
func (a *applying) mesh(ctx context.Context) {
	lost := a.lost()
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
	o := host.Options{Root: root, Userspace: true, Timeout: node.SectionLimit}
	o.Skip = slices.DeleteFunc(append(host.Sections(), host.Userspace()...), func(s string) bool {
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
		cfg, err := kubeconfig.Named(&f.kube, agent())
		return cfg, "the kubeconfig that was named", err
	}
	for _, path := range node.AdminKubeconfigs(f.root) {
		cfg, err := clusterOf(path)
		if err == nil && node.Answered(seen.Host, seen.Host.Connects, cfg.Host) {
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
		return console.WithHint(fmt.Errorf("read kubeconfig: %w", err), "name the cluster with --kubeconfig or --context")
	}
	return withdraw.Undo(ctx, kubeconfig.Bounded(cfg), f.undo, func(ev withdraw.Event) { fmt.Fprintln(e.Stdout, report.Shown(said(ev))) })
}

// undoConfig is the cluster that the command line names, else an administrator's file
// on this host, as repair --apply takes them, else the current context.
func (f *repairFlags) undoConfig() (*rest.Config, error) {
	if !f.named() {
		for _, path := range node.AdminKubeconfigs(f.root) {
			if cfg, err := clusterOf(path); err == nil {
				return cfg, nil
			}
		}
	}
	return kubeconfig.Named(&f.kube, agent())
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

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}
