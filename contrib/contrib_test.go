// SPDX-License-Identifier: Apache-2.0

// Package contrib holds the doors to other programs: GitHub's action, k9s, HolmesGPT,
// pre-commit. Its tests run each as that program would, with names that want to be more.
package contrib

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"
	"sigs.k8s.io/yaml"

	"whohas/internal/cli"
)

// TestMain lets the test binary be whohas, and kubectl as far as it runs that as a plugin.
func TestMain(m *testing.M) {
	run := func() { os.Exit(cli.Main(os.Args, os.Stdin, os.Stdout, os.Stderr)) }
	testscript.Main(m, map[string]func(){"kubectl-whohas": run, "whohas": run, "kubectl": kubectl, "words": words})
}

func kubectl() {
	if len(os.Args) < 2 || os.Args[1] != "whohas" {
		os.Exit(99)
	}
	path, err := exec.LookPath("kubectl-whohas")
	if err != nil {
		os.Exit(98)
	}
	os.Exit(cli.Main(append([]string{path}, os.Args[2:]...), os.Stdin, os.Stdout, os.Stderr))
}

// words prints its arguments, as JSON.
func words() { _ = json.NewEncoder(os.Stdout).Encode(os.Args[1:]) }

const incident = "../examples/incident"

// hostile wants to be read as code by a shell, as a flag, as Markdown.
const hostile = `-x'";$(touch hacked)` + "`touch hacked`" + `</pre><b>`

type outcome struct {
	status  int
	stdout  string
	summary string
	output  string
}

// action runs the action's script with the environment that action.yml gives it.
func action(t *testing.T, program string, inputs ...string) outcome {
	t.Helper()
	dir := t.TempDir()
	script, err := filepath.Abs("action/run.sh")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), script)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "WHOHAS_PROGRAM="+program, "GITHUB_STEP_SUMMARY="+filepath.Join(dir, "summary"), "GITHUB_OUTPUT="+filepath.Join(dir, "output"))
	cmd.Env = append(cmd.Env, inputs...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "hacked")); err == nil {
		t.Error("an input was run")
	}
	read := func(name string) string {
		b, _ := os.ReadFile(filepath.Join(dir, name)) // none is empty
		return string(b)
	}
	t.Logf("stderr: %s", &errs)
	return outcome{cmd.ProcessState.ExitCode(), out.String(), read("summary"), read("output")}
}

func TestAction(t *testing.T) {
	files, err := filepath.Abs(incident)
	if err != nil {
		t.Fatal(err)
	}
	got := action(t, "kubectl-whohas", "WHOHAS_FILES="+files, "WHOHAS_SARIF=a b.sarif")
	if got.status != 1 || got.output != "status=1\nsarif=a b.sarif\n" {
		t.Errorf("status %d, output %q", got.status, got.output)
	}
	if !strings.Contains(got.stdout, "::error file=") {
		t.Errorf("no annotation:\n%s", got.stdout)
	}
	if !strings.HasPrefix(got.summary, "<pre>\nCRITICAL ") || !strings.HasSuffix(got.summary, "</pre>\n") {
		t.Errorf("summary:\n%s", got.summary)
	}
	if got := action(t, "kubectl-whohas", "WHOHAS_FILES="+files, "WHOHAS_FAIL_ON=never"); got.status != 0 {
		t.Errorf("fail-on never: status %d", got.status)
	}
	base := "WHOHAS_BASE=" + filepath.Join(files, "nodes.yaml") + "\n" + filepath.Join(files, "cluster.yaml")
	if got := action(t, "kubectl-whohas", "WHOHAS_FILES="+filepath.Join(files, "tomcat.yaml"), base, "WHOHAS_REQUIRE=nodes,proxy-mode"); got.status != 1 {
		t.Errorf("with a base: status %d", got.status)
	}
	if got := action(t, "kubectl-whohas", "WHOHAS_FILES=nothing.yaml"); got.status != 2 || !strings.Contains(got.output, "status=2") {
		t.Errorf("a file that is not there: %+v", got)
	}
	if got := action(t, "kubectl-whohas", "WHOHAS_SARIF=x\nstatus=0"); got.status != 2 || got.output != "" {
		t.Errorf("an output of several lines: %+v", got)
	}
}

