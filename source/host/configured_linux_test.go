// SPDX-License-Identifier: Apache-2.0

package host

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sys/unix"

	"whohas/dataplane"
	"whohas/source/file"
)

// kubeconfig has the form of client-go's tools/clientcmd/api/v1, secrets included.
func kubeconfig(server string) string {
	return `apiVersion: v1
kind: Config
clusters:
- name: kubernetes
  cluster:
    certificate-authority-data: SECRET
    server: ` + server + `
users:
- name: me
  user:
    token: SECRET
    client-key-data: SECRET
`
}

// toldFiles are made by the documented forms: see the sources that places cites.
func toldFiles() map[string]string {
	return map[string]string{
		"etc/hosts":                                  "127.0.0.1 localhost\n192.168.10.20 api.example API # the VIP\n192.168.10.21 api.example\n",
		"etc/kubernetes/kubelet.conf":                kubeconfig("https://api.example:6443"),
		"etc/kubernetes/admin.conf":                  kubeconfig("https://me:SECRET@[fd00::1]"),
		"etc/kubernetes/scheduler.conf":              kubeconfig("https://other.example:6443"),
		"etc/kubernetes/ssl/kubecfg-kube-node.yaml":  kubeconfig("https://127.0.0.1:6443"),
		"etc/kubernetes/ssl/kubecfg-kube-proxy.yaml": kubeconfig("https://127.0.0.1:6443"),
		"var/lib/kubelet/pods/0a1b/volumes/kubernetes.io~configmap/kube-proxy/kubeconfig.conf": kubeconfig("https://192.168.10.114:6443"),
		"var/snap/microk8s/current/credentials/proxy.config":                                   kubeconfig("https://127.0.0.1:16443"),
		"var/snap/microk8s/current/args/kube-apiserver":                                        "--etcd-servers=\"unix:///var/snap/microk8s/current/var/kubernetes/backend/kine.sock:12379\"\n--advertise-address=10.5.0.1\n--token-auth-file=SECRET\n",
		"var/snap/microk8s/current/args/apiserver-proxy-config":                                `{"listen": "127.0.0.1:16443", "endpoints": ["10.5.0.1:16443", "10.5.0.2:16443"]}`,
		"etc/nginx/nginx.conf":                                             "stream {\n  upstream kube_apiserver {\n    least_conn;\n    server 192.168.10.11:6443; # one\n    server [fd00::11]:7443 max_fails=1;\n  }\n  server { listen 127.0.0.1:6443; proxy_pass kube_apiserver; }\n  upstream web { server 10.0.0.9:80; }\n}\n",
		"etc/haproxy/haproxy.cfg":                                          "frontend a\n  bind 127.0.0.1:6443\n  server not 10.9.9.9:6443\nbackend kube_api_backend\n  server cp1 192.168.10.11:7443 check\n  server cp2 fd00::12:6443 check\nbackend web\n  server w 10.0.0.9:80\n",
		"etc/rancher/k3s/config.yaml":                                      "token: SECRET\nserver: https://192.168.10.30:6443\n",
		"etc/systemd/system/k3s-agent.service.env":                         "K3S_TOKEN='SECRET'\nK3S_URL='https://192.168.10.31:6443'\n",
		"var/lib/rancher/k3s/agent/etc/k3s-agent-load-balancer.json":       "{\n  \"ServerURL\": \"https://192.168.10.31:6443\",\n  \"ServerAddresses\": [\n    \"192.168.10.32:6443\"\n  ]\n}",
		"var/lib/rancher/k3s/agent/etc/k3s-etcd-server-load-balancer.json": `{"ServerAddresses": ["192.168.10.32:2379"]}`,
		"etc/kubernetes/manifests/kube-apiserver.yaml":                     "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - name: kube-apiserver\n    command:\n    - kube-apiserver\n    - --advertise-address=192.168.10.11\n    - --etcd-servers=https://127.0.0.1:2379,https://etcd2:2379\n    - --bind-address=$(X)\n",
		"etc/kubernetes/manifests/etcd.yml":                                "spec: {containers: [{name: etcd, command: [etcd, --initial-cluster, 'a=https://192.168.10.11:2380,b=https://192.168.10.12:2380']}]}\n",
		"etc/kubernetes/manifests/kube-vip.yaml":                           "spec:\n  containers:\n  - name: kube-vip\n    args: [manager]\n    env:\n    - name: port\n      value: \"6443\"\n    - name: address\n      value: 192.168.10.20\n    - name: bgp_peerpass\n      value: SECRET\n",
		"etc/kubernetes/manifests/.hidden.yaml":                            "\tno YAML",
		"etc/kubernetes/manifests/web.yaml":                                "spec: {containers: [{name: web, command: [web, --server=https://10.9.9.9]}]}\n",
		"etc/chrony.conf":                                                  "# server 10.9.9.9\nkeyfile /etc/SECRET\nserver 192.168.10.41 iburst key 7\npeer fd00::41\n",
		"etc/ntp.conf":                                                     "server -4 ntp.example prefer\nserver -6\n",
		"etc/systemd/timesyncd.conf":                                       "[Time]\nNTP=192.168.10.44 $x\nFallbackNTP=10.9.9.9\nNTP=\n",
		"etc/resolv.conf":                                                  "search example\nnameserver 127.0.0.53\nnameserver nonsense\n",
		"run/systemd/resolve/resolv.conf":                                  "nameserver 192.168.10.1\nnameserver fd00::53\nnameserver 192.168.10.2\nnameserver 192.168.10.3\n",
	}
}

