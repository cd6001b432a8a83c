// SPDX-License-Identifier: Apache-2.0

package live_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"whohas/snapshot"
	"whohas/source/live"
	"whohas/testkit/port"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd/api"
)

// fake is a server that errs in ways in which a real one errs only when it is
// broken. Paths that are not in it are answered 404.
type fake map[string]http.HandlerFunc

func (f fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if h, ok := f[r.URL.Path]; ok {
		h(w, r)
		return
	}
	status(404, "NotFound", "not found", "")(w, r)
}

func body(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprint(w, text)
	}
}

func status(code int, reason, message, next string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		_, _ = fmt.Fprintf(w, `{"kind":"Status","apiVersion":"v1","metadata":{"continue":%q},"status":"Failure","message":%q,"reason":%q,"code":%d}`, next, message, reason, code)
	}
}

func hang(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// fakeCluster is a fake that serves nodes, services and pods, and MetalLB's group.
func fakeCluster(change fake) fake {
	f := fake{
		"/api":  body(`{"kind":"APIVersions","versions":["v1"]}`),
		"/apis": body(`{"kind":"APIGroupList","apiVersion":"v1","groups":[` + group("metallb.io", "v1beta1") + `]}`),
		"/api/v1": body(`{"kind":"APIResourceList","groupVersion":"v1","resources":[` + resource("nodes", "Node", false) + `,` + resource("services", "Service", true) + `,` +
			resource("pods", "Pod", true) + `,` + resource("configmaps", "ConfigMap", true) + `,{"name":"pods/status","kind":"Pod","namespaced":true,"verbs":["get"]}]}`),
		"/apis/metallb.io/v1beta1":                body(`{"kind":"APIResourceList","groupVersion":"metallb.io/v1beta1","resources":[` + resource("ipaddresspools", "IPAddressPool", true) + `]}`),
		"/api/v1/nodes":                           body(list("v1", "Node", "", "n1")),
		"/api/v1/services":                        body(list("v1", "Service", "", "s1", "s2")),
		"/api/v1/pods":                            body(list("v1", "Pod", "")),
		"/apis/metallb.io/v1beta1/ipaddresspools": body(list("metallb.io/v1beta1", "IPAddressPool", "", "p1")),
		"/api/v1/namespaces/kube-system/configmaps/kube-proxy": body(`{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"kube-proxy","namespace":"kube-system"}}`),
	}
	for path, h := range change {
		f[path] = h
	}
	return f
}

func group(name, version string) string {
	v := fmt.Sprintf(`{"groupVersion":"%s/%s","version":"%s"}`, name, version, version)
	return fmt.Sprintf(`{"name":%q,"versions":[%s],"preferredVersion":%s}`, name, v, v)
}

func resource(name, kind string, namespaced bool) string {
	return fmt.Sprintf(`{"name":%q,"kind":%q,"namespaced":%v,"verbs":["get","list"]}`, name, kind, namespaced)
}

func list(version, kind, next string, names ...string) string {
	var items []string
	for _, n := range names {
		items = append(items, fmt.Sprintf(`{"metadata":{"name":%q,"namespace":"demo"},"spec":{"externalIPs":["192.0.2.1"]}}`, n))
	}
	return fmt.Sprintf(`{"kind":"%sList","apiVersion":%q,"metadata":{"continue":%q},"items":[%s]}`, kind, version, next, strings.Join(items, ","))
}

func serve(tb testing.TB, h http.Handler) *rest.Config {
	tb.Helper()
	s := httptest.NewServer(h)
	tb.Cleanup(s.Close)
	return &rest.Config{Host: s.URL}
}

// only are the lines of coverage of one source.
func only(s *snapshot.Snapshot, source string) []snapshot.Coverage {
	var out []snapshot.Coverage
	for _, c := range s.Coverage {
		if c.Source == source {
			out = append(out, c)
		}
	}
	return out
}

func TestFaults(t *testing.T) {
	const services = "/api/v1/services"
	cut := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100000")
		_, _ = fmt.Fprint(w, list("v1", "Service", "", "s1", "s2"))
	}
	stall := func(w http.ResponseWriter, r *http.Request) {
		text := list("v1", "Service", "", "s1", "s2")
		_, _ = fmt.Fprint(w, text[:len(text)-2])
		w.(http.Flusher).Flush()
		hang(w, r)
	}
	for _, c := range []struct {
		name   string
		change fake
		want   snapshot.Coverage
	}{
		{"whole", nil,
			snapshot.Coverage{Source: "services", Status: snapshot.StatusRead, Count: 2, Complete: true}},
		{"forbidden", fake{services: status(403, "Forbidden", `services is forbidden: User "x" cannot list resource "services"`, "")},
			snapshot.Coverage{Source: "services", Status: snapshot.StatusDenied, Detail: `forbidden: User "x" cannot list resource "services"`}},
		{"forbidden by a gateway", fake{services: func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "<html>\nno</html>", 403) }},
			snapshot.Coverage{Source: "services", Status: snapshot.StatusDenied, Detail: `forbidden: <html> no</html>`}},
		{"not authenticated", fake{services: status(401, "Unauthorized", "Unauthorized", "")},
			snapshot.Coverage{Source: "services", Status: snapshot.StatusUnreadable, Detail: "not authenticated", Failed: true}},
		{"server error", fake{services: status(500, "InternalError", "etcdserver: no leader", "")},
			snapshot.Coverage{Source: "services", Status: snapshot.StatusUnreadable, Detail: "server error 500: etcdserver: no leader", Failed: true}},
		{"removed meanwhile", fake{services: status(404, "NotFound", "the server could not find the requested resource", "")},
			snapshot.Coverage{Source: "services", Status: snapshot.StatusAbsent, Complete: true, Detail: "not installed"}},
		{"hang", fake{services: hang},
			snapshot.Coverage{Source: "services", Status: snapshot.StatusUnreadable, Detail: "no answer for 1s", Failed: true}},
		{"stall in the body", fake{services: stall},
			snapshot.Coverage{Source: "services", Status: snapshot.StatusPartial, Count: 2, Detail: "no answer for 1s", Failed: true}},
		{"connection cut", fake{services: cut},
			snapshot.Coverage{Source: "services", Status: snapshot.StatusPartial, Count: 2, Detail: "unexpected EOF", Failed: true}},
		{"page of a login", fake{services: body("<html><body>Log in: </body></html>\n")},
			snapshot.Coverage{Source: "services", Status: snapshot.StatusUnreadable, Detail: "the answer is no list of services", Failed: true}},
		{"garbage", fake{services: body("\x00\x01\x02")},
			snapshot.Coverage{Source: "services", Status: snapshot.StatusUnreadable, Detail: "the answer is no list of services", Failed: true}},
		{"nothing", fake{services: body("")},
			snapshot.Coverage{Source: "services", Status: snapshot.StatusUnreadable, Detail: "the answer is no list of services", Failed: true}},
		{"another list", fake{services: body(list("v1", "Pod", ""))},
			snapshot.Coverage{Source: "services", Status: snapshot.StatusUnreadable, Detail: "the answer is no list of services", Failed: true}},
		{"one broken object", fake{services: body(`{"kind":"ServiceList","apiVersion":"v1","items":[{"metadata":{"name":"a"}},{"metadata":{"name":"b"},"spec":{"externalIPs":` + strings.Repeat("[", 300) + strings.Repeat("]", 300) + `}}]}`)},
			snapshot.Coverage{Source: "services", Status: snapshot.StatusPartial, Count: 1, Detail: "1 objects could not be decoded", Failed: true}},
		{"items is null", fake{services: body(`{"kind":"ServiceList","apiVersion":"v1","items":null}`)},
			snapshot.Coverage{Source: "services", Status: snapshot.StatusRead, Complete: true}},
		{"same page for ever", fake{services: body(list("v1", "Service", "again", "s1"))},
			snapshot.Coverage{Source: "services", Status: snapshot.StatusPartial, Count: 2, Detail: "the server gives the same page again and again", Failed: true}},
		{"a named object is forbidden", fake{"/api/v1/namespaces/kube-system/configmaps/none": status(403, "Forbidden", "no", "")},
			snapshot.Coverage{Source: "configmaps", Status: snapshot.StatusPartial, Count: 1, Detail: "forbidden: no"}},
		{"no named object", fake{"/api/v1/namespaces/kube-system/configmaps/kube-proxy": nil},
			snapshot.Coverage{Source: "configmaps", Status: snapshot.StatusRead, Complete: true}},
		{"group is broken", fake{"/apis/metallb.io/v1beta1": status(503, "ServiceUnavailable", "no endpoints", "")},
			snapshot.Coverage{Source: "ipaddresspools.metallb.io", Status: snapshot.StatusUnreadable, Detail: "server error 503: no endpoints", Failed: true}},
		{"group hangs", fake{"/apis/metallb.io/v1beta1": hang},
			snapshot.Coverage{Source: "ipaddresspools.metallb.io", Status: snapshot.StatusUnreadable, Detail: "discovery of metallb.io/v1beta1: no answer for 1s", Failed: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := fakeCluster(c.change)
			for path, h := range f {
				if h == nil {
					delete(f, path)
				}
			}
			o := live.Options{Config: serve(t, f), Reads: reads(t)}
			if strings.Contains(c.want.Detail, "no answer") {
				o.Idle = time.Second
			}
			s := read(t, o)
			if diff := cmp.Diff([]snapshot.Coverage{c.want}, withoutFaults(only(s, c.want.Source))); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			for _, other := range []string{"services", "nodes", "ipaddresspools.metallb.io"} {
				if lines := only(s, other); other != c.want.Source && (len(lines) != 1 || lines[0].Status != snapshot.StatusRead || !lines[0].Complete) {
					t.Errorf("%+v", lines)
				}
			}
		})
	}
}

