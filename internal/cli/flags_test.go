// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"whohas/dataplane"
	"whohas/snapshot"
	"whohas/source/bundle"
)

// flagCase is a command line without a flag, and what is added with it.
type flagCase struct{ without, with string }

// inputCases are those of every command that reads a cluster's state. CMD stands for
// the command and what it needs beside.
var inputCases = map[string]flagCase{
	"filename":       {"CMD -f node.yaml", "-f svc.yaml"},
	"recursive":      {"CMD -f folder", "-R"},
	"kustomize":      {"CMD -f node.yaml", "-k kustomization"},
	"bundle":         {"CMD -f node.yaml", "--bundle svc.yaml"},
	"live":           {"CMD -f node.yaml", "--live"},
	"complete":       {"CMD -f svc.yaml", "--complete"},
	"proxy-mode":     {"CMD -f svc.yaml", "--proxy-mode ipvs"},
	"timeout":        {"CMD -f node.yaml", "--timeout 0s"},
	"require":        {"CMD -f svc.yaml", "--require nodes"},
	"config":         {"CMD -f svc.yaml", "--config nothing.yaml"},
	"namespace":      {"CMD -f svc.yaml", "-n elsewhere"},
	"all-namespaces": {"CMD -f svc.yaml -n elsewhere", "-A"},
	"memory":         {"CMD -f many.yaml", "--memory 1Mi"},

	"kubeconfig":               {"CMD --live", "--kubeconfig two.conf"},
	"context":                  {"CMD --live", "--context other"},
	"cluster":                  {"CMD --live", "--cluster other"},
	"user":                     {"CMD --live", "--user other"},
	"server":                   {"CMD --live", "--server https://127.0.0.1:1"},
	"tls-server-name":          {"CMD --live", "--tls-server-name wrong.example"},
	"insecure-skip-tls-verify": {"CMD --live --kubeconfig nota.conf", "--insecure-skip-tls-verify"},
	"client-certificate":       {"CMD --live", "--client-certificate nothing.crt"},
	"client-key":               {"CMD --live", "--client-key nothing.key"},
	"certificate-authority":    {"CMD --live", "--certificate-authority nothing.crt"},
	"token":                    {"CMD --live", "--token third"},
	"as":                       {"CMD --live", "--as somebody"},
	"as-uid":                   {"CMD --live --as somebody", "--as-uid 7"},
	"as-group":                 {"CMD --live --as somebody", "--as-group g"},
	"as-user-extra":            {"CMD --live --as somebody", "--as-user-extra a=b"},
	"disable-compression":      {"CMD --live", "--disable-compression"},
	"request-timeout":          {"CMD --live", "--request-timeout x"},
	"proxy-url":                {"CMD --live", "--proxy-url http://127.0.0.1:1"},
}

// ownCases are the flags of one command only, or those that are seen otherwise there.
var ownCases = map[string]map[string]flagCase{
	"whohas":     rootCases(),
	"whohas who": whoCases("whohas who 192.0.2.12"),
	"whohas check": {
		"CMD":             {"whohas check", ""},
		"complete":        {"whohas check -o json -f svc.yaml", "--complete"},
		"namespace":       {"whohas check -f svc.yaml -f node.yaml --proxy-mode ipvs", "-n elsewhere"},
		"base":            {"whohas check -f svc.yaml -f node.yaml --proxy-mode ipvs", "--base svc.yaml --base node.yaml"},
		"output":          {"whohas check -f svc.yaml", "-o json"},
		"fail-on":         {"whohas check -f svc.yaml -f node.yaml --proxy-mode ipvs", "--fail-on never"},
		"no-inline-allow": {"whohas check -f allowed.yaml -f node.yaml --proxy-mode ipvs", "--no-inline-allow"},
		"rule":            {"whohas check -f svc.yaml -f node.yaml --proxy-mode ipvs", "--rule WH201"},
	},
	"whohas snapshot": {
		"CMD":          {"whohas snapshot -o out.snapshot", ""},
		"recursive":    {"whohas snapshot -o out.snapshot -f folder", "-R"},
		"output":       {"whohas snapshot -f svc.yaml", "-o -"},
		"host":         {"whohas snapshot -o out.snapshot -f svc.yaml", "--host"},
		"node":         {"whohas snapshot -o out.snapshot -f svc.yaml", "--node x"},
		"print-script": {"whohas snapshot", "--print-script"},
	},
	"whohas diagnose": stationCases("whohas diagnose"),
	"whohas repair":   stationCases("whohas repair"),
	"whohas shield":   shieldCases(),
	"whohas guard policy": {
		"CMD":             {"whohas guard policy", ""},
		"filename":        {"whohas guard policy -f node.yaml", "-f nothing.yaml"},
		"bundle":          {"whohas guard policy -f node.yaml", "--bundle nothing.yaml"},
		"kustomize":       {"whohas guard policy -f node.yaml", "-k nothing"},
		"namespace":       {"whohas guard policy -f node.yaml -f mode.yaml", "-n kube-system"},
		"recursive":       {"whohas guard policy -f folder --proxy-mode ipvs --form literal", "-R"},
		"proxy-mode":      {"whohas guard policy -f node.yaml", "--proxy-mode ipvs"},
		"require":         {"whohas guard policy -f node.yaml --proxy-mode ipvs", "--require services"},
		"form":            {"whohas guard policy -f node.yaml --proxy-mode ipvs", "--form map-param"},
		"guard-namespace": {"whohas guard policy -f node.yaml --proxy-mode ipvs --form map-param", "--guard-namespace elsewhere"},
		"audit":           {"whohas guard policy -f node.yaml --proxy-mode ipvs", "--audit"},
		"fail-closed":     {"whohas guard policy -f node.yaml --proxy-mode ipvs --form literal", "--fail-closed"},
		"static":          {"whohas guard policy -f node.yaml --proxy-mode ipvs --form literal", "--static"},
	},
}

