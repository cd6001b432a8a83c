// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"whohas/testkit/port"
)

// startServers gives the URL of each sort of server that a script may meet, and
// a kubeconfig, by name.
//
//	cluster    serves two nodes, a Service with the address of one, a manifest, and nothing else
//	forbidden  the same, but nobody may list nodes
//	half       the same, but never answers when asked for services
//	broken     answers 500 to everything
//	silent     accepts connections and never answers
//	nowhere    a port on which nobody listens
//	several    two contexts: "good" of cluster, "bad" of nowhere; the latter is current
func startServers(t *testing.T) (kubeconfigs, urls map[string]string) {
	t.Helper()
	urls = map[string]string{"silent": silent(t), "nowhere": nowhere(t)}
	for name, change := range map[string]http.HandlerFunc{
		"cluster": nil,
		"forbidden": on("/api/v1/nodes", func(w http.ResponseWriter, _ *http.Request) {
			answer(w, http.StatusForbidden, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Forbidden","code":403,"message":"nodes is forbidden: User \"x\" cannot list resource \"nodes\""}`)
		}),
		"half": on("/api/v1/services", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }),
		"broken": func(w http.ResponseWriter, _ *http.Request) {
			answer(w, http.StatusInternalServerError, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"InternalError","code":500,"message":"etcdserver: no leader"}`)
		},
	} {
		s := httptest.NewServer(fakeServer(change))
		t.Cleanup(s.Close)
		urls[name] = s.URL
	}
	kubeconfigs = map[string]string{"several": kubeconfigFor(map[string]string{"good": urls["cluster"], "bad": urls["nowhere"]})}
	for name, url := range urls {
		kubeconfigs[name] = kubeconfigFor(map[string]string{name: url})
	}
	return kubeconfigs, urls
}

// kubeconfigFor has one context for each server; the first is the current one.
func kubeconfigFor(servers map[string]string) string {
	names := slices.Sorted(maps.Keys(servers))
	var b strings.Builder
	fmt.Fprintf(&b, "apiVersion: v1\nkind: Config\ncurrent-context: %s\nusers: [{name: u, user: {}}]\n", names[0])
	fmt.Fprint(&b, "clusters:\n")
	for _, n := range names {
		fmt.Fprintf(&b, "- {name: %s, cluster: {server: %q}}\n", n, servers[n])
	}
	fmt.Fprint(&b, "contexts:\n")
	for _, n := range names {
		fmt.Fprintf(&b, "- {name: %s, context: {cluster: %s, user: u}}\n", n, n)
	}
	return b.String()
}

// silent accepts and says nothing.
func silent(t *testing.T) string {
	l := listen(t)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { c.Close() })
		}
	}()
	t.Cleanup(func() { l.Close() })
	return "http://" + l.Addr().String()
}

func nowhere(t *testing.T) string { return "http://" + port.Keep(t) }

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func answer(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	fmt.Fprint(w, text)
}

// on answers one path in its own way; nil for the others.
func on(path string, h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == path {
			h(w, r)
			return
		}
		serveAPI(w, r)
	}
}

func fakeServer(change http.HandlerFunc) http.Handler {
	if change == nil {
		change = serveAPI
	}
	return change
}

// serveAPI is as much of an API server as a check needs.
func serveAPI(w http.ResponseWriter, r *http.Request) {
	text, ok := map[string]string{
		"/api":  `{"kind":"APIVersions","versions":["v1"]}`,
		"/apis": `{"kind":"APIGroupList","apiVersion":"v1","groups":[]}`,
		"/api/v1": `{"kind":"APIResourceList","groupVersion":"v1","resources":[
			{"name":"nodes","kind":"Node","namespaced":false,"verbs":["get","list"]},
			{"name":"services","kind":"Service","namespaced":true,"verbs":["get","list"]}]}`,
		"/api/v1/nodes": `{"kind":"NodeList","apiVersion":"v1","metadata":{"resourceVersion":"1"},"items":[
			{"metadata":{"name":"cdev01"},"status":{"addresses":[{"type":"InternalIP","address":"192.168.10.114"}]}},
			{"metadata":{"name":"cdev02"},"status":{"addresses":[{"type":"InternalIP","address":"192.168.10.115"}]}}]}`,
		"/api/v1/services": `{"kind":"ServiceList","apiVersion":"v1","metadata":{"resourceVersion":"1"},"items":[
			{"metadata":{"name":"tomcat","namespace":"demo"},"spec":{"externalIPs":["192.168.10.114"],"ports":[{"port":8080}]}}]}`,
		"/manifest.yaml": "apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: demo}\nspec: {externalIPs: [192.168.10.115], ports: [{port: 80}]}\n",
	}[r.URL.Path]
	if !ok {
		answer(w, http.StatusNotFound, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","code":404,"message":"not found"}`)
		return
	}
	answer(w, http.StatusOK, text)
}
