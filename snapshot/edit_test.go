// SPDX-License-Identifier: Apache-2.0

package snapshot_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"whohas/snapshot"
)

func edited() *snapshot.Object {
	text := func(s string) snapshot.Value { return snapshot.Value{Kind: snapshot.String, Text: s} }
	return &snapshot.Object{Ref: service.Ref("demo", "web"), Root: snapshot.Value{Kind: snapshot.Map, Keyset: snapshot.KeysetOf("metadata", "spec"), Items: []snapshot.Value{
		{Kind: snapshot.Map, Keyset: snapshot.KeysetOf("annotations"), Items: []snapshot.Value{{Kind: snapshot.Map, Keyset: snapshot.KeysetOf("a.io/x~y"), Items: []snapshot.Value{text("1,2")}}}},
		{Kind: snapshot.Map, Keyset: snapshot.KeysetOf("externalIPs"), Items: []snapshot.Value{{Kind: snapshot.List, Items: []snapshot.Value{text("10.0.0.1"), text("10.0.0.2")}}}},
	}}}
}

func TestPaths(t *testing.T) {
	for path, want := range map[string]string{
		"spec.externalIPs[0]": "/spec/externalIPs/0", `metadata.annotations["a.io/x~y"]`: "/metadata/annotations/a.io~1x~0y",
		`data["config.conf"].clusters[12].cluster`: "/data/config.conf/clusters/12/cluster", "": "",
	} {
		if got := snapshot.Pointer(path); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
	o := edited()
	for path, want := range map[string]string{
		"spec.externalIPs[0]": "10.0.0.1", "spec.externalIPs[1]": "10.0.0.2", "spec.externalIPs[2]": "", "spec.externalIPs[x]": "",
		`metadata.annotations["a.io/x~y"]`: "1,2", "spec.nothing[0].there": "",
	} {
		f := o.At(path)
		if f.Text() != want || want != "" && f.Path != path {
			t.Errorf("at %s: %q (path %s), want %q", path, f.Text(), f.Path, want)
		}
	}
}

func TestApply(t *testing.T) {
	op := func(op, path string, value any) snapshot.Op { return snapshot.Op{Op: op, Path: path, Value: value} }
	for _, tt := range []struct {
		name string
		ops  []snapshot.Op
		want []string // externalIPs after
		err  string
	}{
		{"remove", []snapshot.Op{op("test", "/spec/externalIPs/0", "10.0.0.1"), op("remove", "/spec/externalIPs/0", nil)}, []string{"10.0.0.2"}, ""},
		{"add in order", []snapshot.Op{op("remove", "/spec/externalIPs/0", nil), op("add", "/spec/externalIPs/0", "b"), op("add", "/spec/externalIPs/0", "a")}, []string{"a", "b", "10.0.0.2"}, ""},
		{"add at the end", []snapshot.Op{op("add", "/spec/externalIPs/-", "c")}, []string{"10.0.0.1", "10.0.0.2", "c"}, ""},
		{"replace", []snapshot.Op{op("replace", "/spec/externalIPs/1", "c")}, []string{"10.0.0.1", "c"}, ""},
		{"the list has moved", []snapshot.Op{op("test", "/spec/externalIPs/0", "10.0.0.2"), op("remove", "/spec/externalIPs/0", nil)}, nil,
			"edit Service demo/web: test /spec/externalIPs/0: another value stands there"},
		{"no such item", []snapshot.Op{op("remove", "/spec/externalIPs/2", nil)}, nil, `edit Service demo/web: remove /spec/externalIPs/2: no item "2"`},
		{"no such field", []snapshot.Op{op("remove", "/spec/ports/0", nil)}, nil, `edit Service demo/web: remove /spec/ports/0: no field "ports"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var b snapshot.Builder
			b.Add(edited())
			before := b.Snapshot()
			after, err := before.Apply(snapshot.Edit{Kind: service, On: service.Ref("demo", "web"), Ops: tt.ops})
			if tt.err != "" {
				if err == nil || err.Error() != tt.err {
					t.Errorf("got %v, want %s", err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, externalIPs(after)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if diff := cmp.Diff([]string{"10.0.0.1", "10.0.0.2"}, externalIPs(before)); diff != "" {
				t.Errorf("the snapshot before has changed:\n%s", diff)
			}
		})
	}
	if _, err := (&snapshot.Snapshot{}).Apply(snapshot.Edit{On: service.Ref("demo", "gone"), Ops: []snapshot.Op{op("remove", "/x", nil)}}); err == nil {
		t.Error("an edit of no object is no error")
	}
}

func externalIPs(s *snapshot.Snapshot) []string {
	var out []string
	for f := range s.First(service.Ref("demo", "web")).Field("spec", "externalIPs").Items() {
		out = append(out, f.Text())
	}
	return out
}

// TestCommand: names come from manifests, and people copy the command.
func TestCommand(t *testing.T) {
	remove := []snapshot.Op{{Op: "remove", Path: "/spec/x"}}
	for _, tt := range []struct {
		edit snapshot.Edit
		want string
	}{
		{snapshot.Edit{Kind: service, On: service.Ref("demo", "web"), Ops: remove}, `kubectl -n demo patch service web --type=json -p '[{"op":"remove","path":"/spec/x"}]'`},
		{snapshot.Edit{Kind: service, On: service.Ref("a b", "x'; rm -rf ~"), Ops: remove}, ""},
		{snapshot.Edit{Kind: service, On: service.Ref("demo", "web"), Subresource: "status", Ops: remove}, `kubectl -n demo patch service web --subresource=status --type=json -p '[{"op":"remove","path":"/spec/x"}]'`},
		{snapshot.Edit{Kind: service, On: service.Ref("demo", "web"), Delete: true}, "kubectl -n demo delete service web"},
	} {
		if got := tt.edit.Command().String(); got != tt.want {
			t.Errorf("got  %s\nwant %s", got, tt.want)
		}
	}
}