func rootCases() map[string]flagCase {
	cases := whoCases("whohas 192.0.2.12")
	cases["version"] = flagCase{"whohas 192.0.2.12 -f svc.yaml", "--version"}
	return cases
}

func whoCases(cmd string) map[string]flagCase {
	return map[string]flagCase{
		"CMD":       {cmd, ""},
		"complete":  {cmd + " -o json -f svc.yaml", "--complete"},
		"output":    {cmd + " -f svc.yaml", "-o json"},
		"free":      {cmd + " -f svc.yaml", "--free"},
		"most":      {strings.Replace(cmd, "192.0.2.12", "192.0.2.0/24", 1) + " --free -f svc.yaml", "--most 2"},
		"namespace": {cmd + " -f svc.yaml", "-n elsewhere"},
	}
}

func stationCases(cmd string) map[string]flagCase {
	host := cmd + " --bundle host.snapshot"
	return map[string]flagCase{
		"CMD":          {host, ""},
		"complete":     {host + " -o json -f svc.yaml", "--complete"},
		"bundle":       {cmd + " --no-probe --root nowhere", "--bundle nothing.snapshot"},
		"filename":     {host, "-f nothing.yaml"},
		"kustomize":    {host, "-k nothing"},
		"namespace":    {host + " --owner 192.0.2.50 -f fifty.yaml", "-n x"},
		"live":         {host, "--live"},
		"config":       {host, "--config reserved.yaml"},
		"proxy-mode":   {host + " -o json", "--proxy-mode what"},
		"require":      {host, "--require nodes"},
		"node":         {host, "--node other"},
		"root":         {host, "--root /host"},
		"owner":        {host, "--owner 192.0.2.50"},
		"no-probe":     {cmd + " -o json --root nowhere --timeout 1ms", "--no-probe"},
		"output":       {host, "-o json"},
		"apply":        {host, "--apply"},
		"dry-run":      {host, "--dry-run"},
		"by":           {host, "--by rule"},
		"detach":       {host, "--detach"},
		"limit":        {host, "--limit 1m"},
		"undo":         {host, "--undo nothing.json"},
		"undo-file":    {host, "--undo-file x.json"},
		"print-script": {host + " --owner 192.0.2.50", "--print-script"},
	}
}

func shieldCases() map[string]flagCase {
	cases := stationCases("whohas shield")
	const host = "whohas shield --bundle host.snapshot"
	cases["namespace"] = flagCase{host + " -f resolver.yaml", "-n x"}
	cases["complete"] = flagCase{host + " -f svc.yaml", "--complete"}
	cases["recursive"] = flagCase{host + " --owner 192.0.2.13 -f folder", "-R"}
	cases["kustomize"] = flagCase{host, "-k nothing"}
	for _, does := range []string{"apply", "remove", "status", "watch"} {
		cases[does] = flagCase{host, "--" + does}
	}
	return cases
}

