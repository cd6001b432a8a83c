// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"whohas/dataplane"
	"whohas/snapshot"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// equal compares exported fields; no list and an empty one are the same.
var equal = cmp.Options{
	cmpopts.EquateEmpty(),
	cmpopts.EquateComparable(netip.Addr{}, netip.AddrPort{}, netip.Prefix{}),
	cmpopts.IgnoreUnexported(snapshot.Snapshot{}),
}

func write(tb testing.TB, s *snapshot.Snapshot) []byte {
	tb.Helper()
	var b bytes.Buffer
	if err := Write(&b, s, "whohas test"); err != nil {
		tb.Fatalf("write: %v", err)
	}
	return b.Bytes()
}

func read(file []byte) (*snapshot.Snapshot, error) {
	var b snapshot.Builder
	err := Read(context.Background(), bytes.NewReader(file), "c.snapshot", &b)
	return b.Snapshot(), err
}

func zipped(tb testing.TB, text string) []byte {
	tb.Helper()
	var b bytes.Buffer
	zip := gzip.NewWriter(&b)
	if _, err := io.WriteString(zip, text); err != nil {
		tb.Fatal(err)
	}
	if err := zip.Close(); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

func unzipped(tb testing.TB, file []byte) string {
	tb.Helper()
	zip, err := gzip.NewReader(bytes.NewReader(file))
	if err != nil {
		tb.Fatal(err)
	}
	text, err := io.ReadAll(zip)
	if err != nil {
		tb.Fatal(err)
	}
	return string(text)
}

func scalar(kind snapshot.ValueKind, line int32, text string) snapshot.Value {
	return snapshot.Value{Kind: kind, Line: line, Text: text}
}

func sample() *snapshot.Snapshot {
	var b snapshot.Builder
	b.TakenAt(time.Date(2026, 5, 4, 3, 2, 1, 987, time.UTC))
	b.AddObject(&snapshot.Object{
		Ref: snapshot.Ref{Kind: "Service", Namespace: "demo", Name: "web"}, Version: "v1", File: "a b.yaml", Line: 7,
		Root: snapshot.Value{Kind: snapshot.Map, Line: 7, Keyset: snapshot.KeysetOf("spec", "odd", "odd"), Items: []snapshot.Value{
			{Kind: snapshot.Map, Line: 9, Keyset: snapshot.KeysetOf("externalIPs"), Items: []snapshot.Value{
				{Kind: snapshot.List, Line: 10, Items: []snapshot.Value{scalar(snapshot.String, 10, "192.0.2.7")}},
			}},
			{Kind: snapshot.List, Line: 3, Items: []snapshot.Value{
				scalar(snapshot.Number, 3, "0x1F"), scalar(snapshot.Number, 3, "-1.5e3"), scalar(snapshot.Bool, 4, "True"),
				scalar(snapshot.Bool, 4, "false"), scalar(snapshot.Null, 4, "~"), scalar(snapshot.Null, 4, ""), {}, scalar(snapshot.String, 0, ""),
			}},
			scalar(snapshot.String, 11, "é\"\\\n\x00\u2028"),
		}},
	})
	b.AddPod(snapshot.Pod{
		Namespace: "demo", Name: "web-1", Node: "n1", HostNetwork: true,
		IPs:       []netip.Addr{netip.MustParseAddr("10.1.2.3"), netip.MustParseAddr("fd00::1")},
		HostPorts: []snapshot.HostPort{{Port: snapshot.Port{Proto: "TCP", Number: 80}}, {Port: snapshot.Port{Proto: "UDP", Number: 53}, IP: netip.MustParseAddr("192.0.2.1")}},
		Finished:  true, File: "pods.json", Line: 12,
	})
	b.AddSlice(snapshot.EndpointSlice{
		Ref: snapshot.EndpointSliceKind.Ref("demo", "web-x"), Service: "web", ManagedBy: "m", Created: "2026-01-01T00:00:00Z",
		Controller: snapshot.Ref{Kind: "Service", Namespace: "demo", Name: "web"},
		Addresses:  []netip.Addr{netip.MustParseAddr("10.1.2.3")}, Ports: []snapshot.Port{{Proto: "SCTP", Number: 65535}}, File: "s", Line: 1,
	})
	b.Cover(snapshot.Coverage{Source: "services", Status: snapshot.StatusRead, Count: 1, Complete: true})
	b.Cover(snapshot.Coverage{Source: "nodes", Status: snapshot.StatusDenied, Detail: "forbidden: \"x\"", Line: 3, Failed: true})
	return b.Snapshot()
}

func TestRoundTrip(t *testing.T) {
	want := sample()
	got, err := read(write(t, want))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, equal); diff != "" {
		t.Errorf("-written +read:\n%s", diff)
	}
}

