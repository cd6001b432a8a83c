// SPDX-License-Identifier: Apache-2.0

package claimants

import (
	"encoding/json"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"whohas/claim"
	"whohas/snapshot"
)

func TestHostOf(t *testing.T) {
	for text, want := range map[string]string{
		"10.0.0.1": "10.0.0.1", "10.0.0.1:179": "10.0.0.1", " 10.0.0.1 ": "10.0.0.1", "10.0.0.1:": "10.0.0.1",
		"fd00::1": "fd00::1", "[fd00::1]": "fd00::1", "[fd00::1]:179": "fd00::1",
		"nas.example:2049": "nas.example", "": "", "${VIP}:179": "${VIP}",
	} {
		if got := hostOf(text); got != want {
			t.Errorf("hostOf(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestWithoutEnds(t *testing.T) {
	for text, want := range map[string]string{
		"10.0.0.0/24": "10.0.0.1-10.0.0.254", "10.0.0.0/30": "10.0.0.1-10.0.0.2", "10.0.0.0/31": "10.0.0.0/31",
		"10.0.0.1": "10.0.0.1", "0.0.0.0/0": "0.0.0.1-255.255.255.254", "10.0.0.1-10.0.0.3": "10.0.0.2",
	} {
		r, err := claim.ParseRange(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := withoutEnds(r).String(); got != want {
			t.Errorf("withoutEnds(%s) = %s, want %s", text, got, want)
		}
	}
	if withoutEnds(claim.Range{}).IsValid() {
		t.Error("of an invalid range something is left")
	}
}

func FuzzHostOf(f *testing.F) {
	for _, s := range []string{"10.0.0.1:179", "[fd00::1]:179", "fd00::1", "[", "]:", "a:b:c", "[::1%eth0]:1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(hostOf(text)) > len(text) {
			t.Errorf("hostOf(%q) = %q", text, hostOf(text))
		}
		if ip, err := netip.ParseAddr(text); err != nil || ip.Zone() != "" {
			return
		}
		for _, s := range []string{text, "[" + text + "]", net.JoinHostPort(text, "179")} {
			if got := hostOf(s); got != text {
				t.Errorf("hostOf(%q) = %q, want %q", s, got, text)
			}
		}
	})
}

func FuzzJSONStrings(f *testing.F) {
	for _, s := range []string{`["10.0.0.1","fd00::1"]`, "10.0.0.1", "[]", "null", `[1]`, `["a"`, `{"a":"b"}`, `"10.0.0.1"`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		list, ok := jsonStrings(text)
		if !ok {
			return
		}
		written, err := json.Marshal(list)
		if err != nil {
			t.Fatal(err)
		}
		again, ok := jsonStrings(string(written))
		if !ok || !slices.Equal(list, again) {
			t.Errorf("%q reads %q, which reads %q", text, list, again)
		}
	})
}

func FuzzList(f *testing.F) {
	for _, s := range []string{"10.0.0.1,fd00::1", " a , ,b", ",,,", "", "${A,B}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		o := annotated("k", text)
		var got []string
		for _, p := range list(o.Annotation("k")) {
			if p.Text() == "" || p.Text() != strings.TrimSpace(p.Text()) || strings.Contains(p.Text(), ",") {
				t.Errorf("a part of %q is %q", text, p.Text())
			}
			if diff := cmp.Diff(o.Annotation("k").Origin(), p.Origin()); diff != "" {
				t.Errorf("a part stands elsewhere: %s", diff)
			}
			got = append(got, p.Text())
		}
		var want []string
		for _, p := range strings.Split(text, ",") {
			if p = strings.TrimSpace(p); p != "" {
				want = append(want, p)
			}
		}
		if !slices.Equal(got, want) || o.Annotation("k").Text() != text {
			t.Errorf("parts of %q are %q, and the text is now %q", text, got, o.Annotation("k").Text())
		}
	})
}

// FuzzAnnotations asks every claimant of Services and Nodes about any text in
// any annotation it reads: none may panic, or claim a range that is not in the
// text.
func FuzzAnnotations(f *testing.F) {
	for _, s := range []string{"10.0.0.1,fd00::1", `["10.0.0.1"]`, "192.168.10.114/24", "0.0.0.0", "10.0.0.1:179", "<VIP>"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, c := range All() {
			for _, path := range c.Fields {
				key, ok := strings.CutPrefix(path, "metadata.annotations.")
				if !ok || c.Object == nil {
					continue
				}
				o := annotated(key, text)
				o.Ref = c.Of.Ref("", "x")
				for _, x := range Claims(o) {
					if ip, _, err := snapshot.ParseAddr(x.Text); x.Range.IsValid() && (err != nil || x.Range != claim.Single(ip)) {
						t.Errorf("%s claims %s for %q", x.Kind, x.Range, x.Text)
					}
				}
			}
		}
	})
}

// annotated makes an object with one annotation, of a Service that controllers
// look at.
func annotated(key, text string) *snapshot.Object {
	str := func(s string) snapshot.Value { return snapshot.Value{Kind: snapshot.String, Line: 1, Text: s} }
	mapOf := func(key string, v snapshot.Value) snapshot.Value {
		return snapshot.Value{Kind: snapshot.Map, Keyset: snapshot.KeysetOf(key), Items: []snapshot.Value{v}}
	}
	root := mapOf("metadata", mapOf("annotations", mapOf(key, str(text))))
	root.Keyset = snapshot.KeysetOf(append(root.Keys(), "spec")...)
	root.Items = append(root.Items, mapOf("type", str("LoadBalancer")))
	return &snapshot.Object{Root: root}
}