// withoutFaults drops what the decoder says of single documents.
func withoutFaults(lines []snapshot.Coverage) []snapshot.Coverage {
	var out []snapshot.Coverage
	for _, l := range lines {
		if l.Count > 0 || !strings.Contains(l.Detail, "json: ") && !strings.Contains(l.Detail, "yaml: ") && l.Detail != "binary file" {
			out = append(out, l)
		}
	}
	return out
}

// TestBrokenAggregated has a server that marks a group as stale.
func TestBrokenAggregated(t *testing.T) {
	aggregated := func(group, version, kind, resources, freshness string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList")
			_, _ = fmt.Fprintf(w, `{"kind":"APIGroupDiscoveryList","apiVersion":"apidiscovery.k8s.io/v2","items":[{"metadata":{"name":%q},"versions":[
				{"version":%q,"freshness":%q,"resources":[{"resource":%q,"responseKind":{"group":%q,"version":%q,"kind":%q},"scope":"Namespaced","verbs":["get","list"]}]}]}]}`,
				group, version, freshness, resources, group, version, kind)
		}
	}
	for _, freshness := range []string{"Current", "Stale"} {
		f := fakeCluster(fake{
			"/api":  aggregated("", "v1", "Service", "services", "Current"),
			"/apis": aggregated("metallb.io", "v1beta1", "IPAddressPool", "ipaddresspools", freshness),
		})
		delete(f, "/api/v1")
		delete(f, "/apis/metallb.io/v1beta1")
		s := read(t, live.Options{Config: serve(t, f), Reads: reads(t)})
		if !s.Complete(serviceKind) {
			t.Errorf("%s: services: %+v", freshness, only(s, "services"))
		}
		want := snapshot.Coverage{Source: "ipaddresspools.metallb.io", Status: snapshot.StatusRead, Count: 1, Complete: true}
		if freshness == "Stale" {
			want = snapshot.Coverage{Source: "ipaddresspools.metallb.io", Status: snapshot.StatusUnreadable, Failed: true,
				Detail: "discovery of metallb.io/v1beta1: the server is not current: what serves it does not answer"}
		}
		if diff := cmp.Diff([]snapshot.Coverage{want}, only(s, "ipaddresspools.metallb.io")); diff != "" {
			t.Errorf("%s: -want +got:\n%s", freshness, diff)
		}
	}
}