func TestTold(t *testing.T) {
	root := t.TempDir()
	for name, text := range toldFiles() {
		write(t, root, name, text)
	}
	write(t, root, "etc/proxy.kubeconfig", kubeconfig("api"))
	agents := []dataplane.Agent{
		{Name: "kubelet", Flags: map[string]string{"kubeconfig": "/etc/kubernetes/kubelet.conf", "config": "/var/lib/kubelet/config.yaml"}},
		{Name: "kube-proxy", Flags: map[string]string{"kubeconfig": "/etc/proxy.kubeconfig", "master": "10.0.0.1:8080"}},
	}
	told, err := readConfigured(context.Background(), place{root: root}, agents)
	var got []string
	for _, w := range told {
		got = append(got, fmt.Sprint(w.What, " ", w.For, " ", w.Host, " ", w.IP, " ", w.Port, " ", w.File, ":", w.Line))
	}
	want := []string{
		"apiserver apiserver-proxy 10.5.0.1 10.5.0.1 16443 /var/snap/microk8s/current/args/apiserver-proxy-config:1",
		"apiserver apiserver-proxy 10.5.0.2 10.5.0.2 16443 /var/snap/microk8s/current/args/apiserver-proxy-config:1",
		"apiserver haproxy 192.168.10.11 192.168.10.11 7443 /etc/haproxy/haproxy.cfg:5",
		"apiserver haproxy fd00::12 fd00::12 6443 /etc/haproxy/haproxy.cfg:6",
		"apiserver k3s 192.168.10.30 192.168.10.30 6443 /etc/rancher/k3s/config.yaml:2",
		"apiserver k3s 192.168.10.31 192.168.10.31 6443 /etc/systemd/system/k3s-agent.service.env:2",
		"apiserver k3s 192.168.10.31 192.168.10.31 6443 /var/lib/rancher/k3s/agent/etc/k3s-agent-load-balancer.json:2",
		"apiserver k3s 192.168.10.32 192.168.10.32 6443 /var/lib/rancher/k3s/agent/etc/k3s-agent-load-balancer.json:4",
		"apiserver kube-apiserver 10.5.0.1 10.5.0.1 0 /var/snap/microk8s/current/args/kube-apiserver:2",
		"apiserver kube-apiserver 192.168.10.11 192.168.10.11 0 /etc/kubernetes/manifests/kube-apiserver.yaml:8",
		"apiserver kube-proxy 10.0.0.1 10.0.0.1 8080 command line of kube-proxy:0",
		"apiserver kube-proxy 127.0.0.1 127.0.0.1 6443 /etc/kubernetes/ssl/kubecfg-kube-proxy.yaml:7",
		"apiserver kube-proxy 127.0.0.1 127.0.0.1 16443 /var/snap/microk8s/current/credentials/proxy.config:7",
		"apiserver kube-proxy 192.168.10.114 192.168.10.114 6443 /var/lib/kubelet/pods/0a1b/volumes/kubernetes.io~configmap/kube-proxy/kubeconfig.conf:7",
		"apiserver kube-proxy api 192.168.10.20 0 /etc/proxy.kubeconfig:7",
		"apiserver kube-scheduler other.example invalid IP 6443 /etc/kubernetes/scheduler.conf:7",
		"apiserver kubectl fd00::1 fd00::1 443 /etc/kubernetes/admin.conf:7",
		"apiserver kubelet 127.0.0.1 127.0.0.1 6443 /etc/kubernetes/ssl/kubecfg-kube-node.yaml:7",
		"apiserver kubelet api.example 192.168.10.20 6443 /etc/kubernetes/kubelet.conf:7",
		"apiserver nginx 192.168.10.11 192.168.10.11 6443 /etc/nginx/nginx.conf:4",
		"apiserver nginx fd00::11 fd00::11 7443 /etc/nginx/nginx.conf:5",
		"control-plane kube-vip 192.168.10.20 192.168.10.20 6443 /etc/kubernetes/manifests/kube-vip.yaml:9",
		"etcd etcd 192.168.10.11 192.168.10.11 2380 /etc/kubernetes/manifests/etcd.yml:1",
		"etcd etcd 192.168.10.12 192.168.10.12 2380 /etc/kubernetes/manifests/etcd.yml:1",
		"etcd k3s 192.168.10.32 192.168.10.32 2379 /var/lib/rancher/k3s/agent/etc/k3s-etcd-server-load-balancer.json:1",
		"etcd kube-apiserver 127.0.0.1 127.0.0.1 2379 /etc/kubernetes/manifests/kube-apiserver.yaml:9",
		"etcd kube-apiserver etcd2 invalid IP 2379 /etc/kubernetes/manifests/kube-apiserver.yaml:9",
		"ntp chronyd 192.168.10.41 192.168.10.41 123 /etc/chrony.conf:3",
		"ntp chronyd fd00::41 fd00::41 123 /etc/chrony.conf:4",
		"ntp ntpd ntp.example invalid IP 123 /etc/ntp.conf:1",
		"ntp systemd-timesyncd 192.168.10.44 192.168.10.44 123 /etc/systemd/timesyncd.conf:2",
		"resolver  127.0.0.53 127.0.0.53 53 /etc/resolv.conf:2",
		"resolver  192.168.10.1 192.168.10.1 53 /run/systemd/resolve/resolv.conf:1",
		"resolver  192.168.10.2 192.168.10.2 53 /run/systemd/resolve/resolv.conf:3",
		"resolver  fd00::53 fd00::53 53 /run/systemd/resolve/resolv.conf:2",
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if strings.Contains(strings.Join(got, "\n"), "SECRET") {
		t.Error("a secret was kept")
	}
}

// TestToldFaults: a bad file costs itself only, and no error tells what is in it.
func TestToldFaults(t *testing.T) {
	for _, tt := range []struct{ name, file, text, want string }{
		{"no YAML", "etc/kubernetes/admin.conf", "clusters:\n- a: b\n  SECRET: SECRET: c\n", "/etc/kubernetes/admin.conf: line 3: no YAML"},
		{"no YAML, no line", "etc/kubernetes/admin.conf", "a: *SECRET", "/etc/kubernetes/admin.conf: no YAML"},
		{"no address", "etc/kubernetes/admin.conf", kubeconfig("https://me:SE/CRET@h"), "/etc/kubernetes/admin.conf: line 7: no address of a server"},
		{"long", "etc/kubernetes/admin.conf", strings.Repeat("#", file.Small+1), "/etc/kubernetes/admin.conf: larger than 1 MiB"},
		{"nginx", "etc/nginx/nginx.conf", "events {\n}\n}", "/etc/nginx/nginx.conf: line 3: closes no block"},
		{"a token in a URL's place", "etc/systemd/system/k3s-agent.service.env", "\nK3S_URL=K10SECRET::server:SECRET", "/etc/systemd/system/k3s-agent.service.env: line 2: no address of a server"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			root := t.TempDir()
			write(t, root, "etc/kubernetes/kubelet.conf", kubeconfig("https://10.0.0.1:6443"))
			write(t, root, tt.file, tt.text)
			got, err := readConfigured(context.Background(), place{root: root}, nil)
			if len(got) != 1 || got[0].Host != "10.0.0.1" || !errors.As(err, new(partial)) || err.Error() != tt.want {
				t.Errorf("%v, %v; want the kubelet's, and %s", got, err, tt.want)
			}
		})
	}
}

