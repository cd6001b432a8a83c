// SPDX-License-Identifier: Apache-2.0

package lab_test

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"whohas/lab"
)

// TestScenarios: every scenario on file parses, and says what it shows.
func TestScenarios(t *testing.T) {
	fsys := os.DirFS("scenarios")
	files, err := fs.Glob(fsys, "*.txtar")
	if err != nil || len(files) < 25 {
		t.Fatalf("found %d scenarios: %v", len(files), err)
	}
	titles := map[string]string{}
	for _, file := range files {
		s, err := lab.Read(fsys, file)
		if err != nil {
			t.Error(err)
			continue
		}
		if other, twice := titles[s.Title]; twice {
			t.Errorf("%s has the title of %s", file, other)
		}
		titles[s.Title] = file
		if !strings.HasSuffix(s.Title, ".") {
			t.Errorf("%s: the title is no sentence: %q", file, s.Title)
		}
	}
}

// TestTopologies: no shared topology is left over.
func TestTopologies(t *testing.T) {
	fsys := os.DirFS("scenarios")
	files, err := fs.Glob(fsys, "*.topology")
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	scenarios, err := fs.Glob(fsys, "*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range scenarios {
		data, err := fs.ReadFile(fsys, s)
		if err != nil {
			t.Fatal(err)
		}
		text.Write(data)
	}
	for _, f := range files {
		if name := strings.TrimSuffix(f, ".topology"); !strings.Contains(text.String(), "\ntopology: "+name+"\n") {
			t.Errorf("no scenario uses %s", f)
		}
	}
}

// frame is a scenario that parses; the tests change one line of it.
const frame = `# A title.
report: k8s#1
backends: uml
limit: 1m

-- topology --
segment lan 192.168.10.0/24
host a lan 192.168.10.1 gateway 192.168.10.9 pods 10.244.1.0/24
host b lan 192.168.10.2 gateway 192.168.10.9
pod p on a 10.244.1.7
set a net.ipv4.ip_forward=1

-- cluster --
control-plane a
nodes a b
kube-proxy 1.36 ipvs
bird
vip 192.168.10.5
monitor grace=20s

-- objects.yaml --
kind: Service

-- all.matrix --
     a  b
a    ok ok
b    ok ok

-- steps --
phase one
listen p 8080
apply objects.yaml
matrix ping a b = all.matrix
a ping 192.168.10.2 from=192.168.10.1 = answered by b
wait 5s cluster node a = Ready | Unknown
a$ ip  addr
b! false
begin job a sleep 5
end job
patch Service demo/x {"spec": {"a":  1}}
start a kube-proxy
record one
sleep 1s
`

func read(text string) (*lab.Scenario, error) {
	return lab.Read(fstest.MapFS{"d/x.txtar": {Data: []byte(text)}, "d/ok.topology": {Data: []byte(`segment lan 10.0.0.0/8
host c lan 10.0.0.1
`)}, "d/bad.topology": {Data: []byte("segment lan 10.0.0.0/8\n\nhost c wan 10.0.0.1\n")}}, "d/x.txtar")
}

