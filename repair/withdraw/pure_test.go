// SPDX-License-Identifier: Apache-2.0

package withdraw

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"whohas/snapshot"

	"github.com/google/go-cmp/cmp"
)

var serviceKind = snapshot.Kind{Kind: "Service", Resource: "services", Namespaced: true}

func TestController(t *testing.T) {
	for _, c := range []struct {
		writers string
		status  bool
		want    string // "": patch it
	}{
		{"kubectl", true, ""},
		{"kubectl-edit", true, ""},
		{"kubectl-client-side-apply", false, ""},
		{"KUBECTL-patch", true, ""},
		{"helm", true, ""},
		{"Terraform", true, ""},
		{"HashiCorp", false, ""},
		{"lab", true, ""},
		{"whohas", true, ""},
		{"metallb-controller", true, "metallb-controller"},
		{"metallb-speaker", false, "metallb-speaker"},
		{"controller", true, "controller"}, // MetalLB's program
		{"controller", false, ""},
		{"allocator", true, "allocator"}, // PureLB's
		{"cloud-controller-manager", true, "cloud-controller-manager"},
		{"aws-cloud-controller-manager", false, "aws-cloud-controller-manager"},
		{"kube-controller-manager", false, "kube-controller-manager"},
		{"cilium-operator-generic", true, "cilium-operator-generic"},
		{"kube-vip-cloud-provider", false, "kube-vip-cloud-provider"},
		{"k3s", false, "k3s"},
		{"servicelb", true, "servicelb"},
		{"openelb-manager", true, "openelb-manager"},
		{"argocd-controller", false, ""}, // it is told of, and warned of
		{"kustomize-controller", false, ""},
		{"kubectlish", true, "kubectlish"},
		{"", true, "a writer that is not known"},
		{"", false, ""},
		{"kubectl-patch|speaker", true, "speaker"},
		{"kubectl-patch|speaker", false, ""},
		{"kubectl|kube-vip", false, "kube-vip"},
		{"evil\x1b[31m", true, "evil [31m"},
	} {
		got, is := controller(strings.Split(c.writers, "|"), c.status)
		if got != c.want || is != (c.want != "") {
			t.Errorf("%q, status %v: %q, %v; want %q", c.writers, c.status, got, is, c.want)
		}
	}
}

func TestWritersOf(t *testing.T) {
	obj := object(t, `{"metadata":{"managedFields":[
		{"manager":"kubectl-create","fieldsV1":{"f:spec":{"f:externalIPs":{},"f:ports":{".":{},"k:{\"port\":80}":{}}}}},
		{"manager":"controller","subresource":"status","fieldsV1":{"f:status":{"f:loadBalancer":{"f:ingress":{}}}}},
		{"manager":"whole","fieldsV1":{"f:status":{}}},
		{"manager":"annotator","fieldsV1":{"f:metadata":{"f:annotations":{".":{},"f:metallb.io/loadBalancerIPs":{}}}}},
		{"manager":"nothing"}]}}`)
	for path, want := range map[string][]string{
		"/spec/externalIPs/0":                               {"kubectl-create"},
		"/spec/loadBalancerIP":                              nil,
		"/status/loadBalancer/ingress/0/ip":                 {"controller", "whole"},
		"/metadata/annotations/metallb.io~1loadBalancerIPs": {"annotator"},
		"/metadata/annotations/other":                       nil,
	} {
		if diff := cmp.Diff(want, writersOf(obj, path)); diff != "" {
			t.Errorf("%s: -want +got:\n%s", path, diff)
		}
	}
}

func object(tb testing.TB, text string) any {
	tb.Helper()
	v, err := decode([]byte(text))
	if err != nil {
		tb.Fatal(err)
	}
	return v
}

func removal(path, value, change string) snapshot.Edit {
	return snapshot.Edit{Kind: serviceKind, On: serviceKind.Ref("demo", "tomcat"), Ops: []snapshot.Op{
		{Op: "test", Path: path, Value: value}, {Op: "remove", Path: change},
	}}
}

func external(i, value string) snapshot.Edit {
	return removal("/spec/externalIPs/"+i, value, "/spec/externalIPs/"+i)
}

func ingress(i, value string) snapshot.Edit {
	e := removal("/status/loadBalancer/ingress/"+i+"/ip", value, "/status/loadBalancer/ingress/"+i)
	e.Subresource = "status"
	return e
}

func text(path, old, kept string) snapshot.Edit {
	e := removal(path, old, path)
	if kept != "" {
		e.Ops[1] = snapshot.Op{Op: "replace", Path: path, Value: kept}
	}
	return e
}