// TestExpired has lists whose token expires: with and without a token to go on
// with, once and again.
func TestExpired(t *testing.T) {
	gone := func(next string) http.HandlerFunc { return status(410, "Expired", "too old", next) }
	page := func(next string, names ...string) http.HandlerFunc {
		return body(list("v1", "Service", next, names...))
	}
	for _, c := range []struct {
		name    string
		answers []http.HandlerFunc
		asked   []string
		want    snapshot.Coverage
		names   string
	}{
		{
			"goes on at another moment",
			[]http.HandlerFunc{page("a", "s1"), gone("b"), page("", "s2")},
			[]string{"", "a", "b"},
			snapshot.Coverage{Source: "services", Status: snapshot.StatusRead, Count: 2, Complete: true}, "s1 s2",
		},
		{
			"starts again",
			[]http.HandlerFunc{page("a", "s1", "old"), gone(""), page("b", "s1"), page("", "s2")},
			[]string{"", "a", "", "b"},
			snapshot.Coverage{Source: "services", Status: snapshot.StatusRead, Count: 2, Complete: true}, "s1 s2",
		},
		{
			"expires again",
			[]http.HandlerFunc{page("a", "s1"), gone("b"), page("c", "s2"), gone("d")},
			[]string{"", "a", "b", "c"},
			snapshot.Coverage{Source: "services", Status: snapshot.StatusPartial, Count: 2, Detail: "too old", Failed: true}, "s1 s2",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			var mu sync.Mutex
			var asked []string
			s := read(t, live.Options{PageSize: 7, Reads: reads(t), Config: serve(t, fakeCluster(fake{"/api/v1/services": func(w http.ResponseWriter, r *http.Request) {
				q := r.URL.Query()
				mu.Lock()
				defer mu.Unlock()
				if q.Get("limit") != "7" || q.Has("resourceVersion") || r.Header.Get("Accept") != "application/json" {
					t.Errorf("asked for %v, %s", q, r.Header.Get("Accept"))
				}
				asked = append(asked, q.Get("continue"))
				c.answers[len(asked)-1](w, r)
			}}))})
			if diff := cmp.Diff(c.asked, asked); diff != "" {
				t.Errorf("asked: -want +got:\n%s", diff)
			}
			if diff := cmp.Diff([]snapshot.Coverage{c.want}, only(s, "services")); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			var names []string
			for _, o := range s.Kind(serviceKind) {
				names = append(names, o.Ref.Name)
			}
			if got := strings.Join(names, " "); got != c.names {
				t.Errorf("read %q", got)
			}
		})
	}
}

