// SPDX-License-Identifier: Apache-2.0

package law

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// proxyNames are what service proxies call their devices, sets, chains and maps. Package
// kubeproxy has each of them once, with its source.
var proxyNames = regexp.MustCompile(`kube-ipvs0|kube-dummy-if|KUBE-[A-Z0-9]|\bservice-ips\b`)

// TestProxyNames: outside of that package, tests and the lab no string says them.
func TestProxyNames(t *testing.T) {
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		at := filepath.ToSlash(strings.TrimPrefix(path, root+string(filepath.Separator)))
		switch {
		case err != nil:
			return err
		case d.IsDir() && (at == "kubeproxy" || at == "lab" || strings.HasPrefix(d.Name(), ".") && path != root):
			return filepath.SkipDir
		case filepath.Ext(path) != ".go", strings.HasSuffix(path, "_test.go"):
			return nil
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if text, ok := n.(*ast.BasicLit); ok && text.Kind == token.STRING {
				if name := proxyNames.FindString(text.Value); name != "" {
					t.Errorf("%s:%d: %s: package kubeproxy has that name", at, set.Position(text.Pos()).Line, name)
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
