// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"io"
	"slices"

	"whohas/testkit/clustergen"
)

// object is as much of one as is looked at here.
type object struct {
	APIVersion, Kind string
	Metadata         struct{ Namespace, Name string }
	Spec             struct {
		ExternalIPs []string
		Ports       []struct{ Port int }
	}
	Status struct {
		Addresses    []struct{ Type, Address string }
		LoadBalancer struct{ Ingress []json.RawMessage }
	}
}

// each gives every object of a kind, as kubectl would print it.
func each(f *clustergen.Cluster, kind string, do func(text json.RawMessage) error) (err error) {
	r, w := io.Pipe()
	go func() { w.CloseWithError(f.WriteList(w, kind)) }()
	defer func() { err = errors.Join(err, r.Close()) }()
	in := json.NewDecoder(r)
	for {
		t, err := in.Token()
		if err != nil {
			return err
		}
		if t == "items" {
			break
		}
	}
	if _, err := in.Token(); err != nil {
		return err
	}
	for in.More() {
		var text json.RawMessage
		if err := in.Decode(&text); err != nil {
			return err
		}
		if err := do(text); err != nil {
			return err
		}
	}
	return nil
}

// survey finds out which addresses are taken.
func survey(f *clustergen.Cluster) (*occupied, error) {
	c := &occupied{}
	err := each(f, "nodes", func(text json.RawMessage) error {
		var o object
		err := json.Unmarshal(text, &o)
		for _, a := range o.Status.Addresses {
			if a.Type == "InternalIP" {
				c.nodes = append(c.nodes, a.Address)
			}
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	planted := map[string]bool{}
	for _, p := range f.Planted() {
		planted[p.Address] = true
	}
	return c, each(f, "services", func(text json.RawMessage) error {
		var o object
		err := json.Unmarshal(text, &o)
		for _, a := range o.Spec.ExternalIPs[:min(1, len(o.Spec.ExternalIPs))] {
			if web := slices.ContainsFunc(o.Spec.Ports, func(p struct{ Port int }) bool { return p.Port == 80 }); web && !planted[a] && len(o.Status.LoadBalancer.Ingress) == 0 {
				c.externals = append(c.externals, a)
			}
		}
		return err
	})
}

// guarded is the size that a guard is measured with: Pods and slices decide nothing
// but the time that it takes to begin, and a tenth of them shows it.
func guarded(s clustergen.Size) clustergen.Size {
	s.Pods = max(s.Pods*2/15, 3*s.Nodes+100)
	return s
}