// TestActionWords: each input is a word of the command, whatever is in it.
func TestActionWords(t *testing.T) {
	got := action(t, "words", "WHOHAS_FILES="+hostile+"\nb c\n", "WHOHAS_BASE="+hostile, "WHOHAS_CONFIG="+hostile, "WHOHAS_FAIL_ON="+hostile, "WHOHAS_REQUIRE="+hostile, "WHOHAS_SARIF="+hostile, "WHOHAS_INLINE_ALLOW=true")
	var args []string
	if err := json.Unmarshal([]byte(got.stdout), &args); err != nil {
		t.Fatalf("%v: %s", err, got.stdout)
	}
	if last := len(args) - 1; last > 0 && strings.HasPrefix(args[last], "text=") {
		args = args[:last]
	}
	want := []string{"check", "-R", "--fail-on", hostile, "--config", hostile, "--require", hostile, "-f", hostile, "-f", "b c", "--base", hostile, "-o", "github", "-o", "sarif=" + hostile, "-o"}
	if diff := cmp.Diff(want, args); diff != "" {
		t.Error(diff)
	}
}

// TestActionSummary: what is checked cannot leave the summary's <pre>.
func TestActionSummary(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"a.yaml": `{apiVersion: v1, kind: Service, metadata: {name: "</pre><img src=x>"}, spec: {externalIPs: [192.0.2.1], ports: [{port: 80}]}}`,
		"b.yaml": `{apiVersion: v1, kind: Service, metadata: {name: "&lt;b"}, spec: {externalIPs: [192.0.2.1], ports: [{port: 80}]}}`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got := action(t, "kubectl-whohas", "WHOHAS_FILES="+dir)
	inside := strings.TrimSuffix(strings.TrimPrefix(got.summary, "<pre>\n"), "</pre>\n")
	if strings.ContainsAny(inside, "<>") || !strings.Contains(inside, "&lt;/pre&gt;") {
		t.Errorf("summary:\n%s", got.summary)
	}
}

// TestActionFile: action.yml gives the script each input by a variable that it reads, and
// nothing of an input stands in the script's text.
func TestActionFile(t *testing.T) {
	var file struct {
		Inputs map[string]struct{ Default string }
		Runs   struct {
			Steps []struct {
				Run string
				Env map[string]string
			}
		}
	}
	read(t, "../action.yml", &file)
	script, err := os.ReadFile("action/run.sh")
	if err != nil {
		t.Fatal(err)
	}
	given := map[string]bool{}
	for _, s := range file.Runs.Steps {
		if strings.Contains(s.Run, "${{") {
			t.Errorf("an expression in a script: %s", s.Run)
		}
		for name, value := range s.Env {
			given[strings.TrimSuffix(strings.TrimPrefix(value, "${{ inputs."), " }}")] = true
			if !bytes.Contains(script, []byte(name)) {
				t.Errorf("%s is not read", name)
			}
		}
	}
	for name := range file.Inputs {
		if !given[name] {
			t.Errorf("input %s is given to nobody", name)
		}
	}
}

func read(t *testing.T, path string, into any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.UnmarshalStrict(text, into, yaml.DisallowUnknownFields); err != nil && path != "../action.yml" {
		t.Fatalf("%s: %v", path, err)
	} else if err != nil {
		if err := yaml.Unmarshal(text, into); err != nil {
			t.Fatal(err)
		}
	}
}

