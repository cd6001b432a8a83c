// SPDX-License-Identifier: Apache-2.0

package capture_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"whohas/dataplane"
	"whohas/snapshot"
	"whohas/source/capture"
	"whohas/source/host"
)

func kubeconfig(server string) string {
	return "apiVersion: v1\nkind: Config\nclusters:\n- name: kubernetes\n  cluster:\n    certificate-authority-data: SECRET\n    tls-server-name: SECRET\n    # server: https://10.9.9.9\n    server: " + server +
		"\nusers:\n- name: me\n  user:\n    token: SECRET\n    client-key-data: SECRET\n"
}

// stationFiles have the forms of the files that source/host reads.
func stationFiles() map[string]string {
	return map[string]string{
		"etc/hosts":                                 "127.0.0.1 localhost SECRET\n192.168.10.20 api.example API # SECRET\n192.168.10.21 api.example\n192.168.10.12 etcd2\n",
		"etc/kubernetes/kubelet.conf":               kubeconfig("https://api.example:6443"),
		"etc/kubernetes/admin.conf":                 kubeconfig("\"https://me:SECRET@[fd00::1]\""),
		"etc/kubernetes/scheduler.conf":             kubeconfig("https://other.example:6443/path"),
		"etc/kubernetes/ssl/kubecfg-kube-node.yaml": kubeconfig("'https://127.0.0.1:6443'"),
		"var/lib/kubelet/pods/0a1b/volumes/kubernetes.io~configmap/kube-proxy/kubeconfig.conf": kubeconfig("https://192.168.10.114:6443"),
		"var/snap/microk8s/current/credentials/proxy.config":                                   kubeconfig("https://127.0.0.1:16443"),
		"var/snap/microk8s/current/args/kube-apiserver":                                        "--etcd-servers=\"unix:///var/snap/microk8s/kine.sock:12379\"\n--advertise-address=10.5.0.1\n--token-auth-file=SECRET\n",
		"var/snap/microk8s/current/args/kubelet":                                               "--kubeconfig=${SNAP_DATA}/credentials/kubelet.config\n--server-tls-bootstrap=SECRET\n",
		"var/snap/microk8s/current/args/apiserver-proxy-config":                                `{"listen": "127.0.0.1:16443", "endpoints": ["10.5.0.1:16443", "10.5.0.2:16443"]}`,
		"var/snap/microk8s/current/args/traefik/provider.yaml":                                 "tcp:\n  services:\n    kube-apiserver:\n      loadBalancer:\n        servers:\n        - address: 10.5.0.3:16443\n",
		"etc/nginx/nginx.conf":                                                                 "error_log stderr notice;\nstream {\n  upstream kube_apiserver {\n    least_conn;\n    server 192.168.10.11:6443; # one\n    server [fd00::11]:7443 max_fails=1;\n    server 192.168.10.12:6443 backup;\n  }\n  server {\n    listen 127.0.0.1:6443;\n    proxy_pass kube_apiserver;\n  }\n  upstream web {\n    server 10.0.0.9:80;\n  }\n}\n",
		"etc/haproxy/haproxy.cfg":                                                              "global\n  stats socket SECRET\nfrontend a\n  bind 127.0.0.1:6443\n  server not 10.9.9.9:6443\nbackend kube_api_backend\nmode tcp\n  server cp1 192.168.10.11:7443 check\n  server cp2 fd00::12:6443 check\nbackend web\n  server w 10.0.0.9:80\n",
		"etc/rancher/k3s/config.yaml":                                                          "token: SECRET\nserver: https://192.168.10.30:6443\n",
		"etc/systemd/system/k3s-agent.service.env":                                             "K3S_TOKEN='SECRET'\nK3S_URL='https://192.168.10.31:6443'\n",
		"var/lib/rancher/k3s/agent/etc/k3s-agent-load-balancer.json":                           "{\n  \"ServerURL\": \"https://192.168.10.31:6443\",\n  \"ServerAddresses\": [\n    \"192.168.10.32:6443\"\n  ]\n}",
		"var/lib/rancher/k3s/agent/etc/k3s-etcd-server-load-balancer.json":                     `{"ServerAddresses": ["192.168.10.32:2379"]}`,
		"etc/kubernetes/manifests/kube-apiserver.yaml":                                         "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - command:\n    - kube-apiserver\n    - --advertise-address=192.168.10.11\n    - --etcd-servers=https://127.0.0.1:2379,https://etcd2:2379\n    - --service-account-key-file=SECRET\n    - --bind-address=$(X)\n    image: x\n    name: kube-apiserver\n",
		"etc/kubernetes/manifests/etcd.yaml":                                                   "spec:\n  containers:\n  - name: etcd\n    command:\n    - etcd\n    - --initial-cluster=a=https://192.168.10.11:2380,b=https://192.168.10.12:2380\n    - --initial-cluster-state=new\n    - --listen-client-urls=https://127.0.0.1:2379\n",
		"etc/kubernetes/manifests/kube-vip.yaml":                                               "spec:\n  containers:\n  - name: kube-vip\n    args: [manager]\n    env:\n    - name: port\n      value: \"6443\"\n    - name: address\n      value: 192.168.10.20\n    - name: bgp_peerpass\n      value: SECRET\n    - name: cp_enable\n      value: \"true\"\n",
		"etc/kubernetes/manifests/.hidden.yaml":                                                "\tno YAML",
		"etc/kubernetes/manifests/web.yaml":                                                    "spec:\n  containers:\n  - name: web\n    command:\n    - web\n    - --server=https://10.9.9.9\n",
		"etc/chrony/chrony.conf":                                                               "# server 10.9.9.9\nkeyfile /etc/chrony/SECRET\nserver 192.168.10.41 iburst key 7\npool pool.example minpoll 4\npeer fd00::41\nserverless 10.9.9.9\n  server ntp1\n",
		"etc/chrony/sources.d/site.sources":                                                    "server 192.168.10.42\n",
		"etc/ntp.conf":                                                                         "driftfile x\nserver 127.127.1.0\nserver -4 192.168.10.43 prefer\nserver -4\n",
		"etc/systemd/timesyncd.conf.d/a.conf":                                                  "[Time]\nNTP=192.168.10.44 fd00::44 time.example\nFallbackNTP=10.9.9.9\nNTP=\n",
		"run/systemd/resolve/stub-resolv.conf":                                                 "# nameserver 10.9.9.9\nsearch SECRET\nnameserver 127.0.0.53\nnameserver nonsense\n",
		"run/systemd/resolve/resolv.conf":                                                      "nameserver 192.168.10.1\nnameserver fd00::53\nnameserver 192.168.10.2\nnameserver 192.168.10.3\n",
	}
}

