// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"whohas/guard/server"
	"whohas/testkit/apiserver"
	"whohas/testkit/port"
)

// plain is a guard that nobody but the test asks, with a certificate that is there.
func plain(t *testing.T, wrap func(http.RoundTripper) http.RoundTripper) *guarded {
	t.Helper()
	g := &guarded{Server: apiserver.Start(t), t: t, dir: t.TempDir(), at: port.Keep(t), wrap: wrap}
	server.Certify(t, g.dir)
	g.metrics, g.health = port.Keep(t), port.Keep(t)
	g.KubectlInput(nodes+"---"+proxy+"---"+installation, "apply", "-f", "-")
	g.Serve(apiserver.IPAddressPool, apiserver.ClusterReportKind)
	g.KubectlInput(nodes, "apply", "--server-side", "--force-conflicts", "--subresource=status", "-f", "-")
	g.run()
	return g
}

// refuses asks, as an apiserver would, about a new Service with that address.
func (g *guarded) refuses(address string) bool {
	g.t.Helper()
	client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}}
	body := `{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"u","kind":{"version":"v1","kind":"Service"},"resource":{"version":"v1","resource":"services"},
"namespace":"demo","name":"asked","operation":"CREATE","userInfo":{"username":"alice"},"object":{"apiVersion":"v1","kind":"Service","metadata":{"name":"asked","namespace":"demo"},
"spec":{"externalIPs":["` + address + `"],"ports":[{"port":80,"protocol":"TCP"}]}}}}`
	res, err := client.Post("https://"+g.at+"/validate", "application/json", strings.NewReader(body))
	if err != nil {
		g.t.Fatal(err)
	}
	defer res.Body.Close()
	var answer struct{ Response struct{ Allowed bool } }
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil || res.StatusCode != http.StatusOK {
		g.t.Fatalf("%s, %v", res.Status, err)
	}
	return !answer.Response.Allowed
}

// right holds decisions that never change against what is decided.
func (g *guarded) right(when string) {
	g.t.Helper()
	for address, want := range map[string]bool{"192.168.10.114": true, "192.168.10.116": true, "192.168.77.1": false} {
		if got := g.refuses(address); got != want {
			g.t.Errorf("%s: %s refused %v, want %v", when, address, got, want)
		}
	}
}

func claiming(name, address string) string {
	return fmt.Sprintf("apiVersion: v1\nkind: Service\nmetadata: {name: %s, namespace: demo}\nspec: {externalIPs: [%s], ports: [{port: 80}]}", name, address)
}

// TestApiserverRestarts: while there is no apiserver the guard decides by what it knows,
// for longer than its Lease lasts; of the one that comes again it learns what was
// written meanwhile, and it leads again.
func TestApiserverRestarts(t *testing.T) {
	g := plain(t, nil)
	audited := func() bool {
		m := g.get(g.metrics, "/metrics")
		return strings.Contains(m, "whohas_guard_audit_timestamp_seconds") && !strings.Contains(m, "whohas_guard_audit_timestamp_seconds 0")
	}
	g.eventually("the leader", audited)
	g.right("before")
	g.Stop()
	g.right("while it is gone")
	g.eventually("without its Lease", func() bool { return !audited() })
	g.right("without a Lease")
	if g.get(g.health, "/healthz") != "ok" || g.get(g.health, "/readyz") != "ok" {
		t.Error("it is not alive and ready")
	}
	g.Again()
	g.KubectlInput(claiming("meanwhile", "192.168.10.210"), "apply", "-f", "-")
	g.eventually("known: what was claimed meanwhile", func() bool { return g.refuses("192.168.10.210") })
	g.Kubectl("-n", "demo", "delete", "service", "meanwhile")
	g.eventually("known: that it is gone", func() bool { return !g.refuses("192.168.10.210") })
	g.right("after")
	g.eventually("the leader again", audited)
}

// gaps break watches in turn: their version is too old, they end within an event, their
// bookmarks are lost, they end at once.
type gaps struct {
	http.RoundTripper
	n atomic.Int32
}

func (g *gaps) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := g.RoundTripper.RoundTrip(r)
	if err != nil || r.URL.Query().Get("watch") == "" || strings.Contains(r.URL.Path, "leases") {
		return res, err
	}
	instead := func(text string) {
		_ = res.Body.Close()
		res.Body = io.NopCloser(strings.NewReader(text))
	}
	switch g.n.Add(1) % 4 {
	case 0:
		instead(`{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Expired","code":410,"message":"too old resource version"}}`)
	case 1:
		instead(`{"type":"ADDED","object":{"kind":"Serv`)
	case 2:
		res.Body = unmarked(res.Body)
	case 3:
		instead("")
	}
	return res, nil
}

// unmarked takes the bookmarks out of a watch.
func unmarked(body io.ReadCloser) io.ReadCloser {
	r, w := io.Pipe()
	go func() {
		in := bufio.NewReaderSize(body, 1<<20)
		for {
			line, err := in.ReadBytes('\n')
			if len(line) > 0 && !bytes.Contains(line, []byte(`"BOOKMARK"`)) {
				if _, failed := w.Write(line); failed != nil {
					break
				}
			}
			if err != nil {
				w.CloseWithError(err)
				break
			}
		}
		_ = body.Close()
	}()
	return struct {
		io.Reader
		io.Closer
	}{r, closers{r, body}}
}

type closers []io.Closer

func (c closers) Close() error {
	for _, x := range c {
		_ = x.Close()
	}
	return nil
}

// TestWatchGaps: whatever becomes of watches, what is claimed and given up is known in
// the end.
func TestWatchGaps(t *testing.T) {
	g := plain(t, func(rt http.RoundTripper) http.RoundTripper { return &gaps{RoundTripper: rt} })
	g.right("at first")
	for i := range 3 {
		address := fmt.Sprintf("192.168.10.%d", 220+i)
		g.KubectlInput(claiming("a", address), "apply", "-f", "-")
		g.eventually("known: "+address, func() bool { return g.refuses(address) })
		g.Kubectl("-n", "demo", "delete", "service", "a")
		g.eventually("given up: "+address, func() bool { return !g.refuses(address) })
		g.right("after " + address)
	}
}
