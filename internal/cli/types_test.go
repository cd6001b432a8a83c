// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"whohas/check"
	"whohas/claimants"
	"whohas/cluster"
	"whohas/rule"
	"whohas/snapshot"
	"whohas/source/document"
)

// declared is one step of a declared path, read by another reader than the program's.
type declared struct {
	key, mark string
	yaml      bool
	list      bool
	item      string // the key by which items of a list are chosen
	first     string // what the item that is kept begins with, or holds there
}

var declaredStep = regexp.MustCompile(`^("[^"]*"|[^.<\[]+)(<yaml>)?(\[[^\]]*\])?(<\w+>)?\.?`)

func declaredPath(t *testing.T, path string) []declared {
	t.Helper()
	var steps []declared
	for _, p := range []string{"metadata.annotations.", "metadata.labels."} {
		if key, ok := strings.CutPrefix(path, p); ok {
			steps = []declared{{key: "metadata"}, {key: strings.Split(p, ".")[1]}}
			key, marks, _ := strings.Cut(key, "<")
			if marks != "" {
				marks = "<" + marks
			}
			path = `"` + key + `"` + marks
		}
	}
	for path != "" {
		m := declaredStep.FindStringSubmatch(path)
		if m == nil {
			t.Fatalf("%q is no path", path)
		}
		path = path[len(m[0]):]
		s := declared{key: strings.Trim(m[1], `"`), mark: m[4], yaml: m[2] != "", list: m[3] != ""}
		if strings.HasSuffix(s.key, "*") {
			s.key = strings.TrimSuffix(s.key, "*") + "x"
		}
		bracket := strings.Trim(m[3], "[]")
		if args, ok := strings.CutPrefix(bracket, "^"); ok {
			s.first, _, _ = strings.Cut(args, "|")
		} else if k, v, ok := strings.Cut(bracket, "="); ok {
			s.item = k
			s.first, _, _ = strings.Cut(v, "|")
		}
		steps = append(steps, s)
	}
	return steps
}

// built is an object with one declared field, and how to put something else at any
// step of the way there.
func built(k snapshot.Kind, name string, steps []declared, wrongAt int, inItem bool, wrong any) map[string]any {
	root := map[string]any{"apiVersion": "v1", "kind": k.Kind, "metadata": map[string]any{"name": "a"}}
	if k.Group != "" {
		root["apiVersion"] = k.Group + "/v1"
	}
	if ns, n, ok := strings.Cut(name, "/"); ok {
		root["metadata"] = map[string]any{"name": n, "namespace": ns}
	}
	below := leaf(steps[len(steps)-1])
	for i := len(steps) - 1; i >= 0; i-- {
		s := steps[i]
		if i < len(steps)-1 {
			below = map[string]any{steps[i+1].key: below}
			if s.item != "" {
				below.(map[string]any)[s.item] = s.first
			}
		}
		if i == wrongAt && inItem {
			below = wrong
		}
		if s.list {
			below = []any{below}
		}
		if i == wrongAt && !inItem && !s.yaml {
			below = wrong
		}
		if s.yaml {
			text, _ := json.Marshal(below)
			below = string(text)
			if i == wrongAt && !inItem {
				below = wrong
			}
		}
	}
	if meta, ok := below.(map[string]any); ok && steps[0].key == "metadata" {
		for k, v := range meta {
			root["metadata"].(map[string]any)[k] = v
		}
		return root
	}
	root[steps[0].key] = below
	return root
}

func leaf(s declared) any {
	switch {
	case s.item != "":
		return map[string]any{s.item: s.first}
	case s.first != "":
		return s.first
	case s.mark == "<int>":
		return 7
	case s.mark == "<bool>":
		return true
	}
	return "192.0.2.1"
}

// fits reports whether a value may stand at a step by what is declared.
func fits(s declared, last, inItem bool, wrong any) bool {
	kind := fmt.Sprintf("%T", wrong)
	switch {
	case wrong == nil:
		return !inItem || s.mark == "<any>" || s.yaml && !s.list // a document may be empty
	case s.mark == "<any>":
		return true
	case s.yaml && !inItem:
		return wrong == "" // what else the text may hold is asked with inItem
	case s.list && !inItem:
		return kind == "[]interface {}"
	case s.first != "" && s.item == "":
		return kind == "string"
	case !last || s.item != "":
		return kind == "map[string]interface {}"
	case s.mark == "<scalar>":
		return kind != "map[string]interface {}" && kind != "[]interface {}"
	case s.mark == "<int>":
		return kind == "int"
	case s.mark == "<bool>":
		return kind == "bool"
	}
	return kind == "string"
}

// TestWrongTypes puts something else into every place of every declared path: what
// does not belong there fails the job and is named, what does is never blamed.
func TestWrongTypes(t *testing.T) {
	reads, err := check.Reads()
	if err != nil {
		t.Fatal(err)
	}
	tried := 0
	for _, r := range append(slices.Concat(claimants.Reads(), cluster.Reads()), snapshot.Read{Kind: cluster.ServiceKind, Fields: rule.KeeperFields()}) {
		for _, path := range slices.Concat(r.Fields, r.Traced) {
			name := ""
			if len(r.Names) > 0 {
				name = r.Names[0]
			}
			steps := declaredPath(t, path)
			if got := typeFaults(t, reads, built(r.Kind, name, steps, -1, false, nil)); len(got) > 0 {
				t.Errorf("%s %s: blamed as it should be: %v", r.Kind.Kind, path, got)
			}
			for i, s := range steps {
				if i == 0 && s.key == "metadata" || name != "" && path == "metadata.name" { // has no name then, or another
					continue
				}
				for _, wrong := range []any{nil, "", 10, true, map[string]any{}, []any{}} {
					for _, inItem := range []bool{false, true} {
						if inItem && !s.list && !s.yaml {
							continue
						}
						tried++
						o := built(r.Kind, name, steps, i, inItem, wrong)
						got := typeFaults(t, reads, o)
						if fits(s, i == len(steps)-1, inItem, wrong) != (len(got) == 0) {
							text, _ := json.Marshal(o)
							t.Errorf("%s %s, %v at %s (item: %v): %v\n%s", r.Kind.Kind, path, wrong, s.key, inItem, got, text)
						} else if len(got) > 0 && !strings.Contains(got[0], strings.Split(s.key, "/")[0]) {
							t.Errorf("%s: the field is not named: %v", path, got)
						}
					}
				}
			}
		}
	}
	t.Logf("%d values tried", tried)
}

func typeFaults(t *testing.T, reads snapshot.Reads, object map[string]any) []string {
	t.Helper()
	text, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	var faults []string
	_, told := document.Reading{Reads: reads}.Object(text)
	for _, c := range told {
		if c.Failed {
			faults = append(faults, c.Detail)
		}
	}
	return faults
}