// TestWorkflows: actionlint finds nothing in the workflows that docs/ci.md shows, nor in the
// way that they use action.yml.
func TestWorkflows(t *testing.T) {
	text, err := os.ReadFile("../docs/ci.md")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	workflows := filepath.Join(dir, ".github", "workflows")
	for _, d := range []string{workflows, filepath.Join(dir, ".git")} { // what actionlint takes for a project
		if err := os.MkdirAll(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	action, err := os.ReadFile("../action.yml")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "action.yml"), action, 0o600); err != nil {
		t.Fatal(err)
	}
	n, uses := 0, 0
	for _, block := range regexp.MustCompile("(?s)```yaml\n(name: .*?)```").FindAllSubmatch(text, -1) {
		workflow := regexp.MustCompile(`uses: whohas/whohas@\S+`).ReplaceAllFunc(block[1], func([]byte) []byte { uses++; return []byte("uses: ./") })
		n++
		if err := os.WriteFile(filepath.Join(workflows, fmt.Sprintf("%d.yaml", n)), workflow, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if n < 2 || uses == 0 {
		t.Fatalf("%d workflows, which use the action %d times", n, uses)
	}
	build, err := exec.CommandContext(t.Context(), "../tools/build", "actionlint").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, build)
	}
	path, err := exec.CommandContext(t.Context(), "../tools/build", "--path", "actionlint").Output()
	if err != nil {
		t.Fatal(err)
	}
	lint := exec.CommandContext(t.Context(), strings.TrimSpace(string(path)), "-shellcheck=", "-pyflakes=", "-no-color")
	lint.Dir = dir
	if out, err := lint.CombinedOutput(); err != nil {
		t.Errorf("%v:\n%s", err, out)
	}
}

// k9sVariable is what k9s takes for one of its own (derailed/k9s internal/view/env.go envRX).
var k9sVariable = regexp.MustCompile(`\$(!?[\w|\d|\-|]+)`)

// TestK9s runs the plugins as k9s does.
func TestK9s(t *testing.T) {
	var file struct {
		Plugins map[string]struct {
			ShortCut, Description, Command string
			Scopes, Args                   []string
		}
	}
	read(t, "k9s/plugins.yaml", &file)
	for name, p := range file.Plugins {
		t.Run(name, func(t *testing.T) {
			values := map[string]string{"NAME": "x$(touch hacked)'\"", "NAMESPACE": "n;touch hacked", "CONTEXT": "a b`touch hacked`"}
			args := slices.Clone(p.Args)
			for i := range args {
				args[i] = k9sVariable.ReplaceAllStringFunc(args[i], func(v string) string {
					value, ok := values[v[1:]]
					if !ok {
						t.Errorf("k9s does not know %s", v)
					}
					return value
				})
			}
			args[1] = strings.Replace(args[1], "kubectl whohas", "words", 1)
			args[1] = strings.Replace(args[1], "| less -R", "", 1)
			cmd := exec.CommandContext(t.Context(), p.Command, args...)
			cmd.Dir = t.TempDir()
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			var got []string
			if err := json.Unmarshal(out, &got); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			if !slices.Contains(got, "--context="+values["CONTEXT"]) || len(got) != len(p.Args)-3 {
				t.Errorf("words %q", got)
			}
			if _, err := os.Stat(filepath.Join(cmd.Dir, "hacked")); err == nil {
				t.Error("a name was run")
			}
		})
	}
	out, err := exec.CommandContext(t.Context(), "sh", "-c", `kubectl whohas "$@" 2>&1 | cat`, "whohas", "who", "svc/tomcat", "--namespace=demo", "-f", incident).Output()
	if err != nil || !bytes.HasPrefix(out, []byte("Service demo/tomcat claims 192.168.10.114\n")) {
		t.Errorf("%v: %s", err, out)
	}
}

