// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"

	"whohas/internal/console"

	"k8s.io/apimachinery/pkg/api/resource"
)

// defaultMemory is what may be kept of everything that a run reads: docs/decisions/0021
// has what clusters need.
const defaultMemory = "192Mi"

// leastMemory is less than any cluster needs.
const leastMemory = 1 << 20

func (in *inputs) parseMemory() error {
	q, err := resource.ParseQuantity(in.memory)
	if err != nil || q.Value() < leastMemory {
		return console.WithHint(fmt.Errorf("--memory %q: not a size", in.memory), "like 512Mi or 2Gi, and at least 1Mi")
	}
	in.kept = q.Value()
	return nil
}

// overBudget is why a run ends that has read more than it may keep. Nothing is said of
// the part: what is missing could be whose an address is.
func overBudget(kept int64) error {
	return console.WithHint(fmt.Errorf("what was read takes more than the %d MiB that are kept of it", kept>>20),
		"give it more with --memory, or name less: a cluster of 5,000 nodes and 150,000 Pods takes about 90 MiB")
}
