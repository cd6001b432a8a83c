// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"whohas/dataplane"
	"whohas/snapshot"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// taken is a host as the incident left it.
func takenHost() dataplane.Host {
	return dataplane.Host{
		Name: "cdev02", Kernel: "6.1.176",
		Links:     []dataplane.Link{{Index: 2, Name: "eth0", Up: true}, {Index: 5, Name: "kube-ipvs0", Kind: "dummy", NoARP: true}},
		Addresses: []dataplane.Address{{Link: "kube-ipvs0", Prefix: netip.MustParsePrefix("192.168.10.114/32"), Scope: "global"}},
		Routes:    []dataplane.Route{{Table: 254, Type: "unicast", To: netip.MustParsePrefix("0.0.0.0/0"), Via: netip.MustParseAddr("192.168.10.1"), Link: "eth0"}},
		Tables: []dataplane.Table{{Backend: "legacy", Family: "ip", Name: "nat", Chains: []dataplane.Chain{{Name: "OUTPUT", Policy: "ACCEPT",
			Rules: []string{`-m comment --comment "a <b> & \"c\"" -j KUBE-SERVICES`}}}}},
		Sysctls: map[string]string{"net.ipv4.ip_forward": "1", "net.ipv4.conf.all.arp_ignore": "0"},
		Unread:  []string{"ipvs"},
	}
}

func hosts(list ...dataplane.Host) *snapshot.Snapshot {
	var b snapshot.Builder
	for _, h := range list {
		b.AddHost(h)
	}
	return b.Snapshot()
}

func TestHostText(t *testing.T) {
	want := `["host","cdev02",{"name":"cdev02","kernel":"6.1.176","links":[{"index":2,"name":"eth0","up":true},` +
		`{"index":5,"name":"kube-ipvs0","kind":"dummy","noARP":true}],"addresses":[{"link":"kube-ipvs0","prefix":"192.168.10.114/32","scope":"global"}],` +
		`"routes":[{"table":254,"type":"unicast","to":"0.0.0.0/0","via":"192.168.10.1","link":"eth0"}],` +
		`"tables":[{"backend":"legacy","family":"ip","name":"nat","chains":[{"name":"OUTPUT","policy":"ACCEPT","rules":["-m comment --comment \"a <b> & \\\"c\\\"\" -j KUBE-SERVICES"]}]}],` +
		`"sysctls":{"net.ipv4.conf.all.arp_ignore":"0","net.ipv4.ip_forward":"1"},"unread":["ipvs"]}]`
	got := strings.Split(unzipped(t, write(t, hosts(takenHost()))), "\n")[1]
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestHostLater reads a host that a later version wrote: what is known of it is
// kept, and that there is more is told.
func TestHostLater(t *testing.T) {
	text := strings.NewReplacer(`"name":"cdev02",`, `"name":"cdev02","bridges":[{"a":["}"]}],`, `"index":2,`, `"index":2,"new":null,`, `["ipvs"]}]`, `["ipvs"]},"more"]`).
		Replace(unzipped(t, write(t, hosts(takenHost()))))
	got, err := read(zipped(t, text))
	if err != nil {
		t.Fatal(err)
	}
	want := hosts(takenHost())
	want.Coverage = []snapshot.Coverage{{Source: "c.snapshot", Status: snapshot.StatusPartial, Count: 1, Detail: "hosts with members that only a later version knows"}}
	if diff := cmp.Diff(want, got, equal); diff != "" {
		t.Errorf("-written +read:\n%s", diff)
	}
}

func TestHostBroken(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{`["host","a"]`, `record 1: host "a" without what it held`},
		{`["host","",{"kernel":"6"}]`, "record 1: host without a name"},
		{`["host","a",null]`, "record 1: host without a name"},
		{`["host","a",{"name":"b"}]`, `record 1: host "a" is called "b" inside`},
		{`["host","a",{"name":"a","links":7}]`, `record 1: host "a": json: cannot unmarshal number`},
		{`["host","a",{"name":"a","addresses":[{"link":"eth0"}]}]`, `record 1: host "a": no address on "eth0"`},
		{`["host","a",{"name":"a","addresses":[{"link":"eth0","prefix":"192.0.2.1"}]}]`, `record 1: host "a": netip.ParsePrefix`},
		{`["host","a",{"name":"a","servers":[{"port":80}]}]`, `record 1: host "a": virtual server without an address`},
		{`["host","a",{"name":"a","listeners":[{"proto":"TCP","ip":"192.0.2.1","port":65536}]}]`, `record 1: host "a": json: cannot unmarshal number 65536`},
		{`["host","a",{"name":"a",]]`, `record 1: host "a": invalid character`},
	} {
		s, err := read(zipped(t, magic+`,"version":1}`+"\n"+c.line+"\n"+`{"end":1}`+"\n"))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", c.line, err, c.want)
		}
		if !s.Failed() || len(s.Hosts) != 0 {
			t.Errorf("%s: %+v", c.line, s)
		}
	}
}

