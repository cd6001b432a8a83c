// SPDX-License-Identifier: Apache-2.0

package command_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"whohas/claimants"
	"whohas/cluster"
	"whohas/dataplane"
	"whohas/diagnose"
	"whohas/explain"
	"whohas/kubeproxy"
	"whohas/repair"
	"whohas/rules"
	"whohas/snapshot"
	"whohas/testkit/scenario"
)

// hostile are names as an attacker would choose them: each would run touch, which
// leaves a file behind, or pass a flag, where a command is made without care.
var hostile = []string{
	"%s; touch PWNED; #", "$(touch PWNED)%s", "`touch PWNED`%s", "%s' ; touch PWNED; '", `%s" ; touch PWNED; "`,
	"--kubeconfig=%s", "-x%s", "%s\ntouch PWNED\n", "%s|touch PWNED", "%s&touch PWNED&", "%s>PWNED", "%s *", "%s\\", "../%s",
}

// devices are names that a kernel accepts for a device and that a shell would obey
// (linux net/core/dev.c dev_valid_name): 15 bytes without blanks, slashes and colons.
var devices = []string{"$(touch<PWNED)", "`id>PWNED`", "';id>PWNED;'", "-n", "|id>PWNED", "&id>PWNED&"}

// TestPasted: every command of every scenario of the rules, with hostile names and
// values in every place, is pasted into a real shell. Nothing but the programs of the
// templates runs, and no program is given a flag that the template does not have.
func TestPasted(t *testing.T) {
	sh := newShell(t)
	paths, err := filepath.Glob("../rules/testdata/*/*.txtar")
	if err != nil || len(paths) < 100 {
		t.Fatalf("%d scenarios: %v", len(paths), err)
	}
	pasted := map[string]bool{} // many scenarios have the same: each once
	var refused int
	for i, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		plain, err := scenario.Parse(path, text)
		if err != nil {
			t.Fatal(err)
		}
		// Each scenario gets some of the names; all of them meet every rule.
		for _, k := range []int{0, i, i + 1} {
			s := plain
			if k > 0 {
				s = harm(t, path, plain, hostile[k%len(hostile)], devices[k%len(devices)])
			}
			for _, line := range commandsOf(s) {
				switch text := line.String(); {
				case text == "":
					refused++
				case !pasted[text]:
					pasted[text] = true
					sh.paste(t, path, text)
				}
			}
		}
	}
	t.Logf("%d commands were run, %d refused", len(pasted), refused)
	if len(pasted) < 300 || refused < 100 {
		t.Errorf("%d commands were run and %d refused: the test looks in the wrong place", len(pasted), refused)
	}
}

// line is what a step has: a command, or the reason why there is none.
type line interface {
	String() string
	Refused() string
}

// commandsOf lists the commands of a scenario's findings, in every mode that it
// speaks of, and of the diagnosis and the repair of its hosts.
func commandsOf(s *scenario.Scenario) []line {
	var out []line
	steps := func(steps []explain.Step) {
		for _, step := range steps {
			if l := step.Line(); !l.IsZero() {
				out = append(out, l)
			}
		}
	}
	for _, mode := range []dataplane.ProxyMode{s.Mode, dataplane.IPVS, dataplane.IPTables, dataplane.NFTables} {
		res := s.CheckAs(s.Snapshot, mode, rules.All())
		for _, f := range slices.Concat(res.Findings, res.Hidden) {
			for _, fix := range f.Chain.Fixes {
				steps(fix.Steps)
			}
		}
		for i := range s.Snapshot.Hosts {
			seen := diagnose.Seen{Host: &s.Snapshot.Hosts[i], Snapshot: s.Snapshot, Facts: cluster.Infer(s.Snapshot, mode, "test"), View: claimants.View(s.Snapshot, s.Reserved...), Result: res}
			d := diagnose.Run(seen)
			p := repair.Make(seen, d)
			steps(slices.Concat(d.Next, p.Claims, p.Hosts, p.After))
		}
	}
	return out
}

