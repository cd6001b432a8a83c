// SPDX-License-Identifier: Apache-2.0

package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"whohas/dataplane"
)

// signed are lines made up in the form that each program's source gives them, and
// the signs that they have. What has none looks like one that has.
var signed = []struct{ by, line, want string }{
	{byKubelet, `E1122 21:07:27.497088   40112 controller.go:145] "Failed to ensure lease exists, will retry" err="Get \"https://192.168.10.114:6443/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/n1?timeout=10s\": dial tcp 192.168.10.114:6443: connect: connection refused" interval="7s"`, "kubelet lease, kubelet refused"},
	{byKubelet, `E1122 21:07:27.885824  275376 controller.go:144] failed to ensure lease exists, will retry in 200ms, error: Get "https://127.0.0.1:6443/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/n1?timeout=10s": dial tcp 127.0.0.1:6443: i/o timeout`, "kubelet lease, kubelet timeout"},
	{byKubelet, `E1122 21:07:27.885824  275376 controller.go:195] "Failed to update lease" err="Put \"https://[2001:db8::1]:6443/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/n1?timeout=10s\": dial tcp [2001:db8::1]:6443: connect: no route to host"`, "kubelet lease, kubelet no-route"},
	{byKubelet, `E1122 21:07:27.192118  155021 kubelet_node_status.go:527] "Unable to update node status" err="update node status exceeds retry count"`, "kubelet lease"},
	{byKubelet, `E1122 21:07:27.192118  155021 kubelet_node_status.go:540] "Error updating node status, will retry" err="error getting node \"n1\": Get \"https://10.0.0.1:6443/api/v1/nodes/n1?timeout=10s\": net/http: TLS handshake timeout"`, "kubelet lease, kubelet timeout"},
	{byKubelet, `E1122 21:07:27.1 1 reflector.go:147] k8s.io/client-go/informers/factory.go:150: Failed to watch *v1.Node: failed to list *v1.Node: Get "https://api.example:6443/api/v1/nodes?limit=500": dial tcp: lookup api.example on 10.0.0.53:53: read udp 10.0.0.1:5->10.0.0.53:53: i/o timeout`, "kubelet lookup"},
	{byKubelet, `E1122 21:07:27.1 1 reflector.go:147] failed to list *v1.Node: Get "https://10.0.0.1:6443/api/v1/nodes": x509: certificate is valid for 10.96.0.1, 192.168.10.114, not 10.0.0.1`, "kubelet certificate"},
	{byKubelet, `E1122 21:07:27.1 1 kubelet.go:2347] "Skipping pod synchronization" err="PLEG is not healthy: pleg was last seen active 3m12s ago; threshold is 3m0s"`, "kubelet pleg"},
	{byKubelet, `E1122 21:07:27.1 1 kubelet.go:2347] "Skipping pod synchronization" err="[container runtime is down, PLEG is not healthy: pleg was last seen active 3m1s ago; threshold is 3m0s]"`, "kubelet pleg, kubelet runtime"},
	{byKubelet, `E1122 21:07:27.1 1 kubelet.go:2900] "Container runtime network not ready" networkReady="NetworkReady=false reason:NetworkPluginNotReady message:Network plugin returns error: cni plugin not initialized"`, "kubelet runtime"},
	{byKubelet, "\tcalico/node is not ready: BIRD is not ready: BGP not established with 192.168.10.114,192.168.10.116", "calico-node bird"},
	{byKubelet, `E1122 21:07:27.1 1 proxier.go:1598] "Failed to execute iptables-restore" err="exit status 1 (iptables-restore: line 86 failed)"`, "kube-proxy restore"}, // k3s
	{byProxy, `E1122 21:07:27.1 1 proxier.go:1805] "nftables sync failed" err="signal: segmentation fault"`, "kube-proxy restore"},
	{byProxy, `E1122 21:07:27.1 1 server_others.go:305] can't determine whether to use ipvs proxy, error: IPVS proxier will not be used because the following required kernel modules are not loaded: [ip_vs_sh]`, "kube-proxy fallback"},
	{byProxy, `W1122 21:07:27.1 1 server_others.go:290] Can't use ipvs proxier, trying iptables proxier`, "kube-proxy fallback"},
	{byProxy, `E1122 21:07:27.1 1 run.go:74] "command failed" err="can't use the IPVS proxier: no such file or directory"`, "kube-proxy fallback"},
	{byProxy, `E1122 21:07:27.1 1 reflector.go:205] "Failed to watch" err="failed to list *v1.EndpointSlice: Get \"https://10.0.0.1:6443/apis/discovery.k8s.io/v1/endpointslices?limit=500\": dial tcp 10.0.0.1:6443: connect: connection refused"`, "kube-proxy refused"},
	{byCalico, `2026-11-22 21:07:27.904 [WARNING][9] startup/startup.go 984: Calico node 'n2' is already using the IPv4 address 192.168.10.115.`, "calico-node address-conflict"},
	{byCalico, `2026-11-22 21:07:27.904 [ERROR][9] startup/startup.go 158: failed to query kubeadm's config map error=Get "https://10.96.0.1:443/api/v1/namespaces/kube-system/configmaps/kubeadm-config?timeout=2s": dial tcp 10.96.0.1:443: i/o timeout`, "calico-node timeout"},
	{byKernel, `<4>[  123.456789] IPv4: martian source 192.168.10.115 from 192.168.10.114, on dev eth0`, "kernel martian"},
	{byKernel, `<6>[  123.456789] IPv6: eth0: IPv6 duplicate address 2001:db8::1 used by 02:00:00:00:00:02 detected!`, "kernel duplicate-address"},
	{byKernel, `<6>[  123.456789] eth0: IPv6 duplicate address fe80::1 detected!`, "kernel duplicate-address"},
	{byKernel, `<6>[  123.456789] neighbour: arp_cache: neighbor table overflow!`, "kernel overflow"},
	{byKernel, `<4>[  123.456789] Neighbour table overflow.`, "kernel overflow"},
	{byKernel, `<5>[  123.456789] audit: type=1400 audit(1795381647.123:456): avc:  denied  { name_bind } for  pid=2739 comm="kube-proxy" src=4881 scontext=a tcontext=b tclass=tcp_socket permissive=0`, "audit denial"},
	{byAudit, `type=AVC msg=audit(1795381647.123:456): avc:  denied  { read } for  pid=2739 comm="bird" scontext=a tcontext=b tclass=file`, "audit denial"},
	{byIfup, `Nov 22 21:07:27 n1 network[3535]: ERROR     : [/etc/sysconfig/network-scripts/ifup-eth] Error, some other host (0A:00:27:00:00:11) already uses address 192.168.10.115.`, "ifup duplicate-address"},

	{byKubelet, `I1122 21:07:27.1 1 kubelet.go:2347] "Skipping pod synchronization" err="[container runtime status check may not have completed yet, PLEG is not healthy: pleg has yet to be successful]"`, ""}, // of every start
	{byKubelet, `I1122 21:07:27.1 1 prober.go:116] "Probe failed" probeType="Readiness" output="Get \"http://10.244.0.7:8080/healthz\": dial tcp 10.244.0.7:8080: connect: connection refused"`, ""},            // of a Pod
	{byKubelet, `I1122 21:07:27.1 1 kubelet_node_status.go:76] "Attempting to register node" node="n1"`, ""},
	{byKubelet, `martian source 192.168.10.115 from 192.168.10.114, on dev eth0`, ""}, // which is not the kernel's to say there
	{byProxy, `I1122 21:07:27.1 1 server_others.go:140] Using iptables Proxier.`, ""},
	{byProxy, `I1122 21:07:27.1 1 proxier.go:800] "Not using --random-fully in the MASQUERADE rule for iptables"`, ""},
	{byKernel, `<4>[  123.456789] IPv4: martian destination 127.0.0.1 from 192.168.10.114, dev eth0`, ""},
	{byKernel, `<4>[  123.456789] martian source of a rumour`, ""},
	{byKernel, `<5>[  123.456789] audit: avc:  granted  { read } for  pid=1`, ""},
	{byAudit, `type=AVC msg=audit(1795381647.123:456): avc:  denied  { read } for  pid=2739 comm="bird" permissive=1`, ""}, // and done all the same
	{byCalico, `2026-11-22 21:07:27.904 [INFO][9] startup/startup.go 559: Node IPv4 changed, will check for conflicts`, ""},
	{byIfup, `Nov 22 21:07:27 n1 app[1]: the team already uses address books`, ""},
	{"", `E1122 21:07:27.1 1 x.go:1] "PLEG is not healthy"`, ""}, // nobody's
}

