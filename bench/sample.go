// SPDX-License-Identifier: Apache-2.0

package main

import "whohas/testkit/clustergen"

// sample is one set of files that is read.
type sample struct {
	Name   string
	Size   clustergen.Size
	Padded bool // each Pod has another 10 KB that say nothing about addresses
	YAML   bool // manifests in place of dumps

	files *files
}

// samples are all that is measured with.
type samples struct {
	full, half, padded, tree *sample
}

func (c samples) all() []*sample { return []*sample{c.full, c.half, c.padded, c.tree} }

func sizes(small bool) samples {
	size, prefix := clustergen.Big(), ""
	if small {
		size, prefix = fiftieth(size), "small-"
	}
	half := size
	half.Pods /= 2
	return samples{
		full:   &sample{Name: prefix + "full", Size: size},
		half:   &sample{Name: prefix + "half", Size: half},
		padded: &sample{Name: prefix + "half-padded", Size: half, Padded: true},
		tree:   &sample{Name: prefix + "tree", Size: size, YAML: true},
	}
}

// fiftieth keeps a conflict of each kind.
func fiftieth(s clustergen.Size) clustergen.Size {
	s.Nodes /= 50
	s.Services /= 50
	s.ExternalIPServices /= 50
	s.LoadBalancers /= 50
	s.Pods /= 50
	s.EndpointSlices /= 50
	s.Pools /= 50
	s.Conflicts = 12
	return s
}
