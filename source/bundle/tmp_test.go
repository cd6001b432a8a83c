// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"runtime"
	"testing"
	"time"

	"whohas/claimants"
	"whohas/cluster"
	"whohas/internal/fleet"
	"whohas/snapshot"
	"whohas/source/document"
)

func TestTmpMake(t *testing.T) {
	if os.Getenv("FLEET") == "" {
		t.Skip()
	}
	f := fleet.New(fleet.Big())
	reads, err := snapshot.NewReads(append(claimants.Reads(), cluster.Reads()...)...)
	if err != nil {
		t.Fatal(err)
	}
	var b snapshot.Builder
	begun := time.Now()
	for _, k := range f.Kinds() {
		r, w := io.Pipe()
		go func() { w.CloseWithError(f.WriteList(w, k)) }()
		file := ""
		if os.Getenv("LINES") != "" {
			file = k + ".json"
		}
		res, err := document.Reading{Reads: reads, Into: &b, File: file}.Decode(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		res.Cover(&b, true)
	}
	s := b.Snapshot()
	fmt.Println("made", time.Since(begun), len(s.Objects), len(s.Pods), len(s.Slices))
	if os.Getenv("LINES") == "" {
		for i := range s.Pods {
			s.Pods[i].Line = 0
		}
		for i := range s.Slices {
			s.Slices[i].Line = 0
		}
		for _, o := range s.Objects {
			o.Line = 0
			var z func(v *snapshot.Value)
			z = func(v *snapshot.Value) {
				v.Line = 0
				for i := range v.Items {
					z(&v.Items[i])
				}
			}
			z(&o.Root)
		}
	}
	var out bytes.Buffer
	begun = time.Now()
	if err := Write(&out, s, "x"); err != nil {
		t.Fatal(err)
	}
	fmt.Println("written", time.Since(begun), out.Len(), len(unzipped(t, out.Bytes())))
	os.WriteFile(os.Getenv("FLEET"), out.Bytes(), 0o644)
}

func TestTmpLoad(t *testing.T) {
	if os.Getenv("LOAD") == "" {
		t.Skip()
	}
	for range 5 {
		runtime.GC()
		var m0, m1, m2 runtime.MemStats
		runtime.ReadMemStats(&m0)
		begun := time.Now()
		f, _ := os.Open(os.Getenv("LOAD"))
		var b snapshot.Builder
		if err := Read(f, "x", &b); err != nil {
			t.Fatal(err)
		}
		took := time.Since(begun)
		s := b.Snapshot()
		all := time.Since(begun)
		runtime.ReadMemStats(&m1)
		runtime.GC()
		runtime.ReadMemStats(&m2)
		fmt.Println("read", took, "with Snapshot", all, s.Count(), "heap result MB", (m2.HeapAlloc-m0.HeapAlloc)>>20, "sys MB", m1.HeapSys>>20, "alloc MB", (m1.TotalAlloc-m0.TotalAlloc)>>20)
		runtime.KeepAlive(s)
	}
}
