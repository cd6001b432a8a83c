// SPDX-License-Identifier: Apache-2.0

package law

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// tools are the beginnings of command lines that people paste.
var tools = regexp.MustCompile(`(^|[\s(;|])(sudo \S|systemctl \S+ \S|` +
	`kubectl (-\S+ )*(get|patch|delete|edit|apply|annotate|label|describe|create|replace|drain|cordon|rollout|exec|debug|scale) \S|` +
	`ip (-\S+ )*(a|addr|address|r|route|ru|rule|neigh|link) \S|ip6?tables -|nft (-\S+ )*(add|delete|flush|insert|list) \S|` +
	`ipset (add|del|destroy|flush|list|test) \S|ipvsadm -|(crictl|docker) (exec|restart|rm|stop) \S|sysctl -|arping -)`)

// pasted are the places that put a text behind the name of a tool and are no command
// line with a word that was read.
var pasted = map[string]string{
	"internal/newrule/":         "developers' own tools",
	"internal/ruledoc/":         "developers' own tools",
	"internal/law/":             "tests",
	"testkit/":                  "tests",
	"bench/":                    "developers' own tools",
	"guard/server/placement.go": "two constants",
	"source/":                   "says which tool's output was read",
	"lab/":                      "steps of scenarios",
	"tools/":                    "builds",
}

// TestCommandsAreMadeInOnePlace: a command line with a word in it that was read comes
// from package command, which quotes it. No text is put behind the name of a tool
// anywhere else.
func TestCommandsAreMadeInOnePlace(t *testing.T) {
	eachProductFile(t, func(path string, at func(ast.Node) int, f *ast.File) {
		for prefix := range pasted {
			if strings.HasPrefix(path, prefix) {
				return
			}
		}
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				if text := constant(n); isFormat(n) && tools.MatchString(text) && strings.Contains(text, "%") {
					t.Errorf("%s:%d: a command line is made of a format: use package command", path, at(n))
				}
			case *ast.BinaryExpr:
				if n.Op == token.ADD && (tools.MatchString(literal(n.X)) || tools.MatchString(literal(n.Y))) && (literal(n.X) == "" || literal(n.Y) == "") {
					t.Errorf("%s:%d: a command line is put together: use package command", path, at(n))
				}
			}
			return true
		})
	})
}

// TestTemplates: each {} of a command's template stands outside of quotes, and there
// is a word for each. The compiler sees to it that a template is a constant.
func TestTemplates(t *testing.T) {
	seen := 0
	eachProductFile(t, func(path string, at func(ast.Node) int, f *ast.File) {
		ast.Inspect(f, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || !isShell(call) || len(call.Args) == 0 || call.Ellipsis.IsValid() {
				return true
			}
			template := literal(call.Args[0])
			if template == "" {
				t.Errorf("%s:%d: the template is no literal: nobody sees what it is", path, at(n))
				return true
			}
			seen++
			if got := strings.Count(template, "{}"); got != len(call.Args)-1 {
				t.Errorf("%s:%d: %d words for %d places", path, at(n), len(call.Args)-1, got)
			}
			if inQuotes(template) {
				t.Errorf("%s:%d: a {} stands in quotes: %s", path, at(n), template)
			}
			return true
		})
	})
	if seen < 10 {
		t.Errorf("only %d templates were found: the test looks in the wrong place", seen)
	}
}

// inQuotes reports whether a {} of a template is quoted already.
func inQuotes(template string) bool {
	var quote byte
	for i := range len(template) {
		switch c := template[i]; {
		case c == quote:
			quote = 0
		case quote == 0 && (c == '\'' || c == '"'):
			quote = c
		case quote != 0 && strings.HasPrefix(template[i:], "{}"):
			return true
		}
	}
	return false
}

func TestInQuotes(t *testing.T) {
	for template, want := range map[string]bool{"a {}": false, "a '{}'": true, `a "b {}"`: true, "a 'b' {} 'c'": false, `a '"' {}`: false} {
		if inQuotes(template) != want {
			t.Errorf("%s: want %v", template, want)
		}
	}
}

func isShell(call *ast.CallExpr) bool {
	switch f := call.Fun.(type) {
	case *ast.Ident:
		return f.Name == "Shell"
	case *ast.SelectorExpr:
		pkg, ok := f.X.(*ast.Ident)
		return ok && pkg.Name == "command" && f.Sel.Name == "Shell"
	}
	return false
}

// isFormat reports whether a call fills a format.
func isFormat(call *ast.CallExpr) bool {
	f, ok := call.Fun.(*ast.SelectorExpr)
	return ok && (strings.HasSuffix(f.Sel.Name, "f") || f.Sel.Name == "withHint") || isIdent(call.Fun, "withHint")
}

func isIdent(e ast.Expr, name string) bool {
	i, ok := e.(*ast.Ident)
	return ok && i.Name == name
}

// constant is the first literal among a call's arguments.
func constant(call *ast.CallExpr) string {
	for _, a := range call.Args {
		if text := literal(a); text != "" {
			return text
		}
	}
	return ""
}

func literal(e ast.Expr) string {
	lit, ok := e.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return ""
	}
	text, err := strconv.Unquote(lit.Value)
	if err != nil {
		return ""
	}
	return text
}

// eachProductFile parses every file that is no test.
func eachProductFile(t *testing.T, visit func(path string, line func(ast.Node) int, f *ast.File)) {
	t.Helper()
	for _, f := range files(t) {
		if f.test {
			continue
		}
		set := token.NewFileSet()
		parsed, err := parser.ParseFile(set, filepath.Join(root, f.path), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		visit(f.path, func(n ast.Node) int { return set.Position(n.Pos()).Line }, parsed)
	}
}
