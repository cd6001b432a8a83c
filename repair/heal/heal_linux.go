// SPDX-License-Identifier: Apache-2.0

package heal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"whohas/bypass/rtnetlink"
	"whohas/dataplane"
	"whohas/kubeproxy"
	"whohas/repair"
	"whohas/source/host"
)

// Begin heals this host: from now on it sends what is meant for the targets' owners to
// them, or, by deletion, their addresses are kept off their devices. It returns when
// that is so, and goes on until Close. The errors: a target that nobody may remove;
// ErrHeld; what wraps os.ErrPermission; the context's; with ByRule, why the rules do not
// do it, with nothing left behind.
//
// It works in the network namespace of the calling thread: a caller that is not in
// the process's own has locked its goroutine to the thread, also for Wait. Before each
// removal it looks whether the device is the proxy's, and whether the address has
// appeared on another device: then this host has become its owner, its rules go at
// once, and it is left alone.
func Begin(ctx context.Context, o Options) (*Healing, error) {
	targets, err := tidy(o.Targets)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, fmt.Errorf("heal: %w", err)
	}
	h, err := open(o, targets)
	if err != nil {
		return nil, fmt.Errorf("heal: %w", err)
	}
	if err := h.begin(ctx); err != nil {
		h.Close()
		return nil, fmt.Errorf("heal: %w", err)
	}
	return h, nil
}

// Heal is Begin, Wait and Close.
func Heal(ctx context.Context, o Options) (Outcome, error) {
	h, err := Begin(ctx, o)
	if err != nil {
		return Outcome{}, err
	}
	defer h.Close()
	return h.Wait(ctx)
}

// Healing is a repair at work. Its methods are one goroutine's at a time.
type Healing struct {
	*world
	options Options
	targets []repair.Target
	state   *state
	kernel  kernel
	keeper  *keeper
	lock    lock
	journal *journal
	events  *eventQueue
	stop    context.CancelCauseFunc // the keeper
	kept    chan struct{}           // closed when the keeper has ended, by this error
	failed  error
	keeping context.Context // ends with the keeper

	asked   map[string]time.Time // when each thing was last asked
	took    time.Duration        // to list the virtual servers, last time
	answer  string               // the apiserver's, as last told
	servers string               // what was last told of virtual servers
	waits   string               // what was last told that waits for the address to go
}

// open takes the lock, and listens before anything is looked at.
func open(o Options, targets []repair.Target) (*Healing, error) {
	h := &Healing{world: cmp.Or(o.world, thisWorld()), options: o, targets: targets, lock: -1, asked: map[string]time.Time{}}
	h.state = &state{stopCondition: newStopCondition(h.thresholds, targets)}
	if !o.DryRun {
		var err error
		if h.lock, err = take(); err != nil {
			return nil, err
		}
	}
	k, err := openKernel(h.buffer)
	if err == nil && !o.DryRun {
		err = permitted(k)
	}
	var rules *rtnetlink.Conn
	if err == nil && o.By != ByHold {
		rules, err = rtnetlink.Open()
	}
	if err != nil {
		h.lock.release()
		if k != nil {
			k.close()
		}
		return nil, err
	}
	h.kernel = k
	var out []func(Event)
	if !o.DryRun { // which does nothing that a journal should know
		h.journal = openJournal(h.world.journal)
		out = append(out, h.journal.write)
	}
	if o.Tell != nil {
		out = append(out, o.Tell)
	}
	h.events = newEventQueue(out...)
	h.keeper = &keeper{kernel: k, rules: rules, kind: h.kind, second: h.second, dry: o.DryRun, targets: targets,
		spots: map[spot]bool{}, state: h.state, say: h.events.say}
	return h, nil
}

// ByRule reports whether the host is healed by routing rules, and not by deletion.
func (h *Healing) ByRule() bool { return h.keeper.rules != nil }

// Targets is how it stands with each target now.
func (h *Healing) Targets() []TargetOutcome {
	var out Outcome
	h.state.with(func(j *stopCondition) { out = j.outcome(time.Now()) })
	return out.Targets
}

// Close ends the healing. By rule what was put stands, unless Wait has taken it back.
func (h *Healing) Close() {
	if h.stop != nil {
		h.stop(nil)
		<-h.kept
	}
	h.events.end()
	h.journal.close()
	h.kernel.close()
	if h.keeper.rules != nil {
		h.keeper.rules.Close()
	}
	h.lock.release()
}

func (h *Healing) say(kind, format string, args ...any) {
	h.events.say(Event{At: time.Now(), Kind: kind, Text: fmt.Sprintf(format, args...)})
}

var errLimit = errors.New("the time limit")

