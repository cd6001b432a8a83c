// SPDX-License-Identifier: Apache-2.0

package document

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"whohas/snapshot"
)

// repeated is a text n times over, made as it is read.
func repeated(text string, n int) io.Reader { return &repeat{text: text, left: n} }

type repeat struct {
	text string
	left int
	at   int
}

func (r *repeat) Read(p []byte) (n int, err error) {
	for n < len(p) && r.left > 0 {
		c := copy(p[n:], r.text[r.at:])
		n += c
		if r.at += c; r.at == len(r.text) {
			r.at = 0
			r.left--
		}
	}
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// parts joins readers and strings.
func parts(all ...any) io.Reader {
	var in []io.Reader
	for _, p := range all {
		switch p := p.(type) {
		case string:
			in = append(in, strings.NewReader(p))
		case io.Reader:
			in = append(in, p)
		}
	}
	return io.MultiReader(in...)
}

// watched samples the heap while it is read.
type watched struct {
	io.Reader
	read int
	peak uint64
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.Reader.Read(p)
	if w.read += n; w.read%(1<<20) < n {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		w.peak = max(w.peak, m.HeapAlloc)
	}
	return n, err
}

// TestGiants: what is too large to hold is passed over, its neighbours are
// kept, and the memory is bounded whatever the size.
func TestGiants(t *testing.T) {
	const kib = 1 << 10
	size := 300 * kib // KiB
	if testing.Short() {
		size = 40 * kib
	}
	node := func(name string) string {
		return `{"apiVersion":"v1","kind":"Node","metadata":{"name":"` + name + `"}}`
	}
	line := strings.Repeat("x", kib-1) + "\n"
	long := strings.Repeat("x", kib)
	yamlNodes := "- apiVersion: v1\n  kind: Node\n  metadata:\n    name: m\n  x: |\n    " + strings.Repeat("y", 4*kib) + "\n"
	tests := []struct {
		name    string
		in      io.Reader
		names   string // of the nodes that are kept
		bad     int
		objects int
	}{
		{"a JSON string", parts(`{"items":[`, node("a"), `,{"apiVersion":"v1","kind":"Node","x":"`, repeated(long, size), `"},`, node("b"), `]}`), "a b", 1, 2},
		{"a JSON object", parts(node("a"), `{"x":[`, repeated(`{"y":["z"]},`+long[:kib/2], size), `1]}`, node("b")), "a b", 1, 2},
		{"a JSON list's head", parts(`{"metadata":"`, repeated(long, size), `","items":[`, node("a"), `]}`), "a", 1, 1},
		{"one JSON object that is cut off", parts(node("a"), `{"x":"`, repeated(long, size)), "a", 1, 1},
		{"white space", parts(node("a"), repeated(strings.Repeat(" ", kib), size), node("b")), "a b", 0, 2},
		{"a YAML line", parts(nodeA+"---\nx: ", repeated(long, size), "\n---\n"+strings.ReplaceAll(nodeA, "a}", "b}")), "a b", 1, 2},
		{"a YAML document", parts(nodeA+"---\nx: |\n", repeated("  "+line, size), "---\n"+strings.ReplaceAll(nodeA, "a}", "b}")), "a b", 1, 2},
		{"a YAML list's item", parts("apiVersion: v1\nitems:\n", repeated(yamlNodes, 300), "- x: |\n", repeated("    "+line, size),
			strings.ReplaceAll(yamlNodes, ": m", ": z"), "kind: List\n"), "", 1, 301},
		{"a YAML list", parts("apiVersion: v1\nitems:\n", repeated(yamlNodes, size/16), "kind: List\n"), "", 0, size / 16},
		{"a log", parts(node("a"), "\n==== START logs for container c of pod n/p ====\n", repeated(line, size), "==== END logs for container c of pod n/p ====\n", node("b")), "a b", 0, 2},
		{"many small objects", parts(`[`, repeated(`{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p"},"x":"`+long+`"},`, size/4), node("a"), `]`), "a", 0, size/4 + 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			runtime.GC()
			in := &watched{Reader: tt.in}
			var into snapshot.Builder
			reads, err := snapshot.NewReads(snapshot.Read{Kind: nodeKind})
			if err != nil {
				t.Fatal(err)
			}
			result, err := Reading{Reads: reads, Into: &into, File: "f"}.Decode(t.Context(), in)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%d MiB read, peak heap %d MiB, %s", in.read>>20, in.peak>>20, brief(result))
			if in.peak > 100<<20 {
				t.Errorf("peak heap %d MiB", in.peak>>20)
			}
			if result.Bad != tt.bad || result.Objects != tt.objects {
				t.Errorf("result %s", brief(result))
			}
			var names []string
			for _, o := range into.Snapshot().Objects {
				names = append(names, o.Ref.Name)
			}
			if got := strings.Join(names, " "); tt.names != "" && got != tt.names {
				t.Errorf("kept %s", got)
			}
		})
	}
}