// TestEveryField fails when a type of the snapshot gains a field that the file
// does not have.
func TestEveryField(t *testing.T) {
	var pod snapshot.Pod
	var slice snapshot.EndpointSlice
	var coverage snapshot.Coverage
	var host dataplane.Host
	object := snapshot.Object{Root: scalar(snapshot.String, 1, "x")}
	for _, p := range []any{&pod, &slice, &coverage, &object, &host} {
		fill(t, reflect.ValueOf(p).Elem())
	}
	var b snapshot.Builder
	b.AddPod(pod)
	b.AddSlice(slice)
	b.AddObject(&object)
	b.AddHost(host)
	b.Cover(coverage)
	want := b.Snapshot()
	got, err := read(write(t, want))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, equal); diff != "" {
		t.Errorf("-written +read:\n%s", diff)
	}
}

// fill sets what is zero in a value.
func fill(t *testing.T, v reflect.Value) {
	switch x := v.Addr().Interface().(type) {
	case *netip.Addr:
		*x = netip.MustParseAddr("192.0.2.9")
		return
	case *netip.AddrPort:
		*x = netip.MustParseAddrPort("192.0.2.9:80")
		return
	case *netip.Prefix:
		*x = netip.MustParsePrefix("192.0.2.9/24")
		return
	case *snapshot.Value:
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(t, v.Field(i))
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(t, v.Index(0))
	case reflect.String:
		v.SetString("text of " + v.Type().Name())
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int:
		v.SetInt(7)
	case reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(7)
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(t, key)
		fill(t, value)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	default:
		t.Fatalf("a field of type %s: teach this test and the file about it", v.Type())
	}
}

func TestSameBytes(t *testing.T) {
	if a, b := write(t, sample()), write(t, sample()); !bytes.Equal(a, b) {
		t.Error("the same snapshot was written as other bytes")
	}
}