// begin looks, heals, and lets the keeper watch.
func (h *Healing) begin(ctx context.Context) error {
	for _, t := range h.targets {
		h.events.say(Event{At: time.Now(), Kind: Begun, Prefix: t.Prefix, Device: t.Device,
			Text: fmt.Sprintf("%s on %s is another host's: %s", t.Prefix, t.Device, strings.Join(t.Evidence, "; "))})
	}
	h.leaveClusterIPs(ctx)
	if err := h.keeper.look(); err != nil {
		return err
	}
	h.sayAbsent()
	if err := h.byRule(ctx); err != nil {
		return err
	}
	h.kept = make(chan struct{})
	if h.options.DryRun {
		close(h.kept)
		return nil
	}
	h.keeping, h.stop = context.WithCancelCause(context.WithoutCancel(ctx))
	go func() {
		h.failed = h.keeper.run(h.keeping)
		close(h.kept)
		h.stop(h.failed)
	}()
	return nil
}

// Wait waits until the package's conditions are met, the limit is over, or the context
// ends. Then Outcome says how far it came, also beside an error. When it is over the
// rules are taken back; else they stand, and the next repair goes on from there.
func (h *Healing) Wait(ctx context.Context) (Outcome, error) {
	if h.options.DryRun {
		return h.ended("nothing was done: a dry run", false), nil
	}
	limit := cmp.Or(h.options.Limit, defaultLimit)
	ctx, cancel := context.WithTimeoutCause(ctx, limit, errLimit)
	defer cancel()
	defer context.AfterFunc(h.keeping, cancel)() // it ends before it is told to where nothing can be removed
	over := h.watch(ctx)
	h.stop(nil)
	<-h.kept
	if h.failed != nil {
		return h.ended("could not work: "+h.failed.Error(), false), fmt.Errorf("heal: %w", h.failed)
	}
	out, err := h.conclude(ctx, over, limit)
	if err != nil {
		return out, fmt.Errorf("heal: %w", err)
	}
	return out, nil
}

// conclude says how it ended, when nothing is touched any more: what came in the
// last moment counts.
func (h *Healing) conclude(ctx context.Context, over bool, limit time.Duration) (Outcome, error) {
	var why string
	var healed bool
	h.state.with(func(j *stopCondition) {
		_, healed = j.verdict(time.Now())
		why = j.why(time.Now())
	})
	switch cause := context.Cause(ctx); {
	case over:
		if err := h.takeBack(ctx); err != nil {
			return h.ended(why+"; the routing rules stand: "+err.Error(), false), err
		}
		return h.ended(why, healed), nil
	case errors.Is(cause, errLimit):
		return h.ended(fmt.Sprintf("the limit of %s is over: %s", limit, why), false), nil
	default:
		return h.ended("interrupted: "+why, false), cause
	}
}

func (h *Healing) ended(why string, healed bool) Outcome {
	var out Outcome
	h.state.with(func(j *stopCondition) { out = j.outcome(time.Now()) })
	out.Why, out.Healed = why, healed
	out.ByRule = h.ByRule()
	h.say(Ended, "%s", why)
	return out
}

// sayAbsent tells which targets there is nothing to remove of.
func (h *Healing) sayAbsent() {
	var out Outcome
	h.state.with(func(j *stopCondition) { out = j.outcome(time.Now()) })
	for _, t := range out.Targets {
		if t.Last.IsZero() && t.LetGo == "" {
			h.events.say(Event{At: time.Now(), Kind: Absent, Prefix: t.Prefix, Device: t.Device, Text: fmt.Sprintf("%s is not on %s", t.Prefix, t.Device)})
		}
	}
}

const setsTime = 3 * time.Second

// leaveClusterIPs lets go what is a ClusterIP. Where the sets cannot be read the
// plan's word stands.
func (h *Healing) leaveClusterIPs(ctx context.Context) {
	now, _ := h.read(ctx, only(host.IPSet, setsTime))
	for i, t := range h.targets {
		for _, set := range now.Sets {
			if kubeproxy.IsClusterIPSet(set.Name) && set.Has(t.Prefix.Addr()) {
				h.keeper.leave(i, "it is a ClusterIP, says ipset "+set.Name)
				break
			}
		}
	}
}

// only reads one section.
func only(section string, timeout time.Duration) host.Options {
	o := host.Options{Timeout: timeout}
	o.Skip = slices.DeleteFunc(host.Sections(), func(s string) bool { return s == section })
	return o
}

