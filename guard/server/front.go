// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"golang.org/x/net/netutil"
	"sigs.k8s.io/controller-runtime/pkg/certwatcher"
)

// limits are what clients may take of the guard's port, whoever they are: anybody in the
// cluster can reach it.
type limits struct {
	header, request, idle time.Duration
	connections           int
}

// usual limits leave an apiserver, which gives up after three seconds, all the time it
// can use, and a client that says nothing none of it. Each apiserver keeps some
// connections open; a connection costs some 50 KB.
func usual() limits {
	return limits{header: 5 * time.Second, request: 10 * time.Second, idle: time.Minute, connections: 512}
}

// front is the port on which apiservers ask. It is not controller-runtime's: that one
// waits for ever for the rest of a question, takes any number of connections, and
// writes each broken one to the log.
type front struct {
	limits
	listen  string
	certDir string
	log     *slog.Logger
	started chan struct{} // closed once questions can come
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
	cfg := &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: watcher.GetCertificate, NextProtos: []string{"http/1.1"}}
	s := f.server(ctx, handler)
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(tls.NewListener(netutil.LimitListener(l, f.connections), cfg)) }()
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
	mux := http.NewServeMux()
	mux.Handle("/validate", handler)
	return &http.Server{
		Handler: mux, BaseContext: func(net.Listener) context.Context { return context.WithoutCancel(ctx) },
		ReadHeaderTimeout: f.header, ReadTimeout: f.request, WriteTimeout: 2 * f.request, IdleTimeout: f.idle, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(f.log.Handler(), slog.LevelDebug), // what strangers send is no news
	}
}

// ready tells whether questions can come.
func (f *front) ready() error {
	select {
	case <-f.started:
		return nil
	default:
		return errors.New("the webhook is not served yet")
	}
}
