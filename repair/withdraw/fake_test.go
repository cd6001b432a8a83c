// SPDX-License-Identifier: Apache-2.0

package withdraw_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"whohas/repair"
	"whohas/repair/withdraw"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/rest"
)

// meddler does something once, before the first patch.
type meddler struct {
	http.RoundTripper
	once *sync.Once
	do   func()
}

func (m meddler) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodPatch {
		m.once.Do(m.do)
	}
	return m.RoundTripper.RoundTrip(r)
}

func beforePatch(given *rest.Config, do func()) *rest.Config {
	c := rest.CopyConfig(given)
	c.Wrap(func(rt http.RoundTripper) http.RoundTripper { return meddler{rt, new(sync.Once), do} })
	return c
}

// broken is a server with one Service whose answers to a patch fail in ways in
// which a real one fails only when it is broken.
type broken struct {
	t       *testing.T
	undo    string
	patch   func(http.ResponseWriter, *broken) // the answer; it may change list
	list    string
	patches []string // their bodies, and whether the undo file knew of them
}

func (b *broken) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	if r.Method != http.MethodPatch {
		_, _ = fmt.Fprintf(w, `{"kind":"Service","apiVersion":"v1","metadata":{"name":"tomcat","namespace":"demo","uid":"u"},"spec":{"externalIPs":%s}}`, b.list)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		b.t.Error(err)
	}
	if got, want := r.Header.Get("Content-Type"), "application/json-patch+json"; got != want {
		b.t.Errorf("content type %q", got)
	}
	if got := r.URL.RequestURI(); !strings.HasPrefix(got, "/api/v1/namespaces/demo/services/tomcat?") || r.URL.Query().Get("fieldManager") != "whohas" {
		b.t.Errorf("patched at %s", got)
	}
	b.patches = append(b.patches, string(body))
	if text, err := os.ReadFile(b.undo); err != nil || !strings.Contains(string(text), stolen) || strings.Contains(string(text), `"done": true`) {
		b.t.Errorf("the undo file does not know of the patch when it is sent: %v\n%s", err, text)
	}
	b.patch(w, b)
}

func fail(code int, reason, message string) func(http.ResponseWriter, *broken) {
	return func(w http.ResponseWriter, _ *broken) {
		w.WriteHeader(code)
		_, _ = fmt.Fprintf(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","message":%q,"reason":%q,"code":%d}`, message, reason, code)
	}
}

func cut(w http.ResponseWriter, _ *broken) { panic(http.ErrAbortHandler) }

func cutDone(w http.ResponseWriter, b *broken) {
	b.list = `["` + other + `"]`
	panic(http.ErrAbortHandler)
}

func TestBrokenServer(t *testing.T) {
	for _, c := range []struct {
		name   string
		patch  func(http.ResponseWriter, *broken)
		want   withdraw.Result
		detail string
		kept   string // in the undo file; "": there is none
	}{
		{"connection cut before it is done", cut, withdraw.Failed, "EOF", `"done": false`},
		{"connection cut when it was done", cutDone, withdraw.Done, "no answer came, but it is gone", `"done": true`},
		{"server error", fail(500, "InternalError", "etcdserver: no leader"), withdraw.Failed, "server error 500: etcdserver: no leader", `"done": false`},
		{"too slow", fail(504, "Timeout", "request did not complete"), withdraw.Failed, "server error 504: request did not complete", `"done": false`},
		{"admission", fail(403, "Forbidden", `services "tomcat" is forbidden: not today`), withdraw.Denied, "forbidden: not today", ""},
		{"not valid", fail(422, "Invalid", "spec.x: Required value\t[2J"), withdraw.Failed, "spec.x: Required value [2J", ""},
		{"conflict", fail(409, "Conflict", "modified"), withdraw.Changed, "it was changed meanwhile", ""},
		{"too many", fail(429, "TooManyRequests", "later"), withdraw.Failed, "later", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := &broken{t: t, undo: filepath.Join(t.TempDir(), "undo.json"), patch: c.patch, list: `["` + stolen + `","` + other + `"]`}
			s := httptest.NewServer(b)
			defer s.Close()
			out, err := withdraw.Withdraw(t.Context(), withdraw.Options{Config: &rest.Config{Host: s.URL}, UndoFile: b.undo, Withdrawals: []repair.Withdrawal{external(0)}})
			if err != nil {
				t.Fatal(err)
			}
			i := out.Items[0]
			if i.Result != c.want || !strings.Contains(i.Detail, c.detail) {
				t.Errorf("%s: %s; want %s: %s", i.Result, i.Detail, c.want, c.detail)
			}
			if diff := cmp.Diff([]string{`[{"op":"test","path":"/metadata/uid","value":"u"},{"op":"test","path":"/spec/externalIPs/0","value":"192.168.10.114"},{"op":"remove","path":"/spec/externalIPs/0"}]`}, b.patches); diff != "" {
				t.Errorf("patches: -want +got:\n%s", diff)
			}
			text, err := os.ReadFile(b.undo)
			if c.kept == "" {
				if err == nil {
					t.Errorf("an undo file of nothing:\n%s", text)
				}
				return
			}
			if err != nil || !strings.Contains(string(text), c.kept) {
				t.Errorf("no %s in the undo file: %v\n%s", c.kept, err, text)
			}
		})
	}
}