// watch looks every second whether it is over. It stays on the thread that Wait was
// called on; the keeper, whose sockets are open already, is elsewhere, and waits for
// nothing of this.
func (h *Healing) watch(ctx context.Context) (over bool) {
	for ctx.Err() == nil {
		begun := time.Now()
		h.lookAtRules(ctx)
		h.lookAtRoutes(ctx)
		h.look(ctx)
		if ctx.Err() != nil {
			break
		}
		var why string
		h.state.with(func(j *stopCondition) {
			over, _ = j.verdict(time.Now())
			why = j.why(time.Now())
		})
		if over {
			return true
		}
		if h.due("waiting", h.world.say) {
			h.say(Waiting, "waiting: %s", why)
		}
		select {
		case <-ctx.Done():
		case <-time.After(h.second - time.Since(begun)):
		}
	}
	return false
}

// look asks what the stop condition goes by. Virtual servers are listed once before the
// apiserver answers, to know whether there are any.
func (h *Healing) look(ctx context.Context) {
	if _, known := h.asked["servers"]; !known {
		h.lookAtServers(ctx)
	}
	var answered, answering bool
	is := func(j *stopCondition) { answered, answering = !j.answered.IsZero(), j.answering }
	if h.state.with(is); !answering || h.due("apiserver", h.again) {
		h.dial(ctx)
	}
	if h.state.with(is); !answered {
		return
	}
	if h.due("servers", max(h.world.servers, 4*h.took)) {
		h.lookAtServers(ctx)
	}
}

// due reports whether it is time to ask something again, and notes that it is asked.
func (h *Healing) due(what string, every time.Duration) bool {
	now := time.Now()
	if last, ok := h.asked[what]; ok && now.Sub(last) < every {
		return false
	}
	h.asked[what] = now
	return true
}

// dial tries the apiserver.
func (h *Healing) dial(ctx context.Context) {
	var targets []host.Target
	for _, to := range h.options.APIServers {
		targets = append(targets, host.Target{What: "apiserver", To: to, TLS: true})
	}
	begun := time.Now()
	dials := h.dials(ctx, targets)
	ended := time.Now()
	if ctx.Err() != nil {
		return
	}
	text, ok := "no address of an apiserver is known: nothing can be verified", false
	for _, d := range dials {
		if text, ok = answerOf(d); ok {
			break
		}
	}
	h.state.with(func(j *stopCondition) { j.dialled(begun, ended, ok) })
	if text != h.answer {
		h.answer = text
		h.say(APIServer, "%s", text)
	}
}

// answerOf reports whether a dial has found an apiserver: somebody who shows a
// certificate, and is not this host. A loopback address is what a host's own proxy,
// or apiserver, is reached by; no Service can take it.
func answerOf(d dataplane.ConnectResult) (string, bool) {
	switch {
	case d.Result != "accepted":
		return fmt.Sprintf("the apiserver does not answer at %s: %s", d.To, d.Result), false
	case d.Self && !d.To.Addr().IsLoopback():
		return fmt.Sprintf("at %s this host answers itself", d.To), false
	case len(d.Names) == 0:
		return fmt.Sprintf("at %s somebody answers who shows no certificate", d.To), false
	}
	return fmt.Sprintf("the apiserver answers at %s", d.To), true
}

// serversTime bounds the list of virtual servers: 10,000 take a tenth of a second,
// ten times that in a slow kernel.
const serversTime = 5 * time.Second

func (h *Healing) lookAtServers(ctx context.Context) {
	begun := time.Now()
	h.asked["servers"] = begun
	now, _ := h.read(ctx, only(host.IPVS, serversTime))
	ended := time.Now()
	h.took = ended.Sub(begun)
	whole := !slices.Contains(now.Unread, host.IPVS)
	has := func(ip netip.Addr) bool {
		return slices.ContainsFunc(now.Servers, func(s dataplane.VirtualServer) bool { return s.IP == ip })
	}
	l := listing{begun: begun, ended: ended, whole: whole, has: has, any: len(now.Servers) > 0}
	h.state.with(func(j *stopCondition) { j.listed(l) })
	h.sayServers(whole, has)
}

// sayServers tells what has changed.
func (h *Healing) sayServers(whole bool, has func(netip.Addr) bool) {
	var served []string
	for _, t := range h.targets {
		if has(t.Prefix.Addr()) {
			served = append(served, t.Prefix.Addr().String())
		}
	}
	text := "IPVS has virtual servers on " + strings.Join(served, ", ")
	switch {
	case len(served) == 0 && !whole:
		text = "the virtual servers of IPVS could not be listed"
	case len(served) == 0:
		text = "IPVS has no virtual server on what is held off"
	}
	if text != h.servers {
		h.servers = text
		h.say(Synced, "%s", text)
	}
}
