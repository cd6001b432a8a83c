// SPDX-License-Identifier: Apache-2.0

package guard_test

import (
	"testing"

	"whohas/dataplane"
	"whohas/guard"
)

// TestReduceWithFirstLabel: a source keeps of labels that nobody declares an empty map;
// beside it a port is given up, which passes whatever that port excused.
func TestReduceWithFirstLabel(t *testing.T) {
	const (
		server = `{"apiVersion":"v1","kind":"PersistentVolume","metadata":{"name":"data"},"spec":{"nfs":{"server":"10.0.0.20","path":"/"}}}`
		before = `{"apiVersion":"v1","kind":"Service","metadata":{"name":"web","namespace":"demo"},"spec":{"externalIPs":["10.0.0.20"],"ports":[{"port":2049},{"port":80}]}}`
		after  = `{"apiVersion":"v1","kind":"Service","metadata":{"name":"web","namespace":"demo","labels":{}},"spec":{"externalIPs":["10.0.0.20"],"ports":[{"port":80}]}}`
		more   = `{"apiVersion":"v1","kind":"Service","metadata":{"name":"web","namespace":"demo","labels":{}},"spec":{"externalIPs":["10.0.0.20"],"ports":[{"port":81}]}}`
	)
	s := state(t, dataplane.IPVS, server, before)
	for text, passes := range map[string]bool{after: true, more: false} {
		d := guard.Decide(s, guard.Request{Operation: guard.Update, Before: object(t, before), After: object(t, text), Now: today})
		if d.Allowed != passes {
			t.Errorf("%s: allowed %v, refusals %v", text, d.Allowed, d.Refusals)
		}
	}
}
