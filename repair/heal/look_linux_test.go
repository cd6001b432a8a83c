// SPDX-License-Identifier: Apache-2.0

package heal

import (
	"net/netip"
	"testing"

	"whohas/dataplane"
)

func TestAnswerOf(t *testing.T) {
	far, near := netip.MustParseAddrPort("192.168.10.114:6443"), netip.MustParseAddrPort("127.0.0.1:6443")
	names := []string{"kubernetes"}
	for _, test := range []struct {
		dial dataplane.ConnectResult
		want string
		ok   bool
	}{
		{dataplane.ConnectResult{To: far, Result: "accepted", Names: names}, "the apiserver answers at 192.168.10.114:6443", true},
		{dataplane.ConnectResult{To: near, Result: "accepted", Names: names, Self: true}, "the apiserver answers at 127.0.0.1:6443", true},
		{dataplane.ConnectResult{To: far, Result: "accepted", Names: names, Self: true}, "at 192.168.10.114:6443 this host answers itself", false},
		{dataplane.ConnectResult{To: far, Result: "accepted"}, "at 192.168.10.114:6443 somebody answers who shows no certificate", false},
		{dataplane.ConnectResult{To: far, Result: "refused", Names: names}, "the apiserver does not answer at 192.168.10.114:6443: refused", false},
	} {
		if got, ok := answerOf(test.dial); got != test.want || ok != test.ok {
			t.Errorf("%+v: %q, %v", test.dial, got, ok)
		}
	}
}

func TestEntry(t *testing.T) {
	for text, want := range map[string]string{
		"removed 192.168.10.114/32": "MESSAGE=removed 192.168.10.114/32\nPRIORITY=5\nSYSLOG_IDENTIFIER=whohas\n",
		"a\nPRIORITY=0\x1b[2J":      "MESSAGE=a PRIORITY=0 [2J\nPRIORITY=5\nSYSLOG_IDENTIFIER=whohas\n",
	} {
		if got := string(entry(Event{Kind: Removed, Text: text})); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	var none *journal // where there is none
	none.write(Event{})
	none.close()
}