func TestEmpty(t *testing.T) {
	var b snapshot.Builder
	got, err := read(write(t, b.Snapshot()))
	if err != nil || got.Count() != 0 || len(got.Coverage) != 0 {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestText(t *testing.T) {
	want := `{"format":"whohas/snapshot","version":1,"tool":"whohas test","taken":"2026-05-04T03:02:01.000000987Z","objects":1,"pods":1,"slices":1}
["object",["Service","web","demo"],"v1",{"spec":{"externalIPs":["192.0.2.7"]},"odd":["0x1F",-1.5e3,"True",false,"~",null,"",""],"odd":"é\"\\\n\u0000` + "\u2028" + `"},"a b.yaml",7,[0,2,1,0,-7,0,0,1,0,0,0,-4,0,11],[5,"number",7,"bool",9,"null",11,"absent"]]
["pod","demo","web-1","n1",["10.1.2.3","fd00::1"],true,true,[["TCP",80],["UDP",53,"192.0.2.1"]],"pods.json",12]
["slice",["EndpointSlice","web-x","demo","discovery.k8s.io"],"web",["10.1.2.3"],[["SCTP",65535]],"m",["Service","web","demo"],"2026-01-01T00:00:00Z","s",1]
["coverage","nodes","denied",0,false,"forbidden: \"x\"",3,true]
["coverage","services","read",1,true]
{"end":5}
`
	if diff := cmp.Diff(want, unzipped(t, write(t, sample()))); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestIs(t *testing.T) {
	file := write(t, sample())
	big := write(t, synthetic(200))
	for _, c := range []struct {
		name string
		head []byte
		want bool
	}{
		{"whole", file, true},
		{"head of a large file", big[:512], true},
		{"128 bytes", big[:128], true},
		{"nothing", nil, false},
		{"two bytes", file[:2], false},
		{"gzip header only", file[:12], false},
		{"other gzip", zipped(t, "apiVersion: v1\n"), false},
		{"other json", zipped(t, `{"format":"whohas/other"}`), false},
		{"zipped by another program", zipped(t, unzipped(t, big))[:2048], true},
		{"text", []byte(magic), false},
	} {
		if got := Is(c.head); got != c.want {
			t.Errorf("%s: got %v", c.name, got)
		}
	}
}

func TestBroken(t *testing.T) {
	text := unzipped(t, write(t, sample()))
	lines := strings.SplitAfter(strings.TrimSuffix(text, "\n"), "\n")
	for _, c := range []struct {
		name, text, want string
		partial          bool
	}{
		{"empty text", "", "header: unexpected EOF", false},
		{"other json", `{"apiVersion":"v1"}` + "\n", "read c.snapshot: not a snapshot of whohas", false},
		{"header cut", `{"format":"whohas/snapshot","ver`, "header: unexpected EOF", false},
		{"header is no json", magic + ",\n", "not a snapshot of whohas", false},
		{"no version", magic + "}\n", "header names no version", false},
		{"later version", magic + `,"version":2,"tool":"whohas v9"}` + "\n", "snapshot of format version 2, written by whohas v9; this program reads version 1", false},
		{"bad time", magic + `,"version":1,"taken":"now"}` + "\n", `header: parsing time "now"`, false},
		{"header says anything", magic + `,"version":1,"objects":-1,"pods":9223372036854775807,"slices":1e99}` + "\n", "not a snapshot of whohas", false},
		{"header promises much", magic + `,"version":1,"objects":-1,"pods":9223372036854775807}` + "\n", "truncated after record 0", true},
		{"header only", lines[0], "truncated after record 0", true},
		{"no end", strings.Join(lines[:3], ""), "truncated after record 2", true},
		{"cut in a record", text[:len(lines[0])+len(lines[1])+9], "truncated after record 1", true},
		{"record lost", strings.Join(append(append([]string{}, lines[:2]...), lines[3:]...), ""), "after the last record, 4: 5 records were announced", true},
		{"text behind", text + "x\n", "after the last record, 5: text behind the last line", true},
		{"record is no array", lines[0] + lines[1] + "{}\n", "record 2: not the JSON that was expected, at byte 1", true},
		{"record is empty", lines[0] + "\n", "record 1: not the JSON", true},
		{"sort is no word", lines[0] + "[]\n", "record 1: record does not name its sort", true},
		{"bad address", lines[0] + `["pod","a","b","",["x"]]` + "\n", `record 1: not an address: "x"`, true},
		{"bad port", lines[0] + `["pod","a","b","",[],true,false,[["TCP",65536]]]` + "\n", `record 1: not a port: 65536`, true},
		{"text behind a record", lines[0] + `["pod"]]` + "\n", `record 1: text behind the record`, true},
		{"lines too many", lines[0] + `["object",[],"",{},"",0,[1,2]]` + "\n", "record 1: lines or odd values of values that are not there", true},
		{"odd too many", lines[0] + `["object",[],"",{},"",0,[],[1,"null"]]` + "\n", "record 1: lines or odd values", true},
		{"odd of another kind", lines[0] + `["object",[],"",{},"",0,[],[0,"null"]]` + "\n", "record 1: odd value of unknown kind", true},
		{"bad number", lines[0] + `["object",[],"",01]` + "\n", "record 1: not the JSON", true},
		{"bad escape", lines[0] + `["object",[],"\x"]` + "\n", "record 1: string: ", true},
		{"bad utf-8", lines[0] + "[\"object\",[],\"\xff\"]\n", "record 1: string: ", true},
		{"string has no end", lines[0] + `["pod","` + "\n", "record 1: string has no end", true},
		{"deep", lines[0] + `["object",[],"",` + strings.Repeat("[", 5000) + "\n", "record 1: nested deeper than 1000", true},
		{"deep unknown", lines[0] + `["new",` + strings.Repeat("[", 5000) + "\n", "record 1: not the JSON", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := read(zipped(t, c.text))
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "read c.snapshot: ") {
				t.Fatalf("got %v, want %q", err, c.want)
			}
			var partial *PartialError
			if errors.As(err, &partial) != c.partial {
				t.Errorf("partial: %v", !c.partial)
			}
			if s.Failed() != c.partial {
				t.Errorf("coverage %+v", s.Coverage)
			}
			for _, l := range s.Coverage {
				if l.Complete {
					t.Errorf("%s is complete", l.Source)
				}
			}
		})
	}
}

func TestTruncated(t *testing.T) {
	whole := synthetic(20_000)
	file := write(t, whole)
	s, err := read(file[:len(file)/2])
	if err == nil || !strings.Contains(err.Error(), "truncated after record ") {
		t.Fatalf("got %v", err)
	}
	if n := len(s.Pods); n < 1000 || n == len(whole.Pods) {
		t.Errorf("%d pods of %d kept", n, len(whole.Pods))
	}
	want := snapshot.Coverage{Source: "c.snapshot", Status: snapshot.StatusUnreadable, Failed: true, Detail: strings.TrimPrefix(err.Error(), "read c.snapshot: ")}
	if diff := cmp.Diff([]snapshot.Coverage{want}, s.Coverage); diff != "" {
		t.Error(diff)
	}
}

func TestDamaged(t *testing.T) {
	file := write(t, synthetic(5000))
	file[len(file)-5]++ // the length at the end
	if _, err := read(file); err == nil || !strings.Contains(err.Error(), "gzip: invalid checksum") {
		t.Errorf("got %v", err)
	}
}

func TestLaterMinor(t *testing.T) {
	text := strings.NewReplacer(
		`{"end":5}`, `["wire","n1",{"links":[1,-2.5,true,null,"]"]}]`+"\n"+`{"end":6}`,
		`"read",1,true]`, `"read",1,true,"",0,false,"new",[{}]]`,
		`"version":1`, `"version":1,"new":{}`,
	).Replace(unzipped(t, write(t, sample())))
	want := sample()
	want.Coverage = append([]snapshot.Coverage{{Source: "c.snapshot", Status: snapshot.StatusPartial, Count: 1, Detail: "records that only a later version knows"}}, want.Coverage...)
	got, err := read(zipped(t, text))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, equal); diff != "" {
		t.Errorf("-written +read:\n%s", diff)
	}
}