// TestLargeStream: what goes through the workers comes to the same as what does
// not, each line included.
func TestLargeStream(t *testing.T) {
	list := podList(400, true)
	for _, p := range list["items"].([]any) {
		p.(map[string]any)["kind"] = "Service" // of which all is kept as a tree
		p.(map[string]any)["spec"].(map[string]any)["externalIPs"] = []string{"192.0.2.1"}
	}
	for name, text := range map[string][]byte{"json": pretty(t, list), "yaml": kubectlYAML(t, list)} {
		snap, result := decode(t, strings.NewReader(string(text)))
		if result.Objects != 400 || len(snap.Objects) != 400 {
			t.Fatalf("%s: %s", name, brief(result))
		}
		lines := strings.Split(string(text), "\n")
		for _, o := range snap.Objects {
			if at := o.Field("metadata", "name").Value.Line; !strings.Contains(lines[at-1], o.Ref.Name) {
				t.Errorf("%s: line %d is %s", name, at, lines[at-1])
			}
			if ip := o.Field("spec", "externalIPs").Value.Items[0]; !strings.Contains(lines[ip.Line-1], ip.Text) {
				t.Errorf("%s: line %d is %s", name, ip.Line, lines[ip.Line-1])
			}
		}
	}
}

// TestCancel: Decode returns once ctx is done, also while a Read blocks.
func TestCancel(t *testing.T) {
	blocked, unblock := io.Pipe()
	defer unblock.Close()
	for name, in := range map[string]io.Reader{
		"a Read that blocks": io.MultiReader(strings.NewReader(nodeA+"---\n"), blocked),
		"an endless stream":  repeated(nodeA+"---\n", 1<<40),
		"one long document":  repeated("- a\n", 1<<40),
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			var into snapshot.Builder
			time.AfterFunc(50*time.Millisecond, cancel)
			done := make(chan error)
			go func() {
				_, err := Reading{Reads: testReads(t), Into: &into}.Decode(ctx, in)
				done <- err
			}()
			select {
			case err := <-done:
				if !errors.Is(err, context.Canceled) {
					t.Errorf("error %v", err)
				}
			case <-time.After(time.Minute):
				t.Fatal("does not return")
			}
		})
	}
}

func TestReadError(t *testing.T) {
	fail := errors.New("connection reset")
	in := io.MultiReader(strings.NewReader(`{"items":[{"apiVersion":"v1","kind":"Node","metadata":{"name":"a"}},{"x":`), failing{fail})
	var into snapshot.Builder
	result, err := Reading{Reads: testReads(t), Into: &into}.Decode(t.Context(), in)
	if !errors.Is(err, fail) || result.Objects != 1 || result.Bad != 0 {
		t.Errorf("error %v, result %s", err, brief(result))
	}
	if _, err := (Reading{Into: &into}).Decode(t.Context(), idle{}); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("a reader that gives nothing: %v", err)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

type idle struct{}

func (idle) Read([]byte) (int, error) { return 0, nil }

func TestCover(t *testing.T) {
	var into snapshot.Builder
	Result{Kept: map[snapshot.Kind]int{nodeKind: 2, serviceKind: 0}, Other: map[string]int{"Deployment.apps": 3}}.Cover(&into, true)
	got := fmt.Sprint(into.Snapshot().Coverage)
	if want := "[{Deployment.apps read 3 false not modelled 0 false} {nodes read 2 true  0 false} {services read 0 true  0 false}]"; got != want {
		t.Errorf("got %s", got)
	}
}