// harm gives everything in a scenario that has a name a hostile one, the same for the
// same name, and appends one to each value that is a list in a text.
func harm(t *testing.T, path string, s *scenario.Scenario, pattern, device string) *scenario.Scenario {
	t.Helper()
	names := map[string]string{}
	rename := func(name string) {
		if name != "" && names[name] == "" {
			names[name] = fmt.Sprintf(pattern, name)
		}
	}
	for _, o := range s.Snapshot.Objects {
		rename(o.Ref.Name)
		rename(o.Ref.Namespace)
	}
	for i := range s.Snapshot.Pods {
		rename(s.Snapshot.Pods[i].Ref().Name)
		rename(s.Snapshot.Pods[i].Ref().Namespace)
	}
	for i := range s.Snapshot.Slices {
		rename(s.Snapshot.Slices[i].Ref.Name)
		rename(s.Snapshot.Slices[i].Ref.Namespace)
	}
	// What makes an object known for what it is keeps its name.
	for _, name := range []string{"default", "kubernetes", "kube-system", "kube-public", "kube-proxy", "kubeadm-config", "cluster-info"} {
		delete(names, name)
	}
	harmed := &scenario.Scenario{Name: s.Name, Mode: s.Mode, Complete: s.Complete, Now: s.Now, Reserved: s.Reserved}
	var files bytes.Buffer
	fmt.Fprintf(&files, "-- scenario --\ncomplete: %v\n", s.Complete)
	var hosts []dataplane.Host
	for _, m := range s.Manifests {
		if strings.HasPrefix(m.Name, "hosts/") {
			var h dataplane.Host
			if err := json.Unmarshal([]byte(m.Text), &h); err != nil {
				t.Fatal(err)
			}
			harmHost(&h, names, device)
			hosts = append(hosts, h)
			continue
		}
		fmt.Fprintf(&files, "-- %s --\n%s\n", m.Name, harmYAML(m.Text, names, pattern))
	}
	again, err := scenario.Parse(path, files.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	into := &snapshot.Builder{}
	for i := range hosts {
		into.AddHost(hosts[i])
	}
	harmed.Snapshot = snapshot.Over(again.Snapshot, into.Snapshot())
	return harmed
}

// harmYAML renames the scalars of a stream of documents. What is no YAML stays.
func harmYAML(text string, names map[string]string, pattern string) string {
	var out bytes.Buffer
	in, enc := yaml.NewDecoder(strings.NewReader(text)), yaml.NewEncoder(&out)
	for {
		var doc yaml.Node
		if err := in.Decode(&doc); err != nil {
			break
		}
		harmNode(&doc, names, pattern)
		if err := enc.Encode(&doc); err != nil {
			return text
		}
	}
	if err := enc.Close(); err != nil || out.Len() == 0 {
		return text
	}
	return out.String()
}

func harmNode(n *yaml.Node, names map[string]string, pattern string) {
	for _, c := range n.Content {
		harmNode(c, names, pattern)
	}
	if n.Kind != yaml.ScalarNode {
		return
	}
	if name, ok := names[n.Value]; ok {
		n.Value, n.Style = name, yaml.DoubleQuotedStyle
	}
	if first, _, list := strings.Cut(n.Value, ","); list {
		if _, err := netip.ParseAddr(strings.TrimSpace(first)); err == nil {
			n.Value, n.Style = n.Value+","+fmt.Sprintf(pattern, "x"), yaml.DoubleQuotedStyle
		}
	}
}

// harmHost renames a host, its service device and what else it names.
func harmHost(h *dataplane.Host, names map[string]string, device string) {
	for _, l := range h.Links {
		if !kubeproxy.IsDevice(l.Name) || len(h.Routes) > 0 { // some keep theirs: else nothing is stolen
			names[l.Name] = device[:min(len(device), 14)]
		}
	}
	delete(names, "kube-ipvs0")
	delete(names, "kube-dummy-if")
	delete(names, "lo")
	harmValue(reflect.ValueOf(h).Elem(), names)
}

func harmValue(v reflect.Value, names map[string]string) {
	switch v.Kind() {
	case reflect.String:
		if name, ok := names[v.String()]; ok && v.CanSet() {
			v.SetString(name)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			harmValue(v.Field(i), names)
		}
	case reflect.Slice:
		for i := range v.Len() {
			harmValue(v.Index(i), names)
		}
	}
}

// shell is a folder with stand-ins for the programs that commands may run. There is
// nothing else on its PATH.
type shell struct{ dir, log, sh string }

// programs are those of all templates.
var programs = []string{"kubectl", "ip", "nft", "iptables", "ip6tables", "iptables-save", "ipvsadm", "crictl", "docker", "seq", "sleep", "grep", "sed", "xargs", "sudo"}

// flags are those of all templates.
var flags = []string{"-n", "-6", "-D", "-u", "-p", "-A", "-o", "-t", "-S", "-F", "--", "-r", "-L", "-Ln", "-q", "--name", "--filter", "--type=json", "--subresource=status", "--apply"}

func newShell(t *testing.T) shell {
	t.Helper()
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Fatal(err)
	}
	s := shell{dir: t.TempDir(), sh: sh}
	s.log = filepath.Join(s.dir, "log")
	if err := os.MkdirAll(filepath.Join(s.dir, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range append([]string{"touch", "id"}, programs...) {
		stub := fmt.Sprintf("#!%s\nprintf '%%s\\0' %s \"$@\" >>\"$LOG\"\nprintf '\\1\\0' >>\"$LOG\"\n", sh, name)
		if name == "seq" {
			stub += "echo 1\n"
		}
		if err := os.WriteFile(filepath.Join(s.dir, "bin", name), []byte(stub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// run gives the argument vectors of the programs that a pasted line has run.
func (s shell) run(t *testing.T, line string) [][]string {
	t.Helper()
	work := filepath.Join(s.dir, "work")
	if err := errors.Join(os.RemoveAll(work), os.RemoveAll(s.log), os.Mkdir(work, 0o755)); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(s.sh, "-s")
	cmd.Stdin = strings.NewReader(line + "\n")
	cmd.Dir = work
	cmd.Env = []string{"PATH=" + filepath.Join(s.dir, "bin"), "LOG=" + s.log, "HOME=" + work}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%s: %v: %s", line, err, out)
	}
	if left, err := os.ReadDir(work); err != nil || len(left) > 0 {
		t.Errorf("%s: leaves %v behind (%v)", line, left, err)
	}
	log, err := os.ReadFile(s.log)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	var ran [][]string
	for call := range strings.SplitSeq(string(log), "\x01\x00") {
		if words := strings.Split(strings.TrimSuffix(call, "\x00"), "\x00"); call != "" {
			ran = append(ran, words)
		}
	}
	return ran
}

// paste runs a line and refuses what it should not do.
func (s shell) paste(t *testing.T, from, line string) {
	t.Helper()
	ran := s.run(t, line)
	if len(ran) == 0 {
		t.Errorf("%s: %s: runs nothing", from, line)
	}
	for _, argv := range ran {
		if !slices.Contains(programs, argv[0]) {
			t.Errorf("%s: %s: runs %q", from, line, argv)
		}
		for _, word := range argv[1:] {
			if strings.HasPrefix(word, "-") && !slices.Contains(flags, word) {
				t.Errorf("%s: %s: %s is given %q", from, line, argv[0], word)
			}
		}
	}
}

// TestForgetRules: what iptables prints goes to no shell, and only back to iptables,
// rule by rule, whatever the comments say.
func TestForgetRules(t *testing.T) {
	s := newShell(t)
	rules := `-N KUBE-SERVICES
-A KUBE-SERVICES -d 192.0.2.1/32 -p tcp -m comment --comment "demo/$(touch PWNED):http; touch PWNED" -m tcp --dport 6443 -j KUBE-EXT-A
-A KUBE-SERVICES -d 192.0.2.10/32 -p tcp -m tcp --dport 6443 -j KUBE-EXT-B
-A KUBE-SERVICES -d 192.0.2.1/32 -p tcp -m comment --comment plain -m tcp --dport 80 -j KUBE-EXT-C
`
	if err := os.WriteFile(filepath.Join(s.dir, "rules"), []byte(rules), 0o644); err != nil {
		t.Fatal(err)
	}
	cat, err := exec.LookPath("cat")
	if err != nil {
		t.Fatal(err)
	}
	iptables := fmt.Sprintf("#!%s\nprintf '%%s\\0' iptables \"$@\" >>\"$LOG\"\nprintf '\\1\\0' >>\"$LOG\"\ncase $* in *-S*) %s '%s/rules' ;; esac\n", s.sh, cat, s.dir)
	if err := os.WriteFile(filepath.Join(s.dir, "bin", "iptables"), []byte(iptables), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"grep", "sed", "xargs"} {
		real, err := exec.LookPath(name)
		if err != nil {
			t.Fatal(err)
		}
		stub := filepath.Join(s.dir, "bin", name)
		if err := errors.Join(os.Remove(stub), os.Symlink(real, stub)); err != nil {
			t.Fatal(err)
		}
	}
	steps := explain.ForgetRules(&cluster.Facts{Mode: dataplane.IPTables}, netip.MustParseAddrPort("192.0.2.1:6443"), []string{"cdev02"})
	want := [][]string{
		{"iptables", "-t", "nat", "-S", "KUBE-SERVICES"},
		{"iptables", "-t", "nat", "-D", "KUBE-SERVICES", "-d", "192.0.2.1/32", "-p", "tcp", "-m", "comment", "--comment", "demo/$(touch PWNED):http; touch PWNED", "-m", "tcp", "--dport", "6443", "-j", "KUBE-EXT-A"},
		{"iptables", "-t", "nat", "-D", "KUBE-SERVICES", "-d", "192.0.2.1/32", "-p", "tcp", "-m", "comment", "--comment", "plain", "-m", "tcp", "--dport", "80", "-j", "KUBE-EXT-C"},
	}
	if got := s.run(t, steps[0].Line().String()); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// TestPastedCanFail: a line that was made without care is seen.
func TestPastedCanFail(t *testing.T) {
	s := newShell(t)
	ran := s.run(t, "kubectl -n a; touch x; # delete")
	if len(ran) != 2 || ran[1][0] != "touch" {
		t.Errorf("touch is not seen: %q", ran)
	}
}