func TestToldDenied(t *testing.T) {
	asNobody(t, func() {
		root := t.TempDir()
		write(t, root, "etc/kubernetes/kubelet.conf", kubeconfig("https://10.0.0.1:6443"))
		write(t, root, "etc/kubernetes/admin.conf", kubeconfig("https://10.0.0.2:6443"))
		write(t, root, "var/lib/kubelet/pods/x/y", "")
		for _, name := range []string{"etc/kubernetes/admin.conf", "var/lib/kubelet/pods"} {
			name = filepath.Join(root, name)
			if err := os.Chmod(name, 0); err != nil {
				t.Error(err)
			}
			defer os.Chmod(name, 0o700)
		}
		got, err := readConfigured(context.Background(), place{root: root}, nil)
		if len(got) != 1 || !errors.Is(err, fs.ErrPermission) {
			t.Errorf("%v, %v; want the kubelet's, and no permission", got, err)
		}
	})
}

// TestToldBounds: entries are bounded, and an interrupted reading is no success.
func TestToldBounds(t *testing.T) {
	root := t.TempDir()
	var upstream strings.Builder
	for i := range configuredLimit + 1 {
		fmt.Fprintf(&upstream, "server 10.0.%d.%d:6443;\n", i/256, i%256)
	}
	write(t, root, "etc/nginx/nginx.conf", "upstream a {"+upstream.String()+"}")
	got, err := readConfigured(context.Background(), place{root: root}, nil)
	if len(got) != configuredLimit || !errors.As(err, new(partial)) {
		t.Errorf("%d, %v", len(got), err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if got, err := readConfigured(ctx, place{root: root}, nil); len(got) != 0 || err == nil {
		t.Errorf("%d, %v though interrupted", len(got), err)
	}
}

// TestOpenBelow: an absolute link stays below the root, as for the host's programs,
// and a pipe is not waited for.
func TestOpenBelow(t *testing.T) {
	root := t.TempDir()
	write(t, root, "run/systemd/resolve/stub", "nameserver 192.168.10.1\n")
	if err := errors.Join(os.MkdirAll(filepath.Join(root, "etc"), 0o755), os.Symlink("/run/systemd/resolve/stub", filepath.Join(root, "etc/resolv.conf"))); err != nil {
		t.Fatal(err)
	}
	got, err := readConfigured(context.Background(), place{root: root}, nil)
	want := []dataplane.ConfiguredServer{{What: "resolver", Host: "192.168.10.1", IP: netip.MustParseAddr("192.168.10.1"), Port: 53, File: "/etc/resolv.conf", Line: 1}}
	if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Addr{})); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if _, err := readCapped(root, "/etc"); !errors.Is(err, unix.EISDIR) {
		t.Errorf("a folder: %v", err)
	}
}

