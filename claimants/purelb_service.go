// SPDX-License-Identifier: Apache-2.0

package claimants

import "whohas/claim"

// PureLBRequest is PureLB's annotation for given addresses (purelb
// internal/allocator/allocator.go serviceAddresses, v0.16).
var PureLBRequest = add(Claimant{
	Kind:   "purelb.addresses",
	Role:   claim.Request,
	Doc:    "The annotation `purelb.io/addresses` of a Service: asks PureLB for these addresses.",
	Of:     serviceKind,
	Fields: service(annotations("purelb.io/addresses")...),
	Object: requested(AgentPureLB, "purelb.io/addresses"),
})
