// SPDX-License-Identifier: Apache-2.0

package fix

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	"whohas/claim"
	"whohas/explain"
	"whohas/rule"
	"whohas/rules/internal/pick"
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
		texts[i] = pick.RangeText(r)
	}
	f := explain.Fix{Text: fmt.Sprintf("hand out %s instead of %s", orNothing(texts), pool.Text)}
	if edit := entryEdit(p, pool, texts); edit != nil {
		f.Steps = []explain.Step{{Where: explain.Anywhere, Text: "edit " + pool.By.String() + standsIn(pool), Edit: edit}}
	}
	return f
}

func orNothing(texts []string) string {
	if len(texts) == 0 {
		return "nothing"
	}
	return strings.Join(texts, ", ")
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
	return &snapshot.Edit{Kind: pick.KindOf(pool.By), On: pool.By, Ops: ops}
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
		Edit: &snapshot.Edit{Kind: pick.KindOf(pool.By), On: pool.By, Ops: []snapshot.Op{
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

// AutoAssigned reports whether a pool is handed out without being asked for.
func AutoAssigned(p *rule.Pass, pool claim.Claim) bool {
	o := p.Object(pool.By)
	return o == nil || o.Field("spec", "autoAssign").Text() != "false"
}

// PoolsEdit takes addresses out of all pools that have one range: one alone would
// leave the conflict to the others.
func PoolsEdit(p *rule.Pass, pools []claim.Claim, out []claim.Range) explain.Fix {
	pools = slices.Clone(pools)
	slices.SortStableFunc(pools, func(a, b claim.Claim) int {
		return cmp.Or(a.By.Compare(b.By), pick.LaterFirst(a.Origin.Field, b.Origin.Field))
	})
	var all explain.Fix
	var texts []string
	for _, pool := range pools {
		f := poolEdit(p, pool, out)
		texts = append(texts, f.Text)
		all.Steps = append(all.Steps, f.Steps...)
	}
	all.Text = strings.Join(slices.Compact(texts), "; ")
	return all
}