// TestToldIrregular: what stands where a file belongs and is none is told, is not
// waited for, and costs the others nothing. Folders are passed over: patterns meet
// them.
func TestToldIrregular(t *testing.T) {
	root := t.TempDir()
	write(t, root, "etc/haproxy/haproxy.cfg", "backend a\n  server b 192.168.10.9:6443\n")
	for _, dir := range []string{"etc/kubernetes/manifests/folder", "etc/rancher/k3s"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"etc/kubernetes/kubelet.conf", "etc/kubernetes/manifests/vip.yaml", "etc/resolv.conf", "etc/hosts"} {
		if err := unix.Mkfifo(filepath.Join(root, name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("/dev/zero", filepath.Join(root, "etc/rancher/k3s/config.yaml")); err != nil {
		t.Fatal(err)
	}
	got, err := readConfigured(context.Background(), place{root: root}, nil)
	if len(got) != 1 || got[0].Host != "192.168.10.9" {
		t.Errorf("%v: want haproxy's server", got)
	}
	if err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("%v: want to be told of what is no file", err)
	}
}

func TestParseAddress(t *testing.T) {
	for text, want := range map[string]string{
		"https://10.0.0.1:6443": "10.0.0.1 6443 true",
		"https://api.example":   "api.example 443 true",
		"http://[fd00::1]/":     "fd00::1 80 true",
		"10.0.0.1":              "10.0.0.1 0 true",
		"fd00::1":               "fd00::1 0 true",
		"[fd00::1]":             "fd00::1 0 true",
		"[fd00::1]:6443":        "fd00::1 6443 true",
		"api:6443":              "api 6443 true",
		"unix:///run/kine.sock": " 0 false",
		"https://u:p@h:1":       "h 1 true",
		"https://h:70000":       "error",
		"https://u:p/w@h":       "error",
		"h:port":                "error",
		"":                      "error",
		"a b":                   "error",
		"[fd00::1":              "error",
		"https://":              "error",
		"u:p@h":                 "error",
	} {
		host, port, ok, err := parseAddress(text)
		got := fmt.Sprint(host, " ", port, " ", ok)
		if err != nil {
			got = "error"
		}
		if got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

// FuzzTold gives every reader every text: a host is an address or a name, and no
// error quotes.
func FuzzTold(f *testing.F) {
	for _, text := range toldFiles() {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		readers := []configFile{{"", nil, parseResolvers}}
		for _, s := range append(readers, places()...) {
			mentions, err := s.parse([]byte(text), "x")
			if err != nil && len(err.Error()) > 80 {
				t.Errorf("%s: %v", s.pattern, err)
			}
			for _, m := range mentions {
				_, err := netip.ParseAddr(m.host)
				if err != nil && !isName(m.host) || m.line < 1 || m.what == "" {
					t.Errorf("%s: %+v", s.pattern, m)
				}
			}
		}
		for name, ip := range parseHosts([]byte(text)) {
			if name == "" || !ip.IsValid() || ip.Is4In6() {
				t.Errorf("%q is %v", name, ip)
			}
		}
	})
}