// TestFlags: each flag in a command's help, the hidden ones too, changes what the
// command does, says or asks, in some case. One without a case fails.
func TestFlags(t *testing.T) {
	asked := flagFixtures(t)
	e := &env{}
	eachCommand(e.root(), func(cmd *cobra.Command) {
		path := cmd.CommandPath()
		own := ownCases[path]
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			c, ok := own[f.Name]
			if !ok {
				c, ok = inputCases[f.Name]
			}
			if !ok || c.with == "" && f.Name != "CMD" {
				t.Errorf("%s --%s: no case shows its effect", path, f.Name)
				return
			}
			without := strings.Replace(c.without, "CMD", own["CMD"].without, 1)
			a := outcome(t, asked, without)
			b := outcome(t, asked, without+" "+c.with)
			if a == b {
				t.Errorf("%s and %s are the same:\n%s", without, c.with, a)
			}
			if strings.Contains(b, "unknown flag") {
				t.Errorf("%s %s: %s", without, c.with, b)
			}
		})
	})
}

func eachCommand(cmd *cobra.Command, do func(*cobra.Command)) {
	do(cmd)
	for _, c := range cmd.Commands() {
		eachCommand(c, do)
	}
}

// TestFlagValues: an empty value and a second one of a single flag are errors.
func TestFlagValues(t *testing.T) {
	flagFixtures(t)
	eachCommand((&env{}).root(), func(cmd *cobra.Command) {
		path := strings.Fields(cmd.CommandPath())[1:]
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if !strings.HasPrefix(f.Value.Type(), "string") || strings.Contains(f.Usage, "empty: ") {
				return
			}
			if status, _, stderr := run(t, append(slices.Clone(path), "--"+f.Name, "")...); status != exitFailed || !strings.Contains(stderr, "it is empty") {
				t.Errorf("%s --%s \"\": %d %s", path, f.Name, status, stderr)
			}
			if f.Value.Type() != "string" {
				return
			}
			if status, _, stderr := run(t, append(slices.Clone(path), "--"+f.Name, "a", "--"+f.Name, "b")...); status != exitFailed || !strings.Contains(stderr, "given twice") {
				t.Errorf("%s --%s twice: %d %s", path, f.Name, status, stderr)
			}
		})
	})
}

// TestIneffective: what would be passed over beside other flags is refused, with what
// to do.
func TestIneffective(t *testing.T) {
	flagFixtures(t)
	for _, line := range []string{
		"check -R --bundle svc.yaml", "check --complete", "check -f svc.yaml --context other", "check -f svc.yaml --token x", "who 192.0.2.12 --most 3 -f svc.yaml",
		"snapshot --print-script -o x", "snapshot --print-script --live", "snapshot --host --kubeconfig two.conf -o x", "snapshot --node x -o x -f svc.yaml",
		"repair --limit 5m", "repair --undo-file x", "repair --dry-run", "repair --print-script -o json", "repair --print-script --apply", "repair --undo x --owner 192.0.2.1",
		"repair --undo x --bundle host.snapshot", "repair --by rule", "repair --detach", "repair --apply --detach --by hold", "repair --apply --detach --limit 5m",
		"shield --apply --remove", "shield --watch -o json", "shield --status --watch", "diagnose --bundle host.snapshot --root /host", "diagnose -n x", "--bundle svc.yaml",
	} {
		status, stdout, stderr := run(t, strings.Fields(line)...)
		if status != exitFailed || stdout != "" || !strings.Contains(stderr, "error: --") || !strings.Contains(stderr, "hint: ") {
			t.Errorf("%s: %d %s%s", line, status, stdout, stderr)
		}
	}
	for _, line := range []string{"check more", "snapshot more -o x", "diagnose more", "repair more", "shield more", "version more", "rules a b", "guard policy more", "guard more"} {
		if status, _, stderr := run(t, strings.Fields(line)...); status != exitFailed || stderr == "" {
			t.Errorf("%s: %d %s", line, status, stderr)
		}
	}
}

// asks are the requests that a cluster got.
type asks struct {
	mu   sync.Mutex
	list []string
}

// outcome is all that can be seen of a run.
func outcome(t *testing.T, a *asks, line string) string {
	t.Helper()
	a.mu.Lock()
	a.list = nil
	a.mu.Unlock()
	args := strings.Fields(line)[1:]
	status, stdout, stderr := run(t, args...)
	written := ""
	if file, err := os.ReadFile("out.snapshot"); err == nil {
		written = fmt.Sprintf("%x", file)
	}
	_ = os.Remove("out.snapshot")
	a.mu.Lock()
	defer a.mu.Unlock()
	slices.Sort(a.list)
	return fmt.Sprintf("%d\n%s%s%s%s", status, stdout, stderr, written, strings.Join(slices.Compact(a.list), "\n"))
}

