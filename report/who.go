// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"whohas/claim"
	"whohas/cluster"
	"whohas/snapshot"
	"whohas/who"
)

// Who is the outcome of a question about addresses.
type Who struct {
	Tool     string
	Objects  []who.Object // that were asked about
	Answers  []who.Answer
	Free     []who.Free
	Coverage []snapshot.Coverage
	Facts    *cluster.Facts
	Complete bool
}

// Contested reports whether an address is claimed by several without agreement.
func (w *Who) Contested() bool {
	for _, a := range w.Answers {
		if a.Verdict == who.Contested {
			return true
		}
	}
	return false
}

var _ = answers.add("text", WhoText)

// WhoText writes the answers for people.
func WhoText(o TextOptions) func(io.Writer, *Who) error {
	if o.Width <= 0 {
		o.Width = 100
	}
	return func(w io.Writer, r *Who) error {
		t := textWriter{w: bufio.NewWriter(w), TextOptions: o}
		for _, o := range r.Objects {
			t.asked(o)
		}
		for i := range r.Answers {
			t.answerFor(&r.Answers[i])
		}
		for i := range r.Free {
			t.free(&r.Free[i])
		}
		t.whoCoverage(r)
		return t.w.Flush()
	}
}

var verdicts = map[who.Verdict]string{
	who.Unclaimed: "nobody claims it in what was read",
	who.Owned:     "one owner",
	who.Shared:    "shared by agreement",
	who.Contested: "contested",
}

// asked says what an object claims, before the answers for each of it.
func (t *textWriter) asked(o who.Object) {
	if len(o.Claims) == 0 {
		t.wrap("", "  ", fmt.Sprintf("%s claims no address in what was read", o.Ref))
		return
	}
	t.wrap("", "  ", fmt.Sprintf("%s claims %s", o.Ref, rangeList(o.Claims)))
}

func rangeList(ranges []claim.Range) string {
	texts := make([]string, len(ranges))
	for i, r := range ranges {
		texts[i] = r.String()
	}
	return strings.Join(texts, ", ")
}

func (t *textWriter) answerFor(a *who.Answer) {
	t.printf("%s  %s\n", t.bold(a.Range.String()), verdicts[a.Verdict])
	for _, h := range a.Claims {
		t.holding(h)
	}
	if len(a.Within) > 0 {
		t.printf("  %s\n", t.bold("lies in or overlaps"))
	}
	for _, h := range a.Within {
		t.holding(h)
	}
	for i := range a.Findings {
		f := &a.Findings[i]
		t.wrap("  ", "    ", fmt.Sprintf("%s %s: %s (whohas check explains it)", t.color(f.Severity, f.Rule.ID), f.Severity, f.Title))
	}
}

func (t *textWriter) holding(h who.Holding) {
	text := h.Text
	if h.Range.IsSingle() {
		text = ""
	}
	t.wrap("  ", "    ", strings.Join(strings.Fields(fmt.Sprintf("%s %s %s %s%s", h.Role, text, h.By, h.Origin.Field, place(h.Origin))), " "))
	t.wrap("      effective ", "      ", h.Effective)
}

func (t *textWriter) free(f *who.Free) {
	t.printf("%s  %s not claimed in what was read\n", t.bold(f.In.String()), plural(len(f.Addresses), "address"))
	for _, ip := range f.Addresses {
		t.printf("  %s\n", ip)
	}
	var parts []string
	for _, x := range f.Taken {
		parts = append(parts, fmt.Sprintf("%d %s", x.Count, x.Role))
	}
	if len(parts) == 0 {
		parts = []string{"no claim lies in the range"}
	}
	t.wrap("  taken into account: ", "    ", strings.Join(parts, ", "))
	for _, u := range f.Unknown {
		t.wrap("  not known from objects: ", "    ", u)
	}
}

func (t *textWriter) whoCoverage(r *Who) {
	mode := "unknown"
	if r.Facts != nil {
		mode = r.Facts.Mode.String()
	}
	t.printf("\nproxy mode %s\n", mode)
	if !r.Complete {
		t.coverage(&Report{Coverage: r.Coverage})
	}
}

type jsonWho struct {
	envelope
	Objects []jsonAsked  `json:"objects,omitempty"`
	Answers []jsonAnswer `json:"answers"`
	Free    []jsonFree   `json:"free,omitempty"`
}

// jsonAsked is an object that was asked about.
type jsonAsked struct {
	Object string   `json:"object"`
	Claims []string `json:"claims"`
}

type jsonAnswer struct {
	Address  string        `json:"address,omitempty"`
	Range    string        `json:"range,omitempty"`
	Verdict  string        `json:"verdict"`
	Claims   []jsonHolding `json:"claims"`
	Within   []jsonHolding `json:"within"`
	Findings []jsonFinding `json:"findings"`
}

type jsonHolding struct {
	Kind      string `json:"kind"`
	Role      string `json:"role"`
	Object    string `json:"object"`
	Owner     string `json:"owner"`
	Value     string `json:"value"`
	Ports     string `json:"ports,omitempty"`
	Share     string `json:"share,omitempty"`
	Field     string `json:"field,omitempty"`
	File      string `json:"file,omitempty"`
	Line      int    `json:"line,omitempty"`
	Node      string `json:"node,omitempty"`
	Table     string `json:"table,omitempty"`
	Effective string `json:"effective"`
}

type jsonFree struct {
	Range     string         `json:"range"`
	Addresses []string       `json:"addresses"`
	Taken     map[string]int `json:"takenIntoAccount"`
	Unknown   []string       `json:"notKnown"`
}

var _ = answers.add("json", plain(WhoJSON))

// WhoJSON writes the answers for scripts.
func WhoJSON(w io.Writer, r *Who) error {
	out := jsonWho{envelope: newEnvelope("Who", r.Tool, r.Complete, r.Coverage), Answers: []jsonAnswer{}}
	for _, o := range r.Objects {
		j := jsonAsked{Object: o.Ref.String(), Claims: []string{}}
		for _, c := range o.Claims {
			j.Claims = append(j.Claims, c.String())
		}
		out.Objects = append(out.Objects, j)
	}
	for _, a := range r.Answers {
		j := jsonAnswer{Verdict: string(a.Verdict), Claims: holdings(a.Claims), Within: holdings(a.Within), Findings: jsonFindings(a.Findings)}
		j.Address, j.Range = addressOrRange(a.Range)
		out.Answers = append(out.Answers, j)
	}
	for _, f := range r.Free {
		j := jsonFree{Range: f.In.String(), Addresses: []string{}, Taken: map[string]int{}, Unknown: f.Unknown}
		for _, ip := range f.Addresses {
			j.Addresses = append(j.Addresses, ip.String())
		}
		for _, x := range f.Taken {
			j.Taken[x.Role.String()] = x.Count
		}
		out.Free = append(out.Free, j)
	}
	return encode(w, out)
}

func addressOrRange(r claim.Range) (address, rng string) {
	if r.IsSingle() {
		return r.From.String(), ""
	}
	return "", r.String()
}

func holdings(list []who.Holding) []jsonHolding {
	out := make([]jsonHolding, len(list))
	for i, h := range list {
		out[i] = jsonHolding{
			Kind: string(h.Kind), Role: h.Role.String(), Object: h.By.String(), Owner: h.Owner.String(), Value: h.Text, Ports: h.Ports.String(),
			Share: h.Share, Field: h.Origin.Field, File: h.Origin.File, Line: h.Origin.Line,
			Node: h.Origin.Host, Table: h.Origin.Table, Effective: h.Effective,
		}
	}
	return out
}
