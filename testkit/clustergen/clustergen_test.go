// SPDX-License-Identifier: Apache-2.0

package clustergen

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// small has each kind of conflict once, and some twice.
func small() Size {
	return Size{Nodes: 40, Services: 160, ExternalIPServices: 40, LoadBalancers: 40, Pods: 600, EndpointSlices: 170, Pools: 3, Conflicts: 20, Seed: 7}
}

func listOf(t testing.TB, f *Cluster, kind string) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := f.WriteList(&b, kind); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func itemsOf[T any](t testing.TB, f *Cluster, kind string) []T {
	t.Helper()
	var list struct{ Items []T }
	if err := json.Unmarshal(listOf(t, f, kind), &list); err != nil {
		t.Fatalf("%s: %v", kind, err)
	}
	return list.Items
}

// kubectl prints what encoding/json makes of maps, indented by four spaces.
func TestLayoutIsKubectls(t *testing.T) {
	f := New(small())
	for _, kind := range f.Kinds() {
		got := listOf(t, f, kind)
		d := json.NewDecoder(bytes.NewReader(got))
		d.UseNumber()
		var v any
		if err := d.Decode(&v); err != nil {
			t.Errorf("%s: %v", kind, err)
			continue
		}
		want, err := json.MarshalIndent(v, "", "    ")
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, append(want, '\n')) {
			t.Errorf("%s: layout differs:\n%s", kind, firstDifference(string(want), string(got)))
		}
	}
}

func firstDifference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range min(len(w), len(g)) {
		if w[i] != g[i] {
			return "want " + w[i] + "\ngot  " + g[i]
		}
	}
	return "one is longer"
}