// TestHolmesGPT runs the tools as HolmesGPT does: each parameter as one quoted word
// (robusta-dev/holmesgpt holmes/core/tools.py sanitize, YAMLTool).
func TestHolmesGPT(t *testing.T) {
	var file struct {
		Toolsets map[string]struct {
			Description     string              `json:"description"`
			DocsURL         string              `json:"docs_url"`
			LLMInstructions string              `json:"llm_instructions"`
			Tags            []string            `json:"tags"`
			Prerequisites   []map[string]string `json:"prerequisites"`
			Tools           []struct {
				Name, Description, Command string
			} `json:"tools"`
		} `json:"toolsets"`
	}
	read(t, "holmesgpt/toolset.yaml", &file)
	run := func(command string) (string, error) {
		cmd := exec.CommandContext(t.Context(), "sh", "-c", command)
		cmd.Dir = t.TempDir()
		out, err := cmd.CombinedOutput()
		if _, gone := os.Stat(filepath.Join(cmd.Dir, "hacked")); gone == nil {
			t.Errorf("%s: a parameter was run", command)
		}
		return string(out), err
	}
	files, err := filepath.Abs(incident)
	if err != nil {
		t.Fatal(err)
	}
	for name, set := range file.Toolsets {
		for _, p := range set.Prerequisites {
			if out, err := run(p["command"]); err != nil {
				t.Errorf("%s: %v: %s", name, err, out)
			}
		}
		parameter := regexp.MustCompile(`\{\{ \w+ \}\}`)
		for _, tool := range set.Tools {
			fill := func(value string) string {
				return parameter.ReplaceAllLiteralString(tool.Command, "'"+strings.ReplaceAll(value, "'", `'"'"'`)+"'")
			}
			if out, err := run(strings.Replace(fill(hostile), "kubectl whohas", "words", 1)); err != nil || parameter.MatchString(tool.Command) && !strings.Contains(out, `"--","-x`) {
				t.Errorf("%s: %v: %s", tool.Name, err, out)
			}
			value := map[string]string{"whohas_who": "demo/tomcat", "whohas_rule": "wh101"}[tool.Name]
			command := strings.Replace(fill(value), " -o json", fmt.Sprintf(" -f %s -o json", files), 1)
			if out, err := run(command); err != nil || !strings.Contains(out, "WH101") {
				t.Errorf("%s: %v: %.300s", command, err, out)
			}
		}
	}
}

// TestPreCommitFile: the hooks are commands that the program knows.
func TestPreCommitFile(t *testing.T) {
	var hooks []struct {
		ID, Name, Description, Entry, Language string
		Args, Types                            []string
		PassFilenames                          *bool `json:"pass_filenames"`
		RequireSerial                          bool  `json:"require_serial"`
	}
	read(t, "../.pre-commit-hooks.yaml", &hooks)
	for _, h := range hooks {
		words := append(strings.Fields(h.Entry), h.Args...)
		cmd := exec.CommandContext(t.Context(), words[0], words[1:]...)
		cmd.Dir = incident
		out, _ := cmd.Output()
		if cmd.ProcessState.ExitCode() != 1 || !bytes.HasPrefix(out, []byte("CRITICAL ")) {
			t.Errorf("%s: %v\n%s", h.ID, cmd.ProcessState, out)
		}
	}
}

// TestPreCommit: the real pre-commit installs the hook from this repository's last commit,
// and a commit with the incident in it fails. It compiles the whole program in a place of
// pre-commit's own: tools/nightly doors.
func TestPreCommit(t *testing.T) {
	if os.Getenv("WHOHAS_DOORS") == "" {
		t.Skip("SKIPPED: takes minutes: tools/nightly doors")
	}
	path, err := exec.LookPath("pre-commit")
	if err != nil {
		t.Skip("SKIPPED: pre-commit is not there (Debian has it in a package of that name)")
	}
	top, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	say := func(name string, args ...string) (string, error) {
		cmd := exec.CommandContext(t.Context(), name, args...)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "PRE_COMMIT_HOME="+filepath.Join(t.TempDir(), "home"))
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	rev, err := say("git", "-C", top, "rev-parse", "HEAD")
	if err != nil {
		t.Fatal(rev, err)
	}
	if err := os.CopyFS(filepath.Join(dir, "manifests"), os.DirFS(incident)); err != nil {
		t.Fatal(err)
	}
	config := fmt.Sprintf("repos:\n- repo: %q\n  rev: %s\n  hooks: [{id: whohas}]\n", top, strings.TrimSpace(rev))
	if err := os.WriteFile(filepath.Join(dir, ".pre-commit-config.yaml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"init", "-q"}, {"add", "-A"}} {
		if out, err := say("git", args...); err != nil {
			t.Fatal(out, err)
		}
	}
	out, err := say(path, "run", "--all-files")
	if err == nil || !strings.Contains(out, "- exit code: 1") || !strings.Contains(out, "CRITICAL  192.168.10.114 belongs to node cdev01") {
		t.Errorf("%v\n%s", err, out)
	}
}