// fixture is a root folder with those files, at a path that leaves room for a
// socket's (unix(7)).
func fixture(t testing.TB) string {
	t.Helper()
	root, err := os.MkdirTemp("", "r o't")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(root) })
	for name, text := range stationFiles() {
		write(t, filepath.Join(root, name), text)
	}
	if err := os.Symlink("/run/systemd/resolve/stub-resolv.conf", filepath.Join(root, "etc/resolv.conf")); err != nil {
		t.Fatal(err)
	}
	return root
}

func write(t testing.TB, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// scripted captures below a root, with the tools of one folder, or all.
func scripted(t testing.TB, root, tools string) (string, dataplane.Host, map[string]snapshot.Coverage) {
	t.Helper()
	script := capture.Script()
	if tools != "" {
		script = strings.Replace(script, "PATH=$PATH:/usr/sbin:/sbin:/usr/local/sbin", "PATH=$TOOLS", 1)
	}
	cmd := exec.Command("sh", "-c", script, "capture.sh", root)
	cmd.Env = append(os.Environ(), "TOOLS="+tools)
	var said strings.Builder
	cmd.Stderr = &said
	text, err := cmd.Output()
	if err != nil || said.Len() > 0 {
		t.Errorf("%v: %s", err, said.String())
	}
	hosts, lines, err := capture.Parse("x.txt", text)
	if err != nil || len(hosts) != 1 {
		t.Errorf("%v: %d hosts\n%s", err, len(hosts), text)
		return string(text), dataplane.Host{}, nil
	}
	coverage := map[string]snapshot.Coverage{}
	for _, c := range lines {
		coverage[c.Source[strings.LastIndexByte(c.Source, ' ')+1:]] = c
	}
	return string(text), hosts[0], coverage
}

// afterwards is the part of a capture that is about what runs on the host.
func afterwards(text string) string {
	_, text, _ = strings.Cut(text, "### whohas: run agents")
	text, _, _ = strings.Cut(text, "### whohas: run counters")
	return text
}

// TestScriptStation: what the script captures of a host's files, sessions and
// counters is what source/host reads of them, and no secret is in it.
func TestScriptStation(t *testing.T) {
	need(t, "sh", "birdcl")
	root := fixture(t)
	speaker(t, filepath.Join(root, "run/calico/bird.ctl"), bird16)
	speaker(t, filepath.Join(root, "run/bird.ctl"), bird2)
	inside(t, func() {
		want := read(host.Options{Userspace: true, Root: root, Skip: []string{host.Sandboxes, host.LogMatches}})
		text, got, coverage := scripted(t, root, "")
		settled(want.Counters, got.Counters)
		same(t, "told", want.Configured, got.Configured)
		same(t, "sessions", want.Sessions, got.Sessions)
		same(t, "counters", want.Counters, got.Counters)
		if len(got.Configured) < 30 || len(got.Sessions) != 5 || len(got.Counters) == 0 {
			t.Errorf("%d servers, %d sessions, %d counters", len(got.Configured), len(got.Sessions), len(got.Counters))
		}
		for _, section := range []string{capture.Agents, capture.Configured, capture.Sessions, capture.Counters} {
			if c := coverage[section]; !c.Complete || c.Status != snapshot.StatusRead {
				t.Errorf("%s: %+v", section, c)
			}
		}
		if strings.Contains(text, "SECRET") {
			t.Error("a secret was captured")
		}
		if t.Failed() {
			t.Logf("%s", afterwards(text))
		}
	})
}

// TestScriptMasks: what stands where an address should is not shown, and said to be
// missing.
func TestScriptMasks(t *testing.T) {
	need(t, "sh")
	for name, text := range map[string]string{
		"etc/kubernetes/admin.conf":                kubeconfig("https://me:SE/CRET@h"),
		"etc/kubernetes/kubelet.conf":              "clusters: [{cluster: {server: 'https://10.0.0.1', token: SECRET}}]\n",
		"etc/systemd/system/k3s-agent.service.env": "K3S_URL=K10SECRET::server:SECRET\n",
		"etc/kubernetes/manifests/etcd.yaml":       "spec: {containers: [{name: etcd, command: [etcd, --initial-cluster, 'a=https://SECRET@x']}]}\n",
		"etc/nginx/nginx.conf":                     "stream { upstream a { server SECRET:6443; } }\n",
	} {
		root := t.TempDir()
		write(t, filepath.Join(root, name), text)
		inside(t, func() {
			text, got, coverage := scripted(t, root, "")
			if c := coverage[capture.Configured]; c.Complete || c.Status != snapshot.StatusPartial || !strings.Contains(c.Detail, "1 line not understood") || !slices.Contains(got.Unread, capture.Configured) {
				t.Errorf("%s: %+v\n%s", name, c, afterwards(text))
			}
			if strings.Contains(text, "SECRET") || strings.Contains(text, "CRET@") {
				t.Errorf("%s: a secret was captured:\n%s", name, afterwards(text))
			}
		})
	}
}

// TestScriptAgents: the script finds the processes that source/host finds, and what
// they answer, by whatever tool is there.
func TestScriptAgents(t *testing.T) {
	need(t, "sh", "ip")
	dir, root := t.TempDir(), t.TempDir()
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(sh)
	if err != nil {
		t.Fatal(err)
	}
	names := []string{"kubelet", "kube-proxy", "kube-controller-manager", "calico-node", "nginx"}
	for _, name := range names {
		if err := os.WriteFile(filepath.Join(dir, name), program, 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(root, "own", name), kubeconfig("https://192.168.10.114:6443"))
	}
	idle(t, dir, "nginx elsewhere") // in another network namespace
	inside(t, func() {
		do(t, "ip link set lo up")
		for _, line := range []string{"kubelet --kubeconfig=/own/kubelet --token SECRET", "kube-proxy --kubeconfig /own/kube-proxy", "kube-controller-manager -kubeconfig=/own/kube-controller-manager",
			"calico-node -felix", "calico-node -confd"} {
			idle(t, dir, line)
		}
		answer(t, "127.0.0.1:10248", map[string]string{"/healthz": "ok"})
		answer(t, "127.0.0.1:10256", map[string]string{"/healthz": `{"lastUpdated": "2026-11-22 20:00:00.5 +0000 UTC m=+1.2","currentTime": "x"}`})
		answer(t, "127.0.0.1:10249", map[string]string{"/proxyMode": "ipvs\n", "/metrics": ""})
		want := read(host.Options{Userspace: true, Root: root, Skip: []string{host.Sandboxes, host.LogMatches}})
		if len(want.Agents) != 4 || want.Agents[2].Health["proxyMode"] != "ipvs" || len(want.Configured) != 3 {
			t.Errorf("%+v %+v", want.Agents, want.Configured)
		}
		for tool, without := range map[string][]string{"curl": nil, "wget": {"curl"}, "none": {"curl", "wget"}} {
			text, got, coverage := scripted(t, root, hiding(t, without...))
			same(t, tool, want.Configured, got.Configured)
			for i := range got.Agents {
				got.Agents[i].Age = 0
			}
			expected := slices.Clone(want.Agents)
			for i := range expected {
				expected[i].Age, expected[i].Flags = 0, nil
				if tool == "none" {
					expected[i].Health = nil
				}
			}
			same(t, tool, expected, got.Agents)
			if c := coverage[capture.Agents]; !c.Complete || strings.Contains(text, dir) || strings.Contains(text, "SECRET") {
				t.Errorf("%s: %+v", tool, c)
			}
			if t.Failed() {
				t.Logf("%s", afterwards(text))
				return
			}
		}
	})
}

// idle starts a program in the thread's namespace. A shell that waits for its input
// is as good as any.
func idle(t testing.TB, dir, line string) {
	t.Helper()
	words := strings.Fields(line)
	cmd := exec.Command(filepath.Join(dir, words[0]), append([]string{"-c", "read x"}, words...)...)
	in, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Error(err)
		return
	}
	t.Cleanup(func() { in.Close(); _ = cmd.Wait() }) // which fails to read
}