// many are as many Services of one form.
func many(form string, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, form+"---\n", fmt.Sprint(i))
	}
	return b.String()
}

// flagFixtures goes to a folder with files, and a cluster that KUBECONFIG names.
func flagFixtures(t *testing.T) *asks {
	t.Helper()
	t.Chdir(t.TempDir())
	t.Setenv("HOME", ".")
	t.Setenv("KUBECONFIG", "one.conf")
	t.Setenv("SOURCE_DATE_EPOCH", "1")
	a := &asks{}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.mu.Lock()
		defer a.mu.Unlock()
		var who bytes.Buffer
		_ = r.Header.WriteSubset(&who, map[string]bool{"User-Agent": true, "Accept": true})
		a.list = append(a.list, r.URL.Path+" "+who.String())
		http.NotFound(w, r)
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	ca := filepath.Join(t.TempDir(), "ca.crt")
	writeFile(t, ca, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})))
	conf := func(current, ca string) string {
		return fmt.Sprintf(`{apiVersion: v1, kind: Config, current-context: %s, contexts: [{name: one, context: {cluster: one, user: one}}, {name: other, context: {cluster: one, user: other}}],
clusters: [{name: one, cluster: {server: "%s"%s}}, {name: other, cluster: {server: "%s/other"%s}}], users: [{name: one, user: {token: first}}, {name: other, user: {token: second}}]}`,
			current, server.URL, ca, server.URL, ca)
	}
	svc := "apiVersion: v1\nkind: Service\nmetadata: {name: a%s}\nspec: {externalIPs: [192.0.2.12], ports: [{port: 80}]}\n"
	for file, text := range map[string]string{
		"one.conf": conf("one", ", certificate-authority: "+ca), "two.conf": conf("other", ", certificate-authority: "+ca), "nota.conf": conf("one", ""),
		"svc.yaml": fmt.Sprintf(svc, ""), "folder/deeper/svc.yaml": fmt.Sprintf(svc, ""), "folder/node.yaml": flagNode, "node.yaml": flagNode,
		"allowed.yaml":                     fmt.Sprintf(svc, ", annotations: {whohas.io/allow: \"WH101 reason=x\"}"),
		"kustomization/kustomization.yaml": "resources: [svc.yaml]\n", "kustomization/svc.yaml": fmt.Sprintf(svc, ""),
		"fifty.yaml":              strings.Replace(fmt.Sprintf(svc, ""), "192.0.2.12", "192.0.2.50", 1),
		"folder/deeper/node.yaml": strings.NewReplacer("m-2", "m-3", "2.12", "2.13").Replace(flagNode),
		"mode.yaml":               "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: kube-proxy}\ndata: {config.conf: 'mode: ipvs'}\n",
		"many.yaml":               many(svc, 3000),
		"resolver.yaml":           strings.Replace(fmt.Sprintf(svc, ""), "192.0.2.12", "192.0.2.53", 1),
		"reserved.yaml":           "reserved: [{range: 192.0.2.50, for: gateway}]\n",
	} {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		writeFile(t, file, text)
	}
	var into snapshot.Builder
	into.AddHost(dataplane.Host{Name: "m-2", Configured: []dataplane.ConfiguredServer{{What: "resolver", Host: "192.0.2.53", IP: netip.MustParseAddr("192.0.2.53"), Port: 53, File: "/etc/resolv.conf", Line: 1}}, Links: []dataplane.Link{{Name: "kube-ipvs0"}, {Name: "eth0"}}, Addresses: []dataplane.Address{
		{Link: "kube-ipvs0", Prefix: netip.MustParsePrefix("192.0.2.50/32"), Scope: "global"}, {Link: "eth0", Prefix: netip.MustParsePrefix("192.0.2.12/24"), Scope: "global"},
	}})
	var file bytes.Buffer
	if err := bundle.Write(&file, into.Snapshot(), "test"); err != nil {
		t.Fatal(err)
	}
	writeFile(t, "host.snapshot", file.String())
	return a
}

const flagNode = "apiVersion: v1\nkind: Node\nmetadata: {name: m-2, labels: {node-role.kubernetes.io/control-plane: ''}}\nstatus: {addresses: [{type: InternalIP, address: 192.0.2.12}]}\n"