func split(path, old string, into ...string) snapshot.Edit {
	e := removal(path, old, path)
	for i := len(into) - 1; i >= 0; i-- {
		e.Ops = append(e.Ops, snapshot.Op{Op: "add", Path: path, Value: into[i]})
	}
	return e
}

const annotated = "/metadata/annotations/metallb.io~1loadBalancerIPs"

func TestLocate(t *testing.T) {
	for _, c := range []struct {
		name, obj string
		edit      snapshot.Edit
		field     string
		how       stand
	}{
		{"in place", `{"spec":{"externalIPs":["a","b"]}}`, external("1", "b"), "spec.externalIPs[1]", inPlace},
		{"moved", `{"spec":{"externalIPs":["b","a"]}}`, external("1", "b"), "spec.externalIPs[0]", elsewhere},
		{"gone", `{"spec":{"externalIPs":["a"]}}`, external("1", "b"), "", absent},
		{"no list", `{"spec":{}}`, external("0", "b"), "", absent},
		{"no object", `{}`, external("0", "b"), "", absent},
		{"ingress", `{"status":{"loadBalancer":{"ingress":[{"ip":"a"},{"ip":"b"}]}}}`, ingress("0", "b"), "status.loadBalancer.ingress[1]", elsewhere},
		{"ingress gone", `{"status":{"loadBalancer":{"ingress":[{"hostname":"b"}]}}}`, ingress("0", "b"), "", absent},
		{"text", `{"metadata":{"annotations":{"metallb.io/loadBalancerIPs":"a, b"}}}`, text(annotated, "a, b", "b"), `metadata.annotations["metallb.io/loadBalancerIPs"]`, inPlace},
		{"text without it", `{"metadata":{"annotations":{"metallb.io/loadBalancerIPs":"b"}}}`, text(annotated, "a, b", "b"), "", absent},
		{"text written again", `{"metadata":{"annotations":{"metallb.io/loadBalancerIPs":"b,a"}}}`, text(annotated, "a, b", "b"), `metadata.annotations["metallb.io/loadBalancerIPs"]`, elsewhere},
		{"another text", `{"spec":{"loadBalancerIP":"c"}}`, text("/spec/loadBalancerIP", "a", ""), "", absent},
	} {
		field, how := locate(object(t, c.obj), c.edit)
		if field != c.field || how != c.how {
			t.Errorf("%s: %q, %d; want %q, %d", c.name, field, how, c.field, c.how)
		}
	}
}

