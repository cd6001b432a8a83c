// SPDX-License-Identifier: Apache-2.0

// Package rule is the frame of the findings: what a rule is, what it is asked
// and what it may answer. A rule is asked about one key, so that the same rules
// serve a whole check (all keys) and an admission decision (the keys touched).
package rule

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"iter"
	"net/netip"
	"slices"
	"strings"
	"time"

	"whohas/claim"
	"whohas/cluster"
	"whohas/dataplane"
	"whohas/explain"
	"whohas/snapshot"
)

// Severity orders findings; a larger one is worse. The zero value is Info.
type Severity int

// The severities.
const (
	Info Severity = iota
	Warning
	Error
	Critical
)

var severityNames = [...]string{"info", "warning", "error", "critical"}

// String is the severity's name in reports and flags.
func (s Severity) String() string { return severityNames[s] }

// Lower is one step milder; Info stays.
func (s Severity) Lower() Severity { return max(s-1, Info) }

// ParseSeverity reads a severity's name.
func ParseSeverity(text string) (Severity, error) {
	if i := slices.Index(severityNames[:], text); i >= 0 {
		return Severity(i), nil
	}
	return Info, fmt.Errorf("severity %q: want info, warning, error or critical", text)
}

// Rule is one finding that can be made. Rules are values of package level that
// nothing changes after initialisation.
type Rule struct {
	ID       string // "WH101": for ever, never given again
	Name     string // "external-ip-is-node"
	Severity Severity
	Doc      Doc
	Needs    []Need
	After    []*Rule // their finding on the same address explains this one's: it is hidden
	On       KeyKind
	Subject  claim.Roles // keys are the ranges of claims in these roles
	// Against: asked only where a claim in these roles touches the key. Its findings,
	// and how severe they are, depend on its subjects and on these claims, and beside
	// them on those of hosts, listeners and the control plane alone. 0: on whatever
	// touches the key.
	Against claim.Roles
	Outage  Outage      // what a finding means on a host in an outage
	Policy  Policy      // what a ValidatingAdmissionPolicy refuses of it
	Check   func(*Pass) // pure; asked by several goroutines at once, each with its Pass
}

// Outage is what a finding means on a host in an outage. The zero value: nothing.
type Outage uint8

// The outages.
const (
	NoOutage   Outage = iota
	Claimed           // an object claims the address: the cause where a kernel or the wire bears it out
	Held              // a host delivers the address to itself
	Awaited           // a host's proxy will put the address back
	Redirected        // a host leads one port of the address elsewhere
	Answered          // a machine answers for the address that is not its owner
)

// Seen reports whether a kernel or the wire shows the outage, and not an object.
func (o Outage) Seen() bool { return o >= Held }

// Repairable reports whether repair can end the outage.
func (o Outage) Repairable() bool { return o != NoOutage && o != Answered }

// Policy says what a ValidatingAdmissionPolicy, which sees one Service and a list of
// addresses, refuses of a rule; or why nothing. One of both is set.
type Policy struct {
	Refuses Refusal
	None    string
}

// Refusal is a way in which an admission policy refuses a Service.
type Refusal uint8

// The refusals, in the order in which they are checked.
const (
	RefusesNothing      Refusal = iota
	RefusesForm                 // an address that is not in its usual form
	RefusesExternalIP           // a host's address in spec.externalIPs
	RefusesIngress              // a host's address in status.loadBalancer
	RefusesRequest              // a request for a host's address
	RefusesControlPlane         // where the apiserver is reached
	RefusesTunnel               // a host's tunnel address
	RefusesReserved             // what the site's configuration reserves
)

// Doc is a rule's documentation; docs/rules is written from it.
type Doc struct {
	Problem string
	Effect  string
	Why     string
	Fix     string
	Since   string
	Refs    []string
}

// Need is a kind of object that a rule cannot do without: if none of it could be
// read the rule did not run, which WH901 says.
type Need struct {
	Kind snapshot.Kind
	For  string // what it is needed for, in a few words
}

// KeyKind tells what a rule is asked about.
type KeyKind int

// The sorts of keys: a range that somebody claims (mostly one address), an
// object, the cluster as a whole; and what several ranges share, each two of them,
// or, where very many lie over each other, all of them at once.
const (
	OnRange KeyKind = iota
	OnObject
	OnCluster
	OnOverlap
)

// Key is what a rule is asked about: a range, or an object, or neither.
type Key struct {
	Range claim.Range
	Ref   snapshot.Ref
}

// Finding is what a rule reports. It is a value; Rule, Severity and Claimants
// are always set.
type Finding struct {
	Rule      *Rule
	Severity  Severity
	Range     claim.Range // invalid for a finding on no address
	Title     string
	Claimants []Claimant
	Chain     explain.Chain
}

// Part is what a claimant is in a conflict.
type Part string

// The parts. Rivals are claimants with equal rights. A witness says the same as
// another claimant: a Pod on a node's address, or a kernel that shows it.
const (
	Intruder Part = "intruder"
	Owner    Part = "owner"
	Rival    Part = "rival"
	Witness  Part = "witness"
)

// Claimant is a claim with its part, and since when and through whom it stands.
type Claimant struct {
	claim.Claim
	Part   Part
	Since  time.Time // zero: not known
	Writer string    // the field manager, or ""
	Keeper string    // who would put it back after an edit by hand: "Helm release web"
}

// Address is the one address that the finding is about, or invalid.
func (f *Finding) Address() netip.Addr {
	if f.Range.IsSingle() {
		return f.Range.From
	}
	return netip.Addr{}
}

// Place is the address or range for people, or "".
func (f *Finding) Place() string {
	if !f.Range.IsValid() {
		return ""
	}
	return f.Range.String()
}

// Owners lists on whose behalf the claims are made, each once, sorted.
func (f *Finding) Owners() []string {
	var names []string
	for _, c := range f.Claimants {
		names = append(names, c.Owner.Group+"|"+c.Owner.String())
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Fingerprint is stable over runs, files and lines: rule, address and sorted
// claimants. Rule and address alone would let a second Service join an old
// conflict unseen.
func (f *Finding) Fingerprint() string {
	sum := sha256.Sum256([]byte(f.Rule.ID + "\n" + f.Place() + "\n" + strings.Join(f.Owners(), "\n")))
	return hex.EncodeToString(sum[:8])
}

// Compare gives findings their one order: the worst first, then by rule and
// address.
func Compare(a, b Finding) int {
	return cmp.Or(
		cmp.Compare(b.Severity, a.Severity),
		strings.Compare(a.Rule.ID, b.Rule.ID),
		a.Range.Compare(b.Range),
		strings.Compare(a.Title, b.Title),
		slices.Compare(a.Owners(), b.Owners()),
	)
}

// Intruders lists the claimants that must give way, or all where none has the
// better right.
func (f *Finding) Intruders() []Claimant {
	var out []Claimant
	for _, c := range f.Claimants {
		if c.Part == Intruder || c.Part == Rival {
			out = append(out, c)
		}
	}
	return out
}

// Source gives a rule the objects behind the claims.
type Source interface {
	// Of lists the objects with that name, one for each file that holds it.
	Of(snapshot.Ref) []*snapshot.Object
	// Host is the host of that name, or nil. It must not be changed.
	Host(name string) *dataplane.Host
	// EachHost goes through all of them, by name. None may be changed.
	EachHost() iter.Seq[*dataplane.Host]
}

// Facts are the conclusions that rules ask for.
type Facts = cluster.Facts
