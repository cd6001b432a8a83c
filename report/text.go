// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"whohas/command"
	"whohas/explain"
	"whohas/rule"
	"whohas/snapshot"
)

// TextOptions are what a terminal needs.
type TextOptions struct {
	Width int // columns; 0 means 100
	Color bool
	// Program is how the program was called: what commands in the text begin with.
	// Empty: whohas.
	Program string
}

var _ = reports.add("text", Text)

// Text writes the report for people: the answer in the first two lines, then
// each finding from the cause to the fix. Rules of the text: sentences without
// exclamation marks, commands on lines of their own that can be copied whole, no line
// broken inside a command (but behind an &&), a field or an address, and nothing said
// three times: the first finding's title is the answer, and a source that bears
// out many sentences is cited by number and named once, at the end.
func Text(o TextOptions) func(io.Writer, *Report) error {
	if o.Width <= 0 {
		o.Width = 100
	}
	return func(w io.Writer, r *Report) error {
		t := textWriter{w: bufio.NewWriter(w), TextOptions: o}
		t.answer(r)
		for i := range r.Findings {
			t.finding(r, i)
		}
		t.hidden(r)
		t.suppressed(r)
		t.evidence()
		t.drawn(r)
		t.coverage(r)
		return t.w.Flush()
	}
}

// Lists in the text are cut after so many entries; -o json has all of them.
const mostRows = 10

// answer is the two lines that people read first.
func (t *textWriter) answer(r *Report) {
	if len(r.Findings) == 0 {
		t.printf("%s\n", quiet(r))
		t.wrap("", "", readLine(r))
		return
	}
	first := &r.Findings[0]
	label := strings.ToUpper(first.Severity.String())
	t.wrap(t.color(first.Severity, label)+"  ", spaces(len(label)+2), first.Title)
	t.wrap("", "", tally(r)+" "+readLine(r))
}

func quiet(r *Report) string {
	text := "No conflict found"
	if r.Base {
		text = "The change makes nothing worse"
	}
	if !r.Complete() {
		text += " in what could be read; not everything could"
	}
	return text + "."
}

// tally counts the findings: "3 findings: 1 critical, 2 warning."
func tally(r *Report) string {
	var parts []string
	for _, c := range r.counts() {
		parts = append(parts, fmt.Sprintf("%d %s", c.n, c.severity))
	}
	text := plural(len(r.Findings), "finding") + ": " + strings.Join(parts, ", ")
	if len(parts) == 1 {
		text = plural(len(r.Findings), r.Findings[0].Severity.String()+" finding")
	}
	if r.Base {
		text += ", brought or made worse by the change"
	}
	return text + "."
}

func readLine(r *Report) string {
	line := fmt.Sprintf("%s read, %s claimed", plural(r.Objects, "object"), plural(r.Addresses, "address"))
	if r.Facts != nil {
		line += ", proxy mode " + r.Facts.Mode.String()
	}
	if r.Facts != nil && len(r.Facts.Nodes) == 0 {
		line += ", no Node to compare with"
	}
	if !r.Complete() {
		line += "; not everything could be read, see the end"
	}
	return line + "."
}

// finding writes one finding. The first one's title stands in the answer.
func (t *textWriter) finding(r *Report, i int) {
	f := &r.Findings[i]
	t.printf("\n")
	t.row("", 2, nil, t.color(f.Severity, f.Rule.ID), f.Severity.String(), t.bold(f.Place()), f.Rule.Name)
	if i > 0 {
		t.wrap("  ", "  ", f.Title)
	}
	t.claimants(f)
	if i == 0 && f.Severity >= rule.Error {
		t.notReady(r)
	}
	t.losses(f)
	t.notes(f)
	t.fixes(f)
}

func (t *textWriter) heading(text string) { t.printf("  %s\n", t.bold(text)) }

// claimants is the table of who claims the address, by part.
func (t *textWriter) claimants(f *rule.Finding) {
	rows := claimantRows(f.Claimants)
	if len(rows) == 0 {
		return
	}
	t.heading("who")
	layout := claimantLayout(rows, t.Width)
	for _, r := range rows {
		t.claimant(layout, r)
	}
}

