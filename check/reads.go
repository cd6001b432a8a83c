// SPDX-License-Identifier: Apache-2.0

package check

import (
	"whohas/claimants"
	"whohas/cluster"
	"whohas/rule"
	"whohas/snapshot"
)

// Reads is what a check needs of the objects: what claims, what conclusions are drawn
// from, and who would put a claim back.
func Reads() (snapshot.Reads, error) {
	list := append(claimants.Reads(), cluster.Reads()...)
	return snapshot.NewReads(append(list, snapshot.Read{Fields: rule.KeeperFields()})...)
}