// TestLongRecord reads a record that is larger than a block.
func TestLongRecord(t *testing.T) {
	var b snapshot.Builder
	for i := range 3 {
		b.AddObject(&snapshot.Object{Ref: snapshot.Ref{Kind: "X", Name: fmt.Sprint(i)}, Root: scalar(snapshot.String, 0, strings.Repeat(fmt.Sprint(i), 3*blockSize))})
	}
	want := b.Snapshot()
	got, err := read(write(t, want))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, equal); diff != "" {
		t.Error("another snapshot was read")
	}
}

func TestWriteRefuses(t *testing.T) {
	deep := snapshot.Value{}
	for range maxDepth + 1 {
		deep = snapshot.Value{Kind: snapshot.List, Items: []snapshot.Value{deep}}
	}
	for _, c := range []struct {
		want string
		root snapshot.Value
	}{
		{"write snapshot: X a/b: nested deeper than 1000", deep},
		{"write snapshot: X a/b: map whose keys and values do not pair", snapshot.Value{Kind: snapshot.Map, Keyset: snapshot.KeysetOf("a")}},
		{"write snapshot: X a/b: value of unknown kind", snapshot.Value{Kind: 99}},
		{"write snapshot: X a/b: more than 524288 values", snapshot.Value{Kind: snapshot.List, Items: make([]snapshot.Value, maxValues)}},
		{"write snapshot: X a/b: larger than 64 MiB", scalar(snapshot.String, 0, strings.Repeat("x", maxRecord))},
	} {
		s := &snapshot.Snapshot{Objects: []*snapshot.Object{{Ref: snapshot.Ref{Kind: "X", Namespace: "a", Name: "b"}, Root: c.root}}}
		if err := Write(io.Discard, s, ""); err == nil || err.Error() != c.want {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
}

// endless repeats a text, so that a file of any size needs no memory.
type endless struct {
	text []byte
	at   int
}

func (e *endless) Read(p []byte) (int, error) {
	n := copy(p, e.text[e.at:])
	e.at = (e.at + n) % len(e.text)
	return n, nil
}

func TestBomb(t *testing.T) {
	for name, filler := range map[string]string{"one record": "          ", "unknown records": "[\"unknown\"]\n"} {
		t.Run(name, func(t *testing.T) {
			r, w := io.Pipe()
			go func() {
				zip := gzip.NewWriter(w)
				_, err := io.WriteString(zip, magic+`,"version":1}`+"\n")
				if err == nil {
					_, err = io.Copy(zip, io.LimitReader(&endless{text: []byte(strings.Repeat(filler, 1000))}, 1<<30))
				}
				w.CloseWithError(err)
			}()
			var b snapshot.Builder
			err := Read(t.Context(), r, "bomb", &b)
			r.Close()
			if err == nil || !strings.Contains(err.Error(), "larger than 64 MiB") && !strings.Contains(err.Error(), "expands more than") {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var b snapshot.Builder
		for range rapid.IntRange(0, 5).Draw(t, "objects") {
			b.AddObject(&snapshot.Object{
				Ref: drawRef(t), Version: drawText(t), File: drawText(t), Line: drawLine(t), Root: drawValue(t, 4),
			})
		}
		for range rapid.IntRange(0, 5).Draw(t, "pods") {
			b.AddPod(drawPod(t))
		}
		for range rapid.IntRange(0, 5).Draw(t, "slices") {
			b.AddSlice(drawSlice(t))
		}
		for i := range rapid.IntRange(0, 2).Draw(t, "hosts") {
			b.AddHost(drawHost(t, fmt.Sprint("n", i)))
		}
		for range rapid.IntRange(0, 5).Draw(t, "coverage") {
			b.Cover(snapshot.Coverage{Source: drawText(t), Status: snapshot.Status(drawText(t)), Count: rapid.IntRange(0, 9).Draw(t, "count"),
				Complete: rapid.Bool().Draw(t, "complete"), Detail: drawText(t), Line: drawLine(t), Failed: rapid.Bool().Draw(t, "failed")})
		}
		want := b.Snapshot()
		var file bytes.Buffer
		if err := Write(&file, want, drawText(t)); err != nil {
			t.Fatal(err)
		}
		got, err := read(file.Bytes())
		if err != nil {
			t.Fatalf("%v\n%s", err, file.Bytes())
		}
		if diff := cmp.Diff(want, got, equal); diff != "" {
			t.Fatalf("-written +read:\n%s", diff)
		}
		if !Is(file.Bytes()[:min(512, file.Len())]) {
			t.Fatal("not recognised")
		}
	})
}

func drawText(t *rapid.T) string {
	return rapid.OneOf(rapid.Just(""), rapid.SampledFrom([]string{"v1", "demo", "192.0.2.1", "a\"b", "\\", "é"}), rapid.String()).Draw(t, "text")
}

func drawLine(t *rapid.T) int {
	return rapid.OneOf(rapid.Just(0), rapid.IntRange(1, 1<<31-1)).Draw(t, "line")
}

func drawRef(t *rapid.T) snapshot.Ref {
	return snapshot.Ref{Group: drawText(t), Kind: drawText(t), Namespace: drawText(t), Name: drawText(t)}
}

func drawAddr(t *rapid.T) netip.Addr {
	bytes := rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "address")
	switch rapid.IntRange(0, 3).Draw(t, "family") {
	case 0:
		return netip.Addr{}
	case 1:
		return netip.AddrFrom4([4]byte(bytes))
	case 2:
		return netip.AddrFrom16([16]byte(bytes)).Unmap()
	}
	return netip.MustParseAddr("::ffff:192.0.2.1")
}

func drawAddrs(t *rapid.T) []netip.Addr {
	return rapid.SliceOfN(rapid.Custom(drawAddr), 0, 10).Draw(t, "addresses")
}

func drawPort(t *rapid.T) snapshot.Port {
	return snapshot.Port{Proto: drawText(t), Number: rapid.Uint16().Draw(t, "port")}
}

func drawPod(t *rapid.T) snapshot.Pod {
	ports := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) snapshot.HostPort {
		return snapshot.HostPort{Port: drawPort(t), IP: drawAddr(t)}
	}), 0, 3)
	return snapshot.Pod{Namespace: drawText(t), Name: drawText(t), Node: drawText(t), Finished: rapid.Bool().Draw(t, "finished"), HostNetwork: rapid.Bool().Draw(t, "host"),
		IPs: drawAddrs(t), HostPorts: ports.Draw(t, "ports"), File: drawText(t), Line: drawLine(t)}
}

