// SPDX-License-Identifier: Apache-2.0

package guard_test

import (
	"fmt"
	"strings"
	"testing"

	"whohas/dataplane"
	"whohas/guard"
)

// big are questions that cost what they cost by their size alone: each gives the object
// as it was and as it is to be, of n parts.
var big = map[string]func(n int) (before, after string){
	"bogus addresses":  func(n int) (string, string) { return "", externalIPs(n, `"x%d"`) },
	"addresses":        func(n int) (string, string) { return "", externalIPs(n, `"203.0.113.%d"`) },
	"odd addresses":    func(n int) (string, string) { return "", externalIPs(n, `"::ffff:c0a8:%x"`) },
	"nodes' addresses": func(n int) (string, string) { return "", externalIPs(n, `"192.168.10.114", "010.1.0.%d"`) },
	"a shorter list":   func(n int) (string, string) { return externalIPs(n, `"10.9.0.%x"`), externalIPs(n-1, `"10.9.0.%x"`) },
	"a changed list": func(n int) (string, string) {
		return externalIPs(n, `"2001:db8::%x"`), strings.Replace(externalIPs(n, `"2001:db8::%x"`), "2001:db8::1\"", "2001:db9::1\"", 1)
	},
	"ports": func(n int) (string, string) {
		return "", service("", `"type":"ClusterIP","clusterIP":"10.96.1.1","externalIPs":["192.168.10.114"],"ports":[`+many(n, `{"port":%d,"protocol":"TCP"}`)+`]`, "")
	},
	"addresses and ports": func(n int) (string, string) {
		return "", service("", `"type":"ClusterIP","clusterIP":"10.96.1.1","externalIPs":[`+many(n, `"2001:db8::%x"`)+`],"ports":[`+many(n, `{"port":%d,"protocol":"TCP"}`)+`]`, "")
	},
	"fewer ports on addresses": func(n int) (string, string) {
		of := func(ports int) string {
			return service("", `"type":"ClusterIP","clusterIP":"10.96.1.1","externalIPs":[`+many(n, `"2001:db8::%x"`)+`],"ports":[`+many(ports, `{"port":%d,"protocol":"TCP"}`)+`]`, "")
		}
		return of(n), of(n - 1)
	},
	"ingress": func(n int) (string, string) {
		return "", service("", clean, `{"loadBalancer":{"ingress":[`+many(n, `{"ip":"2001:db8::%x"}`)+`]}}`)
	},
	"annotations": func(n int) (string, string) {
		return service(many(n, `"a%d":"x"`), stolen, ""), service(many(n, `"a%d":"y"`), stolen, "")
	},
	"permissions": func(n int) (string, string) {
		return "", service(`"whohas.io/allow":"`+strings.Repeat("WH101 reason=x; ", n)+`"`, stolen, "")
	},
	"other permissions": func(n int) (string, string) {
		return "", service(`"whohas.io/allow":"`+strings.ReplaceAll(many(n, `WH101 reason=x%d`), ",", "; ")+`"`, stolen, "")
	},
	"a pool's ranges": func(n int) (string, string) {
		return "", strings.Replace(pool, `"192.168.10.200-192.168.10.220"`, many(n, `"2001:db8::%x/120"`), 1)
	},
	"a pool's nested ranges": func(n int) (string, string) {
		return "", strings.Replace(pool, `"192.168.10.200-192.168.10.220"`, many(n, `"192.168.10.0-192.168.10.200", "10.0.%d.0/24"`), 1)
	},
	"listeners": func(n int) (string, string) {
		return "", `{"apiVersion":"gateway.networking.k8s.io/v1","kind":"Gateway","metadata":{"name":"g","namespace":"demo"},"spec":{"gatewayClassName":"x","addresses":[{"type":"IPAddress","value":"192.168.10.114"}],"listeners":[` + many(n, `{"name":"l%[1]d","port":%[1]d,"protocol":"HTTP"}`) + `]}}`
	},
	"endpoints": func(n int) (string, string) {
		return "", `{"apiVersion":"discovery.k8s.io/v1","kind":"EndpointSlice","metadata":{"name":"e","namespace":"demo","labels":{"kubernetes.io/service-name":"other"}},"addressType":"IPv4","endpoints":[` + many(n, `{"addresses":["10.8.0.%d","192.168.10.114"]}`) + `],"ports":[{"port":6443,"protocol":"TCP"}]}`
	},
}

