// SPDX-License-Identifier: Apache-2.0

package rules

import (
	"fmt"
	"net/netip"
	"path"
	"slices"
	"strings"

	"whohas/claim"
	"whohas/explain"
	"whohas/rule"
	"whohas/snapshot"
)

// poolEdit is the smallest edit that takes addresses out of a pool's entry: the
// entry becomes the ranges that are left of it.
func poolEdit(p *rule.Pass, pool claim.Claim, out []claim.Range) explain.Fix {
	left := []claim.Range{pool.Range}
	for _, o := range out { // in order: what lies before one is left by all that follow
		if last := len(left) - 1; last >= 0 {
			left = append(left[:last], left[last].Without(o)...)
		}
	}
	texts := make([]string, len(left))
	for i, r := range left {
		texts[i] = rangeText(r)
	}
	f := explain.Fix{Text: fmt.Sprintf("hand out %s instead of %s", orNothing(texts), pool.Text)}
	if edit := entryEdit(p, pool, texts); edit != nil {
		f.Steps = []explain.Step{{Where: explain.Anywhere, Text: "edit " + pool.By.String() + standsIn(pool), Edit: edit}}
	}
	return f
}

// rangesIn lists the ranges of claims, sorted, each once.
func rangesIn(claims []claim.Claim) []claim.Range {
	out := make([]claim.Range, len(claims))
	for i, c := range claims {
		out[i] = c.Range
	}
	slices.SortFunc(out, claim.Range.Compare)
	return slices.Compact(out)
}

func orNothing(texts []string) string {
	if len(texts) == 0 {
		return "nothing"
	}
	return strings.Join(texts, ", ")
}

// rangeText writes a range as the pool's controller reads it: a single address
// is a /32 or /128 for those that want a CIDR.
func rangeText(r claim.Range) string {
	if r.IsSingle() {
		return netip.PrefixFrom(r.From, r.From.BitLen()).String()
	}
	return r.String()
}

// entryEdit replaces one string of a list of strings by the ranges left; other
// forms of pools (blocks with start and stop) get advice in words only.
func entryEdit(p *rule.Pass, pool claim.Claim, texts []string) *snapshot.Edit {
	pointer := snapshot.Pointer(pool.Origin.Field)
	if !strings.HasPrefix(pointer, "/spec/addresses/") {
		return nil
	}
	if len(p.Objects.Of(pool.By)) == 0 {
		return nil
	}
	ops := []snapshot.Op{{Op: "test", Path: pointer, Value: pool.Text}, {Op: "remove", Path: pointer}}
	for _, t := range slices.Backward(texts) {
		ops = append(ops, snapshot.Op{Op: "add", Path: pointer, Value: t})
	}
	return &snapshot.Edit{Kind: kindOf(pool.By), On: pool.By, Ops: ops}
}

// poolRemoval is the step that takes a whole entry out of a pool. Where the entry
// is all that the object has, or stands in a text inside it, there is none: what
// to do then is for a person to decide.
func poolRemoval(p *rule.Pass, pool claim.Claim, where string) (explain.Step, bool) {
	pointer := snapshot.Pointer(pool.Origin.Field)
	block, key := path.Split(pointer)
	switch {
	case strings.HasPrefix(pointer, "/data/") && strings.Count(pointer, "/") > 2:
		return explain.Step{}, false
	case strings.HasPrefix(pointer, "/data/") || isIndex(key):
		return removal(p, pool, where)
	case key != "cidr" && key != "start" || !isIndex(path.Base(block)) || len(p.Objects.Of(pool.By)) == 0:
		return explain.Step{}, false
	}
	first := pool.Text
	if key == "start" {
		first, _, _ = strings.Cut(pool.Text, "-")
	}
	return explain.Step{
		Where: where, Text: fmt.Sprintf("remove %s from %s%s", pool.Text, pool.By, standsIn(pool)),
		Edit: &snapshot.Edit{Kind: kindOf(pool.By), On: pool.By, Ops: []snapshot.Op{
			{Op: "test", Path: pointer, Value: first}, {Op: "remove", Path: strings.TrimSuffix(block, "/")},
		}},
	}, true
}

func isIndex(key string) bool { return key != "" && strings.Trim(key, "0123456789") == "" }

func standsIn(c claim.Claim) string {
	if c.Origin.File == "" {
		return ""
	}
	return fmt.Sprintf(" (%s:%d)", c.Origin.File, c.Origin.Line)
}

// autoAssigned tells whether a pool is handed out without being asked for.
func autoAssigned(p *rule.Pass, pool claim.Claim) bool {
	o := p.Object(pool.By)
	return o == nil || o.Field("spec", "autoAssign").Text() != "false"
}

// insideAddrs lists the single addresses that owners have inside a pool, sorted, each once.
func insideAddrs(owners []claim.Claim) []netip.Addr {
	var out []netip.Addr
	for _, o := range owners {
		if o.Range.IsSingle() {
			out = append(out, o.Range.From)
		}
	}
	slices.SortFunc(out, netip.Addr.Compare)
	return slices.Compact(out)
}

func plainAddrs(ips []netip.Addr) string {
	texts := make([]string, len(ips))
	for i, ip := range ips {
		texts[i] = ip.String()
	}
	return explain.Names(texts)
}
