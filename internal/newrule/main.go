// SPDX-License-Identifier: Apache-2.0

// Command newrule begins a rule: its file, a scenario in which it fires and one
// in which it stays quiet. What it writes compiles, and the tests refuse it until
// it is filled in.
//
//	go run ./internal/newrule WH209 node-port-clash
package main

import (
	"bytes"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"go/format"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"text/template"

	"whohas/rule"
	"whohas/rules"
)

func main() {
	root := flag.String("root", ".", "the repository")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: go run ./internal/newrule [-root DIR] ID NAME     (WH209 node-port-clash)")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() != 2 {
		flag.Usage()
		os.Exit(2)
	}
	if err := begin(os.Stdout, *root, flag.Arg(0), flag.Arg(1)); err != nil {
		fmt.Fprintln(os.Stderr, "newrule: error:", err)
		os.Exit(1)
	}
}

// begin writes the files of a new rule and says what to do next. It writes all of
// them or, where something is wrong with the ID or the name, none.
func begin(out io.Writer, root, id, name string) error {
	if err := wellFormed(id, name); err != nil {
		return err
	}
	if err := unused(root, id, name); err != nil {
		return err
	}
	r := newRule{ID: id, Name: name, Var: variable(name)}
	files, err := r.files()
	if err != nil {
		return err
	}
	for _, f := range files {
		path := filepath.Join(root, filepath.FromSlash(f.path))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, f.text, 0o644); err != nil {
			return err
		}
		fmt.Fprintln(out, "wrote", f.path)
	}
	_, err = fmt.Fprintf(out, next, files[0].path, "rules/testdata/"+id, id)
	return err
}

const next = `
next:
  1. %[1]s: fill in each TODO. Severity is the worst that it can be.
  2. %[2]s: give both scenarios their manifests and what must be found. One more for
     each severity, for each near miss that you can think of, and for its own fix:
     an edit that it advises is applied and must silence it.
  3. go test ./rules -run '/%[3]s'
  4. go run ./internal/ruledoc
`

var (
	idForm   = regexp.MustCompile(`^WH[1-9][0-9]{2}$`)
	nameForm = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)+$`)
)

func wellFormed(id, name string) error {
	if !idForm.MatchString(id) {
		return fmt.Errorf("id %q: want WH and three digits, the first of them the family: WH209", id)
	}
	if !nameForm.MatchString(name) {
		return fmt.Errorf("name %q: want lower-case words with hyphens: node-port-clash", name)
	}
	return nil
}

// unused refuses what the rules of this program or the files below root have.
func unused(root, id, name string) error {
	for _, r := range rules.All() {
		if r.ID == id || r.Name == name {
			return taken(r, id)
		}
	}
	lower := strings.ToLower(id)
	dir := filepath.Join(root, "rules")
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := strings.TrimSuffix(d.Name(), ".go")
		switch {
		case d.IsDir() && d.Name() == id, base == lower, strings.HasPrefix(base, lower+"_"):
			return fmt.Errorf("id %s is taken: %s", id, path)
		case strings.HasSuffix(base, "_"+strings.ReplaceAll(name, "-", "_")) && strings.HasPrefix(base, "wh") && strings.HasSuffix(path, ".go"):
			return fmt.Errorf("name %s is taken: %s", name, path)
		}
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("no folder %s: is -root the repository?", dir)
	}
	return err
}

func taken(r *rule.Rule, id string) error {
	if r.ID == id {
		return fmt.Errorf("id %s is taken by %s; ids are for ever", id, r.Name)
	}
	return fmt.Errorf("name %s is taken by %s", r.Name, r.ID)
}

// shout are the words that Go writes in capitals.
var shout = []string{"api", "arp", "bgp", "cidr", "cni", "dns", "ip", "ips", "ipvs", "lb", "nat", "tcp", "udp", "vip"}

// variable is the rule's name in Go: lb-ip-is-node is LBIPIsNode.
func variable(name string) string {
	var b strings.Builder
	for word := range strings.SplitSeq(name, "-") {
		switch {
		case word == "ips":
			b.WriteString("IPs")
		case slices.Contains(shout, word):
			b.WriteString(strings.ToUpper(word))
		default:
			b.WriteString(strings.ToUpper(word[:1]) + word[1:])
		}
	}
	return b.String()
}

type newRule struct{ ID, Name, Var string }

type file struct {
	path string
	text []byte
}

//go:embed rule.go.tmpl
var ruleTemplate string

//go:embed fires.txtar.tmpl
var firesTemplate string

//go:embed quiet.txtar.tmpl
var quietTemplate string

func (r newRule) files() ([]file, error) {
	var files []file
	for _, f := range []struct{ path, text string }{
		{"rules/" + strings.ToLower(r.ID) + "_" + strings.ReplaceAll(r.Name, "-", "_") + ".go", ruleTemplate},
		{"rules/testdata/" + r.ID + "/fires.txtar", firesTemplate},
		{"rules/testdata/" + r.ID + "/quiet.txtar", quietTemplate},
	} {
		text, err := r.fill(f.path, f.text)
		if err != nil {
			return nil, err
		}
		files = append(files, file{f.path, text})
	}
	return files, nil
}

func (r newRule) fill(path, text string) ([]byte, error) {
	t, err := template.New(path).Parse(text)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := t.Execute(&b, r); err != nil {
		return nil, err
	}
	if !strings.HasSuffix(path, ".go") {
		return b.Bytes(), nil
	}
	return format.Source(b.Bytes())
}
