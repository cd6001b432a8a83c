// SPDX-License-Identifier: Apache-2.0

package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"whohas/dataplane"
)

// runs makes a process as /proc has them (man 5 proc_pid_stat, proc_pid_cmdline).
func runs(t *testing.T, proc string, pid, parent, ticks int, comm, network string, args ...string) {
	t.Helper()
	dir := fmt.Sprint(pid)
	write(t, proc, dir+"/comm", comm+"\n")
	write(t, proc, dir+"/cmdline", strings.Join(args, "\x00")+"\x00")
	write(t, proc, dir+"/stat", fmt.Sprintf("%d (%s) S %d 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 9 0 %d 10 11\n", pid, comm, parent, ticks))
	inNetwork(t, proc, dir, network)
}

func inNetwork(t *testing.T, proc, dir, network string) {
	t.Helper()
	ns := filepath.Join(proc, dir, "ns")
	if err := errors.Join(os.MkdirAll(ns, 0o755), os.Symlink(network, filepath.Join(ns, "net"))); err != nil {
		t.Fatal(err)
	}
}

const ownNet, otherNet = "net:[4026531840]", "net:[4026532900]"

func TestFindAgents(t *testing.T) {
	proc := t.TempDir()
	inNetwork(t, proc, "thread-self", ownNet)
	write(t, proc, "uptime", "5000.25 9000.00\n")
	runs(t, proc, 1, 0, 100, "systemd", ownNet, "/sbin/init")
	runs(t, proc, 700, 1, 100000, "kubelet", ownNet, "/usr/bin/kubelet", "--kubeconfig=/etc/kubernetes/kubelet.conf", "--node-ip", "192.168.10.11", "--token=secret")
	runs(t, proc, 710, 1, 490000, "kube-controller", ownNet, "kube-controller-manager", "--bind_address=127.0.0.1")
	runs(t, proc, 711, 1, 490000, "kube-controllex", ownNet, "kube-controllex-y")
	runs(t, proc, 720, 1, 0, "nginx", ownNet, "nginx: master process nginx")
	runs(t, proc, 721, 720, 0, "nginx", ownNet, "nginx: worker process")
	runs(t, proc, 730, 1, 0, "nginx", otherNet, "nginx: master process nginx") // a Pod's
	runs(t, proc, 740, 1, 600000, "kubemark", ownNet, "/kubemark", "--morph=kubelet", "--kubeconfig", "/k")
	runs(t, proc, 741, 1, 0, "kubemark", ownNet, "/kubemark", "--morph=proxy")
	runs(t, proc, 750, 1, 0, "calico-node", ownNet, "calico-node", "-felix")
	runs(t, proc, 751, 1, 0, "calico-node", ownNet, "calico-node", "-confd")
	write(t, proc, "760/comm", "etcd\n") // it has ended
	got, err := findAgents(context.Background(), proc)
	want := []dataplane.Agent{
		{Name: "calico-node", PID: 750, Age: 5000},
		{Name: "kube-controller-manager", PID: 710, Age: 100, Flags: map[string]string{"bind-address": "127.0.0.1"}},
		{Name: "kubelet", PID: 700, Age: 4000, Flags: map[string]string{"kubeconfig": "/etc/kubernetes/kubelet.conf", "node-ip": "192.168.10.11"}},
		{Name: "kubelet", PID: 740, Flags: map[string]string{"kubeconfig": "/k"}}, // the clock of the machine is no younger than its processes
		{Name: "nginx", PID: 720, Age: 5000},
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if _, err := findAgents(context.Background(), t.TempDir()); err == nil {
		t.Error("nothing to read is no success")
	}
}

// TestFindAgentsDenied: who may not see others' namespaces is told so.
func TestFindAgentsDenied(t *testing.T) {
	asNobody(t, func() {
		proc := t.TempDir()
		inNetwork(t, proc, "thread-self", ownNet)
		write(t, proc, "uptime", "5000.25 9000.00\n")
		runs(t, proc, 700, 1, 0, "kubelet", ownNet, "kubelet")
		closed := filepath.Join(proc, "700", "ns")
		if err := os.Chmod(closed, 0); err != nil {
			t.Error(err)
		}
		defer os.Chmod(closed, 0o700)
		if got, err := findAgents(context.Background(), proc); got != nil || !errors.Is(err, fs.ErrPermission) {
			t.Errorf("%v, %v; want no permission", got, err)
		}
		runs(t, proc, 800, 1, 0, "crio", ownNet, "crio")
		if got, err := findAgents(context.Background(), proc); len(got) != 1 || !errors.As(err, new(partial)) {
			t.Errorf("%v, %v; want one, and that not all is known", got, err)
		}
	})
}

// asNobody runs f on a thread without root's right to read everything.
func asNobody(t *testing.T, f func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		f()
		return
	}
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with it
		none := []unix.CapUserData{{}, {}}
		err := unix.Capset(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &none[0])
		if err == nil {
			f()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		t.Skipf("NOT RUN: %v", err)
	}
}