func TestNobodyListens(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	s.Close()
	config := &rest.Config{Host: strings.Replace(s.URL, "http://", "http://user:secret@", 1), BearerToken: "secret-token"}
	undo := filepath.Join(t.TempDir(), "undo.json")
	var told []string
	out, err := withdraw.Withdraw(t.Context(), withdraw.Options{Config: config, UndoFile: undo, Withdrawals: []repair.Withdrawal{external(0)},
		Tell: func(e withdraw.Event) { told = append(told, e.Text) }})
	if err != nil {
		t.Fatal(err)
	}
	wantResults(t, out, withdraw.Failed)
	if all := strings.Join(told, "\n"); strings.Contains(all, "secret") || !strings.Contains(all, "connection refused") {
		t.Errorf("told: %s", all)
	}
	noFile(t, undo)
}

func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	b := &broken{t: t, undo: filepath.Join(t.TempDir(), "undo.json"), list: `["` + stolen + `"]`, patch: func(w http.ResponseWriter, b *broken) {
		cancel()
		cut(w, b)
	}}
	s := httptest.NewServer(b)
	defer s.Close()
	out, err := withdraw.Withdraw(ctx, withdraw.Options{Config: &rest.Config{Host: s.URL}, UndoFile: b.undo, Withdrawals: []repair.Withdrawal{external(0), external(1)}})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
	wantResults(t, out, withdraw.Failed)
	if len(out.Items) > 0 && !strings.Contains(out.Items[0].Detail, "it is not known whether") {
		t.Errorf("detail %q", out.Items[0].Detail)
	}
	if text, err := os.ReadFile(b.undo); err != nil || !strings.Contains(string(text), stolen) {
		t.Errorf("the way back is lost: %v\n%s", err, text)
	}
}

func TestNoConfiguration(t *testing.T) {
	if _, err := withdraw.Withdraw(t.Context(), withdraw.Options{UndoFile: filepath.Join(t.TempDir(), "u")}); err == nil {
		t.Error("withdraw")
	}
	if _, err := withdraw.Verify(t.Context(), withdraw.VerifyOptions{}); err == nil {
		t.Error("verify")
	}
	if err := withdraw.Undo(t.Context(), nil, filepath.Join(t.TempDir(), "none"), nil); err == nil {
		t.Error("undo")
	}
}

// TestVerifyThroughFaults: an apiserver that does not answer for a while is what a
// repair has to expect.
func TestVerifyThroughFaults(t *testing.T) {
	looks := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		node := func(name, ready string) string {
			return fmt.Sprintf(`{"metadata":{"name":%q},"status":{"conditions":[{"type":"MemoryPressure","status":"False"},{"type":"Ready","status":%q}]}}`, name, ready)
		}
		switch r.URL.Path {
		case "/api/v1/nodes/n2":
			w.WriteHeader(http.StatusNotFound)
			_, _ = fmt.Fprint(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","code":404}`)
			return
		case "/api/v1/nodes/n1":
			_, _ = fmt.Fprint(w, node("n1", "True"))
			return
		}
		looks++
		switch {
		case looks <= 2:
			fail(503, "ServiceUnavailable", "not yet")(w, nil)
		case looks == 3 && r.URL.Query().Get("continue") == "": // a page, of which the next comes at once
			_, _ = fmt.Fprintf(w, `{"kind":"NodeList","metadata":{"continue":"more"},"items":[%s,%s]}`, node("n1", "Unknown"), node("n3", "True"))
		case looks == 4 && r.URL.Query().Get("continue") == "more":
			_, _ = fmt.Fprintf(w, `{"kind":"NodeList","metadata":{},"items":[%s]}`, node("n2", "False"))
		default:
			_, _ = fmt.Fprintf(w, `{"kind":"NodeList","metadata":{},"items":[%s]}`, node("n1", "True"))
		}
	}))
	defer s.Close()
	var told []string
	v, err := withdraw.Verify(t.Context(), withdraw.VerifyOptions{Config: &rest.Config{Host: s.URL}, Every: time.Millisecond, Tell: func(e withdraw.Event) {
		told = append(told, strings.TrimSpace(e.On.String())+" "+e.Text)
	}})
	if err != nil || !v.OK() {
		t.Errorf("%+v, %v", v, err)
	}
	wantTold(t, told,
		" nodes cannot be looked at: server error 503: not yet",
		"Node n1 is not Ready",
		"Node n2 is not Ready",
		"Node n2 is not there any more",
		"Node n1 is Ready")
}
