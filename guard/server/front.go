// SPDX-License-Identifier: Apache-2.0

package server

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/certwatcher"
)

// limits are what clients may take of the guard's port: anybody in the cluster can reach
// it.
type limits struct {
	header, request, idle      time.Duration
	pause                      time.Duration // before who has asked improperly is told so
	strangers, guests, friends int           // connections, by what is known of who has them
}

// usual limits leave an apiserver, which gives up after three seconds, all the time it
// can use, and a client that says nothing none of it. Each apiserver keeps some
// connections open; a connection costs some 50 KB.
func usual() limits {
	return limits{header: 3 * time.Second, request: 10 * time.Second, idle: time.Minute, pause: 3 * time.Second, strangers: 640, guests: 192, friends: 192}
}

// front is the port on which apiservers ask. It is not controller-runtime's: that one
// waits for ever for the rest of a question, takes any number of connections, and
// writes each broken one to the log.
type front struct {
	limits
	callers Callers
	listen  string
	certDir string
	log     *slog.Logger
	turned  func(why string) // of each connection that was turned away; nil: nobody is told
	gate    *gate            // once it has started
	started chan struct{}    // closed once questions can come
}

func newFront(listen, certDir string, log *slog.Logger) *front {
	return &front{limits: usual(), listen: listen, certDir: certDir, log: log, started: make(chan struct{})}
}

// serve answers until ctx is over, and then ends what is under way. The certificate must
// be there; when it is renewed, the new one is taken.
func (f *front) serve(ctx context.Context, handler http.Handler) error {
	watcher, err := certwatcher.New(filepath.Join(f.certDir, "tls.crt"), filepath.Join(f.certDir, "tls.key"))
	if err != nil {
		return fmt.Errorf("read the certificate: %w", err)
	}
	go func() {
		if err := watcher.Start(ctx); err != nil {
			f.log.Error("the certificate is not watched: a renewed one is not taken", "error", err)
		}
	}()
	l, err := net.Listen("tcp", f.listen)
	if err != nil {
		return err
	}
	// Apiservers ask in HTTP/1.1, that replicas share the questions
	// (k8s.io/apiserver pkg/util/webhook/client.go, v0.37).
	sign := newSigners()
	cfg := &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}, GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		pair, err := watcher.GetCertificate(hello)
		return sign.by(pair), err
	}}
	f.gate = newGate(l, f.limits, f.turned)
	s := f.server(ctx, handler)
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(tls.NewListener(f.gate, f.callers.config(cfg))) }()
	f.log.Info("serving", "listen", l.Addr().String(), "path", "/validate")
	close(f.started)
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownLimit)
	defer cancel()
	if err := s.Shutdown(last); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return s.Close()
}

func (f *front) server(ctx context.Context, handler http.Handler) *http.Server {
	return &http.Server{
		Handler: f.proper(handler), BaseContext: func(net.Listener) context.Context { return context.WithoutCancel(ctx) },
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			if secure, ok := c.(*tls.Conn); ok {
				c = secure.NetConn()
			}
			return context.WithValue(ctx, visitorKey{}, c)
		},
		ReadHeaderTimeout: f.header, ReadTimeout: f.request, WriteTimeout: 2 * f.request, IdleTimeout: f.idle, MaxHeaderBytes: 16 << 10,
		ErrorLog: log.New(&complaints{f.log, f.turned}, "", 0),
	}
}

// complaints are net/http's about connections. What strangers send is no news.
type complaints struct {
	log    *slog.Logger
	turned func(why string)
}

// Write implements io.Writer. Nothing but these words tells of a handshake that failed
// (net/http server.go conn.serve, go 1.26).
func (c *complaints) Write(p []byte) (int, error) {
	if c.turned != nil && bytes.HasPrefix(p, []byte("http: TLS handshake error")) {
		c.turned(turnedHandshake)
	}
	c.log.Debug(strings.TrimSpace(string(p)))
	return len(p), nil
}

// proper answers proper questions, and keeps the connections by which they come. Who asks
// improperly waits, so that he does not come back at once, and has to come back.
func (f *front) proper(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		known := f.callers.known(r)
		as, properly := guest, true
		if known {
			as = friend
		}
		if v := visitorOf(r.Context()); v != nil {
			f.gate.asks(v)
			defer func() { f.gate.answered(v, as, properly) }()
		}
		switch {
		case r.URL.Path != "/validate":
			http.Error(lastly(w), "there is nothing but /validate here", http.StatusNotFound)
			properly = known
		case f.callers.Demand && !known:
			http.Error(lastly(w), "say who you are: the guard answers apiservers only", http.StatusUnauthorized)
			if properly = false; f.turned != nil {
				f.turned(turnedUnsaid)
			}
		default:
			handler.ServeHTTP(&answering{ResponseWriter: w, before: func(status int) {
				if status >= http.StatusInternalServerError { // the guard's fault, and no question yet
					as = stranger
				} else if properly = known || status == http.StatusOK; !properly {
					lastly(w)
				}
			}}, r.WithContext(context.WithValue(r.Context(), knownKey{}, known)))
		}
		if !properly { // what was said is sent after this; the handler holds nothing any more
			f.pauseFor(r)
		}
	})
}

type knownKey struct{}

// isKnown reports whether the question comes from somebody who is known.
func isKnown(ctx context.Context) bool {
	known, _ := ctx.Value(knownKey{}).(bool)
	return known
}

// lastly has the connection end with the answer.
func lastly(w http.ResponseWriter) http.ResponseWriter {
	w.Header().Set("Connection", "close")
	return w
}

// pauseFor lets who has asked improperly wait. If there are too many, he goes first.
func (f *front) pauseFor(r *http.Request) {
	if v := visitorOf(r.Context()); v != nil {
		f.gate.shun(v)
		select {
		case <-r.Context().Done():
		case <-time.After(f.pause):
		}
	}
}

// answering tells of an answer's status before it is sent.
type answering struct {
	http.ResponseWriter
	before func(status int)
	told   bool
}

// WriteHeader implements http.ResponseWriter.
func (a *answering) WriteHeader(status int) {
	if !a.told {
		a.told = true
		a.before(status)
	}
	a.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (a *answering) Write(p []byte) (int, error) {
	if !a.told {
		a.WriteHeader(http.StatusOK)
	}
	return a.ResponseWriter.Write(p)
}

// Unwrap is for http.ResponseController.
func (a *answering) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// ready reports whether questions can come.
func (f *front) ready() error {
	select {
	case <-f.started:
		return nil
	default:
		return errors.New("the webhook is not served yet")
	}
}