// hiding is a folder with links to the tools of the script but some.
func hiding(t testing.TB, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"sh", "uname", "head", "cat", "grep", "id", "sed", "ls", "tr", "timeout", "true", "curl", "wget"} {
		if path, err := exec.LookPath(name); err == nil && !slices.Contains(names, name) {
			if err := os.Symlink(path, filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	return dir
}

// answer serves HTTP in the thread's namespace.
func answer(t testing.TB, address string, pages map[string]string) {
	t.Helper()
	l, err := net.Listen("tcp4", address)
	if err != nil {
		t.Error(err)
		return
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, ok := pages[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		_, _ = io.WriteString(w, text)
	})}
	go func() { _ = s.Serve(l) }() // until it is closed
	t.Cleanup(func() { s.Close() })
}

// The answers of two BIRDs, made up in the forms of their releases' sources.
const (
	bird16 = `0001 BIRD v0.3.3+birdv1.6.8 ready.
2002-name     proto    table    state  since       info
1002-static1  Static   master   up     21:08:10    
1006-  Preference:     200
 
1002-Mesh_192_168_10_114 BGP      master   start  21:08:12    Active        Socket: Connection refused
1006-  Description:    Connection to BGP peer
   Preference:     100
   BGP state:          Active
     Neighbor address: 192.168.10.114
     Last error:       Socket: Connection refused
 
1002-Mesh_192_168_10_116 BGP      master   up     21:08:20    Established   
1006-  Description:    Connection to BGP peer
   BGP state:          Established
     Neighbor address: 192.168.10.116
     Neighbor ID:      192.168.10.116
 
0000 
`
	bird2 = `0001 BIRD 2.15.1 ready.
2002-Name       Proto      Table      State  Since         Info
1002-device1    Device     ---        up     2026-11-22 21:08:10  
1006-
1002-n2         BGP        ---        start  2026-11-22 21:08:10  Connect       
1006-  BGP state:          Connect
     Neighbor address: fe80::2%w0 onlink
   Channel ipv4
     State:          DOWN
 
1002-n1         BGP        ---        down   2026-11-22 21:08:10  
1006-  Message:        Shutdown
   BGP state:          Down
     Neighbor range:   10.0.0.0/8
 
1002-n3         BGP        ---        up     2026-11-22 21:08:10  Established   
1006-  BGP state:          Established
     Neighbor address: ::ffff:192.168.10.116
     Last error:       Received: Hold timer expired
   Channel ipv4
     BGP Next hop:   192.168.10.115
 
0000 
`
)

// speaker answers on a socket as BIRD does.
func speaker(t testing.TB, file, reply string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				greeting, rest, _ := strings.Cut(reply, "\n")
				fmt.Fprintln(conn, greeting)
				lines := bufio.NewReader(conn)
				for {
					question, err := lines.ReadString('\n')
					switch {
					case err != nil:
						return
					case question == "show protocols all\n":
						_, _ = io.WriteString(conn, rest)
					default:
						_, _ = io.WriteString(conn, "9001 syntax error\n")
					}
				}
			}()
		}
	}()
}