// claimantRow is a claimant that is shown, and what its row need not repeat.
type claimantRow struct {
	rule.Claimant
	again bool // the row above is the same object in the same part
	more  int  // how many of its part are cut off after it
}

// claimantRows cuts each part's list: a pool may contain thousands of nodes.
func claimantRows(list []rule.Claimant) []claimantRow {
	var rows []claimantRow
	count, last := map[rule.Part]int{}, map[rule.Part]int{}
	for _, c := range list {
		if count[c.Part]++; count[c.Part] > mostRows {
			rows[last[c.Part]].more++
			continue
		}
		n := len(rows)
		last[c.Part] = n
		rows = append(rows, claimantRow{Claimant: c, again: n > 0 && rows[n-1].Part == c.Part && rows[n-1].By == c.By})
	}
	return rows
}

// layout is how the claimants stand: in columns where all of them fit side by
// side, else each with its field behind its object or on the next line.
type layout struct {
	widths []int
	hang   int
	whole  bool
}

const partWidth = len("intruder")

func claimantLayout(rows []claimantRow, width int) layout {
	object, field, at := 0, 0, 0
	for _, r := range rows {
		object = max(object, visible(r.By.String()))
		field = max(field, visible(r.Origin.Field))
		at = max(at, visible(where(r.Origin)))
	}
	l := layout{widths: []int{partWidth, object, field}, hang: 4 + partWidth + 2}
	l.whole = l.hang+object+2+field+2+at <= width
	if !l.whole && object > width/3 {
		l.widths = l.widths[:1]
	}
	return l
}

func (t *textWriter) claimant(l layout, r claimantRow) {
	part, object := string(r.Part), r.By.String()
	if r.again {
		part, object = "", ""
	}
	at := []string{r.Origin.Field, where(r.Origin)}
	if joined := strings.TrimSpace(at[0] + "  " + at[1]); !l.whole && l.hang+visible(joined) <= t.Width {
		at = []string{joined} // the two stay together
	}
	if r.again && !l.whole {
		t.row(spaces(l.hang), l.hang, nil, at...) // under its object, not beside it
	} else {
		t.row("    ", l.hang, l.widths, append([]string{part, object}, at...)...)
	}
	if h := history(r.Claimant); h != "" {
		t.wrap(spaces(l.hang), spaces(l.hang), h)
	}
	if r.more > 0 {
		t.wrap(spaces(l.hang), spaces(l.hang), fmt.Sprintf("and %d more (-o json lists them)", r.more))
	}
}

// history is since when and through whom a claim stands that may have to go.
func history(c rule.Claimant) string {
	if c.Part == rule.Owner || c.Part == rule.Witness {
		return ""
	}
	var parts []string
	if !c.Since.IsZero() {
		parts = append(parts, "since "+c.Since.UTC().Format(time.RFC3339))
	}
	if c.Writer != "" {
		parts = append(parts, "written by "+c.Writer)
	}
	if c.Keeper != "" {
		parts = append(parts, "kept by "+c.Keeper+", which would put it back")
	}
	return strings.Join(parts, ", ")
}

// notReady tells when the trouble became visible: next to since when the claim
// stands, it says whether the two belong together.
func (t *textWriter) notReady(r *Report) {
	if r.Facts == nil || r.Facts.FirstNotReady.Node == "" {
		return
	}
	first := r.Facts.FirstNotReady
	t.wrap("    ", "    ", fmt.Sprintf("first node to become NotReady: %s, at %s", first.Node, first.At.UTC().Format(time.RFC3339)))
}

func (t *textWriter) losses(f *rule.Finding) {
	if why := f.Chain.Cause.Text; !told(f, why) {
		t.heading("why")
		t.wrap("    ", "    ", why+t.cite(f, f.Chain.Cause.Evidence))
	}
	headed := false
	for _, l := range f.Chain.Impacts {
		if repeats(f, l) {
			continue
		}
		if !headed {
			t.heading("what it breaks")
			headed = true
		}
		t.loss(f, l)
	}
}

func (t *textWriter) loss(f *rule.Finding, l explain.Impact) {
	text := l.Text
	if l.Certainty == explain.Assumed {
		text += " (assumed)"
	}
	t.wrap("    - ", "      ", text+t.cite(f, l.Evidence))
	if len(l.Lost) > 0 {
		t.wrap("      lost: ", "            ", strings.Join(l.Lost, ", "))
	}
}

