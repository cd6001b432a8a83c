// SPDX-License-Identifier: Apache-2.0

package heal

import (
	"strings"
	"sync"
	"testing"

	"whohas/repair"
)

func TestTidy(t *testing.T) {
	mapped := stolen
	mapped.Prefix = target("", "::ffff:192.168.10.114/128").Prefix
	guess := stolen
	guess.Evidence = nil
	for _, test := range []struct {
		name    string
		targets []repair.Target
		left    int
		err     string
	}{
		{"one", []repair.Target{stolen}, 1, ""},
		{"twice the same", []repair.Target{stolen, stolen}, 1, ""},
		{"on both devices", []repair.Target{stolen, target("kube-dummy-if", "192.168.10.114/32")}, 2, ""},
		{"of IPv6", []repair.Target{target("kube-ipvs0", "2001:db8::114/128")}, 1, ""},
		{"none", nil, 0, "there is nothing to hold"},
		{"a card", []repair.Target{stolen, target("eth0", "192.168.10.114/32")}, 0, "not a service device"},
		{"no device", []repair.Target{target("", "192.168.10.114/32")}, 0, "not a service device"},
		{"a network", []repair.Target{target("kube-ipvs0", "192.168.10.114/24")}, 0, "not a single address"},
		{"no prefix", []repair.Target{{Device: "kube-ipvs0", Evidence: []string{"x"}}}, 0, "not a single address"},
		{"mapped", []repair.Target{mapped}, 0, "not a single address"},
		{"loopback", []repair.Target{target("kube-ipvs0", "127.0.0.1/32")}, 0, "no host's address"},
		{"link-local", []repair.Target{target("kube-ipvs0", "169.254.20.10/32")}, 0, "no host's address"},
		{"a guess", []repair.Target{guess}, 0, "nothing shows whose it is"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := tidy(test.targets)
			if len(got) != test.left || (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
				t.Errorf("%v, %v", got, err)
			}
		})
	}
}

// TestTeller: in order, all of it, and never waited for; what is too much is counted.
func TestTeller(t *testing.T) {
	var got []Event
	first, read := make(chan bool), make(chan bool)
	once := sync.OnceFunc(func() { close(first); <-read })
	tell := newEventQueue(func(Event) { once() }, func(e Event) { got = append(got, e) })
	tell.say(Event{Kind: Begun})
	<-first // it reads no more
	for range maxUntold + 5 {
		tell.say(Event{Kind: Removed})
	}
	close(read)
	tell.end()
	tell.say(Event{Kind: Ended}) // too late
	if len(got) != 1+maxUntold+1 || got[0].Kind != Begun || got[maxUntold].Kind != Removed || got[maxUntold+1].Text != "5 events were not told: nobody read them" {
		t.Errorf("%d events, at last %+v", len(got), got[len(got)-1])
	}
	newEventQueue().end()
}