func TestCounts(t *testing.T) {
	size := small()
	f := New(size)
	got := map[string]int{}
	for _, kind := range f.Kinds() {
		got[kind] = len(itemsOf[json.RawMessage](t, f, kind))
	}
	external, balancers := 0, 0
	for _, s := range itemsOf[serviceObject](t, f, "services") {
		if s.Spec.Type == "LoadBalancer" {
			balancers++
		} else if len(s.Spec.ExternalIPs) > 0 {
			external++
		}
	}
	got["external"], got["balancers"] = external, balancers
	own, extra := 0, 0
	for _, p := range f.Planted() {
		switch {
		case p.Why == "" && p.Rule == "WH104":
			extra++
			own++
		case p.Why == "" && p.Rule == "WH301":
			extra += 2
			own++
		case p.Why == "":
			own++
		}
	}
	got["conflicts"] = own
	want := map[string]int{
		"nodes": 40, "services": 160, "endpointslices": 170, "pods": 600, "ipaddresspools": 3 + extra,
		"daemonsets": 3, "ippools": 1, "l2advertisements": 1, "servicecidrs": 1, "namespaces": 20 + 6,
		"external": 40, "balancers": 40, "conflicts": 20,
		"configmaps": got["configmaps"],
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestSameSeedSameBytes(t *testing.T) {
	a, b := New(small()), New(small())
	size := small()
	size.Seed++
	other := New(size)
	for _, kind := range a.Kinds() {
		if !bytes.Equal(listOf(t, a, kind), listOf(t, b, kind)) {
			t.Errorf("%s differ between two cluster of one size", kind)
		}
		if bytes.Equal(listOf(t, a, kind), listOf(t, other, kind)) {
			t.Errorf("%s do not depend on the seed", kind)
		}
	}
	if diff := cmp.Diff(a.Planted(), b.Planted()); diff != "" {
		t.Errorf("planted differ:\n%s", diff)
	}
}

func TestPodAndNodeSizes(t *testing.T) {
	f := New(small())
	for kind, bounds := range map[string][2]int{"pods": {8 << 10, 11 << 10}, "nodes": {8 << 10, 13 << 10}} {
		mean := len(listOf(t, f, kind)) / len(itemsOf[json.RawMessage](t, f, kind))
		if mean < bounds[0] || mean > bounds[1] {
			t.Errorf("%s: %d bytes each, want %v", kind, mean, bounds)
		}
	}
}

func TestUnknownKind(t *testing.T) {
	if err := New(small()).WriteList(io.Discard, "secrets"); err == nil {
		t.Error("no error for a kind that a generated cluster does not have")
	}
}

var errFull = errors.New("disk full")

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errFull }

func TestWriteErrorIsPassedOn(t *testing.T) {
	f := New(small())
	for _, kind := range f.Kinds() {
		if err := f.WriteList(fullDisk{}, kind); !errors.Is(err, errFull) {
			t.Errorf("%s: error %v", kind, err)
		}
	}
}

func TestCheck(t *testing.T) {
	if err := errors.Join(small().Check(), Big().Check()); err != nil {
		t.Error(err)
	}
	for name, spoil := range map[string]func(*Size){
		"no nodes":        func(s *Size) { s.Nodes = 0 },
		"few workers":     func(s *Size) { s.Nodes = 5 },
		"few pods":        func(s *Size) { s.Pods = 100 },
		"crowded":         func(s *Size) { s.Pods = 40 * 300 },
		"few services":    func(s *Size) { s.Services = 81 },
		"few external":    func(s *Size) { s.ExternalIPServices = 3 },
		"few balancers":   func(s *Size) { s.LoadBalancers = 2 },
		"pools too small": func(s *Size) { s.Pools = 0 },
	} {
		size := small()
		spoil(&size)
		if size.Check() == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// A generated cluster need not have anything but its own Nodes, Services and Pods.
func TestSmallest(t *testing.T) {
	for nodes := 1; nodes <= 4; nodes++ {
		size := Size{Nodes: nodes, Services: systemServices}
		size.Pods = size.systemPods()
		if err := size.Check(); err != nil {
			t.Fatal(err)
		}
		f := New(size)
		if got := len(itemsOf[json.RawMessage](t, f, "nodes")); got != nodes {
			t.Errorf("%d nodes, want %d", got, nodes)
		}
		if got := len(itemsOf[json.RawMessage](t, f, "pods")); got != size.Pods {
			t.Errorf("%d pods, want %d", got, size.Pods)
		}
	}
}

func TestManifests(t *testing.T) {
	dir := t.TempDir()
	f := New(small())
	if err := f.WriteYAML(dir); err != nil {
		t.Fatal(err)
	}
	folders := map[string]int{}
	all := ""
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		all += string(text)
		folders[filepath.Dir(path)] += strings.Count("\n"+string(text), "\nkind: ")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for folder, objects := range folders {
		if strings.Contains(folder, "/apps/") && (objects < 20 || objects > 60) {
			t.Errorf("%s: %d objects", folder, objects)
		}
	}
	for _, kind := range []string{"Service", "Deployment", "ConfigMap", "IPAddressPool", "IPPool", "NetworkPolicy"} {
		if !strings.Contains(all, "\nkind: "+kind+"\n") {
			t.Errorf("no %s", kind)
		}
	}
	for _, p := range f.Planted() {
		if p.Rule == "WH101" && p.Why == "" && !strings.Contains(all, p.Address) {
			t.Errorf("%s: %s is in no manifest", p.Rule, p.Address)
		}
	}
}

func BenchmarkWriteList(b *testing.B) {
	size := Big()
	size.Nodes, size.Pods, size.Services, size.EndpointSlices = 500, 15_000, 8_000, 8_000
	f := New(size)
	for _, kind := range f.Kinds() {
		b.Run(kind, func(b *testing.B) {
			b.SetBytes(int64(len(listOf(b, f, kind))))
			b.ReportAllocs()
			for b.Loop() {
				if err := f.WriteList(io.Discard, kind); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		New(Big())
	}
}

func TestPlantedIsACopy(t *testing.T) {
	f := New(small())
	before := f.Planted()
	f.Planted()[0] = Planted{}
	if !slices.EqualFunc(before, f.Planted(), func(x, y Planted) bool { return x.Rule == y.Rule && x.Address == y.Address }) {
		t.Error("a caller changed the cluster")
	}
}