// told reports whether the title says it already.
func told(f *rule.Finding, text string) bool { return strings.Contains(f.Title, text) }

// repeats reports whether a loss adds nothing to the title.
func repeats(f *rule.Finding, l explain.Impact) bool { return told(f, l.Text) && len(l.Lost) == 0 }

func (t *textWriter) notes(f *rule.Finding) {
	if len(f.Chain.Notes) == 0 {
		return
	}
	t.heading("note")
	for _, n := range f.Chain.Notes {
		t.wrap("    - ", "      ", n.Text+t.cite(f, n.Evidence))
	}
}

func (t *textWriter) fixes(f *rule.Finding) {
	for i, fix := range f.Chain.Fixes {
		if i == 0 {
			t.heading("fix")
		} else {
			t.heading("or")
		}
		if fix.Text != "" {
			t.wrap("    ", "    ", fix.Text)
		}
		for k, s := range fix.Steps {
			t.step(k, s)
		}
	}
}

// step writes a step of a list, and its command on a line of its own.
func (t *textWriter) step(i int, s explain.Step) {
	t.wrap(fmt.Sprintf("    %d. ", i+1), "       ", stepText(s))
	if line := s.Line(); line.String() != "" {
		for _, piece := range line.Pieces() {
			t.printf("       %s\n", t.bold(t.clean(command.As(t.Program, piece))))
		}
	}
}

// stepText says where a step is done, what it does, and why it has no command.
func stepText(s explain.Step) string {
	text := s.Text
	if why := s.Line().Refused(); why != "" {
		text += " (no command is printed: " + why + ")"
	}
	switch s.Where {
	case "":
		return text
	case explain.Anywhere:
		return s.Where + ": " + text
	}
	return "on " + s.Where + ": " + text
}

// hidden names the findings that are only symptoms of those above.
func (t *textWriter) hidden(r *Report) {
	if len(r.Hidden) == 0 {
		return
	}
	var names []string
	for i := range r.Hidden {
		if i == mostRows {
			names = append(names, fmt.Sprintf("and %d more", len(r.Hidden)-mostRows))
			break
		}
		names = append(names, strings.TrimSpace(r.Hidden[i].Rule.ID+" "+r.Hidden[i].Place()))
	}
	t.printf("\n")
	t.wrapItems("", "  ", "not shown, because the findings above explain them: ", names)
}

func (t *textWriter) suppressed(r *Report) {
	if len(r.Suppressed) == 0 {
		return
	}
	t.printf("\n%s\n", t.bold("suppressed"))
	for i := range r.Suppressed {
		s := &r.Suppressed[i]
		t.row("  ", 4, nil, s.Finding.Rule.ID, s.Finding.Severity.String(), s.Finding.Place(), s.Finding.Rule.Name)
		until := ""
		if s.Until != "" {
			until = ", until " + s.Until
		}
		t.wrap("    ", "    ", fmt.Sprintf("%s (%s%s)", s.Reason, s.By, until))
	}
}

// cite gives a sentence the numbers of what bears it out. What the table of
// claimants shows already gets none.
func (t *textWriter) cite(f *rule.Finding, evidence []string) string {
	var refs []int
	for _, e := range evidence {
		if t.shown(f, e) {
			continue
		}
		i, ok := t.number[e]
		if !ok {
			i = len(t.sources)
			t.sources = append(t.sources, e)
			if t.number == nil {
				t.number = map[string]int{}
			}
			t.number[e] = i
		}
		refs = append(refs, i+1)
	}
	if len(refs) == 0 {
		return ""
	}
	slices.Sort(refs)
	return " " + t.dim(strings.ReplaceAll(fmt.Sprint(slices.Compact(refs)), " ", "]["))
}

// shown reports whether evidence is a claim, which stands in the table: its object and
// field, and where that is.
func (t *textWriter) shown(f *rule.Finding, evidence string) bool {
	if t.tableOf != f {
		t.tableOf, t.table = f, make(map[string]bool, len(f.Claimants))
		for i := range f.Claimants {
			t.table[f.Claimants[i].By.String()+" "+f.Claimants[i].Origin.Field] = true
		}
	}
	if i := strings.LastIndex(evidence, " ("); i >= 0 && t.table[evidence[:i]] {
		return true
	}
	return t.table[evidence]
}