func TestRecognise(t *testing.T) {
	r := newRecogniser()
	seen := map[string]bool{}
	for _, tt := range signed {
		var got []string
		for _, s := range r.recognise(tt.line, func(string) string { return tt.by }) {
			got = append(got, s.source+" "+s.name)
			seen[s.name] = true
		}
		slices.Sort(got)
		if text := strings.Join(got, ", "); text != tt.want {
			t.Errorf("%s: %s\nis %q, want %q", tt.by, tt.line, text, tt.want)
		}
	}
	for _, s := range patterns() {
		if !seen[s.name] {
			t.Errorf("no line shows %s", s.name)
		}
		for _, words := range s.has {
			if words != lower(words) {
				t.Errorf("%s: %q is never found", s.name, words)
			}
		}
	}
}

func TestWriter(t *testing.T) {
	for line, want := range map[string]string{
		"Nov 22 21:07:27 n1 kernel: [  123.4] IPv4: martian source":               byKernel,
		"Nov  2 21:07:27 n1 kubelet[123]: E1122":                                  byKubelet,
		"2026-11-22T21:07:27.123456+01:00 n1 k3s[1]: E1122":                       byKubelet,
		"Nov 22 21:07:27 n1 /etc/sysconfig/network-scripts/ifup-eth[4343]: Error": byIfup,
		"Nov 22 21:07:27 n1 app[1]: kernel: no":                                   "",
		"kernel: no time":                                                         "",
		"":                                                                        "",
	} {
		if got := writer(line); got != want {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	}
}

func TestExcerpt(t *testing.T) {
	s := pattern{has: []string{"connection refused"}}
	long := `Nov 22 21:07:27 n1 kubelet[1]: E1122 "Failed" err="Get \"https://192.168.10.114:6443/` + strings.Repeat("x", 400) + `\": dial tcp 192.168.10.114:6443: connect: connection refused" interval="7s" ` + strings.Repeat("y", 400)
	got := s.excerpt(long)
	if len(got) > maxWords || !strings.HasPrefix(got, "Nov 22 21:07:27 n1 kubelet[1]") || !strings.Contains(got, "dial tcp 192.168.10.114:6443: connect: connection refused") {
		t.Errorf("%d bytes: %s", len(got), got)
	}
	if got := s.excerpt("a\tb\x1b[31m connection refused \u202e" + strings.Repeat("ü", 300)); len(got) > maxWords || got[:10] != "a b [31m c" || !utf8.ValidString(got) || strings.Contains(got, "\u202e") {
		t.Errorf("%d bytes: %s", len(got), got)
	}
}

func TestMasked(t *testing.T) {
	for line, want := range map[string]string{
		"Authorization: Bearer abc.def-123456":            "Authorization: *** ***",
		`header "Bearer eyJhbGciOi.eyJzdWIi.c2ln" sent`:   `header "Bearer ***" sent`,
		"jwt eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln x": "jwt *** x",
		"password=hunter2 user=x":                         "password=*** user=x",
		`{"password":"a b","user":"x"}`:                   `{"password":***,"user":"x"}`,
		`--db-password='a b' --x`:                         `--db-password=*** --x`,
		"https://user:hunter2@10.0.0.1/":                  "https://user:***@10.0.0.1/",
		"bootstrap-token=abcdef.0123456789abcdef":         "bootstrap-token=***",

		"secrets/web not found":                        "secrets/web not found",
		"apis/authorization.k8s.io/v1/x":               "apis/authorization.k8s.io/v1/x",
		"dial tcp [2001:db8::1]:6443: no route":        "dial tcp [2001:db8::1]:6443: no route",
		"a basic error of the tokeniser in 2026-11-22": "a basic error of the tokeniser in 2026-11-22",
	} {
		if got := masked(line); got != want {
			t.Errorf("%s: %s, want %s", line, got, want)
		}
	}
}

func TestFileTime(t *testing.T) {
	zone := time.FixedZone("z", 3600)
	n := &logMatches{now: time.Date(2026, 1, 2, 0, 30, 0, 0, zone), zone: zone}
	for line, want := range map[string]string{
		"2026-01-01T23:30:00.5+00:00 n1 kernel: x":     "2026-01-01T23:30:00.5Z",
		"Jan  2 00:29:59 n1 kernel: x":                 "2026-01-01T23:29:59Z",
		"Dec 31 23:59:59 n1 kernel: x":                 "2025-12-31T22:59:59Z",
		"Feb 29 23:59:59 n1 kernel: x":                 "2025-03-01T22:59:59Z",
		"E0102 00:29:59.123456 1 x.go:1] x":            "2026-01-01T23:29:59Z",
		"type=AVC msg=audit(1767310200.123:456): avc:": "2026-01-01T23:30:00Z",
		"": "", "no time": "", "E9999 99:99:99": "",
	} {
		got := n.fileTime(line)
		if text := got.UTC().Format(time.RFC3339Nano); want == "" && !got.IsZero() || want != "" && text != want {
			t.Errorf("%q: %s, want %q", line, text, want)
		}
	}
	n.zone = nil
	if got := n.fileTime("Jan  2 00:29:59 n1 kernel: x"); !got.IsZero() {
		t.Errorf("in an unknown zone: %v", got)
	}
}

func TestContainerLine(t *testing.T) {
	for line, want := range map[string]string{
		"2026-11-22T21:07:27.123456789Z stderr F E1122 a b":                       "2026-11-22 21:07:27 E1122 a b",
		`{"log":"E1122 a b\n","stream":"stderr","time":"2026-11-22T21:07:27.1Z"}`: "2026-11-22 21:07:27 E1122 a b",
		"E1122 a b c d": "0001-01-01 00:00:00 E1122 a b c d",
		`{"log":"cu`:    `0001-01-01 00:00:00 {"log":"cu`,
	} {
		at, text := containerLine(line)
		if got := at.UTC().Format(time.DateTime) + " " + text; got != want {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	}
}

func TestRing(t *testing.T) {
	var clock unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &clock); err != nil {
		t.Fatal(err)
	}
	up := time.Duration(clock.Nano())
	now := time.Now()
	n := &logMatches{known: newRecogniser(), now: now}
	at := func(ago time.Duration) string {
		since := up - ago
		return fmt.Sprintf("[%5d.%06d]", since/time.Second, since%time.Second/time.Microsecond)
	}
	lines := "<4>" + at(time.Second) + " IPv4: martian source 192.168.10.115 from 192.168.10.114, on dev eth0\n" +
		"<4>" + at(2*time.Second) + "[    C1] IPv4: martian source 192.168.10.115 from 192.168.10.116, on dev eth0\n" +
		"<12>" + at(time.Second) + " martian source 192.168.10.115 from 192.168.10.117, on dev eth0\n" + // a program's
		"martian source 192.168.10.115 from 192.168.10.118, on dev eth0\n" // the rest of a line
	got := n.count([]byte(lines), n.ringLine)[[2]string{byKernel, "martian"}]
	if got.Count != 2 || !strings.Contains(got.Last, "192.168.10.116") {
		t.Errorf("%+v", got)
	}
	if when, _, _ := n.ringLine("<4>[    0.000001] x"); now.Sub(when) < up-time.Millisecond {
		t.Errorf("the boot was at %v, and the machine is up for %v", when, up)
	}
	if when, by, _ := n.ringLine("<4>x"); !when.IsZero() || by != byKernel {
		t.Errorf("without a time: %v, %q", when, by)
	}
}

func logFolder(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		file := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestReadNotices(t *testing.T) {
	fresh := time.Now().Add(-time.Minute).Format(time.RFC3339Nano)
	stale := time.Now().Add(-time.Hour).Format(time.RFC3339Nano)
	martian := func(at, from string) string {
		return at + " n1 kernel: IPv4: martian source 192.168.10.115 from " + from + ", on dev eth0\n"
	}
	proxy := func(at, text string) string { return at + " stderr F " + text + "\n" }
	root := logFolder(t, map[string]string{
		// One line in two logs is one; what is over does not count.
		"var/log/syslog":   martian(stale, "10.0.0.1") + martian(fresh, "10.0.0.2") + martian(fresh, "10.0.0.3"),
		"var/log/kern.log": martian(fresh, "10.0.0.3"),
		"var/log/messages": fresh + " n1 kubelet[1]: E1122 1 x.go:1] \"Unable to update node status\"\n" +
			fresh + " n1 kubelet[1]: message repeated 41 times: [ E1122 1 x.go:1] \"Unable to update node status\"]\n",
		"var/log/audit/audit.log": fmt.Sprintf("type=AVC msg=audit(%d.1:2): avc:  denied  { read } for  pid=1 token=abc\n", time.Now().Unix()),
		// A fallback is told once, and stands.
		"var/log/pods/kube-system_kube-proxy-abcde_1/kube-proxy/9.log":             proxy(fresh, "E1122 1 x.go:1] \"nftables sync failed\""),
		"var/log/pods/kube-system_kube-proxy-abcde_1/kube-proxy/10.log":            proxy(stale, "W1122 1 x.go:1] Can't use ipvs proxier, trying iptables proxier") + proxy(stale, "E1122 1 x.go:1] \"nftables sync failed\""),
		"var/log/pods/kube-system_kube-proxy-abcde_1/kube-proxy/10.log.20261122-1": proxy(fresh, "E1122 1 x.go:1] \"nftables sync failed\""),
		"var/log/pods/calico-system_calico-node-abcde_1/calico-node/0.log":         proxy(fresh, "x Calico node 'n2' is already using the IPv4 address 192.168.10.115."),
		"var/log/pods/kube-system_web-kube-proxy-abcde_1/kube-proxy/0.log":         proxy(fresh, "E1122 1 x.go:1] \"nftables sync failed\""),
		"var/lib/rancher/rke2/agent/logs/kubelet.log":                              "E1122 x \"PLEG is not healthy\"\n",
	})
	got, err := readLogMatches(context.Background(), place{root, "/proc"})
	for i := range got { // what was said at a time that changes
		got[i].Last = strings.NewReplacer(fresh, "T", stale, "T").Replace(got[i].Last)
		if got[i].Pattern == "denial" {
			_, got[i].Last, _ = strings.Cut(got[i].Last, "avc: ")
		}
	}
	want := []dataplane.LogMatch{
		{Source: "audit", Pattern: "denial", Count: 1, Last: " denied  { read } for  pid=1 token=***"},
		{Source: "calico-node", Pattern: "address-conflict", Count: 1, Last: "x Calico node 'n2' is already using the IPv4 address 192.168.10.115."},
		{Source: "kernel", Pattern: "martian", Count: 2, Last: "T n1 kernel: IPv4: martian source 192.168.10.115 from 10.0.0.3, on dev eth0"},
		{Source: "kube-proxy", Pattern: "fallback", Count: 1, Last: "W1122 1 x.go:1] Can't use ipvs proxier, trying iptables proxier"},
		{Source: "kubelet", Pattern: "lease", Count: 42, Last: "T n1 kubelet[1]: message repeated 41 times: [ E1122 1 x.go:1] \"Unable to update node status\"]"},
		{Source: "kubelet", Pattern: "pleg", Count: 1, Last: "E1122 x \"PLEG is not healthy\""},
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestReadNoticesOfNothing(t *testing.T) {
	got, err := readLogMatches(context.Background(), place{t.TempDir(), "/proc"})
	if got != nil || !errors.As(err, new(missing)) {
		t.Errorf("%v, %v", got, err)
	}
	root := logFolder(t, map[string]string{"var/log/syslog": "nothing\n"})
	if got, err = readLogMatches(context.Background(), place{root, "/proc"}); got != nil || err != nil {
		t.Errorf("a log with nothing in it: %v, %v", got, err)
	}
	// Neither a pipe, which would wait, nor another host's file is a log of this one.
	root = t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "var/log/audit"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(filepath.Join(root, "var/log/messages"), 0o644); err != nil {
		t.Fatal(err)
	}
	other := logFolder(t, map[string]string{"audit.log": "avc:  denied  { read }\n"})
	if err := os.Symlink(filepath.Join(other, "audit.log"), filepath.Join(root, "var/log/audit/audit.log")); err != nil {
		t.Fatal(err)
	}
	if got, err = readLogMatches(context.Background(), place{root, "/proc"}); got != nil || !errors.As(err, new(missing)) {
		t.Errorf("a pipe and another's: %v, %v", got, err)
	}
}

func TestReadNoticesInPart(t *testing.T) {
	root := logFolder(t, map[string]string{"var/log/syslog": "nothing\n"})
	if err := os.Symlink("kern.log", filepath.Join(root, "var/log/kern.log")); err != nil { // round and round
		t.Fatal(err)
	}
	if _, err := readLogMatches(context.Background(), place{root, "/proc"}); !errors.As(err, new(partial)) {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := readLogMatches(ctx, place{root, "/proc"}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestTail(t *testing.T) {
	file := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(file, []byte("first\n"+strings.Repeat("x", noticeBytes-3)+"\nlast\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got, err := tail(file); string(got) != "last\n" || err != nil {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

// program writes a script that stands in for journalctl.
func program(t *testing.T, script string) programs {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "journalctl"), []byte("#!/bin/sh\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
	return programs{[]string{dir}}
}

func TestJournal(t *testing.T) {
	if j := startJournal(context.Background(), programs{}); j != nil {
		t.Error("a journal without a journalctl")
	}
	for name, tt := range map[string]struct {
		script, want string
		is           error
	}{
		"read":            {`test "$LC_ALL" = C && printf '%s ' "$@"`, "-n 2000 --no-pager -o cat --since -30min -u kubelet -u k3s -u k3s-agent -u rke2-server -u rke2-agent ", nil},
		"no journal":      {"echo No journal files were found. >&2", "", os.ErrNotExist},
		"another's":       {"echo a; echo Hint: You are currently not seeing messages from other users and the system. >&2", "a\n", os.ErrPermission},
		"of the group":    {"echo No journal files were opened due to insufficient permissions. >&2; exit 1", "", os.ErrPermission},
		"without an end":  {"echo a; sleep 1000 & sleep 1000", "a\n", context.DeadlineExceeded},
		"more than is in": {"yes | head -c 9000000", strings.Repeat("y\n", noticeBytes), nil},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := startJournal(context.Background(), program(t, tt.script)).read()
			if string(got) != tt.want || !errors.Is(err, tt.is) {
				t.Errorf("%d bytes, %.200q, %v", len(got), got, err)
			}
		})
	}
}

// TestOwnNotices: this machine's logs can be read, or it is said why not.
func TestOwnNotices(t *testing.T) {
	got, err := readLogMatches(context.Background(), place{"/", "/proc"})
	t.Logf("%d sorts, %v", len(got), err)
	for _, n := range got {
		if n.Count == 0 || n.Last == "" {
			t.Errorf("%+v", n)
		}
	}
}

func FuzzNotices(f *testing.F) {
	for _, s := range signed {
		f.Add(s.line)
		f.Add("Nov 22 21:07:27 n1 " + s.by + "[1]: " + s.line)
		f.Add("2026-11-22T21:07:27.1Z stderr F " + s.line)
	}
	f.Add(`{"log":"PLEG is not healthy\n","time":"2026-11-22T21:07:27Z"}`)
	f.Add("<4>[99999.999999] martian source 1.1.1.1 from 1.1.1.1, on dev x\xff")
	n := &logMatches{known: newRecogniser(), now: time.Unix(1795381647, 0), zone: time.UTC}
	f.Fuzz(func(t *testing.T, text string) {
		for _, of := range []head{
			n.ringLine,
			func(line string) (time.Time, string, string) { return n.fileTime(line), "", line },
			func(line string) (time.Time, string, string) { return n.fileTime(line), byKubelet, line },
			func(line string) (time.Time, string, string) {
				at, text := containerLine(line)
				return at, byProxy, text
			},
		} {
			for key, notice := range n.count([]byte(text), of) {
				if notice.Count < 1 || key != [2]string{notice.Source, notice.Pattern} || len(notice.Last) > maxWords || !utf8.ValidString(notice.Last) {
					t.Fatalf("%q: %+v", key, notice)
				}
				if i := strings.IndexFunc(notice.Last, unicode.IsControl); i >= 0 {
					t.Fatalf("%q would be obeyed", notice.Last)
				}
			}
		}
	})
}