// TestThereAndBack takes values away, and puts them back into what others have made
// of the object meanwhile.
func TestThereAndBack(t *testing.T) {
	const head = `"metadata":{"uid":"u"}`
	for _, c := range []struct {
		name, before string
		edit         snapshot.Edit
		after        string // of the patch
		now          string // when it is put back; "": after
		want         string // in the end; "": before
	}{
		{"first of two", `{` + head + `,"spec":{"externalIPs":["a","b"]}}`, external("0", "a"), `{` + head + `,"spec":{"externalIPs":["b"]}}`, "", ""},
		{"last of two", `{` + head + `,"spec":{"externalIPs":["a","b"]}}`, external("1", "b"), `{` + head + `,"spec":{"externalIPs":["a"]}}`, "", ""},
		{"the only one: the server drops the list", `{` + head + `,"spec":{"externalIPs":["a"]}}`, external("0", "a"), `{` + head + `,"spec":{"externalIPs":[]}}`, `{` + head + `,"spec":{}}`, ""},
		{"list has shrunk", `{` + head + `,"spec":{"externalIPs":["a","b","c"]}}`, external("2", "c"), `{` + head + `,"spec":{"externalIPs":["a","b"]}}`, `{` + head + `,"spec":{"externalIPs":["x"]}}`, `{` + head + `,"spec":{"externalIPs":["x","c"]}}`},
		{"there already", `{` + head + `,"spec":{"externalIPs":["a","b"]}}`, external("0", "a"), `{` + head + `,"spec":{"externalIPs":["b"]}}`, `{` + head + `,"spec":{"externalIPs":["b","a"]}}`, `{` + head + `,"spec":{"externalIPs":["b","a"]}}`},
		{"whole entry", `{` + head + `,"status":{"loadBalancer":{"ingress":[{"ip":"a","ipMode":"VIP","ports":[{"port":80}]},{"ip":"b"}]}}}`, ingress("0", "a"),
			`{` + head + `,"status":{"loadBalancer":{"ingress":[{"ip":"b"}]}}}`, "", ""},
		{"entry is there in another form", `{` + head + `,"status":{"loadBalancer":{"ingress":[{"ip":"a","ipMode":"VIP"}]}}}`, ingress("0", "a"),
			`{` + head + `,"status":{"loadBalancer":{"ingress":[]}}}`, `{` + head + `,"status":{"loadBalancer":{"ingress":[{"ip":"a"}]}}}`, `{` + head + `,"status":{"loadBalancer":{"ingress":[{"ip":"a"}]}}}`},
		{"whole status is gone", `{` + head + `,"status":{"loadBalancer":{"ingress":[{"ip":"a"}]}}}`, ingress("0", "a"),
			`{` + head + `,"status":{"loadBalancer":{"ingress":[]}}}`, `{` + head + `}`, ""},
		{"part of a text", `{"metadata":{"uid":"u","annotations":{"metallb.io/loadBalancerIPs":"a,b"}}}`, text(annotated, "a,b", "b"),
			`{"metadata":{"uid":"u","annotations":{"metallb.io/loadBalancerIPs":"b"}}}`, "", ""},
		{"text, and the annotations are gone", `{"metadata":{"uid":"u","annotations":{"metallb.io/loadBalancerIPs":"a"}}}`, text(annotated, "a", ""),
			`{"metadata":{"uid":"u","annotations":{}}}`, `{` + head + `}`, ""},
		{"field", `{` + head + `,"spec":{"loadBalancerIP":"a"}}`, text("/spec/loadBalancerIP", "a", ""), `{` + head + `,"spec":{}}`, "", ""},
		{"pool split in two", `{` + head + `,"spec":{"addresses":["x","10.0.0.0/24","y"]}}`, split("/spec/addresses/1", "10.0.0.0/24", "p", "q"),
			`{` + head + `,"spec":{"addresses":["x","p","q","y"]}}`, "", ""},
		{"pool split, and a part is gone", `{` + head + `,"spec":{"addresses":["x","10.0.0.0/24","y"]}}`, split("/spec/addresses/1", "10.0.0.0/24", "p", "q"),
			`{` + head + `,"spec":{"addresses":["x","p","q","y"]}}`, `{` + head + `,"spec":{"addresses":["q","x"]}}`, `{` + head + `,"spec":{"addresses":["x","10.0.0.0/24"]}}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := planned(object(t, c.before), c.edit)
			if err != nil {
				t.Fatal(err)
			}
			if got := patched(t, object(t, c.before), p.ops); cmp.Diff(object(t, c.after), got) != "" {
				t.Fatalf("patched: %s, want %s", encoded(got), c.after)
			}
			now, want := c.now, c.want
			if now == "" {
				now = c.after
			}
			if want == "" {
				want = c.before
			}
			back := throughFile(t, p)
			ops, err := restored(object(t, now), "u", back)
			if err != nil {
				t.Fatal(err)
			}
			got := patched(t, object(t, now), ops)
			if cmp.Diff(object(t, want), got) != "" {
				t.Errorf("put back: %s, want %s\nby %s", encoded(got), want, encoded(ops))
			}
			if again, err := restored(got, "u", back); err != nil || len(again) > 0 {
				t.Errorf("a second time: %s, %v", encoded(again), err)
			}
			if len(ops) > 0 {
				if _, err := patchedOrNot(got, ops); !errors.Is(err, errMoved) {
					t.Errorf("the patch applies twice: %v", err)
				}
			}
		})
	}
}

func throughFile(t *testing.T, p plan) []move {
	t.Helper()
	f := file{APIVersion: undoVersion, Kind: undoKind, Changes: []change{changeOf(place{Version: "v1", Resource: "services", Kind: "Service", Name: "s"}, snapshot.Edit{}, p)}}
	written, err := f.text()
	if err != nil {
		t.Fatal(err)
	}
	read, err := parseUndo(written)
	if err != nil {
		t.Fatalf("%v\n%s", err, written)
	}
	return read.Changes[0].Back
}

func patched(t *testing.T, obj any, ops []op) any {
	t.Helper()
	out, err := patchedOrNot(obj, ops)
	if err != nil {
		t.Fatalf("%v\n%s", err, encoded(ops))
	}
	return out
}

func patchedOrNot(obj any, ops []op) (any, error) {
	var err error
	for _, o := range ops {
		if obj, err = apply(obj, o); err != nil {
			return nil, err
		}
	}
	return obj, nil
}

func TestRestoredRefuses(t *testing.T) {
	p, err := planned(object(t, `{"metadata":{"uid":"u"},"spec":{"loadBalancerIP":"a"}}`), text("/spec/loadBalancerIP", "a", ""))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := restored(object(t, `{"metadata":{"uid":"u"},"spec":{"loadBalancerIP":"c"}}`), "u", p.back); err == nil || !strings.Contains(err.Error(), "spec.loadBalancerIP was changed since") {
		t.Errorf("a field that another has written: %v", err)
	}
	one := 1
	if _, err := restored(object(t, `{"spec":{"x":"text"}}`), "u", []move{{Path: "/spec/x", Index: &one, Value: json.RawMessage(`"a"`)}}); err == nil {
		t.Error("a list that is none any more")
	}
	if _, err := restored(object(t, `{"spec":"text"}`), "u", []move{{Path: "/spec/x", Value: json.RawMessage(`"a"`)}}); err == nil {
		t.Error("a field of a text")
	}
}

func TestPlannedTests(t *testing.T) {
	obj := object(t, `{"metadata":{"uid":"u"},"status":{"loadBalancer":{"ingress":[{"ip":"a","ports":[{"port":8080}]}]}}}`)
	p, err := planned(obj, ingress("0", "a"))
	if err != nil {
		t.Fatal(err)
	}
	want := `[{"op":"test","path":"/metadata/uid","value":"u"},` +
		`{"op":"test","path":"/status/loadBalancer/ingress/0/ip","value":"a"},` +
		`{"op":"test","path":"/status/loadBalancer/ingress/0","value":{"ip":"a","ports":[{"port":8080}]}},` +
		`{"op":"remove","path":"/status/loadBalancer/ingress/0"}]`
	if got := string(encoded(p.ops)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for _, wrong := range []snapshot.Edit{ingress("0", "b"), ingress("1", "a"), ingress("00", "a"), text("/spec/loadBalancerIP", "a", "")} {
		if _, err := planned(obj, wrong); !errors.Is(err, errMoved) {
			t.Errorf("%v: %v", wrong.Ops, err)
		}
	}
}

func TestPlacePath(t *testing.T) {
	for want, p := range map[string]place{
		"/api/v1/nodes/n": {Version: "v1", Resource: "nodes", Kind: "Node", Name: "n"},
		"/apis/metallb.io/v1beta1/namespaces/m/ipaddresspools/p": {Group: "metallb.io", Version: "v1beta1", Resource: "ipaddresspools", Kind: "IPAddressPool", Namespace: "m", Name: "p"},
	} {
		if got, err := p.path(); got != want || err != nil {
			t.Errorf("%s, %v; want %s", got, err, want)
		}
	}
	for _, p := range []place{
		{Version: "v1", Kind: "Service", Name: "s"}, {Resource: "services", Name: "s"}, {Version: "v1", Resource: "services"},
		{Version: "v1", Resource: "services", Name: ".."}, {Version: "v1", Resource: "services", Namespace: "a/b", Name: "s"}, {Version: "v1", Resource: "services", Name: "s?dryRun=All"},
	} {
		if got, err := p.path(); err == nil {
			t.Errorf("%+v: %s", p, got)
		}
	}
}

const goodUndo = `{"apiVersion":"whohas/v1","kind":"Undo","time":"2026-01-02T03:04:05Z","server":"https://192.0.2.1:6443","changes":[
{"version":"v1","resource":"services","kind":"Service","namespace":"demo","name":"tomcat","uid":"u","done":true,
 "back":[{"path":"/spec/externalIPs","index":0,"value":"192.168.10.114"}]}]}`

func TestParseUndo(t *testing.T) {
	f, err := parseUndo([]byte(goodUndo))
	if err != nil || len(f.Changes) != 1 || *f.Changes[0].Back[0].Index != 0 || !f.Changes[0].Done || f.Time.Year() != 2026 {
		t.Errorf("%+v, %v", f, err)
	}
	for _, c := range []struct{ old, now, want string }{
		{"whohas/v1", "whohas/v2", `this is "Undo" of "whohas/v2", not Undo of whohas/v1`},
		{`"Undo"`, `"Snapshot"`, "another version"},
		{`"done"`, `"doNe"`, "damaged"},
		{`"done":true`, `"done":true,"more":1`, "damaged"},
		{`"done":true`, `"done":true,"done":false`, "no undo file"},
		{`"uid":"u"`, `"uid":""`, "no uid"},
		{`"name":"tomcat"`, `"name":"../../nodes"`, "no name of an object"},
		{`"done":true`, `"subresource":"scale","done":true`, `unknown subresource "scale"`},
		{`"index":0`, `"index":-1`, "no place in a list"},
		{`"index":0`, `"index":1.5`, "damaged"},
		{`"path":"/spec/externalIPs"`, `"path":""`, "no path"},
		{`,"value":"192.168.10.114"`, ``, "without a value"},
		{`"value":"192.168.10.114"`, `"value":null`, "without a value"},
		{`[{"path":"/spec/externalIPs","index":0,"value":"192.168.10.114"}]`, `[]`, "nothing to put back"},
		{"]}]}", "]}]}{}", "no undo file"},
		{"]}]}", "]}]", "no undo file"},
	} {
		if !strings.Contains(goodUndo, c.old) {
			t.Fatalf("no %q to replace", c.old)
		}
		_, err := parseUndo([]byte(strings.Replace(goodUndo, c.old, c.now, 1)))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v; want %q", c.now, err, c.want)
		}
	}
}

func FuzzParseUndo(f *testing.F) {
	f.Add([]byte(goodUndo), []byte(`{"metadata":{"uid":"u"},"spec":{"externalIPs":["x"]}}`))
	f.Add([]byte(goodUndo), []byte(`{}`))
	f.Add([]byte(strings.ReplaceAll(goodUndo, `"index":0,`, `"instead":"x",`)), []byte(`{"spec":{"externalIPs":"x"}}`))
	f.Add([]byte(strings.ReplaceAll(goodUndo, `"index":0,`, `"index":3,"key":"/ip","instead":{"ip":1},`)), []byte(`{"spec":{"externalIPs":[{"ip":1},null]}}`))
	f.Add([]byte(`{"apiVersion":"whohas/v1","kind":"Undo"}`), []byte(`null`))
	f.Fuzz(func(t *testing.T, undo, obj []byte) {
		read, err := parseUndo(undo)
		if err != nil {
			return
		}
		written, err := read.text()
		if err != nil {
			t.Fatalf("cannot be written again: %v", err)
		}
		again, err := parseUndo(written)
		if err != nil {
			t.Fatalf("cannot be read again: %v\n%s", err, written)
		}
		if twice, err := again.text(); err != nil || string(twice) != string(written) {
			t.Fatalf("is another one when read again: %v\n%s\n%s", err, written, twice)
		}
		now, err := decode(obj)
		if err != nil {
			return
		}
		before := string(encoded(now))
		for _, c := range read.Changes {
			if ops, err := restored(now, c.UID, c.Back); err == nil && len(ops) > 0 && ops[0].Path != "/metadata/uid" {
				t.Errorf("a patch without a test of the object: %s", encoded(ops))
			}
		}
		if after := string(encoded(now)); after != before {
			t.Errorf("the object was written to: %s", after)
		}
	})
}

func TestKeeping(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "undo.json")
	one := change{Version: "v1", Resource: "services", Kind: "Service", Name: "a", UID: "u", Back: []move{{Path: "/spec/x", Value: json.RawMessage(`""`)}}}
	k, err := keep(Options{UndoFile: name}, "https://h:1")
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		what string
		do   func() error
		want []bool // Done of each change in the file
	}{
		{"sending", func() error { return k.sending(one) }, []bool{false}},
		{"sent", func() error { return k.sent(true, false) }, []bool{true}},
		{"second", func() error { return k.sending(one) }, []bool{true, false}},
		{"refused", func() error { return k.sent(false, false) }, []bool{true}},
		{"third", func() error { return k.sending(one) }, []bool{true, false}},
		{"no answer", func() error { return k.sent(false, true) }, []bool{true, false}},
		{"end", k.close, []bool{true, false}},
	} {
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.what, err)
		}
		f, err := readUndo(name)
		if err != nil {
			t.Fatalf("%s: %v", step.what, err)
		}
		var done []bool
		for _, c := range f.Changes {
			done = append(done, c.Done)
		}
		if diff := cmp.Diff(step.want, done); diff != "" {
			t.Errorf("%s: -want +got:\n%s", step.what, diff)
		}
	}
	if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if files, _ := os.ReadDir(dir); len(files) != 1 {
		t.Errorf("left in the directory: %v", files)
	}
	for _, dry := range []bool{false, true} {
		if _, err := keep(Options{UndoFile: name, DryRun: dry}, ""); err == nil || !strings.Contains(err.Error(), "is there already") {
			t.Errorf("dry run %v: an undo file is overwritten: %v", dry, err)
		}
	}
	if _, err := keep(Options{}, ""); err == nil {
		t.Error("no undo file is named, and none is missed")
	}
	if _, err := keep(Options{UndoFile: filepath.Join(dir, "none", "undo")}, ""); err == nil {
		t.Error("a directory that is not there")
	}
}

func TestKeepingNothing(t *testing.T) {
	name := filepath.Join(t.TempDir(), "undo.json")
	k, err := keep(Options{UndoFile: name}, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := k.close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(name); err == nil {
		t.Error("an undo file of nothing is left")
	}
}
