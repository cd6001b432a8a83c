// SPDX-License-Identifier: Apache-2.0

package cases

import (
	"crypto/tls"
	"encoding/json"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"whohas/testkit/port"

	admissionreview "k8s.io/api/admission/v1"
)

// hook stands for a guard that breaks: it admits everything until it is told to do
// something else.
type hook struct {
	*authority
	server *httptest.Server
	done   chan struct{}

	mu      sync.Mutex
	answer  http.HandlerFunc
	present tls.Certificate
	asked   int
}

func newHook(t *testing.T) *hook {
	t.Helper()
	h := &hook{authority: newAuthority(t), answer: admit, done: make(chan struct{})}
	h.present = h.issue(t, time.Now().Add(time.Hour))
	h.server = httptest.NewUnstartedServer(h)
	h.server.Config.ErrorLog = log.New(io.Discard, "", 0)
	h.server.TLS = &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		h.mu.Lock()
		defer h.mu.Unlock()
		return &tls.Config{Certificates: []tls.Certificate{h.present}, MinVersion: tls.VersionTLS12}, nil
	}}
	h.server.StartTLS()
	t.Cleanup(func() {
		close(h.done)
		h.server.Close()
	})
	return h
}

// ServeHTTP implements http.Handler.
func (h *hook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	answer := h.answer
	h.asked++
	h.mu.Unlock()
	answer(w, r)
}

// drain tells how often it was asked since it was asked so last.
func (h *hook) drain() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := h.asked
	h.asked = 0
	return n
}

func admit(w http.ResponseWriter, r *http.Request) {
	var review admissionreview.AdmissionReview
	if err := json.NewDecoder(r.Body).Decode(&review); err != nil || review.Request == nil {
		http.Error(w, "no review", http.StatusBadRequest)
		return
	}
	review.Response, review.Request = &admissionreview.AdmissionResponse{UID: review.Request.UID, Allowed: true}, nil
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(review)
}

// become changes what it does, for connections that stand as well.
func (h *hook) become(answer http.HandlerFunc, present *tls.Certificate) {
	h.mu.Lock()
	h.answer = answer
	if present != nil {
		h.present = *present
	}
	h.mu.Unlock()
	h.server.CloseClientConnections()
}

// The ways to break.
func (h *hook) dead(*testing.T) { h.server.Close() }
func (h *hook) expired(t *testing.T) {
	c := h.issue(t, time.Now().Add(-time.Minute))
	h.become(admit, &c)
}
func (h *hook) garbage(*testing.T) {
	h.become(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "\x00{{{") }, nil)
}
func (h *hook) silent(*testing.T) {
	h.become(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-h.done:
		}
	}, nil)
}

// stranger answers another question than the one that was asked.
func (h *hook) stranger(*testing.T) {
	h.become(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","response":{"uid":"another","allowed":false}}`)
	}, nil)
}

// wire leads to an apiserver until it is cut.
type wire struct {
	listener net.Listener
	to       string

	mu    sync.Mutex
	conns []net.Conn
	cut   bool
}

// newWire lays one to a URL, and gives its own.
func newWire(t *testing.T, url string) (*wire, string) {
	t.Helper()
	l, err := net.Listen("tcp", port.Keep(t)) // kept when it is severed, too
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{listener: l, to: strings.TrimPrefix(url, "https://")}
	go w.run()
	t.Cleanup(w.sever)
	return w, "https://" + l.Addr().String()
}

func (w *wire) run() {
	for {
		near, err := w.listener.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", w.to)
		if err != nil || !w.keep(near, far) {
			_ = near.Close()
			continue
		}
		go func() { _, _ = io.Copy(far, near) }()
		go func() { _, _ = io.Copy(near, far) }()
	}
}

func (w *wire) keep(ends ...net.Conn) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.conns = append(w.conns, ends...)
	if w.cut {
		for _, c := range ends {
			_ = c.Close()
		}
	}
	return !w.cut
}

// sever cuts it: what was said is heard, and nothing after it.
func (w *wire) sever() {
	_ = w.listener.Close()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = true
	for _, c := range w.conns {
		_ = c.Close()
	}
}
