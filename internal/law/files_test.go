// SPDX-License-Identifier: Apache-2.0

package law

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// opens are the calls that open what a name leads to, or read what has no bound.
var opens = map[string][]string{
	"os":     {"ReadFile", "Open", "OpenFile", "Create", "OpenInRoot"},
	"io":     {"ReadAll"},
	"ioutil": {"ReadFile", "ReadAll"},
	// They open files by name themselves.
	"clientcmd": {"LoadFromFile", "BuildConfigFromFlags"},
}

// mayOpen are the places that do so all the same, by file and function, each with its
// reason. Everything else that reads a file does so by source/file, which refuses what
// is no regular file and what is too large: a name may lead to a pipe or to /dev/zero.
var mayOpen = map[string]string{
	"source/file/file.go Open":                        "it is the reader",
	"source/file/file.go ReadOpen":                    "it is the reader, and it bounds",
	"source/manifest/open.go onDisk":                  "a stream: -f may name a pipe, reading ends with its context, and what is kept is bounded",
	"source/host/configured_files_linux.go openBelow": "links stay below the root; opened without waiting; source/file reads it, or it is listed as a folder",
	"source/host/agents_health_linux.go roundTrip":    "an HTTP answer behind a LimitReader",
	"source/host/logmatches_linux.go tail":            "the end of a log that source/file has opened, behind a LimitReader",
	"repair/withdraw/undofile.go create":              "makes a file that must be new",
	"repair/withdraw/undofile.go save":                "a folder, to sync it",
	"guard/webhook/webhook.go ServeHTTP":              "a request behind http.MaxBytesReader",
	"internal/cli/output.go writeInto":                "writes, in a goroutine that may be left behind",
	"internal/cli/output.go copyInto":                 "the temporary file that it has just written",
}

// TestOneReader: no product code opens a file by name but through source/file.
func TestOneReader(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range files(t) {
		if f.test || !product(f.dir) {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, f.path), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range parsed.Decls {
			place := f.path
			if fn, ok := d.(*ast.FuncDecl); ok {
				place += " " + fn.Name.Name
			}
			ast.Inspect(d, func(n ast.Node) bool {
				call, ok := opening(n)
				if ok && mayOpen[place] == "" {
					t.Errorf("%s: %s: read small files with source/file, or give the reason in mayOpen", place, call)
				}
				seen[place] = seen[place] || ok
				return true
			})
		}
	}
	for place := range mayOpen {
		if !seen[place] {
			t.Errorf("%s: opens nothing any more: take it out of mayOpen", place)
		}
	}
}

// opening is a call, or a mention, of one of opens.
func opening(n ast.Node) (string, bool) {
	s, ok := n.(*ast.SelectorExpr)
	if !ok {
		return "", false
	}
	x, ok := s.X.(*ast.Ident)
	if !ok || !slices.Contains(opens[x.Name], s.Sel.Name) {
		return "", false
	}
	return x.Name + "." + s.Sel.Name, true
}

// product reports whether a package is part of what users run.
func product(dir string) bool {
	for _, tests := range []string{"lab", "tools", "deploy", "contrib", "testkit", "bench", "internal/ruledoc", "internal/newrule", "internal/manual", "internal/law"} {
		if dir == tests || strings.HasPrefix(dir, tests+"/") {
			return false
		}
	}
	return true
}
