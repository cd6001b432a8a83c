// SPDX-License-Identifier: Apache-2.0

package claimants

import "whohas/snapshot"

// Calico keeps its objects under crd.projectcalico.org and shows them under
// projectcalico.org, where newer releases keep them too (calico api/config/crd,
// libcalico-go/config/crd, v3.32). A dump may hold both.
const (
	calicoGroup    = "projectcalico.org"
	calicoCRDGroup = "crd.projectcalico.org"
)

// calicoOwner is the object itself, whichever group it was read under: the same
// pool read twice must not be taken for two.
func calicoOwner(o *snapshot.Object) snapshot.Ref {
	owner := o.Ref
	owner.Group = calicoGroup
	return owner
}
