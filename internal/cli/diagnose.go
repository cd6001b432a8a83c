// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"whohas/check"
	"whohas/claim"
	"whohas/claimants"
	"whohas/cluster"
	"whohas/command"
	"whohas/dataplane"
	"whohas/diagnose"
	"whohas/internal/config"
	"whohas/internal/console"
	"whohas/report"
	"whohas/rules"
	"whohas/snapshot"
	"whohas/source/node"
)

// hostFlags are those of every command that looks at one host: diagnose, repair, shield.
type hostFlags struct {
	inputs
	stationFlags
	outputs []string
}

func (f *hostFlags) register(flags *pflag.FlagSet, timeout time.Duration) {
	f.registerJudged(flags)
	f.registerComplete(flags)
	f.timeout = timeout
	flags.Lookup("timeout").DefValue = timeout.String()
	f.stationFlags.register(flags)
	flags.StringArrayVarP(&f.outputs, "output", "o", nil, outputUsage(report.DiagnosisFormats()))
}

// grace is how much longer than it should a host's look may take before it is left
// behind: on a machine that has other things to do an answer comes late, and not an error
// in its place. A --timeout that is named bounds the whole run.
func (f *hostFlags) grace() time.Duration {
	if f.flags.Changed("timeout") {
		return 0
	}
	return 10 * time.Second
}

// examined is a host as it was seen and judged.
type examined struct {
	diagnose.Seen
	captured bool // it is not this one
	whole    bool // all that --require asks for was read
}

// examine looks at the host that is meant. The context is for what comes, up to release.
func (e *env) examine(ctx context.Context, f *hostFlags) (judging context.Context, release func(), x examined, err error) {
	until := f.until()
	l, err := e.look(ctx, f, until)
	if err != nil {
		return ctx, func() {}, x, err
	}
	judging, release = e.end.begin(ctx, &f.inputs, later(until, time.Now().Add(f.grace())))
	if x.Seen, err = e.judged(judging, l, &f.inputs); err != nil {
		return judging, release, x, err
	}
	x.captured, x.whole = l.captured, e.required(&f.inputs, worldOf(x.Seen))
	return judging, release, x, nil
}

// stationFlags say which host is meant, and what is known of addresses: the same for
// diagnose and repair.
type stationFlags struct {
	node   string
	root   string
	owners []string
	silent bool
}

func (f *stationFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.node, "node", "", "the host that is meant, where a bundle holds several; else this host's Node, where it has another name")
	flags.StringVar(&f.root, "root", "/", "where the host's files are, in a container that has them mounted")
	flags.StringArrayVar(&f.owners, "owner", nil, "an address that belongs to another host, whatever is found; repeatable")
	flags.Lookup("config").Usage = "configuration file, of which reserved and proxyMode count (none unless it is named)"
	flags.BoolVar(&f.silent, "no-probe", false, "ask nobody on the wire")
}

func (e *env) diagnoseCommand() *cobra.Command {
	f := &hostFlags{}
	cmd := &cobra.Command{
		Use:   "diagnose",
		Short: "On a node, in the outage: what is wrong with its addresses, and what to do",
		Long: `Diagnose looks at this host as an operator would, and says what is wrong: an address
that it holds and that is another's, or that others hold and is its own; what that
explains; which Service it is for; what does not help; the safe next step. It also
says when it is not this.

It needs no apiserver, no credentials and no kubectl. It resolves no name. Nothing is
changed. On the wire it asks who has an address, in the form of RFC 5227 (twice, at
most 64 addresses, only those with evidence that they are a host's); --no-probe leaves
that out. It connects to where the kubelet's and kube-proxy's files say the apiserver
is. If an apiserver answers there, and a kubeconfig on this host lets it in, the
Services and Nodes are read, for the Service's name.

With --bundle the same is said of a host that was captured (whohas snapshot --host).
A bundle that holds no host adds its objects to what this host shows.

Exit status: 1 if a cause was found, 2 if it could not tell, else 0.`,
		Example: `  sudo whohas diagnose                              # on any node
  sudo whohas diagnose --owner 192.168.10.114       # an address that is known to be another host's
  sudo whohas diagnose --bundle cluster.snapshot    # with the names of an earlier snapshot
  whohas diagnose --bundle cdev02.snapshot          # a captured host
  kubectl debug node/cdev02 -it --profile=sysadmin --image=IMAGE -- whohas diagnose --root /host`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return e.diagnose(cmd.Context(), f) },
	}
	f.register(cmd.Flags(), diagnoseTimeout)
	return cmd
}

