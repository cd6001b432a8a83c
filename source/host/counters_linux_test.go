// SPDX-License-Identifier: Apache-2.0

package host

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The forms of /proc/net, shortened, with numbers of our own.
const (
	routeCache = `entries  in_hit   in_slow_tot in_slow_mc in_no_route in_brd   in_martian_dst in_martian_src out_hit
00000005 00000000 0000026f    00000000   0000015a    00000000 00000002       0000000f       00000000
00000005 00000000 00000228    00000000   00000156    00000000 00000001       00000010       00000000
`
	connections = `entries  clashres found new invalid ignore delete chainlength insert insert_failed drop early_drop
0000001d  00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000003 0000000a 00000000
`
	netstat = `TcpExt: SyncookiesSent IPReversePathFilter TCPTimeWaitOverflow
TcpExt: 0 17 1
IpExt: InNoRoutes InTruncatedPkts
IpExt: 4 0
`
	snmp = `Ip: Forwarding DefaultTTL InAddrErrors OutNoRoutes
Ip: 1 64 7 18446744073709551615
Tcp: RtoAlgorithm MaxConn
Tcp: 1 -1
`
)

func counterFiles(t *testing.T, files map[string]string) string {
	t.Helper()
	proc := t.TempDir()
	for name, text := range files {
		file := filepath.Join(proc, "thread-self/net", name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return proc
}

func TestReadCounters(t *testing.T) {
	proc := counterFiles(t, map[string]string{"stat/rt_cache": routeCache, "stat/nf_conntrack": connections, "netstat": netstat, "snmp": snmp})
	got, err := readCounters(context.Background(), proc)
	want := map[string]uint64{
		"rt_cache.in_martian_dst": 3, "rt_cache.in_martian_src": 31,
		"nf_conntrack.insert_failed": 3, "nf_conntrack.drop": 10,
		"TcpExt.IPReversePathFilter": 17, "Ip.InAddrErrors": 7, "Ip.OutNoRoutes": 1<<64 - 1,
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestReadCountersInPart(t *testing.T) {
	for name, tt := range map[string]struct {
		files   map[string]string
		want    map[string]uint64
		partial bool
		fails   bool
	}{
		"conntrack is not there": {map[string]string{"netstat": netstat}, map[string]uint64{"TcpExt.IPReversePathFilter": 17}, false, false},
		"a kernel without the column": {map[string]string{"stat/rt_cache": "entries in_martian_src\n01 02\n"},
			map[string]uint64{"rt_cache.in_martian_src": 2}, false, false},
		"strange columns": {map[string]string{"stat/rt_cache": "entries in_martian_src\n01 02 03\n", "netstat": netstat},
			map[string]uint64{"TcpExt.IPReversePathFilter": 17}, true, false},
		"a strange number":         {map[string]string{"snmp": "Ip: OutNoRoutes\nIp: many\n", "netstat": netstat}, map[string]uint64{"TcpExt.IPReversePathFilter": 17}, true, false},
		"names without numbers":    {map[string]string{"snmp": "Ip: OutNoRoutes\n", "netstat": netstat}, map[string]uint64{"TcpExt.IPReversePathFilter": 17}, true, false},
		"a heading only":           {map[string]string{"stat/rt_cache": "entries in_martian_src\n"}, nil, false, true},
		"nothing":                  {nil, nil, false, true},
		"names of another's group": {map[string]string{"snmp": "Ip6: OutNoRoutes\nIp6: 3\n"}, nil, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := readCounters(context.Background(), counterFiles(t, tt.files))
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if isPartial := errors.As(err, new(partial)); isPartial != tt.partial || (err != nil) != (tt.partial || tt.fails) {
				t.Errorf("error %v", err)
			}
		})
	}
}

// TestOwnCounters: the real files have the form that is expected.
func TestOwnCounters(t *testing.T) {
	got, err := readCounters(context.Background(), "/proc")
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"TcpExt.IPReversePathFilter", "Ip.InAddrErrors", "Ip.OutNoRoutes", "rt_cache.in_martian_src", "rt_cache.in_martian_dst"} {
		if _, ok := got[key]; !ok {
			t.Errorf("no %s in %v", key, got)
		}
	}
}

func FuzzCounters(f *testing.F) {
	for _, text := range []string{routeCache, connections, netstat, snmp, "", "a\nb", "Ip: x\nIp: \n", "\n\n"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, tally := range tallies() {
			into := map[string]uint64{}
			_ = tally.read(strings.NewReader(text), into)
			if len(into) > 2 {
				t.Fatalf("%s gave %v", tally.file, into)
			}
		}
	})
}