func TestParseStat(t *testing.T) {
	const rest = " 20 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 9 0 12345 10"
	for _, tt := range []struct {
		name, text string
		parent     int
		started    float64
		fails      bool
	}{
		{name: "plain", text: "7 (kubelet) S" + rest, parent: 20, started: 123.45},
		{name: "blanks and brackets in the name", text: "7 (a) S 1 (b c)) R" + rest, parent: 20, started: 123.45},
		{name: "cut off", text: "7 (kubelet) S 20 1", fails: true},
		{name: "no name", text: "7 S" + rest, fails: true},
		{name: "empty", fails: true},
		{name: "no number", text: "7 (kubelet) S x 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 9 0 12345", fails: true},
	} {
		parent, started, err := parseStat(tt.text)
		if parent != tt.parent || started != tt.started || (err != nil) != tt.fails {
			t.Errorf("%s: %d, %v, %v", tt.name, parent, started, err)
		}
	}
}

func TestAgentFlags(t *testing.T) {
	for _, tt := range []struct {
		name string
		args string
		want map[string]string
	}{
		{"both forms, one dash, an underscore", "etcd -initial-cluster a=https://10.0.0.1:2380 --listen_peer_urls=https://10.0.0.1:2380 --data-dir /var", map[string]string{
			"initial-cluster": "a=https://10.0.0.1:2380", "listen-peer-urls": "https://10.0.0.1:2380"}},
		{"no value", "kubelet --config --kubeconfig=/a", map[string]string{"kubeconfig": "/a"}},
		{"the last holds, lists add up", "x --master=a --master=b --etcd-servers=https://a:1 --etcd-servers https://b:1", map[string]string{
			"master": "b", "etcd-servers": "https://a:1,https://b:1"}},
		{"nothing behind --", "x -- --master=a", nil},
		{"others are not kept", "x --token=abc --tls-private-key-file=/k --v=2", nil},
		{"passwords go, and queries", "x --server=https://me:hush@10.0.0.1:6443/p?token=hush#hush --initial-cluster=a=https://u:hush@h:1,b=https://h:2", map[string]string{
			"server": "https://10.0.0.1:6443/p", "initial-cluster": "a=https://h:1,b=https://h:2"}},
		{"what looks like a password and is not understood goes whole", "x --server=https://me:hu/sh@h:1 --master=me:hush@h --etcd-servers=https://u:1,hush@h:2", nil},
		{"a file may have an @", "x --config=/etc/a@b.conf", map[string]string{"config": "/etc/a@b.conf"}},
		{"control characters", "x --server=\x1b[2J", nil},
	} {
		got := agentFlags(strings.Split(tt.args, " "))
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

func FuzzAgentFlags(f *testing.F) {
	for _, seed := range []string{"x --server=https://a:b@c", "x --server https://a:b,c@d/e@f", "x --etcd-servers=a=https://u:p@h:1,", "x --master ?@ --config=/@", "x -- -"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, line string) {
		for name, value := range agentFlags(strings.Split(line, " ")) {
			if !isAgentFlag(name) || value == "" {
				t.Errorf("kept %s=%q", name, value)
			}
			if strings.Contains(value, "@") && !strings.HasPrefix(value, "/") && !strings.Contains(value, ",/") {
				t.Errorf("%s keeps %q", name, value)
			}
			if again := withoutSecrets(value); name != "etcd-servers" && name != "cluster-dns" && again != value {
				t.Errorf("%q becomes %q", value, again)
			}
		}
	})
}

func FuzzParseStat(f *testing.F) {
	f.Add("7 (kubelet) S 20 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 9 0 12345 10")
	f.Add(")")
	f.Fuzz(func(t *testing.T, text string) {
		if _, started, err := parseStat(text); err == nil && started < 0 {
			t.Errorf("started %v", started)
		}
	})
}

// metrics125 and metrics136 have the forms of kube-proxy 1.25 and 1.36: the second
// with a label (kubernetes pkg/proxy/metrics/metrics.go).
const (
	metrics125 = `# HELP kubeproxy_sync_proxy_rules_duration_seconds [ALPHA] SyncProxyRules latency in seconds
# TYPE kubeproxy_sync_proxy_rules_duration_seconds histogram
kubeproxy_sync_proxy_rules_duration_seconds_bucket{le="0.001"} 0
kubeproxy_sync_proxy_rules_duration_seconds_sum 4.25
kubeproxy_sync_proxy_rules_duration_seconds_count 1204
kubeproxy_sync_proxy_rules_iptables_restore_failures_total 3
kubeproxy_sync_proxy_rules_last_queued_timestamp_seconds 1.6690032001255e+09
kubeproxy_sync_proxy_rules_last_timestamp_seconds 1.669003201e+09
`
	metrics136 = `kubeproxy_sync_proxy_rules_duration_seconds_count{ip_family="IPv4"} 10
kubeproxy_sync_proxy_rules_duration_seconds_count{ip_family="IPv6"} 8
kubeproxy_sync_proxy_rules_iptables_restore_failures_total{ip_family="IPv4"} 0
kubeproxy_sync_proxy_rules_last_queued_timestamp_seconds{ip_family="IPv4"} 1.7e+09
kubeproxy_sync_proxy_rules_last_queued_timestamp_seconds{ip_family="IPv6"} 1.6e+09
kubeproxy_sync_proxy_rules_last_timestamp_seconds{ip_family="IPv4"} 1.700000001e+09
kubeproxy_sync_proxy_rules_last_timestamp_seconds{ip_family="IPv6"} 1.5e+09
rest_client_requests_total{code="200"} 7
`
)

func TestProxySyncs(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       map[string]string
	}{
		{"1.25", metrics125, map[string]string{"syncs": "1204", "restoreFailures": "3", "lastQueued": "1669003200.125", "lastSync": "1669003201.000"}},
		{"1.36, where IPv6 is behind", metrics136, map[string]string{"syncs": "18", "restoreFailures": "0", "lastQueued": "1600000000.000", "lastSync": "1500000000.000"}},
		{"cut off in a number", strings.TrimSuffix(metrics125, "01e+09\n"), map[string]string{"syncs": "1204", "restoreFailures": "3", "lastQueued": "1669003200.125"}},
		{"never", "kubeproxy_sync_proxy_rules_last_timestamp_seconds 0\n", map[string]string{}},
		{"escapes and a time", `kubeproxy_sync_proxy_rules_duration_seconds_count{a="\"}{",ip_family="IPv4",} 5 1700` + "\n", map[string]string{"syncs": "5"}},
		{"before a broken line", "kubeproxy_sync_proxy_rules_duration_seconds_count 5\nkubeproxy_sync_proxy_rules_duration_seconds_count{a=\"b\" 6\n", map[string]string{"syncs": "5"}},
		{"other text", "<html>", map[string]string{}},
	} {
		if diff := cmp.Diff(tt.want, proxySyncs([]byte(tt.text))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

func FuzzParseSamples(f *testing.F) {
	f.Add(metrics125)
	f.Add(metrics136)
	f.Add("kubeproxy_sync_proxy_rules_x{a=\"\\")
	f.Add("kubeproxy_sync_proxy_rules_duration_seconds_count{ip_family=\"\xff\"} NaN\n")
	f.Fuzz(func(t *testing.T, text string) {
		got, _ := parseSamples(strings.NewReader(text))
		for key, value := range got.summary() {
			if value == "" || strings.ContainsAny(value, "NI") {
				t.Errorf("%s: %q", key, value)
			}
		}
	})
}

func TestProxyUpdated(t *testing.T) {
	for text, want := range map[string]string{
		`{"lastUpdated": "2022-11-21 04:00:01.5 +0000 UTC m=+12.25","currentTime": "2022-11-21 04:00:02 +0000 UTC m=+12.75"}`: "2022-11-21T04:00:01.5Z", // 1.25
		`{"lastUpdated":"2026-11-21T05:00:01.5+01:00","currentTime":"2026-11-21T05:00:02+01:00","healthy":true}`:              "2026-11-21T04:00:01.5Z", // 1.36
		`{"lastUpdated":"0001-01-01T00:00:00Z"}`: "never",
		`{"lastUpdated":"yesterday"}`:            "",
		`<html>`:                                 "",
	} {
		if got := proxyUpdated([]byte(text))["lastUpdated"]; got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

func FuzzProxyHealth(f *testing.F) {
	f.Add([]byte(`{"lastUpdated": "2022-11-21 04:00:01.5 +0000 UTC m=+12.25"}`))
	f.Add([]byte("ipvs\n"))
	f.Fuzz(func(t *testing.T, body []byte) {
		if mode := proxyMode(body)["proxyMode"]; strings.ContainsFunc(mode, func(r rune) bool { return r < 'a' || r > 'z' }) {
			t.Errorf("mode %q", mode)
		}
		if when := proxyUpdated(body)["lastUpdated"]; len(when) > 40 {
			t.Errorf("%q", when)
		}
	})
}

// serve answers on loopback, in the namespace of the calling thread.
func serve(t *testing.T, answers map[string]string, status int) uint16 {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Error(err)
		return 1
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, ok := answers[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		if to, ok := strings.CutPrefix(body, "-> "); ok {
			http.Redirect(w, r, to, http.StatusFound)
			return
		}
		w.WriteHeader(status)
		io.WriteString(w, body)
	})}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	return uint16(l.Addr().(*net.TCPAddr).Port)
}

// closed is a port on which nobody listens, and nobody will be given while it is held.
func closed(t *testing.T) uint16 {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		t.Cleanup(func() { unix.Close(fd) })
		err = unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})
	}
	name, _ := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return uint16(name.(*unix.SockaddrInet4).Port)
}