func (t *textWriter) evidence() {
	if len(t.sources) == 0 {
		return
	}
	t.printf("\n%s\n", t.bold("evidence"))
	for i, s := range t.sources {
		n := fmt.Sprintf("  [%d] ", i+1)
		t.wrap(n, spaces(len(n)), s)
	}
}

// drawn tells what was concluded, and from what.
func (t *textWriter) drawn(r *Report) {
	if r.Facts == nil || len(r.Facts.Conclusions) == 0 {
		return
	}
	t.printf("\n%s\n", t.bold("concluded"))
	for _, c := range r.Facts.Conclusions {
		t.wrap("  ", "    ", fmt.Sprintf("%s: %s, from %s%s", c.Subject, c.Value, c.From, place(c.Origin)))
	}
}

// coverage tells what was read in a paragraph, and what was not line by line:
// last, because the answer sends the reader to the end for it.
func (t *textWriter) coverage(r *Report) {
	var read, missing []snapshot.Coverage
	for _, c := range r.Coverage {
		if unread(c) {
			missing = append(missing, c)
		} else {
			read = append(read, c)
		}
	}
	if len(read) > 0 {
		t.printf("\n%s\n", t.bold("read"))
		t.wasRead(read)
	}
	if len(missing) == 0 {
		return
	}
	t.printf("\n%s\n", t.bold("not read, or only in part"))
	for i, c := range missing {
		if i == 2*mostRows {
			t.printf("  and %d more (-o json lists them)\n", len(missing)-i)
			break
		}
		t.wrap("  ", "    ", coverageLine(c))
	}
}

// coverageLine is a line of the coverage as a sentence.
func coverageLine(c snapshot.Coverage) string {
	what := []string{string(c.Status), c.Detail}
	if c.Status == snapshot.StatusRead && c.Detail != "" {
		what = what[1:]
	}
	return sourceName(c) + ": " + strings.TrimSuffix(strings.Join(what, ", "), ", ")
}

// wasRead joins the sources of which the same is said.
func (t *textWriter) wasRead(lines []snapshot.Coverage) {
	type same struct {
		status snapshot.Status
		detail string
	}
	alike := map[same][]snapshot.Coverage{}
	var order []same
	for _, c := range lines {
		k := same{c.Status, c.Detail}
		if alike[k] == nil {
			order = append(order, k)
		}
		alike[k] = append(alike[k], c)
	}
	for _, k := range order {
		var names []string
		for _, c := range alike[k] {
			names = append(names, sourceName(c))
		}
		switch {
		case k.status == snapshot.StatusRead && k.detail == "":
			t.wrapItems("  ", "    ", "", names)
		case len(names) == 1:
			t.wrap("  ", "    ", coverageLine(alike[k][0]))
		default:
			t.wrapItems("  ", "    ", cmp.Or(k.detail, string(k.status))+": ", names)
		}
	}
}

func sourceName(c snapshot.Coverage) string {
	name := c.Source
	if c.Line > 0 {
		name = fmt.Sprintf("%s:%d", c.Source, c.Line)
	}
	if c.Count > 0 {
		name += fmt.Sprintf(" %d", c.Count)
	}
	if c.Complete && c.Status == snapshot.StatusRead {
		name += " (complete)"
	}
	return name
}

// where is the place of a value: a file and line, or a host's table.
func where(o snapshot.Origin) string {
	switch {
	case o.File != "" && o.Line > 0:
		return fmt.Sprintf("%s:%d", o.File, o.Line)
	case o.File != "":
		return o.File
	case o.Host != "":
		return o.Host + ", " + o.Table
	}
	return ""
}

// place is where in brackets, for the end of a sentence.
func place(o snapshot.Origin) string {
	if at := where(o); at != "" {
		return "  (" + at + ")"
	}
	return ""
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	if strings.HasSuffix(noun, "s") {
		return fmt.Sprintf("%d %ses", n, noun)
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