// diagnoseTimeout leaves room for an answer within five seconds, also where the
// program must share a processor.
const diagnoseTimeout = 3500 * time.Millisecond

func (e *env) diagnose(ctx context.Context, f *hostFlags) error {
	outputs, err := parseOutputs(f.outputs, report.DiagnosisFormats())
	if err != nil {
		return err
	}
	if err := cmp.Or(f.validate(), f.effective(f.named())); err != nil {
		return err
	}
	ctx, release, x, err := e.examine(ctx, f)
	defer release()
	if err != nil {
		return err
	}
	d := diagnose.Run(x.Seen)
	r := &report.Diagnosis{Diagnosis: d, Tool: console.Version(), Coverage: check.Coverage(x.Snapshot, x.View, x.Facts)}
	unwritten := writeAll(ctx, e, outputs, report.DiagnosisFormats(), r)
	if err := e.end.ended(ctx); err != nil {
		return err
	}
	switch {
	case d.Verdict == diagnose.Cause:
		e.status = exitFindings
	case d.Verdict == diagnose.Unknown, !x.whole, x.Snapshot.Failed():
		e.status = exitFailed
	}
	return unwritten
}

func worldOf(seen diagnose.Seen) *world {
	return &world{snapshot: seen.Snapshot, facts: seen.Facts, register: seen.View}
}

// later: a slow host is read to its end, and what was read is judged all the same.
func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// looked is what was seen of a host and of what was named beside it.
type looked struct {
	snapshot *snapshot.Snapshot
	owners   []claim.Claim
	config   *config.Config
	node     string // the host that is meant
	captured bool   // it is not this one
}

// look gathers everything that can be known of a host: from bundles, or from the host
// itself.
func (e *env) look(ctx context.Context, f *hostFlags, until time.Time) (looked, error) {
	in := &f.inputs
	owners, err := declaredOwners(f.owners)
	if err != nil {
		return looked{}, err
	}
	cfg, err := e.stationConfig(in)
	if err != nil {
		return looked{}, err
	}
	owners = append(owners, cfg.Reserved...)
	if len(in.bundles) == 0 { // this host is in the outage, and so is this process
		hurry()
	}
	given := &snapshot.Snapshot{}
	if in.hasFiles() { // which may hold the host that is meant
		if given, err = e.readGiven(ctx, in, until); err != nil || len(given.Hosts) > 0 {
			if err == nil && in.flags.Changed("root") {
				err = console.WithHint(errors.New("--root with a captured host"), "it says where this host's files are")
			}
			return looked{given, owners, cfg, f.node, true}, err
		}
	}
	if !in.named() { // else whoever repairs a cluster from his own desk
		if err := e.onLinux(); err != nil {
			return looked{}, err
		}
	}
	longest := later(until, time.Now().Add(node.Longest)).Add(f.grace())
	ctx, release := e.end.begin(ctx, in, longest)
	defer release()
	waiting := func() (*snapshot.Snapshot, error) { return given, nil }
	if !in.hasFiles() { // an apiserver that does not answer costs this host nothing
		waiting = e.askGiven(ctx, in, until)
	}
	e.end.during("reading this host")
	own := e.readNode(ctx, &f.stationFlags, owners, until)
	if slices.ContainsFunc(own.Coverage, func(c snapshot.Coverage) bool {
		return c.Status == snapshot.StatusDenied && strings.HasPrefix(c.Source, "host ")
	}) {
		e.Hint("not everything could be read without root: run it with sudo")
	}
	if given, err = waiting(); err != nil {
		return looked{}, err
	}
	return looked{snapshot.Over(given, own), owners, cfg, own.Hosts[0].Name, false}, e.end.ended(ctx)
}

// readNode reads the host that this process is on.
func (e *env) readNode(ctx context.Context, f *stationFlags, owners []claim.Claim, until time.Time) *snapshot.Snapshot {
	p := e.progress()
	defer p.done()
	return node.Read(ctx, node.Options{Name: f.node, Root: f.root, Owners: owners, Silent: f.silent, Until: until, Now: e.now, Show: p.show, Client: clusterOf})
}

// stationConfig reads the configuration that is named, and no other: whoever stands
// as root in some folder must not be told by a file in it whose an address is. What a
// configuration excuses is wrong all the same in an outage.
func (e *env) stationConfig(in *inputs) (*config.Config, error) {
	if in.config == "" {
		return &config.Config{}, nil
	}
	cfg, err := config.Load(in.config)
	if err == nil && len(cfg.Severities)+len(cfg.Suppressions) > 0 {
		e.Note("note: of %s only reserved and proxyMode count here: severities and allow excuse nothing on a host", in.config)
	}
	return cfg, err
}