func externalIPs(n int, form string) string {
	return service("", `"type":"ClusterIP","clusterIP":"10.96.1.1","externalIPs":[`+many(n, form)+`],`+ports, "")
}

func many(n int, form string) string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf(form, i+1)
	}
	return strings.Join(out, ",")
}

// BenchmarkQuestion shows what a question costs by its size: twice the size should cost
// little more than twice.
func BenchmarkQuestion(b *testing.B) {
	for name, of := range big {
		for _, n := range []int{500, 1000, 2000, 4000} {
			for _, mode := range []dataplane.ProxyMode{dataplane.IPVS, dataplane.ModeUnknown} {
				before, after := of(n)
				st := state(b, mode, cdev01, cdev02, pool, dns, cidr, plane, other)
				r := guard.Request{Operation: guard.Create, After: object(b, after), Now: today}
				if before != "" {
					r.Operation, r.Before = guard.Update, object(b, before)
				}
				b.Run(fmt.Sprintf("%s/%q/%d", name, mode, n), func(b *testing.B) {
					for b.Loop() {
						d := guard.Decide(st, r)
						_, _ = d.Message(), d.Notes()
					}
				})
			}
		}
	}
}

// TestBeyond: what claims more at once than is judged is refused, and says so; what was
// there before can be changed, and made smaller, however large it is.
func TestBeyond(t *testing.T) {
	st := state(t, dataplane.ModeUnknown, cdev01, cdev02, other)
	for _, test := range []struct {
		name, before, after string
		beyond              string
	}{
		{"a thousand, with its ClusterIP", "", externalIPs(999, `"2001:db8::%x"`), ""},
		{"one more", "", externalIPs(1000, `"2001:db8::%x"`), "it newly claims 1001 addresses and ranges, and no more than 1000 at once are judged"},
		{"no addresses at all", "", externalIPs(1000, `"x%d"`), "it newly claims 1001 addresses"},
		{"two hundred addresses with a hundred and one ports", "", service("", `"type":"ClusterIP","externalIPs":[`+many(200, `"2001:db8::%x"`)+`],"ports":[`+many(101, `{"port":%d}`)+`]`, ""),
			"it newly claims 20200 ports of addresses"},
		{"a large one with one more", externalIPs(1500, `"2001:db8::%x"`), externalIPs(1501, `"2001:db8::%x"`), ""},
		{"a large one, exchanged", externalIPs(1500, `"2001:db8::%x"`), externalIPs(1500, `"2001:db9::%x"`), "it newly claims 1500 addresses"},
		{"a large one made smaller", externalIPs(1500, `"x%d"`), externalIPs(1200, `"x%d"`), ""},
	} {
		r := guard.Request{Operation: guard.Create, After: object(t, test.after), Now: today}
		if test.before != "" {
			r.Operation, r.Before = guard.Update, object(t, test.before)
		}
		d := guard.Decide(st, r)
		if test.beyond == "" {
			if !d.Allowed || d.Beyond != "" {
				t.Errorf("%s: %s", test.name, d.Message())
			}
			continue
		}
		if message := d.Message(); d.Allowed || !strings.Contains(message, test.beyond) || !strings.Contains(message, "Service demo/tomcat") {
			t.Errorf("%s: allowed %v, %q", test.name, d.Allowed, message)
		}
	}
}

// TestDecideEnds: a decision ends when nobody waits for it any more.
func TestDecideEnds(t *testing.T) {
	st := state(t, dataplane.IPVS, cdev01, cdev02, other)
	asked := 0
	ended := func() bool { asked++; return asked > 3 }
	guard.Decide(st, guard.Request{Operation: guard.Create, Ended: ended, After: object(t, externalIPs(400, `"192.168.10.114", "2001:db8::%x"`)), Now: today})
	if asked < 4 || asked > 20 {
		t.Errorf("asked %d times whether it should end", asked)
	}
}
