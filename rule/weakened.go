// SPDX-License-Identifier: Apache-2.0

package rule

import "whohas/snapshot"

// Weakened is something that a base says of owners or of the cluster, and that a
// change takes back or says to its own advantage. The base's counted.
type Weakened struct {
	By      snapshot.Ref // the object of the change; of a conclusion what it was drawn from
	What    string       // a field of By, or what is concluded: "proxy mode"
	Was, Is string       // what the base says, and the change; Is is "" where it says nothing
	From    string       // whose word the base's is, where it is not By's
	Base    snapshot.Origin
	Change  snapshot.Origin
}