func drawSlice(t *rapid.T) snapshot.EndpointSlice {
	return snapshot.EndpointSlice{Ref: drawRef(t), Service: drawText(t), ManagedBy: drawText(t), Controller: drawRef(t), Addresses: drawAddrs(t),
		Ports: rapid.SliceOfN(rapid.Custom(drawPort), 0, 3).Draw(t, "ports"), File: drawText(t), Line: drawLine(t), Created: drawText(t)}
}

func drawValue(t *rapid.T, depth int) snapshot.Value {
	kind := rapid.SampledFrom([]snapshot.ValueKind{snapshot.Absent, snapshot.Null, snapshot.Bool, snapshot.Number, snapshot.String, snapshot.Map, snapshot.List}).Draw(t, "kind")
	v := snapshot.Value{Kind: kind, Line: int32(drawLine(t))}
	switch kind {
	case snapshot.Map, snapshot.List:
		if depth == 0 {
			return v
		}
		for range rapid.IntRange(0, 4).Draw(t, "children") {
			v.Items = append(v.Items, drawValue(t, depth-1))
			if kind == snapshot.Map {
				v.Keyset = snapshot.KeysetOf(append(v.Keys(), drawText(t))...)
			}
		}
	case snapshot.Number:
		v.Text = rapid.OneOf(rapid.SampledFrom([]string{"", "-", "01", "1.", "1.5", "1e", "1e+7", "-0", ".5", "0x1f", "1_000", "٣"}), rapid.String()).Draw(t, "number")
	case snapshot.Bool, snapshot.Null:
		v.Text = rapid.SampledFrom([]string{"", "true", "false", "True", "null", "~"}).Draw(t, "word")
	case snapshot.String:
		v.Text = drawText(t)
	}
	return v
}

// TestRecordSize reads a record of just the largest size, and one byte more.
func TestRecordSize(t *testing.T) {
	record := func(size int) []byte {
		const begin, end = `["object",["X"],"v1","`, `"]`
		return zipped(t, magic+`,"version":1}`+"\n"+begin+strings.Repeat("x", size-len(begin)-len(end))+end+"\n"+`{"end":1}`+"\n")
	}
	if s, err := read(record(maxRecord)); err != nil || len(s.Objects) != 1 {
		t.Errorf("got %v", err)
	}
	if _, err := read(record(maxRecord + 1)); err == nil || !strings.Contains(err.Error(), "record 1: larger than 64 MiB") {
		t.Errorf("got %v", err)
	}
}
