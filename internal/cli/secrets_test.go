// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"whohas/claimants"
	"whohas/cluster"
	"whohas/report"
	"whohas/snapshot"
)

// planted stands wherever somebody may have put a secret.
const planted = "s3cr3t-p1anted"

const plantedURL = "https://user:" + planted + "@192.0.2.9:6443/p?token=" + planted + "#" + planted

// TestSecrets plants URLs with secrets in every text that is kept, and secrets beside
// them in what is not: none comes out, in no format, and not in what is said.
func TestSecrets(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("HOME", dir)
	t.Chdir(dir)
	objects := filepath.Join(dir, "objects.json")
	writeFile(t, objects, string(withSecrets(t)))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/a" {
			http.Error(w, planted, http.StatusForbidden)
			return
		}
		http.ServeFile(w, r, objects)
	}))
	defer server.Close()
	at := func(path string) string {
		return strings.Replace(server.URL, "://", "://user:"+planted+"@", 1) + path + "?token=" + planted
	}
	broken := filepath.Join(dir, "broken.json")
	writeFile(t, broken, `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"kube-proxy","namespace":"kube-system"},"data":{"kubeconfig.conf":"password: *`+planted+`\n"}}`)
	kubeconfig := filepath.Join(dir, "kubeconfig")
	for i, url := range []string{"https://user:" + planted + "@127.0.0.1:1/?token=" + planted, "https://user:" + planted + "/x@127.0.0.1:1"} {
		writeFile(t, kubeconfig+string(rune('0'+i)), `{"apiVersion":"v1","kind":"Config","current-context":"a","contexts":[{"name":"a","context":{"cluster":"a","user":"a"}}],`+
			`"clusters":[{"name":"a","cluster":{"server":"`+url+`"}}],"users":[{"name":"a","user":{"token":"`+planted+`"}}]}`)
	}
	snap := filepath.Join(dir, "o.snapshot")
	var formats [][]string
	for _, f := range report.Formats() {
		formats = append(formats, []string{"check", "-f", objects, "-o", f.Name})
	}
	for _, args := range append(formats, [][]string{
		{"snapshot", "-f", objects, "-o", snap},
		{"snapshot", "-f", at("/a"), "-o", snap},
		{"check", "--bundle", snap, "-o", "json"},
		{"check", "-f", at("/a"), "-o", "json"}, {"check", "-f", at("/none")}, {"check", "-f", at("/none"), "-o", "json"},
		{"check", "-f", "https://user:" + planted + "/x@127.0.0.1:1/"}, {"check", "-f", "https://user:" + planted + "%zz@127.0.0.1:1/"},
		{"who", "192.0.2.9", "-f", objects}, {"who", "192.0.2.9", "-f", objects, "-o", "json"},
		{"check", "-f", broken}, {"check", "-f", broken, "-o", "json"},
		{"check", "--kubeconfig", kubeconfig + "0"}, {"check", "--kubeconfig", kubeconfig + "1"}, {"check", "--kubeconfig", kubeconfig + "0", "-o", "json"},
		{"check", "--kubeconfig", kubeconfig + "0", "--proxy-url", "http://user:" + planted + "@127.0.0.1:1/?x=" + planted},
		{"check", "--kubeconfig", kubeconfig + "0", "--proxy-url", "http://user:" + planted + "/x@127.0.0.1:1"},
		{"check", "--kubeconfig", kubeconfig + "0", "--server", "https://user:" + planted + "/x@127.0.0.1:1"},
	}...) {
		_, stdout, stderr := run(t, append(args, "--timeout", "10s")...)
		if all := stdout + stderr; strings.Contains(all, planted) {
			i := strings.Index(all, planted)
			t.Errorf("%v: the secret is in what is said: ...%s", args, all[max(0, i-200):min(len(all), i+50)])
		}
		if args[0] == "snapshot" {
			if text := unzippedFile(t, snap); strings.Contains(text, planted) {
				i := strings.Index(text, planted)
				t.Errorf("%v: the secret is in the snapshot: ...%s", args, text[max(0, i-300):i+50])
			} else if !strings.Contains(text, "https://192.0.2.9:6443/p") {
				t.Errorf("%v: the place of the URL is lost", args)
			}
		}
	}
}

// withSecrets is a list of an object for every declared field, with secrets in it and
// beside it.
func withSecrets(t *testing.T) []byte {
	t.Helper()
	var items []any
	for _, r := range slices.Concat(claimants.Reads(), cluster.Reads()) {
		for _, path := range slices.Concat(r.Fields, r.Traced) {
			steps := declaredPath(t, path)
			last := steps[len(steps)-1]
			if len(r.Names) > 0 || last.key != "name" {
				name := ""
				if len(r.Names) > 0 {
					name = r.Names[0]
				}
				if last.mark != "<int>" && last.mark != "<bool>" && last.first == "" {
					o := built(r.Kind, name, steps, len(steps)-1, last.list, plantedURL)
					if last.yaml {
						o = built(r.Kind, name, steps, len(steps)-1, false, "x: "+plantedURL)
					}
					items = append(items, o)
				}
			}
		}
	}
	env := []any{map[string]any{"name": "PW", "value": planted}, map[string]any{"name": "address", "value": "192.0.2.7", "valueFrom": planted}}
	items = append(items, map[string]any{"apiVersion": "v1", "kind": "Pod",
		"metadata": map[string]any{"name": "p", "annotations": map[string]any{"kubectl.kubernetes.io/last-applied-configuration": planted, planted: planted}},
		"spec": map[string]any{"nodeName": "n", "containers": []any{map[string]any{"name": "kube-proxy", "image": "kube-proxy:v1", "env": env,
			"args":    []any{"--token=" + planted, "--proxy-mode", "--password=" + planted, map[string]any{"x": planted}},
			"command": []any{"x", "--token", planted, "--proxy-mode=ipvs"}}}}},
		map[string]any{"apiVersion": "v1", "kind": "Secret", "metadata": map[string]any{"name": "s"}, "data": map[string]any{"x": planted}})
	text, err := json.Marshal(map[string]any{"apiVersion": "v1", "kind": "List", "items": items})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func writeFile(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func unzippedFile(t *testing.T, file string) string {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	zip, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(zip)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// FuzzWithoutSecrets: whatever stands before an @ or behind a ? or # of a URL is gone,
// and what is clean stays as it is.
func FuzzWithoutSecrets(f *testing.F) {
	f.Add("https://", "/p", " and http://u:x@h/")
	f.Fuzz(func(t *testing.T, before, path, behind string) {
		if strings.Contains(before+path+behind, planted) {
			return
		}
		for _, url := range []string{"u:" + planted + "@h", "h/?t=" + planted, "h#" + planted, "u:a/" + planted + "@h:1"} {
			got := snapshot.WithoutSecrets(before + " x://" + url + " " + path + behind)
			if strings.Contains(got, planted) {
				t.Errorf("%q of %q", got, url)
			}
			if again := snapshot.WithoutSecrets(got); again != got && !strings.Contains(before+path+behind, "://") {
				t.Errorf("%q becomes %q", got, again)
			}
		}
	})
}
