// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// TestMain lets the test binary be whohas when it is called by that name.
func TestMain(m *testing.M) {
	run := func() { os.Exit(Main(os.Args, os.Stdin, os.Stdout, os.Stderr)) }
	testscript.Main(m, map[string]func(){"whohas": run, "kubectl-whohas": run})
}

const root = "../.."

// TestScript runs the command line as a user does. Each script has the incident
// in its directory, servers with kubeconfigs (servers_test.go), and beside the
// usual commands those of scriptCommands. Folder recorded holds what the lab saw of
// the incident.
func TestScript(t *testing.T) {
	if testing.Short() {
		t.Skip("runs hundreds of commands")
	}
	kubeconfigs, urls := startServers(t)
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		Cmds:                scriptCommands,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			for name, url := range urls {
				e.Setenv(strings.ToUpper(name), url)
			}
			for name, text := range kubeconfigs {
				if err := os.WriteFile(filepath.Join(e.WorkDir, name+".kubeconfig"), []byte(text), 0o600); err != nil {
					return err
				}
			}
			if err := os.CopyFS(filepath.Join(e.WorkDir, "recorded"), os.DirFS(filepath.Join(root, "lab", "recorded", "incident-1.36"))); err != nil {
				return err
			}
			return os.CopyFS(filepath.Join(e.WorkDir, "incident"), os.DirFS(filepath.Join(root, "examples", "incident")))
		},
	})
}

// scriptCommands are what scripts can say beside testscript's own words.
//
//	exits [-within=TIME] STATUS PROGRAM [ARG...]   runs it, and wants just that exit status
//	[!] jsonpath FILE PATH [VALUE]                 what stands at findings[0].rule or at coverage[source=a.yaml][0].status,
//	                                               or how many: findings.#
//	jsonsame FILE1 FILE2 PATH...                   the same stands there in both
//	schema FILE                                    a report keeps to docs/report.schema.json
//	mkfifo FILE
//	head BYTES FILE NEW                            the first bytes of a file (0.5: half of it)
//	flip FILE NEW                                  a file with one bit in its middle turned
//	gunzip FILE NEW
//	regzip FILE OLD-REGEXP NEW-TEXT NEW            a gzip file with its text changed
//	repeat N FILE NEW                              a file many times over
var scriptCommands = map[string]func(*testscript.TestScript, bool, []string){
	"exits":    cmdExits,
	"jsonpath": cmdJSONPath,
	"jsonsame": cmdJSONSame,
	"schema":   cmdSchema,
	"mkfifo":   cmdMkfifo,
	"head": func(ts *testscript.TestScript, neg bool, args []string) {
		usage(ts, neg || len(args) != 3, "head BYTES FILE NEW")
		data := ts.ReadFile(args[1])
		n, err := strconv.ParseFloat(args[0], 64)
		ts.Check(err)
		if n < 1 {
			n *= float64(len(data))
		}
		put(ts, args[2], []byte(data[:int(n)]))
	},
	"flip": func(ts *testscript.TestScript, neg bool, args []string) {
		usage(ts, neg || len(args) != 2, "flip FILE NEW")
		data := []byte(ts.ReadFile(args[0]))
		data[len(data)/2] ^= 0x10
		put(ts, args[1], data)
	},
	"gunzip": func(ts *testscript.TestScript, neg bool, args []string) {
		usage(ts, neg || len(args) != 2, "gunzip FILE NEW")
		put(ts, args[1], unzip(ts, args[0]))
	},
	"regzip": func(ts *testscript.TestScript, neg bool, args []string) {
		usage(ts, neg || len(args) != 4, "regzip FILE OLD-REGEXP NEW-TEXT NEW")
		old, text := regexp.MustCompile(args[1]), unzip(ts, args[0])
		if !old.Match(text) {
			ts.Fatalf("no match for %q in %s", args[1], text)
		}
		var out bytes.Buffer
		zip := gzip.NewWriter(&out)
		_, err := zip.Write(old.ReplaceAll(text, []byte(args[2])))
		ts.Check(errors.Join(err, zip.Close()))
		put(ts, args[3], out.Bytes())
	},
	"repeat": func(ts *testscript.TestScript, neg bool, args []string) {
		usage(ts, neg || len(args) != 3, "repeat N FILE NEW")
		n, err := strconv.Atoi(args[0])
		ts.Check(err)
		put(ts, args[2], []byte(strings.Repeat(ts.ReadFile(args[1]), n)))
	},
}

func usage(ts *testscript.TestScript, wrong bool, text string) {
	if wrong {
		ts.Fatalf("usage: %s", text)
	}
}

