// SPDX-License-Identifier: Apache-2.0

// Package snapshot holds what was known of a cluster at one moment: plain
// values with their origin, and what could not be read.
//
// Sources fill a Builder; everything after that reads an immutable Snapshot.
// The package knows nothing of Kubernetes' Go types: an object is a positioned
// tree (Value) of which only declared fields (Reads) are kept, so that the size
// and the privacy of a snapshot follow from the declarations.
package snapshot