// readGiven reads the files that the command line names.
func (e *env) readGiven(ctx context.Context, in *inputs, until time.Time) (*snapshot.Snapshot, error) {
	ctx, release := e.end.begin(ctx, in, until)
	defer release()
	s, err := e.askGiven(ctx, in, until)()
	if err != nil {
		return nil, err
	}
	if s.Failed() && len(s.Hosts) == 0 { // a host that was asked for must not be taken for this one
		return nil, errors.New("not everything that was named could be read: nothing is said of a host")
	}
	return s, nil
}

// askGiven begins to read what the command line names beside the host. What it gives
// waits for that, until its time is up.
func (e *env) askGiven(ctx context.Context, in *inputs, until time.Time) func() (*snapshot.Snapshot, error) {
	s := in.sources()
	s.live = in.named() // only where somebody says so
	type answer struct {
		snapshot *snapshot.Snapshot
		err      error
	}
	e.end.readUntil(until)
	into := e.end.builder()
	done := make(chan answer, 1)
	go func() {
		err := e.read(ctx, in, s, into)
		done <- answer{into.Snapshot(), err}
	}()
	return func() (*snapshot.Snapshot, error) {
		var a answer
		select {
		case a = <-done:
		case <-time.After(time.Until(until) + moment): // it does not end when it is told to
			late := &snapshot.Builder{}
			late.Cover(snapshot.Coverage{Source: s.names(), Status: snapshot.StatusUnreadable, Detail: "not read within the time limit", Failed: true})
			a.snapshot = late.Snapshot()
		}
		if a.err == nil && a.snapshot.Failed() {
			e.complain(a.snapshot)
		}
		return a.snapshot, a.err
	}
}

func (in *inputs) hasFiles() bool { return len(in.bundles)+len(in.files)+len(in.kustomize) > 0 }

// judged draws the conclusions about one host.
func (e *env) judged(ctx context.Context, l looked, in *inputs) (diagnose.Seen, error) {
	e.end.during("drawing conclusions")
	h, err := theHost(l.snapshot, l.node)
	if err != nil {
		return diagnose.Seen{}, err
	}
	mode, from, err := in.override(l.config)
	if err != nil {
		return diagnose.Seen{}, err
	}
	s := l.snapshot
	seen := diagnose.Seen{Host: h, Snapshot: s, Facts: cluster.Infer(s, mode, from), View: claimants.View(s, l.owners...)}
	e.end.during("asking the rules")
	seen.Result = check.Run(check.Input{Ended: func() bool { return ctx.Err() != nil }, View: seen.View, Facts: seen.Facts, Objects: s, Coverage: s.Coverage, Rules: rules.All()})
	return seen, e.end.ended(ctx)
}

func theHost(s *snapshot.Snapshot, node string) (*dataplane.Host, error) {
	var names []string
	for h := range s.EachHost() {
		if names = append(names, h.Name); h.Name == node {
			return h, nil
		}
	}
	switch {
	case len(names) == 0:
		return nil, console.WithHint(errors.New("no host was read"), "run it on a node as root, or name a snapshot of one with --bundle")
	case node == "" && len(names) == 1:
		return &s.Hosts[0], nil
	case node == "":
		return nil, console.WithHint(fmt.Errorf("%d hosts were read: which one is meant?", len(names)), "--node %s", strings.Join(quoted(names), " | "))
	}
	return nil, console.WithHint(fmt.Errorf("--node %s: no such host was read", node), "one of %s", strings.Join(names, ", "))
}

// quoted are names as a shell takes them.
func quoted(names []string) []string {
	out := make([]string, len(names))
	for i, name := range names {
		out[i] = command.Quote(name)
	}
	return out
}

// declaredOwners are the claims of --owner.
func declaredOwners(texts []string) ([]claim.Claim, error) {
	var out []claim.Claim
	for _, text := range texts {
		ip, err := netip.ParseAddr(text)
		if err != nil {
			return nil, console.WithHint(fmt.Errorf("--owner %q: not an address", text), "like --owner 192.168.10.114")
		}
		ref := snapshot.Ref{Kind: "Declared", Name: "another host"}
		out = append(out, claim.Claim{Range: claim.Single(ip.Unmap()), Kind: "declared.another host", Role: claim.Reserved, By: ref, Owner: ref,
			Origin: snapshot.Origin{Field: "--owner " + text}})
	}
	return out, nil
}