// TestNoCluster has servers that cannot be asked what they serve.
func TestNoCluster(t *testing.T) {
	closed := port.Keep(t)
	for _, c := range []struct {
		name   string
		config *rest.Config
		want   string
	}{
		{"nobody listens", &rest.Config{Host: "http://" + closed}, "dial tcp " + closed + ": connect: connection refused"},
		{"dial takes too long", &rest.Config{Host: "http://192.0.2.1", Proxy: http.ProxyURL(nil), Dial: (&net.Dialer{Timeout: time.Nanosecond}).DialContext}, "dial tcp 192.0.2.1:80: i/o timeout"},
		{"no credentials", &rest.Config{Host: "https://192.0.2.1", ExecProvider: &api.ExecConfig{Command: "/nonexistent", APIVersion: "client.authentication.k8s.io/v1", InteractiveMode: api.NeverExecInteractiveMode}},
			"getting credentials: exec: fork/exec /nonexistent: no such file or directory"},
		{"hangs", serve(t, http.HandlerFunc(hang)), "no answer for 1s"},
		{"not authenticated", serve(t, status(401, "Unauthorized", "Unauthorized", "")), "not authenticated"},
		{"forbidden", serve(t, status(403, "Forbidden", `forbidden: User "system:anonymous" cannot get path "/api"`, "")), `forbidden: User "system:anonymous" cannot get path "/api"`},
		{"broken", serve(t, status(500, "InternalError", "panic", "")), "server error 500: panic"},
		{"another server", serve(t, body("<html>Welcome to nginx</html>")), "/api: invalid character '<' looking for beginning of value"},
		{"nothing", serve(t, fake{}), "not found"},
		{"another API", serve(t, body("{}")), "the server serves no API group"},
	} {
		t.Run(c.name, func(t *testing.T) {
			idle := time.Minute
			if c.name == "hangs" {
				idle = time.Second
			}
			s := read(t, live.Options{Config: c.config, Reads: reads(t), Idle: idle})
			want := []snapshot.Coverage{{Source: "cluster", Status: snapshot.StatusUnreadable, Detail: c.want, Failed: true}}
			if diff := cmp.Diff(want, s.Coverage); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if !s.Taken.IsZero() {
				t.Errorf("taken %v", s.Taken)
			}
		})
	}
}

func TestDeadline(t *testing.T) {
	for name, c := range map[string]struct {
		change fake
		source string
	}{
		"discovery": {fake{"/api": hang}, "cluster"},
		"list":      {fake{"/api/v1/services": hang}, "services"},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
			defer cancel()
			var into snapshot.Builder
			begun := time.Now()
			if err := live.Read(ctx, live.Options{Config: serve(t, fakeCluster(c.change)), Reads: reads(t)}, &into); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(begun); took > 20*time.Second {
				t.Errorf("took %v", took)
			}
			want := []snapshot.Coverage{{Source: c.source, Status: snapshot.StatusUnreadable, Detail: "time is up", Failed: true}}
			if diff := cmp.Diff(want, only(into.Snapshot(), c.source)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestConfig(t *testing.T) {
	var into snapshot.Builder
	for _, c := range []*rest.Config{nil, {Host: "https://x", TLSClientConfig: rest.TLSClientConfig{CAFile: "/nonexistent"}}, {Host: "%"}} {
		if err := live.Read(t.Context(), live.Options{Config: c}, &into); err == nil || !strings.HasPrefix(err.Error(), "connect to the cluster: ") {
			t.Errorf("%v: got %v", c, err)
		}
	}
	var agent string
	given := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { agent = r.UserAgent() }))
	given.UserAgent = "whohas/v1"
	if err := live.Read(t.Context(), live.Options{Config: given}, &into); err != nil || agent != "whohas/v1" {
		t.Errorf("agent %q, %v", agent, err)
	}
	if given.QPS != 0 || given.Dial != nil || given.Timeout != 0 {
		t.Errorf("config changed: %v", given)
	}
}