func put(ts *testscript.TestScript, name string, data []byte) {
	ts.Check(os.WriteFile(ts.MkAbs(name), data, 0o600))
}

func unzip(ts *testscript.TestScript, name string) []byte {
	zip, err := gzip.NewReader(strings.NewReader(ts.ReadFile(name)))
	ts.Check(err)
	text, err := io.ReadAll(zip)
	ts.Check(err)
	return text
}

// cmdExits is exec for an exact exit status; ! and plain exec tell 0 from the
// rest only.
func cmdExits(ts *testscript.TestScript, neg bool, args []string) {
	limit := time.Duration(0)
	if len(args) > 0 && strings.HasPrefix(args[0], "-within=") {
		d, err := time.ParseDuration(args[0][len("-within="):])
		ts.Check(err)
		limit, args = d, args[1:]
	}
	usage(ts, neg || len(args) < 2, "exits [-within=TIME] STATUS PROGRAM [ARG...]")
	begun := time.Now()
	err := ts.Exec(args[1], args[2:]...)
	took := time.Since(begun)
	var exit *exec.ExitError
	switch {
	case err == nil && args[0] != "0":
		ts.Fatalf("exit status 0, want %s", args[0])
	case err != nil && !errors.As(err, &exit):
		ts.Fatalf("%v", err)
	case err != nil && strconv.Itoa(exit.ExitCode()) != args[0]:
		ts.Fatalf("exit status %d, want %s", exit.ExitCode(), args[0])
	case limit > 0 && took > limit:
		ts.Fatalf("took %v, want at most %v", took, limit)
	}
}

func cmdJSONPath(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, len(args) < 2 || len(args) > 3, "[!] jsonpath FILE PATH [VALUE]")
	got, ok := jsonAt(ts, args[0], args[1])
	switch {
	case len(args) == 2 && ok == neg:
		ts.Fatalf("%s: there: %v (%s)", args[1], ok, got)
	case len(args) == 3 && !ok:
		ts.Fatalf("%s: not there", args[1])
	case len(args) == 3 && (got == args[2]) == neg:
		ts.Fatalf("%s is %s", args[1], got)
	}
}

func cmdJSONSame(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg || len(args) < 3, "jsonsame FILE1 FILE2 PATH...")
	for _, path := range args[2:] {
		a, inA := jsonAt(ts, args[0], path)
		b, inB := jsonAt(ts, args[1], path)
		if !inA || !inB || a != b {
			ts.Fatalf("%s differs:\n%s\n%s", path, a, b)
		}
	}
}

// jsonAt gives what stands at a path: a text without its quotes, anything else
// as compact JSON with sorted keys.
func jsonAt(ts *testscript.TestScript, file, path string) (text string, ok bool) {
	dec := json.NewDecoder(strings.NewReader(ts.ReadFile(file)))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		ts.Fatalf("%s: %v", file, err)
	}
	if err := dec.Decode(new(any)); !errors.Is(err, io.EOF) {
		ts.Fatalf("%s: more than one JSON value", file)
	}
	for _, step := range regexp.MustCompile(`\[([^\]]*)\]|([^.\[\]]+)`).FindAllStringSubmatch(path, -1) {
		if v, ok = below(v, step[1]+step[2]); !ok {
			return "", false
		}
	}
	if s, is := v.(string); is {
		return s, true
	}
	compact, err := json.Marshal(v)
	ts.Check(err)
	return string(compact), true
}

func below(v any, step string) (any, bool) {
	switch v := v.(type) {
	case map[string]any:
		child, ok := v[step]
		return child, ok
	case []any:
		if step == "#" {
			return json.Number(strconv.Itoa(len(v))), true
		}
		if i, err := strconv.Atoi(step); err == nil && i < len(v) {
			return v[i], true
		}
		if key, value, ok := strings.Cut(step, "="); ok { // those with a field like that
			with := []any{}
			for _, item := range v {
				if m, ok := item.(map[string]any); ok && fmt.Sprint(m[key]) == value {
					with = append(with, item)
				}
			}
			return with, true
		}
	}
	return nil, false
}

func cmdSchema(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg || len(args) != 1, "schema FILE")
	schema, err := jsonschema.NewCompiler().Compile(filepath.Join(root, "docs", "report.schema.json"))
	ts.Check(err)
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(ts.ReadFile(args[0])))
	ts.Check(err)
	if err := schema.Validate(v); err != nil {
		ts.Fatalf("%s: %v", args[0], err)
	}
}