// TestHostSize writes a host of 50,000 iptables rules, and refuses one that is
// larger than a record.
func TestHostSize(t *testing.T) {
	const rule = `-A KUBE-SERVICES -d 10.96.0.10/32 -p tcp -m comment --comment "a-namespace/a-service-with-a-name:http cluster IP" -m tcp --dport 80 -j KUBE-SVC-TCOU7JCQXEZGVUNU`
	h := takenHost()
	h.Tables[0].Chains[0].Rules = slices.Repeat([]string{rule}, 50_000)
	want := hosts(h)
	got, err := read(write(t, want))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, equal); diff != "" {
		t.Error("another host was read")
	}
	h.Tables[0].Chains[0].Rules = []string{strings.Repeat("x", maxRecord)}
	if err := Write(io.Discard, hosts(h), ""); err == nil || err.Error() != "write snapshot: host cdev02: larger than 64 MiB" {
		t.Errorf("got %v", err)
	}
	h.Name = ""
	if err := Write(io.Discard, hosts(h), ""); err == nil || err.Error() != "write snapshot: host : host without a name" {
		t.Errorf("got %v", err)
	}
}

// drawHost draws a host with a few of everything that is not a plain text.
func drawHost(t *rapid.T, name string) dataplane.Host {
	h := dataplane.Host{Name: name, Kernel: drawValid(t)}
	for i := range rapid.IntRange(0, 3).Draw(t, "links") {
		h.Links = append(h.Links, dataplane.Link{Index: i, Name: drawValid(t), Up: rapid.Bool().Draw(t, "up"), Local: drawAddr(t)})
		h.Addresses = append(h.Addresses, dataplane.Address{Link: drawValid(t), Prefix: drawPrefix(t), Peer: drawAddr(t)})
		h.Routes = append(h.Routes, dataplane.Route{Table: i, To: drawPrefix(t), Via: drawAddr(t)})
		h.Servers = append(h.Servers, dataplane.VirtualServer{Proto: "TCP", IP: netip.MustParseAddr("192.0.2.1"), Port: rapid.Uint16().Draw(t, "port"),
			Servers: []dataplane.RealServer{{IP: drawAddr(t), Weight: i}}})
		h.Tables = append(h.Tables, dataplane.Table{Name: fmt.Sprint(i), Chains: []dataplane.Chain{{Priority: -i, Rules: []string{drawValid(t)}}},
			Maps: []dataplane.Map{{Elements: []string{drawValid(t)}}}})
	}
	h.Sysctls = rapid.MapOf(rapid.StringMatching(`[a-z.]+`), rapid.StringMatching(`[0-9]*`)).Draw(t, "sysctls")
	return h
}

// drawValid draws text that is UTF-8, as all that a kernel's tools print is
// taken to be.
func drawValid(t *rapid.T) string { return strings.ToValidUTF8(drawText(t), "\ufffd") }

func drawPrefix(t *rapid.T) netip.Prefix {
	a := rapid.SampledFrom([]string{"192.0.2.9/24", "0.0.0.0/0", "10.0.0.1/32", "fd00::1/64", "::/0"}).Draw(t, "prefix")
	return netip.MustParsePrefix(a)
}