func TestAskAgents(t *testing.T) {
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1") // must not be asked
	kubelet := serve(t, map[string]string{"/healthz": "ok"}, 200)
	proxy := serve(t, map[string]string{"/healthz": `{"lastUpdated":"2026-11-21T04:00:01Z"}`}, 503)
	metrics := serve(t, map[string]string{"/proxyMode": "ipvs", "/metrics": metrics125}, 200)
	wanders := serve(t, map[string]string{"/healthz": "-> /there", "/there": "ok"}, 200)
	mute := silent(t)
	syncs := map[string]string{"metrics": "ok", "proxyMode": "ipvs", "syncs": "1204", "restoreFailures": "3", "lastQueued": "1669003200.125", "lastSync": "1669003201.000"}
	with := func(pairs ...string) map[string]string {
		out := map[string]string{}
		for k, v := range syncs {
			out[k] = v
		}
		for i := 0; i < len(pairs); i += 2 {
			out[pairs[i]] = pairs[i+1]
		}
		return out
	}
	for _, tt := range []struct {
		name   string
		agents []string
		at     healthPorts
		want   []map[string]string
	}{
		{"both", []string{"etcd", "kube-proxy", "kubelet"}, healthPorts{kubelet, proxy, metrics}, []map[string]string{
			nil, with("healthz", "503", "lastUpdated", "2026-11-21T04:00:01Z"), {"healthz": "ok"}}},
		{"both in one", []string{"k3s-server"}, healthPorts{kubelet, proxy, metrics}, []map[string]string{
			with("healthz", "ok", "proxyHealthz", "503", "lastUpdated", "2026-11-21T04:00:01Z")}},
		{"nobody there, nobody asked", []string{"etcd", "kube-proxy"}, healthPorts{kubelet, closed(t), closed(t)}, []map[string]string{
			nil, {"healthz": "refused", "metrics": "refused"}}},
		{"silence", []string{"kubelet"}, healthPorts{kubelet: mute}, []map[string]string{{"healthz": "no answer"}}},
		{"redirects are not followed", []string{"kubelet"}, healthPorts{kubelet: wanders}, []map[string]string{{"healthz": "302"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var agents []dataplane.Agent
			for _, name := range tt.agents {
				agents = append(agents, dataplane.Agent{Name: name})
			}
			askAgents(context.Background(), agents, tt.at)
			var got []map[string]string
			for _, a := range agents {
				got = append(got, a.Health)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// silent accepts and says nothing.
func silent(t *testing.T) uint16 {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return uint16(l.Addr().(*net.TCPAddr).Port)
}

// TestAskAgentsInside: the agents of the thread's namespace are asked, not those of
// the process's, on the same port.
func TestAskAgentsInside(t *testing.T) {
	outer := serve(t, map[string]string{"/healthz": "ok"}, 500)
	done := make(chan error)
	var got map[string]string
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with it
		err := unix.Unshare(unix.CLONE_NEWNET)
		if err == nil {
			err = exec.Command("ip", "link", "set", "lo", "up").Run()
		}
		if err == nil {
			agents := []dataplane.Agent{{Name: "kubelet"}}
			askAgents(context.Background(), agents, healthPorts{kubelet: outer})
			got = map[string]string{"outer": agents[0].Health["healthz"]}
			askAgents(context.Background(), agents, healthPorts{kubelet: serve(t, map[string]string{"/healthz": "ok"}, 200)})
			got["inner"] = agents[0].Health["healthz"]
		}
		done <- err
	}()
	if err := <-done; err != nil {
		t.Skipf("NOT RUN: a network namespace needs root and ip: %v", err)
	}
	if diff := cmp.Diff(map[string]string{"outer": "refused", "inner": "ok"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