func TestRead(t *testing.T) {
	s, err := read(frame)
	if err != nil {
		t.Fatal(err)
	}
	var steps []string
	for _, step := range s.Steps {
		steps = append(steps, step.String())
	}
	_, text, _ := strings.Cut(frame, "-- steps --\n")
	want := strings.Split(strings.TrimSpace(strings.Replace(text, " = answered by b", "", 1)), "\n")
	if diff := cmp.Diff(want, steps); diff != "" {
		t.Errorf("steps are written otherwise than they were read (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"Ready", "Unknown"}, s.Steps[5].Query.Want); diff != "" {
		t.Error(diff)
	}
	if first, last := s.Steps[0].Line, s.Steps[len(s.Steps)-1].Line; first != 30 || last != 43 {
		t.Errorf("steps are said to stand in lines %d to %d, want 30 to 43", first, last)
	}
}

// TestErrors: a message names the file, the line, and what is wanted.
func TestErrors(t *testing.T) {
	for _, c := range []struct{ old, new, want string }{
		{"# A title.", "", "d/x.txtar:1: the header says nothing: begin with a comment"},
		{"limit: 1m", "limit: 1", "d/x.txtar:4: limit: 1: no time, such as 30s"},
		{"limit: 1m", "limit: 0s", "d/x.txtar:4: limit: 0s: no time, such as 30s"},
		{"limit: 1m", "limit 1m", "d/x.txtar:4: want a comment or KEY: VALUE"},
		{"limit: 1m", "budget: 1m", "d/x.txtar:4: budget: want report, backends, limit or topology"},
		{"limit: 1m", "topology: none", "d/x.txtar:4: topology none: "},
		{"limit: 1m", "topology: bad", "d/bad.topology:3: wan 10.0.0.1: no segment wan: name it before its hosts"},
		{"limit: 1m", "topology: ok", "d/x.txtar:7: a topology in the header and one here: want one of them"},
		{"backends: uml", "backends: qemu", `d/x.txtar:3: back end "qemu": want uml or netns`},
		{"backends: uml", "backends:", "d/x.txtar:3: backends: want uml, netns, or both"},
		{"backends: uml", "backends: uml uml", "d/x.txtar:3: backends: want uml, netns, or both"},
		{"backends: uml", "backends: netns", "d/x.txtar:14: this needs IPVS or ipip, which back end netns may lack: want backends: uml"},
		{"report: k8s#1", "report: k8s 1", "d/x.txtar:2: report k8s 1: want PROJECT#NUMBER, or a name"},

		{"segment lan 192.168.10.0/24", "lan 192.168.10.0/24", "d/x.txtar:7: lan: want segment, host, pod or set"},
		{"segment lan 192.168.10.0/24", "segment lan", "d/x.txtar:7: 1 words: want segment NAME PREFIX"},
		{"segment lan 192.168.10.0/24", "segment lan 192.168.10.1", "d/x.txtar:7: segment lan: 192.168.10.1: no IPv4 prefix, such as 10.0.0.0/24: want segment NAME PREFIX"},
		{"segment lan 192.168.10.0/24", "segment lan fd00::/64", "d/x.txtar:7: segment lan: fd00::/64: no IPv4 prefix"},
		{"segment lan 192.168.10.0/24", "segment gateway 192.168.10.0/24", "d/x.txtar:7: segment gateway: the name is taken"},
		{"host b lan 192.168.10.2 gateway 192.168.10.9", "host b lan", "d/x.txtar:9: 2 words: want host NAME (SEGMENT ADDRESS"},
		{"host b lan 192.168.10.2", "host b lan 192.168.10.300", "d/x.txtar:9: lan 192.168.10.300: no IPv4 address"},
		{"host b lan 192.168.10.2", "host b also 192.168.10.3/32", "d/x.txtar:9: also 192.168.10.3/32: also comes behind a card"},
		{"host b lan", "host a lan", "d/x.txtar:9: a: the name is taken: want host"},
		{"host b lan", "host wait lan", "d/x.txtar:9: wait: the name is taken"},
		{"host b lan", "host cluster lan", "d/x.txtar:9: cluster: the name is taken"},
		{"host b lan", "host B lan", "d/x.txtar:9: B: no name of a-z, 0-9 and -"},
		{"host b lan", "host abcdefghijkl lan", "d/x.txtar:9: abcdefghijkl: a name of more than 11 bytes"},
		{"pod p on a 10.244.1.7", "pod p at a 10.244.1.7", "d/x.txtar:10: 4 words: want pod NAME on HOST ADDRESS"},
		{"pod p on a 10.244.1.7", "pod p on b 10.244.1.7", "d/x.txtar:10: host b has no range of Pods"},
		{"pod p on a 10.244.1.7", "pod p on a 10.244.2.7", "d/x.txtar:10: 10.244.2.7 is not in the Pod range of a, 10.244.1.0/24"},
		{"pod p on a", "pod b on a", "d/x.txtar:10: b: the name is taken"},
		{"set a net", "set c net", "d/x.txtar:11: no host or pod c: name it before"},
		{"ip_forward=1", "ip_forward", "d/x.txtar:11: net.ipv4.ip_forward: no NAME=VALUE: want set [HOST] NAME=VALUE"},

		{"control-plane a", "control-plane", "d/x.txtar:14: too few words: want control-plane HOST"},
		{"control-plane a", "control-plane a b", "d/x.txtar:14: too many words: want control-plane HOST"},
		{"control-plane a", "control-plane c", "d/x.txtar:14: no host c"},
		{"control-plane a", "# none", "d/x.txtar:14: no control-plane: want control-plane HOST"},
		{"control-plane a", "master a", "d/x.txtar:14: master: want bird, control-plane, guard, kube-proxy, local-proxy, monitor, nodes, server, vip"},
		{"nodes a b", "nodes a a", "d/x.txtar:15: a node stands twice: want nodes HOST..."},
		{"192.168.10.2 gateway 192.168.10.9", "192.168.10.2", "d/x.txtar:14: host b has no gateway"},
		{"host b lan 192.168.10.2 ", "host b lan - ", "d/x.txtar:14: host b has no address"},
		{"kube-proxy 1.36 ipvs", "kube-proxy 1.35 ipvs", "d/x.txtar:16: kube-proxy 1.35: the lab builds 1.25 and 1.36: want kube-proxy VERSION MODE"},
		{"kube-proxy 1.36 ipvs", "kube-proxy 1.36 ebpf", "d/x.txtar:16: ebpf: no mode of kube-proxy"},
		{"kube-proxy 1.36 ipvs", "kube-proxy 1.36 nftables", "d/x.txtar:14: User Mode Linux has no nftables: want backends: netns"},
		{"kube-proxy 1.36 ipvs", "kube-proxy 1.36 ipvs strictARP", "d/x.txtar:16: strictARP: strconv.ParseBool"},
		{"kube-proxy 1.36 ipvs", "kube-proxy 1.36 ipvs arp=on", "d/x.txtar:16: arp=on: not a setting of this line"},
		{"bird", "bird hold=-1s", "d/x.txtar:17: hold=-1s: no time, such as 30s: want bird [hold=TIME]"},
		{"bird", "server a 10.0.0.1", "d/x.txtar:17: no address and port: want server HOST ADDRESS:PORT"},
		{"bird", "local-proxy 0 10.0.0.1:6443", "d/x.txtar:17: 0: no port: want local-proxy PORT ADDRESS:PORT..."},
		{"vip 192.168.10.5", "vip x", "d/x.txtar:18: no IPv4 address: the lab has no IPv6: want vip ADDRESS"},

		{"-- objects.yaml --", "-- other.yaml --", "d/x.txtar:32: apply: no section objects.yaml"},
		{"apply objects.yaml", "sleep 1s", "d/x.txtar:22: section objects.yaml: no step names it"},
		{"-- all.matrix --", "-- objects.yaml --", "section objects.yaml: stands twice"},
		{"-- all.matrix --", "-- --", "d/x.txtar:24: a section without a name: want -- NAME --"},
		{"b    ok ok", "c    ok ok", "d/x.txtar:25: want a column and a row for each of a, b"},
		{"b    ok ok", "b    ok", "d/x.txtar:27: b: 1 cells, want 2"},

		{"phase one", "phase", "d/x.txtar:30: too few words: want phase NAME"},
		{"phase one", "phase one two", "d/x.txtar:30: too many words: want phase NAME"},
		{"phase one", "phase ../one", "d/x.txtar:30: ../one: no name of a-z, 0-9, dot, - and _: want phase NAME"},
		{"phase one", "check a", "d/x.txtar:30: a: no such question"},
		{"phase one", "dance", "d/x.txtar:30: want HOST QUESTION... = WANT, HOST$ COMMAND, or a verb: apply, begin,"},
		{"phase one", "run a ls", "d/x.txtar:30: a: no such question; want one of address, arping,"},
		{"listen p 8080", "listen p 70000", "d/x.txtar:31: 70000: no port: want listen HOST PORT"},
		{"listen p 8080", "listen q 8080", "d/x.txtar:31: no host or pod q"},
		{"matrix ping a b = all.matrix", "matrix ping a b", "d/x.txtar:33: want matrix ping HOST... = SECTION"},
		{"matrix ping a b", "matrix ping a c", "d/x.txtar:33: no host or pod c"},
		{"a ping 192.168.10.2 from=192.168.10.1", "a ping 192.168.10.2 from 192.168.10.1", "d/x.txtar:34: want HOST ping ADDRESS [from=ADDRESS]"},
		{"a ping 192.168.10.2 from=192.168.10.1", "a ping b", "d/x.txtar:34: b: no IPv4 address: the lab has no IPv6: want HOST ping ADDRESS"},
		{"a ping 192.168.10.2 from=192.168.10.1", "a tcp 192.168.10.2", "d/x.txtar:34: 192.168.10.2: no address and port: want HOST tcp ADDRESS:PORT"},
		{"a ping 192.168.10.2 from=192.168.10.1", "a node a", "d/x.txtar:34: want cluster node NODE"},
		{"= answered by b", "= answered by b |", "d/x.txtar:34: nothing stands behind = or |"},
		{"wait 5s cluster", "wait soon cluster", "d/x.txtar:35: soon: no time, such as 30s: want wait TIME QUERY = WANT"},
		{" = Ready | Unknown", "", "d/x.txtar:35: wait for what: want wait TIME QUERY = WANT"},
		{"cluster node a", "cluster node c", "d/x.txtar:35: no node c: want one of a, b"},
		{"a$ ip  addr", "a$", "d/x.txtar:36: want HOST$ COMMAND, or HOST! COMMAND"},
		{"a$ ip  addr", "$ ip addr", "d/x.txtar:36: want HOST$ COMMAND, or HOST! COMMAND"},
		{"a$ ip  addr", "cluster$ ip addr", "d/x.txtar:36: no host or pod cluster"},
		{"begin job a sleep 5", "begin job a", "d/x.txtar:38: too few words: want begin NAME HOST COMMAND"},
		{"end job", "end work", "d/x.txtar:39: end work: nothing began as that"},
		{"end job", "begin job a sleep 6", "d/x.txtar:39: begin job: it runs already"},
		{`{"spec": {"a":  1}}`, `{"spec"`, `d/x.txtar:40: {"spec": no JSON: want patch KIND NAMESPACE/NAME JSON`},
		{"start a kube-proxy", "start a apiserver", "d/x.txtar:41: apiserver: no component: one of etcd, kube-apiserver,"},
		{"start a kube-proxy", "start p kube-proxy", "d/x.txtar:41: start p: a pod runs no components: want a host"},
		{"start a kube-proxy", "record one", "d/x.txtar:42: record one: stands twice"},
	} {
		t.Run(strings.ReplaceAll(c.new, "/", "_"), func(t *testing.T) {
			if !strings.Contains(frame, c.old) {
				t.Fatalf("the frame has no %q", c.old)
			}
			_, err := read(strings.Replace(frame, c.old, c.new, 1))
			if err == nil {
				t.Fatalf("it parsed; want %s", c.want)
			}
			var input *lab.InputError
			if !errors.As(err, &input) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
}

// TestNeedsCluster: what speaks of a cluster needs one.
func TestNeedsCluster(t *testing.T) {
	kernel, _, _ := strings.Cut(frame, "-- cluster --")
	for _, line := range []string{"apply objects.yaml", "wait 5s cluster node a = Ready", "restart a bird", "a bgp 192.168.10.2", "delete Service demo/x"} {
		_, err := read(kernel + "-- objects.yaml --\n-- steps --\n" + line + "\n")
		if err == nil || !strings.Contains(err.Error(), "d/x.txtar:15: ") || !strings.Contains(err.Error(), "this scenario has no cluster: want a section cluster") {
			t.Errorf("%s: %v", line, err)
		}
	}
}

func TestReadAll(t *testing.T) {
	all, err := lab.ReadAll(fstest.MapFS{"b.txtar": {Data: []byte(frame)}, "a.txtar": {Data: []byte(frame)}, "x.topology": {}})
	if err != nil || len(all) != 2 || all[0].Name != "a" || all[1].Name != "b" {
		t.Errorf("got %v, %v; want a and b", all, err)
	}
	if _, err := lab.ReadAll(fstest.MapFS{"b.txtar": {}}); err == nil {
		t.Error("an empty scenario was read")
	}
}

// FuzzRead: whatever a file holds, the parser says what is wrong with it and
// where, or gives steps that can be written and read again.
func FuzzRead(f *testing.F) {
	fsys := os.DirFS("scenarios")
	files, err := fs.Glob(fsys, "*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	shared := fstest.MapFS{}
	topologies, err := fs.Glob(fsys, "*.topology")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range append(slices.Clone(files), topologies...) {
		data, err := fs.ReadFile(fsys, file)
		if err != nil {
			f.Fatal(err)
		}
		if path.Ext(file) == ".txtar" {
			f.Add(data)
		} else {
			shared[file] = &fstest.MapFile{Data: data}
		}
	}
	f.Add([]byte(frame))
	f.Fuzz(func(t *testing.T, data []byte) {
		files := maps.Clone(shared)
		files["x.txtar"] = &fstest.MapFile{Data: data}
		s, err := lab.Read(files, "x.txtar")
		if err != nil {
			var input *lab.InputError
			if !errors.As(err, &input) || input.Line < 1 || input.File == "" || input.Text == "" {
				t.Fatalf("an error without file, line and text: %v", err)
			}
			return
		}
		for _, step := range s.Steps {
			if text := step.String(); text == "" || strings.Contains(text, "\n") {
				t.Errorf("line %d is written as %q", step.Line, text)
			}
		}
	})
}
